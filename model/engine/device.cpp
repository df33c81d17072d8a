// The choice of the device, and of the painter for it.
#include "engine/device.h"

#include "base/error.h"
#include "paint/cpu_painter.h"
#include "paint/cuda.h"
#include "paint/torch.h"

#include <torch/cuda.h>

#include <algorithm>

namespace mardini {

torch::Device choose_device(const MardiniSettings &settings, const MardiniFormat &format)
{
    const std::string name = settings.device ? settings.device : "auto";
    const bool has_cuda = torch::cuda::is_available(), automatic = name == "auto";
    if (format.on_cuda && !has_cuda)
        throw Error(ENODEV, "The frames are on a CUDA device, but this LibTorch sees none; bring "
                            "them to the host (hwdownload,format=nv12 before the filter).");
    if (name == "cpu" || (automatic && !has_cuda))
        return torch::kCPU;
    if (!automatic && name != "cuda" && name.rfind("cuda:", 0) != 0)
        throw Error(ENODEV,
                    "The device \"" + name + "\" is unknown: auto, cpu, cuda and cuda:N exist.");
    if (!has_cuda)
        throw Error(ENODEV, "The device \"" + name +
                                "\" was asked for, but this LibTorch sees no CUDA device; use "
                                "device=cpu or device=auto.");
    torch::Device device(automatic ? "cuda" : name);
    const int index =
        format.on_cuda && settings.cuda_context ? cuda_index_of(settings.cuda_context) : -1;
    if (!device.has_index())
        device.set_index(static_cast<c10::DeviceIndex>(std::max(index, 0)));
    if (index >= 0 && device.index() != index)
        throw Error(ENODEV, "The frames are on cuda:" + std::to_string(index) +
                                ", but device=" + name + " was asked for; they must be the same.");
    const auto count = static_cast<int>(torch::cuda::device_count());
    if (device.index() >= count)
        throw Error(ENODEV, "The device \"" + name + "\" was asked for, but there are " +
                                std::to_string(count) + " CUDA devices.");
    return device;
}

static std::unique_ptr<Painter> make_cuda_painter(const torch::Device &device,
                                                  const MardiniSettings &settings,
                                                  const Geometry &geometry,
                                                  const PaintTraits &traits, Profile &profile,
                                                  const Say &say)
{
    std::string why = "they do not align frames or restore detail yet";
    const bool can = !traits.aligns && !traits.restores_detail;
    if (auto painter = can ? open_cuda_painter(geometry, device, settings.cuda_context,
                                               settings.cuda_stream, &why)
                           : nullptr) {
        if (painter->copies_frames())
            say(MARDINI_LOG_VERBOSE,
                "The frames' CUDA context is not the device's primary one, so they are copied on "
                "the device; a device made with primary_ctx=1 spares that.");
        return painter;
    }
    if (geometry.format.on_cuda)
        throw Error(ENOSYS, "The frames are on a CUDA device, but the kernels that read them there "
                            "cannot be used: " +
                                why +
                                "; bring them to the host (hwdownload,format=nv12 before the "
                                "filter).");
    say(MARDINI_LOG_WARNING, "The CUDA kernels cannot be used: " + why + "; painting is slower.");
    return std::make_unique<TorchPainter>(geometry, device, profile);
}

std::unique_ptr<Painter> make_painter(const torch::Device &device, const MardiniSettings &settings,
                                      const Geometry &geometry, const PaintTraits &traits,
                                      Profile &profile, const Say &say)
{
    std::unique_ptr<Painter> painter =
        device.is_cuda() ? make_cuda_painter(device, settings, geometry, traits, profile, say)
                         : std::make_unique<CpuPainter>(geometry, traits, profile);
    painter->warn = [say](const std::string &line) { say(MARDINI_LOG_WARNING, line); };
    return painter;
}

} // namespace mardini
