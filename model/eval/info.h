// `mardini info`: what a checkpoint is.
#pragma once

#include "network/network.h"

#include <string>
#include <vector>

namespace mardini::eval {

/// Multiply-accumulates of one part of the network: convolutions, linear layers, attention and
/// matrix products.
struct Cost {
    std::string part, unit; ///< how often it runs: "given frame", "pair", ...
    int64_t macs;
};

/// Counted while the network runs once: 4 given frames, 7 masked ones in one gap.
///   width, height  of the frame; padded and, for motion, reduced as the filter does
std::vector<Cost> count_costs(Network &network, int width, int height);

/// Print format, preset, parameters and costs by part, training, licence and hash. Throws one
/// sentence that says why a file is no checkpoint.
void print_info(const std::string &path, int width, int height);

} // namespace mardini::eval
