// Motion where nothing determines it: one frame is given, the window's others are masked.
#include "network/motion_sampler.h"

#include <cmath>

namespace mardini {

static const std::vector<double> time_waves = {0.5, 1, 2, 4}, level_waves = {0.25, 0.5, 1, 2};
static constexpr double reach = 16;   ///< positions from one end of a window to the other
static constexpr int cell_values = 8; ///< of a token: two components on 2x2 cells

SamplerImpl::SamplerImpl(const PlannerConfig &planner, const MotionSamplerConfig &config)
    : head_dim_(planner.head_dim)
{
    using torch::nn::Linear;
    const int D = planner.width,
              when = static_cast<int>(2 * (time_waves.size() + level_waves.size())) + 2;
    from_anchor = register_module("from_anchor", Linear(D, D));
    from_motion = register_module("from_motion", Linear(cell_values, D));
    from_when = register_module("from_when", Linear(when, D));
    mask_token = register_parameter("mask_token", torch::randn({D}) * 0.02);
    for (int i = 0; i < config.layers; i++)
        blocks->push_back(Block(D, planner.head_dim));
    register_module("blocks", blocks);
    norm = register_module("norm", torch::nn::LayerNorm(torch::nn::LayerNormOptions({D})));
    head = register_module("head", Linear(D, cell_values));
    torch::NoGradGuard no_grad;
    head->weight.zero_();
    head->bias.zero_();
}

Tensor SamplerImpl::forward(const Tensor &anchor, int64_t token_rows, const Tensor &times,
                            const Tensor &x, const Tensor &level, const Tensor &speed)
{
    const int64_t B = x.size(0), M = x.size(1), h = x.size(3), w = x.size(4), N = anchor.size(1),
                  D = anchor.size(2);
    const int64_t columns = N / token_rows;
    Tensor cells = at::pixel_unshuffle(x.flatten(0, 1), 2)
                       .flatten(2)
                       .transpose(1, 2)
                       .reshape({B, M, N, cell_values});
    Tensor when = at::cat({waves(times.flatten() / reach, time_waves),
                           waves(level.flatten(), level_waves), speed.repeat_interleave(M, 0)},
                          1);
    Tensor masked = mask_token + from_anchor(anchor).unsqueeze(1) + from_motion(cells) +
                    from_when(when).view({B, M, 1, D});
    masked = masked.reshape({B, M * N, D});
    const Rotation rope_given = rotation(
        token_positions(at::zeros({B, 1}, times.options()), token_rows, columns), head_dim_);
    const Rotation rope_masked = rotation(token_positions(times, token_rows, columns), head_dim_);
    Tensor given = anchor;
    for (size_t i = 0; i < blocks->size(); i++)
        std::tie(given, masked) = blocks[i]->as<Block>()->forward(
            given, masked, rope_given, rope_masked, i + 1 == blocks->size());
    Tensor out =
        head(norm(masked)).to(torch::kFloat32).reshape({B * M, N, cell_values}).transpose(1, 2);
    return at::pixel_shuffle(out.reshape({B * M, cell_values, token_rows, columns}), 2)
        .view({B, M, 2, h, w});
}

Tensor SamplerImpl::sample(const Tensor &anchor, int64_t token_rows, const Tensor &times,
                           const Tensor &noise, double log_speed, int steps)
{
    const Tensor far = times.abs() > times.abs().amax() / 2,
                 speed = at::tensor({log_speed, 1.0}, times.options()).unsqueeze(0);
    Tensor x = noise, done = at::zeros_like(times);
    for (const Tensor &now : {far, far.logical_not()}) {
        Tensor own = now.to(torch::kFloat32), share = own.view({1, -1, 1, 1, 1});
        for (int i = 0; i < steps; i++) {
            const double s = 1 - i / static_cast<double>(steps),
                         next = s - 1 / static_cast<double>(steps);
            Tensor clean =
                forward(anchor, token_rows, times, x, (1 - done) * (1 - own) + own * s, speed);
            x = x + share * (clean + next / s * (x - clean) - x);
        }
        done = done + own;
    }
    return x;
}

bool SamplerImpl::is_trained() const
{
    torch::NoGradGuard no_grad;
    return head->weight.any().item<bool>();
}

std::vector<double> key_positions(double anchor)
{
    std::vector<double> keys;
    for (double at = 0; at <= reach; at += 4)
        if (std::abs(at - anchor) >= 2)
            keys.push_back(at);
    return keys;
}

} // namespace mardini
