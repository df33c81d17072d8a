// Samples of planes over the vectors of vectors.h, which comes first. A kernel file includes this
// one, and is itself included once for each set of instructions.

/// Cubic weights of the four samples around a position, `t` beyond the second.
INLINE void cubic(vf t, vf w[4])
{
    const float a = cubic_a;
    vf s = 1.0f - t, t1 = t + 1.0f, s1 = s + 1.0f;
    w[0] = ((a * t1 - 5 * a) * t1 + 8 * a) * t1 - 4 * a;
    w[1] = ((a + 2) * t - (a + 3)) * t * t + 1.0f;
    w[2] = ((a + 2) * s - (a + 3)) * s * s + 1.0f;
    w[3] = ((a * s1 - 5 * a) * s1 + 8 * a) * s1 - 4 * a;
}

/// Where to sample a plane: the first of the 4x4 samples, and the weights.
struct Position {
    vi offset; ///< samples from the plane's first in the margin
    vf x[4], y[4];
};

INLINE Position locate(const Plane &p, vf x, vf y)
{
    Position at;
    // Beyond the margin all four samples are the border's; what is not a number goes there as well.
    x = lowest(highest(x, all(-2.0f)), all(static_cast<float>(p.width)));
    y = lowest(highest(y, all(-2.0f)), all(static_cast<float>(p.height)));
    x += 2.0f; // from the margin's second sample on: not negative, so that truncation is floor
    y += 2.0f;
    vi column = __builtin_convertvector(x, vi), row = __builtin_convertvector(y, vi);
    cubic(x - __builtin_convertvector(column, vf), at.x);
    cubic(y - __builtin_convertvector(row, vf), at.y);
    at.offset = row * static_cast<int32_t>(p.stride) + column;
    return at;
}

INLINE vf as_float(vi x)
{
    return __builtin_convertvector(x, vf);
}

INLINE vf sample(const Plane &p, const Position &at, Kind kind)
{
    vf sum = {};
    for (int r = 0; r < 4; r++) {
        const uint8_t *line = p.data.get();
        vf row;
        if (kind == Kind::U8) {
            line += r * p.stride;
            vu taps = (vu)GATHER(line, at.offset);
            row = at.x[FIRST(4, 0)] * as_float((vi)(taps & 255)) +
                  at.x[FIRST(4, 1)] * as_float((vi)(taps >> 8 & 255)) +
                  at.x[FIRST(4, 2)] * as_float((vi)(taps >> 16 & 255)) +
                  at.x[FIRST(4, 3)] * as_float((vi)(taps >> 24));
        } else if (kind == Kind::U16) {
            line += 2 * r * p.stride;
            vu left = (vu)GATHER(line, at.offset * 2), right = (vu)GATHER(line + 4, at.offset * 2);
            row = at.x[FIRST(2, 0)] * as_float((vi)(left & 65535)) +
                  at.x[FIRST(2, 1)] * as_float((vi)(left >> 16)) +
                  at.x[2 + FIRST(2, 0)] * as_float((vi)(right & 65535)) +
                  at.x[2 + FIRST(2, 1)] * as_float((vi)(right >> 16));
        } else {
            line += 4 * r * p.stride;
            row = vf{};
            for (int c = 0; c < 4; c++)
                row += at.x[c] * (vf)GATHER(line + 4 * c, at.offset * 4);
        }
        sum += at.y[r] * row;
    }
    return sum * p.scale + p.offset;
}

/// LANES samples from `p` on.
INLINE vf load_samples(const uint8_t *p, Kind kind)
{
    if (kind == Kind::U8) {
        v8 v;
        memcpy(&v, p, sizeof(v));
        return as_float(__builtin_convertvector(v, vi));
    }
    if (kind == Kind::U16) {
        v16 v;
        memcpy(&v, p, sizeof(v));
        return as_float(__builtin_convertvector(v, vi));
    }
    return load(reinterpret_cast<const float *>(p));
}

/// 2 * LANES samples from `p` on, those of even and of odd place.
INLINE void load_pairs(const uint8_t *p, Kind kind, vf *even, vf *odd)
{
    if (kind == Kind::U8) {
        v16 v;
        memcpy(&v, p, sizeof(v));
        vi wide = __builtin_convertvector(v, vi);
        vf low = as_float(wide & 255), high = as_float(wide >> 8);
        *even = FIRST(2, 0) ? high : low;
        *odd = FIRST(2, 0) ? low : high;
    } else if (kind == Kind::U16) {
        vu v;
        memcpy(&v, p, sizeof(v));
        vf low = as_float((vi)(v & 65535)), high = as_float((vi)(v >> 16));
        *even = FIRST(2, 0) ? high : low;
        *odd = FIRST(2, 0) ? low : high;
    } else {
        const float *f = reinterpret_cast<const float *>(p);
        for (int i = 0; i < LANES; i++) {
            (*even)[i] = f[2 * i];
            (*odd)[i] = f[2 * i + 1];
        }
    }
}

/// Values -> codes, rounded to the nearest and clamped.
INLINE vi codes(vf v, float middle)
{
    v = v * middle + middle;
    v = lowest(highest(v, vf{}), all(2 * middle - 1));
    return __builtin_convertvector((v + 8388608.0f) - 8388608.0f, vi); // 2^23: adding it rounds
}

INLINE void store_codes(uint8_t *p, vi v, bool wide)
{
    if (wide) {
        v16 narrow = __builtin_convertvector(v, v16);
        memcpy(p, &narrow, sizeof(narrow));
    } else {
        v8 narrow = __builtin_convertvector(v, v8);
        memcpy(p, &narrow, sizeof(narrow));
    }
}
