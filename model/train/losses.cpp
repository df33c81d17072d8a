// What the trainer minimises. Formulas: reference given at each.
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

double psnr(const Tensor &x, const Tensor &y)
{
    torch::NoGradGuard no_grad;
    auto codes = [](const Tensor &t) {
        return (t.slice(1, 0, 4).to(torch::kFloat32) * 128 + 128).round().clamp(0, 255);
    };
    Tensor error = (codes(x) - codes(y)).square().mean({1, 2, 3}).clamp_min(0.01);
    return (10 * (255.0 * 255.0 / error).log10()).mean().item<double>();
}

/// Of sharpness_distance(): at 0.1 a run with a falling rate came out sharper and lower in PSNR
/// than it began (doc/training.md).
static constexpr double sharpness_weight = 0.02;

/// Likewise, of the composite: an output head that is to make up for a blurred one draws dots.
static constexpr double choice_weight = 0.05;

/// Of stipple_distance().
static constexpr double stipple_weight = 0.2;

/// Of fidelity_distance().
static constexpr double fidelity_weight = 0.15;

/// Mean of `value` where `where` is 1, frame by frame: no frame's share depends on the others of
/// its batch.
static Tensor mean_where(const Tensor &value, const Tensor &where)
{
    return ((value * where).sum({1, 2, 3}) / (where.sum({1, 2, 3}) + 1)).mean();
}

Tensor sharpness_distance(const Tensor &made, const Tensor &truth)
{
    auto edges = [](const Tensor &packed) {
        Tensor y = at::pixel_shuffle(packed.slice(1, 0, 4), 2);
        Tensor dx = (y.slice(3, 1) - y.slice(3, 0, -1)).abs(),
               dy = (y.slice(2, 1) - y.slice(2, 0, -1)).abs();
        return at::avg_pool2d(dx.slice(2, 1) + dy.slice(3, 1), {31, 31}, {32, 32}) + 0.01;
    };
    Tensor ratio = (edges(made) / edges(truth)).log();
    return (ratio.abs() + 2 * ratio.square()).mean();
}

Tensor stipple_distance(const Tensor &made, const Tensor &truth)
{
    // Of 2x2 pixels: + - - +. Shifted by one pixel, too, since a pattern may begin anywhere.
    auto strength = [](const Tensor &packed) {
        Tensor y = at::pixel_shuffle(packed.slice(1, 0, 4), 2);
        Tensor d = y.slice(3, 1) - y.slice(3, 0, -1);
        d = (d.slice(2, 1) - d.slice(2, 0, -1)) / 4;
        return (at::avg_pool2d(d.square(), {15, 15}, {16, 16}) + 1e-6).sqrt();
    };
    return (strength(made) - strength(truth)).clamp_min(0).mean();
}

Tensor fidelity_distance(const Tensor &made, const Tensor &truth)
{
    const double half_code = 1.0 / 256; // below it frames are as good as equal
    Tensor error = (made - truth).slice(1, 0, 4).square().mean({1, 2, 3});
    return 0.5 * (error + half_code * half_code).log().mean();
}

/// On real clips nothing tells the true motion: the plan learns from what refinement made of it,
/// where the pixels say that it was right. Pixels a gap, scalar. error (N,1,h,w): of luma, at the
/// frame's own size
static Tensor plan_distance(const Output &o, const Tensor &error, int reduction)
{
    Tensor truth = at::avg_pool2d(o.refined.half.velocity.detach(), {8, 8});
    Tensor right = (at::avg_pool2d(error, {8 * reduction, 8 * reduction}) < 0.04)
                       .to(torch::kFloat32); // five codes of 8 bits
    return mean_where(((o.plan.motion.velocity - truth).square().sum(1, true) + 0.01).sqrt(),
                      right);
}

