// Metrics of motion that was sampled around a reference frame.
#pragma once

#include "engine/single_image.h"

namespace mardini::eval {

/// Means over the key positions of one sampled motion.
struct MotionMetrics {
    double speed = 0;  ///< mean length of the velocity, luma pixels a position
    double folded = 0; ///< share of cells turned inside out at the key position, 0 .. 1
    double beyond_camera =
        0; ///< share of the energy that no camera before a plane explains, 0 .. 1

    MotionMetrics &operator+=(const MotionMetrics &other);
    MotionMetrics operator/(double n) const;
};

MotionMetrics motion_metrics(const SampledMotion &motion);

} // namespace mardini::eval
