// The training loop: `mardini train`. Batches come from loader threads, one step at a time goes through the
// network; reads from top to bottom.
#include "train.h"

#include "clips.h"
#include "diffusion.h"
#include "losses.h"
#include "masks.h"
#include "../precision.h"
#include "optimizer.h"
#include "random.h"
#include "synthetic.h"

#include <ATen/Parallel.h>
#include <nlohmann/json.hpp>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdio>
#include <deque>
#include <fstream>
#include <mutex>
#include <thread>

namespace mardini::train {

using Clock = std::chrono::steady_clock;

static std::atomic<bool> stop_asked{false};

/// Makes batches on threads of its own.
class Loader {
public:
    Loader(const TrainOptions &options, const Clips *clips, const Stills *stills)
        : options_(options), clips_(clips), stills_(stills)
    {
        for (int i = 0; i < options.loaders; i++)
            threads_.emplace_back([this, i] { work(options_.seed * 1000 + i); });
    }
    ~Loader()
    {
        {
            std::lock_guard lock(mutex_);
            done_ = true;
        }
        wanted_.notify_all();
        for (std::thread &t : threads_)
            t.join();
    }

    void set_progress(double progress) { progress_ = progress; }

    /// The next batch. Throws what a loader thread threw.
    Batch next()
    {
        std::unique_lock lock(mutex_);
        ready_.wait(lock, [&] { return !queue_.empty() || failure_; });
        if (queue_.empty())
            std::rethrow_exception(failure_);
        Batch batch = std::move(queue_.front());
        queue_.pop_front();
        wanted_.notify_one();
        return batch;
    }

private:
    static constexpr size_t queue_length = 4;

    Batch make(std::mt19937_64 &random)
    {
        const double progress = progress_;
        const Stage stage = options_.stage == "auto" ? stage_at(progress) : stage_from_name(options_.stage);
        // The first stage starts on exact motion alone; speeds rise until its end.
        const double through = stage == Stage::Motion ? std::min(1.0, progress / 0.12) : 1.0;
        const double speed = 12 + (options_.max_speed - 12) * through;
        const bool synthetic = !clips_ || chance(random, 1 + (options_.synthetic - 1) * through);
        auto texture = [&](int size, std::mt19937_64 &r) {
            const bool still = stills_ && (!clips_ || chance(r, 0.5));
            return still ? stills_->texture(size, r) : clips_->texture(size, r);
        };
        WindowSize size = sample_window_size(stage, random);
        std::vector<Sample> samples;
        while (static_cast<int>(samples.size()) < options_.batch) {
            Positions positions = sample_positions(stage, size, random);
            Sample sample;
            if (synthetic)
                samples.push_back(synthesize(positions, options_.crop, speed, texture, random));
            else if (clips_->sample(positions, options_.crop, random, &sample))
                samples.push_back(std::move(sample));
        }
        return collate(samples);
    }

    void work(uint64_t seed)
    {
        at::init_num_threads();
        at::set_num_threads(1);
        torch::NoGradGuard no_grad;
        std::mt19937_64 random(seed);
        try {
            for (;;) {
                Batch batch = make(random);
                std::unique_lock lock(mutex_);
                wanted_.wait(lock, [&] { return done_ || queue_.size() < queue_length; });
                if (done_)
                    return;
                queue_.push_back(std::move(batch));
                ready_.notify_one();
            }
        } catch (...) {
            std::lock_guard lock(mutex_);
            failure_ = std::current_exception();
            ready_.notify_one();
        }
    }

