// `mardini eval --animate`: what the motion that is sampled around one frame is like, and how near
// it comes to what followed.
#include "eval/drift.h"
#include "eval/eval.h"

#include "network/checkpoint.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>

namespace mardini::eval {

namespace {

const std::vector<std::string> picture_endings = {".jpg", ".jpeg", ".png"};

constexpr double middle = (MARDINI_WINDOW - 1) / 2.0;
constexpr int followed = 8; ///< frames that are compared with those of a clip

/// Mean PSNR of the frames that follow the first if the whole picture moved by (x, y) pixels a
/// frame.
double pan(const std::vector<Frame> &clip, int x, int y)
{
    const Plane first = plane_of(clip[0], 0);
    double sum = 0;
    for (int k = 1; k <= followed; k++) {
        const Plane truth = plane_of(clip[static_cast<size_t>(k)], 0);
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

/// The best of all pans by whole pixels, known afterwards.
double best_pan(const std::vector<Frame> &clip)
{
    int x = 0, y = 0;
    double best = pan(clip, 0, 0);
    for (bool better = true; better;) { // downhill from standing still
        better = false;
        const int from_x = x, from_y = y;
        for (int dy = -1; dy <= 1; dy++)
            for (int dx = -1; dx <= 1; dx++)
                if (const double score = pan(clip, from_x + dx, from_y + dy); score > best)
                    best = score, x = from_x + dx, y = from_y + dy, better = true;
    }
    return best;
}

/// The best of the seeds, the given frame first, by mean PSNR of the frames that followed it.
double best_of(const std::vector<Frame> &clip, AVRational rate, const EvalOptions &options)
{
    double best = -std::numeric_limits<double>::infinity();
    for (int seed = 0; seed < options.seeds; seed++) {
        FilterOptions filter = options.filter;
        filter.seed = seed;
        const Step step = filter_step(
            {{"mode", "animate"}, {"anchor", "first"}, {"motion", std::to_string(options.motion)}},
            filter);
        const std::vector<Frame> made = run({clip[0]}, rate, {step}, filter.threads);
        double sum = 0;
        for (size_t k = 1; k <= followed; k++)
            sum += bounded_psnr(mean_squared_error(plane_of(made.at(k), 0), plane_of(clip[k], 0)));
        best = std::max(best, sum / followed);
    }
    return best;
}

} // namespace

int evaluate_animate(const EvalOptions &options)
{
    const std::string &model = options.filter.model;
    Network network = load_network(model);
    if (!network->sampler)
        throw std::runtime_error("\"" + model + "\" samples no motion.");
    std::vector<std::string> endings = video_endings;
    endings.insert(endings.end(), picture_endings.begin(), picture_endings.end());
    const std::vector<std::string> files = list_files(options.data, endings);
    if (files.empty())
        throw std::runtime_error("The folder \"" + options.data +
                                 "\" has no video and no picture in it.");
    c10::InferenceMode inference;
    std::printf("%-20s %9s %9s %14s %8s %9s %9s %10s\n", "of", "speed", "folded", "beyond camera",
                "spread", "best of", "best pan", "first");
    Look mean;
    double spread_mean = 0, best_mean = 0, pan_mean = 0;
    int clips = 0, looked_at = 0, left_out = 0;
    for (const std::string &file : files) {
        Clip clip;
        try {
            clip = read_clip(file, followed + 1, scaled_down(options));
        } catch (const std::runtime_error &e) {
            if (files.size() == 1)
                throw;
            std::fprintf(stderr, "mardini: left out: %s\n", e.what());
            left_out++;
            continue;
        }
        const Tensor packed = packed_of(geometry_of(clip.frames.at(0)), clip.frames[0]);
        Look look;
        std::vector<Tensor> fields;
        for (int seed = 0; seed < options.seeds; seed++) {
            const SampledMotion d =
                sample_motion(network, packed, clip.height(), clip.width(), middle,
                              {options.motion, MARDINI_CAMERA_SAMPLED, seed, 0});
            const Look one = look_at(d);
            for (auto field : {&Look::speed, &Look::folded, &Look::beyond})
                look.*field += one.*field / options.seeds;
            fields.push_back(d.velocity);
        }
        const Tensor all = at::stack(fields);
        const double spread = (all.std(0, /*correction=*/0).square().mean() / all.square().mean())
                                  .sqrt()
                                  .item<double>();
        std::printf("%-20s %9.2f %8.2f%% %13.0f%% %8.2f", clip.name.c_str(), look.speed,
                    100 * look.folded, 100 * look.beyond, spread);
        if (clip.frames.size() > followed) {
            const double best = best_of(clip.frames, clip.rate, options),
                         panned = best_pan(clip.frames);
            std::printf(" %9.2f %9.2f %10.2f", best, panned, pan(clip.frames, 0, 0));
            best_mean += best;
            pan_mean += panned;
            clips++;
        }
        std::printf("\n");
        std::fflush(stdout);
        for (auto field : {&Look::speed, &Look::folded, &Look::beyond})
            mean.*field += look.*field;
        spread_mean += spread;
        looked_at++;
    }
    if (!looked_at)
        throw std::runtime_error("No file of \"" + options.data + "\" can be read.");
    for (auto field : {&Look::speed, &Look::folded, &Look::beyond})
        mean.*field /= looked_at;
    spread_mean /= looked_at;
    std::printf("%-20s %9.2f %8.2f%% %13.0f%% %8.2f", "mean", mean.speed, 100 * mean.folded,
                100 * mean.beyond, spread_mean);
    if (clips)
        std::printf(" %9.2f %9.2f", best_mean / clips, pan_mean / clips);
    std::printf("\n");
    return left_out;
}

} // namespace mardini::eval
