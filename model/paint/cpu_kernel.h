// The inner loops of cpu.cpp, written once over the vectors of vectors.h, which comes first.
// Included by it several times, each time in a namespace of its own with other instructions
// allowed.
//
// Everything runs over packed columns: a vector holds one of the four luma samples of LANES
// squares, or their chroma.

#include "simd/plane_kernel.h"

/// The packed square at (y, x ..): four luma samples, Cb, Cr.
INLINE void load_packed(const std::vector<Plane> &p, int64_t y, int64_t x, Kind kind, vf v[6])
{
    for (int dy = 0; dy < 2; dy++)
        load_pairs(p[0].at(2 * y + dy, 2 * x), kind, &v[2 * dy], &v[2 * dy + 1]);
    for (int c = 0; c < 2; c++)
        v[4 + c] = load_samples(p[1 + c].at(y, x), kind);
    for (int c = 0; c < 6; c++)
        v[c] = v[c] * p[0].scale + p[0].offset;
}

/// 2 * LANES codes, those of even and of odd place.
INLINE void store_pairs(uint8_t *p, vi even, vi odd, bool wide)
{
    vi low = FIRST(2, 0) ? odd : even, high = FIRST(2, 0) ? even : odd;
    if (wide) {
        vi both = low | high << 16;
        memcpy(p, &both, sizeof(both));
    } else {
        v16 both = __builtin_convertvector(low | high << 8, v16);
        memcpy(p, &both, sizeof(both));
    }
}

// ---- rows ----------------------------------------------------------------------

/// above + down * (below - above)
static void mix_rows(const float *above, const float *below, float down, int64_t w, float *out)
{
    for (int64_t x = 0; x < w; x += LANES)
        store(out + x, (1.0f - down) * load(above + x) + down * load(below + x));
}

static void resize_row(const float *row, const BilinearTable &steps, int64_t w, float *out)
{
    for (int64_t x = 0; x < w; x += LANES) {
        vi left, right;
        memcpy(&left, steps.left.data() + x, sizeof(left));
        memcpy(&right, steps.right.data() + x, sizeof(right));
        vf part = load(steps.part.data() + x);
        const uint8_t *from = reinterpret_cast<const uint8_t *>(row);
        store(out + x,
              (1.0f - part) * (vf)GATHER(from, left * 4) + part * (vf)GATHER(from, right * 4));
    }
}

INLINE void difference_row(const Band &b, int64_t y, float *out, Kind kind)
{
    for (int64_t x = 0; x < b.w; x += LANES) {
        vf a[6], c[6], most = {};
        load_packed(*b.packed[0], y, x, kind, a);
        load_packed(*b.packed[1], y, x, kind, c);
        for (int i = 0; i < 6; i++) {
            vf d = a[i] - c[i];
            most = highest(most, d < 0 ? -d : d);
        }
        store(out + x, change_mask_scale * most);
    }
}

/// The change mask: largest difference within four rows and columns, at most 1. The rows' margins
/// hold zeros; tmp has them too.
static void find_mask(const float *const rows[9], int64_t w, float *tmp, float *out)
{
    for (int64_t x = 0; x < w; x += LANES) {
        vf most = load(rows[0] + x);
        for (int i = 1; i < 9; i++)
            most = highest(most, load(rows[i] + x));
        store(tmp + x, most);
    }
    for (int64_t x = 0; x < w; x += LANES) {
        vf most = load(tmp + x);
        for (int i = -4; i <= 4; i++)
            most = highest(most, load(tmp + x + i));
        store(out + x, lowest(most, all(1.0f)));
    }
}

