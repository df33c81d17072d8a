// Multiply-accumulates of the network by part.
#pragma once

#include "network/network.h"

#include <string>
#include <vector>

namespace mardini::eval {

/// Convolutions, linear layers, attention and matrix products of one part of the network.
struct Cost {
    std::string part, unit; ///< unit: what it runs once for, "reference frame", "pair", ...
    int64_t macs;           ///< of one unit
};

/// The window that is counted: one gap.
constexpr int costs_num_references = 4, costs_num_masked = 7;

/// Counted while the network runs once.
///   width, height  of the frame, luma; padded and, for motion, reduced as in the filter
std::vector<Cost> count_costs(Network &network, int width, int height);

} // namespace mardini::eval
