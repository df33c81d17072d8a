// The arithmetic of pack.cpp and cpu_kernel.h for one sample. Plain functions without LibTorch:
// kernels.cu runs them on a CUDA device, a test on the processor.
//
// Frame planes in, packed tensors out; motion in, frame planes out.
#pragma once

#include "base/constants.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#ifdef __CUDACC__
#define ON_DEVICE __host__ __device__ inline
#else
#define ON_DEVICE inline
#endif

namespace mardini {

/// A plane where it lies.
struct View {
    uint8_t *data;  ///< first sample; NULL: a plane of zeros (gray has such chroma), or one that is
                    ///< not wanted
    int64_t stride; ///< bytes from a line to the next
    int32_t step;   ///< bytes from a sample to the next
    int32_t bytes;  ///< of a sample: 1 or 2, codes; 4, values
    int32_t shift;  ///< bits below a code in its word: P010 has 6
    int32_t height, width; ///< as stored
    float middle;          ///< code of the value 0; value = code / middle - 1
};

/// Planes -> the packed frame (frame.h), reduced by a whole factor.
struct Packing {
    View plane[3];
    int32_t is_gbr, log2_chroma_width, log2_chroma_height;
    int32_t reduction, h, w; ///< h, w: of the result
    float *out;              ///< (6,h,w)
};

/// One band of rows of one frame to paint. h, w: packed size of the padded frame; begin, rows: the
/// band with its halo.
struct CudaPaintJob {
    View before[3], after[3]; ///< luma, Cb, Cr, 4:2:0
    View out[3];              ///< where the packed frame's planes go
    int32_t h, w, begin, rows;
    int32_t first, last; ///< rows of the frame that are stored
    int32_t hidden_channels, is_bf16;
    float prior[2], residual_gate, fade;
    const float
        *fields; ///< (9,h,w) displacement to before: x y, to after: x y; visibility 4; uncertainty
    const float *mask;             ///< (h,w) change_mask() of compose.h
    const float *hidden;           ///< (hidden_channels,h,w)
    const float *sampled_residual; ///< (6,h,w) or NULL: added to the change
    void *input;                   ///< (rows,w,head_hidden+hidden_channels), the output head's
    const void *output;            ///< (rows,w,num_head_outputs), the output head's
    float *samples;                ///< (12,rows,w)
    float *logits;                 ///< (16,rows,w)
    float *changes;                ///< (6,rows,w) or NULL if no plane needs them
    float *confidence;             ///< (last row of the frame,w)
};

/// One plane that the packed frame does not hold as stored.
struct CudaPlaneJob {
    CudaPaintJob job;
    View before, after, out;
    int32_t height, width; ///< padded
    int32_t begin, end;    ///< rows to store
    int32_t chroma;        ///< 0: luma or one of GBR; 1: Cb, 2: Cr
    int32_t is_alpha;
    float share[2]; ///< how much of Cb's and Cr's change one of GBR takes
};

ON_DEVICE int32_t clamped(int32_t x, int32_t low, int32_t high)
{
    return x < low ? low : x > high ? high : x;
}

// ---- samples -------------------------------------------------------------------

/// The value at a place, the border's beyond it.
ON_DEVICE float value(const View &p, int32_t y, int32_t x)
{
    if (!p.data)
        return 0;
    y = clamped(y, 0, p.height - 1);
    x = clamped(x, 0, p.width - 1);
    const uint8_t *at = p.data + y * p.stride + static_cast<int64_t>(x) * p.step;
    if (p.bytes == 4)
        return *reinterpret_cast<const float *>(at);
    const int32_t code = p.bytes == 2 ? *reinterpret_cast<const uint16_t *>(at) >> p.shift : *at;
    return static_cast<float>(code) * (1 / p.middle) - 1; // middle is a power of two: exact
}

/// Round, clamp to the depth, store; nothing outside the stored plane.
ON_DEVICE void put(const View &p, int32_t y, int32_t x, float v)
{
    if (!p.data || y >= p.height || x >= p.width)
        return;
    uint8_t *at = p.data + y * p.stride + static_cast<int64_t>(x) * p.step;
    const int32_t code =
        static_cast<int32_t>(rintf(fminf(fmaxf(v * p.middle + p.middle, 0), 2 * p.middle - 1)));
    if (p.bytes == 2)
        *reinterpret_cast<uint16_t *>(at) = static_cast<uint16_t>(code << p.shift);
    else
        *at = static_cast<uint8_t>(code);
}

/// Cubic weights of the four samples around a position, `t` beyond the second.
ON_DEVICE void cubic(float t, float w[4])
{
    const float a = cubic_a, s = 1 - t, t1 = t + 1, s1 = s + 1;
    w[0] = ((a * t1 - 5 * a) * t1 + 8 * a) * t1 - 4 * a;
    w[1] = ((a + 2) * t - (a + 3)) * t * t + 1;
    w[2] = ((a + 2) * s - (a + 3)) * s * s + 1;
    w[3] = ((a * s1 - 5 * a) * s1 + 8 * a) * s1 - 4 * a;
}

ON_DEVICE float sample(const View &p, float y, float x)
{
    // Farther out all samples are the border's; fmaxf sends what is not a number there as well.
    y = fminf(fmaxf(y, -2), static_cast<float>(p.height));
    x = fminf(fmaxf(x, -2), static_cast<float>(p.width));
    const float top = floorf(y), left = floorf(x);
    float down[4], across[4], sum = 0;
    cubic(y - top, down);
    cubic(x - left, across);
    for (int32_t i = 0; i < 4; i++) {
        float row = 0;
        for (int32_t j = 0; j < 4; j++)
            row += across[j] *
                   value(p, static_cast<int32_t>(top) + i - 1, static_cast<int32_t>(left) + j - 1);
        sum += down[i] * row;
    }
    return sum;
}

// ---- planes -> packed ------------------------------------------------------------

/// The two samples of a chroma line that make one of half the luma's size.
struct Taps {
    int32_t at[2];
    float weight[2];
};

ON_DEVICE Taps taps(int32_t log2_chroma, int32_t x)
{
    if (log2_chroma == 0)
        return {{2 * x, 2 * x + 1}, {0.5f, 0.5f}};
    if (log2_chroma == 1)
        return {{x, x}, {1, 0}};
    const float at = fmaxf((static_cast<float>(x) + 0.5f) * 0.5f - 0.5f, 0);
    const int32_t left = static_cast<int32_t>(at);
    return {{left, left + 1}, {1 - (at - static_cast<float>(left)), at - static_cast<float>(left)}};
}

ON_DEVICE float luma_at(const Packing &p, int32_t y, int32_t x)
{
    if (!p.is_gbr)
        return value(p.plane[0], y, x);
    const float green = static_cast<float>(luma_weights::green),
                blue = static_cast<float>(luma_weights::blue),
                red = static_cast<float>(luma_weights::red);
    return green * value(p.plane[0], y, x) + blue * value(p.plane[1], y, x) +
           red * value(p.plane[2], y, x);
}

/// Cb (c = 1) or Cr (2) of one packed cell.
ON_DEVICE float chroma_at(const Packing &p, int32_t c, int32_t y, int32_t x)
{
    float sum = 0;
    if (p.is_gbr) {
        const float scale =
            static_cast<float>(c == 1 ? luma_weights::cb_scale : luma_weights::cr_scale);
        for (int32_t i = 0; i < 4; i++)
            sum += value(p.plane[c], 2 * y + i / 2, 2 * x + i % 2) -
                   luma_at(p, 2 * y + i / 2, 2 * x + i % 2);
        return 0.25f * scale * sum;
    }
    const Taps rows = taps(p.log2_chroma_height, y), columns = taps(p.log2_chroma_width, x);
    for (int32_t i = 0; i < 2; i++)
        for (int32_t j = 0; j < 2; j++)
            sum +=
                rows.weight[i] * columns.weight[j] * value(p.plane[c], rows.at[i], columns.at[j]);
    return sum;
}

ON_DEVICE void pack_sample(const Packing &p, int32_t channel, int32_t y, int32_t x)
{
    const int32_t r = p.reduction;
    float sum = 0;
    for (int32_t i = 0; i < r; i++)
        for (int32_t j = 0; j < r; j++)
            sum += channel < 4
                       ? luma_at(p, (2 * y + channel / 2) * r + i, (2 * x + channel % 2) * r + j)
                       : chroma_at(p, channel - 3, y * r + i, x * r + j);
    p.out[(static_cast<int64_t>(channel) * p.h + y) * p.w + x] = sum / static_cast<float>(r * r);
}

// ---- motion -> the output head's input ---------------------------------------------

/// The packed square at (y, x): four luma samples, Cb, Cr.
ON_DEVICE void load_cell(const View plane[3], int32_t y, int32_t x, float v[6])
{
    for (int32_t i = 0; i < 4; i++)
        v[i] = value(plane[0], 2 * y + i / 2, 2 * x + i % 2);
    for (int32_t c = 0; c < 2; c++)
        v[4 + c] = value(plane[1 + c], y, x);
}

/// Difference of both frames at one packed cell; 1: two codes of 8 bits.
ON_DEVICE void difference_cell(const CudaPaintJob &s, int32_t y, int32_t x, float *out)
{
    float a[6], b[6], most = 0;
    load_cell(s.before, y, x, a);
    load_cell(s.after, y, x, b);
    for (int32_t c = 0; c < 6; c++)
        most = fmaxf(most, fabsf(a[c] - b[c]));
    out[static_cast<int64_t>(y) * s.w + x] = change_mask_scale * most;
}

ON_DEVICE void softmax(float l[4])
{
    const float most = fmaxf(fmaxf(l[0], l[1]), fmaxf(l[2], l[3]));
    float sum = 0;
    for (int32_t k = 0; k < 4; k++)
        sum += l[k] = expf(l[k] - most);
    for (int32_t k = 0; k < 4; k++)
        l[k] /= sum;
}

ON_DEVICE void put_input(const CudaPaintJob &s, int32_t row, int32_t x, int32_t channel, float v)
{
    const int64_t at =
        (static_cast<int64_t>(row) * s.w + x) * (head_hidden + s.hidden_channels) + channel;
    if (!s.is_bf16) {
        static_cast<float *>(s.input)[at] = v;
        return;
    }
    uint32_t bits;
    memcpy(&bits, &v, sizeof(bits));
    // to the nearest, ties to even
    static_cast<uint16_t *>(s.input)[at] =
        static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

ON_DEVICE float get_output(const CudaPaintJob &s, int32_t row, int32_t x, int32_t channel)
{
    const int64_t at = (static_cast<int64_t>(row) * s.w + x) * num_head_outputs + channel;
    if (!s.is_bf16)
        return static_cast<const float *>(s.output)[at];
    const uint32_t bits = static_cast<uint32_t>(static_cast<const uint16_t *>(s.output)[at]) << 16;
    float v;
    memcpy(&v, &bits, sizeof(v));
    return v;
}

ON_DEVICE float field(const CudaPaintJob &s, int32_t k, int32_t y, int32_t x)
{
    y = clamped(y, 0, s.h - 1);
    x = clamped(x, 0, s.w - 1);
    return s.fields[(static_cast<int64_t>(k) * s.h + y) * s.w + x];
}

ON_DEVICE bool is_outside(const CudaPaintJob &s, float y, float x)
{
    return x < -0.5f || x > static_cast<float>(2 * s.w) - 0.5f || y < -0.5f ||
           y > static_cast<float>(2 * s.h) - 0.5f;
}

/// Sample both frames for one cell of the band; keep samples and logits, write the head's input.
ON_DEVICE void sample_cell(const CudaPaintJob &s, int32_t row, int32_t x)
{
    const int32_t y = s.begin + row;
    const int64_t area = static_cast<int64_t>(s.rows) * s.w,
                  at = static_cast<int64_t>(row) * s.w + x;
    float still_a[6], still_b[6], coarse[4] = {0, 0, 0, 0};
    load_cell(s.before, y, x, still_a);
    load_cell(s.after, y, x, still_b);
    for (int32_t i = 0; i < 4; i++) {
        const int32_t dy = i / 2, dx = i % 2, far = y + 2 * dy - 1, side = x + 2 * dx - 1;
        float f[8]; // displacement to before x y, to after x y, visibility
        for (int32_t k = 0; k < 8; k++)
            f[k] = 0.75f * (0.75f * field(s, k, y, x) + 0.25f * field(s, k, far, x)) +
                   0.25f * (0.75f * field(s, k, y, side) + 0.25f * field(s, k, far, side));
        const float line = static_cast<float>(2 * y + dy), column = static_cast<float>(2 * x + dx);
        const float ya = line + f[1], xa = column + f[0], yb = line + f[3], xb = column + f[2];
        const float a = sample(s.before[0], ya, xa), b = sample(s.after[0], yb, xb);
        float l[4] = {f[4] + s.prior[0] - (is_outside(s, ya, xa) ? outside_penalty : 0),
                      f[5] + s.prior[1] - (is_outside(s, yb, xb) ? outside_penalty : 0),
                      f[6] + s.prior[0], f[7] + s.prior[1]};
        for (int32_t k = 0; k < 4; k++) {
            s.logits[(4 * k + i) * area + at] = l[k];
            coarse[k] += 0.25f * l[k];
        }
        s.samples[i * area + at] = a;
        s.samples[(4 + i) * area + at] = b;
        softmax(l);
        put_input(s, row, x, i, l[0] * a + l[1] * b + l[2] * still_a[i] + l[3] * still_b[i]);
        put_input(s, row, x, head_difference + i, a - b);
        put_input(s, row, x, head_still + i, fabsf(still_a[i] - still_b[i]));
    }
    softmax(coarse);
    const float line = static_cast<float>(y), column = static_cast<float>(x);
    for (int32_t c = 0; c < 2; c++) {
        const float a = sample(s.before[1 + c], line + 0.5f * field(s, 1, y, x),
                               column + 0.5f * field(s, 0, y, x));
        const float b = sample(s.after[1 + c], line + 0.5f * field(s, 3, y, x),
                               column + 0.5f * field(s, 2, y, x));
        s.samples[(8 + c) * area + at] = a;
        s.samples[(10 + c) * area + at] = b;
        put_input(s, row, x, 4 + c,
                  coarse[0] * a + coarse[1] * b + coarse[2] * still_a[4 + c] +
                      coarse[3] * still_b[4 + c]);
        put_input(s, row, x, head_difference + 4 + c, a - b);
    }
    for (int32_t c = 0; c < s.hidden_channels; c++)
        put_input(s, row, x, head_hidden + c,
                  s.hidden[(static_cast<int64_t>(c) * s.h + y) * s.w + x]);
}

// ---- the output head's output -> codes -------------------------------------------------

/// The linear blend a + part (b - a), or `mixed` where the mask is 1. This form keeps pixels that
/// are equal in both frames equal, whatever the rounding.
ON_DEVICE float masked(float a, float b, float part, float mask, float mixed)
{
    const float blend = a + part * (b - a);
    return blend + mask * (mixed - blend);
}

/// Apply the head's output to one cell of the band and store what the packed frame holds.
ON_DEVICE void finish_cell(const CudaPaintJob &s, int32_t row, int32_t x)
{
    const int32_t y = s.begin + row;
    const int64_t area = static_cast<int64_t>(s.rows) * s.w,
                  at = static_cast<int64_t>(row) * s.w + x;
    const int64_t whole = static_cast<int64_t>(s.h) * s.w, here = static_cast<int64_t>(y) * s.w + x;
    float change[6], logits[16];
    for (int32_t c = 0; c < 6; c++) {
        change[c] = s.residual_gate * get_output(s, row, x, c) +
                    (s.sampled_residual ? s.sampled_residual[c * whole + here] : 0);
        if (s.changes)
            s.changes[c * area + at] = change[c];
    }
    for (int32_t c = 0; c < 16; c++) {
        logits[c] = s.logits[c * area + at] + get_output(s, row, x, head_logits + c);
        if (s.changes)
            s.logits[c * area + at] = logits[c];
    }
    if (y < s.first || y >= s.last)
        return;

    const float mask = s.mask[here],
                spread =
                    field(s, 8, y, x) + get_output(s, row, x, head_uncertainty) - uncertainty_shift;
    const float softplus = fmaxf(spread, 0) + log1pf(expf(-fabsf(spread)));
    s.confidence[here] = 1 / (1 + confidence_scale * s.residual_gate * softplus * mask);
    if (!s.out[0].data)
        return;

    float still_a[6], still_b[6], coarse[4] = {0, 0, 0, 0};
    load_cell(s.before, y, x, still_a);
    load_cell(s.after, y, x, still_b);
    for (int32_t i = 0; i < 4; i++) {
        float l[4];
        for (int32_t k = 0; k < 4; k++) {
            l[k] = logits[4 * k + i];
            coarse[k] += 0.25f * l[k];
        }
        softmax(l);
        const float mixed = l[0] * s.samples[i * area + at] +
                            l[1] * s.samples[(4 + i) * area + at] + l[2] * still_a[i] +
                            l[3] * still_b[i] + change[i];
        put(s.out[0], 2 * y + i / 2, 2 * x + i % 2,
            masked(still_a[i], still_b[i], s.fade, mask, mixed));
    }
    softmax(coarse);
    for (int32_t c = 4; c < 6; c++) {
        const float mixed = coarse[0] * s.samples[(4 + c) * area + at] +
                            coarse[1] * s.samples[(6 + c) * area + at] + coarse[2] * still_a[c] +
                            coarse[3] * still_b[c] + change[c];
        put(s.out[c - 3], y, x, masked(still_a[c], still_b[c], s.fade, mask, mixed));
    }
}

// ---- planes that the packed frame does not hold --------------------------------------

/// Bilinear interpolation along one axis, pixel centres aligned: where from, and the right one's
/// part.
struct Between {
    int32_t left, right;
    float part;
};

ON_DEVICE Between between(int32_t i, int32_t from, int32_t to)
{
    const float at = fmaxf(
        (static_cast<float>(i) + 0.5f) * (static_cast<float>(from) / static_cast<float>(to)) - 0.5f,
        0);
    const int32_t left = clamped(static_cast<int32_t>(at), 0, from - 1);
    return {left, clamped(left + 1, 0, from - 1), at - static_cast<float>(left)};
}

/// rows of `map` count from row `begin` of the packed frame
ON_DEVICE float interpolated(const float *map, int32_t begin, int32_t w, const Between &y,
                             const Between &x)
{
    const float *above = map + static_cast<int64_t>(y.left - begin) * w,
                *below = map + static_cast<int64_t>(y.right - begin) * w;
    const float left = (1 - y.part) * above[x.left] + y.part * below[x.left];
    const float right = (1 - y.part) * above[x.right] + y.part * below[x.right];
    return (1 - x.part) * left + x.part * right;
}

/// Mean of the luma samples that lie on one of this plane's. `map`: four channels, one a luma
/// sample of the cell.
ON_DEVICE float pooled_luma(const CudaPlaneJob &p, const float *map, int32_t y, int32_t x)
{
    const CudaPaintJob &s = p.job;
    const int64_t area = static_cast<int64_t>(s.rows) * s.w;
    const int32_t fy = 2 * s.h / p.height, fx = 2 * s.w / p.width;
    float sum = 0;
    for (int32_t line = y * fy; line < (y + 1) * fy; line++)
        for (int32_t column = x * fx; column < (x + 1) * fx; column++)
            sum += map[(2 * (line % 2) + column % 2) * area +
                       static_cast<int64_t>(line / 2 - s.begin) * s.w + column / 2];
    return sum / static_cast<float>(fy * fx);
}

/// Mean of the packed cells that touch one of this plane's samples.
ON_DEVICE float pooled_chroma(const CudaPlaneJob &p, const float *map, int32_t y, int32_t x)
{
    const CudaPaintJob &s = p.job;
    const int32_t top = y * s.h / p.height, bottom = ((y + 1) * s.h + p.height - 1) / p.height;
    const int32_t left = x * s.w / p.width, right = ((x + 1) * s.w + p.width - 1) / p.width;
    float sum = 0;
    for (int32_t i = top; i < bottom; i++)
        for (int32_t j = left; j < right; j++)
            sum += map[static_cast<int64_t>(i - s.begin) * s.w + j];
    return sum / static_cast<float>((bottom - top) * (right - left));
}

/// The packed change as a change of one sample, as unpack_change() of pack.h.
ON_DEVICE float change_at(const CudaPlaneJob &p, int32_t y, int32_t x, const Between &row,
                          const Between &column)
{
    const CudaPaintJob &s = p.job;
    const int64_t area = static_cast<int64_t>(s.rows) * s.w;
    if (p.is_alpha)
        return 0;
    if (p.chroma) {
        const float *map = s.changes + (3 + p.chroma) * area;
        return p.height < s.h || p.width < s.w ? pooled_chroma(p, map, y, x)
                                               : interpolated(map, s.begin, s.w, row, column);
    }
    float sum = pooled_luma(p, s.changes, y, x);
    for (int32_t c = 0; c < 2; c++)
        if (p.share[c] != 0)
            sum += p.share[c] * interpolated(s.changes + (4 + c) * area, s.begin, s.w, row, column);
    return sum;
}

ON_DEVICE void plane_sample(const CudaPlaneJob &p, int32_t y, int32_t x)
{
    const CudaPaintJob &s = p.job;
    const int64_t area = static_cast<int64_t>(s.rows) * s.w,
                  whole = static_cast<int64_t>(s.h) * s.w;
    const Between row = between(y, s.h, p.height), column = between(x, s.w, p.width);
    float shift[4], l[4]; // displacements are in luma pixels: to before x y, to after x y
    for (int32_t k = 0; k < 4; k++) {
        const float scale = k % 2 ? 0.5f * static_cast<float>(p.height) / static_cast<float>(s.h)
                                  : 0.5f * static_cast<float>(p.width) / static_cast<float>(s.w);
        shift[k] = scale * interpolated(s.fields + k * whole, 0, s.w, row, column);
        l[k] = pooled_luma(p, s.logits + 4 * k * area, y, x);
    }
    softmax(l);
    const float line = static_cast<float>(y), across = static_cast<float>(x);
    const float still_a = value(p.before, y, x), still_b = value(p.after, y, x);
    const float mixed = l[0] * sample(p.before, line + shift[1], across + shift[0]) +
                        l[1] * sample(p.after, line + shift[3], across + shift[2]) +
                        l[2] * still_a + l[3] * still_b + change_at(p, y, x, row, column);
    put(p.out, y, x,
        masked(still_a, still_b, s.fade, interpolated(s.mask, 0, s.w, row, column), mixed));
}

} // namespace mardini
