// The file KERNELS, after vectors.h, once for each set of instructions: in namespaces plain, avx2 and avx512 of where this
// is included, inside a namespace of the caller's. choose() of processor.h then takes one.

namespace plain {
#define LANES 4
#define GATHER GATHER_PLAIN
#include "vectors.h"
#include KERNELS
#undef GATHER
#undef LANES
} // namespace plain

#ifdef X86_KERNELS
#pragma GCC push_options
#pragma GCC target("avx2,fma")
namespace avx2 {
#define LANES 8
#define GATHER GATHER_AVX2
#include "vectors.h"
#include KERNELS
#undef GATHER
#undef LANES
} // namespace avx2
#pragma GCC pop_options

#pragma GCC push_options
#pragma GCC target("avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,prefer-vector-width=512")
namespace avx512 {
#define LANES 16
#define GATHER GATHER_AVX512
#include "vectors.h"
#include KERNELS
#undef GATHER
#undef LANES
} // namespace avx512
#pragma GCC pop_options
#else
namespace avx2 = plain;
namespace avx512 = plain;
#endif
#undef KERNELS
