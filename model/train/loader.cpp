// Batches, made on threads ahead of the step that needs them.
#include "train/loader.h"

#include "base/random.h"
#include "train/data/synthetic.h"

#include <ATen/Parallel.h>
#include <torch/torch.h>

namespace mardini::train {

static constexpr int64_t ahead = 4;  ///< batches that wait at most
static constexpr int attempts = 400; ///< draws of a window before its shots count as too short

/// Every batch, and every window of it, draws from a generator of its own.
static std::mt19937_64 generator(uint64_t seed, int64_t step, int64_t window)
{
    std::seed_seq words{seed, seed >> 32, static_cast<uint64_t>(step),
                        static_cast<uint64_t>(window)};
    return std::mt19937_64(words);
}

Loader::Loader(const TrainOptions &options, const Clips *clips, const Stills *stills,
               int64_t first_step, Share share, Progress progress)
    : options_(options), clips_(clips), stills_(stills), share_(share),
      progress_(std::move(progress)), next_made_(first_step), next_taken_(first_step)
{
    for (int i = 0; i < std::max(1, options.loaders); i++)
        threads_.emplace_back([this] { work(); });
}

Loader::~Loader()
{
    {
        std::lock_guard lock(mutex_);
        done_ = true;
    }
    wanted_.notify_all();
    for (std::thread &t : threads_)
        t.join();
}

Batch Loader::next()
{
    std::unique_lock lock(mutex_);
    ready_.wait(lock, [&] { return queue_.count(next_taken_) || failure_; });
    auto found = queue_.find(next_taken_);
    if (found == queue_.end())
        std::rethrow_exception(failure_);
    Batch batch = std::move(found->second);
    queue_.erase(found);
    next_taken_++;
    wanted_.notify_all();
    return batch;
}

Batch Loader::make(int64_t step) const
{
    std::mt19937_64 random = generator(options_.seed, step, -1);
    const double progress = progress_(step);
    const Stage stage =
        options_.stage == "auto" ? stage_at(progress) : stage_from_name(options_.stage);
    const WindowSize size =
        sample_window_size(options_.progressive || stage == Stage::Animate ? stage : Stage::Joint,
                           random, options_.references);
    // The first stage starts on exact motion alone; speeds rise until its end.
    const double through = stage == Stage::Motion ? std::min(1.0, progress / motion_end) : 1.0;
    const double speed = 12 + (options_.max_speed - 12) * through;
    const double share = options_.synthetic == 0 ? 0 : 1 + (options_.synthetic - 1) * through;
    const bool synthetic = stage != Stage::Animate && (!clips_ || chance(random, share));
    auto texture = [&](int pixels, std::mt19937_64 &r) {
        const bool still = stills_ && (!clips_ || chance(r, 0.5));
        return still ? stills_->texture(pixels, r) : clips_->texture(pixels, r);
    };
    // Twice the crop: room for large motion, or for a frame whose motion is found at half its size.
    // As many pixels in all.
    const bool large = stage != Stage::Animate && chance(random, options_.large);
    const int crop = large ? 2 * options_.crop : options_.crop,
              windows = large ? (options_.batch + 3) / 4 : options_.batch;
    const int reduction = large && chance(random, 0.5) ? 2 : 1;
    std::vector<Sample> samples;
    for (int i = 0; i < windows; i++) {
        std::mt19937_64 r = generator(options_.seed, step, share_.rank * windows + i);
        Sample sample;
        int tries = 0;
        while (!synthetic && !clips_->sample(sample_positions(stage, size, r), crop, r, &sample))
            if (++tries == attempts)
                throw std::runtime_error("No video has a shot long enough for windows of " +
                                         std::to_string(size.positions) +
                                         " frames: add longer ones, or train " +
                                         "--stage motion, whose windows have 4.");
        if (synthetic)
            sample =
                synthesize(sample_positions(stage, size, r), crop, reduction * speed, texture, r);
        samples.push_back(std::move(sample));
    }
    Batch batch = collate(samples);
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
            int64_t step;
            {
                std::unique_lock lock(mutex_);
                wanted_.wait(lock, [&] { return done_ || next_made_ < next_taken_ + ahead; });
                if (done_)
                    return;
                step = next_made_++;
            }
            Batch batch = make(step);
            std::lock_guard lock(mutex_);
            queue_[step] = std::move(batch);
            ready_.notify_all();
        }
    } catch (...) {
        std::lock_guard lock(mutex_);
        failure_ = std::current_exception();
        ready_.notify_all();
    }
}

} // namespace mardini::train
