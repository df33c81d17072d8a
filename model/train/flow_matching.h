// The loss of the motion sampler: flow matching on the motion that the rest of the network finds in
// real clips.
#pragma once

#include "network/network.h"
#include "train/batch.h"

namespace mardini::train {

/// The sampler's input and target: B windows of one reference and M masked frames.
struct MotionExample {
    Tensor anchor; ///< (B,tokens,D) of the reference frame
    int64_t token_rows;
    Tensor motion; ///< (B,M,2,H/16,W/16) float32: velocity, luma pixels a position, on the masked
                   ///< frame's grid
};

/// The motion from the reference frame to each masked one, found with both frames as input. No
/// gradient.
MotionExample motion_examples(Network &network, const Batch &batch);

/// Scalars; all but `loss` are metrics without a gradient.
struct FlowMatching {
    Tensor loss;      ///< its gradient goes to the sampler alone
    Tensor explained; ///< share of the motion's energy that is predicted right, at levels of more
                      ///< than half noise; not a number if no window counts there
    Tensor speed;     ///< root mean square of the motion, luma pixels a position
};

/// Noise each masked frame's motion to a level of its own and score the sampler's prediction of
/// all: mean square error, weighted as if velocity were predicted (Lipman et al. 2022, conditional
/// flow matching; x is predicted instead).
FlowMatching flow_matching(Network &network, const Batch &batch);

} // namespace mardini::train
