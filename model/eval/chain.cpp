// `mardini eval --chain`: drift far from all reference frames.
#include "eval/chain.h"

#include "eval/dataset.h"
#include "eval/synthesize.h"

#include <algorithm>

namespace mardini::eval {

namespace {

constexpr int window = 12; ///< frames that the filter extends a clip by at a time

/// Of a frame over those of the last reference frame; 1: no drift.
struct Drift {
    double mean = 0, contrast = 0, sharpness = 0;

    Drift &operator+=(const Drift &d)
    {
        mean += d.mean, contrast += d.contrast, sharpness += d.sharpness;
        return *this;
    }
};

Drift drift_of(const Frame &frame, const Frame &reference)
{
    const PlaneView plane = plane_of(frame, 0), first = plane_of(reference, 0);
    const auto [mean, contrast] = mean_and_contrast(plane);
    const auto [first_mean, first_contrast] = mean_and_contrast(first);
    return {mean / std::max(1e-12, first_mean), contrast / std::max(1e-12, first_contrast),
            gradient(plane) / std::max(1e-12, gradient(first))};
}

void print(const std::string &name, int windows, const Drift &d)
{
    std::printf("%-20s %8d %8d %8.4f %9.4f %10.3f\n", name.c_str(), windows, windows * window,
                d.mean, d.contrast, d.sharpness);
}

} // namespace

int evaluate_chain(const EvalOptions &options)
{
    std::vector<int> printed;
    for (int n : {1, 2, 5, 10, 20, 50, 100})
        if (n < options.chain)
            printed.push_back(n);
    printed.push_back(options.chain);
    std::vector<Drift> sums(printed.size());
    int clips = 0;
    std::printf("%-20s %8s %8s %8s %9s %10s\n", "over the reference", "windows", "frames", "mean",
                "contrast", "sharpness");
    const FilterSpec filter = filter_spec(
        {{"mode", "extend"}, {"frames", std::to_string(options.chain * window)}}, options.filter);
    const int left_out = for_each_clip(options, options.frames, [&](const Clip &clip) {
        const std::vector<Frame> frames =
            run_filters(clip.frames, clip.rate, {filter}, options.filter.threads);
        for (size_t k = 0; k < printed.size(); k++) {
            const size_t i = clip.frames.size() + static_cast<size_t>(printed[k] * window) - 1;
            const Drift drift = drift_of(frames.at(i), clip.frames.back());
            print(clip.name, printed[k], drift);
            sums[k] += drift;
        }
        clips++;
        std::fflush(stdout);
    });
    for (size_t k = 0; k < printed.size(); k++)
        print("mean", printed[k],
              {sums[k].mean / clips, sums[k].contrast / clips, sums[k].sharpness / clips});
    return left_out;
}

} // namespace mardini::eval
