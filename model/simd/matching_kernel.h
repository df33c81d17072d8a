// The inner loops of search.cpp over the vectors of vectors.h, which comes first. Included by it
// several times, each time in a namespace of its own with other instructions allowed.

INLINE vf load_some(const float *p, int64_t count)
{
    if (count >= LANES)
        return load(p);
    vf v = {};
    for (int64_t i = 0; i < count; i++)
        v[i] = p[i];
    return v;
}

INLINE void store_some(float *p, vf v, int64_t count)
{
    if (count >= LANES)
        return store(p, v);
    for (int64_t i = 0; i < count; i++)
        p[i] = v[i];
}

/// Each pixel's channels to unit length: from (C,h,w) to rows `pitch` apart, planes `plane` apart.
static void normalize_row(const float *from, int64_t C, int64_t from_plane, int64_t w, float *to,
                          int64_t plane)
{
    for (int64_t x = 0; x < w; x += LANES) {
        vf sum = {};
        for (int64_t c = 0; c < C; c++) {
            vf v = load_some(from + c * from_plane + x, w - x);
            sum += v * v;
        }
        for (int i = 0; i < LANES; i++)
            sum[i] = __builtin_sqrtf(sum[i]);
        vf one = 1.0f / highest(sum, all(1e-6f));
        for (int64_t c = 0; c < C; c++)
            store_some(to + c * plane + x, one * load_some(from + c * from_plane + x, w - x),
                       w - x);
    }
}

/// One row of one row of shifts: out[j] of every shift j = 0 .. n-1, `out_plane` apart.
/// a: channels `a_plane` apart; b: the row at that vertical shift, channels `b_plane` apart, radius
/// columns earlier
static void correlate_row(const float *a, int64_t a_plane, const float *b, int64_t b_plane,
                          int64_t C, int64_t w, int n, float *out, int64_t out_plane)
{
    for (int64_t x = 0; x < w; x += LANES) {
        for (int j = 0; j < n; j += 4) { // four shifts at once stay in registers
            vf sum[4] = {};
            for (int64_t c = 0; c < C; c++) {
                vf v = load(a + c * a_plane + x);
                for (int k = 0; k < 4; k++)
                    sum[k] += v * load(b + c * b_plane + x + j + k);
            }
            for (int k = 0; k < 4 && j + k < n; k++)
                store_some(out + (j + k) * out_plane + x, sum[k], w - x);
        }
    }
}

static void bilinear_row(const float *from, int64_t C, int64_t H, int64_t W, const float *flow_x,
                         const float *flow_y, int64_t y, float *to)
{
    for (int64_t x = 0; x < W; x += LANES) {
        vf px = lanes() + static_cast<float>(x) + load_some(flow_x + x, W - x);
        vf py = static_cast<float>(y) + load_some(flow_y + x, W - x);
        px = lowest(highest(px, vf{}), all(static_cast<float>(W - 1)));
        py = lowest(highest(py, vf{}), all(static_cast<float>(H - 1)));
        vi column = __builtin_convertvector(px, vi), line = __builtin_convertvector(py, vi);
        vf fx = px - __builtin_convertvector(column, vf),
           fy = py - __builtin_convertvector(line, vf);
        const int32_t width = static_cast<int32_t>(W), last = width - 1,
                      bottom = static_cast<int32_t>(H - 1);
        vi right = (column < last) ? vi{} + 4 : vi{},
           below = (line < bottom) ? vi{} + 4 * width : vi{};
        vi first = 4 * (line * width + column);
        vf w11 = fx * fy, w10 = fy - w11, w01 = fx - w11, w00 = 1.0f - fx - w10;
        for (int64_t c = 0; c < C; c++) {
            const uint8_t *p = reinterpret_cast<const uint8_t *>(from + c * H * W);
            vf v = w00 * (vf)GATHER(p, first) + w01 * (vf)GATHER(p, first + right) +
                   w10 * (vf)GATHER(p, first + below) + w11 * (vf)GATHER(p, first + below + right);
            store_some(to + c * H * W + x, v, W - x);
        }
    }
}

// ---- all pairs -----------------------------------------------------------------------

/// LANES products from float32 or bfloat16.
INLINE vf load_products(const void *p, int64_t x, bool bf16)
{
    if (!bf16)
        return load(static_cast<const float *>(p) + x);
    v16 half;
    memcpy(&half, static_cast<const uint16_t *>(p) + x, sizeof(half));
    vu bits = __builtin_convertvector(half, vu) << 16;
    vf v;
    memcpy(&v, &bits, sizeof(v));
    return v;
}

/// To bfloat16, rounded to the nearest, ties to even.
INLINE v16 rounded(vf v)
{
    vu bits;
    memcpy(&bits, &v, sizeof(bits));
    return __builtin_convertvector((bits + 0x7fff + (bits >> 16 & 1)) >> 16, v16);
}

/// n products -> floats; up to a vector of products is read past their end
static void widen_row(const void *products, bool bf16, int64_t n, float *out)
{
    for (int64_t x = 0; x < n; x += LANES)
        store_some(out + x, load_products(products, x, bf16), n - x);
}

/// Rows of n floats -> their sum; all are read, and the sum is written, up to a vector past their
/// end
static void sum_rows(const float *const *rows, int64_t count, int64_t n, float *sum)
{
    for (int64_t x = 0; x < n; x += LANES) {
        vf v = load(rows[0] + x);
        for (int64_t i = 1; i < count; i++)
            v += load(rows[i] + x);
        store(sum + x, v);
    }
}

