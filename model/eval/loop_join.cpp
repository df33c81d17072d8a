// `mardini eval --join`: motion across the join of a loop.
#include "eval/loop_join.h"

#include "eval/block_matching.h"
#include "eval/dataset.h"
#include "eval/synthesize.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace mardini::eval {

static void score_clip(const EvalOptions &options, const Clip &clip)
{
    const size_t num_references = clip.frames.size();
    const FilterSpec filter =
        filter_spec({{"mode", "loop"}, {"frames", std::to_string(options.join)}}, options.filter);
    std::vector<Frame> loop = run_filters(clip.frames, clip.rate, {filter}, options.filter.threads);
    if (loop.size() != num_references + static_cast<size_t>(options.join))
        throw std::runtime_error(
            "The filter sent a loop of " + std::to_string(loop.size()) + " frames of " + clip.name +
            ", " + std::to_string(num_references + static_cast<size_t>(options.join)) +
            " are wanted.");
    loop.push_back(clip.frames[0]);
    double inside = 0, squares = 0, join = 0;
    for (size_t k = 0; k + 1 < loop.size(); k++) {
        const double speed =
            mean_speed(match_blocks(plane_of(loop[k], 0), plane_of(loop[k + 1], 0)));
        if (k + 1 < num_references)
            inside += speed, squares += speed * speed;
        else
            join += speed;
    }
    const double n = static_cast<double>(num_references - 1);
    inside /= n;
    join /= options.join + 1;
    const double deviation = std::sqrt(std::max(0.0, squares / n - inside * inside));
    std::printf("%-20s %10.2f %9.0f%% %10.2f %10.2f\n", clip.name.c_str(), inside,
                100 * deviation / std::max(1e-12, inside), join, join / std::max(1e-12, inside));
    std::fflush(stdout);
}

int evaluate_loop_join(const EvalOptions &options)
{
    std::printf("%-20s %10s %10s %10s %10s\n", "clip", "inside", "varies by", "join",
                "join/inside");
    return for_each_clip(options, options.frames,
                         [&](const Clip &clip) { score_clip(options, clip); });
}

} // namespace mardini::eval
