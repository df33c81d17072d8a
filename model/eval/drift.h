// What a motion that was sampled around one frame is like, in numbers.
#pragma once

#include "engine/single_image.h"

namespace mardini::eval {

/// Means over the key positions of one sampled motion.
struct Look {
    double speed = 0; ///< mean, luma pixels a position
    double folded =
        0; ///< share of cells that are turned inside out by the time of their key position
    double beyond = 0; ///< share of its energy that no moving camera before a plane explains
};

Look look_at(const SampledMotion &drift);

} // namespace mardini::eval
