// Sizes that follow from a pixel format: padding, planes, the motion resolution.
#include "frame/geometry.h"

#include <algorithm>

namespace mardini {

static int ceil_shift(int size, int shift)
{
    return (size + (1 << shift) - 1) >> shift;
}

int reduction_of(int64_t width, int64_t height, int side)
{
    // A wide strip is as costly to match as a large frame: three squares of that side are the most.
    const int64_t area = width * height, most = 3 * int64_t(side) * side;
    int reduction =
        static_cast<int>(std::max<int64_t>(1, (std::min(width, height) + side - 1) / side));
    while (area > most * reduction * reduction)
        reduction++;
    return reduction;
}

Geometry::Geometry(const MardiniFormat &f, int side) : format(f)
{
    const int color_planes = f.color == MARDINI_COLOR_GRAY ? 1 : 3;
    num_planes = color_planes + (f.alpha ? 1 : 0);
    reduction = reduction_of(f.width, f.height, side);
    const int unit = 32 * reduction;
    height = (f.height + unit - 1) / unit * unit;
    width = (f.width + unit - 1) / unit * unit;
}

bool Geometry::is_chroma(int plane) const
{
    return format.color == MARDINI_COLOR_YUV && (plane == 1 || plane == 2);
}

int64_t Geometry::plane_height(int plane) const
{
    return is_chroma(plane) ? ceil_shift(format.height, format.log2_chroma_height) : format.height;
}

int64_t Geometry::plane_width(int plane) const
{
    return is_chroma(plane) ? ceil_shift(format.width, format.log2_chroma_width) : format.width;
}

int64_t Geometry::padded_height(int plane) const
{
    return is_chroma(plane) ? height >> format.log2_chroma_height : height;
}

int64_t Geometry::padded_width(int plane) const
{
    return is_chroma(plane) ? width >> format.log2_chroma_width : width;
}

bool packed_is_whole(const MardiniFormat &f)
{
    return f.color == MARDINI_COLOR_GRAY ||
           (f.color == MARDINI_COLOR_YUV && f.log2_chroma_width == 1 && f.log2_chroma_height == 1);
}

} // namespace mardini
