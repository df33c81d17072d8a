// New frames a second on a CUDA device, and what the device itself allows; a table in Markdown. No
// test: scripts/check-cuda builds and runs it, as
//   bench_cuda MODEL...    each a checkpoint or the name of a preset, whose weights are then
//   random: speed is the same
#include "engine_abi.h"
#include "network/checkpoint.h"

#include <torch/cuda.h>
#include <torch/types.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

using namespace mardini;

namespace {

double seconds(const std::function<void()> &body)
{
    torch::cuda::synchronize();
    const auto start = std::chrono::steady_clock::now();
    body();
    torch::cuda::synchronize();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// Two reference frames and seven masked ones, 8 bits 4:2:0, planar; on the device or in host
/// memory.
struct Clip {
    Clip(int width, int height, bool on_cuda) : width(width), height(height)
    {
        const auto device = on_cuda ? torch::kCUDA : torch::kCPU;
        size = int64_t{width} * height * 3 / 2;
        // Smooth enough to be matched, and moving.
        torch::manual_seed(1);
        Tensor noise =
            resize(torch::rand({1, 1, height / 8, width / 8 + 4}), height * 3 / 2, width + 16);
        memory = torch::empty({9, size}, torch::TensorOptions(torch::kUInt8).device(device));
        for (int i = 0; i < 2; i++)
            memory[i].copy_(
                (noise[0][0].slice(1, 16 * i, 16 * i + width) * 255).to(torch::kUInt8).flatten());
    }
    MardiniFrame at(int i) const
    {
        MardiniFrame f{};
        uint8_t *base = memory.data_ptr<uint8_t>() + i * size;
        f.data[0] = base;
        f.data[1] = base + int64_t{width} * height;
        f.data[2] = f.data[1] + int64_t{width} * height / 4;
        f.stride[0] = width;
        f.stride[1] = f.stride[2] = width / 2;
        return f;
    }
    int width, height;
    int64_t size;
    Tensor memory;
};

/// Seconds a synthesized frame of 8x slow motion: a reference frame in, seven frames out, repeated.
/// Below 0: refused.
double measure(const std::string &model, int width, int height, bool on_cuda, int steps)
{
    const Clip clip(width, height, on_cuda);
    MardiniFormat format{};
    format.width = width;
    format.height = height;
    format.color = MARDINI_COLOR_YUV;
    format.depth = 8;
    format.log2_chroma_width = format.log2_chroma_height = 1;
    format.on_cuda = on_cuda;
    MardiniSettings settings{};
    settings.device = "cuda";
    settings.steps = steps;
    settings.log = [](void *, int level, const char *line) {
        if (level <= MARDINI_LOG_WARNING)
            std::fprintf(stderr, "%s\n", line);
    };
    const MardiniEngineFunctions *f = mardini_engine();
    MardiniEngine *engine = nullptr;
    if (f->open(&engine, &settings, model.c_str(), &format) < 0)
        return -1;
    int64_t next = 0;
    bool failed = false;
    auto add = [&] {
        const MardiniFrame frame = clip.at(static_cast<int>(next % 2));
        failed |= f->add_frame(engine, next, &frame) < 0;
        next++;
    };
    auto gap = [&] {
        add();
        MardiniFrame out[7];
        double masked[7];
        int64_t keys[7];
        for (int i = 0; i < 7; i++)
            out[i] = clip.at(2 + i), masked[i] = (i + 1) / 8.0, keys[i] = i;
        const int64_t ids[] = {next - 2, next - 1};
        const double times[] = {0, 1};
        float confidence[7];
        const MardiniWindow window = {2, ids, times, 7, masked, keys, out, confidence};
        failed |= f->make(engine, &window, 1) < 0;
        f->drop_frame(engine, next - 2);
    };
    add();
    for (int i = 0; i < 3; i++)
        gap(); // libraries are loaded, algorithms chosen
    const int num_gaps = 20;
    const double time = seconds([&] {
        for (int i = 0; i < num_gaps; i++)
            gap();
    });
    f->close(engine);
    return failed ? -1 : time / (7 * num_gaps);
}

std::string checkpoint(const std::string &model)
{
    if (model.find('/') != std::string::npos)
        return model;
    const char *folder = std::getenv("TMPDIR");
    const std::string path =
        std::string(folder ? folder : "/tmp") + "/bench-" + model + ".safetensors";
    torch::manual_seed(3);
    Network network(preset(model));
    save_network(path, network, torch::kFloat32);
    return path;
}

} // namespace

int main(int argc, char **argv)
{
    if (!torch::cuda::is_available()) {
        std::fprintf(stderr, "this LibTorch sees no CUDA device\n");
        return 1;
    }
    torch::NoGradGuard no_grad;
    const Tensor from = torch::ones({int64_t{1} << 28}, torch::kCUDA),
                 to = torch::empty_like(from); // 1 GiB
    auto copy = [&] {
        for (int i = 0; i < 20; i++)
            to.copy_(from);
    };
    copy();
    std::printf("device to device copy: %.0f GB/s, read and written\n",
                2 * 20 * 4.0 * from.numel() / seconds(copy) / 1e9);
    const auto half = torch::TensorOptions(torch::kCUDA).dtype(torch::kBFloat16);
    const Tensor a = torch::randn({8192, 8192}, half), b = torch::randn({8192, 8192}, half);
    auto multiply = [&] {
        for (int i = 0; i < 10; i++)
            torch::mm(a, b);
    };
    multiply();
    std::printf("bf16 product of 8192: %.0f TFLOP/s\n\n",
                10 * 2 * 8192.0 * 8192 * 8192 / seconds(multiply) / 1e12);

    std::printf("| network | size | frames | steps | ms a new frame | new frames a second "
                "|\n|---|---|---|---|---|---|\n");
    for (int i = 1; i < argc; i++) {
        const std::string path = checkpoint(argv[i]), name = path.substr(path.rfind('/') + 1);
        for (auto [w, h] : {std::pair(1280, 720), std::pair(1920, 1080), std::pair(3840, 2160)}) {
            for (bool on_cuda : {true, false}) {
                for (int steps : {0, 1}) {
                    const double time = measure(path, w, h, on_cuda, steps);
                    std::printf("| %s | %dx%d | %s | %d | ", name.c_str(), w, h,
                                on_cuda ? "on the device" : "in host memory", steps);
                    if (time < 0)
                        std::printf("refused | |\n");
                    else
                        std::printf("%.3f | %.0f |\n", 1e3 * time, 1 / time);
                    std::fflush(stdout);
                }
            }
        }
    }
    return 0;
}
