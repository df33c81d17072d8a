// A picture as PNG.
#pragma once

#include <torch/types.h>

#include <string>

namespace mardini::train {

/// Write 8-bit RGB, (h,w,3) uint8, without compression. False if the disk does not take it.
bool write_png(const std::string &path, const torch::Tensor &picture);

} // namespace mardini::train
