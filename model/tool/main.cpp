// The program `mardini`: train a network, score it, describe a checkpoint.
#ifdef MARDINI_HAVE_LIBAV
#include "tool/eval_command.h"
#include "tool/info_command.h"
#endif
#include "tool/train_command.h"

#include <CLI/CLI.hpp>
#include <c10/util/Exception.h>

#include <cstdio>

int main(int argc, char **argv)
{
    CLI::App app("mardini: train, score and describe networks that synthesize video frames");
    app.require_subcommand(1);
    int left_out = 0; // files of an evaluation
    mardini::tool::add_train_command(app);
#ifdef MARDINI_HAVE_LIBAV
    mardini::tool::add_eval_command(app, &left_out);
    mardini::tool::add_info_command(app);
#endif
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError &e) {
        return app.exit(e);
    } catch (const c10::Error &e) {
        std::fprintf(stderr, "mardini: %s\n", e.what_without_backtrace());
        return 1;
    } catch (const std::exception &e) {
        std::fprintf(stderr, "mardini: %s\n", e.what());
        return 1;
    }
    if (!left_out)
        return 0;
    std::fprintf(stderr, "mardini: %d file%s left out\n", left_out,
                 left_out > 1 ? "s were" : " was");
    return 1;
}
