// The program `mardini`: train a network, score it, tell what a checkpoint is.
#ifdef MARDINI_HAVE_LIBAV
#include "eval/eval.h"
#include "eval/info.h"
#endif
#include "train/report/report.h"
#include "train/loop.h"

#include <CLI/CLI.hpp>
#include <c10/util/Exception.h>

#include <cstdio>

namespace {

/// What the command line says about training.
struct Train {
    mardini::train::TrainOptions options;
    std::string time;
    bool only_pack = false;

    explicit Train(CLI::App &app)
    {
        mardini::train::TrainOptions &o = options;
        CLI::App *c = app.add_subcommand("train", "train a network on a folder of videos");
        c->add_option("--data", o.data, "folders of video, or packs");
        c->add_option("--stills", o.stills, "folder of pictures, textures of synthetic motion");
        c->add_option("--exclude", o.exclude,
                      "leave out files whose names begin with one of these");
        c->add_option("--check", o.check,
                      "videos never trained on: scored and shown at each checkpoint");
        c->add_option("--preset", o.preset, "nano, small or base")->capture_default_str();
        c->add_option("--out", o.out, "checkpoint to write")->required();
        c->add_option("--resume", o.resume, "checkpoint or training state to go on from");
        c->add_option("--stage", o.stage,
                      "auto, motion, interpolate, any, denoise, joint, decay, animate")
            ->capture_default_str();
        c->add_option("--device", o.device, "cpu, cuda, cuda:N")->capture_default_str();
        CLI::Option *length =
            c->add_option("--time", time, "length of the run: 2h, 90m, 45s, 1h30m");
        CLI::Option *minutes = c->add_option("--minutes", o.minutes, "the same as a number");
        CLI::Option *steps = c->add_option("--steps", o.steps, "length of the run in steps")
                                 ->check(CLI::PositiveNumber);
        minutes->check(CLI::PositiveNumber)->excludes(length);
        steps->excludes(length)->excludes(minutes);
        c->add_option("--crop", o.crop, "pixels of a training window, a multiple of 32")
            ->capture_default_str();
        c->add_option("--batch", o.batch, "windows a step")
            ->capture_default_str()
            ->check(CLI::PositiveNumber);
        c->add_option("--large", o.large, "share of steps with windows of twice the crop")
            ->capture_default_str()
            ->check(CLI::Range(0.0, 1.0));
        c->add_option("--detail", o.detail,
                      "strength at which detail is restored, kept in the checkpoint")
            ->check(CLI::Range(0.0, 1.0));
        c->add_option("--rate", o.rate, "peak learning rate")
            ->capture_default_str()
            ->check(CLI::PositiveNumber);
        c->add_option("--start", o.start, "where in the curriculum to begin")
            ->check(CLI::Range(0.0, 1.0));
        c->add_option("--end", o.end, "where in the curriculum to end")
            ->check(CLI::Range(0.0, 1.0));
        c->add_option("--synthetic", o.synthetic,
                      "share of synthetic motion, 0: none from the first step on")
            ->capture_default_str()
            ->check(CLI::Range(0.0, 1.0));
        c->add_option("--max-speed", o.max_speed, "of synthetic motion, pixels a gap")
            ->capture_default_str();
        c->add_option("--memory", o.memory, "MiB of decoded video kept")
            ->capture_default_str()
            ->check(CLI::PositiveNumber);
        c->add_option("--threads", o.threads, "processor threads, 0: all");
        c->add_option("--loaders", o.loaders, "threads that make batches")->capture_default_str();
        c->add_option("--seed", o.seed, "of weights and data")->capture_default_str();
        c->add_option("--bf16", o.bf16, "multiply in bfloat16")->capture_default_str();
        c->add_option("--save-minutes", o.save_minutes, "between two checkpoints")
            ->capture_default_str();
        c->add_option("--log-every", o.log_every, "steps between reports")
            ->capture_default_str()
            ->check(CLI::PositiveNumber);
        c->add_flag(
            "--pack", only_pack,
            "do not train: decode everything once into OUT, which --data and --stills take");
        const std::string parts = "What to learn from, and what to leave out";
        c->add_option("--distil", o.distil, "learn from this larger network too")->group(parts);
        c->add_option("--labels", o.labels, "learn from synthetic motion's flow")
            ->capture_default_str()
            ->group(parts);
        c->add_option("--progressive", o.progressive,
                      "windows grow from stage to stage; 0: the last stage's at once")
            ->capture_default_str()
            ->group(parts);
        c->add_option("--references", o.references,
                      "given frames of a window, 0: as the stage has it")
            ->check(CLI::Range(0, 5))
            ->group(parts);
        c->add_option("--without", o.without, "train with a part off: planner, match")
            ->delimiter(',')
            ->group(parts);
        c->callback([this] { run(); });
    }

