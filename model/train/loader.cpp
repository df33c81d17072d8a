// Batches, made on threads ahead of their steps.
#include "train/loader.h"

#include "base/random.h"
#include "train/data/synthetic.h"

#include <ATen/Parallel.h>
#include <torch/torch.h>

namespace mardini::train {

/// Draws of a window before its shots count as too short.
static constexpr int attempts = 400;

/// Speed of synthetic motion at the start of the first stage, pixels a gap.
static constexpr double first_speed = 12;

/// A random generator for each batch and for each window of it.
static std::mt19937_64 generator(uint64_t seed, int64_t step, int64_t window)
{
    std::seed_seq words{seed, seed >> 32, static_cast<uint64_t>(step),
                        static_cast<uint64_t>(window)};
    return std::mt19937_64(words);
}

Loader::Loader(const TrainOptions &options, const Clips *clips, const Stills *stills,
               int64_t first_step, Share share, Progress progress)
    : options_(options), clips_(clips), stills_(stills), share_(share),
      progress_(std::move(progress)), ahead_(std::max(4, 2 * options.loaders)), next_(first_step)
{
    for (int64_t i = 0; i < ahead_; i++)
        schedule(first_step + i);
    for (int i = 0; i < std::max(1, options.loaders); i++)
        threads_.emplace_back([this] { work(); });
}

Loader::~Loader()
{
    {
        std::lock_guard lock(mutex_);
        done_ = true;
    }
    scheduled_.notify_all();
    for (std::thread &t : threads_)
        t.join();
}

void Loader::schedule(int64_t step)
{
    const double progress = progress_(step);
    std::lock_guard lock(mutex_);
    to_make_.emplace_back(step, progress);
    scheduled_.notify_one();
}

Batch Loader::next()
{
    Batch batch;
    {
        std::unique_lock lock(mutex_);
        ready_.wait(lock, [&] { return batches_.count(next_) || failure_; });
        auto found = batches_.find(next_);
        if (found == batches_.end())
            std::rethrow_exception(failure_);
        batch = std::move(found->second);
        batches_.erase(found);
    }
    schedule(next_++ + ahead_);
    return batch;
}

torch::Tensor Loader::texture(int pixels, std::mt19937_64 &random) const
{
    const bool still = stills_ && (!clips_ || chance(random, 0.5));
    return still ? stills_->texture(pixels, random) : clips_->texture(pixels, random);
}

/// What the windows of a batch have in common.
struct Loader::Recipe {
    Stage stage;
    WindowSize size;
    bool synthetic;
    int crop;
    double speed; ///< of synthetic motion, pixels a gap
};

Window Loader::make_window(const Recipe &recipe, std::mt19937_64 &random) const
{
    const auto &[stage, size, synthetic, crop, speed] = recipe;
    if (synthetic)
        return synthesize(
            sample_positions(stage, size, random), crop, speed,
            [this](int pixels, std::mt19937_64 &r) { return texture(pixels, r); }, random);
    Window window;
    for (int i = 0; i < attempts; i++)
        if (clips_->draw(sample_positions(stage, size, random), crop, random, &window))
            return window;
    throw std::runtime_error(
        "No video has a shot long enough for windows of " + std::to_string(size.positions) +
        " frames: add longer ones, or train --stage motion, whose windows " + "have 4.");
}

Batch Loader::make(int64_t step, double progress) const
{
    std::mt19937_64 random = generator(options_.seed, step, -1);
    const Stage stage =
        options_.stage == "auto" ? stage_at(progress) : stage_from_name(options_.stage);
    const WindowSize size =
        sample_window_size(options_.progressive || stage == Stage::Animate ? stage : Stage::Joint,
                           random, options_.references);
    // The first stage begins with synthetic motion alone; speeds rise until its end.
    const double through = stage == Stage::Motion ? std::min(1.0, progress / motion_end) : 1.0;
    const double speed = first_speed + (options_.max_speed - first_speed) * through;
    const double share = options_.synthetic == 0 ? 0 : 1 + (options_.synthetic - 1) * through;
    const bool synthetic = stage != Stage::Animate && (!clips_ || chance(random, share));
    // Twice the crop has room for large motion, or for frames whose motion is found at half their
    // size. As many pixels in all.
    const bool large = stage != Stage::Animate && chance(random, options_.large);
    const int crop = large ? 2 * options_.crop : options_.crop,
              num_windows = large ? (options_.batch + 3) / 4 : options_.batch;
    const int reduction = large && chance(random, 0.5) ? 2 : 1;
    const Recipe recipe{stage, size, synthetic, crop, reduction * speed};
    std::vector<Window> windows;
    for (int i = 0; i < num_windows; i++) {
        std::mt19937_64 r = generator(options_.seed, step, share_.rank * num_windows + i);
        windows.push_back(make_window(recipe, r));
    }
    Batch batch = collate(windows);
    batch.stage = stage;
    batch.reduction = reduction;
    to_filter_times(batch);
    return batch;
}

void Loader::work()
{
    at::init_num_threads();
    at::set_num_threads(1);
    torch::NoGradGuard no_grad;
    try {
        for (;;) {
            std::pair<int64_t, double> job;
            {
                std::unique_lock lock(mutex_);
                scheduled_.wait(lock, [&] { return done_ || !to_make_.empty(); });
                if (done_)
                    return;
                job = to_make_.front();
                to_make_.pop_front();
            }
            Batch batch = make(job.first, job.second);
            std::lock_guard lock(mutex_);
            batches_[job.first] = std::move(batch);
            ready_.notify_all();
        }
    } catch (...) {
        std::lock_guard lock(mutex_);
        failure_ = std::current_exception();
        ready_.notify_all();
    }
}

} // namespace mardini::train
