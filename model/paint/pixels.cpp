// Planes in host memory that the processor samples from.
#include "paint/pixels.h"

#include "simd/detail.h"

#include "frame/pack.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cstring>

namespace mardini {

static Plane make_plane(Kind kind, int64_t height, int64_t width, float middle)
{
    Plane p;
    p.kind = kind;
    p.height = height;
    p.width = width;
    p.stride = width + 2 * Plane::margin + 16; // vectors read past the end of a line
    p.scale = kind == Kind::F32 ? 1 : 1 / middle;
    p.offset = kind == Kind::F32 ? 0 : -1;
    const int64_t bytes = kind == Kind::U8 ? 1 : kind == Kind::U16 ? 2 : 4;
    p.data = std::shared_ptr<uint8_t[]>(
        new uint8_t[(height + 2 * Plane::margin) * p.stride * bytes + 64]);
    return p;
}

/// Fill a plane, margins too, from `h` lines of `w` samples.
template <class Sample>
static void fill_plane(const Plane &p, const uint8_t *data, ptrdiff_t stride, int64_t h, int64_t w)
{
    const int64_t m = Plane::margin;
    at::parallel_for(-m, p.height + m, 64, [&](int64_t begin, int64_t end) {
        for (int64_t y = begin; y < end; y++) {
            const Sample *from =
                reinterpret_cast<const Sample *>(data + std::clamp<int64_t>(y, 0, h - 1) * stride);
            Sample *line = reinterpret_cast<Sample *>(p.data.get()) + (y + m) * p.stride;
            std::fill(line, line + m, from[0]);
            std::memcpy(line + m, from, w * sizeof(Sample));
            std::fill(line + m + w, line + p.stride, from[w - 1]);
        }
    });
}

static Plane copy_plane(const Geometry &g, const MardiniFrame &frame, int plane)
{
    const bool wide = g.format.depth > 8;
    Plane p = make_plane(wide ? Kind::U16 : Kind::U8, g.padded_height(plane), g.padded_width(plane),
                         static_cast<float>(1 << (g.format.depth - 1)));
    auto fill = wide ? fill_plane<uint16_t> : fill_plane<uint8_t>;
    fill(p, frame.data[plane], frame.stride[plane], g.plane_height(plane), g.plane_width(plane));
    return p;
}

/// Rows of a plane of floats from row `first` on; the first and last also fill the margins above
/// and below.
static void copy_rows(const Plane &p, const Tensor &values, int64_t first)
{
    Tensor t = values.contiguous();
    const int64_t m = Plane::margin, rows = t.size(2), w = p.width;
    const float *from = t.data_ptr<float>();
    const int64_t begin = first == 0 ? -m : 0, end = first + rows == p.height ? rows + m : rows;
    at::parallel_for(begin, end, 64, [&](int64_t b, int64_t e) {
        for (int64_t y = b; y < e; y++) {
            const float *row = from + std::clamp<int64_t>(y, 0, rows - 1) * w;
            float *line = reinterpret_cast<float *>(p.data.get()) + (first + y + m) * p.stride;
            std::fill(line, line + m, row[0]);
            std::memcpy(line + m, row, w * sizeof(float));
            std::fill(line + m + w, line + p.stride, row[w - 1]);
        }
    });
}

/// A plane of nothing but the middle value: the chroma of gray.
static Plane neutral_plane(const Geometry &g)
{
    const int middle = 1 << (g.format.depth - 1);
    const bool wide = g.format.depth > 8;
    Plane p = make_plane(wide ? Kind::U16 : Kind::U8, g.height / 2, g.width / 2,
                         static_cast<float>(middle));
    const int64_t samples = (p.height + 2 * Plane::margin) * p.stride;
    if (wide)
        std::fill_n(reinterpret_cast<uint16_t *>(p.data.get()), samples,
                    static_cast<uint16_t>(middle));
    else
        std::fill_n(p.data.get(), samples, static_cast<uint8_t>(middle));
    return p;
}

static Pixels take_planes(const Geometry &g, const MardiniFrame &frame)
{
    Pixels pixels;
    if (packed_is_whole(g.format)) {
        const bool gray = g.format.color == MARDINI_COLOR_GRAY;
        pixels.packed.push_back(copy_plane(g, frame, 0));
        for (int p = 1; p < 3; p++)
            pixels.packed.push_back(gray ? neutral_plane(g) : copy_plane(g, frame, p));
    } else {
        pixels.packed.push_back(make_plane(Kind::F32, g.height, g.width, 1));
        for (int c = 1; c < 3; c++)
            pixels.packed.push_back(make_plane(Kind::F32, g.height / 2, g.width / 2, 1));
        pack_bands(g, frame, [&](int64_t first, const Tensor &packed) {
            copy_rows(pixels.packed[0], at::pixel_shuffle(packed.slice(1, 0, 4), 2), 2 * first);
            for (int c = 1; c < 3; c++)
                copy_rows(pixels.packed[c], packed.slice(1, 3 + c, 4 + c), first);
        });
    }
    if (!packed_is_whole(g.format) || g.format.alpha)
        for (int p = 0; p < g.num_planes; p++)
            pixels.planes.push_back(copy_plane(g, frame, p));
    return pixels;
}

Pixels take_pixels(const Geometry &g, const MardiniFrame &frame, const PaintTraits &traits)
{
    Pixels pixels = take_planes(g, frame);
    if (traits.aligns)
        pixels.pyramid = make_pyramid(pixels.packed[0]);
    if (traits.restores_detail) {
        pixels.energy.resize(g.height / 2 * (g.width / 2));
        fine_energy(pixels.packed[0], pixels.energy.data());
    }
    return pixels;
}

int64_t bytes_of_pixels(const Geometry &g, const PaintTraits &traits)
{
    const int64_t bytes = g.format.depth > 8 ? 2 : 1;
    const bool whole = packed_is_whole(g.format);
    int64_t sum = g.height * g.width * 3 / 2 * (whole ? bytes : 4);
    for (int p = 0; p < g.num_planes && (!whole || g.format.alpha); p++)
        sum += g.padded_height(p) * g.padded_width(p) * bytes;
    if (traits.aligns) // 16 bits a sample; luma of floats is converted as well
        sum += g.height * g.width * (whole ? 0 : 2) + g.height * g.width * 5 / 8;
    if (traits.restores_detail)
        sum += g.height * g.width; // a float for four pixels
    return sum;
}

} // namespace mardini