Losses losses(const Output &o, const Tensor &target, const Tensor &full_flow,
              const Tensor &full_visible, int reduction)
{
    Losses l;
    Tensor distance = frame_distance(o.frames, target);
    l.frames = distance.item<double>();
    // The composite alone must do well too, else the residual would hide bad motion.
    l.total = distance + 0.5 * frame_distance(o.composite, target);

    // Laplace likelihood of the luma error; only the scale learns from it.
    Tensor error = (o.frames - target).slice(1, 0, 4).abs().mean(1, true).detach(),
           scale = o.uncertainty + 1e-3;
    l.total = l.total + 0.01 * (error / scale + scale.log()).mean();

    // Bends are for motion that is not uniform.
    l.total = l.total + 1e-3 * (o.refined.half.bend / 8).square().mean();

    l.total = l.total + sharpness_weight * sharpness_distance(o.frames, target) +
              choice_weight * sharpness_distance(o.composite, target);
    l.total = l.total + fidelity_weight * fidelity_distance(o.frames, target);

    l.total = l.total + stipple_weight * stipple_distance(o.frames, target);

    l.has_flow = full_flow.defined();
    if (!l.has_flow) {
        l.total = l.total + 0.01 * plan_distance(o, error, reduction);
        return l;
    }
    // At the size that motion was found at.
    auto reduced = [&](const Tensor &t) {
        return reduction == 1 ? t : at::avg_pool2d(t, {reduction, reduction});
    };
    const Tensor flow = reduced(full_flow.flatten(1, 2)).unflatten(1, {2, 2}) / reduction,
                 visible = reduced(full_visible).floor();
    // End-point error at 1/16, 1/8, 1/2 against the mean true motion of each cell's visible part.
    const Motion *levels[] = {&o.plan.motion, &o.refined.eighth, &o.refined.half};
    const int cells[] = {16, 8, 2};
    const double weights[] = {0.5, 0.7, 1.0};
    Tensor flow_loss = at::zeros({}, target.options());
    auto pooled = [](const Tensor &value, const Tensor &where, int cell) {
        Tensor share = at::avg_pool2d(where, {cell, cell});
        return std::pair(at::avg_pool2d(value * where, {cell, cell}) / (share + 1e-3),
                         (share > 0.5).to(torch::kFloat32));
    };
    for (int i = 0; i < 3; i++) {
        auto [da, db] = displacements(*levels[i], o.pairs);
        const Tensor made[] = {da, db};
        Tensor at_level = at::zeros({}, target.options());
        for (int k = 0; k < 2; k++) {
            auto [truth, valid] = pooled(flow.select(1, k), visible.slice(1, k, k + 1), cells[i]);
            Tensor distance2 = (made[k] - truth).square().sum(1, true);
            flow_loss = flow_loss + weights[i] * ((distance2 + 0.01).sqrt() * valid).mean();
            at_level = at_level + 0.5 * mean_where(distance2.detach().sqrt(), valid);
        }
        if (i == 2)
            l.flow = at_level.item<double>();
    }
    if (o.trust.defined()) { // the aligned motion, at the frame's size
        auto [da, db] = displacements(o.motion, o.pairs);
        const Tensor made[] = {da, db};
        for (int k = 0; k < 2; k++) {
            auto [truth, valid] =
                pooled(full_flow.select(1, k), full_visible.slice(1, k, k + 1), 2);
            flow_loss =
                flow_loss +
                0.5 * (((made[k] - truth).square().sum(1, true) + 0.01).sqrt() * valid).mean();
        }
    }
    l.total = l.total + 0.02 * flow_loss;

    // The plan's velocity and the matches' own, each against the truth: else refinement hides that
    // they are dead.
    Tensor both = visible.slice(1, 0, 1) * visible.slice(1, 1, 2);
    Tensor gap = (o.pairs.distance_after - o.pairs.distance_before)
                     .clamp_min(1e-3); // 0 if one frame is given
    auto [truth, valid] = pooled((flow.select(1, 1) - flow.select(1, 0)) / gap, both, 16);
    if ((o.pairs.before == o.pairs.after).any().item<bool>())
        valid = valid * (o.pairs.before != o.pairs.after).to(torch::kFloat32).view({-1, 1, 1, 1});
    auto velocity_error = [&, truth = truth, valid = valid](const Tensor &v) {
        return mean_where(((v - truth).square().sum(1, true) + 1e-4).sqrt(), valid);
    };
    Tensor match = velocity_error(o.plan.match_velocity),
           plan = velocity_error(o.plan.motion.velocity);
    l.total = l.total + 0.02 * (match + plan);
    l.match = match.item<double>(), l.plan = plan.item<double>();
    l.speed = velocity_error(at::zeros_like(truth)).item<double>();

    // Where only one of the two shows the pixel, its candidates should carry the weight.
    Tensor one_sided = (full_visible.slice(1, 0, 1) -
                        full_visible.slice(1, 1, 2)); // 1: before only, -1: after only
    Tensor before = (o.weights.slice(1, 0, 1) + o.weights.slice(1, 2, 3)).clamp_min(1e-4);
    Tensor after = (o.weights.slice(1, 1, 2) + o.weights.slice(1, 3, 4)).clamp_min(1e-4);
    l.total = l.total - 0.02 * (before.log() * one_sided.clamp_min(0) +
                                after.log() * (-one_sided).clamp_min(0))
                                   .mean();
    return l;
}

} // namespace mardini::train
