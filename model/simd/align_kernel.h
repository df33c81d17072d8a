// The inner loops of align.cpp over the vectors of vectors.h, which comes first. Included by it
// several times, each time in a namespace of its own with other instructions allowed.
//
// Rows of samples are split into columns of even and of odd place, n each: a cell is then the same
// place of both, in two rows. Vectors read and write up to LANES - 1 floats past the n-th.

#include "simd/plane_kernel.h"

/// 2 * LANES floats -> those of even and of odd place.
INLINE void split(const float *p, vf *even, vf *odd)
{
    const vf a = load(p), b = load(p + LANES);
#if LANES == 4
    *even = __builtin_shuffle(a, b, vi{0, 2, 4, 6});
    *odd = __builtin_shuffle(a, b, vi{1, 3, 5, 7});
#elif LANES == 8
    *even = __builtin_shuffle(a, b, vi{0, 2, 4, 6, 8, 10, 12, 14});
    *odd = __builtin_shuffle(a, b, vi{1, 3, 5, 7, 9, 11, 13, 15});
#else
    *even = __builtin_shuffle(a, b, vi{0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30});
    *odd = __builtin_shuffle(a, b, vi{1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31});
#endif
}

/// log(x), x >= 1, relative error below 1e-6.
INLINE vf logarithm(vf x)
{
    vi bits;
    memcpy(&bits, &x, sizeof(bits));
    vi exponent = (bits - 0x3f3504f3) >> 23; // the rest lies around 1, sqrt(1/2) .. sqrt(2)
    bits -= exponent << 23;
    vf rest;
    memcpy(&rest, &bits, sizeof(rest));
    vf t = (rest - 1.0f) / (rest + 1.0f), q = t * t;
    return as_float(exponent) * 0.693147181f +
           2.0f * t * (1.0f + q * (1 / 3.0f + q * (1 / 5.0f + q * (1 / 7.0f + q / 9.0f))));
}

/// Sum over columns x - radius .. x + radius; the margins hold zeros.
INLINE vf sum_around(const float *row, int radius)
{
    vf sum = load(row - radius);
    for (int i = 1 - radius; i <= radius; i++)
        sum += load(row + i);
    return sum;
}

// ---- the pyramid -------------------------------------------------------------------

/// A row of codes less 128 -> unsigned integers of 1/128 code.
INLINE void store_level(uint8_t *to, vf code)
{
    store_codes(to, codes(code * (1 / 256.0f), 32768.0f), true);
}

INLINE void halve_plane_row(const Plane &p, int64_t y, uint8_t *to, Kind kind)
{
    for (int64_t x = 0; x < p.width / 2; x += LANES) {
        vf a, b, c, d;
        load_pairs(p.at(2 * y, 2 * x), kind, &a, &b);
        load_pairs(p.at(2 * y + 1, 2 * x), kind, &c, &d);
        store_level(to + 2 * x, 0.25f * (a + b + c + d) * p.scale + p.offset);
    }
}

static void halve_plane_row_any(const Plane &p, int64_t y, uint8_t *to)
{
    return p.kind == Kind::U8 ? halve_plane_row(p, y, to, Kind::U8)
                              : halve_plane_row(p, y, to, Kind::U16);
}

/// Values -1 .. 1 -> a row of level 0.
static void level_row(const float *from, int64_t n, uint8_t *to)
{
    for (int64_t x = 0; x < n; x += LANES)
        store_level(to + 2 * x, 128.0f * load(from + x));
}

/// The same, from the columns of even and of odd place. n of each, a multiple of LANES.
static void level_row_of_two(const float *even, const float *odd, int64_t n, uint8_t *to)
{
    for (int64_t x = 0; x < n; x += LANES) {
        vi a = codes(load(even + x) * 0.5f, 32768.0f), b = codes(load(odd + x) * 0.5f, 32768.0f);
        vi both = FIRST(2, 0) ? b | a << 16 : a | b << 16;
        memcpy(to + 4 * x, &both, sizeof(both));
    }
}

// ---- displacement and correction ---------------------------------------------------

/// share * (displacement + distance * correction) of one row, plus `far_share` of the same of
/// another.
static void mix_rows(const MovedRow &near, const MovedRow &far, float share, float far_share,
                     float distance, int64_t n, float *out)
{
    if (far_share == 0) {
        for (int64_t x = 0; x < n; x += LANES)
            store(out + x,
                  share * (load(near.displacement + x) + distance * load(near.correction + x)));
        return;
    }
    for (int64_t x = 0; x < n; x += LANES)
        store(out + x,
              share * (load(near.displacement + x) + distance * load(near.correction + x)) +
                  far_share * (load(far.displacement + x) + distance * load(far.correction + x)));
}

