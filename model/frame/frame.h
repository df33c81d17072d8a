// Planes <-> tensors: pixel format, depth, padding.
//
// The networks see every frame as "packed" Y'CbCr 4:2:0: six channels at half the luma size, the
// four luma samples of each 2x2 square (Y00 Y01 Y10 Y11), Cb, Cr. A value is (code - middle) /
// middle, middle = 2^(depth-1), not clamped: what lies outside the nominal range stays there. 4:2:0
// keeps its chroma as it is; other subsamplings are averaged or repeated, gray has neutral chroma,
// GBR goes through a fixed linear Y'CbCr.
#pragma once

#include "mardini.h"
#include "network/blocks.h"

#include <functional>
#include <vector>

namespace mardini {

/// Luma of GBR frames: the weights of BT.601, whatever the primaries; they only decide what the
/// network sees.
namespace luma_weights {
constexpr double red = 0.299, green = 0.587, blue = 0.114;
constexpr double cb_scale = 0.5 / (1 - blue), cr_scale = 0.5 / (1 - red);
} // namespace luma_weights

/// Longest short side of the motion resolution: larger frames are reduced by a whole factor.
constexpr int motion_side = 400;

/// The factor that a frame is reduced by for its motion to be found.
int reduction_of(int64_t width, int64_t height, int side = motion_side);

/// Sizes that follow from a format. The luma size is padded on the right and below, by repetition.
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

/// One plane as float32 (1,1,H,W), padded to the size that fits the padded luma.
Tensor load_plane(const Geometry &geometry, const MardiniFrame &frame, int plane);

/// The planes of a frame, padded -> packed (1,6,height/2,width/2).
Tensor pack(const Geometry &geometry, const std::vector<Tensor> &planes);

/// The same of a frame on the processor, some rows at a time, so that no picture of floats is
/// larger than that.
/// @param use  takes the first packed row, a whole multiple of 16 * reduction, and the rows
void pack_bands(const Geometry &geometry, const MardiniFrame &frame,
                const std::function<void(int64_t first, const Tensor &packed)> &use);

/// reduce() of pack_bands().
Tensor reduced_frame(const Geometry &geometry, const MardiniFrame &frame);

/// Round, clamp to the depth and store rows [first, last) of a plane from `values`
/// (1,1,rows,>=width), whose row 0 is the plane's row `first`.
void store_plane(const Geometry &geometry, const Tensor &values, int64_t first,
                 const MardiniFrame &frame, int plane);

/// What a change of the packed frame means for plane `plane`, at the plane's size: packed (1,6,h,w)
/// -> (1,1,H,W). 0 for alpha.
Tensor unpack_change(const Geometry &geometry, const Tensor &packed, int plane);

} // namespace mardini
