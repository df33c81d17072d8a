// The kernels, queued on the default stream, which is LibTorch's too. Each returns what the launch
// said.
#pragma once

#include "paint/cuda/pixel.h"

#include <cuda_runtime_api.h>

namespace mardini {

cudaError_t pack_on_card(const Packing &packing);
cudaError_t difference_on_card(const CudaPaintJob &scene, float *out); ///< out (h,w)
cudaError_t sample_on_card(const CudaPaintJob &scene);
cudaError_t finish_on_card(const CudaPaintJob &scene);
cudaError_t plane_on_card(const CudaPlaneJob &plane);

/// Success if the current device can run them: the driver is new enough and there is code for its
/// architecture.
cudaError_t kernels_are_usable();

} // namespace mardini
