// Distances between frames, and the loss of the interpolation network.
#include "train/losses.h"

namespace mardini::train {

Tensor pyramid_distance(const Tensor &a, const Tensor &b, int octaves)
{
    // The pyramid is linear: that of the difference is the difference of both.
    Tensor difference = a - b, total = at::zeros({}, a.options());
    double weight = 1;
    for (int i = 0; i < octaves; i++, weight *= 2) {
        Tensor coarse = at::avg_pool2d(difference, {2, 2});
        total =
            total +
            weight *
                (difference - resize(coarse, difference.size(2), difference.size(3))).abs().mean();
        difference = coarse;
    }
    return total + weight * difference.abs().mean();
}

Tensor frame_distance(const Tensor &x, const Tensor &y)
{
    auto luma = [](const Tensor &t) { return at::pixel_shuffle(t.slice(1, 0, 4), 2) / 2; };
    auto chroma = [](const Tensor &t) { return t.slice(1, 4, 6) / 2; };
    return pyramid_distance(luma(x), luma(y)) + 0.5 * pyramid_distance(chroma(x), chroma(y), 3);
}

Tensor frame_psnr(const Tensor &x, const Tensor &y)
{
    torch::NoGradGuard no_grad;
    auto codes = [](const Tensor &t) {
        return (t.slice(1, 0, 4).to(torch::kFloat32) * 128 + 128).round().clamp(0, 255);
    };
    Tensor error = (codes(x) - codes(y)).square().mean({1, 2, 3}).clamp_min(0.01);
    return 10 * (255.0 * 255.0 / error).log10();
}

Tensor psnr(const Tensor &x, const Tensor &y)
{
    return frame_psnr(x, y).mean();
}

/// Of sharpness_distance() of the output: at 0.1 a run with a falling rate came out sharper and
/// lower in PSNR than it began (doc/training.md).
static constexpr double sharpness_weight = 0.02;

/// Of sharpness_distance() of the composite: an output head that sharpens a blurred composite draws
/// dots.
static constexpr double composite_sharpness_weight = 0.05;

static constexpr double stipple_weight = 0.2, fidelity_weight = 0.15;

/// Mean of `value` where `where` is 1, frame by frame: no frame's share depends on the others of
/// its batch.
static Tensor mean_where(const Tensor &value, const Tensor &where)
{
    return ((value * where).sum({1, 2, 3}) / (where.sum({1, 2, 3}) + 1)).mean();
}

Tensor sharpness_distance(const Tensor &synthesized, const Tensor &truth)
{
    auto edges = [](const Tensor &packed) {
        Tensor y = at::pixel_shuffle(packed.slice(1, 0, 4), 2);
        Tensor dx = (y.slice(3, 1) - y.slice(3, 0, -1)).abs(),
               dy = (y.slice(2, 1) - y.slice(2, 0, -1)).abs();
        return at::avg_pool2d(dx.slice(2, 1) + dy.slice(3, 1), {31, 31}, {32, 32}) + 0.01;
    };
    Tensor ratio = (edges(synthesized) / edges(truth)).log();
    return (ratio.abs() + 2 * ratio.square()).mean();
}

Tensor stipple_distance(const Tensor &synthesized, const Tensor &truth)
{
    // Of 2x2 pixels: + - - +. Shifted by one pixel, too, since a pattern may begin anywhere.
    auto strength = [](const Tensor &packed) {
        Tensor y = at::pixel_shuffle(packed.slice(1, 0, 4), 2);
        Tensor d = y.slice(3, 1) - y.slice(3, 0, -1);
        d = (d.slice(2, 1) - d.slice(2, 0, -1)) / 4;
        return (at::avg_pool2d(d.square(), {15, 15}, {16, 16}) + 1e-6).sqrt();
    };
    return (strength(synthesized) - strength(truth)).clamp_min(0).mean();
}

Tensor fidelity_distance(const Tensor &synthesized, const Tensor &truth)
{
    const double half_code = 1.0 / 256; // below it frames are as good as equal
    Tensor error = (synthesized - truth).slice(1, 0, 4).square().mean({1, 2, 3});
    return 0.5 * (error + half_code * half_code).log().mean();
}

/// The terms of the frames themselves. distance: of the output; error (N,1,h,w): of its luma
static Tensor frame_terms(const Output &o, const Tensor &target, const Tensor &distance,
                          const Tensor &error)
{
    // A term of the composite: the output head would otherwise hide bad motion.
    Tensor total = distance + 0.5 * frame_distance(o.composite, target);

    // Laplace likelihood of the luma error; only the scale learns from it.
    Tensor scale = o.uncertainty + 1e-3;
    total = total + 0.01 * (error / scale + scale.log()).mean();

    // A bend is meant for motion that is not uniform.
    total = total + 1e-3 * (o.refined.half.bend / 8).square().mean();
    total = total + sharpness_weight * sharpness_distance(o.frames, target) +
            composite_sharpness_weight * sharpness_distance(o.composite, target);
    total = total + fidelity_weight * fidelity_distance(o.frames, target);
    return total + stipple_weight * stipple_distance(o.frames, target);
}

/// True motion is unknown on real clips: the plan learns from the refined motion where the
/// synthesized pixels are right. Pixels a gap, scalar. error (N,1,h,w): of luma, at the size of the
/// frame
static Tensor plan_distance(const Output &o, const Tensor &error, int reduction)
{
    Tensor truth = at::avg_pool2d(o.refined.half.velocity.detach(), {8, 8});
    Tensor right = (at::avg_pool2d(error, {8 * reduction, 8 * reduction}) < 0.04)
                       .to(torch::kFloat32); // five codes of 8 bits
    return mean_where(((o.plan.motion.velocity - truth).square().sum(1, true) + 0.01).sqrt(),
                      right);
}

namespace {

/// True motion and visibility at one resolution.
struct TrueMotion {
    Tensor flow;    ///< (N,2,2,h,w), pixels of its own resolution
    Tensor visible; ///< (N,2,h,w), 0 or 1
};

/// A field and where it is valid, by cells.
struct Pooled {
    Tensor value, valid;
};

} // namespace

/// Mean of `value` over the part of each cell where `where` is 1; valid if that is most of it.
static Pooled pooled(const Tensor &value, const Tensor &where, int cell)
{
    Tensor share = at::avg_pool2d(where, {cell, cell});
    return {at::avg_pool2d(value * where, {cell, cell}) / (share + 1e-3),
            (share > 0.5).to(torch::kFloat32)};
}

/// At the size that motion is found at.
static TrueMotion reduced(const TrueMotion &full, int reduction)
{
    auto smaller = [&](const Tensor &t) {
        return reduction == 1 ? t : at::avg_pool2d(t, {reduction, reduction});
    };
    return {smaller(full.flow.flatten(1, 2)).unflatten(1, {2, 2}) / reduction,
            smaller(full.visible).floor()};
}

/// End-point errors at 1/16, 1/8 and 1/2, and of the aligned motion at the size of the frame,
/// against the mean true motion of each cell's visible part. Sets the metric of the motion at 1/2.
static Tensor flow_terms(const Output &o, const TrueMotion &full, const TrueMotion &small,
                         Tensor *error_final)
{
    const Motion *levels[] = {&o.plan.motion, &o.refined.eighth, &o.refined.half};
    const int cells[] = {16, 8, 2};
    const double weights[] = {0.5, 0.7, 1.0};
    Tensor total = at::zeros({}, full.flow.options());
    for (int i = 0; i < 3; i++) {
        const auto [before, after] = displacements(*levels[i], o.pairs);
        const Tensor estimates[] = {before, after};
        *error_final = at::zeros({}, full.flow.options());
        for (int k = 0; k < 2; k++) {
            auto [truth, valid] =
                pooled(small.flow.select(1, k), small.visible.slice(1, k, k + 1), cells[i]);
            Tensor squares = (estimates[k] - truth).square().sum(1, true);
            total = total + weights[i] * ((squares + 0.01).sqrt() * valid).mean();
            *error_final = *error_final + 0.5 * mean_where(squares.detach().sqrt(), valid);
        }
    }
    if (!o.trust.defined())
        return total;
    const auto [before, after] = displacements(o.motion, o.pairs);
    const Tensor estimates[] = {before, after};
    for (int k = 0; k < 2; k++) {
        auto [truth, valid] = pooled(full.flow.select(1, k), full.visible.slice(1, k, k + 1), 2);
        Tensor squares = (estimates[k] - truth).square().sum(1, true);
        total = total + 0.5 * ((squares + 0.01).sqrt() * valid).mean();
    }
    return total;
}

/// The velocities of the plan and of the matches, each against the truth: refinement would
/// otherwise hide that they fail. Sets their metrics.
static Tensor velocity_terms(const Output &o, const TrueMotion &small, Losses *metrics)
{
    Tensor both = small.visible.slice(1, 0, 1) * small.visible.slice(1, 1, 2);
    Tensor gap = (o.pairs.distance_after - o.pairs.distance_before)
                     .clamp_min(1e-3); // 0 of a single reference frame
    auto [truth, valid] =
        pooled((small.flow.select(1, 1) - small.flow.select(1, 0)) / gap, both, 16);
    valid = valid * (o.pairs.before != o.pairs.after).to(torch::kFloat32).view({-1, 1, 1, 1});
    auto error = [&, truth = truth, valid = valid](const Tensor &v) {
        return mean_where(((v - truth).square().sum(1, true) + 1e-4).sqrt(), valid);
    };
    const Tensor match = error(o.plan.match_velocity), plan = error(o.plan.motion.velocity);
    metrics->error_match = match.detach();
    metrics->error_plan = plan.detach();
    metrics->error_zero = error(at::zeros_like(truth));
    return match + plan;
}

/// Log weight of the candidates of the one reference that shows a pixel which the other hides.
static Tensor one_sided_weight(const Output &o, const Tensor &visible)
{
    Tensor one_sided =
        visible.slice(1, 0, 1) - visible.slice(1, 1, 2); // 1: before only, -1: after only
    Tensor before = (o.weights.slice(1, 0, 1) + o.weights.slice(1, 2, 3)).clamp_min(1e-4);
    Tensor after = (o.weights.slice(1, 1, 2) + o.weights.slice(1, 3, 4)).clamp_min(1e-4);
    return (before.log() * one_sided.clamp_min(0) + after.log() * (-one_sided).clamp_min(0)).mean();
}

Losses losses(const Output &o, const Tensor &target, const Tensor &flow, const Tensor &visible,
              int reduction)
{
    Losses l;
    const Tensor distance = frame_distance(o.frames, target);
    const Tensor error = (o.frames - target).slice(1, 0, 4).abs().mean(1, true).detach();
    l.distance = distance.detach();
    l.total = frame_terms(o, target, distance, error);
    l.has_flow = flow.defined();
    if (!l.has_flow) {
        l.total = l.total + 0.01 * plan_distance(o, error, reduction);
        return l;
    }
    const TrueMotion full{flow, visible}, small = reduced(full, reduction);
    l.total = l.total + 0.02 * flow_terms(o, full, small, &l.error_final);
    l.total = l.total + 0.02 * velocity_terms(o, small, &l);
    l.total = l.total - 0.02 * one_sided_weight(o, visible);
    return l;
}

} // namespace mardini::train
