// Low-resolution window -> planning signal, decoded to motion, visibility, uncertainty.
#include "network/planner.h"

namespace mardini {

static const std::vector<double> time_waves = {0.5, 1, 2, 4}; ///< that describe one distance

/// What the matches propose: velocities carried, splatted, splatted with much faster ones in front.
/// The plan says how much of each it takes: a plan of zeros takes none.
static constexpr int proposals = 3;
static const std::vector<double> proposal_start = {0.8, 0.1, 0.05};
static const std::vector<double> preferences = {0.1, 0.5};

std::pair<Tensor, Tensor> displacements(const Motion &m, const Pairs &p)
{
    return {p.distance_before * (m.velocity + m.bend.slice(1, 0, 2)),
            p.distance_after * (m.velocity + m.bend.slice(1, 2, 4))};
}

Motion enlarged(const Motion &m, int64_t h, int64_t w)
{
    if (m.velocity.size(2) == h && m.velocity.size(3) == w)
        return m;
    const double scale = static_cast<double>(w) / m.velocity.size(3);
    return {resize(m.velocity, h, w) * scale, resize(m.bend, h, w) * scale,
            resize(m.visibility, h, w), resize(m.uncertainty, h, w)};
}

PlannerImpl::PlannerImpl(const EncoderConfig &encoder, const PlannerConfig &config)
    : config_(config)
{
    const int D = config.width;
    stem1 = register_module("stem1", conv(encoder.channels8, 64, 2));
    stem2 = register_module("stem2", conv(64, D, 2));
    from_given = register_module(
        "from_given", torch::nn::Linear(2 * D + 4 * static_cast<int>(time_waves.size()), D));
    from_match = register_module("from_match", torch::nn::Linear((6 + 3 * (proposals - 1)) * 4, D));
    mask_token = register_parameter("mask_token", torch::randn({D}) * 0.02);
    for (int i = 0; i < config.layers; i++)
        blocks->push_back(Block(D, config.head_dim));
    register_module("blocks", blocks);
    norm = register_module("norm", torch::nn::LayerNorm(torch::nn::LayerNormOptions({D})));
    const int motion = 2 + 4 + num_candidates + 1;
    head =
        register_module("head", torch::nn::Linear(D, 4 * (motion + config.features + proposals)));
    // The plan starts as the matches alone; its features start small.
    torch::NoGradGuard no_grad;
    head->bias.zero_();
    head->weight.mul_(0.1);
    head->weight.slice(0, 0, 4 * motion).zero_();
    for (int i = 0; i < proposals; i++) // four of the plan's cells in a token
        head->bias.slice(0, 4 * (motion + config.features + i))
            .slice(0, 0, 4)
            .fill_(proposal_start[i]);
}

Tensor PlannerImpl::tokenize(const Tensor &eighth)
{
    return stem2(act(stem1(eighth))).flatten(2).transpose(1, 2);
}

/// The matches live on the given frames' grids: carry them to the masked frame's by two fixed-point
/// steps. (N,3,h,w) each: velocity in pixels a gap, confidence.
static std::pair<Tensor, Tensor> backward_warp(const Match &m, const Pairs &p)
{
    Tensor a = at::cat({m.forward, m.confidence_forward}, 1),
           b = at::cat({-m.backward, m.confidence_backward}, 1);
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

/// The matches splatted forward to the masked frame's grid at 1/16. Carrying finds nothing where
/// neither given frame shows a moving object at the place where it will be, as with all that moves
/// farther than it is wide; throwing does. Where two motions meet, `preferences` weigh them:
/// exp(preference * cells a gap). What comes out is for the planner to choose from. (N,3,h/2,w/2)
/// velocity and confidence for each preference.
static std::vector<Tensor> forward_splat(const Match &m, const Pairs &p,
                                         const std::vector<double> &preferences)
{
    torch::NoGradGuard no_grad;
    const int64_t N = m.forward.size(0), h = m.forward.size(2), w = m.forward.size(3), H = h / 2,
                  W = w / 2;
    auto options = m.forward.options();
    Tensor rows = at::arange(h, options).view({1, h, 1}),
           columns = at::arange(w, options).view({1, 1, w});
    Tensor frame = at::arange(N, options.dtype(torch::kInt64)).view({N, 1, 1}) * (H * W);
    Tensor sum = at::zeros({N * H * W, 3 * static_cast<int64_t>(preferences.size()) + 1}, options);
    auto add = [&](const Tensor &velocity, const Tensor &confidence, const Tensor &distance) {
        Tensor vx = velocity.select(1, 0), vy = velocity.select(1, 1),
               c = confidence.select(1, 0); // (N,h,w)
        Tensor d = distance.view({N, 1, 1}) / 8, speed = velocity.norm(2, {1}) / 8;
        Tensor x = (columns - d * vx - 0.5) / 2, y = (rows - d * vy - 0.5) / 2; // cells of 16
        x = at::nan_to_num(x, -2, -2, -2),
        y = at::nan_to_num(y, -2, -2, -2); // an index must be one
        std::vector<Tensor> values;
        for (double preference : preferences) {
            Tensor weight = c * (preference * speed).clamp_max(12).exp();
            values.insert(values.end(), {weight * vx, weight * vy, weight});
        }
        values.push_back(c);
        Tensor value = at::stack(values, 3); // (N,h,w,.)
        for (int corner = 0; corner < 4; corner++) {
            Tensor xi = x.floor() + corner % 2, yi = y.floor() + corner / 2;
            Tensor share = (1 - (x - xi).abs()) * (1 - (y - yi).abs()) *
                           ((xi >= 0) & (xi < W) & (yi >= 0) & (yi < H)).to(torch::kFloat32);
            Tensor index = frame + (xi.clamp(0, W - 1) + W * yi.clamp(0, H - 1)).to(torch::kInt64);
            const Tensor parts = (value * share.unsqueeze(3)).flatten(0, 2);
            if (sum.is_cuda()) // where index_add_ adds up in any order
                sum.index_put_({index.flatten()}, parts, /*accumulate=*/true);
            else
                sum.index_add_(0, index.flatten(), parts);
        }
    };
    add(m.forward, m.confidence_forward, p.distance_before);
    add(-m.backward, m.confidence_backward, p.distance_after);
    sum = sum.view({N, H, W, -1}).permute({0, 3, 1, 2});
    // Four cells of each frame fall on one of 16 when nothing moves.
    Tensor confidence = (sum.slice(1, -1) / 8).clamp_max(1);
    std::vector<Tensor> splatted;
    for (size_t i = 0; i < preferences.size(); i++) {
        const int64_t first = 3 * static_cast<int64_t>(i);
        splatted.push_back(
            at::cat({sum.slice(1, first, first + 2) / (sum.slice(1, first + 2, first + 3) + 1e-6),
                     confidence},
                    1));
    }
    return splatted;
}

PlannerImpl::ReferenceCache PlannerImpl::encode_references(const Tensor &tokens, int64_t token_rows)
{
    // The time of a frame's own tokens is the same for all: only distances count.
    Tensor time = at::zeros({1, 1}, tokens.options().dtype(torch::kFloat32));
    const Rotation rope_places =
        rotation(token_positions(time, token_rows, tokens.size(1) / token_rows), config_.head_dim);
    ReferenceCache cache(blocks->size());
    Tensor references = tokens;
    for (size_t i = 0; i < blocks->size(); i++)
        std::tie(references, cache[i]) = blocks[i]->as<Block>()->encode_references(
            references, rope_places, i + 1 == blocks->size());
    return cache;
}

/// The masked stream through all blocks.
Tensor PlannerImpl::attend(Tensor masked, const ReferenceCache &cache, const Rotation &rope_masked,
                           const Tensor &given_times, int64_t M)
{
    const int64_t B = given_times.size(0), R = given_times.size(1);
    const Rotation rope_times =
        rotation(token_positions(given_times.reshape({B * R, 1}), 1, 1), config_.head_dim);
    auto join = [&](const Tensor &x) { // (B*R,heads,N,e) -> (B,heads,R*N,e)
        return x.unflatten(0, {B, R}).transpose(1, 2).flatten(2, 3);
    };
    for (size_t i = 0; i < blocks->size(); i++)
        masked = blocks[i]->as<Block>()->attend(
            masked, {join(rope(cache[i].k, rope_times)), join(cache[i].v)}, rope_masked, M);
    return masked;
}

Plan PlannerImpl::forward(const Tensor &tokens, const ReferenceCache *cache, const Match &match,
                          const Pairs &pairs, const Tensor &given_times, const Tensor &masked_times,
                          int64_t token_rows, const Ablation &ablation)
{
    const int64_t B = given_times.size(0), M = masked_times.size(1);
    const int64_t N = tokens.size(1), D = tokens.size(2), columns = N / token_rows;

    // Matches on the masked frame's grid at 1/16, averaged by confidence.
    auto [a, b] = backward_warp(match, pairs); // (B*M,3,H/8,W/8)
    if (ablation.no_match)
        a = at::zeros_like(a), b = at::zeros_like(b);
    Tensor ca = a.slice(1, 2, 3), cb = b.slice(1, 2, 3), weight = ca + cb + 1e-3;
    auto halve = [&](const Tensor &x) {
        return at::avg_pool2d(x * weight, {2, 2}) / at::avg_pool2d(weight, {2, 2});
    };
    Tensor va = halve(a.slice(1, 0, 2)), vb = halve(b.slice(1, 0, 2)); // (B*M,2,H/16,W/16)
    ca = at::avg_pool2d(ca, {2, 2}), cb = at::avg_pool2d(cb, {2, 2});
    Tensor match_velocity = (va * ca + vb * cb) / (ca + cb + 1e-3);
    std::vector<Tensor> splatted = forward_splat(match, pairs, preferences); // (B*M,3,H/16,W/16)
    if (ablation.no_match)
        for (Tensor &t : splatted)
            t = at::zeros_like(t);
    {
        // Where something clearly faster lands with some certainty, it is in front more often than
        // not.
        Tensor v = splatted[0].slice(1, 0, 2), c = splatted[0].slice(1, 2, 3);
        Tensor in_front = (v.norm(2, {1}, true) > match_velocity.detach().norm(2, {1}, true) + 8)
                              .logical_and(c > 0.15);
        va = at::where(in_front, v, va), vb = at::where(in_front, v, vb),
        match_velocity = at::where(in_front, v, match_velocity);
        ca = at::where(in_front, c, ca), cb = at::where(in_front, c, cb);
    }

    // Masked tokens: what both given frames show at the same place, how far they are, what the
    // matches say.
    Tensor pair =
        at::cat({tokens.index_select(0, pairs.before), tokens.index_select(0, pairs.after)}, 2);
    auto how_far = [](const Tensor &distance) { return waves(distance.flatten(), time_waves); };
    Tensor when = at::cat({how_far(pairs.distance_before), how_far(pairs.distance_after)}, 1);
    when = when.unsqueeze(1).expand({-1, N, -1}).to(pair.dtype());
    std::vector<Tensor> matched = {va / 16, vb / 16, ca, cb};
    for (const Tensor &t : splatted)
        matched.insert(matched.end(), {t.slice(1, 0, 2) / 16, t.slice(1, 2, 3)});
    Tensor evidence = at::pixel_unshuffle(at::cat(matched, 1) * 0.25, 2).flatten(2).transpose(1, 2);
    Tensor masked =
        mask_token + from_given(at::cat({pair, when}, 2)) + from_match(evidence.to(pair.dtype()));

    masked = masked.reshape({B, M * N, D});
    if (!ablation.no_planner)
        masked =
            attend(masked, cache ? *cache : encode_references(tokens, token_rows),
                   rotation(token_positions(masked_times, token_rows, columns), config_.head_dim),
                   given_times, M);

    Plan plan;
    plan.tokens = masked.reshape({B * M, N, D});
    Tensor out = head(norm(plan.tokens)).transpose(1, 2).reshape({B * M, -1, token_rows, columns});
    if (ablation.no_planner)
        out = at::zeros_like(out);
    auto parts = at::pixel_shuffle(out, 2)
                     .to(torch::kFloat32)
                     .split_with_sizes({2, 4, num_candidates, 1, config_.features, proposals},
                                       1); // (B*M,.,H/16,W/16)
    plan.match_velocity = match_velocity;
    Tensor velocity = 16 * parts[0] + parts[5].slice(1, 0, 1) * match_velocity;
    for (int i = 1; i < proposals; i++)
        velocity = velocity + parts[5].slice(1, i, i + 1) * splatted[i - 1].slice(1, 0, 2);
    plan.motion = {velocity, 16 * parts[1], parts[2], parts[3]};
    plan.features = parts[4];
    return plan;
}

} // namespace mardini