/// tmp[channel][lane] -> the head's input, channels innermost.
INLINE void put_input(const Band &b, int64_t row, int64_t x, const vf *channels)
{
    const int64_t C = b.input_channels, first = (row * b.w + x) * C;
    if (b.bf16) {
        uint32_t tmp[(max_input + 1) / 2 * LANES]; // two channels a word
        vu pair = {};
        for (int64_t c = 0; c < C; c++) {
            vu bits;
            memcpy(&bits, &channels[c], sizeof(bits));
            bits = (bits + 0x7fff + (bits >> 16 & 1)) >> 16; // to the nearest, ties to even
            pair = c % 2 ? pair | bits << 16 * FIRST(2, 1) : bits << 16 * FIRST(2, 0);
            memcpy(tmp + c / 2 * LANES, &pair, sizeof(pair));
        }
        uint16_t *to = static_cast<uint16_t *>(b.input) + first;
        for (int i = 0; i < LANES; i++, to += C) {
            for (int64_t c = 0; c + 1 < C; c += 2)
                memcpy(to + c, &tmp[c / 2 * LANES + i], 4);
            if (C % 2)
                memcpy(to + C - 1, &tmp[C / 2 * LANES + i], 2);
        }
    } else {
        float *to = static_cast<float *>(b.input) + first;
        const float *from = reinterpret_cast<const float *>(channels);
        for (int i = 0; i < LANES; i++)
            for (int64_t c = 0; c < C; c++)
                *to++ = from[c * LANES + i];
    }
}

INLINE void get_output(const Band &b, int64_t row, int64_t x, vf *channels)
{
    const int64_t first = (row * b.w + x) * num_head_outputs, bytes = b.bf16 ? 2 : 4;
    const uint8_t *from = static_cast<const uint8_t *>(b.output) + first * bytes;
    vi pixel;
    for (int i = 0; i < LANES; i++)
        pixel[i] = i * num_head_outputs * static_cast<int32_t>(bytes);
    if (!b.bf16) {
        for (int c = 0; c < num_head_outputs; c++)
            channels[c] = (vf)GATHER(from + 4 * c, pixel);
        return;
    }
    for (int c = 0; c < num_head_outputs; c += 2) {
        // A word holds two channels; the last one comes with the one before it, not to read past
        // the end.
        const int odd = c + 1 == num_head_outputs, begin = c - odd;
        vu word = (vu)GATHER(from + 2 * begin, pixel);
        vu bits[2] = {FIRST(2, 0) ? word & 0xffff0000 : word << 16,
                      FIRST(2, 0) ? word << 16 : word & 0xffff0000};
        memcpy(&channels[begin], bits, sizeof(bits));
    }
}

