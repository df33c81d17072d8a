// `mardini eval --animate`: motion sampled around one frame.
#include "eval/sampled_motion.h"

#include "eval/dataset.h"
#include "eval/motion_metrics.h"
#include "eval/network_path.h"
#include "eval/synthesize.h"
#include "network/checkpoint.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <stdexcept>

namespace mardini::eval {

namespace {

constexpr double middle = (MARDINI_WINDOW - 1) / 2.0;
constexpr int followed = 8; ///< frames after the first that are compared with the true ones

/// Mean PSNR of the frames after the first if the whole picture moves by (x, y) pixels a frame.
double pan(const std::vector<Frame> &clip, int x, int y)
{
    const PlaneView first = plane_of(clip[0], 0);
    double sum = 0;
    for (int k = 1; k <= followed; k++) {
        const PlaneView truth = plane_of(clip[static_cast<size_t>(k)], 0);
        double error = 0;
        for (int row = 0; row < truth.height; row++)
            for (int column = 0; column < truth.width; column++) {
                const int from_row = std::clamp(row - k * y, 0, first.height - 1);
                const int from_column = std::clamp(column - k * x, 0, first.width - 1);
                const double d = first.data[from_row * first.stride + from_column] -
                                 truth.data[row * truth.stride + column];
                error += d * d;
            }
        sum += bounded_psnr(error / (static_cast<double>(truth.width) * truth.height));
    }
    return sum / followed;
}

/// The best pan by whole pixels, chosen by the true frames.
double best_pan(const std::vector<Frame> &clip)
{
    int x = 0, y = 0;
    double best = pan(clip, 0, 0);
    for (bool better = true; better;) { // ascent from no motion
        better = false;
        const int from_x = x, from_y = y;
        for (int dy = -1; dy <= 1; dy++)
            for (int dx = -1; dx <= 1; dx++)
                if (const double score = pan(clip, from_x + dx, from_y + dy); score > best)
                    best = score, x = from_x + dx, y = from_y + dy, better = true;
    }
    return best;
}

/// The best of the seeds by mean PSNR of the frames after the first, which is the reference.
double best_seed(const EvalOptions &options, const std::vector<Frame> &clip, AVRational rate)
{
    double best = -std::numeric_limits<double>::infinity();
    for (int seed = 0; seed < options.animate; seed++) {
        FilterOptions filter = options.filter;
        filter.seed = seed;
        const FilterSpec spec = filter_spec(
            {{"mode", "animate"}, {"anchor", "first"}, {"motion", std::to_string(options.motion)}},
            filter);
        const std::vector<Frame> frames = run_filters({clip[0]}, rate, {spec}, filter.threads);
        double sum = 0;
        for (size_t k = 1; k <= followed; k++)
            sum +=
                bounded_psnr(mean_squared_error(plane_of(frames.at(k), 0), plane_of(clip[k], 0)));
        best = std::max(best, sum / followed);
    }
    return best;
}

/// Mean PSNR over the frames after the first, dB.
struct FollowingFrames {
    double best_seed, best_pan, first_repeated;
};

/// One clip or picture, or means.
struct Row {
    MotionMetrics motion;
    double spread = 0; ///< standard deviation over seeds over the root mean square
    std::optional<FollowingFrames> following;
};

Row measure(Network &network, const EvalOptions &options, const Clip &clip)
{
    const Frame &first = clip.frames.at(0);
    const Geometry g = geometry_of(first);
    const Tensor packed = reduce(packed_of(g, first), g.reduction);
    Row row;
    std::vector<Tensor> velocities;
    for (int seed = 0; seed < options.animate; seed++) {
        const SampledMotion motion =
            sample_motion(network, packed, first->height / g.reduction, first->width / g.reduction,
                          middle, {options.motion, MARDINI_CAMERA_SAMPLED, seed, 0});
        row.motion += motion_metrics(motion);
        velocities.push_back(motion.velocity);
    }
    row.motion = row.motion / options.animate;
    row.motion.speed *= g.reduction; // pixels of the frame
    const Tensor all = at::stack(velocities);
    row.spread =
        (all.std(0, /*correction=*/0).square().mean() / all.square().mean()).sqrt().item<double>();
    if (clip.frames.size() > followed)
        row.following = FollowingFrames{best_seed(options, clip.frames, clip.rate),
                                        best_pan(clip.frames), pan(clip.frames, 0, 0)};
    return row;
}

void print(const std::string &name, const Row &row)
{
    std::printf("%-20s %9.2f %8.2f%% %13.0f%% %8.2f", name.c_str(), row.motion.speed,
                100 * row.motion.folded, 100 * row.motion.beyond_camera, row.spread);
    if (row.following)
        std::printf(" %9.2f %9.2f %10.2f", row.following->best_seed, row.following->best_pan,
                    row.following->first_repeated);
    std::printf("\n");
    std::fflush(stdout);
}

Row mean_of(const std::vector<Row> &rows)
{
    Row mean;
    FollowingFrames sum = {};
    int clips = 0;
    for (const Row &row : rows) {
        mean.motion += row.motion;
        mean.spread += row.spread;
        if (!row.following)
            continue;
        sum.best_seed += row.following->best_seed;
        sum.best_pan += row.following->best_pan;
        sum.first_repeated += row.following->first_repeated;
        clips++;
    }
    const double n = static_cast<double>(rows.size());
    mean.motion = mean.motion / n;
    mean.spread /= n;
    if (clips)
        mean.following = FollowingFrames{sum.best_seed / clips, sum.best_pan / clips,
                                         sum.first_repeated / clips};
    return mean;
}

} // namespace

int evaluate_sampled_motion(const EvalOptions &options)
{
    const std::string &model = options.filter.model;
    Network network = load_network(model);
    if (!network->sampler)
        throw std::runtime_error("\"" + model +
                                 "\" has no motion sampler; name another by --model.");
    std::vector<std::string> endings = video_endings;
    endings.insert(endings.end(), picture_endings.begin(), picture_endings.end());
    c10::InferenceMode inference;
    std::printf("%-20s %9s %9s %14s %8s %9s %9s %10s\n", "of", "speed", "folded", "beyond camera",
                "spread", "best seed", "best pan", "first");
    std::vector<Row> rows;
    const int left_out = for_each_file(options, endings, followed + 1, [&](const Clip &clip) {
        rows.push_back(measure(network, options, clip));
        print(clip.name, rows.back());
    });
    if (rows.empty())
        throw std::runtime_error("No file of \"" + options.data + "\" can be read.");
    print("mean", mean_of(rows));
    return left_out;
}

} // namespace mardini::eval
