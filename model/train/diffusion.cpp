// The loss of the denoiser: masked frame-level diffusion.
#include "train/diffusion.h"

#include "train/losses.h"

namespace mardini::train {

/// Of the samples' distance from each other: for a normal distribution samples then spread over a
/// third of the true width and lose 0.46 dB against the mean.
static constexpr double spread_weight = 0.45;

/// Distance of octaves as frame_distance weighs them, but of patches of 4x4, (N) each: the
/// pixels of a patch are one sample.
static Tensor patch_distance(const Tensor &x, const Tensor &y)
{
    Tensor difference =
        at::cat({at::pixel_shuffle((x - y).slice(1, 0, 4), 2),
                 0.5 * resize((x - y).slice(1, 4, 6), 2 * x.size(2), 2 * x.size(3))},
                1) /
        2;
    Tensor total = at::zeros({}, x.options());
    double weight = 1;
    for (int i = 0; i < 4; i++, weight *= 2) {
        Tensor coarse = at::avg_pool2d(difference, {2, 2});
        Tensor octave = difference - resize(coarse, difference.size(2), difference.size(3));
        total = total +
                weight * (at::avg_pool2d(octave.square(), {4, 4}) + 1e-6).sqrt().mean({1, 2, 3});
        difference = coarse;
    }
    return total + weight * difference.abs().mean({1, 2, 3});
}

Diffusion diffusion(Denoiser &denoiser, const Bridge &with_gradient, const Tensor &target)
{
    const int64_t N = target.size(0);
    // The expected error learns from its own likelihood alone.
    const Bridge bridge{with_gradient.estimate, with_gradient.uncertainty.detach(),
                        with_gradient.hidden};
    Tensor level = at::rand({N, 1, 1, 1}, bridge.uncertainty.options());
    level = at::where(level < 0.5, at::ones_like(level),
                      0.1 + 1.8 * (level - 0.5)); // half of them at the start
    auto predict = [&] {
        Tensor start = bridge.estimate + bridge.uncertainty * at::randn_like(target);
        return denoiser(bridge, (1 - level) * target + level * start, level);
    };
    Tensor x1 = predict(), x2 = predict();
    Tensor score = 0.5 * (patch_distance(x1, target) + patch_distance(x2, target)) -
                   0.5 * spread_weight * patch_distance(x1, x2);
    Diffusion d;
    d.loss = (score / level.flatten().clamp_min(0.25)).mean() +
             0.05 * (sharpness_distance(x1, target) + sharpness_distance(x2, target));
    torch::NoGradGuard no_grad;
    const Tensor full = (level.flatten() == 1).to(torch::kFloat32), count = full.sum();
    d.gained = (count > 0).to(torch::kFloat32);
    d.gain = (full * (frame_psnr(x1, target) - frame_psnr(bridge.estimate, target))).sum() /
             count.clamp_min(1);
    const Tensor uncertain = (bridge.uncertainty > 4 / 128.0).to(torch::kFloat32);
    d.spread = (128 * (x1 - x2).abs().mean(1, true) * uncertain).sum() / (uncertain.sum() + 1);
    return d;
}

} // namespace mardini::train
