// The kernels, queued on the default stream, which is LibTorch's too. Each returns the result of
// the launch.
#pragma once

#include "paint/cuda/pixel.h"

#include <cuda_runtime_api.h>

namespace mardini {

cudaError_t pack_on_device(const Packing &packing);
cudaError_t difference_on_device(const CudaPaintJob &job, float *out); ///< out (h,w)
cudaError_t sample_on_device(const CudaPaintJob &job);
cudaError_t finish_on_device(const CudaPaintJob &job);
cudaError_t plane_on_device(const CudaPlaneJob &plane);

/// Success if the current device can run them: the driver is new enough and there is code for its
/// architecture.
cudaError_t kernels_are_usable();

} // namespace mardini