    void run()
    {
        if (!time.empty())
            options.minutes = mardini::train::minutes_from(time);
        only_pack ? mardini::train::pack(options) : mardini::train::train(options);
    }
};

#ifdef MARDINI_HAVE_LIBAV
/// What the command line says about an evaluation.
struct Evaluate {
    mardini::eval::EvalOptions options;
    std::vector<std::string> protocol,
        groups{"near-still=laptop-lowlight,thumbs-dark", "animation=sintel-snow"};
    int left_out = 0;

    explicit Evaluate(CLI::App &app)
    {
        mardini::eval::EvalOptions &o = options;
        CLI::App *c =
            app.add_subcommand("eval", "drop frames of clips, make them again and score them");
        CLI::Option *data = c->add_option("--data", o.data, "folder of clips, or one clip");
        c->add_option("--protocol", protocol,
                      "davis7 DIR: a folder of pictures for each sequence, instead of --data")
            ->expected(2)
            ->excludes(data);
        c->add_option("--model", o.filter.model, "checkpoint or preset (default: nano)");
        c->add_option("--factors", o.factors, "one frame of so many is kept")
            ->delimiter(',')
            ->capture_default_str()
            ->check(CLI::Range(2, 64));
        c->add_option("--frames", o.frames, "of each clip, from its start")
            ->capture_default_str()
            ->check(CLI::Range(3, 100000));
        c->add_option("--max-height", o.max_height, "taller clips are scaled down to it")
            ->capture_default_str()
            ->check(CLI::Range(16, 16384));
        CLI::Option_group *jobs = c->add_option_group("One of these, instead of dropping frames");
        jobs->require_option(0, 1);
        jobs->add_option("--ahead", o.ahead, "extend the first --frames by so many, and score them")
            ->check(CLI::Range(1, 1000));
        jobs->add_option("--chain", o.chain,
                         "go on for so many windows of 12 frames and tell what is left")
            ->check(CLI::Range(1, 1000));
        jobs->add_option("--levels", o.levels,
                         "make the product of these factors at once and level by level")
            ->delimiter(',')
            ->check(CLI::Range(2, 64));
        jobs->add_option("--join", o.join,
                         "loop the first --frames by so many made frames, and score the seam")
            ->check(CLI::Range(1, 1000));
        jobs->add_option("--animate", o.seeds,
                         "sample so many motions around the first frame of each clip or picture")
            ->check(CLI::Range(2, 64));
        c->add_option("--motion", o.motion,
                      "with --animate: how much moves, as the filter's option motion")
            ->capture_default_str()
            ->check(CLI::Range(0.0, 10.0));
        c->add_option("--against", o.against, "score this too")->check(CLI::IsMember({"blend"}));
        c->add_option("--without", o.without, "score the network with this part off too")
            ->check(CLI::IsMember({"planner", "match"}));
        c->add_option("--group", groups,
                      "NAME=CLIP,CLIP: clips by the start of their names, a mean of their own")
            ->capture_default_str();
        c->add_option("--json", o.json, "write every figure to this file");
        c->add_option("--html", o.html, "write a page with pictures to this file");
        c->add_option("--threads", o.filter.threads, "processor threads, 0: all")
            ->check(CLI::Range(0, 64));
        c->add_option("--device", o.filter.device, "auto, cpu, cuda, cuda:N");
        c->add_option("--precision", o.filter.precision, "auto, fp32, bf16")
            ->check(CLI::IsMember({"auto", "fp32", "bf16"}));
        c->add_option("--steps", o.filter.steps, "sampling steps, -1: the library's default")
            ->check(CLI::Range(-1, 64));
        c->add_option("--seed", o.filter.seed, "of the sampling noise, -1: the library's");
        c->callback([this, c] { run(*c); });
    }

