// The program `mardini`: train a network, tell what a checkpoint is.
#include "checkpoint.h"
#include "train/pack.h"
#include "train/train.h"

#include <CLI/CLI.hpp>

#include <cstdio>

static void info(const std::string &path)
{
    std::map<std::string, std::string> metadata;
    mardini::Network network = mardini::load_network(path, &metadata);
    int64_t total = 0;
    std::map<std::string, int64_t> parts;
    for (const auto &item : network->named_parameters()) {
        parts[item.key().substr(0, item.key().find('.'))] += item.value().numel();
        total += item.value().numel();
    }
    std::printf("%s: %s, %.3f M parameters\n", path.c_str(), network->config().preset.c_str(), total / 1e6);
    for (const auto &[name, count] : parts)
        std::printf("  %-12s %8.3f M  %4.1f %%\n", name.c_str(), count / 1e6, 100.0 * count / total);
    for (const auto &[name, value] : metadata)
        std::printf("  %s: %s\n", name.c_str(), value.c_str());
}

int main(int argc, char **argv)
{
    CLI::App app("mardini: train and look at networks that make frames between frames");
    app.require_subcommand(1);

    mardini::train::TrainOptions o;
    CLI::App *train = app.add_subcommand("train", "train a network on a folder of videos");
    train->add_option("--data", o.data, "folders of video, or packs");
    train->add_option("--stills", o.stills, "folder of pictures, textures of synthetic motion");
    train->add_option("--exclude", o.exclude, "leave out files whose names begin with one of these");
    train->add_option("--preset", o.preset, "nano, small or base")->capture_default_str();
    train->add_option("--out", o.out, "checkpoint to write")->required();
    train->add_option("--resume", o.resume, "checkpoint or training state to go on from");
    train->add_option("--stage", o.stage, "auto, motion, interpolate, any, denoise, joint, decay")->capture_default_str();
    train->add_option("--device", o.device, "cpu, cuda, cuda:N")->capture_default_str();
    train->add_option("--minutes", o.minutes, "length of the run")->check(CLI::NonNegativeNumber);
    train->add_option("--steps", o.steps, "length of the run")->check(CLI::NonNegativeNumber);
    train->add_option("--crop", o.crop, "pixels of a training window, a multiple of 32")->capture_default_str();
    train->add_option("--batch", o.batch, "windows a step")->capture_default_str()->check(CLI::PositiveNumber);
    train->add_option("--rate", o.rate, "peak learning rate")->capture_default_str();
    train->add_option("--start", o.start, "where in the curriculum to begin")->check(CLI::Range(0.0, 1.0));
    train->add_option("--end", o.end, "where in the curriculum to end")->check(CLI::Range(0.0, 1.0));
    train->add_option("--synthetic", o.synthetic, "share of synthetic motion")->capture_default_str();
    train->add_option("--max-speed", o.max_speed, "of synthetic motion, pixels a gap")->capture_default_str();
    train->add_option("--threads", o.threads, "processor threads, 0: all");
    train->add_option("--loaders", o.loaders, "threads that make batches")->capture_default_str();
    train->add_option("--seed", o.seed, "of weights and data")->capture_default_str();
    train->add_option("--bf16", o.bf16, "multiply in bfloat16")->capture_default_str();
    train->add_option("--save-minutes", o.save_minutes, "between two checkpoints")->capture_default_str();
    train->add_option("--log-every", o.log_every, "steps between reports")->capture_default_str();
    bool only_pack = false;
    train->add_flag("--pack", only_pack, "do not train: decode everything once into OUT, which --data and --stills take");
    train->callback([&] { only_pack ? mardini::train::pack(o) : mardini::train::train(o); });

    std::string path;
    CLI::App *show = app.add_subcommand("info", "tell what a checkpoint is");
    show->add_option("FILE", path, "checkpoint")->required();
    show->callback([&] { info(path); });

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
    return 0;
}
