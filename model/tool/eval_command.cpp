// The command `mardini eval`.
#include "tool/eval_command.h"

#include "eval/chain.h"
#include "eval/davis7.h"
#include "eval/extension.h"
#include "eval/interpolation.h"
#include "eval/levels.h"
#include "eval/loop_join.h"
#include "eval/sampled_motion.h"
#include "library/find_model.h"
#include "tool/option_table.h"

#include <torch/cuda.h>

#include <memory>
#include <stdexcept>

namespace mardini::tool {

namespace {

using eval::EvalOptions;

/// A job other than dropped frames.
struct Job {
    const char *option;
    int (*run)(const EvalOptions &options);
    bool takes_frames; ///< --frames
};

const Job jobs[] = {
    {"--ahead", eval::evaluate_extension, true},         {"--chain", eval::evaluate_chain, true},
    {"--levels", eval::evaluate_levels, false},          {"--join", eval::evaluate_loop_join, true},
    {"--animate", eval::evaluate_sampled_motion, false},
};

/// Options that only dropped frames have.
const std::vector<const char *> scoring_options = {"--factors", "--against", "--without", "--vmaf",
                                                   "--group",   "--json",    "--html"};

struct EvalCommand {
    EvalOptions options;
    std::vector<std::string> protocol; ///< name and folder
    const CLI::App *app = nullptr;

    bool is_set(const char *option) const { return app->get_option(option)->count() > 0; }

    /// Each of these options, if set, is an error.
    void refuse(const std::string &what, const std::vector<const char *> &names) const
    {
        for (const char *name : names)
            if (is_set(name))
                throw std::runtime_error(std::string(name) + " is not for " + what +
                                         ": leave it out.");
    }

    void check_protocol() const
    {
        if (protocol[0] != "davis7")
            throw std::runtime_error("The protocol \"" + protocol[0] +
                                     "\" is unknown: davis7 exists.");
        for (const Job &job : jobs)
            refuse("--protocol davis7", {job.option});
        refuse("--protocol davis7", {"--motion", "--factors", "--frames", "--max-height",
                                     "--against", "--without", "--vmaf", "--group", "--html"});
    }

    int run()
    {
        std::string &model = options.filter.model;
        const std::string &device = options.filter.device;
        model = find_model(model.empty() ? nullptr : model.c_str(),
                           runs_on_cuda(device.empty() ? nullptr : device.c_str(), false,
                                        [] { return int{torch::cuda::is_available()}; }));
        if (!protocol.empty()) {
            check_protocol();
            options.davis7 = protocol[1];
            return eval::evaluate_davis7(options);
        }
        const Job *job = nullptr;
        for (const Job &candidate : jobs)
            if (is_set(candidate.option))
                job = &candidate;
        if (job)
            refuse(job->option, scoring_options);
        if (job && !job->takes_frames)
            refuse(job->option, {"--frames"});
        if (!is_set("--animate"))
            refuse("anything but --animate", {"--motion"});
        if (options.data.empty())
            throw std::runtime_error("Nothing to evaluate: give --data DIR or --protocol davis7 "
                                     "DIR.");
        return job ? job->run(options) : eval::evaluate_interpolation(options);
    }
};

void add_table(CLI::App *app, EvalCommand *command)
{
    EvalOptions &o = command->options;
    add_options(
        app, "Input",
        {
            {"--data", &o.data, "folder of clips, or one clip"},
            {"--frames", &o.frames, "of each clip, from its start", CLI::Range(3, 100000)},
            {"--max-height", &o.max_height,
             "taller clips are scaled to this height; 0: native size", CLI::Range(0, 16384)},
        });
    add_options(
        app, "Dropped frames",
        {
            {"--factors", &o.factors, "one frame in so many is kept", CLI::Range(2, 64), ','},
            {"--against", &o.against, "score this method too: blend", CLI::IsMember({"blend"})},
            {"--without", &o.without, "score the network without this part too: planner, match",
             CLI::IsMember({"planner", "match"})},
            {"--vmaf", &o.vmaf,
             "program vmaf, or an ffmpeg with libvmaf; none; default: the first one found"},
            {"--group", &o.groups, "NAME=CLIP,CLIP: the mean of clips whose names begin so"},
            {"--json", &o.json, "write every metric to this file"},
            {"--html", &o.html, "write a page with pictures to this file"},
        });
    add_options(
        app, "Filter",
        {
            {"--model", &o.filter.model,
             "checkpoint or preset; default: the best preset for the device"},
            {"--device", &o.filter.device, "auto, cpu, cuda, cuda:N"},
            {"--precision", &o.filter.precision, "auto, fp32, bf16",
             CLI::IsMember({"auto", "fp32", "bf16"})},
            {"--steps", &o.filter.steps, "sampling steps; -1: the library's default",
             CLI::Range(-1, 64)},
            {"--seed", &o.filter.seed, "of the sampling noise; -1: the library's default"},
            {"--threads", &o.filter.threads, "processor threads; 0: all", CLI::Range(0, 64)},
        });
    CLI::Option_group *one = app->add_option_group("One of these, instead of dropped frames");
    one->require_option(0, 1);
    add_options(
        one, "One of these, instead of dropped frames",
        {
            {"--ahead", &o.ahead, "extend the first --frames by so many, and score these",
             CLI::Range(1, 1000)},
            {"--chain", &o.chain, "extend by so many windows of 12 frames, and measure the drift",
             CLI::Range(1, 1000)},
            {"--levels", &o.levels,
             "synthesize the product of these factors at once and level by level",
             CLI::Range(2, 64), ','},
            {"--join", &o.join, "loop the first --frames by so many frames, and measure the join",
             CLI::Range(1, 1000)},
            {"--animate", &o.animate, "sample so many motions around the first frame of each file",
             CLI::Range(2, 64)},
        });
    add_options(app, "With --animate",
                {
                    {"--motion", &o.motion, "amount of motion, as the filter's option motion",
                     CLI::Range(0.0, 10.0)},
                });
}

} // namespace

void add_eval_command(CLI::App &app, int *left_out)
{
    const auto command = std::make_shared<EvalCommand>();
    CLI::App *c = app.add_subcommand("eval", "drop frames of clips, synthesize them again, score "
                                             "them");
    command->app = c;
    add_table(c, command.get());
    c->add_option("--protocol", command->protocol,
                  "davis7 DIR: a folder of pictures for each sequence, instead of --data")
        ->expected(2)
        ->excludes(c->get_option("--data"))
        ->group("Input");
    c->callback([command, left_out] { *left_out = command->run(); });
}

} // namespace mardini::tool
