// The choice of the device, and of the painter for it.
#pragma once

#include "base/profile.h"
#include "frame/geometry.h"
#include "paint/painter.h"

#include <torch/types.h>

#include <memory>

namespace mardini {

using Say = std::function<void(int level, const std::string &line)>;

/// The device that tensors live on: `settings.device`, or for "auto" that of the frames, a CUDA
/// device, or the processor, in this order. Throws Error(ENODEV) for one that is not there.
torch::Device choose_device(const MardiniSettings &settings, const MardiniFormat &format);

/// The painter for `device`: our kernels on a CUDA device, or LibTorch's operations in their stead.
/// Throws Error(ENOSYS) if frames on a CUDA device cannot be read there.
std::unique_ptr<Painter> make_painter(const torch::Device &device, const MardiniSettings &settings,
                                      const Geometry &geometry, const PaintTraits &traits,
                                      Profile &profile, const Say &say);

} // namespace mardini
