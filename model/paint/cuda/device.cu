// A CUDA device: CUDA's runtime, linked in, for copies and kernels; the driver, found when first
// used, for contexts that are not the runtime's own.
#include "paint/cuda/device.h"

#include "base/error.h"
#include "paint/cuda/kernels.h"

#include <cuda.h>
#include <dlfcn.h>

#include <cerrno>

namespace mardini {

namespace {

void check(cudaError_t result, const char *what)
{
    if (result == cudaSuccess)
        return;
    cudaGetLastError(); // else LibTorch would report it again
    throw Error(result == cudaErrorMemoryAllocation ? ENOMEM : EIO,
                text("CUDA failed to %s: %s.", what, cudaGetErrorString(result)));
}

void check(CUresult result, const char *what)
{
    if (result != CUDA_SUCCESS)
        throw Error(result == CUDA_ERROR_OUT_OF_MEMORY ? ENOMEM : EIO,
                    text("CUDA's driver failed to %s (error %d).", what, static_cast<int>(result)));
}

// cuda.h renames functions of which there is a second version.
#define SYMBOL_TEXT(name) #name
#define SYMBOL(name) SYMBOL_TEXT(name)
#define DRIVER_FUNCTION(name) decltype(&::name) name = find<decltype(&::name)>(SYMBOL(name))

/// The driver's functions that the runtime lacks.
struct Driver {
    template <class Function>
    static Function find(const char *name)
    {
        static void *library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
        void *function = library ? dlsym(library, name) : nullptr;
        if (!function)
            throw Error(ENODEV,
                        text("CUDA's driver (libcuda.so.1) is missing or has no %s.", name));
        return reinterpret_cast<Function>(function);
    }

    DRIVER_FUNCTION(cuCtxPushCurrent);
    DRIVER_FUNCTION(cuCtxPopCurrent);
    DRIVER_FUNCTION(cuCtxGetDevice);
    DRIVER_FUNCTION(cuDevicePrimaryCtxRetain);
    DRIVER_FUNCTION(cuDevicePrimaryCtxRelease);
    DRIVER_FUNCTION(cuEventCreate);
    DRIVER_FUNCTION(cuEventDestroy);
    DRIVER_FUNCTION(cuEventRecord);
    DRIVER_FUNCTION(cuStreamWaitEvent);
    DRIVER_FUNCTION(cuMemcpy3DPeerAsync);
};

const Driver &driver()
{
    static const Driver functions;
    return functions;
}

/// A context is this thread's current one for as long as it lives.
class Current {
public:
    explicit Current(CUcontext context)
    {
        check(driver().cuCtxPushCurrent(context), "enter a context");
    }
    ~Current()
    {
        CUcontext before;
        driver().cuCtxPopCurrent(&before);
    }
    Current(const Current &) = delete;
    Current &operator=(const Current &) = delete;
};

class CudaDevice : public Device {
public:
    CudaDevice(int index, void *stream) : index_(index), stream_(static_cast<CUstream>(stream)) {}

    /// Apart from the constructor, so that the destructor cleans up after a failure.
    void open(void *context)
    {
        check(cudaSetDevice(index_), "choose the device");
        int major = 0;
        check(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, index_),
              "ask for the device's version");
        multiplies_bf16_ = major >= 8;
        check(cudaStreamCreateWithFlags(&copies_, cudaStreamNonBlocking), "make a stream");
        check(cudaEventCreateWithFlags(&computed_, cudaEventDisableTiming), "make an event");
        for (cudaEvent_t &event : copied_)
            check(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "make an event");
        if (!context && !stream_)
            return; // the runtime's own context and the stream we queue on: nothing to order
        check(driver().cuDevicePrimaryCtxRetain(&primary_, index_),
              "find the device's primary context");
        caller_ = context ? static_cast<CUcontext>(context) : primary_;
        {
            Current current(caller_);
            check(driver().cuEventCreate(&callers_, CU_EVENT_DISABLE_TIMING), "make an event");
        }
        Current current(primary_);
        check(driver().cuEventCreate(&ours_, CU_EVENT_DISABLE_TIMING), "make an event");
    }

    ~CudaDevice() override
    {
        cudaSetDevice(index_);
        cudaDeviceSynchronize();
        for (cudaEvent_t event : copied_)
            if (event)
                cudaEventDestroy(event);
        if (computed_)
            cudaEventDestroy(computed_);
        if (copies_)
            cudaStreamDestroy(copies_);
        if (!primary_)
            return;
        if (callers_)
            driver().cuEventDestroy(callers_);
        if (ours_)
            driver().cuEventDestroy(ours_);
        driver().cuDevicePrimaryCtxRelease(index_);
    }

    bool multiplies_bf16() const override { return multiplies_bf16_; }

