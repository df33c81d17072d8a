// Low-resolution window -> planning signal, decoded to motion, visibility, uncertainty.
#include "planner.h"

#include <cmath>

namespace mardini {

static constexpr int time_waves = 8; ///< sines and cosines that describe one distance

std::pair<Tensor, Tensor> displacements(const Motion &m, const Pairs &p)
{
    return {p.distance_before * (m.velocity + m.bend.slice(1, 0, 2)),
            p.distance_after * (m.velocity + m.bend.slice(1, 2, 4))};
}

PlannerImpl::PlannerImpl(const EncoderConfig &encoder, const PlannerConfig &config) : config_(config)
{
    const int D = config.width;
    stem1 = register_module("stem1", conv(encoder.channels8, 64, 2));
    stem2 = register_module("stem2", conv(64, D, 2));
    gate1 = register_module("gate1", conv(5, 16));
    gate2 = register_module("gate2", conv(16, 1));
    from_given = register_module("from_given", torch::nn::Linear(2 * D + 2 * time_waves, D));
    from_match = register_module("from_match", torch::nn::Linear(6 * 4, D));
    mask_token = register_parameter("mask_token", torch::randn({D}) * 0.02);
    for (int i = 0; i < config.layers; i++)
        blocks->push_back(Block(D, config.head_dim));
    register_module("blocks", blocks);
    norm = register_module("norm", torch::nn::LayerNorm(torch::nn::LayerNormOptions({D})));
    const int motion = 2 + 4 + num_candidates + 1;
    head = register_module("head", torch::nn::Linear(D, 4 * (motion + config.features)));
    // The plan starts as the matches alone; its features start small.
    torch::NoGradGuard no_grad;
    head->bias.zero_();
    head->weight.mul_(0.1);
    head->weight.slice(0, 0, 4 * motion).zero_();
}

Tensor PlannerImpl::tokenize(const Tensor &eighth)
{
    return stem2(act(stem1(eighth))).flatten(2).transpose(1, 2);
}

/// The matches live on the given frames' grids: carry them to the masked frame's by two fixed-point steps.
/// (N,3,h,w) each: velocity in pixels a gap, confidence.
static std::pair<Tensor, Tensor> carry(const Match &m, const Pairs &p)
{
    Tensor a = at::cat({m.forward, m.confidence_forward}, 1), b = at::cat({-m.backward, m.confidence_backward}, 1);
    auto average = [](const Tensor &x, const Tensor &y) {
        Tensor cx = x.slice(1, 2, 3), cy = y.slice(1, 2, 3);
        return (x.slice(1, 0, 2) * cx + y.slice(1, 0, 2) * cy) / (cx + cy + 1e-3);
    };
    Tensor carried_a = a, carried_b = b;
    for (int i = 0; i < 2; i++) {
        Tensor velocity = average(carried_a, carried_b) / 8; // cells
        carried_a = warp(a, p.distance_before * velocity);
        carried_b = warp(b, p.distance_after * velocity);
    }
    return {carried_a, carried_b};
}

/// (N) signed distances -> (N,time_waves)
static Tensor waves(const Tensor &distance)
{
    std::vector<Tensor> w;
    for (double k : {0.5, 1.0, 2.0, 4.0}) {
        w.push_back(at::sin(distance * (k * M_PI)));
        w.push_back(at::cos(distance * (k * M_PI)));
    }
    return at::stack(w, 1);
}

/// Positions of every token, (B,F*tokens,3): time, row, column.
static Tensor token_positions(const Tensor &times, int64_t rows, int64_t columns)
{
    const int64_t B = times.size(0), F = times.size(1), N = rows * columns;
    auto options = times.options();
    Tensor t = times.view({B, F, 1, 1}).expand({B, F, rows, columns});
    Tensor y = at::arange(rows, options).view({1, 1, rows, 1}).expand({B, F, rows, columns});
    Tensor x = at::arange(columns, options).view({1, 1, 1, columns}).expand({B, F, rows, columns});
    return at::stack({t, y, x}, -1).reshape({B, F * N, 3});
}

Plan PlannerImpl::forward(const Tensor &tokens, const Match &match, const Pairs &pairs, const Tensor &given_times,
                          const Tensor &masked_times, int64_t token_rows, bool joint, const Ablation &ablation)
{
    const int64_t B = given_times.size(0), R = given_times.size(1), M = masked_times.size(1);
    const int64_t N = tokens.size(1), D = tokens.size(2), columns = N / token_rows;

    // Matches on the masked frame's grid at 1/16, averaged by confidence.
    auto [a, b] = carry(match, pairs); // (B*M,3,H/8,W/8)
    if (ablation.no_match)
        a = at::zeros_like(a), b = at::zeros_like(b);
    Tensor ca = a.slice(1, 2, 3), cb = b.slice(1, 2, 3), weight = ca + cb + 1e-3;
    auto halve = [&](const Tensor &x) { return at::avg_pool2d(x * weight, {2, 2}) / at::avg_pool2d(weight, {2, 2}); };
    Tensor va = halve(a.slice(1, 0, 2)), vb = halve(b.slice(1, 0, 2)); // (B*M,2,H/16,W/16)
    ca = at::avg_pool2d(ca, {2, 2}), cb = at::avg_pool2d(cb, {2, 2});
    Tensor seed = (va * ca + vb * cb) / (ca + cb + 1e-3);
    Tensor cells = seed / 16;
    Tensor gate = at::sigmoid(
        gate2(act(gate1(at::cat({ca, cb, (va - vb).norm(2, {1}, true) / 16, cells}, 1)))).to(torch::kFloat32));

    // Masked tokens: what both given frames show at the same place, how far they are, what the matches say.
    Tensor pair = at::cat({tokens.index_select(0, pairs.before), tokens.index_select(0, pairs.after)}, 2);
    Tensor when = at::cat({waves(pairs.distance_before.flatten()), waves(pairs.distance_after.flatten())}, 1);
    when = when.unsqueeze(1).expand({B * M, N, 2 * time_waves}).to(pair.dtype());
    Tensor evidence = at::pixel_unshuffle(at::cat({va / 16, vb / 16, ca, cb}, 1) * 0.25, 2).flatten(2).transpose(1, 2);
    Tensor masked = mask_token + from_given(at::cat({pair, when}, 2)) + from_match(evidence.to(pair.dtype()));

    Tensor given = tokens.reshape({B, R * N, D});
    masked = masked.reshape({B, M * N, D});
    if (!ablation.no_planner) {
        Tensor given_position = token_positions(given_times, token_rows, columns);
        Tensor masked_position = token_positions(masked_times, token_rows, columns);
        for (const auto &block : *blocks)
            std::tie(given, masked) = block->as<Block>()->forward(given, masked, given_position, masked_position, R, M,
                                                                  joint, config_.references);
    }

    Plan plan;
    plan.tokens = masked.reshape({B * M, N, D});
    Tensor out = head(norm(plan.tokens)).transpose(1, 2).reshape({B * M, -1, token_rows, columns});
    if (ablation.no_planner)
        out = at::zeros_like(out);
    auto parts = at::pixel_shuffle(out, 2).to(torch::kFloat32).split_with_sizes(
        {2, 4, num_candidates, 1, config_.features}, 1); // (B*M,.,H/16,W/16)
    plan.seed = seed;
    plan.motion = {seed * gate + 16 * parts[0], 16 * parts[1], parts[2], parts[3]};
    plan.features = parts[4];
    return plan;
}

} // namespace mardini
