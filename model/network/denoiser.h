// Bridge denoiser: from the deterministic frame and noise to a sample of what may be there, in one
// step or a few.
//
// The path is x_s = (1 - s) y + s (estimate + u e): y the true frame, estimate the 0-step result, u
// its expected error, e unit noise, s the level from 1 (estimate) to 0 (truth). The network
// predicts y from x_s. Noise and change are both proportional to u: where the plan is sure nothing
// moves, however long it is sampled.
#pragma once

#include "network/generator.h"

namespace mardini {

/// What is known of the frames to sample. N frames, h x w packed.
struct Bridge {
    Tensor estimate;    ///< (N,6,h,w) the 0-step result
    Tensor uncertainty; ///< (N,1,h,w) float32, >= 0, expected error in units of the estimate; 0
                        ///< where nothing moves
    Tensor hidden;      ///< (N,hidden,H/4,W/4) Refined::hidden, any size: it is resized
};

struct DenoiserImpl : torch::nn::Module {
    DenoiserImpl(int hidden_channels, const DenoiserConfig &config);

    /// The truth as it is predicted from `noisy` = x_s. level (N,1,1,1) float32 -> (N,6,h,w)
    /// float32
    Tensor forward(const Bridge &bridge, const Tensor &noisy, const Tensor &level);

    /// Sample in `steps` >= 1 steps from unit noise (N,6,h,w). -> (N,6,h,w) float32
    Tensor sample(const Bridge &bridge, const Tensor &noise, int steps);

    /// True once training has given it a word: until then it changes nothing.
    bool is_trained() const;

    torch::nn::Conv2d in{nullptr}, down{nullptr}, up{nullptr}, out{nullptr};
    torch::nn::Linear when4{nullptr}, when8{nullptr};
    ResBlock block4a{nullptr}, block8a{nullptr}, block8b{nullptr}, block4b{nullptr};
};
TORCH_MODULE(Denoiser);

/// Unit noise of one gap, named by `seed` and `key`: the same numbers for the same names and size.
/// (1,channels,h,w)
Tensor gap_noise(int64_t seed, int64_t key, int64_t channels, int64_t h, int64_t w);

/// What carry_noise() takes besides its result, bytes.
int64_t bytes_of_noise(int64_t h, int64_t w);

/// Noise of a gap as seen from a masked frame: it lies on the given frame before and moves with
/// what is seen there, so that what is painted does not flicker. It goes on beyond the given
/// frame's border, for what comes into the picture. displacement (1,2,h,w) luma pixels, the same h
/// and w for all frames of a gap -> (1,6,h,w)
Tensor carry_noise(int64_t seed, int64_t key, const Tensor &displacement);

} // namespace mardini
