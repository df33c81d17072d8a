// Given frames -> features at 1/4 and 1/8, and the global matches between two of them.
#pragma once

#include "base/constants.h"
#include "network/blocks.h"
#include "network/config.h"

namespace mardini {

/// What the networks know of a given frame. H, W: its luma size, multiples of 32.
struct Features {
    Tensor quarter;    ///< (N,channels4,H/4,W/4)
    Tensor eighth;     ///< (N,channels8,H/8,W/8)
    Tensor descriptor; ///< (N,144,H/8,W/8) float32: luma patches, unit length
    Tensor learned;    ///< (N,match,H/8,W/8) float32, unit length
    Tensor brightness; ///< (N,1,H/32,W/32) float32, mean luma
};

/// Where each cell of one frame is found in another: the best place of the whole frame, refined
/// around it.
struct Match {
    Tensor forward;  ///< (n,2,H/8,W/8) float32, a -> b on a's grid, luma pixels, order x y
    Tensor backward; ///< (n,2,H/8,W/8) b -> a on b's grid
    Tensor confidence_forward;  ///< (n,1,H/8,W/8) 0 .. 1: probability that the way there and back
                                ///< returns
    Tensor confidence_backward; ///< likewise on b's grid
};

struct EncoderImpl : torch::nn::Module {
    explicit EncoderImpl(const EncoderConfig &config);

    /// packed (N,6,H/2,W/2), -1 .. 1 -> features
    Features forward(const Tensor &packed);

    /// Match frames of two sets, pair by pair. The softmax starts from patch correlation, which
    /// needs no training and halves the error of motion above 16 pixels by itself; the learned part
    /// is added to it.
    Match match(const Features &a, const Features &b);

    torch::nn::Conv2d half{nullptr}, quarter1{nullptr}, quarter2{nullptr}, eighth1{nullptr},
        eighth2{nullptr}, eighth3{nullptr}, match1{nullptr};
    Tensor match_scale;
};
TORCH_MODULE(Encoder);

/// Features of the frames `index` (int64, on the features' device) names.
Features select(const Features &features, const Tensor &index);

/// How unlike two frames are, one each, whatever moved between them: the share of texture whose
/// best match does not match back, plus half the change of brightness, 0 .. 1. Needs no training.
/// On 13 clips whose frames are 2 to 16 apart it stays below 0.70; between any two of those clips
/// it is above 0.84.
double unlikeness(const Features &a, const Features &b);

} // namespace mardini
