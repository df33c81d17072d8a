// Motion between two frames by block matching, independent of the network.
#pragma once

#include "eval/clip.h"

namespace mardini::eval {

struct BlockMotion {
    static constexpr int side = 8; ///< pixels
    int width, height; ///< in blocks; the remainder at the right and below belongs to the last ones
    std::vector<std::pair<int, int>>
        vectors; ///< x y, pixels from the earlier frame to the later, row by row

    /// Vector of the block that holds pixel (x, y).
    const std::pair<int, int> &at(int x, int y) const;
};

/// Best match of each block of `later` in `earlier`: 16x16 pixels are compared, at most 24 away.
BlockMotion match_blocks(const PlaneView &earlier, const PlaneView &later);

/// Mean length of the vectors, pixels.
double mean_speed(const BlockMotion &motion);

/// Luma `steps` frames after `last` by linear motion: each block goes on along its vector; pixels
/// that no block reaches keep their value.
Frame extrapolate(const Frame &last, const BlockMotion &motion, int steps);

} // namespace mardini::eval
