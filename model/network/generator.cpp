// Planning signal + given frames -> motion at 1/2, weights of the candidates, residual.
#include "network/generator.h"

#include "simd/matching.h"

namespace mardini {

static constexpr int motion_channels = 2 + 4 + num_candidates + 1;

/// Motion as a network sees it: displacements in cells of `cell` pixels. (N,11,h,w)
static Tensor as_input(const Motion &m, double cell)
{
    return at::cat({m.velocity / cell, m.bend / cell, m.visibility, m.uncertainty}, 1);
}

static Motion doubled(const Motion &m)
{
    return {double_size(m.velocity), double_size(m.bend), double_size(m.visibility),
            double_size(m.uncertainty)};
}

/// Add a correction, displacements in cells of `cell` pixels. delta (N,11,h,w)
static Motion corrected(const Motion &m, const Tensor &delta, double cell)
{
    auto d = delta.to(torch::kFloat32).split_with_sizes({2, 4, num_candidates, 1}, 1);
    return {m.velocity + cell * d[0], m.bend + cell * d[1], m.visibility + d[2],
            m.uncertainty + d[3]};
}

/// How well staying explains the pixels, and how well the warp does. (N,3,h,w)
static Tensor agreement(const Tensor &a, const Tensor &b, const Tensor &warped_a,
                        const Tensor &warped_b)
{
    auto distance = [](const Tensor &x, const Tensor &y) {
        return search_is_possible(x) ? mean_distance(x, y) : (x - y).abs().mean(1, true);
    };
    return at::cat({distance(a, b), distance(warped_a, warped_b), distance(warped_a, a)}, 1);
}

GeneratorImpl::GeneratorImpl(const EncoderConfig &e, const PlannerConfig &p,
                             const GeneratorConfig &g)
    : config_(g), hidden_channels_(g.channels2 / 2 + 4)
{
    auto cells = [](int radius) { return (2 * radius + 1) * (2 * radius + 1); };
    const int others = 3 + motion_channels + 2; // agreement, motion, two distances
    in8 = register_module(
        "in8", conv(2 * e.channels8 + cells(g.cost8) + p.features + others, g.channels8));
    for (int i = 0; i < g.blocks8; i++)
        blocks8->push_back(ResBlock(g.channels8));
    register_module("blocks8", blocks8);
    delta8 = register_module("delta8", zero_conv(g.channels8, motion_channels));
    up8 = register_module("up8", conv(g.channels8, g.channels8 / 2, 1, 1));
    in4 = register_module(
        "in4", conv(2 * e.channels4 + cells(g.cost4) + g.channels8 / 2 + others, g.channels4));
    block4 = register_module("block4", ResBlock(g.channels4));
    delta4 = register_module("delta4", zero_conv(g.channels4, 4 * motion_channels));
    up4 = register_module("up4", conv(g.channels4, hidden_channels_, 1, 1));
    if (aligns()) {
        trust1 = register_module("trust1", conv(hidden_channels_ + 3 + num_candidates, g.trust));
        trust2 = register_module("trust2", zero_conv(g.trust, 1));
    }
    head1 = register_module("head1", conv(2 * packed_channels + 4 + hidden_channels_, g.channels2));
    head2 = register_module("head2", conv(g.channels2, g.channels2));
    head3 = register_module("head3", zero_conv(g.channels2, head_channels()));
}

Refined GeneratorImpl::refine(const Plan &plan, const Features &a, const Features &b,
                              const Pairs &pairs)
{
    auto inputs = [&](const Motion &motion, const Tensor &fa, const Tensor &fb, int radius,
                      double cell, const Tensor &context) {
        auto [da, db] = displacements(motion, pairs);
        Tensor wa = warp(fa, da / cell), wb = warp(fb, db / cell);
        Tensor distances = at::cat({pairs.distance_before, pairs.distance_after}, 1)
                               .expand({wa.size(0), 2, wa.size(2), wa.size(3)});
        const std::vector<Tensor> parts = {wa,
                                           wb,
                                           cost_volume(wa, wb, radius),
                                           agreement(fa, fb, wa, wb),
                                           context,
                                           as_input(motion, cell),
                                           distances};
        if (search_is_possible(wa) && wa.size(0) == 1)
            return join_channels(parts, in8->weight.scalar_type());
        return at::cat(parts, 1);
    };
    Refined r;
    r.eighth = doubled(plan.motion); // 1/16 -> 1/8
    const Tensor planned = double_size(plan.features);
    Tensor x;
    for (int pass = 0; pass < config_.passes8; pass++) {
        x = act(
            blocks8->forward(in8(inputs(r.eighth, a.eighth, b.eighth, config_.cost8, 8, planned))));
        r.eighth = corrected(r.eighth, delta8(x), 8);
    }

    Motion quarter = doubled(r.eighth); // 1/4
    x = act(
        block4(in4(inputs(quarter, a.quarter, b.quarter, config_.cost4, 4, double_size(up8(x))))));
    r.half = corrected(doubled(quarter), at::pixel_shuffle(delta4(x), 2), 2); // 1/2
    r.hidden = up4(x);
    return r;
}

Tensor GeneratorImpl::trust(const Tensor &hidden, const Alignment &a, const Tensor &visibility)
{
    const int64_t h = visibility.size(2) / 2, w = visibility.size(3) / 2;
    auto half = [](const Tensor &x) { return at::avg_pool2d(x, {2, 2}); };
    Tensor seen =
        at::cat({resize(hidden.to(torch::kFloat32), h, w), a.residual_before, a.residual_after,
                 half(a.correction).norm(2, {1}, true), half(visibility)},
                1);
    // Before it has learned anything it is trusted by .88.
    return at::sigmoid(trust2(act(trust1(seen))).to(torch::kFloat32) + 2);
}

Tensor GeneratorImpl::head(const Tensor &inputs)
{
    return head3(act(head2(act(head1(inputs)))));
}

Tensor GeneratorImpl::pixel_head(const Tensor &inputs)
{
    Tensor x = head(inputs);
    if (config_.logits == luma_channels)
        return x;
    const Tensor logits = x.slice(1, head_logits, head_logits + num_candidates);
    return at::cat({x.slice(1, 0, head_logits), at::pixel_unshuffle(double_size(logits), 2),
                    x.slice(1, head_logits + num_candidates)},
                   1);
}

Finish GeneratorImpl::finish(const Tensor &composite, const Tensor &difference, const Tensor &still,
                             const Tensor &hidden)
{
    auto parts = head(at::cat({composite, difference, still, hidden}, 1))
                     .to(torch::kFloat32)
                     .split_with_sizes({packed_channels, config_.logits * num_candidates, 1}, 1);
    return {parts[0], parts[1], parts[2]};
}

} // namespace mardini
