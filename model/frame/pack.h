// Planes <-> tensors: pixel format, depth, padding.
//
// The networks read every frame as packed Y'CbCr 4:2:0: six channels at half the luma size, the
// four luma samples of each 2x2 square (Y00 Y01 Y10 Y11), Cb, Cr. A value is (code - middle) /
// middle, middle = 2^(depth-1), not clamped. The chroma of 4:2:0 is kept; that of other
// subsamplings is averaged or interpolated, that of gray is neutral. GBR is converted by BT.601.
#pragma once

#include "frame/geometry.h"
#include "network/blocks.h"

#include <functional>
#include <vector>

namespace mardini {

/// One plane as float32 (1,1,H,W), padded to the size that fits the padded luma.
Tensor load_plane(const Geometry &geometry, const MardiniFrame &frame, int plane);

/// The planes of a frame, padded -> packed (1,6,height/2,width/2).
Tensor pack(const Geometry &geometry, const std::vector<Tensor> &planes);

/// A frame in host memory packed some rows at a time: no tensor of floats is as large as the frame.
/// @param use  takes the first packed row, a whole multiple of 16 * reduction, and the rows
void pack_bands(const Geometry &geometry, const MardiniFrame &frame,
                const std::function<void(int64_t first, const Tensor &packed)> &use);

/// A frame in host memory, packed, at the motion resolution. (1,6,height/2/r,width/2/r)
Tensor reduced_frame(const Geometry &geometry, const MardiniFrame &frame);

/// Round, clamp to the depth and store rows [first, last) of a plane from `values`
/// (1,1,rows,>=width), whose row 0 is the plane's row `first`.
void store_plane(const Geometry &geometry, const Tensor &values, int64_t first,
                 const MardiniFrame &frame, int plane);

/// A change of the packed frame as a change of plane `plane`, at the plane's size: packed (1,6,h,w)
/// -> (1,1,H,W). 0 for alpha.
Tensor unpack_change(const Geometry &geometry, const Tensor &packed, int plane);

} // namespace mardini
