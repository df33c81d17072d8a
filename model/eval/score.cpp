// How well the frames between given ones were made.
#include "eval/score.h"

#include <algorithm>

namespace mardini::eval {

static constexpr double perfect = 100; ///< dB that a frame without any error counts in a mean

Score score(const std::vector<Frame> &truth, const std::vector<Made> &made, int factor)
{
    auto luma = [](const Frame &frame) { return plane_of(frame, 0); };
    auto step = [&](size_t i) {
        return temporal_error(luma(made[i].frame), luma(made[i + 1].frame), luma(truth[i]),
                              luma(truth[i + 1]));
    };
    Score out;
    out.factor = factor;
    out.width = truth.at(0)->width;
    out.height = truth[0]->height;
    double temporal = 0, gradients = 0, true_gradients = 0;
    int steps = 0;
    for (size_t i = 0; i + 1 < truth.size(); i++) {
        if (i % factor == 0)
            continue;
        const Plane m = luma(made.at(i).frame), t = luma(truth[i]);
        FrameScore f{static_cast<int>(i), psnr(mean_squared_error(m, t)),
                     ssim(m, t),          gradient(m),
                     gradient(t),         {step(i - 1)},
                     made[i].confidence,  made[i].held};
        if (static_cast<int>(i % factor) == factor - 1)
            f.temporal.push_back(step(i));
        out.figures.psnr_y +=
            std::min(f.psnr_y, perfect); // one frame met exactly is not to drown the others
        out.figures.ssim_y += f.ssim_y;
        gradients += f.gradient;
        true_gradients += f.true_gradient;
        for (double error : f.temporal)
            temporal += error, steps++;
        out.held += made[i].held;
        out.frames.push_back(std::move(f));
    }
    const double n = static_cast<double>(out.frames.size());
    out.figures.psnr_y /= n;
    out.figures.ssim_y /= n;
    out.figures.sharpness = gradients / std::max(1e-12, true_gradients);
    out.figures.temporal = temporal / steps;
    return out;
}

Figures mean(const std::vector<Figures> &figures)
{
    Figures sum;
    for (const Figures &f : figures) {
        sum.psnr_y += f.psnr_y;
        sum.ssim_y += f.ssim_y;
        sum.sharpness += f.sharpness;
        sum.temporal += f.temporal;
    }
    const double n = static_cast<double>(figures.size());
    return {sum.psnr_y / n, sum.ssim_y / n, sum.sharpness / n, sum.temporal / n};
}

} // namespace mardini::eval
