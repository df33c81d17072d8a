// pixel.h on a CUDA device: one thread a sample or a packed cell.
#include "paint/cuda/kernels.h"

namespace mardini {

namespace {

constexpr int block_width = 32, block_height = 8;

__device__ int32_t column()
{
    return static_cast<int32_t>(blockIdx.x * blockDim.x + threadIdx.x);
}

__device__ int32_t line()
{
    return static_cast<int32_t>(blockIdx.y * blockDim.y + threadIdx.y);
}

__global__ void pack_kernel(Packing p)
{
    if (column() < p.w && line() < p.h)
        pack_sample(p, static_cast<int32_t>(blockIdx.z), line(), column());
}

__global__ void difference_kernel(CudaPaintJob s, float *out)
{
    if (column() < s.w && line() < s.h)
        difference_cell(s, line(), column(), out);
}

__global__ void sample_kernel(CudaPaintJob s)
{
    if (column() < s.w && line() < s.rows)
        sample_cell(s, line(), column());
}

__global__ void finish_kernel(CudaPaintJob s)
{
    if (column() < s.w && line() < s.rows)
        finish_cell(s, line(), column());
}

__global__ void plane_kernel(CudaPlaneJob p)
{
    if (column() < p.out.width && p.begin + line() < p.end)
        plane_sample(p, p.begin + line(), column());
}

dim3 grid(int32_t height, int32_t width, int32_t depth = 1)
{
    return dim3((width + block_width - 1) / block_width, (height + block_height - 1) / block_height,
                depth);
}

const dim3 block(block_width, block_height);

} // namespace

cudaError_t pack_on_device(const Packing &p)
{
    pack_kernel<<<grid(p.h, p.w, 6), block>>>(p);
    return cudaGetLastError();
}

cudaError_t difference_on_device(const CudaPaintJob &s, float *out)
{
    difference_kernel<<<grid(s.h, s.w), block>>>(s, out);
    return cudaGetLastError();
}

cudaError_t sample_on_device(const CudaPaintJob &s)
{
    sample_kernel<<<grid(s.rows, s.w), block>>>(s);
    return cudaGetLastError();
}

cudaError_t finish_on_device(const CudaPaintJob &s)
{
    finish_kernel<<<grid(s.rows, s.w), block>>>(s);
    return cudaGetLastError();
}

cudaError_t plane_on_device(const CudaPlaneJob &p)
{
    if (p.end <= p.begin)
        return cudaSuccess;
    plane_kernel<<<grid(p.end - p.begin, p.out.width), block>>>(p);
    return cudaGetLastError();
}

cudaError_t kernels_are_usable()
{
    cudaFuncAttributes attributes;
    return cudaFuncGetAttributes(&attributes, reinterpret_cast<const void *>(finish_kernel));
}

} // namespace mardini
