// `mardini eval --levels`: large gaps at once and level by level.
#include "eval/levels.h"

#include "eval/dataset.h"
#include "eval/luma_sum.h"
#include "eval/synthesize.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace mardini::eval {

/// Mean size of the third difference of luma in time, codes: 0 for no motion.
static double jerk(const std::vector<Frame> &frames)
{
    double sum = 0;
    int64_t count = 0;
    for (size_t k = 3; k < frames.size(); k++) {
        PlaneView p[4];
        for (size_t i = 0; i < 4; i++)
            p[i] = plane_of(frames[k - 3 + i], 0);
        for (int y = 0; y < p[0].height; y++)
            for (int x = 0; x < p[0].width; x++) {
                auto code = [&](int i) { return int{p[i].data[y * p[i].stride + x]}; };
                sum += std::abs(code(3) - 3 * code(2) + 3 * code(1) - code(0));
            }
        count += static_cast<int64_t>(p[0].width) * p[0].height;
    }
    return sum / static_cast<double>(std::max<int64_t>(count, 1));
}

namespace {

/// One way from the first and the last frame to those between.
struct Way {
    std::string name;
    std::vector<FilterSpec> filters;
    LumaSum sum;
    double jerk = 0;
};

/// At once, and level by level.
std::vector<Way> ways_of(const EvalOptions &options, int factor)
{
    FilterOptions filter = options.filter;
    filter.cuts = false; // the frames may differ much
    const auto slow_motion = [&](int times) {
        return filter_spec({{"mode", "slowmo"}, {"factor", std::to_string(times)}}, filter);
    };
    Way at_once{std::to_string(factor) + "x at once", {slow_motion(factor)}, {}, 0}, by_levels;
    for (int level : options.levels) {
        by_levels.name += (by_levels.name.empty() ? "" : ", then ") + std::to_string(level) + "x";
        by_levels.filters.push_back(slow_motion(level));
    }
    return {at_once, by_levels};
}

void score_clip(const Clip &clip, int threads, Way *way)
{
    const std::vector<Frame> frames =
        run_filters({clip.frames.front(), clip.frames.back()}, clip.rate, way->filters, threads);
    if (frames.size() != clip.frames.size())
        throw std::runtime_error("The filter sent " + std::to_string(frames.size()) +
                                 " frames of " + clip.name + ", " +
                                 std::to_string(clip.frames.size()) + " are wanted.");
    for (size_t k = 1; k + 1 < frames.size(); k++)
        way->sum.add(frames[k], clip.frames[k]);
    way->jerk += jerk(frames);
}

} // namespace

int evaluate_levels(const EvalOptions &options)
{
    int factor = 1, clips = 0;
    for (int level : options.levels)
        factor *= level;
    std::vector<Way> ways = ways_of(options, factor);
    double true_jerk = 0;
    const int left_out = for_each_clip(options, factor + 1, [&](const Clip &clip) {
        for (Way &way : ways)
            score_clip(clip, options.filter.threads, &way);
        true_jerk += jerk(clip.frames);
        clips++;
    });
    std::printf("%-20s %8s %8s %10s %8s\n", "mean of all clips", "PSNR-Y", "SSIM-Y", "sharpness",
                "jerk");
    for (const Way &way : ways)
        std::printf("%-20s %8.2f %8.4f %10.3f %8.2f\n", way.name.c_str(), way.sum.psnr_y(),
                    way.sum.ssim_y(), way.sum.sharpness(), way.jerk / clips);
    std::printf("%-20s %8s %8s %10s %8.2f\n", "the truth", "", "", "", true_jerk / clips);
    return left_out;
}

} // namespace mardini::eval
