// Batches, made on threads ahead of the step that needs them.
//   in   clips, stills, the curriculum's progress
//   out  Batch
#pragma once

#include "train/data/clips.h"
#include "train/curriculum.h"
#include "train/loop.h"

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <thread>

namespace mardini::train {

/// Which windows of every batch a process makes, if there are several.
struct Share {
    int rank = 0, world = 1;
};

/// Batch `step` is a function of the seed, the step and the progress alone, whatever the number of
/// threads: a resumed run sees what the unbroken one would have seen, and several processes see
/// together what one would with their batch.
class Loader {
public:
    /// The progress (0 .. 1) of the curriculum at a step; called on the loader's threads.
    using Progress = std::function<double(int64_t step)>;

    /// clips or stills may be null, not both; both outlive the loader.
    Loader(const TrainOptions &options, const Clips *clips, const Stills *stills,
           int64_t first_step, Share share, Progress progress);
    ~Loader();

    /// The next batch. Throws what a thread threw.
    Batch next();

    /// One batch, on the caller's thread. Throws std::runtime_error if no shot is long enough for
    /// its windows.
    Batch make(int64_t step) const;

private:
    void work();

    const TrainOptions &options_;
    const Clips *clips_;
    const Stills *stills_;
    Share share_;
    Progress progress_;
    std::mutex mutex_;
    std::condition_variable ready_, wanted_;
    std::map<int64_t, Batch> queue_;
    int64_t next_made_, next_taken_;
    std::exception_ptr failure_;
    bool done_ = false;
    std::vector<std::thread> threads_;
};

} // namespace mardini::train
