// Planes in host memory that the processor samples from.
#pragma once

#include "frame/geometry.h"
#include "paint/painter.h"
#include "simd/align.h"

#include <vector>

namespace mardini {

/// A reference frame as a source of pixels.
struct Pixels {
    /// Luma, Cb, Cr in 4:2:0: the frame's own samples if it is 4:2:0 or gray, else float32.
    std::vector<Plane> packed;
    /// Every plane as stored, where `packed` does not hold it; else undefined.
    std::vector<Plane> planes;
    LumaPyramid pyramid;       ///< what alignment reads; empty if nothing is aligned
    std::vector<float> energy; ///< (h,w) fine_energy() of luma; empty if no detail is restored
};

/// Copy a frame's planes; the frame is not read again.
Pixels take_pixels(const Geometry &geometry, const MardiniFrame &frame, const PaintTraits &traits);

/// Size of take_pixels()'s result, in bytes.
int64_t bytes_of_pixels(const Geometry &geometry, const PaintTraits &traits);

} // namespace mardini
