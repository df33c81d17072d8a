// Arithmetic of the painting rule that all painters share.
#include "paint/painter.h"

#include <algorithm>
#include <cmath>

namespace mardini {

float prior_logit(float distance)
{
    const float s = std::abs(distance);
    return std::log(s < 1 ? std::max(1 - s, least_prior) : extrapolation_prior);
}

float residual_gate(float distance_before, float distance_after)
{
    const float nearest = std::min(std::abs(distance_before), std::abs(distance_after));
    return std::min(residual_gate_slope * nearest, 1.0f);
}

float fade(const PaintJob &job)
{
    return std::clamp(-job.distance_before, 0.0f, 1.0f);
}

Tensor displacement_fields(const PaintJob &job, int reduction)
{
    const Motion &m = job.motion;
    const double r = reduction;
    return at::cat({r * job.distance_before * (m.velocity + m.bend.slice(1, 0, 2)),
                    r * job.distance_after * (m.velocity + m.bend.slice(1, 2, 4)), m.visibility,
                    m.uncertainty},
                   1);
}

} // namespace mardini