    const TrainOptions &options_;
    const Clips *clips_;
    const Stills *stills_;
    std::atomic<double> progress_{0};
    std::mutex mutex_;
    std::condition_variable ready_, wanted_;
    std::deque<Batch> queue_;
    std::exception_ptr failure_;
    bool done_ = false;
    std::vector<std::thread> threads_;
};

/// Means of named figures since the last report.
class Figures {
public:
    void add(const std::string &name, double value)
    {
        auto &[sum, count] = figures_[name];
        sum += value;
        count++;
    }
    nlohmann::ordered_json take()
    {
        nlohmann::ordered_json means;
        for (auto &[name, figure] : figures_)
            means[name] = std::round(1000 * figure.first / figure.second) / 1000;
        figures_.clear();
        return means;
    }

private:
    std::map<std::string, std::pair<double, int>> figures_;
};

/// What the parts are worth on this batch: PSNR with the planner and with the match switched off.
static void check_health(Network &network, const Batch &batch, const Tensor &target, const Output &output,
                         Figures &report)
{
    torch::NoGradGuard no_grad;
    const double whole = psnr(output.frames, target);
    for (bool planner : {true, false}) {
        Ablation ablation;
        (planner ? ablation.no_planner : ablation.no_match) = true;
        Output without = network->forward(batch.given, batch.given_times, batch.masked_times, false, Sampling::Bicubic,
                                          ablation);
        report.add(planner ? "loss_without_planner" : "loss_without_match", whole - psnr(without.frames, target));
    }
    report.add("token_magnitude", output.plan.tokens.norm(2, {2}).mean().item<double>());
    report.add("staying", output.weights.slice(1, 2, 4).sum(1).mean().item<double>());
    Tensor planned = output.plan.motion.velocity.norm(2, {1}).mean();
    Tensor final = output.refined.half.velocity.norm(2, {1}).mean();
    report.add("plan_share", (planned / (final + 1e-3)).item<double>());
}

static void save(const TrainOptions &options, const Network &network, const Optimizer &optimizer, double progress)
{
    SafeTensors state;
    optimizer.save(state);
    state.metadata["mardini.config"] = to_json(network->config());
    state.metadata["progress"] = std::to_string(progress);
    write_safetensors(options.out + ".state", state);
    Network average(network->config());
    optimizer.copy_average(*average);
    save_network(options.out, average, torch::kBFloat16,
                 {{"mardini.steps", std::to_string(optimizer.steps())},
                  {"mardini.progress", std::to_string(progress)},
                  {"mardini.licence", "LGPL-2.1-or-later"}});
}

/// Warm-up over the first steps of a run, stable, linear decay over the curriculum's last fifth.
static double learning_rate(const TrainOptions &options, int64_t step, double progress)
{
    const double warm = std::min(1.0, (step + 1) / 200.0);
    const double decay = progress < 0.8 ? 1.0 : std::max(0.02, (1 - progress) / 0.2);
    return options.rate * warm * decay;
}

static LoadOptions load_options(const TrainOptions &options)
{
    LoadOptions load;
    load.exclude = options.exclude;
    load.report = [](const std::string &line) { std::fprintf(stderr, "%s\n", line.c_str()); };
    return load;
}

void pack(const TrainOptions &options)
{
    pack(options.data, options.stills, options.out, load_options(options));
}

void train(const TrainOptions &options)
{
    const torch::Device device(options.device);
    TORCH_CHECK(options.crop % 32 == 0 && options.crop >= 64, "The crop is ", options.crop,
                " pixels; a multiple of 32 from 64 on is wanted.");
    if (options.threads > 0)
        at::set_num_threads(options.threads);
    torch::manual_seed(options.seed);
    const bool bf16 = options.bf16 && (device.is_cuda() || cpu_multiplies_bf16());

    std::unique_ptr<Clips> clips;
    std::unique_ptr<Stills> stills;
    const LoadOptions load = load_options(options);
    if (!options.data.empty())
        clips = std::make_unique<Clips>(options.data, load);
    if (!options.stills.empty())
        stills = std::make_unique<Stills>(std::vector<std::string>{options.stills}, load);
    TORCH_CHECK(clips || stills, "There is nothing to train on: name folders with --data or --stills.");

    Network network(preset(options.preset));
    network->train();
    network->to(device);
    Optimizer optimizer(*network);
    double start = options.start;
    if (!options.resume.empty()) {
        SafeTensors state = read_safetensors(options.resume);
        optimizer.load(state, {"denoiser."}); // absent while it is untrained
        if (state.metadata.count("progress") && options.start == 0)
            start = std::stod(state.metadata["progress"]);
    }

    stop_asked = false;
    for (int signal : {SIGINT, SIGTERM})
        std::signal(signal, [](int) { stop_asked = true; });
    std::ofstream log(options.out + ".log", std::ios::app);
    Loader loader(options, clips.get(), stills.get());
    Figures report;
    const auto begin = Clock::now();
    auto since = [](Clock::time_point t) { return std::chrono::duration<double>(Clock::now() - t).count(); };
    auto last_save = begin;
    int64_t step = 0, frames = 0;
    double progress = start;

    for (;; step++) {
        const double done = options.minutes > 0 ? since(begin) / 60 / options.minutes
                                                : static_cast<double>(step) / std::max<int64_t>(options.steps, 1);
        progress = start + (options.end - start) * done;
        if (done >= 1 || stop_asked)
            break;
        loader.set_progress(progress);
        const auto waiting = Clock::now();
        Batch batch = loader.next();
        report.add("wait_ms", 1000 * since(waiting));
        for (Tensor *t : {&batch.given, &batch.masked, &batch.flow, &batch.visible})
            if (t->defined())
                *t = t->to(device);
        Tensor target = batch.masked.flatten(0, 1);
        auto flat = [](const Tensor &t) { return t.defined() ? t.flatten(0, 1) : t; };

        const Stage stage = options.stage == "auto" ? stage_at(progress) : stage_from_name(options.stage);
        Output output;
        Losses loss;
        {
            // While the denoiser catches up the rest stays as it is.
            torch::AutoGradMode with_gradient(stage != Stage::Denoise);
            Autocast autocast(device.type(), bf16);
            output = network->forward(batch.given, batch.given_times, batch.masked_times);
        }
        loss = losses(output, target, flat(batch.flow), flat(batch.visible));
        if (stage == Stage::Denoise || stage == Stage::Joint ||
            (stage == Stage::Decay && network->denoiser->is_trained())) {
            Autocast autocast(device.type(), bf16);
            Diffusion sampled = diffusion(network->denoiser, output.bridge(), target);
            loss.total = stage == Stage::Denoise ? sampled.loss : loss.total + sampled.loss;
            report.add("sample_gain", sampled.gain);
            report.add("sample_spread", sampled.spread);
            report.add("diffusion", 100 * sampled.loss.item<double>());
        }
        network->zero_grad();
        loss.total.backward();
        report.add("gradient", optimizer.step(learning_rate(options, step, progress)));
        frames += target.size(0);

        const bool synthetic = batch.flow.defined();
        report.add("distance", 100 * loss.frames);
        if (synthetic) {
            report.add("error_final", loss.flow);
            report.add("error_plan", loss.plan);
            report.add("error_match", loss.seed);
            report.add("speed", loss.speed);
        }
        if (batch.given.size(1) > 1) {
            const std::string kind = synthetic ? "synthetic" : "real";
            Tensor given = batch.given.flatten(0, 1);
            Tensor blend = cross_fade(given.index_select(0, output.pairs.before),
                                      given.index_select(0, output.pairs.after), output.pairs);
            const double made = psnr(output.frames, target);
            report.add(kind + "_psnr", made);
            report.add(kind + "_gain", made - psnr(blend, target)); // over what linear blending scores
            if (step % 10 == 0) {
                Autocast autocast(device.type(), bf16);
                check_health(network, batch, target, output, report);
            }
        }
        if ((step + 1) % options.log_every == 0) {
            auto line = report.take();
            line["minutes"] = std::round(since(begin) / 0.6) / 100;
            line["step"] = optimizer.steps();
            line["frames"] = frames;
            line["frames_per_second"] = std::round(10 * frames / since(begin)) / 10;
            line["stage"] = options.stage == "auto" ? stage_name(stage_at(progress)) : options.stage;
            line["progress"] = std::round(progress * 1000) / 1000;
            line["skipped"] = optimizer.skipped();
            log << line.dump() << std::endl;
            std::fprintf(stderr, "%s\n", line.dump().c_str());
        }
        if (since(last_save) > 60 * options.save_minutes) {
            save(options, network, optimizer, progress);
            last_save = Clock::now();
        }
    }
    save(options, network, optimizer, std::min(progress, options.end));
    std::fprintf(stderr, "%lld steps, %lld masked frames in %.1f minutes; saved as %s\n", static_cast<long long>(step),
                 static_cast<long long>(frames), since(begin) / 60, options.out.c_str());
}

} // namespace mardini::train
