// Detail on the processor: what network/detail.h computes by tensors, in loops of our own. A test
// holds both to each other.
#pragma once

#include "simd/plane.h"

namespace mardini {

/// Some rows of a packed frame or a field, at its channels: h, w of the packed size.
template <class Float>
struct PackedRows {
    Float *data;     ///< channel 0 of row `first`
    int64_t first;   ///< what lies before is not read
    ptrdiff_t row;   ///< floats from a row to the next
    ptrdiff_t plane; ///< floats from a channel to the next

    Float *at(int64_t y, int64_t channel) const
    {
        return data + (y - first) * row + channel * plane;
    }
};

/// fine_energy() of network/detail.h of a plane of luma. out (H/2,W/2) contiguous, W a multiple of
/// 32.
void fine_energy(const Plane &luma, float *out);

/// Packed rows around those restored that are read of the composed luma: what lies within four
/// pixels of them, at the smoothing, and within two cells, at the energy.
constexpr int64_t detail_halo = 4;

/// restore_detail() of network/detail.h for packed rows begin .. end - 1 of a frame. Luma is four
/// channels of -1 .. 1. Rows beyond the frame are not read.
struct DetailJob {
    int64_t h, w;                     ///< of the whole packed frame, w a multiple of 16
    PackedRows<const float> composed; ///< detail_halo rows around are read
    PackedRows<const float> before;   ///< luma of the frame before, warped; one row around
    PackedRows<const float> after;    ///< the same of the frame after
    PackedRows<const float> wanted;   ///< one channel, codes of 8 bits squared; one row around
    float strength;                   ///< 0 .. 1
    PackedRows<float> out;            ///< not where any of the others are
};

void restore_detail(const DetailJob &job, int64_t begin, int64_t end);

} // namespace mardini
