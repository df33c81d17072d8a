// Which of the processor's instructions our own loops use.
#include "simd/dispatch.h"

#include <ATen/Version.h>

#include <atomic>
#include <string>

namespace mardini {

static bool has(Instructions wanted)
{
    if (wanted == Instructions::Plain)
        return true;
#ifdef X86_KERNELS
    // What LibTorch was told to use counts too: ATEN_CPU_CAPABILITY=avx2 stands for an older
    // processor.
    const std::string torch = at::get_cpu_capability();
    if (wanted == Instructions::Avx512)
        return torch == "AVX512" && __builtin_cpu_supports("avx512f") &&
               __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
               __builtin_cpu_supports("avx512vl");
    return (torch == "AVX512" || torch == "AVX2") && __builtin_cpu_supports("avx2") &&
           __builtin_cpu_supports("fma");
#else
    return false;
#endif
}

static std::atomic<Instructions> &chosen()
{
    static std::atomic<Instructions> value = has(Instructions::Avx512) ? Instructions::Avx512
                                             : has(Instructions::Avx2) ? Instructions::Avx2
                                                                       : Instructions::Plain;
    return value;
}

Instructions instructions()
{
    return chosen();
}

bool use_instructions(Instructions instructions)
{
    if (!has(instructions))
        return false;
    chosen() = instructions;
    return true;
}

} // namespace mardini