/// Sample both frames for packed row `row` of the band, keep samples and logits, write the head's
/// input.
INLINE void sample_row(const Band &b, int64_t row, Kind kind)
{
    const int64_t y = b.begin + row, pitch = b.pitch;
    const float W = static_cast<float>(2 * b.w), H = static_cast<float>(2 * b.h);
    const float *near = b.field(row), *hidden = b.hidden_row(row);
    float *samples = b.sample(row), *logits = b.logit(row);
    const std::vector<Plane> &pa = *b.packed[0], &pb = *b.packed[1];
    for (int64_t x = 0; x < b.w; x += LANES) {
        vf in[max_input], coarse[4] = {}, still_a[6], still_b[6];
        load_packed(pa, y, x, kind, still_a);
        load_packed(pb, y, x, kind, still_b);
        vf column = 2.0f * (lanes() + static_cast<float>(x));
        for (int dy = 0; dy < 2; dy++) {
            const float *far = b.field(row + (dy ? 1 : -1));
            vf left[8], middle[8], right[8];
            for (int k = 0; k < 8; k++) {
                const float *n = near + k * pitch + x, *f = far + k * pitch + x;
                left[k] = 0.75f * load(n - 1) + 0.25f * load(f - 1);
                middle[k] = 0.75f * load(n) + 0.25f * load(f);
                right[k] = 0.75f * load(n + 1) + 0.25f * load(f + 1);
            }
            for (int dx = 0; dx < 2; dx++) {
                const int s = 2 * dy + dx;
                vf f[8]; // displacement to a x y, to b x y, visibility
                for (int k = 0; k < 8; k++)
                    f[k] = 0.75f * middle[k] + 0.25f * (dx ? right[k] : left[k]);
                const float line = static_cast<float>(2 * y + dy);
                vf xa = column + f[0] + static_cast<float>(dx), ya = line + f[1];
                vf xb = column + f[2] + static_cast<float>(dx), yb = line + f[3];
                vf a = sample(pa[0], locate(pa[0], xa, ya), kind),
                   c = sample(pb[0], locate(pb[0], xb, yb), kind);
                vi out_a = (xa < -0.5f) | (xa > W - 0.5f) | (ya < -0.5f) | (ya > H - 0.5f);
                vi out_b = (xb < -0.5f) | (xb > W - 0.5f) | (yb < -0.5f) | (yb > H - 0.5f);
                vf l[4] = {f[4] + b.prior[0] - (out_a ? all(outside_penalty) : vf{}),
                           f[5] + b.prior[1] - (out_b ? all(outside_penalty) : vf{}),
                           f[6] + b.prior[0], f[7] + b.prior[1]};
                for (int k = 0; k < 4; k++) {
                    store(logits + (4 * k + s) * pitch + x, l[k]);
                    coarse[k] += 0.25f * l[k];
                }
                store(samples + s * pitch + x, a);
                store(samples + (4 + s) * pitch + x, c);
                softmax(l);
                in[s] = l[0] * a + l[1] * c + l[2] * still_a[s] + l[3] * still_b[s];
                in[head_difference + s] = a - c;
                vf d = still_a[s] - still_b[s];
                in[head_still + s] = d < 0 ? -d : d;
            }
        }
        softmax(coarse);
        vf half = lanes() + static_cast<float>(x);
        const float line = static_cast<float>(y);
        Position at_a =
            locate(pa[1], half + 0.5f * load(near + x), line + 0.5f * load(near + pitch + x));
        Position at_b = locate(pb[1], half + 0.5f * load(near + 2 * pitch + x),
                               line + 0.5f * load(near + 3 * pitch + x));
        for (int c = 0; c < 2; c++) {
            vf a = sample(pa[1 + c], at_a, kind), d = sample(pb[1 + c], at_b, kind);
            store(samples + (8 + c) * pitch + x, a);
            store(samples + (10 + c) * pitch + x, d);
            in[4 + c] = coarse[0] * a + coarse[1] * d + coarse[2] * still_a[4 + c] +
                        coarse[3] * still_b[4 + c];
            in[head_difference + 4 + c] = a - d;
        }
        for (int64_t c = head_hidden; c < b.input_channels; c++)
            in[c] = load(hidden + (c - head_hidden) * pitch + x);
        put_input(b, row, x, in);
    }
}

/// Apply the head's output to packed row `row`: add its logits, keep its change.
/// @return sum of the confidence over the row
static double apply_head(const Band &b, int64_t row)
{
    const float *uncertainty = b.field(row) + 8 * b.pitch, *mask = b.mask_row(row),
                *sampled = b.sampled_row(row);
    float *logits = b.logit(row), *change = b.change(row);
    vf sum = {};
    for (int64_t x = 0; x < b.w; x += LANES) {
        vf out[num_head_outputs];
        get_output(b, row, x, out);
        for (int c = 0; c < 6; c++) {
            vf d = b.gate * out[c];
            if (sampled)
                d += load(sampled + c * b.pitch + x);
            store(change + c * b.pitch + x, d);
        }
        for (int c = 0; c < 16; c++)
            store(logits + c * b.pitch + x, load(logits + c * b.pitch + x) + out[head_logits + c]);
        vf u = b.gate *
               softplus(load(uncertainty + x) + out[head_uncertainty] - uncertainty_shift) *
               load(mask + x);
        sum += 1.0f / (1.0f + confidence_scale * u);
    }
    double total = 0;
    for (int i = 0; i < LANES; i++)
        total += sum[i];
    return total;
}