/// A row at half the luma's size, its border repeated -> 2 n luma pixels.
static void double_row(const float *row, int64_t n, float *even, float *odd)
{
    for (int64_t x = 0; x < n; x += LANES) {
        vf middle = 0.75f * load(row + x);
        store(even + x, middle + 0.25f * load(row + x - 1));
        store(odd + x, middle + 0.25f * load(row + x + 1));
    }
}

static void split_row(const float *row, int64_t n, float *even, float *odd)
{
    for (int64_t x = 0; x < n; x += LANES) {
        vf a, b;
        split(row + 2 * x, &a, &b);
        store(even + x, a);
        store(odd + x, b);
    }
}

/// Mean of pairs of columns. 2 n floats -> n; `out` may be `row`
static void halve_row(const float *row, int64_t n, float *out)
{
    for (int64_t x = 0; x < n; x += LANES) {
        vf a, b;
        split(row + 2 * x, &a, &b);
        store(out + x, 0.5f * (a + b));
    }
}

/// share * the sum of `count` rows: added to out, or put there.
static void sum_rows(const float *const *rows, int count, float share, bool add, int64_t n,
                     float *out)
{
    for (int64_t x = 0; x < n; x += LANES) {
        vf sum = load(rows[0] + x);
        for (int i = 1; i < count; i++)
            sum += load(rows[i] + x);
        store(out + x, add ? load(out + x) + share * sum : share * sum);
    }
}

/// A row enlarged, added to another.
static void add_resized(const float *row, const BilinearTable &taps, int64_t n, float *out)
{
    const uint8_t *from = reinterpret_cast<const uint8_t *>(row);
    for (int64_t x = 0; x < n; x += LANES) {
        vi left, right;
        memcpy(&left, taps.left.data() + x, sizeof(left));
        memcpy(&right, taps.right.data() + x, sizeof(right));
        vf part = load(taps.part.data() + x);
        store(out + x, load(out + x) + (1.0f - part) * (vf)GATHER(from, left * 4) +
                           part * (vf)GATHER(from, right * 4));
    }
}

static void both_see_row(const float *visibility, const float prior[2], int64_t plane, int64_t n,
                         float *out)
{
    for (int64_t x = 0; x < n; x += LANES) {
        vf l[4];
        for (int k = 0; k < 4; k++)
            l[k] = load(visibility + k * plane + x) + prior[k % 2];
        softmax(l);
        store(out + x, 2.0f * lowest(l[0], l[1]) / (l[0] + l[1] + 1e-3f));
    }
}

// ---- a step ------------------------------------------------------------------------

INLINE vf sample_at(const Plane &p, const float *x, const float *y, vf column, float line,
                    Kind kind)
{
    return sample(p, locate(p, column + load(x), line + load(y)), kind);
}

INLINE vf sample_any(const Plane &p, const float *x, const float *y, vf column, float line)
{
    return p.kind == Kind::U8 ? sample_at(p, x, y, column, line, Kind::U8)
                              : sample_at(p, x, y, column, line, Kind::U16);
}

/// Row y of both frames, warped: their difference, and the sum whose slope is g of align.h.
static void warp_row(const WarpRow &w, int64_t n, float *difference[2], float *sum[2])
{
    const float line = static_cast<float>(w.y);
    for (int p = 0; p < 2; p++) {
        for (int64_t x = 0; x < n; x += LANES) {
            vf column = 2.0f * (lanes() + static_cast<float>(x)) + static_cast<float>(p);
            vf a =
                sample_any(*w.before, w.to_before[0][p] + x, w.to_before[1][p] + x, column, line);
            vf b = sample_any(*w.after, w.to_after[0][p] + x, w.to_after[1][p] + x, column, line);
            store(difference[p] + x, b - a);
            store(sum[p] + x, w.distance_after * b - w.distance_before * a);
        }
    }
}

/// Means over the cells of a row: e, e^2, gx, gy, gx^2, gx gy, gy^2, gx e, gy e.
static void cell_row(const CellRows &r, int64_t n, int64_t line, float *out)
{
    for (int64_t x = 0; x < n; x += LANES) {
        vf total[9] = {};
        for (int y = 0; y < 2; y++) {
            for (int p = 0; p < 2; p++) {
                vf e = load(r.difference[y][p] + x);
                const float *left = p ? r.sum[y + 1][0] + x : r.sum[y + 1][1] + x - 1,
                            *right = p ? r.sum[y + 1][0] + x + 1 : r.sum[y + 1][1] + x;
                vf gx = 0.5f * (load(right) - load(left));
                vf gy = 0.5f * (load(r.sum[y + 2][p] + x) - load(r.sum[y][p] + x));
                total[0] += e;
                total[1] += e * e;
                total[2] += gx;
                total[3] += gy;
                total[4] += gx * gx;
                total[5] += gx * gy;
                total[6] += gy * gy;
                total[7] += gx * e;
                total[8] += gy * e;
            }
        }
        for (int i = 0; i < 9; i++)
            store(out + i * line + x, 0.25f * total[i]);
    }
}

