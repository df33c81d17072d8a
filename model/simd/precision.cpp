// bfloat16 products where the processor has them.
#include "simd/precision.h"

#include <ATen/Version.h>
#include <ATen/autocast_mode.h>

namespace mardini {

bool cpu_multiplies_bf16()
{
#if defined(__x86_64__)
    // What LibTorch was told to use counts too: ATEN_CPU_CAPABILITY=avx2 stands for an older
    // processor.
    return at::get_cpu_capability() == "AVX512" && __builtin_cpu_supports("avx512bf16");
#else
    return false;
#endif
}

Autocast::Autocast(c10::DeviceType device, bool on)
    : device_(device), before_(at::autocast::is_autocast_enabled(device)),
      dtype_before_(at::autocast::get_autocast_dtype(device))
{
    at::autocast::set_autocast_enabled(device, on);
    at::autocast::set_autocast_dtype(device, at::kBFloat16);
    at::autocast::increment_nesting();
}

Autocast::~Autocast()
{
    if (at::autocast::decrement_nesting() == 0)
        at::autocast::clear_cache(); // else stale casts of the weights would serve the next call
    at::autocast::set_autocast_dtype(device_, dtype_before_);
    at::autocast::set_autocast_enabled(device_, before_);
}

} // namespace mardini
