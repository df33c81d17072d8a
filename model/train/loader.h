// Batches, made on threads ahead of their steps.
//   in   clips, stills, the curriculum's progress
//   out  Batch
#pragma once

#include "train/data/clips.h"
#include "train/options.h"

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <thread>

namespace mardini::train {

/// Which windows of every batch this process makes.
struct Share {
    int rank = 0, world = 1;
};

/// Batch `step` is a function of the seed, the step and the progress alone, whatever the number of
/// threads: a resumed run gets the batches of the unbroken one, and several processes together get
/// those of one with their batch.
class Loader {
public:
    /// The progress (0 .. 1) of the curriculum at a step. Called from the constructor and from
    /// next() alone, as soon as the step may be made: all processes decide alike.
    using Progress = std::function<double(int64_t step)>;

    /// clips or stills may be null, not both; both and options outlive the loader.
    Loader(const TrainOptions &options, const Clips *clips, const Stills *stills,
           int64_t first_step, Share share, Progress progress);
    ~Loader();

    /// The batch of the next step. Throws what a thread threw.
    Batch next();

    /// One batch, on the caller's thread. Throws std::runtime_error if no shot is long enough for
    /// its windows.
    Batch make(int64_t step, double progress) const;

private:
    void work();
    void schedule(int64_t step);
    struct Recipe;
    Window make_window(const Recipe &recipe, std::mt19937_64 &random) const;
    torch::Tensor texture(int pixels, std::mt19937_64 &random) const;

    const TrainOptions &options_;
    const Clips *clips_;
    const Stills *stills_;
    const Share share_;
    const Progress progress_;
    const int64_t ahead_; ///< batches made before their steps, at most
    int64_t next_;        ///< the step whose batch next() returns

    std::mutex mutex_; ///< of what follows
    std::condition_variable ready_, scheduled_;
    std::deque<std::pair<int64_t, double>> to_make_; ///< step and progress
    std::map<int64_t, Batch> batches_;
    std::exception_ptr failure_;
    bool done_ = false;
    std::vector<std::thread> threads_;
};

} // namespace mardini::train
