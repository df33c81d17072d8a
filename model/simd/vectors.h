// Vectors of LANES floats and what is computed on them. Included several times, each time in a
// namespace of its own with other instructions allowed; GATHER(base, offset) says how 32-bit words
// are fetched, offset in bytes. No templates and no lambdas: they would not follow the compiler's
// target pragma.

typedef float vf __attribute__((vector_size(4 * LANES)));
typedef int32_t vi __attribute__((vector_size(4 * LANES)));
typedef uint32_t vu __attribute__((vector_size(4 * LANES)));
typedef uint16_t v16 __attribute__((vector_size(2 * LANES)));
typedef uint8_t v8 __attribute__((vector_size(LANES)));

#ifndef INLINE
#define INLINE static inline __attribute__((always_inline, unused))
#endif

INLINE vf load(const float *p)
{
    vf v;
    memcpy(&v, p, sizeof(v));
    return v;
}

INLINE void store(float *p, vf v)
{
    memcpy(p, &v, sizeof(v));
}

INLINE vf all(float x)
{
    return x - vf{};
}

INLINE vf highest(vf a, vf b)
{
    return a > b ? a : b; // b where a is not a number
}

INLINE vf lowest(vf a, vf b)
{
    return a < b ? a : b;
}

INLINE vf lanes()
{
    vf v;
    for (int i = 0; i < LANES; i++)
        v[i] = static_cast<float>(i);
    return v;
}

/// e^x for x <= 0, relative error below 2e-7.
INLINE vf exponential(vf x)
{
    x = highest(x, all(-87.0f));
    const float magic = 12582912.0f; // 1.5 * 2^23: adding it rounds
    vf n = (x * 1.44269504f + magic) - magic;
    vf r = x - n * 0.693145752f - n * 1.42860677e-6f;
    vf p = r * 1.9875691500e-4f + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    vi bits;
    memcpy(&bits, &p, sizeof(bits));
    bits += __builtin_convertvector(n, vi) << 23;
    memcpy(&p, &bits, sizeof(p));
    return p;
}

/// log(1 + e^x)
INLINE vf softplus(vf x)
{
    vf t = exponential(-(x < 0 ? -x : x)); // 0 .. 1
    vf z = t / (t + 2.0f), q = z * z;
    vf log1p =
        2.0f * z *
        (1.0f + q * (1 / 3.0f + q * (1 / 5.0f + q * (1 / 7.0f + q * (1 / 9.0f + q / 11.0f)))));
    return highest(x, vf{}) + log1p;
}

/// Four logits -> four weights of sum 1.
INLINE void softmax(vf l[4])
{
    vf most = highest(highest(l[0], l[1]), highest(l[2], l[3]));
    for (int k = 0; k < 4; k++)
        l[k] = exponential(l[k] - most);
    vf one = 1.0f / (l[0] + l[1] + l[2] + l[3]);
    for (int k = 0; k < 4; k++)
        l[k] *= one;
}
