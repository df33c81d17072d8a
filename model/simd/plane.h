// A plane of a frame that the processor's kernels sample.
#pragma once

#include "base/constants.h"

#include <cstddef>
#include <cstdint>
#include <memory>

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

} // namespace mardini
