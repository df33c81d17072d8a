// What the trainer minimises. Formulas: reference given at each.
#pragma once

#include "network/network.h"
#include "train/batch.h"

namespace mardini::train {

/// Laplacian pyramid distance: mean absolute difference of each octave, weighted by 2^octave.
///   x, y (N,C,H,W) -> scalar
Tensor pyramid_distance(const Tensor &x, const Tensor &y, int octaves = 4);

/// The same on packed frames: luma at full size plus half as much of chroma. Values in units of
/// full range.
Tensor frame_distance(const Tensor &x, const Tensor &y);

/// How unlike the strength of edges is, |r| + 2 r^2, r the log ratio by blocks of 32x32 pixels:
/// distances alone reward blur where the motion is not sure. Packed frames -> scalar.
Tensor sharpness_distance(const Tensor &made, const Tensor &truth);

/// Energy of the finest pattern that luma has, the checkerboard of single pixels, where the truth
/// has less of it: what an output head draws where both frames disagree. Root mean square by blocks
/// of 16x16 pixels. Packed frames -> scalar.
Tensor stipple_distance(const Tensor &made, const Tensor &truth);

/// Half the logarithm of the mean square error of luma, frame by frame, in nepers: a frame that is
/// nearly right counts as much as one that is far from it, as it does in a mean of decibels. Packed
/// frames -> scalar.
Tensor fidelity_distance(const Tensor &made, const Tensor &truth);

/// Mean peak signal-to-noise ratio of luma, dB, of packed frames as they would be stored (8 bit,
/// clamped).
double psnr(const Tensor &x, const Tensor &y);

struct Losses {
    Tensor total;          ///< what is differentiated
    double frames = 0;     ///< frame_distance of the output
    bool has_flow = false; ///< the true motion was told; else the four below are 0
    double flow = 0;       ///< end-point error of motion at 1/2, pixels, synthetic only
    double plan = 0;       ///< of the plan's velocity at 1/16
    double match = 0;      ///< of the matches' velocity
    double speed = 0;      ///< mean true velocity, pixels a gap
};

/// All terms for one batch. `target` (N,6,h,w); flow and visible (N,2,2,H,W), (N,2,H,W) or
/// undefined.
Losses losses(const Output &output, const Tensor &target, const Tensor &flow, const Tensor &visible,
              int reduction = 1);

} // namespace mardini::train
