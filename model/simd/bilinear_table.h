// Bilinear interpolation along one axis, pixel centres aligned, as upsample_bilinear2d has it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace mardini {

/// For each of `to` samples: the two of `from` samples around it, and the right one's part. Padded
/// with zeros, since vectors read past the end.
struct BilinearTable {
    static constexpr int64_t padding = 16;

    BilinearTable(int64_t from, int64_t to)
        : left(to + padding), right(to + padding), part(to + padding)
    {
        const float scale = static_cast<float>(from) / static_cast<float>(to);
        for (int64_t i = 0; i < to; i++) {
            const float x = std::max((static_cast<float>(i) + 0.5f) * scale - 0.5f, 0.0f);
            left[i] = static_cast<int32_t>(std::min<int64_t>(static_cast<int64_t>(x), from - 1));
            right[i] = static_cast<int32_t>(std::min<int64_t>(left[i] + 1, from - 1));
            part[i] = x - static_cast<float>(left[i]);
        }
    }

    std::vector<int32_t> left, right;
    std::vector<float> part;
};

} // namespace mardini
