// The inner loops of detail.cpp over the vectors of vectors.h, which comes first. Included by it
// several times, each time in a namespace of its own with other instructions allowed.
//
// Rows of luma are split into columns of even and of odd place, n each, a multiple of LANES.

#include "simd/plane_kernel.h"

/// A row of a plane, -1 .. 1.
INLINE void plane_row(const Plane &p, int64_t y, int64_t n, float *even, float *odd, Kind kind)
{
    for (int64_t x = 0; x < n; x += LANES) {
        vf a, b;
        load_pairs(p.at(y, 2 * x), kind, &a, &b);
        store(even + x, a * p.scale + p.offset);
        store(odd + x, b * p.scale + p.offset);
    }
}

static void plane_row_any(const Plane &p, int64_t y, int64_t n, float *even, float *odd)
{
    switch (p.kind) {
    case Kind::U8:
        return plane_row(p, y, n, even, odd, Kind::U8);
    case Kind::U16:
        return plane_row(p, y, n, even, odd, Kind::U16);
    case Kind::F32:
        return plane_row(p, y, n, even, odd, Kind::F32);
    }
}

/// Mean over five columns. The margins hold zeros; `share` is one over the number of columns
/// inside.
static void box_columns(const float *const from[2], const float *const share[2], int64_t n,
                        float *const to[2])
{
    const float *even = from[0], *odd = from[1];
    for (int64_t x = 0; x < n; x += LANES) {
        vf e = load(even + x), o = load(odd + x), middle = e + o, left = load(odd + x - 1),
           right = load(even + x + 1);
        store(to[0] + x, load(share[0] + x) * (middle + left + load(even + x - 1) + right));
        store(to[1] + x, load(share[1] + x) * (middle + left + right + load(odd + x + 1)));
    }
}

/// Mean of `count` rows; `of`, if there is one, less that mean.
static void mean_rows(const float *const *rows, int count, const float *of, int64_t n, float *out)
{
    const float share = 1.0f / static_cast<float>(count);
    for (int64_t x = 0; x < n; x += LANES) {
        vf sum = load(rows[0] + x);
        for (int i = 1; i < count; i++)
            sum += load(rows[i] + x);
        sum *= share;
        store(out + x, of ? load(of + x) - sum : sum);
    }
}

/// Mean square of cells, from four lines of fine luma.
static void square_cells(const float *const fine[4], int64_t n, float *out)
{
    for (int64_t x = 0; x < n; x += LANES) {
        vf sum = {};
        for (int i = 0; i < 4; i++) {
            vf v = load(fine[i] + x);
            sum += v * v;
        }
        store(out + x, 0.25f * sum);
    }
}

/// Mean square in values around cells -> codes squared, `count` rows of square_cells().
static void energy_row(const float *const *rows, int count, const float *share, int64_t n,
                       float *sum, float *out)
{
    const float one = 128.0f * 128.0f / static_cast<float>(count);
    for (int64_t x = 0; x < n; x += LANES) {
        vf total = load(rows[0] + x);
        for (int i = 1; i < count; i++)
            total += load(rows[i] + x);
        store(sum + x, one * total);
    }
    for (int64_t x = 0; x < n; x += LANES)
        store(out + x, load(share + x) * (load(sum + x - 1) + load(sum + x) + load(sum + x + 1)));
}

/// sqrt((wanted + 1) / (had + 1)), 1 to 2
static void gain_row(const float *wanted, const float *had, int64_t n, float *out)
{
    for (int64_t x = 0; x < n; x += LANES) {
        vf v = (load(wanted + x) + 1.0f) / (load(had + x) + 1.0f);
        v = lowest(highest(v, all(1.0f)), all(4.0f));
        for (int i = 0; i < LANES; i++)
            v[i] = __builtin_sqrtf(v[i]);
        store(out + x, v);
    }
}

static void range_row(const float *a, const float *b, const float *c, int64_t n, float *most,
                      float *least)
{
    for (int64_t x = 0; x < n; x += LANES) {
        vf p = load(a + x), q = load(b + x), r = load(c + x);
        store(most + x, highest(highest(p, q), r));
        store(least + x, lowest(lowest(p, q), r));
    }
}

/// A row of luma with its fine part strengthened, within the range of what is around.
static void restore_row(const RestoreRows &r, int64_t n)
{
    for (int64_t x = 0; x < n; x += LANES) {
        vf gain[3]; // of columns x - 1, x, x + 1
        for (int i = 0; i < 3; i++)
            gain[i] =
                0.75f * load(r.gain + x + i - 1) + 0.25f * load(r.far_gain + x + i - 1) - 1.0f;
        vf most[4], least[4]; // of luma columns 2 x - 1 .. 2 x + 2
        for (int i = 0; i < 4; i++) {
            const int p = (i + 1) % 2, shift = i == 0 ? -1 : i == 3 ? 1 : 0;
            most[i] = load(r.most[0][p] + x + shift), least[i] = load(r.least[0][p] + x + shift);
            for (int y = 1; y < 3; y++) {
                most[i] = highest(most[i], load(r.most[y][p] + x + shift));
                least[i] = lowest(least[i], load(r.least[y][p] + x + shift));
            }
        }
        for (int p = 0; p < 2; p++) {
            vf g = 0.75f * gain[1] + 0.25f * gain[2 * p];
            vf v = load(r.luma[p] + x) + r.strength * g * load(r.fine[p] + x);
            v = highest(v, lowest(lowest(least[p], least[p + 1]), least[p + 2]));
            v = lowest(v, highest(highest(most[p], most[p + 1]), most[p + 2]));
            store(r.out[p] + x, v);
        }
    }
}

static const DetailKernel kernel = {plane_row_any, box_columns, mean_rows, square_cells,
                                    energy_row,    gain_row,    range_row, restore_row};
