// Motion between two frames by block matching: a yardstick that knows nothing of the network.
//   in   luma of two frames
//   out  a vector for each block, its mean length, the frame that follows if motion goes on
#pragma once

#include "eval/clip.h"

namespace mardini::eval {

struct Blocks {
    static constexpr int side = 8; ///< pixels
    int width, height; ///< in blocks; what is left at the right and below belongs to the last ones
    std::vector<std::pair<int, int>>
        vectors; ///< x y, pixels from the earlier frame to the later, row by row

    const std::pair<int, int> &at(int x, int y) const;
};

/// Best match of each block of `later` in `earlier`, 16x16 pixels compared, 24 pixels away at most.
Blocks match_blocks(const Plane &earlier, const Plane &later);

/// Mean length of the vectors, pixels.
double speed(const Blocks &blocks);

/// Luma `steps` frames after `last`, each block of it going on along its vector; what no block
/// reaches stays.
Frame carry_on(const Frame &last, const Blocks &blocks, int steps);

} // namespace mardini::eval
