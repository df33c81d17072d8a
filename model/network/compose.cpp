// Candidates and weights -> pixels.
#include "network/compose.h"

namespace mardini {

Tensor residual_gate(const Pairs &pairs)
{
    Tensor nearest = at::minimum(pairs.distance_before.abs(), pairs.distance_after.abs());
    return (residual_gate_slope * nearest).clamp_max(1.0);
}

Tensor change_mask(const Tensor &before, const Tensor &after)
{
    constexpr int r = change_mask_radius, side = 2 * r + 1;
    Tensor difference = change_mask_scale * (before - after).abs().amax(1, true);
    return at::max_pool2d(difference, {side, side}, {1, 1}, {r, r}).clamp_max(1.0);
}

Tensor cross_fade(const Tensor &before, const Tensor &after, const Pairs &pairs)
{
    // a + s (b - a) and not a weighted sum: equal pixels stay equal whatever the rounding.
    return before + (-pairs.distance_before).clamp(0, 1) * (after - before);
}

std::pair<Tensor, Tensor> prior_logits(const Pairs &pairs)
{
    auto logit = [](const Tensor &distance) {
        Tensor s = distance.abs();
        // Beyond the pair (extrapolation) the farther frame keeps a small say.
        return at::where(s < 1, (1 - s).clamp_min(least_prior),
                         at::full_like(s, extrapolation_prior))
            .log();
    };
    return {logit(pairs.distance_before), logit(pairs.distance_after)};
}

Candidates candidates(const Tensor &before, const Tensor &after, const Motion &motion,
                      const Pairs &pairs, int64_t first_row)
{
    const int64_t rows = motion.velocity.size(2), w = before.size(3), H = 2 * before.size(2),
                  W = 2 * w;
    auto [da, db] = displacements(motion, pairs); // (N,2,rows,w) luma pixels
    auto luma = [](const Tensor &x) { return at::pixel_shuffle(x.slice(1, 0, 4), 2); };
    auto chroma = [](const Tensor &x) { return x.slice(1, 4, 6); };
    auto band = [&](const Tensor &x, int64_t scale) {
        return x.slice(2, scale * first_row, scale * (first_row + rows));
    };
    Tensor ya = luma(before), yb = luma(after), ca = chroma(before), cb = chroma(after);
    Tensor full_a = resize(da, 2 * rows, W), full_b = resize(db, 2 * rows, W);

    Candidates c;
    c.luma =
        at::stack({warp(ya, full_a, Sampling::Bicubic, 2 * first_row),
                   warp(yb, full_b, Sampling::Bicubic, 2 * first_row), band(ya, 2), band(yb, 2)},
                  1);
    c.chroma = at::stack({warp(ca, da / 2, Sampling::Bicubic, first_row),
                          warp(cb, db / 2, Sampling::Bicubic, first_row), band(ca, 1), band(cb, 1)},
                         1);
    auto [pa, pb] = prior_logits(pairs);
    Tensor outside_a = outside_penalty * out_of_frame(full_a, H, 2 * first_row);
    Tensor outside_b = outside_penalty * out_of_frame(full_b, H, 2 * first_row);
    Tensor zero = at::zeros_like(outside_a);
    c.prior = resize(motion.visibility, 2 * rows, W) +
              at::cat({pa - outside_a, pb - outside_b, pa + zero, pb + zero}, 1);
    return c;
}

Tensor compose(const Candidates &c, const Tensor &logits)
{
    Tensor fine = logits.softmax(1).unsqueeze(2);                           // (N,4,1,H,W)
    Tensor coarse = at::avg_pool2d(logits, {2, 2}).softmax(1).unsqueeze(2); // (N,4,1,h,w)
    return at::cat({at::pixel_unshuffle((c.luma * fine).sum(1), 2), (c.chroma * coarse).sum(1)}, 1);
}

Tensor unpack_logits(const Tensor &logits)
{
    return logits.size(1) == num_candidates ? double_size(logits) : at::pixel_shuffle(logits, 2);
}

} // namespace mardini
