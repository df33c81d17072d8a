// What the motion sampler is trained by: flow matching on the motion that the rest of the network
// finds in real clips.
#pragma once

#include "network/network.h"
#include "train/batch.h"

namespace mardini::train {

/// What the sampler is to know and to say, B windows of one given and M masked frames.
struct Example {
    Tensor anchor; ///< (B,tokens,D) of the given frame
    int64_t token_rows;
    Tensor motion; ///< (B,M,2,H/16,W/16) float32: velocity, luma pixels a position, on the masked
                   ///< frame's grid
};

/// The motion from one given frame to each masked one as the network sees it with both before its
/// eyes. No gradient.
Example examples(Network &network, const Batch &batch);

struct FlowMatching {
    Tensor loss;          ///< scalar; its gradient goes to the sampler alone
    double explained = 0; ///< share of the motion's energy that is predicted right, at levels of
                          ///< more than half noise; not a number if nothing counts there
    double speed = 0; ///< root mean square of the motion, luma pixels a position
};

/// Noise each masked frame's motion to a level of its own and score what the sampler makes of all:
/// mean square error, weighted as if velocity were predicted (Lipman et al. 2022, conditional flow
/// matching; x is predicted instead).
FlowMatching flow_matching(Network &network, const Batch &batch);

} // namespace mardini::train
