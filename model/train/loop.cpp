// The training loop: `mardini train`. Batches come from loader threads, one step at a time goes
// through the network; reads from top to bottom.
#include "train/loop.h"

#include "base/random.h"
#include "engine/single_image.h"
#include "simd/precision.h"
#include "train/report/curves.h"
#include "train/diffusion.h"
#include "train/flow_matching.h"
#include "train/report/validation.h"
#include "train/loader.h"
#include "train/losses.h"
#include "train/optimizer.h"
#include "train/processes.h"
#include "train/report/report.h"

#include <ATen/Parallel.h>
#include <torch/csrc/autograd/autograd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <fstream>

namespace mardini::train {

using Clock = std::chrono::steady_clock;

static std::atomic<bool> stop_asked{false};

/// This many in a row mean that the weights are lost, not that a batch was odd.
static constexpr int bad_steps = 100;

static LoadOptions load_options(const TrainOptions &options)
{
    LoadOptions load;
    load.exclude = options.exclude;
    load.memory = static_cast<size_t>(options.memory) << 20;
    load.report = [](const std::string &line) { std::fprintf(stderr, "%s\n", line.c_str()); };
    return load;
}

void pack(const TrainOptions &options)
{
    pack(options.data, options.stills, options.out, load_options(options));
}

/// Channels of the trust in alignment that a network gets which has none.
static constexpr int trust_channels = 16;

/// Whether a file holds a run's state, and not weights alone.
static bool is_state(const SafeTensors &file)
{
    return file.metadata.count("progress") > 0;
}

/// Of a run from weights alone: what is younger than they are. The output head's four logits of a
/// candidate become their mean.
static void modernize(SafeTensors &weights)
{
    for (const char *name : {"generator.head3.weight", "generator.head3.bias"}) {
        auto found = weights.tensors.find(name);
        if (found == weights.tensors.end())
            continue;
        Tensor &t = found->second;
        if (t.size(0) != packed_channels + 4 * num_candidates + 1)
            continue;
        Tensor logits =
            t.slice(0, packed_channels, packed_channels + 4 * num_candidates).to(torch::kFloat32);
        t = at::cat({t.slice(0, 0, packed_channels).to(torch::kFloat32),
                     logits.unflatten(0, {num_candidates, 4}).mean(1),
                     t.slice(0, packed_channels + 4 * num_candidates).to(torch::kFloat32)});
    }
}

/// resumed: what options.resume holds. A state goes on as what it was; weights get what is younger
/// than they are.
static NetworkConfig configuration(const TrainOptions &options, const SafeTensors &resumed)
{
    NetworkConfig config = preset(options.preset);
    if (auto found = resumed.metadata.find("mardini.config"); found != resumed.metadata.end()) {
        config = config_from_json(found->second);
        if (config.preset != options.preset)
            throw std::runtime_error("\"" + options.resume + "\" is of the preset " +
                                     config.preset + ", not " + options.preset +
                                     ": name it by --preset, or resume from another.");
    }
    if (!is_state(resumed)) {
        config.generator.trust = std::max(config.generator.trust, trust_channels);
        config.generator.logits = 1;
    }
    if (options.detail >= 0)
        config.generator.detail = options.detail;
    return config;
}

static Ablation ablation(const TrainOptions &options)
{
    Ablation a;
    for (const std::string &part : options.without) {
        if (part != "planner" && part != "match")
            throw std::runtime_error("There is no part \"" + part +
                                     "\" to train without: planner and match exist.");
        (part == "planner" ? a.no_planner : a.no_match) = true;
    }
    return a;
}

/// What the parts are worth on this batch: PSNR with the planner and with the match switched off.
static void check_health(Network &network, const Batch &batch, const Tensor &target,
                         const Output &output, const Ablation &without, Figures &figures)
{
    torch::NoGradGuard no_grad;
    const double whole = psnr(output.frames, target);
    for (bool planner : {true, false}) {
        Ablation part = without;
        (planner ? part.no_planner : part.no_match) = true;
        Output less = network->forward(batch.given, batch.given_times, batch.masked_times,
                                       {batch.reduction, part});
        figures.add(planner ? "loss_without_planner" : "loss_without_match",
                    whole - psnr(less.frames, target));
    }
    figures.add("token_magnitude", output.plan.tokens.norm(2, {2}).mean().item<double>());
    figures.add("trust", output.trust.defined() ? output.trust.mean().item<double>() : 0);
    figures.add("staying", output.weights.slice(1, 2, 4).sum(1).mean().item<double>());
    Tensor planned = output.plan.motion.velocity.norm(2, {1}).mean();
    Tensor final = output.refined.half.velocity.norm(2, {1}).mean();
    figures.add("plan_share", (planned / (final + 1e-3)).item<double>());
}

/// The norms of what the diffusion loss alone asks of planner and generator.
static void check_diffusion(Network &network, const Tensor &loss, Figures &figures)
{
    for (bool planner : {true, false}) {
        torch::nn::Module *part = planner ? static_cast<torch::nn::Module *>(network->planner.get())
                                          : network->generator.get();
        double sum = 0;
        for (const Tensor &g :
             torch::autograd::grad({loss}, part->parameters(), {}, /*retain_graph=*/true, false,
                                   /*allow_unused=*/true))
            if (g.defined())
                sum += g.square().sum().item<double>();
        figures.add(planner ? "diffusion_planner" : "diffusion_generator", std::sqrt(sum));
    }
}

/// How well this batch is made, and against what linear blending scores.
static void check_frames(const Batch &batch, const Tensor &target, const Output &output,
                         const Losses &loss, Figures &figures)
{
    figures.add("distance", 100 * loss.frames);
    if (loss.has_flow) {
        figures.add("error_final", loss.flow);
        figures.add("error_plan", loss.plan);
        figures.add("error_match", loss.match);
        figures.add("speed", loss.speed);
    }
    if (batch.given.size(1) < 2)
        return;
    const std::string kind = batch.flow.defined() ? "synthetic" : "real";
    Tensor given = batch.given.flatten(0, 1);
    Tensor blend = cross_fade(given.index_select(0, output.pairs.before),
                              given.index_select(0, output.pairs.after), output.pairs);
    const double made = psnr(output.frames, target);
    figures.add(kind + "_psnr", made);
    figures.add(kind + "_gain", made - psnr(blend, target));
}

/// What the denoiser starts from. One given frame tells no motion: what is seen with the masked
/// frame before the network's eyes stands for the motion that the filter samples.
static Bridge bridge_of(Network &network, const Batch &batch, const Output &output)
{
    if (batch.given.size(1) > 1)
        return output.bridge();
    torch::NoGradGuard no_grad;
    Tensor given = batch.given.select(1, 0).repeat_interleave(batch.masked.size(1), 0);
    Tensor velocity =
        resize(examples(network, batch).motion.flatten(0, 1), given.size(2), given.size(3));
    return bridge_alone(given, 2 * given.size(2), 2 * given.size(3), motion_alone(velocity),
                        output.pairs, network->generator->hidden_channels());
}

static Network averaged(const Network &network, const Optimizer &optimizer)
{
    Network average(network->config());
    optimizer.copy_average(*average);
    average->eval();
    return average;
}

static void save(const TrainOptions &options, const Network &average, const Optimizer &optimizer,
                 double progress, int world)
{
    char exact[32];
    std::snprintf(exact, sizeof exact, "%.17g", progress);
    SafeTensors state;
    optimizer.save(state);
    state.metadata["mardini.config"] = to_json(average->config());
    state.metadata["progress"] = exact;
    write_safetensors(options.out + ".state", state);
    save_network(options.out, average, torch::kBFloat16,
                 {{"mardini.steps", std::to_string(optimizer.steps())},
                  {"mardini.batch", std::to_string(options.batch * world) + " windows of " +
                                        std::to_string(options.crop) + " pixels"},
                  {"mardini.progress", std::to_string(progress)},
                  {"mardini.licence", "LGPL-2.1-or-later"}});
}

/// Weights, moments and place in the curriculum of an earlier run.
static void resume(const TrainOptions &options, const SafeTensors &state, Optimizer &optimizer,
                   double *start)
{
    optimizer.load(state,
                   {"denoiser.", "sampler.", "generator.trust"}); // absent while they are untrained
    if (state.metadata.count("progress") && options.start < 0)
        *start = std::stod(state.metadata.at("progress"));
}

/// A whole number that tells two networks apart.
static double fingerprint(const Network &network, int64_t steps)
{
    torch::NoGradGuard no_grad;
    int64_t sum = steps;
    for (const Tensor &p : network->parameters())
        sum += p.cpu()
                   .to(torch::kFloat32)
                   .contiguous()
                   .view(torch::kInt32)
                   .to(torch::kInt64)
                   .sum()
                   .item<int64_t>();
    return static_cast<double>(sum & ((int64_t(1) << 50) - 1));
}

/// Warm-up over the first steps, stable, linear decay over the curriculum's last fifth.
static double learning_rate(const TrainOptions &options, int64_t step, double progress)
{
    const double warm = std::min(1.0, (step + 1) / 200.0);
    const double decay = progress < 0.8 ? 1.0 : std::max(0.02, (1 - progress) / 0.2);
    return options.rate * warm * decay;
}

namespace {

/// What a batch teaches: the losses of its stage, added up.
class Lessons {
public:
    /// larger: empty if there is none to learn from
    Lessons(const TrainOptions &options, const Ablation &without, Network network, Network larger,
            bool bf16)
        : options_(options), without_(without), network_(std::move(network)),
          larger_(std::move(larger)), bf16_(bf16)
    {
    }