/// A plane of floats, h x w, at real positions, bilinear, its border repeated.
INLINE vf bilinear(const float *plane, int64_t h, int64_t w, vf x, vf y)
{
    x = lowest(highest(x, vf{}), all(static_cast<float>(w - 1)));
    y = lowest(highest(y, vf{}), all(static_cast<float>(h - 1)));
    const vi column = __builtin_convertvector(lowest(x, all(static_cast<float>(w - 2))), vi),
             row = __builtin_convertvector(lowest(y, all(static_cast<float>(h - 2))), vi);
    const vf right = x - as_float(column), down = y - as_float(row);
    const vi at = (row * static_cast<int32_t>(w) + column) * 4;
    const uint8_t *from = reinterpret_cast<const uint8_t *>(plane);
    auto line = [&](const uint8_t *p) {
        const vf left = (vf)GATHER(p, at);
        return left + right * ((vf)GATHER(p + 4, at) - left);
    };
    const vf above = line(from);
    return above + down * (line(from + 4 * w) - above);
}

/// Luma sample `s` of LANES squares, its candidates weighed; a quarter of its logits goes to
/// coarse.
INLINE vf mix_luma(const float *samples, const float *logits, int s, int64_t pitch, vf still_a,
                   vf still_b, vf coarse[4])
{
    vf l[4];
    for (int k = 0; k < 4; k++) {
        l[k] = load(logits + (4 * k + s) * pitch);
        coarse[k] += 0.25f * l[k];
    }
    softmax(l);
    return l[0] * load(samples + s * pitch) + l[1] * load(samples + (4 + s) * pitch) +
           l[2] * still_a + l[3] * still_b;
}

/// Luma of packed row `row` with its change, and the fine energy of what it is composed of.
INLINE void compose_row(const Band &b, int64_t row, Kind kind)
{
    const int64_t y = b.begin + row, pitch = b.pitch;
    const float *samples = b.sample(row), *logits = b.logit(row), *change = b.change(row),
                *field = b.field(row);
    float *composed = b.composed_row(row), *wanted = b.wanted_row(row);
    for (int64_t x = 0; x < b.w; x += LANES) {
        vf still_a[6], still_b[6], coarse[4] = {};
        load_packed(*b.packed[0], y, x, kind, still_a);
        load_packed(*b.packed[1], y, x, kind, still_b);
        for (int s = 0; s < 4; s++)
            store(composed + s * pitch + x,
                  mix_luma(samples + x, logits + x, s, pitch, still_a[s], still_b[s], coarse) +
                      load(change + s * pitch + x));
        softmax(coarse);
        const vf column = lanes() + static_cast<float>(x);
        const float line = static_cast<float>(y);
        auto energy = [&](int frame) {
            const float *f = field + 2 * frame * pitch + x;
            return bilinear(b.energy[frame], b.h, b.w, column + 0.5f * load(f),
                            line + 0.5f * load(f + pitch));
        };
        store(wanted + x, coarse[0] * energy(0) + coarse[1] * energy(1) +
                              coarse[2] * load(b.energy[0] + y * b.w + x) +
                              coarse[3] * load(b.energy[1] + y * b.w + x));
    }
}

/// What restore_detail() made of packed row `row`, as a change of it.
static void add_detail(const Band &b, int64_t row)
{
    for (int c = 0; c < luma_channels; c++) {
        float *change = b.change(row) + c * b.pitch;
        const float *composed = b.composed_row(row) + c * b.pitch,
                    *restored = b.restored_row(row) + c * b.pitch;
        for (int64_t x = 0; x < b.w; x += LANES)
            store(change + x, load(change + x) + (load(restored + x) - load(composed + x)));
    }
}

