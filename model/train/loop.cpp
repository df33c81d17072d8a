// The training loop: `mardini train`. Loader threads make batches; each step sends one through the
// network, and moves the weights.
#include "train/loop.h"

#include "simd/precision.h"
#include "train/data/pack.h"
#include "train/loader.h"
#include "train/processes.h"
#include "train/report/curves.h"
#include "train/report/report.h"
#include "train/report/validation.h"
#include "train/run_state.h"
#include "train/stage_loss.h"

#include <ATen/Parallel.h>
#include <torch/torch.h>

#include <atomic>
#include <chrono>
#include <csignal>

namespace mardini::train {

using Clock = std::chrono::steady_clock;

static std::atomic<bool> stop_asked{false};

/// So many steps in a row without a finite gradient mean that the weights are lost.
static constexpr int non_finite_limit = 100;

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

static double seconds_since(Clock::time_point t)
{
    return std::chrono::duration<double>(Clock::now() - t).count();
}

static void check_options(const TrainOptions &options)
{
    TORCH_CHECK(options.crop % 32 == 0 && options.crop >= 64, "The crop is ", options.crop,
                " pixels; a multiple of 32 from 64 on is wanted.");
    TORCH_CHECK(options.minutes > 0 || options.steps > 0,
                "Say how long to train: --time or --steps.");
    if (options.stage != "auto")
        stage_from_name(options.stage);
    TORCH_CHECK(!options.data.empty() || options.stage != "animate",
                "The stage animate learns from video: name folders with --data.");
    TORCH_CHECK(!options.data.empty() || !options.stills.empty(),
                "There is nothing to train on: name folders with --data or --stills.");
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

static torch::Device own_device(const TrainOptions &options, const Processes &processes)
{
    return options.device == "cuda" && processes.world() > 1
               ? "cuda:" + std::to_string(processes.local_rank())
               : options.device;
}

namespace {

/// What a run learns from.
struct Data {
    std::unique_ptr<Clips> clips;           ///< null: no video
    std::unique_ptr<Stills> stills;         ///< null: no pictures
    std::unique_ptr<Validation> validation; ///< of the first process; null: none

    Data(const TrainOptions &options, bool is_first)
    {
        const LoadOptions load = load_options(options);
        if (!options.data.empty())
            clips = std::make_unique<Clips>(options.data, load);
        if (!options.stills.empty())
            stills = std::make_unique<Stills>(std::vector<std::string>{options.stills}, load);
        if (!options.check.empty() && is_first)
            validation = std::make_unique<Validation>(options.check, load);
    }
};

class Run {
public:
    explicit Run(const TrainOptions &options);
    void run();

private:
    void load_weights();
    bool advance(int64_t i);
    double progress_at(int64_t i) const;
    Batch next_batch();
    void step(int64_t i);
    void log(const Batch &batch);
    void save_and_score(bool last);
    double minutes() const { return std::round(seconds_since(begin_) / 0.6) / 100; }

    const TrainOptions &options_;
    Processes processes_;
    const torch::Device device_;
    const Ablation without_;
    const bool bf16_;
    std::unique_ptr<Data> data_;
    Network network_{nullptr};
    std::unique_ptr<Optimizer> optimizer_;
    std::unique_ptr<StageLoss> stage_loss_;
    std::unique_ptr<RunReport> report_;
    std::unique_ptr<Loader> loader_;
    Metrics metrics_;

    double start_ = 0, progress_ = 0; ///< of the curriculum
    double done_ = 0;                 ///< share of the run
    int64_t first_step_ = 0;          ///< of all runs that this one goes on with
    int64_t frames_ = 0;              ///< masked frames trained on
    int non_finite_ = 0;              ///< steps in a row
    Clock::time_point begin_, last_save_;
};

} // namespace

Run::Run(const TrainOptions &options)
    : options_(options), device_(own_device(options, processes_)), without_(ablation(options)),
      bf16_(options.bf16 && (device_.is_cuda() || cpu_multiplies_bf16()))
{
    check_options(options);
    if (processes_.is_first())
        check_writable(options.out);
    if (options.threads > 0)
        at::set_num_threads(options.threads);
    load_weights();
    data_ = std::make_unique<Data>(options, processes_.is_first());

    stop_asked = false;
    for (int signal : {SIGINT, SIGTERM})
        std::signal(signal, [](int) { stop_asked = true; });
    std::signal(SIGXFSZ, SIG_IGN); // a limit on files is an error of writing, not the end
    report_ = std::make_unique<RunReport>(processes_.is_first() ? options.out + ".log" : "");
    first_step_ = optimizer_->steps() + optimizer_->skipped();
    progress_ = start_;
    begin_ = last_save_ = Clock::now();
    loader_ = std::make_unique<Loader>(
        options, data_->clips.get(), data_->stills.get(), first_step_,
        Share{processes_.rank(), processes_.world()}, [this](int64_t step) {
            return options_.minutes > 0 ? progress_ : progress_at(step - first_step_);
        });
}

void Run::load_weights()
{
    const SafeTensors resumed = read_resumed(options_);
    const NetworkConfig config = configuration(options_, resumed);
    torch::manual_seed(options_.seed); // of the weights: equal in all processes
    network_ = Network(config);
    network_->train();
    network_->to(device_);
    optimizer_ = std::make_unique<Optimizer>(*network_);
    start_ = restore(options_, resumed, *optimizer_);
    TORCH_CHECK(options_.end >= start_, "The run would begin at ", start_,
                " of the curriculum and end at ", options_.end,
                ": --end must not lie before --start or the place that was resumed.");
    const double own = fingerprint(network_, optimizer_->steps());
    TORCH_CHECK(processes_.agree(own) == own,
                "This process begins with other weights than the first one: give every host the "
                "same file to resume from, with its state.");
    Network larger{nullptr};
    if (!options_.distil.empty()) {
        larger = load_network(options_.distil);
        larger->to(device_);
    }
    stage_loss_ = std::make_unique<StageLoss>(options_, without_, network_, larger, bf16_);
}

/// Of a run by steps: the progress at its i-th step.
double Run::progress_at(int64_t i) const
{
    return start_ +
           (options_.end - start_) * static_cast<double>(i) / static_cast<double>(options_.steps);
}

/// Find the place in the curriculum of the i-th step; false if the run is over. All processes
/// agree.
bool Run::advance(int64_t i)
{
    double done = options_.minutes > 0
                      ? seconds_since(begin_) / 60 / options_.minutes
                      : static_cast<double>(i) / static_cast<double>(options_.steps);
    done = processes_.agree(stop_asked ? -1 : done);
    if (done >= 0)
        progress_ = options_.minutes > 0 ? start_ + (options_.end - start_) * std::min(done, 1.0)
                                         : progress_at(i);
    done_ = done;
    return done >= 0 && done < 1;
}

Batch Run::next_batch()
{
    const auto begin = Clock::now();
    Batch batch = loader_->next();
    metrics_.add("wait_ms", 1000 * seconds_since(begin));
    for (Tensor *t : {&batch.references, &batch.masked, &batch.flow, &batch.visible})
        if (t->defined())
            *t = t->to(device_);
    return batch;
}

void Run::step(int64_t i)
{
    const int64_t step = first_step_ + i;
    const Batch batch = next_batch();
    // Noise, too, is a function of the step.
    torch::manual_seed(options_.seed +
                       0x9e3779b97f4a7c15 * (step * processes_.world() + processes_.rank() + 1));
    const Tensor loss = stage_loss_->loss(batch, metrics_);
    network_->zero_grad();
    loss.backward();
    processes_.average(optimizer_->gradients());
    const double norm = optimizer_->step(learning_rate(options_.rate, step, progress_));
    non_finite_ = std::isfinite(norm) ? 0 : non_finite_ + 1;
    TORCH_CHECK(non_finite_ < non_finite_limit, "The last ", non_finite_limit,
                " steps were not finite: go on from an earlier checkpoint with a lower --rate.");
    if (!non_finite_)
        metrics_.add("gradient", norm);
    frames_ += batch.masked.size(0) * batch.masked.size(1) * processes_.world();
    const double seconds = seconds_since(begin_);
    report_->progress(done_, seconds, static_cast<double>(frames_) / seconds);
    if ((i + 1) % options_.log_every == 0)
        log(batch);
}

void Run::log(const Batch &batch)
{
    nlohmann::ordered_json line = metrics_.take();
    line["minutes"] = minutes();
    line["step"] = optimizer_->steps();
    line["frames"] = frames_;
    line["frames_per_second"] =
        std::round(10 * static_cast<double>(frames_) / seconds_since(begin_)) / 10;
    line["stage"] = stage_name(batch.stage);
    line["progress"] = std::round(progress_ * 1000) / 1000;
    line["skipped"] = optimizer_->skipped();
    report_->write(line);
    stage_loss_->measure_parts();
}

/// A failure to write ends the run only if it is the `last` save.
void Run::save_and_score(bool last)
{
    if (!processes_.is_first())
        return;
    Network average = averaged(network_, *optimizer_);
    try {
        save(options_, average, *optimizer_, std::min(progress_, options_.end), processes_.world());
    } catch (const std::runtime_error &e) {
        if (last)
            throw;
        report_->say(std::string("mardini: ") + e.what() + " The run goes on and tries again.");
    }
    if (data_->validation) {
        average->to(device_);
        Autocast autocast(device_.type(), bf16_);
        nlohmann::ordered_json line =
            data_->validation->score(average, options_.out + ".png", without_);
        line["minutes"] = minutes();
        line["step"] = optimizer_->steps();
        report_->write(line);
    }
    draw_curves(options_.out + ".log", options_.out + ".svg");
}

void Run::run()
{
    for (int64_t i = 0; advance(i); i++) {
        step(i);
        if (options_.minutes <= 0)
            progress_ = progress_at(i + 1); // the state says where the next step begins
        if (seconds_since(last_save_) > 60 * options_.save_minutes) {
            save_and_score(false);
            last_save_ = Clock::now();
        }
    }
    save_and_score(true);
    report_->say(std::to_string(optimizer_->steps() + optimizer_->skipped() - first_step_) +
                 " steps, " + std::to_string(frames_) + " masked frames in " +
                 duration(seconds_since(begin_)) + "; saved as " + options_.out);
}

void train(const TrainOptions &options)
{
    Run(options).run();
}

} // namespace mardini::train
