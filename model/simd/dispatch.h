// Which of the processor's instructions our own loops use. A file with such loops has them included
// once for each set, by each_processor.h:
//
//     namespace plain { ... }             vectors of 4 floats in plain C++, on every processor
//     namespace avx2, namespace avx512    vectors of 8 and 16 floats, where X86_KERNELS is defined
#pragma once

#include <cstdint>
#include <cstring>

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define X86_KERNELS 1
#include <immintrin.h>
#define GATHER_AVX2(base, offset) _mm256_i32gather_epi32((const int *)(base), (__m256i)(offset), 1)
// The masked form: gcc 12 warns of the other's own header.
#define GATHER_AVX512(base, offset)                                                                \
    _mm512_mask_i32gather_epi32(_mm512_setzero_si512(), 0xffff, (__m512i)(offset),                 \
                                (const int *)(base), 1)
#endif

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define FIRST(n, i)                                                                                \
    ((n)-1 - (i)) ///< which part of a word holds the i-th of n samples in memory, lowest bits first
#else
#define FIRST(n, i) (i)
#endif

namespace mardini {

enum class Instructions { Plain, Avx2, Avx512 };

/// What is used now; at first the best that processor and LibTorch (ATEN_CPU_CAPABILITY) know.
Instructions instructions();

/// Use others, for the whole process: tests compare them.
/// @return false if the processor does not have them; nothing changes then
bool use_instructions(Instructions instructions);

/// The one of three tables of functions that is to be used. On other processors all three are the
/// plain one.
template <class Table>
const Table &choose(const Table &plain, const Table &avx2, const Table &avx512)
{
    switch (instructions()) {
    case Instructions::Avx512:
        return avx512;
    case Instructions::Avx2:
        return avx2;
    default:
        return plain;
    }
}

typedef int32_t Words __attribute__((vector_size(16)));

static inline __attribute__((always_inline)) Words fetch_words(const uint8_t *base, Words offset)
{
    Words words;
    for (int i = 0; i < 4; i++) {
        int32_t word;
        memcpy(&word, base + offset[i], 4);
        words[i] = word;
    }
    return words;
}
#define GATHER_PLAIN(base, offset) fetch_words(base, offset)

} // namespace mardini