    /// The next batch also tells what the parts are worth, which costs several passes more.
    void look_closely() { health_due_ = diffusion_due_ = true; }

    Tensor loss(const Batch &batch, Stage stage, Figures &figures)
    {
        return stage == Stage::Animate ? motion(batch, figures) : frames(batch, stage, figures);
    }

private:
    Autocast autocast(const Batch &batch) const { return {batch.given.device().type(), bf16_}; }

    Tensor motion(const Batch &batch, Figures &figures)
    {
        Autocast lower = autocast(batch);
        FlowMatching sampled = flow_matching(network_, batch);
        figures.add("flow_matching", 100 * sampled.loss.item<double>());
        if (std::isfinite(sampled.explained))
            figures.add("motion_explained", sampled.explained);
        figures.add("speed", sampled.speed);
        return sampled.loss;
    }

    Tensor frames(const Batch &batch, Stage stage, Figures &figures)
    {
        const bool frozen =
            stage == Stage::Denoise; // while the denoiser catches up the rest stays as it is
        auto flat = [](const Tensor &t) { return t.defined() ? t.flatten(0, 1) : t; };
        const Tensor target = flat(batch.masked);
        Output output;
        {
            torch::AutoGradMode with_gradient(!frozen);
            Autocast lower = autocast(batch);
            output = network_->forward(batch.given, batch.given_times, batch.masked_times,
                                       {batch.reduction, without_});
        }
        const Losses made = losses(output, target, options_.labels ? flat(batch.flow) : Tensor(),
                                   flat(batch.visible), batch.reduction);
        Tensor total = made.total;
        if (larger_ && !frozen)
            total = total + distilled(batch, output);
        if (frozen || stage == Stage::Joint ||
            (stage == Stage::Decay && network_->denoiser->is_trained())) {
            const Tensor sampled = diffused(batch, output, target, frozen, figures);
            total = frozen ? sampled : total + sampled;
        }
        if (health_due_ &&
            batch.given.size(1) > 1) { // before the step: of the weights that made `output`
            Autocast lower = autocast(batch);
            check_health(network_, batch, target, output, without_, figures);
            health_due_ = false;
        }
        check_frames(batch, target, output, made, figures);
        return total;
    }