/// n sums * share / rows -> products
static void narrow_row(const float *sum, const float *share, float rows, int64_t n, bool bf16,
                       void *products)
{
    for (int64_t x = 0; x < n; x += LANES) {
        vf v = load_some(sum + x, n - x) * (load_some(share + x, n - x) / rows);
        if (!bf16) {
            store_some(static_cast<float *>(products) + x, v, n - x);
            continue;
        }
        const v16 top = rounded(v);
        memcpy(static_cast<uint16_t *>(products) + x, &top,
               (n - x < LANES ? n - x : LANES) * sizeof(uint16_t));
    }
}

/// Products less the distance's cost -> logits of one row; its largest and where that is.
static float logits_row(const void *products, bool bf16, const float *cost, int64_t n, float *out,
                        int32_t *where)
{
    vf most = all(-3e38f);
    vi at = {}, place = {};
    for (int i = 0; i < LANES; i++)
        place[i] = i;
    for (int64_t x = 0; x < n; x += LANES, place += LANES) {
        vf l = load_products(products, x, bf16) - load(cost + x);
        store(out + x, l);
        at = l > most ? place : at;
        most = highest(l, most);
    }
    float value = most[0];
    *where = at[0];
    for (int i = 1; i < LANES; i++) {
        if (most[i] > value || (most[i] == value && at[i] < *where)) {
            value = most[i];
            *where = at[i];
        }
    }
    return value;
}

/// Each column's largest so far and in which row it was.
static void best_of_columns(const float *logits, int32_t row, int64_t n, float *most,
                            int32_t *where)
{
    for (int64_t x = 0; x < n; x += LANES) {
        vf l = load(logits + x), m = load(most + x);
        vi at;
        memcpy(&at, where + x, sizeof(at));
        at = l > m ? vi{} + row : at;
        memcpy(where + x, &at, sizeof(at));
        store(most + x, highest(l, m));
    }
}

/// Sum of e^(l - most)
static float sum_row(const float *logits, float most, int64_t n)
{
    vf sum = {};
    for (int64_t x = 0; x < n; x += LANES)
        sum += exponential(load(logits + x) - most);
    float total = 0;
    for (int i = 0; i < LANES; i++)
        total += sum[i];
    return total;
}

/// sums += e^(l - most), by column
static void sum_columns(const float *logits, const float *most, int64_t n, float *sums)
{
    for (int64_t x = 0; x < n; x += LANES)
        store(sums + x, load(sums + x) + exponential(load(logits + x) - load(most + x)));
}

/// sums *= e^(before - after), by column
static void rescale_columns(const float *before, const float *after, int64_t n, float *sums)
{
    for (int64_t x = 0; x < n; x += LANES)
        store(sums + x, load(sums + x) * exponential(load(before + x) - load(after + x)));
}

/// Both directions' softmax multiplied, e^(2 l - row - column): its sum, and added to the columns'
/// sums.
static float agree_row(const void *products, bool bf16, const float *cost, float row,
                       const float *column, int64_t n, float *sums)
{
    vf sum = {};
    for (int64_t x = 0; x < n; x += LANES) {
        vf l = load_products(products, x, bf16) - load(cost + x);
        vf e = exponential(2.0f * l - row - load(column + x));
        sum += e;
        store(sums + x, load(sums + x) + e);
    }
    float total = 0;
    for (int i = 0; i < LANES; i++)
        total += sum[i];
    return total;
}

/// Mean of |a - b| over channels `plane` apart.
static void distance_row(const float *a, const float *b, int64_t C, int64_t plane, int64_t w,
                         float *out)
{
    for (int64_t x = 0; x < w; x += LANES) {
        vf sum = {};
        for (int64_t c = 0; c < C; c++) {
            vf d = load_some(a + c * plane + x, w - x) - load_some(b + c * plane + x, w - x);
            sum += d < 0 ? -d : d;
        }
        store_some(out + x, sum / static_cast<float>(C), w - x);
    }
}

/// Rows of C channels -> one row, channels innermost, rounded to the nearest if `bf16`.
static void interleave_row(const float *const *channels, int64_t C, int64_t w, bool bf16, void *out)
{
    constexpr int64_t block = 64; // channels whose vectors stay in the first cache
    uint16_t narrow[block * LANES];
    float wide[block * LANES];
    for (int64_t x = 0; x < w; x += LANES) {
        const int64_t count = w - x < LANES ? w - x : LANES;
        for (int64_t first = 0; first < C; first += block) {
            const int64_t n = C - first < block ? C - first : block;
            for (int64_t c = 0; c < n; c++) {
                vf v = load_some(channels[first + c] + x, count);
                if (bf16) {
                    const v16 top = rounded(v);
                    memcpy(narrow + c * LANES, &top, sizeof(top));
                } else {
                    store(wide + c * LANES, v);
                }
            }
            for (int64_t i = 0; i < count; i++) {
                const int64_t at = (x + i) * C + first;
                if (bf16)
                    for (int64_t c = 0; c < n; c++)
                        static_cast<uint16_t *>(out)[at + c] = narrow[c * LANES + i];
                else
                    for (int64_t c = 0; c < n; c++)
                        static_cast<float *>(out)[at + c] = wide[c * LANES + i];
            }
        }
    }
}

static const SearchKernel kernel = {normalize_row,   correlate_row,   bilinear_row, distance_row,
                                    interleave_row,  widen_row,       sum_rows,     narrow_row,
                                    logits_row,      best_of_columns, sum_row,      sum_columns,
                                    rescale_columns, agree_row};
