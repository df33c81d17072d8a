// Frames between reference frames by the network's reference path.
#pragma once

#include "eval/synthesize.h"
#include "frame/pack.h"
#include "network/network.h"

namespace mardini::eval {

/// The geometry of a yuv420p frame. Throws std::runtime_error for any other format.
Geometry geometry_of(const Frame &frame);

/// A yuv420p frame packed and padded, at full size. (1,6,h,w)
Tensor packed_of(const Geometry &geometry, const Frame &frame);

/// By the network's reference path in float32, with parts of the network switched off. With nothing
/// switched off the frames are the filter's in fp32 within one code. References are yuv420p.
std::vector<OutputFrame> synthesize_by_network(Network &network,
                                               const std::vector<Frame> &references, int factor,
                                               const Ablation &ablation);

} // namespace mardini::eval
