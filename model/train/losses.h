// Distances between frames, and the loss of the interpolation network.
#pragma once

#include "network/network.h"

namespace mardini::train {

/// Laplacian pyramid distance: mean absolute difference of each octave, weighted by 2^octave.
///   x, y (N,C,H,W) -> scalar
Tensor pyramid_distance(const Tensor &x, const Tensor &y, int octaves = 4);

/// The same on packed frames: luma at full size plus half as much of chroma. Values in units of
/// full range.
Tensor frame_distance(const Tensor &x, const Tensor &y);

/// |r| + 2 r^2, r the log ratio of edge strengths by blocks of 32x32 pixels: distances of pixels
/// alone reward blur where motion is uncertain. Packed frames -> scalar.
Tensor sharpness_distance(const Tensor &synthesized, const Tensor &truth);

/// Excess energy of the checkerboard of single pixels in luma over that of the truth: an output
/// head draws this pattern where both references disagree. Root mean square by blocks of 16x16
/// pixels. Packed frames -> scalar.
Tensor stipple_distance(const Tensor &synthesized, const Tensor &truth);

/// Half the logarithm of the mean square error of luma, frame by frame, in nepers: a frame that is
/// nearly right counts as much as one that is far from it, as in a mean of decibels. Packed frames
/// -> scalar.
Tensor fidelity_distance(const Tensor &synthesized, const Tensor &truth);

/// Peak signal-to-noise ratio of luma, dB, of packed frames as they would be stored (8 bit,
/// clamped). (N,6,h,w) -> (N), no gradient
Tensor frame_psnr(const Tensor &x, const Tensor &y);

/// Its mean. -> scalar
Tensor psnr(const Tensor &x, const Tensor &y);

/// Scalars on the frames' device; all but `total` are metrics without a gradient.
struct Losses {
    Tensor total;          ///< minimised
    Tensor distance;       ///< frame_distance of the output
    bool has_flow = false; ///< the true motion is known; else the four below are undefined
    Tensor error_final;    ///< end-point error of motion at 1/2, pixels
    Tensor error_plan;     ///< of the plan's velocity at 1/16
    Tensor error_match;    ///< of the matches' velocity
    Tensor error_zero;     ///< of no motion: the mean true velocity, pixels a gap
};

/// All terms for one batch. `target` (N,6,h,w); flow (N,2,2,H,W) and visible (N,2,H,W), or both
/// undefined.
Losses losses(const Output &output, const Tensor &target, const Tensor &flow, const Tensor &visible,
              int reduction = 1);

} // namespace mardini::train
