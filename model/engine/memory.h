// How many frames are worked on at a time: a limit of memory, and of threads.
#pragma once

#include "frame/geometry.h"
#include "paint/painter.h"
#include "simd/precision.h"

#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>

#include <atomic>
#include <climits>
#include <functional>

namespace mardini {

/// Work on frames that is shared among threads, one thread for each of several frames: the layers
/// of one frame are too small to be shared well.
class FramesAtATime {
public:
    /// @param is_concurrent  several threads may work at once; else one frame follows the other
    FramesAtATime(bool is_concurrent, c10::DeviceType device, bool bf16)
        : is_concurrent_(is_concurrent), device_(device), bf16_(bf16)
    {
    }

    /// Takes a line for the user when memory runs out.
    std::function<void(const std::string &)> warn = [](const std::string &) {};

    /// No more than this many frames at once, for lack of memory.
    void limit(int most) { most_ = most; }

    /// Frames that run at once: no more than threads or memory allow.
    int64_t most() const;

    /// body(i) for i in 0 .. count - 1. If memory runs out, what is left runs frame by frame.
    void run(int64_t count, const std::function<void(int64_t)> &body);

private:
    const bool is_concurrent_;
    const c10::DeviceType device_;
    const bool bf16_;
    std::atomic<int> most_ = INT_MAX;
};

/// How many of the `left` frames run beside each other, each on one thread, when `most` may; 1: the
/// next frame runs on all threads.
int64_t frames_beside(int64_t left, int64_t most);

/// What a network takes of host memory.
struct NetworkMemory {
    int64_t weights; ///< bytes
    int64_t noise;   ///< bytes of the noise of one frame that is sampled, 0 if none is
    bool bf16;
};

/// Make the painter's bands so small that everything fits `megabytes`; 0: no limit.
/// @return frames that fit at once
/// Throws Error(ENOMEM) if `megabytes` is too little.
int fit_memory(int64_t megabytes, const Geometry &geometry, const NetworkMemory &network,
               Painter &painter);

} // namespace mardini
