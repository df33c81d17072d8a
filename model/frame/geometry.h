// Sizes that follow from a pixel format: padding, planes, the motion resolution.
#pragma once

#include "mardini.h"

namespace mardini {

/// Longest short side of the motion resolution: larger frames are reduced by a whole factor.
constexpr int motion_side = 400;

/// The factor that a frame is reduced by before its motion is estimated.
int reduction_of(int64_t width, int64_t height, int side = motion_side);

/// The luma size is padded on the right and below, by repetition.
struct Geometry {
    explicit Geometry(const MardiniFormat &format, int side = motion_side);

    MardiniFormat format;
    int num_planes;
    int reduction;         ///< whole factor from the frame to the motion resolution
    int64_t height, width; ///< padded luma size, a multiple of 32 * reduction
    /// Size of a plane as stored.
    int64_t plane_height(int plane) const;
    int64_t plane_width(int plane) const;
    bool is_chroma(int plane) const;
    /// Size of a plane that fits the padded luma.
    int64_t padded_height(int plane) const;
    int64_t padded_width(int plane) const;
};

/// True if the packed frame holds every plane but alpha as stored: gray and 4:2:0.
bool packed_is_whole(const MardiniFormat &format);

} // namespace mardini
