// The command `mardini train`.
#include "tool/train_command.h"

#include "tool/option_table.h"
#include "train/loop.h"
#include "train/report/report.h"

#include <memory>

namespace mardini::tool {

namespace {

struct TrainCommand {
    train::TrainOptions options;
    std::string time;
    bool only_pack = false;

    void run()
    {
        if (!time.empty())
            options.minutes = train::minutes_from(time);
        only_pack ? train::pack(options) : train::train(options);
    }
};

void add_table(CLI::App *app, TrainCommand *command)
{
    train::TrainOptions &o = command->options;
    const CLI::Range share(0.0, 1.0);
    add_options(
        app, "Files",
        {
            {"--data", &o.data, "folders of video, or packs"},
            {"--stills", &o.stills, "folder of pictures, textures of synthetic motion"},
            {"--exclude", &o.exclude, "leave out files whose names begin with one of these"},
            {"--check", &o.check, "validation videos: scored and shown at each checkpoint"},
            {"--out", &o.out, "checkpoint to write"},
            {"--resume", &o.resume, "checkpoint or training state to continue"},
            {"--memory", &o.memory, "MiB of decoded video kept", CLI::PositiveNumber},
        });
    add_options(
        app, "Length and place in the curriculum",
        {
            {"--time", &command->time, "length of the run: 2h, 90m, 45s, 1h30m"},
            {"--minutes", &o.minutes, "the same as a number", CLI::PositiveNumber},
            {"--steps", &o.steps, "length of the run in steps", CLI::PositiveNumber},
            {"--stage", &o.stage, "auto, motion, interpolate, any, denoise, joint, decay, animate"},
            {"--start", &o.start, "progress to begin at; default: where --resume stopped", share},
            {"--end", &o.end, "progress to end at", share},
        });
    add_options(app, "Network and optimizer",
                {
                    {"--preset", &o.preset, "nano, small or base"},
                    {"--detail", &o.detail,
                     "strength of detail restoration, kept in the checkpoint", share},
                    {"--rate", &o.rate, "peak learning rate", CLI::PositiveNumber},
                    {"--seed", &o.seed, "of weights and batches"},
                });
    add_options(
        app, "Windows",
        {
            {"--crop", &o.crop, "pixels of a window's side, a multiple of 32"},
            {"--batch", &o.batch, "windows a step", CLI::PositiveNumber},
            {"--large", &o.large, "share of steps with windows of twice the crop", share},
            {"--synthetic", &o.synthetic, "share of synthetic motion; 0: none in any stage", share},
            {"--max-speed", &o.max_speed, "of synthetic motion, pixels a gap"},
            {"--progressive", &o.progressive,
             "windows grow from stage to stage; 0: the last stage's size"},
            {"--references", &o.references, "reference frames of a window; 0: as the stage has it",
             CLI::Range(0, 5)},
        });
    add_options(app, "Terms of the loss, and parts to switch off",
                {
                    {"--distil", &o.distil, "checkpoint of a larger network to distil"},
                    {"--labels", &o.labels, "use the flow of synthetic motion"},
                    {"--without", &o.without, "switch off a part: planner, match", {}, ','},
                });
    add_options(app, "Machine",
                {
                    {"--device", &o.device, "cpu, cuda, cuda:N"},
                    {"--bf16", &o.bf16, "multiply in bfloat16"},
                    {"--threads", &o.threads, "processor threads; 0: all"},
                    {"--loaders", &o.loaders, "threads that make batches"},
                });
    add_options(
        app, "Reports",
        {
            {"--save-minutes", &o.save_minutes, "between two checkpoints"},
            {"--log-every", &o.log_every, "steps between two log lines", CLI::PositiveNumber},
        });
}

} // namespace

void add_train_command(CLI::App &app)
{
    const auto command = std::make_shared<TrainCommand>();
    CLI::App *c = app.add_subcommand("train", "train a network on a folder of videos");
    add_table(c, command.get());
    c->add_flag("--pack", command->only_pack,
                "do not train: decode everything once into OUT, which --data and --stills take");
    c->get_option("--out")->required();
    c->get_option("--minutes")->excludes(c->get_option("--time"));
    c->get_option("--steps")->excludes(c->get_option("--time"));
    c->get_option("--steps")->excludes(c->get_option("--minutes"));
    c->callback([command] { command->run(); });
}

} // namespace mardini::tool