static void square_row(const CellRows &r, int64_t n, float *out)
{
    for (int64_t x = 0; x < n; x += LANES) {
        vf sum = {};
        for (int i = 0; i < 4; i++) {
            vf e = load(r.difference[i / 2][i % 2] + x);
            sum += e * e;
        }
        store(out + x, 0.25f * sum);
    }
}

/// Mean over columns x - radius .. x + radius: `share` holds one over the number of those inside.
static void box_row(const float *row, int radius, const float *share, int64_t n, float *out)
{
    if (radius == 4)
        for (int64_t x = 0; x < n; x += LANES)
            store(out + x, load(share + x) * sum_around(row + x, 4));
    else if (radius == 2)
        for (int64_t x = 0; x < n; x += LANES)
            store(out + x, load(share + x) * sum_around(row + x, 2));
    else
        for (int64_t x = 0; x < n; x += LANES)
            store(out + x, load(share + x) * sum_around(row + x, 1));
}

/// k times gx^2, gx gy, gy^2, gx e, gy e of a row of cells, e less its local mean.
///   means  `count` rows of e's mean over columns
static void weigh_row(const float *const *means, int count, const float *cells, int64_t line,
                      const float *seen, int64_t n, float *out, int64_t out_line)
{
    const float share = 1.0f / static_cast<float>(count),
                one = 1 / (alignment::sigma * alignment::sigma);
    for (int64_t x = 0; x < n; x += LANES) {
        vf mean = load(means[0] + x), c[9];
        for (int i = 1; i < count; i++)
            mean += load(means[i] + x);
        mean *= share;
        for (int i = 0; i < 9; i++)
            c[i] = load(cells + i * line + x);
        vf square = highest(c[1] - 2.0f * mean * c[0] + mean * mean, vf{});
        vf k = load(seen + x) / (1.0f + square * one);
        for (int i = 0; i < 3; i++)
            store(out + i * out_line + x, k * c[4 + i]);
        for (int i = 0; i < 2; i++)
            store(out + (3 + i) * out_line + x, k * (c[7 + i] - mean * c[2 + i]));
    }
}

/// Steps x y from `count` rows of the weighed means over columns, five lines each.
static void solve_row(const float *const *rows, int count, int64_t line, int64_t n, float *out_x,
                      float *out_y)
{
    const float share = 1.0f / static_cast<float>(count);
    const vf limit = all(alignment::longest_step);
    for (int64_t x = 0; x < n; x += LANES) {
        vf s[5];
        for (int i = 0; i < 5; i++) {
            s[i] = load(rows[0] + i * line + x);
            for (int r = 1; r < count; r++)
                s[i] += load(rows[r] + i * line + x);
            s[i] *= share;
        }
        vf xx = s[0] + alignment::lambda, xy = s[1], yy = s[2] + alignment::lambda;
        vf one = 1.0f / (xx * yy - xy * xy);
        store(out_x + x, lowest(highest((xy * s[4] - yy * s[3]) * one, -limit), limit));
        store(out_y + x, lowest(highest((xy * s[3] - xx * s[4]) * one, -limit), limit));
    }
}

/// log(1 + mean of `count` rows) / 8
static void residual_row(const float *const *rows, int count, int64_t n, float *out)
{
    const float share = 1.0f / static_cast<float>(count);
    for (int64_t x = 0; x < n; x += LANES) {
        vf sum = load(rows[0] + x);
        for (int i = 1; i < count; i++)
            sum += load(rows[i] + x);
        vf value = 0.125f * logarithm(1.0f + share * sum);
        if (n - x >= LANES)
            store(out + x, value);
        else
            for (int64_t i = 0; i < n - x; i++)
                out[x + i] = value[i];
    }
}

static const AlignKernel kernel = {
    halve_plane_row_any, level_row, level_row_of_two, mix_rows,     double_row,  split_row,
    halve_row,           sum_rows,  add_resized,      both_see_row, warp_row,    cell_row,
    square_row,          box_row,   weigh_row,        solve_row,    residual_row};
