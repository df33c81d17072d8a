/*
 * Copyright (C) 2026 the mardini authors
 *
 * This library is free software; you can redistribute it and/or modify it under
 * the terms of the GNU Lesser General Public License as published by the Free
 * Software Foundation; either version 2.1 of the License, or (at your option)
 * any later version. It comes without any warranty; see LICENSE.
 */

// A codec changes the samples of a repeated picture slightly. Motion, even of a mouse pointer,
// changes at least one block by much more.
#include "library/duplicates.h"

#include <algorithm>
#include <cstdlib>

namespace mardini {

namespace {

constexpr int BLOCK = 8;
/// Largest mean absolute difference of a repeat, in codes of 255.
constexpr double BLOCK_DIFFERENCE_MAX = 3, PLANE_DIFFERENCE_MAX = 1.5;

/// Sum of absolute differences in a block of w x h samples. Strides in bytes.
template <typename Sample>
int64_t block_difference(const uint8_t *a, ptrdiff_t stride_a, const uint8_t *b, ptrdiff_t stride_b,
                         int w, int h)
{
    int64_t sum = 0;
    for (int y = 0; y < h; y++, a += stride_a, b += stride_b)
        for (int x = 0; x < w; x++)
            sum += std::abs(reinterpret_cast<const Sample *>(a)[x] -
                            reinterpret_cast<const Sample *>(b)[x]);
    return sum;
}

} // namespace

bool is_repeat(const MardiniFormat &f, const MardiniFrame &a, const MardiniFrame &b)
{
    const int num_planes = (f.color == MARDINI_COLOR_GRAY ? 1 : 3) + f.alpha,
              bytes = f.depth > 8 ? 2 : 1;
    const double code = static_cast<double>(1 << (f.depth - 8));
    const auto difference = bytes == 2 ? block_difference<uint16_t> : block_difference<uint8_t>;
    for (int p = 0; p < num_planes; p++) {
        const bool chroma = f.color == MARDINI_COLOR_YUV && (p == 1 || p == 2);
        const int width = chroma ? -((-f.width) >> f.log2_chroma_width) : f.width;
        const int height = chroma ? -((-f.height) >> f.log2_chroma_height) : f.height;
        int64_t total = 0;
        for (int y = 0; y < height; y += BLOCK) {
            for (int x = 0; x < width; x += BLOCK) {
                const int w = std::min(BLOCK, width - x), h = std::min(BLOCK, height - y);
                const int64_t sum =
                    difference(a.data[p] + y * a.stride[p] + x * bytes, a.stride[p],
                               b.data[p] + y * b.stride[p] + x * bytes, b.stride[p], w, h);
                if (static_cast<double>(sum) > BLOCK_DIFFERENCE_MAX * code * w * h)
                    return false;
                total += sum;
            }
        }
        if (static_cast<double>(total) > PLANE_DIFFERENCE_MAX * code * width * height)
            return false;
    }
    return true;
}

} // namespace mardini
