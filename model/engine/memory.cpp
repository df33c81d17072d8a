// How many frames are worked on at a time.
#include "engine/memory.h"

#include "base/error.h"
#include "network/checkpoint.h"

#include <algorithm>

namespace mardini {

/// All threads together finish about this many frames, one by one, in the time that one thread
/// takes for one: the layers of a frame do not keep more threads busy.
static constexpr int64_t frames_of_all_threads = 4;

int64_t frames_beside(int64_t left, int64_t most)
{
    const int64_t now = std::min(left, most);
    return now <= std::min(most / 2, frames_of_all_threads) ? 1 : now;
}

int64_t FramesAtATime::most() const
{
    return is_concurrent_ ? std::min<int64_t>(most_, at::get_num_threads()) : 1;
}

void FramesAtATime::run(int64_t count, const std::function<void(int64_t)> &body)
{
    for (int64_t begin = 0; begin < count;) {
        const int64_t now = frames_beside(count - begin, most());
        if (now == 1) {
            body(begin++);
            continue;
        }
        try {
            at::parallel_for(begin, begin + now, 1, [&](int64_t first, int64_t last) {
                c10::InferenceMode inference; // both belong to a thread
                Autocast autocast(device_, bf16_);
                for (int64_t i = first; i < last; i++)
                    body(i);
            });
            begin += now;
        } catch (const std::exception &e) {
            if (!is_out_of_memory(e))
                throw;
            warn("Memory is full: from now on frames are synthesized one by one.");
            most_ = 1;
        }
    }
}

int fit_memory(int64_t megabytes, const Geometry &g, const NetworkMemory &network, Painter &painter)
{
    if (megabytes == 0 || painter.bytes_of_bands() == 0)
        return INT_MAX;
    const int64_t limit = megabytes << 20;
    const int64_t area = (g.height / g.reduction) * (g.width / g.reduction);
    // What does not depend on the bands was measured: LibTorch and the network's buffers, and a
    // window's tensors for each pixel of the motion resolution.
    const int64_t fixed = (int64_t(130) << 20) + 420 * area + 2 * painter.bytes_of_reference() +
                          network.weights + network.noise;
    const int64_t least = (fixed + painter.bytes_of_smallest_bands() + (1 << 20) - 1) >> 20;
    if (least > megabytes)
        throw Error(ENOMEM, "memory=" + std::to_string(megabytes) +
                                " MB is too little for frames of " +
                                std::to_string(g.format.width) + "x" +
                                std::to_string(g.format.height) + ": some " +
                                std::to_string(least) + " MB are needed; scale them down first.");
    while (fixed + painter.bytes_of_bands() > limit && painter.shrink_bands())
        ;
    const int64_t bands = painter.bytes_of_bands();
    // Each further frame also has its reference frames' pixels, features and the products of all
    // pairs of cells.
    const int64_t cells = area / 64;
    const int64_t one_more = bands + network.noise + 300 * area + painter.bytes_of_reference() +
                             (network.bf16 ? 2 : 4) * cells * cells;
    return static_cast<int>(std::min<int64_t>(1 + (limit - fixed - bands) / one_more, INT_MAX));
}

} // namespace mardini