    /// Options that are not for what was asked for would be passed over in silence.
    static void refuse(const CLI::App &c, const std::string &job,
                       std::initializer_list<const char *> names)
    {
        for (const char *name : names)
            if (c.get_option(name)->count())
                throw std::runtime_error(std::string(name) + " is not for " + job +
                                         ": leave it out.");
    }

    void run(const CLI::App &c)
    {
        options.filter.model = mardini::eval::find_model(options.filter.model);
        const auto asked = [&](const char *name) { return c.get_option(name)->count() > 0; };
        const auto jobs = {"--ahead", "--chain", "--levels", "--join", "--animate"};
        if (!protocol.empty()) {
            refuse(c, "--protocol davis7", jobs);
            refuse(c, "--protocol davis7",
                   {"--motion", "--factors", "--frames", "--max-height", "--against", "--without",
                    "--group", "--html"});
        }
        for (const std::string job : jobs) {
            if (!asked(job.c_str()))
                continue;
            refuse(c, job, {"--factors", "--against", "--without", "--group", "--json", "--html"});
            if (job == "--levels" || job == "--animate")
                refuse(c, job, {"--frames"});
        }
        if (!asked("--animate"))
            refuse(c, "anything but --animate", {"--motion"});
        if (!protocol.empty()) {
            if (protocol[0] != "davis7")
                throw std::runtime_error("The protocol \"" + protocol[0] +
                                         "\" is unknown: davis7 exists.");
            options.davis7 = protocol[1];
            left_out = evaluate_davis7(options);
            return;
        }
        if (options.data.empty())
            throw std::runtime_error("Say --data DIR or --protocol davis7 DIR.");
        for (const std::string &group : groups) {
            const size_t equals = group.find('=');
            if (equals == std::string::npos || equals == 0)
                throw std::runtime_error("--group " + group + ": NAME=CLIP,CLIP is wanted.");
            options.groups.emplace_back(group.substr(0, equals),
                                        CLI::detail::split(group.substr(equals + 1), ','));
        }
        if (options.ahead)
            left_out = evaluate_ahead(options);
        else if (options.join)
            left_out = evaluate_join(options);
        else if (options.seeds)
            left_out = evaluate_animate(options);
        else if (options.chain)
            left_out = evaluate_chain(options);
        else if (!options.levels.empty())
            left_out = evaluate_levels(options);
        else
            left_out = evaluate(options);
    }
};

struct Info {
    std::string path, size = "448x256";

    explicit Info(CLI::App &app)
    {
        CLI::App *c = app.add_subcommand("info", "tell what a checkpoint is");
        c->add_option("FILE", path, "checkpoint or preset")->required();
        c->add_option("--size", size, "of the frames whose cost is told")->capture_default_str();
        c->callback([this] {
            int width = 0, height = 0, end = 0;
            if (std::sscanf(size.c_str(), "%dx%d%n", &width, &height, &end) != 2 ||
                end != static_cast<int>(size.size()) || std::min(width, height) < 16 ||
                std::max(width, height) > 16384)
                throw std::runtime_error("--size " + size +
                                         ": WIDTHxHEIGHT is wanted, 16x16 to 16384x16384.");
            mardini::eval::print_info(mardini::eval::find_model(path), width, height);
        });
    }
};
#endif

} // namespace

int main(int argc, char **argv)
{
    CLI::App app("mardini: train, score and look at networks that make frames between frames");
    app.require_subcommand(1);

    Train train(app);
#ifdef MARDINI_HAVE_LIBAV
    Evaluate eval(app);
    Info info(app);
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
#ifdef MARDINI_HAVE_LIBAV
    if (eval.left_out) {
        std::fprintf(stderr, "mardini: %d file%s left out\n", eval.left_out,
                     eval.left_out > 1 ? "s were" : " was");
        return 1;
    }
#endif
    return 0;
}
