// Planes in host memory that the processor samples from.
#pragma once

#include "frame/geometry.h"
#include "simd/plane.h"

#include <vector>

namespace mardini {

/// A reference frame as a source of pixels.
struct Pixels {
    /// Luma, Cb, Cr in 4:2:0: the frame's own samples if it is 4:2:0 or gray, else float32.
    std::vector<Plane> packed;
    /// Every plane as stored, where `packed` does not hold it; else undefined.
    std::vector<Plane> planes;
};

/// Copy a frame's planes; the frame is not read again.
Pixels take_pixels(const Geometry &geometry, const MardiniFrame &frame);

/// Size of take_pixels()'s result, in bytes.
int64_t bytes_of_pixels(const Geometry &geometry);

} // namespace mardini
