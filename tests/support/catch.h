/*
 * Catch2 2.x and 3.x under one include, and LibTorch's own CHECK out of its way.
 * Include LibTorch's headers first, then this one.
 *
 * Added to Catch2: SKIP_TEST(why) leaves a test case and counts it as skipped.
 */
#ifndef TESTS_CATCH_H
#define TESTS_CATCH_H

#include <string>

#undef CHECK
#undef CHECK_EQ
#undef CHECK_NE
#undef CHECK_LE
#undef CHECK_LT
#undef CHECK_GE
#undef CHECK_GT
#undef INFO
#undef WARN
#undef FAIL

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
using Catch::Approx;
namespace Catch { // as 2.x calls them
using Matchers::EndsWith;
inline auto Contains(const std::string &part)
{
    return Matchers::ContainsSubstring(part);
}
} // namespace Catch
#else
#include <catch2/catch.hpp>
#endif

/// Counts the running test case as skipped and prints why; defined in support/main.cpp.
void skipped(const std::string &why);

#define SKIP_TEST(why)                                                                             \
    do {                                                                                           \
        skipped(why);                                                                              \
        SUCCEED(why);                                                                              \
        return;                                                                                    \
    } while (0)

#endif