/// Weigh the kept samples of packed row `row` and round: two lines of luma, one of each chroma.
INLINE void store_row(const Band &b, int64_t row, const Lines &lines, Kind kind)
{
    const int64_t y = b.begin + row, pitch = b.pitch;
    const bool wide = kind == Kind::U16;
    const float *samples = b.sample(row), *logits = b.logit(row), *change = b.change(row),
                *mask = b.mask_row(row);
    for (int64_t x = 0; x < b.w; x += LANES) {
        vf still_a[6], still_b[6], mixed[6], coarse[4] = {};
        load_packed(*b.packed[0], y, x, kind, still_a);
        load_packed(*b.packed[1], y, x, kind, still_b);
        for (int s = 0; s < 4; s++)
            mixed[s] = mix_luma(samples + x, logits + x, s, pitch, still_a[s], still_b[s], coarse);
        softmax(coarse);
        for (int c = 0; c < 2; c++)
            mixed[4 + c] = coarse[0] * load(samples + (8 + c) * pitch + x) +
                           coarse[1] * load(samples + (10 + c) * pitch + x) +
                           coarse[2] * still_a[4 + c] + coarse[3] * still_b[4 + c];
        vf share = load(mask + x);
        vi out[6];
        for (int c = 0; c < 6; c++) {
            // a + s (b - a): equal pixels stay equal whatever the rounding.
            vf blend = still_a[c] + b.fade * (still_b[c] - still_a[c]);
            out[c] =
                codes(blend + share * (mixed[c] + load(change + c * pitch + x) - blend), b.middle);
        }
        const int bytes = wide ? 2 : 1;
        store_pairs(lines.at[0] + 2 * x * bytes, out[0], out[1], wide);
        store_pairs(lines.at[1] + 2 * x * bytes, out[2], out[3], wide);
        store_codes(lines.at[2] + x * bytes, out[4], wide);
        store_codes(lines.at[3] + x * bytes, out[5], wide);
    }
}

/// One line of a plane that the packed frame does not hold, everything at the plane's own size.
INLINE void plane_row(const PlaneLine &p, uint8_t *out, Kind kind)
{
    const float line = static_cast<float>(p.y);
    for (int64_t x = 0; x < p.width; x += LANES) {
        vf column = lanes() + static_cast<float>(x), l[4];
        vf a = sample(
            *p.a, locate(*p.a, column + load(p.field[0] + x), line + load(p.field[1] + x)), kind);
        vf b = sample(
            *p.b, locate(*p.b, column + load(p.field[2] + x), line + load(p.field[3] + x)), kind);
        for (int k = 0; k < 4; k++)
            l[k] = load(p.field[4 + k] + x);
        softmax(l);
        vf still_a = load_samples(p.a->at(p.y, x), kind) * p.a->scale + p.a->offset;
        vf still_b = load_samples(p.b->at(p.y, x), kind) * p.b->scale + p.b->offset;
        vf mixed = l[0] * a + l[1] * b + l[2] * still_a + l[3] * still_b + load(p.field[8] + x);
        vf blend = still_a + p.fade * (still_b - still_a);
        const bool wide = kind == Kind::U16;
        store_codes(out + x * (wide ? 2 : 1),
                    codes(blend + load(p.field[9] + x) * (mixed - blend), p.middle), wide);
    }
}

// ---- the table -------------------------------------------------------------------

static void difference_any(const Band &b, int64_t y, float *out)
{
    switch (b.kind) {
    case Kind::U8:
        return difference_row(b, y, out, Kind::U8);
    case Kind::U16:
        return difference_row(b, y, out, Kind::U16);
    case Kind::F32:
        return difference_row(b, y, out, Kind::F32);
    }
}

static void compose_any(const Band &b, int64_t row)
{
    switch (b.kind) {
    case Kind::U8:
        return compose_row(b, row, Kind::U8);
    case Kind::U16:
        return compose_row(b, row, Kind::U16);
    case Kind::F32:
        return compose_row(b, row, Kind::F32);
    }
}

static void sample_any(const Band &b, int64_t row)
{
    switch (b.kind) {
    case Kind::U8:
        return sample_row(b, row, Kind::U8);
    case Kind::U16:
        return sample_row(b, row, Kind::U16);
    case Kind::F32:
        return sample_row(b, row, Kind::F32);
    }
}

static void store_any(const Band &b, int64_t row, const Lines &lines)
{
    if (b.kind == Kind::U16)
        store_row(b, row, lines, Kind::U16);
    else
        store_row(b, row, lines, Kind::U8);
}

static void plane_any(const PlaneLine &p, uint8_t *out)
{
    if (p.a->kind == Kind::U16)
        plane_row(p, out, Kind::U16);
    else
        plane_row(p, out, Kind::U8);
}

static const Kernel kernel = {mix_rows,   resize_row,  difference_any, find_mask, sample_any,
                              apply_head, compose_any, add_detail,     store_any, plane_any};