    /// What the larger network knows better: its frames and its motion.
    Tensor distilled(const Batch &batch, const Output &output)
    {
        Output known;
        {
            torch::NoGradGuard no_grad;
            Autocast lower = autocast(batch);
            known = larger_->forward(batch.given, batch.given_times, batch.masked_times,
                                     {batch.reduction, {}});
        }
        Tensor apart = output.refined.half.velocity - known.refined.half.velocity;
        return 0.3 * frame_distance(output.frames, known.frames) +
               0.01 * (apart.square().sum(1, true) + 0.01).sqrt().mean();
    }

    /// The masked frame-level diffusion loss.
    Tensor diffused(const Batch &batch, const Output &output, const Tensor &target, bool frozen,
                    Figures &figures)
    {
        Autocast lower = autocast(batch);
        Diffusion sampled =
            diffusion(network_->denoiser, bridge_of(network_, batch, output), target);
        if (sampled.gain != 0) // else no frame of the batch was at full noise
            figures.add("sample_gain", sampled.gain);
        figures.add("sample_spread", sampled.spread);
        figures.add("diffusion", 100 * sampled.loss.item<double>());
        if (diffusion_due_ && !frozen && batch.given.size(1) > 1) {
            check_diffusion(network_, sampled.loss, figures);
            diffusion_due_ = false;
        }
        return sampled.loss;
    }

