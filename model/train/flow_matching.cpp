// The loss of the motion sampler: flow matching on the motion that the rest of the network finds in
// real clips.
#include "train/flow_matching.h"

namespace mardini::train {

/// The motion of slower windows is mostly noise of the matches; luma pixels a position.
static constexpr double least_speed = 0.15;

/// Velocities are clamped to this many times the window's root mean square: faster ones are mostly
/// errors.
static constexpr double velocity_limit = 4;

/// Share of windows whose speed is hidden from the sampler, and of frames without noise or of noise
/// alone.
static constexpr double speed_hidden = 0.2, extreme_levels = 0.25;

/// Draws of noise for each example: finding its motion costs more than a pass of the sampler.
static constexpr int64_t draws = 4;

MotionExample motion_examples(Network &network, const Batch &batch)
{
    torch::NoGradGuard no_grad;
    const int64_t B = batch.references.size(0), M = batch.masked.size(1), N = B * M;
    const torch::Device device = batch.references.device();
    Features features =
        network->encoder(at::cat({batch.references.flatten(0, 1), batch.masked.flatten(0, 1)}));
    Tensor tokens = network->planner->tokenize(features.eighth);
    MotionExample e{tokens.slice(0, 0, B).to(torch::kFloat32), features.eighth.size(2) / 4,
                    Tensor()};

    // Two reference frames a gap apart, and a masked one just before the second, on its grid.
    Tensor reference_times = at::tensor({0.0, gap_positions}, torch::kFloat32).expand({N, 2});
    Tensor masked_times = at::full({N, 1}, gap_positions - 0.25, torch::kFloat32);
    Pairs pairs = make_pairs(reference_times, masked_times, device);
    Tensor before = at::arange(B, pairs.before.options()).repeat_interleave(M),
           after = at::arange(B, B + N, before.options());
    Features a = select(features, before), b = select(features, after);
    Plan plan = network->planner->forward(
        tokens.index_select(0, at::stack({before, after}, 1).flatten()), nullptr,
        network->encoder->match(a, b), pairs, reference_times.to(device), masked_times.to(device),
        e.token_rows);
    Motion eighth = network->generator->refine(plan, a, b, pairs).eighth;
    Tensor velocity = at::avg_pool2d(eighth.velocity + eighth.bend.slice(1, 0, 2), {2, 2}); // a gap
    Tensor positions = (batch.masked_times - batch.reference_times).to(device).view({N, 1, 1, 1});
    e.motion = (velocity / positions).unflatten(0, {B, M});
    return e;
}

FlowMatching flow_matching(Network &network, const Batch &batch)
{
    const MotionExample e = motion_examples(network, batch);
    auto repeated = [](const Tensor &x) { return x.repeat_interleave(draws, 0); };
    const Tensor motion = repeated(e.motion), anchor = repeated(e.anchor);
    const Tensor times = repeated((batch.masked_times - batch.reference_times).to(motion.device()));
    const int64_t B = motion.size(0), M = motion.size(1);
    Tensor rms = motion.square().sum(2).mean({1, 2, 3}).sqrt(); // (B)
    Tensor counts = (rms > least_speed).to(torch::kFloat32);
    auto by_window = [&](const Tensor &x) { return x.view({B, 1, 1, 1, 1}); };
    auto by_frame = [&](const Tensor &x) { return x.view({B, M, 1, 1, 1}); };
    Tensor clean =
        (motion / by_window(rms.clamp_min(least_speed))).clamp(-velocity_limit, velocity_limit);

    auto options = times.options();
    Tensor level = at::rand({B, M}, options), common = at::rand({B, 1}, options) < 0.5;
    level = at::where(common, level.slice(1, 0, 1), level);
    Tensor draw = at::rand({B, M}, options);
    level = at::where(common.logical_or(draw > extreme_levels), level,
                      (draw < extreme_levels / 2).to(torch::kFloat32));
    Tensor s = by_frame(level), x = (1 - s) * clean + s * at::randn_like(clean);
    Tensor known = (at::rand({B}, options) > speed_hidden).to(torch::kFloat32);
    Tensor speed = at::stack({known * rms.clamp_min(least_speed).log(), known}, 1);
    Tensor error =
        (network->sampler(anchor, e.token_rows, times, x, level, speed) - clean).square();

    FlowMatching f;
    f.loss = (by_window(counts) * error / s.square().clamp_min(0.1)).mean() /
             counts.mean().clamp_min(1e-3);
    torch::NoGradGuard no_grad;
    Tensor noisy = by_window(counts) * (s > 0.5).to(torch::kFloat32);
    f.explained = 1 - (noisy * error).sum() / (noisy * clean.square()).sum();
    f.speed = rms.mean();
    return f;
}

} // namespace mardini::train
