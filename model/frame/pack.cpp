// Planes <-> tensors: pixel format, depth, padding.
#include "frame/pack.h"

#include "base/constants.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>

namespace mardini {

using namespace luma_weights;

template <class Sample>
static void load_rows(const uint8_t *data, ptrdiff_t stride, int64_t h, int64_t w, int64_t W,
                      float middle, int64_t begin, int64_t end, float *out)
{
    for (int64_t y = begin; y < end; y++) {
        const Sample *row = reinterpret_cast<const Sample *>(data + std::min(y, h - 1) * stride);
        float *to = out + y * W;
        for (int64_t x = 0; x < w; x++)
            to[x] = (static_cast<float>(row[x]) - middle) / middle;
        std::fill(to + w, to + W, to[w - 1]);
    }
}

/// Rows [first, first + count) of the padded plane.
static Tensor load_plane_rows(const Geometry &g, const MardiniFrame &frame, int plane,
                              int64_t first, int64_t count)
{
    const int64_t h = g.plane_height(plane), w = g.plane_width(plane), W = g.padded_width(plane);
    Tensor t = at::empty({1, 1, count, W}, torch::kFloat32);
    float *out = t.data_ptr<float>() - first * W;
    const float middle = static_cast<float>(1 << (g.format.depth - 1));
    at::parallel_for(first, first + count, 64, [&](int64_t begin, int64_t end) {
        auto load = g.format.depth > 8 ? load_rows<uint16_t> : load_rows<uint8_t>;
        load(frame.data[plane], frame.stride[plane], h, w, W, middle, begin, end, out);
    });
    return t;
}

Tensor load_plane(const Geometry &g, const MardiniFrame &frame, int plane)
{
    return load_plane_rows(g, frame, plane, 0, g.padded_height(plane));
}

/// A chroma plane of any subsampling -> half the luma size in both directions.
static Tensor to_half(const Tensor &plane, const Tensor &luma)
{
    const int64_t h = luma.size(2) / 2, w = luma.size(3) / 2;
    Tensor t = plane;
    if (t.size(2) > h || t.size(3) > w)
        t = at::avg_pool2d(t, {t.size(2) > h ? 2 : 1, t.size(3) > w ? 2 : 1});
    return resize(t, h, w);
}

Tensor pack(const Geometry &g, const std::vector<Tensor> &planes)
{
    Tensor luma, cb, cr;
    if (g.format.color == MARDINI_COLOR_GBR) {
        const Tensor &G = planes[0], &B = planes[1], &R = planes[2];
        luma = green * G + blue * B + red * R;
        cb = at::avg_pool2d(cb_scale * (B - luma), {2, 2});
        cr = at::avg_pool2d(cr_scale * (R - luma), {2, 2});
    } else {
        luma = planes[0];
        if (g.format.color == MARDINI_COLOR_YUV) {
            cb = to_half(planes[1], luma);
            cr = to_half(planes[2], luma);
        } else {
            cb = cr = at::zeros({1, 1, luma.size(2) / 2, luma.size(3) / 2}, luma.options());
        }
    }
    return at::cat({at::pixel_unshuffle(luma, 2), cb, cr}, 1);
}

void pack_bands(const Geometry &g, const MardiniFrame &frame,
                const std::function<void(int64_t, const Tensor &)> &use)
{
    const int64_t unit = 32 * g.reduction;
    // pack() interpolates 4:1:0's chroma rows, which no edge of a band may interrupt.
    const int64_t rows =
        g.format.log2_chroma_height == 2 ? g.height : std::max<int64_t>(256 / unit, 1) * unit;
    for (int64_t first = 0; first < g.height; first += rows) {
        const int64_t count = std::min(rows, g.height - first);
        std::vector<Tensor> planes;
        for (int p = 0; p < g.num_planes - (g.format.alpha ? 1 : 0);
             p++) { // pack() has no use for alpha
            const int shift = g.is_chroma(p) ? g.format.log2_chroma_height : 0;
            planes.push_back(load_plane_rows(g, frame, p, first >> shift, count >> shift));
        }
        use(first / 2, pack(g, planes));
    }
}

Tensor reduced_frame(const Geometry &g, const MardiniFrame &frame)
{
    std::vector<Tensor> bands;
    pack_bands(g, frame, [&](int64_t, const Tensor &packed) {
        bands.push_back(reduce(packed, g.reduction));
    });
    return bands.size() == 1 ? bands[0] : at::cat(bands, 2);
}

template <class Sample>
static void store_row(const float *from, int64_t w, float middle, float most, Sample *to)
{
    for (int64_t x = 0; x < w; x++) {
        const float code = std::nearbyintf(from[x] * middle + middle);
        to[x] = static_cast<Sample>(std::min(std::max(code, 0.0f), most));
    }
}

void store_plane(const Geometry &g, const Tensor &values, int64_t first, const MardiniFrame &frame,
                 int plane)
{
    const int64_t w = g.plane_width(plane),
                  rows = std::min(values.size(2), g.plane_height(plane) - first);
    Tensor t = values.contiguous();
    const float *from = t.data_ptr<float>();
    const float middle = static_cast<float>(1 << (g.format.depth - 1)), most = 2 * middle - 1;
    const int64_t W = t.size(3);
    at::parallel_for(0, std::max<int64_t>(rows, 0), 64, [&](int64_t begin, int64_t end) {
        for (int64_t y = begin; y < end; y++) {
            uint8_t *row = frame.data[plane] + (first + y) * frame.stride[plane];
            if (g.format.depth > 8)
                store_row(from + y * W, w, middle, most, reinterpret_cast<uint16_t *>(row));
            else
                store_row(from + y * W, w, middle, most, row);
        }
    });
}

Tensor unpack_change(const Geometry &g, const Tensor &packed, int plane)
{
    const int64_t h = packed.size(2), w = packed.size(3);
    Tensor luma = at::pixel_shuffle(packed.slice(1, 0, 4), 2), cb = packed.slice(1, 4, 5),
           cr = packed.slice(1, 5, 6);
    if (g.is_chroma(plane)) {
        const int64_t H = 2 * h >> g.format.log2_chroma_height,
                      W = 2 * w >> g.format.log2_chroma_width;
        Tensor c = plane == 1 ? cb : cr;
        if (H < h || W < w)
            return at::adaptive_avg_pool2d(c, {H, W});
        return resize(c, H, W);
    }
    if (g.format.color != MARDINI_COLOR_GBR)
        return plane == 0 ? luma : at::zeros_like(luma);
    Tensor b = resize(cb, 2 * h, 2 * w) / cb_scale, r = resize(cr, 2 * h, 2 * w) / cr_scale;
    switch (plane) {
    case 0:
        return luma - (blue * b + red * r) / green;
    case 1:
        return luma + b;
    case 2:
        return luma + r;
    default:
        return at::zeros_like(luma);
    }
}

} // namespace mardini