    void pack(const Packing &packing) override { check(pack_on_device(packing), "start a kernel"); }
    void difference(const CudaPaintJob &job, float *out) override
    {
        check(difference_on_device(job, out), "start a kernel");
    }
    void sample(const CudaPaintJob &job) override
    {
        check(sample_on_device(job), "start a kernel");
    }
    void finish(const CudaPaintJob &job) override
    {
        check(finish_on_device(job), "start a kernel");
    }
    void plane(const CudaPlaneJob &plane) override
    {
        check(plane_on_device(plane), "start a kernel");
    }

    void *allocate_pinned(size_t bytes) override
    {
        void *memory = nullptr;
        check(cudaMallocHost(&memory, bytes), "get pinned memory");
        return memory;
    }

    void free_pinned(void *memory) override { cudaFreeHost(memory); }

    void upload(int slot, void *to, const void *pinned, size_t bytes) override
    {
        check(cudaMemcpyAsync(to, pinned, bytes, cudaMemcpyHostToDevice, nullptr),
              "copy to the device");
        check(cudaEventRecord(copied_[slot], nullptr), "record an event");
    }

    void download(int slot, void *pinned, const void *from, size_t bytes) override
    {
        check(cudaEventRecord(computed_, nullptr), "record an event");
        check(cudaStreamWaitEvent(copies_, computed_, 0), "wait for an event");
        check(cudaMemcpyAsync(pinned, from, bytes, cudaMemcpyDeviceToHost, copies_),
              "copy from the device");
        check(cudaEventRecord(copied_[slot], copies_), "record an event");
    }

    void wait(int slot) override { check(cudaEventSynchronize(copied_[slot]), "finish its work"); }

    bool shares_memory() const override { return caller_ == primary_; }

    void copy_in(const Lines &to, const Lines &callers) override
    {
        copy(to, primary_, callers, caller_);
    }
    void copy_out(const Lines &callers, const Lines &from) override
    {
        copy(callers, caller_, from, primary_);
    }

    void begin() override
    {
        check(cudaSetDevice(index_), "choose the device");
        if (!needs_order())
            return;
        {
            Current current(caller_);
            check(driver().cuEventRecord(callers_, stream_), "record an event");
        }
        Current current(primary_);
        check(driver().cuStreamWaitEvent(nullptr, callers_, 0), "wait for an event");
    }

    void end() override
    {
        if (!needs_order())
            return;
        {
            Current current(primary_);
            check(driver().cuEventRecord(ours_, nullptr), "record an event");
        }
        Current current(caller_);
        check(driver().cuStreamWaitEvent(stream_, ours_, 0), "wait for an event");
    }

private:
    static void copy(const Lines &to, CUcontext to_context, const Lines &from,
                     CUcontext from_context)
    {
        CUDA_MEMCPY3D_PEER c = {}; // the only copy between contexts that knows lines
        c.srcMemoryType = c.dstMemoryType = CU_MEMORYTYPE_DEVICE;
        c.srcDevice = reinterpret_cast<CUdeviceptr>(from.data);
        c.srcContext = from_context;
        c.srcPitch = from.stride;
        c.srcHeight = c.dstHeight = c.Height = from.height;
        c.dstDevice = reinterpret_cast<CUdeviceptr>(to.data);
        c.dstContext = to_context;
        c.dstPitch = to.stride;
        c.WidthInBytes = from.width;
        c.Depth = 1;
        check(driver().cuMemcpy3DPeerAsync(&c, nullptr), "copy a frame between contexts");
    }

    /// Not where the caller queues on the stream that we do.
    bool needs_order() const { return primary_ && (caller_ != primary_ || stream_); }

    int index_;
    bool multiplies_bf16_ = false;
    CUcontext primary_ = nullptr,
              caller_ = nullptr;                 // both NULL: the caller has no context of its own
    CUstream stream_;                            // the caller's
    CUevent callers_ = nullptr, ours_ = nullptr; // at the end of the caller's work, of ours
    cudaStream_t copies_ = nullptr;              // of downloads
    cudaEvent_t computed_ = nullptr, copied_[num_slots] = {};
};

} // namespace

int device_of(void *context)
{
    Current current(static_cast<CUcontext>(context));
    CUdevice device;
    check(driver().cuCtxGetDevice(&device), "tell a context's device");
    return device;
}

std::unique_ptr<Device> open_device(int index, void *context, void *stream, std::string *why)
{
    cudaError_t result = cudaSetDevice(index);
    if (result == cudaSuccess)
        result = kernels_are_usable();
    if (result != cudaSuccess) {
        cudaGetLastError();
        *why = cudaGetErrorString(result);
        return nullptr;
    }
    auto device = std::make_unique<CudaDevice>(index, stream);
    device->open(context);
    return device;
}

} // namespace mardini
