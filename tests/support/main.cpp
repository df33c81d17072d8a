// The main() of every test program: runs Catch2 and leaves the counts of test cases
// for scripts/run-tests as the last line.
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
using Listener = Catch::EventListenerBase;
#else
#define CATCH_CONFIG_RUNNER
#define CATCH_CONFIG_EXTERNAL_INTERFACES
#include <catch2/catch.hpp>
using Listener = Catch::TestEventListenerBase;
#endif

#include <cstdio>
#include <string>

static size_t num_passed, num_failed, num_skipped;

void skipped(const std::string &why)
{
    num_skipped++;
    std::printf("skipped: %s\n", why.c_str());
}

struct Counter : Listener {
    using Listener::Listener;
    void testRunEnded(const Catch::TestRunStats &stats) override
    {
        num_passed = stats.totals.testCases.passed + stats.totals.testCases.failedButOk;
        num_failed = stats.totals.testCases.failed;
    }
};
CATCH_REGISTER_LISTENER(Counter)

int main(int argc, char **argv)
{
    Catch::Session session;
#ifndef CATCH_CONFIG_RUNNER
    session.configData().allowZeroTests = true; // a program whose tests are all hidden, as in 2.x
#endif
    int rc = session.run(argc, argv);
    // Catch2 counts what left by SKIP_TEST() as passed.
    num_passed -= num_skipped;
    std::printf("counts: %zu %zu %zu\n", num_passed, num_failed, num_skipped);
    return rc;
}
