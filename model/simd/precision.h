// bfloat16 products where the processor has them.
#pragma once

#include <c10/core/DeviceType.h>
#include <c10/core/ScalarType.h>

namespace mardini {

/// True if the processor multiplies bfloat16 (AVX512_BF16 or AMX) and LibTorch uses it.
bool cpu_multiplies_bf16();

/// Convolutions and products in bfloat16 on `device` within its life, if `on`; the state before is
/// restored.
class Autocast {
public:
    Autocast(c10::DeviceType device, bool on);
    ~Autocast();
    Autocast(const Autocast &) = delete;
    Autocast &operator=(const Autocast &) = delete;

private:
    c10::DeviceType device_;
    bool before_;
    c10::ScalarType dtype_before_;
};

} // namespace mardini
