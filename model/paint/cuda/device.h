// A CUDA device as the painter (cuda.h) uses it beside LibTorch: kernels, copies, order with the
// caller's work. Needs neither LibTorch nor CUDA's headers. A test implements it by loops.
#pragma once

#include "paint/cuda/pixel.h"

#include <cstddef>
#include <memory>
#include <string>

namespace mardini {

/// A plane of any samples, in bytes.
struct Lines {
    uint8_t *data;
    size_t stride, width, height;
};

/// Everything is queued on the device's default stream, which is LibTorch's too, and returns at
/// once; only downloads run beside it. Errors are thrown.
class Device {
public:
    virtual ~Device() = default;

    virtual bool multiplies_bf16() const = 0;

    // One call of pixel.h for every sample or cell.
    virtual void pack(const Packing &packing) = 0;
    virtual void difference(const CudaPaintJob &job, float *out) = 0; ///< out (h,w)
    virtual void sample(const CudaPaintJob &job) = 0;
    virtual void finish(const CudaPaintJob &job) = 0;
    virtual void plane(const CudaPlaneJob &plane) = 0;

    /// Page-locked host memory.
    virtual void *allocate_pinned(size_t bytes) = 0;
    virtual void free_pinned(void *memory) = 0;

    static constexpr int num_slots = 8;
    /// Copy from pinned memory, before the work queued later.
    virtual void upload(int slot, void *to, const void *pinned, size_t bytes) = 0;
    /// Copy to pinned memory, after the work queued so far, beside the work queued later.
    virtual void download(int slot, void *pinned, const void *from, size_t bytes) = 0;
    /// Block until the slot's last copy is done.
    virtual void wait(int slot) = 0;

    /// Whether kernels can read and write the caller's frames where they are.
    virtual bool shares_memory() const = 0;
    /// If not: copies between the caller's frames and our memory, on the device.
    virtual void copy_in(const Lines &to, const Lines &callers) = 0;
    virtual void copy_out(const Lines &callers, const Lines &from) = 0;

    /// Before frames of the caller's are touched: our work waits for its stream.
    virtual void begin() = 0;
    /// After: its stream waits for our work.
    virtual void end() = 0;
};

/// Index of the device that a context of the caller's is on.
///   context  CUcontext, current on no thread or on this one
int device_of(void *context);

/// Open device `index`.
///   context  CUcontext of the caller's frames; NULL: the device's primary one, or frames on the
///            host
///   stream   CUstream of that context that orders them; NULL: its default stream
///   why      receives the reason if NULL is returned: our kernels cannot run on the device
std::unique_ptr<Device> open_device(int index, void *context, void *stream, std::string *why);

} // namespace mardini
