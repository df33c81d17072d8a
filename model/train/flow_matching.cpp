// What the motion sampler is trained by: flow matching on the motion that the rest of the network
// finds in real clips.
#include "train/flow_matching.h"

#include "train/curriculum.h"

namespace mardini::train {

/// Slower windows teach nothing but the noise of the matches; luma pixels a position.
static constexpr double least_speed = 0.15;

/// Of a window's root mean square: what is faster is no motion more often than not.
static constexpr double most = 4;

/// Share of windows whose speed is not told, and of frames that are known or unknown already.
static constexpr double untold = 0.2, settled = 0.25;

/// Noise that each example is seen with at once: to find its motion costs more than to learn from
/// it.
static constexpr int64_t draws = 4;

Example examples(Network &network, const Batch &batch)
{
    torch::NoGradGuard no_grad;
    const int64_t B = batch.given.size(0), M = batch.masked.size(1), N = B * M;
    const torch::Device device = batch.given.device();
    Features features =
        network->encoder(at::cat({batch.given.flatten(0, 1), batch.masked.flatten(0, 1)}));
    Tensor tokens = network->planner->tokenize(features.eighth);
    Example e{tokens.slice(0, 0, B).to(torch::kFloat32), features.eighth.size(2) / 4, Tensor()};

    // Two given frames a gap apart, and a masked one just before the second: it has that one's
    // grid.
    Tensor given_times = at::tensor({0.0, gap_length}, torch::kFloat32).expand({N, 2});
    Tensor masked_times = at::full({N, 1}, gap_length - 0.25, torch::kFloat32);
    Pairs pairs = make_pairs(given_times, masked_times, device);
    Tensor before = at::arange(B, pairs.before.options()).repeat_interleave(M),
           after = at::arange(B, B + N, before.options());
    Features a = select(features, before), b = select(features, after);
    Plan plan =
        network->planner->forward(tokens.index_select(0, at::stack({before, after}, 1).flatten()),
                                  nullptr, network->encoder->match(a, b), pairs,
                                  given_times.to(device), masked_times.to(device), e.token_rows);
    Motion eighth = network->generator->refine(plan, a, b, pairs).eighth;
    Tensor velocity = at::avg_pool2d(eighth.velocity + eighth.bend.slice(1, 0, 2), {2, 2}); // a gap
    Tensor positions = (batch.masked_times - batch.given_times).to(device).view({N, 1, 1, 1});
    e.motion = (velocity / positions).unflatten(0, {B, M});
    return e;
}

FlowMatching flow_matching(Network &network, const Batch &batch)
{
    const Example e = examples(network, batch);
    auto repeated = [](const Tensor &x) { return x.repeat_interleave(draws, 0); };
    const Tensor motion = repeated(e.motion), anchor = repeated(e.anchor);
    const Tensor times = repeated((batch.masked_times - batch.given_times).to(motion.device()));
    const int64_t B = motion.size(0), M = motion.size(1);
    Tensor rms = motion.square().sum(2).mean({1, 2, 3}).sqrt(); // (B)
    Tensor counts = (rms > least_speed).to(torch::kFloat32);
    auto by_window = [&](const Tensor &x) { return x.view({B, 1, 1, 1, 1}); };
    auto by_frame = [&](const Tensor &x) { return x.view({B, M, 1, 1, 1}); };
    Tensor clean = (motion / by_window(rms.clamp_min(least_speed))).clamp(-most, most);

    auto options = times.options();
    Tensor level = at::rand({B, M}, options), common = at::rand({B, 1}, options) < 0.5;
    level = at::where(common, level.slice(1, 0, 1), level);
    Tensor draw = at::rand({B, M}, options);
    level = at::where(common.logical_or(draw > settled), level,
                      (draw < settled / 2).to(torch::kFloat32));
    Tensor s = by_frame(level), x = (1 - s) * clean + s * at::randn_like(clean);
    Tensor told = (at::rand({B}, options) > untold).to(torch::kFloat32);
    Tensor speed = at::stack({told * rms.clamp_min(least_speed).log(), told}, 1);
    Tensor error =
        (network->sampler(anchor, e.token_rows, times, x, level, speed) - clean).square();

    FlowMatching f;
    f.loss = (by_window(counts) * error / s.square().clamp_min(0.1)).mean() /
             counts.mean().clamp_min(1e-3);
    torch::NoGradGuard no_grad;
    Tensor noisy = by_window(counts) * (s > 0.5).to(torch::kFloat32);
    f.explained = 1 - ((noisy * error).sum() / (noisy * clean.square()).sum()).item<double>();
    f.speed = rms.mean().item<double>();
    return f;
}

} // namespace mardini::train