    const TrainOptions &options_;
    const Ablation without_;
    Network network_;
    Network larger_;
    const bool bf16_;
    bool health_due_ = true, diffusion_due_ = true;
};

} // namespace

void train(const TrainOptions &options)
{
    Processes processes;
    const torch::Device device(options.device == "cuda" && processes.world() > 1
                                   ? "cuda:" + std::to_string(processes.local_rank())
                                   : options.device);
    TORCH_CHECK(options.crop % 32 == 0 && options.crop >= 64, "The crop is ", options.crop,
                " pixels; a multiple of 32 from 64 on is wanted.");
    TORCH_CHECK(options.minutes > 0 || options.steps > 0,
                "Say how long to train: --time or --steps.");
    if (options.stage != "auto")
        stage_from_name(options.stage);
    SafeTensors resumed = options.resume.empty() ? SafeTensors() : read_safetensors(options.resume);
    const NetworkConfig config = configuration(options, resumed);
    if (!is_state(resumed))
        modernize(resumed);
    const Ablation without = ablation(options);
    if (options.threads > 0)
        at::set_num_threads(options.threads);
    const bool bf16 = options.bf16 && (device.is_cuda() || cpu_multiplies_bf16());

    std::unique_ptr<Clips> clips;
    std::unique_ptr<Stills> stills;
    std::unique_ptr<HeldOut> held;
    const LoadOptions load = load_options(options);
    if (!options.data.empty())
        clips = std::make_unique<Clips>(options.data, load);
    if (!options.stills.empty())
        stills = std::make_unique<Stills>(std::vector<std::string>{options.stills}, load);
    TORCH_CHECK(clips || options.stage != "animate",
                "The stage animate learns from video: name folders with --data.");
    TORCH_CHECK(clips || stills,
                "There is nothing to train on: name folders with --data or --stills.");
    if (!options.check.empty() && processes.is_first())
        held = std::make_unique<HeldOut>(options.check, load);

    torch::manual_seed(options.seed); // of the weights: equal in all processes
    Network network(config);
    network->train();
    network->to(device);
    Optimizer optimizer(*network);
    double start = std::max(options.start, 0.0);
    if (!options.resume.empty())
        resume(options, resumed, optimizer, &start);
    resumed = {};
    const double own = fingerprint(network, optimizer.steps());
    TORCH_CHECK(processes.agree(own) == own,
                "This process begins with other weights than the first one: give every host the "
                "same file to resume from, with its state.");
    if (processes.is_first() && !std::ofstream(options.out + ".part"))
        throw std::runtime_error(
            "\"" + options.out +
            "\" cannot be written: name a file in a folder that exists by --out.");
    TORCH_CHECK(options.end >= start, "The run would begin at ", start,
                " of the curriculum and end at ", options.end,
                ": --end must not lie before --start or the place that was resumed.");
    Network larger{nullptr};
    if (!options.distil.empty()) {
        larger = load_network(options.distil);
        larger->to(device);
    }
    Lessons lessons(options, without, network, larger, bf16);

    stop_asked = false;
    for (int signal : {SIGINT, SIGTERM})
        std::signal(signal, [](int) { stop_asked = true; });
    std::signal(SIGXFSZ, SIG_IGN); // a limit on files is an error of writing, not the end
    RunReport report(processes.is_first() ? options.out + ".log" : "");
    const auto begin = Clock::now();
    auto since = [](Clock::time_point t) {
        return std::chrono::duration<double>(Clock::now() - t).count();
    };
    const int64_t first_step = optimizer.steps() + optimizer.skipped();
    std::atomic<double> clock_progress{start};
    auto progress_at = [&](int64_t i) { // by steps: of the i-th of this run
        return start +
               (options.end - start) * static_cast<double>(i) / static_cast<double>(options.steps);
    };
    Loader loader(
        options, clips.get(), stills.get(), first_step, {processes.rank(), processes.world()},
        [&](int64_t step) { // by steps: exactly where that step will be
            return options.minutes > 0 ? clock_progress.load() : progress_at(step - first_step);
        });
    Figures figures;
    auto last_save = begin;
    int64_t frames = 0;
    int bad = 0;
    double progress = start;

    auto keep = [&](bool last) {
        if (!processes.is_first())
            return;
        Network average = averaged(network, optimizer);
        try {
            save(options, average, optimizer, std::min(progress, options.end), processes.world());
        } catch (const std::runtime_error &e) {
            if (last)
                throw;
            report.say(std::string("mardini: ") + e.what() + " The run goes on and tries again.");
        }
        if (held) {
            average->to(device);
            Autocast autocast(device.type(), bf16);
            nlohmann::ordered_json line = held->score(average, options.out + ".png", without);
            line["minutes"] = std::round(since(begin) / 0.6) / 100;
            line["step"] = optimizer.steps();
            report.write(line);
        }
        draw_curves(options.out + ".log", options.out + ".svg");
    };

    for (int64_t i = 0;; i++) {
        const int64_t step = first_step + i;
        double done = options.minutes > 0
                          ? since(begin) / 60 / options.minutes
                          : static_cast<double>(i) / static_cast<double>(options.steps);
        done = processes.agree(stop_asked ? -1 : done);
        if (done >= 0)
            clock_progress = progress = options.minutes > 0
                                            ? start + (options.end - start) * std::min(done, 1.0)
                                            : progress_at(i);
        if (done < 0 || done >= 1)
            break;
        const auto waiting = Clock::now();
        Batch batch = loader.next();
        figures.add("wait_ms", 1000 * since(waiting));
        for (Tensor *t : {&batch.given, &batch.masked, &batch.flow, &batch.visible})
            if (t->defined())
                *t = t->to(device);
        const Stage stage =
            options.stage == "auto" ? stage_at(progress) : stage_from_name(options.stage);
        // Noise, too, is a function of the step.
        torch::manual_seed(options.seed +
                           0x9e3779b97f4a7c15 * (step * processes.world() + processes.rank() + 1));
        const Tensor loss = lessons.loss(batch, stage, figures);
        network->zero_grad();
        loss.backward();
        processes.average(optimizer.gradients());
        const double norm = optimizer.step(learning_rate(options, step, progress));
        bad = std::isfinite(norm) ? 0 : bad + 1;
        TORCH_CHECK(bad < bad_steps, "The last ", bad_steps,
                    " steps were not finite: go on from an earlier checkpoint ",
                    "with a lower --rate.");
        if (!bad)
            figures.add("gradient", norm);
        frames += batch.masked.size(0) * batch.masked.size(1) * processes.world();

        report.progress(done, since(begin), static_cast<double>(frames) / since(begin));
        if ((i + 1) % options.log_every == 0) {
            auto line = figures.take();
            line["minutes"] = std::round(since(begin) / 0.6) / 100;
            line["step"] = optimizer.steps();
            line["frames"] = frames;
            line["frames_per_second"] =
                std::round(10 * static_cast<double>(frames) / since(begin)) / 10;
            line["stage"] = stage_name(stage);
            line["progress"] = std::round(progress * 1000) / 1000;
            line["skipped"] = optimizer.skipped();
            report.write(line);
            lessons.look_closely();
        }
        if (options.minutes <= 0) // what is saved is where the next step begins
            progress = progress_at(i + 1);
        if (since(last_save) > 60 * options.save_minutes) {
            keep(false);
            last_save = Clock::now();
        }
    }
    keep(true);
    report.say(std::to_string(optimizer.steps() + optimizer.skipped() - first_step) + " steps, " +
               std::to_string(frames) + " masked frames in " + duration(since(begin)) +
               "; saved as " + options.out);
}

} // namespace mardini::train
