// Frame layouts that every painter is tested with.
#ifndef TESTS_FORMATS_H
#define TESTS_FORMATS_H

#include "mardini.h"

#include <algorithm>
#include <string>

inline MardiniFormat format(int width, int height, int color, int alpha, int depth,
                            int log2_chroma_width, int log2_chroma_height)
{
    MardiniFormat f{};
    f.width = width, f.height = height, f.color = color, f.alpha = alpha, f.depth = depth;
    f.log2_chroma_width = log2_chroma_width, f.log2_chroma_height = log2_chroma_height;
    return f;
}

const MardiniFormat formats[] = {
    format(190, 131, MARDINI_COLOR_YUV, 0, 8, 1, 1), format(96, 64, MARDINI_COLOR_YUV, 1, 10, 1, 1),
    format(64, 96, MARDINI_COLOR_YUV, 0, 16, 1, 1),  format(97, 65, MARDINI_COLOR_GRAY, 0, 8, 0, 0),
    format(64, 64, MARDINI_COLOR_GRAY, 0, 12, 0, 0), format(96, 70, MARDINI_COLOR_YUV, 0, 8, 1, 0),
    format(96, 70, MARDINI_COLOR_YUV, 0, 10, 0, 0),  format(70, 64, MARDINI_COLOR_YUV, 0, 8, 0, 1),
    format(130, 66, MARDINI_COLOR_YUV, 0, 8, 2, 0),  format(130, 66, MARDINI_COLOR_YUV, 0, 8, 2, 2),
    format(96, 64, MARDINI_COLOR_GBR, 1, 8, 0, 0),   format(70, 64, MARDINI_COLOR_GBR, 0, 14, 0, 0),
};

inline std::string name_of(const MardiniFormat &f)
{
    return std::to_string(f.width) + "x" + std::to_string(f.height) + ", color " +
           std::to_string(f.color) + ", depth " + std::to_string(f.depth) + ", chroma " +
           std::to_string(f.log2_chroma_width) + std::to_string(f.log2_chroma_height);
}

/// Float rounding in units of codes: a coordinate's error of some 1e-5 pixels times the range.
inline int tolerance(const MardiniFormat &f)
{
    return std::max(1, (1 << f.depth) / 4096);
}

#endif
