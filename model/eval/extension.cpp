// `mardini eval --ahead`: frames after the end of a clip against the true ones.
#include "eval/extension.h"

#include "eval/block_matching.h"
#include "eval/dataset.h"
#include "eval/luma_sum.h"
#include "eval/synthesize.h"

namespace mardini::eval {

namespace {

constexpr int num_methods = 3;
const char *const methods[num_methods] = {"mardini", "last frame", "linear motion"};

/// Of each method, of each frame after the last reference frame.
using Sums = std::vector<std::vector<LumaSum>>;

void score_clip(const EvalOptions &options, const Clip &clip, Sums *sums)
{
    const size_t n = static_cast<size_t>(options.frames);
    const std::vector<Frame> references(clip.frames.begin(), clip.frames.begin() + options.frames);
    const std::vector<Frame> frames =
        run_filters(references, clip.rate,
                    {filter_spec({{"mode", "extend"}, {"frames", std::to_string(options.ahead)}},
                                 options.filter)},
                    options.filter.threads);
    const Frame &last = references.back();
    const BlockMotion motion = match_blocks(plane_of(references[n - 2], 0), plane_of(last, 0));
    std::printf("%-20s", clip.name.c_str());
    for (size_t k = 0; k < sums->at(0).size(); k++) {
        const Frame &frame = frames.at(n + k), &truth = clip.frames[n + k];
        (*sums)[0][k].add(frame, truth);
        (*sums)[1][k].add(last, truth);
        (*sums)[2][k].add(extrapolate(last, motion, static_cast<int>(k) + 1), truth);
        std::printf(" %6.2f", psnr(mean_squared_error(plane_of(frame, 0), plane_of(truth, 0))));
    }
    std::printf("\n");
    std::fflush(stdout);
}

} // namespace

int evaluate_extension(const EvalOptions &options)
{
    Sums sums(num_methods, std::vector<LumaSum>(static_cast<size_t>(options.ahead)));
    const int left_out = for_each_clip(options, options.frames + options.ahead,
                                       [&](const Clip &clip) { score_clip(options, clip, &sums); });
    for (size_t m = 0; m < num_methods; m++) {
        std::printf("\n%s\n%-8s %8s %8s %10s %12s\n", methods[m], "ahead", "PSNR-Y", "SSIM-Y",
                    "sharpness", "mean of luma");
        for (size_t k = 0; k < sums[m].size(); k++)
            std::printf("%-8zu %8.2f %8.4f %10.3f %12.4f\n", k + 1, sums[m][k].psnr_y(),
                        sums[m][k].ssim_y(), sums[m][k].sharpness(), sums[m][k].brightness());
    }
    return left_out;
}

} // namespace mardini::eval
