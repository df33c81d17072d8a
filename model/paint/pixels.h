// Planes in host memory that the processor samples from.
#pragma once

#include "frame/geometry.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace mardini {

/// How a sample is stored in a plane that pixels are taken from.
enum class Kind { U8, U16, F32 };

/// A plane with its border repeated around it, so that no sampling position needs a test.
struct Plane {
    static constexpr int64_t margin = 3; ///< samples on every side

    Kind kind;
    int64_t height, width;           ///< without the margins
    ptrdiff_t stride;                ///< samples from a line to the next
    float scale, offset;             ///< value -1 .. 1 = sample * scale + offset
    std::shared_ptr<uint8_t[]> data; ///< from the first sample of the margin on

    const uint8_t *at(int64_t y, int64_t x) const
    {
        const int64_t bytes = kind == Kind::U8 ? 1 : kind == Kind::U16 ? 2 : 4;
        return data.get() + ((y + margin) * stride + x + margin) * bytes;
    }
};

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
