// Alignment of both given frames, warped to the masked frame's time: the last fraction of a pixel
// of its motion.
#include "network/align.h"

#include "network/compose.h"
#include "simd/align.h"

namespace mardini {

namespace {

/// Mean over (2 r + 1) x (2 r + 1) cells, of those inside the picture.
Tensor box(const Tensor &x, int64_t r)
{
    return at::avg_pool2d(x, {2 * r + 1, 2 * r + 1}, {1, 1}, {r, r}, false,
                          /*count_include_pad=*/false);
}

/// Mean over the 2x2 samples of a cell, and its reverse.
Tensor cell_mean(const Tensor &x)
{
    return at::avg_pool2d(x, {2, 2});
}

Tensor doubled(const Tensor &x)
{
    return x.repeat_interleave(2, 2).repeat_interleave(2, 3);
}

Tensor pooled(const Tensor &x, int scale)
{
    return scale > 1 ? at::avg_pool2d(x, {scale, scale}) : x;
}

/// Central differences, the border repeated. (N,1,H,W) -> x and y
std::pair<Tensor, Tensor> slopes(const Tensor &x)
{
    const int64_t H = x.size(2), W = x.size(3);
    Tensor p = at::replication_pad2d(x, {1, 1, 1, 1});
    return {(p.slice(3, 2).slice(2, 1, H + 1) - p.slice(3, 0, W).slice(2, 1, H + 1)) / 2,
            (p.slice(2, 2).slice(3, 1, W + 1) - p.slice(2, 0, H).slice(3, 1, W + 1)) / 2};
}

} // namespace

/// By the kernels of simd/align.h. h, w multiples of 16.
static Alignment align_on_cpu(const Tensor &before, const Tensor &after, const Motion &motion,
                              const Pairs &pairs)
{
    const int64_t N = before.size(0), h = before.size(2), w = before.size(3);
    auto floats = [](const Tensor &x) { return x.to(torch::kFloat32).contiguous(); };
    auto pyramid = [&](const Tensor &packed, int64_t n) {
        const Tensor luma = floats(packed[n].slice(0, 0, 4));
        return make_pyramid(luma.data_ptr<float>(), h, w);
    };
    auto [da, db] = displacements(motion, pairs);
    auto [pa, pb] = prior_logits(pairs);
    da = floats(da), db = floats(db), pa = floats(pa), pb = floats(pb);
    const Tensor visibility = floats(motion.visibility), sa = floats(pairs.distance_before),
                 sb = floats(pairs.distance_after);
    Alignment a{at::empty({N, 2, h, w}, da.options()),
                at::empty({N, 1, h / 2, w / 2}, da.options()),
                at::empty({N, 1, h / 2, w / 2}, da.options())};
    const Tensor seen = at::empty({h, w}, da.options());
    for (int64_t n = 0; n < N; n++) {
        const float prior[2] = {pa.data_ptr<float>()[n], pb.data_ptr<float>()[n]};
        both_see(visibility[n].data_ptr<float>(), prior, h * w, seen.data_ptr<float>());
        const LumaPyramid of_before = pyramid(before, n), of_after = pyramid(after, n);
        align_frame({&of_before, &of_after, da[n].data_ptr<float>(), db[n].data_ptr<float>(),
                     seen.data_ptr<float>(), sa.data_ptr<float>()[n], sb.data_ptr<float>()[n],
                     a.correction[n].data_ptr<float>(), a.residual_before[n].data_ptr<float>(),
                     a.residual_after[n].data_ptr<float>()});
    }
    return a;
}

Alignment align(const Tensor &before, const Tensor &after, const Motion &motion, const Pairs &pairs)
{
    torch::NoGradGuard no_grad;
    const bool by_kernels = before.is_cpu() && before.size(2) % 16 == 0 && before.size(3) % 16 == 0;
    return by_kernels ? align_on_cpu(before, after, motion, pairs)
                      : align_by_tensors(before, after, motion, pairs);
}

Tensor trusted_correction(const Alignment &a, const Tensor &trust)
{
    return resize(trust, a.correction.size(2), a.correction.size(3)) * a.correction;
}

Alignment align_by_tensors(const Tensor &before, const Tensor &after, const Motion &motion,
                           const Pairs &pairs)
{
    torch::NoGradGuard no_grad;
    using namespace alignment;
    const Tensor &sa = pairs.distance_before, &sb = pairs.distance_after;
    const int64_t N = before.size(0), h = before.size(2), w = before.size(3);
    auto luma = [](const Tensor &packed) {
        return 128 * at::pixel_shuffle(packed.slice(1, 0, 4), 2).to(torch::kFloat32);
    };
    const Tensor ya = luma(before), yb = luma(after); // (N,1,H,W) codes of 8 bits
    auto [da, db] = displacements(motion, pairs);     // (N,2,h,w) luma pixels
    auto [pa, pb] = prior_logits(pairs);
    const Tensor weights = (motion.visibility + at::cat({pa, pb, pa, pb}, 1)).softmax(1);
    const Tensor wa = weights.slice(1, 0, 1), wb = weights.slice(1, 1, 2);
    const Tensor between = (sa < 0).logical_and(sb > 0).to(torch::kFloat32);
    const Tensor both_see = between * 2 * at::minimum(wa, wb) / (wa + wb + 1e-3);

    /// Both frames at 1/scale, warped with the motion and a correction of it on any grid, luma
    /// pixels: (N,1,H/scale,W/scale) each.
    auto warped = [&](int scale, const Tensor &correction) {
        auto one = [&](const Tensor &y, const Tensor &displacement, const Tensor &distance) {
            const Tensor small = scale > 1 ? at::avg_pool2d(y, {scale, scale}) : y;
            const Tensor moved = displacement + distance * correction;
            return warp(small, resize(moved, small.size(2), small.size(3)) / scale,
                        Sampling::Bicubic);
        };
        return std::pair(one(ya, da, sa), one(yb, db, sb));
    };
    auto residual = [&](const Tensor &correction) {
        auto [fa, fb] = warped(2, correction);
        return (box(at::avg_pool2d((fb - fa).square(), {2, 2}), residual_radius) + 1).log() / 8;
    };

    Tensor v = at::zeros({N, 2, h, w}, ya.options());
    const Tensor residual_before = residual(v);
    for (const auto &[scale, num_steps] : scales) {
        const Tensor seen = pooled(both_see, scale); // a cell: 2x2 samples of this scale
        for (int i = 0; i < num_steps; i++) {
            auto [fa, fb] = warped(scale, v);
            auto [ax, ay] = slopes(fa);
            auto [bx, by] = slopes(fb);
            const Tensor gx = sb * bx - sa * ax, gy = sb * by - sa * ay, raw = fb - fa;
            const Tensor e = raw - doubled(box(cell_mean(raw), mean_radius));
            const Tensor k = seen / (1 + cell_mean(e.square()) / (sigma * sigma));
            auto window = [&](const Tensor &x) { return box(k * cell_mean(x), window_radius); };
            const Tensor xx = window(gx.square()) + lambda, xy = window(gx * gy),
                         yy = window(gy.square()) + lambda;
            const Tensor ex = window(gx * e), ey = window(gy * e), determinant = xx * yy - xy * xy;
            const Tensor step = at::cat({xy * ey - yy * ex, xy * ex - xx * ey}, 1) / determinant;
            v = v + scale * resize(box(step.clamp(-longest_step, longest_step), smoothing_radius),
                                   h, w);
        }
    }
    return {v, residual_before, residual(v)};
}

} // namespace mardini
