// Motion where nothing determines it: one frame is given, the window's others are masked. A planner
// of its own layers samples it by flow matching in a few steps; seeds give different motions, one
// seed always the same.
//
// What is sampled is the velocity of each key position on its own grid, at 1/16, in units of the
// window's root mean square: how much moves is the caller's word. Between key positions velocity is
// interpolated.
#pragma once

#include "network/planner.h"

namespace mardini {

struct SamplerImpl : torch::nn::Module {
    SamplerImpl(const PlannerConfig &planner, const MotionSamplerConfig &config);

    /// The clean motion as it is predicted from x = (1 - level) motion + level noise.
    ///   anchor  (B,tokens,D) of the given frame, from PlannerImpl::tokenize()
    ///   times   (B,M) float32, positions from the given frame, -16 .. 16
    ///   x       (B,M,2,h,w) float32, h = 2 token_rows
    ///   level   (B,M) float32, 0 .. 1, each masked frame its own
    ///   speed   (B,2) float32: log of the root mean square in luma pixels a position, and 1; or 0
    ///   and 0: not told
    /// returns (B,M,2,h,w) float32
    Tensor forward(const Tensor &anchor, int64_t token_rows, const Tensor &times, const Tensor &x,
                   const Tensor &level, const Tensor &speed);

    /// Sample in `steps` >= 1 steps each: the farthest key positions first, on both sides, then
    /// those nearer, each seeing what was sampled before it. noise (1,M,2,h,w) -> (1,M,2,h,w)
    Tensor sample(const Tensor &anchor, int64_t token_rows, const Tensor &times,
                  const Tensor &noise, double log_speed, int steps);

    /// True once training has given it a word: until then it predicts no motion.
    bool is_trained() const;

    torch::nn::Linear from_anchor{nullptr}, from_motion{nullptr}, from_when{nullptr}, head{nullptr};
    torch::nn::LayerNorm norm{nullptr};
    torch::nn::ModuleList blocks;
    Tensor mask_token;

private:
    int head_dim_;
};
TORCH_MODULE(Sampler);

/// Positions of a window of 17 that the sampler makes for a frame given at `anchor` (0 .. 16):
/// every fourth one but those within two of it.
std::vector<double> key_positions(double anchor);

} // namespace mardini
