// The library on a CUDA device against itself on the processor. Without a device or nvcc's kernels
// the cases are skipped; test_cuda_host.cpp runs the same arithmetic on the processor.
#include "engine_abi.h"

#include "config.h"

#include <torch/cuda.h>
#include <torch/types.h>

#include "support/catch.h"
#include "support/files.h"
#include "support/formats.h"

#include <dlfcn.h>

#include <cstdlib>
#include <cstring>
#include <vector>

namespace {

using torch::Tensor;

const char *missing()
{
#if !MARDINI_HAVE_KERNELS
    return "built without nvcc";
#endif
    return torch::cuda::is_available() ? nullptr : "this LibTorch sees no CUDA device";
}

#define NEEDS_CUDA()                                                                               \
    do {                                                                                           \
        if (const char *why = missing())                                                           \
            SKIP_TEST(why);                                                                        \
    } while (0)

/// Frames of one layout in one piece of memory, on the host or a CUDA device.
struct Frames {
    Frames(const MardiniFormat &f, int count, const torch::Device &device = torch::kCPU) : format(f)
    {
        const int64_t bytes = f.depth > 8 ? 2 : 1;
        const int num_planes =
            f.interleaved ? 2 : (f.color == MARDINI_COLOR_GRAY ? 1 : 3) + f.alpha;
        int64_t size = 0;
        for (int p = 0; p < num_planes; p++) {
            const bool chroma = f.color == MARDINI_COLOR_YUV && (p == 1 || p == 2);
            const int64_t w = chroma ? -(-f.width >> f.log2_chroma_width) : f.width;
            heights.push_back(chroma ? -(-f.height >> f.log2_chroma_height) : f.height);
            widths.push_back(w * bytes * (f.interleaved && p == 1 ? 2 : 1));
            strides.push_back((widths[p] + 63) / 64 * 64);
            offsets.push_back(size);
            size += strides[p] * heights[p];
        }
        memory = torch::zeros({count, size}, torch::TensorOptions(torch::kUInt8).device(device));
    }

    MardiniFrame at(int i, uint8_t *base = nullptr) const
    {
        MardiniFrame frame{};
        for (size_t p = 0; p < widths.size(); p++) {
            frame.data[p] =
                (base ? base : memory.data_ptr<uint8_t>()) + i * memory.size(1) + offsets[p];
            frame.stride[p] = strides[p];
        }
        return frame;
    }

    /// A smooth texture that moves by `step` pixels a frame.
    void draw(double step)
    {
        for (int64_t i = 0; i < memory.size(0); i++)
            for (size_t p = 0; p < widths.size(); p++)
                for (int64_t y = 0; y < heights[p]; y++)
                    draw_line(i, p, y, step * i * widths[p] / widths[0]);
    }

    MardiniFormat format;
    std::vector<int64_t> heights, widths, strides, offsets;
    Tensor memory;

private:
    void draw_line(int64_t i, size_t p, int64_t y, double shift)
    {
        uint8_t *line =
            memory.data_ptr<uint8_t>() + i * memory.size(1) + offsets[p] + y * strides[p];
        const bool wide = format.depth > 8;
        const int step = format.interleaved && p == 1 ? 2 : 1;
        for (int64_t x = 0; x < widths[p] / (wide ? 2 : 1); x++) {
            const double at = x / step - shift;
            const double v = 0.5 + 0.2 * std::sin(at * 0.21 + y * 0.08 + p + x % step) +
                             0.2 * std::sin(at * 0.05 - y * 0.17);
            const int code = static_cast<int>(v * ((1 << format.depth) - 1));
            if (wide)
                reinterpret_cast<uint16_t *>(line)[x] = static_cast<uint16_t>(code << format.shift);
            else
                line[x] = static_cast<uint8_t>(code);
        }
    }
};

/// Largest difference in codes. Both on the host, of one layout.
int difference(const Frames &a, const Frames &b)
{
    if (a.format.depth <= 8)
        return (a.memory.to(torch::kInt32) - b.memory.to(torch::kInt32)).abs().max().item<int>();
    auto words = [](const Frames &f) {
        return f.memory.view(torch::kInt16).to(torch::kInt32).bitwise_and(0xffff);
    };
    return (words(a) - words(b)).abs().max().item<int>() >> a.format.shift;
}

constexpr int num_masked = 5;

struct Result {
    Frames out;
    std::vector<float> confidence;
    std::string said;
};

/// Five frames between two reference frames.
Result make(const char *device, const Frames &given, int precision = MARDINI_PRECISION_FP32,
            void *context = nullptr, void *stream = nullptr, const MardiniFrame *frames = nullptr,
            const MardiniFrame *synthesized = nullptr)
{
    Result r{Frames(given.format, num_masked, given.memory.device()),
             std::vector<float>(num_masked), ""};
    MardiniSettings s{};
    s.device = device;
    s.precision = precision;
    s.cuda_context = context;
    s.cuda_stream = stream;
    s.log = [](void *opaque, int level, const char *line) {
        if (level <= MARDINI_LOG_WARNING)
            static_cast<Result *>(opaque)->said += std::string(line) + "\n";
    };
    s.log_opaque = &r;
    const MardiniEngineFunctions *f = mardini_engine();
    MardiniEngine *engine = nullptr;
    INFO(device);
    const int opened = f->open(
        &engine, &s, files::source_file("model/weights/nano.safetensors").c_str(), &given.format);
    INFO(r.said);
    REQUIRE(opened == 0);
    MardiniFrame out[num_masked];
    for (int64_t i = 0; i < 2; i++) {
        const MardiniFrame frame = frames ? frames[i] : given.at(static_cast<int>(i));
        CHECK(f->add_frame(engine, i, &frame) == 0);
    }
    for (int i = 0; i < num_masked; i++)
        out[i] = synthesized ? synthesized[i] : r.out.at(i);
    const int64_t ids[] = {0, 1}, keys[num_masked] = {0, 1, 2, 3, 4};
    const double times[] = {0, 1}, masked[num_masked] = {0.125, 0.25, 0.5, 0.625, 0.9};
    const MardiniWindow window = {2,      ids,  times, num_masked,
                                  masked, keys, out,   r.confidence.data()};
    CHECK(f->make(engine, &window, 1) == 0);
    f->close(engine);
    CHECK(r.said == "");
    return r;
}

/// The driver's functions that make another context, found as a caller of the library has them.
struct Driver {
    void *library = dlopen("libcuda.so.1", RTLD_NOW);
    template <class Function>
    Function find(const char *name) const
    {
        return reinterpret_cast<Function>(dlsym(library, name));
    }
    using Handle = void *;
    int (*retain)(Handle *, int) = find<int (*)(Handle *, int)>("cuDevicePrimaryCtxRetain");
    int (*create)(Handle *, unsigned,
                  int) = find<int (*)(Handle *, unsigned, int)>("cuCtxCreate_v2");
    int (*destroy)(Handle) = find<int (*)(Handle)>("cuCtxDestroy_v2");
    int (*push)(Handle) = find<int (*)(Handle)>("cuCtxPushCurrent_v2");
    int (*pop)(Handle *) = find<int (*)(Handle *)>("cuCtxPopCurrent_v2");
    int (*allocate)(uintptr_t *, size_t) = find<int (*)(uintptr_t *, size_t)>("cuMemAlloc_v2");
    int (*up)(uintptr_t, const void *, size_t, Handle) =
        find<int (*)(uintptr_t, const void *, size_t, Handle)>("cuMemcpyHtoDAsync_v2");
    int (*down)(void *, uintptr_t, size_t,
                Handle) = find<int (*)(void *, uintptr_t, size_t, Handle)>("cuMemcpyDtoHAsync_v2");
    int (*fill)(uintptr_t, unsigned char, size_t, Handle) =
        find<int (*)(uintptr_t, unsigned char, size_t, Handle)>("cuMemsetD8Async");
    int (*stream)(Handle *, unsigned) = find<int (*)(Handle *, unsigned)>("cuStreamCreate");
    int (*synchronize)(Handle) = find<int (*)(Handle)>("cuStreamSynchronize");
};

MardiniFormat on_cuda(MardiniFormat f, bool is_interleaved)
{
    f.on_cuda = 1;
    f.interleaved = is_interleaved;
    f.shift = is_interleaved && f.depth > 8 ? 16 - f.depth : 0;
    return f;
}

} // namespace

TEST_CASE("a CUDA device makes the processor's frames, in every format", "[cuda]")
{
    NEEDS_CUDA();
    for (const MardiniFormat &f : {format(190, 131, MARDINI_COLOR_YUV, 0, 8, 1, 1),
                                   format(96, 64, MARDINI_COLOR_YUV, 1, 10, 1, 1),
                                   format(97, 65, MARDINI_COLOR_GRAY, 0, 8, 0, 0),
                                   format(96, 70, MARDINI_COLOR_YUV, 0, 8, 1, 0),
                                   format(130, 66, MARDINI_COLOR_YUV, 0, 8, 2, 2),
                                   format(96, 64, MARDINI_COLOR_GBR, 1, 8, 0, 0),
                                   format(640, 432, MARDINI_COLOR_YUV, 0, 16, 1, 1)}) {
        Frames given(f, 2);
        given.draw(6);
        const Result cpu = make("cpu", given), cuda = make("cuda", given);
        INFO(f.width << "x" << f.height << ", color " << f.color << ", depth " << f.depth);
        // Sums in another order: displacements differ by some hundredths of a pixel.
        CHECK(difference(cuda.out, cpu.out) <= std::max(2, (2 << f.depth) / 256));
        for (int i = 0; i < num_masked; i++)
            CHECK(cuda.confidence[i] == Approx(cpu.confidence[i]).margin(0.01));
    }
}

TEST_CASE("a CUDA device makes the same frames again, in bfloat16 about those of float32", "[cuda]")
{
    NEEDS_CUDA();
    Frames given(format(320, 240, MARDINI_COLOR_YUV, 0, 8, 1, 1), 2);
    given.draw(9);
    const Result first = make("cuda", given), again = make("cuda", given);
    const Result rough = make("cuda", given, MARDINI_PRECISION_BF16);
    CHECK(difference(first.out, again.out) == 0);
    const double error =
        (rough.out.memory.to(torch::kFloat32) - first.out.memory.to(torch::kFloat32))
            .abs()
            .mean()
            .item<double>();
    CHECK(error < 1);
}

TEST_CASE("frames that stay on the device come out as those of the host", "[cuda]")
{
    NEEDS_CUDA();
    for (int depth : {8, 10}) {
        for (bool is_interleaved : {false, true}) {
            const MardiniFormat f =
                on_cuda(format(322, 242, MARDINI_COLOR_YUV, 0, depth, 1, 1), is_interleaved);
            Frames drawn(f, 2), given(f, 2, torch::kCUDA);
            drawn.draw(5);
            given.memory.copy_(drawn.memory);
            Result there = make("auto", given);
            torch::cuda::synchronize();
            there.out.memory = there.out.memory.cpu();

            Frames planar(format(322, 242, MARDINI_COLOR_YUV, 0, depth, 1, 1), 2);
            planar.draw(5);
            const Result host = make("cuda", planar);
            INFO("depth " << depth << ", interleaved " << is_interleaved);
            CHECK(there.confidence[2] ==
                  Approx(host.confidence[2]).margin(is_interleaved ? 1e-3 : 1e-6));
            if (!is_interleaved)
                CHECK(difference(there.out, host.out) == 0);
        }
    }
}

TEST_CASE("frames of another context and of streams that lag are waited for", "[cuda]")
{
    NEEDS_CUDA();
    const Driver driver;
    REQUIRE(driver.library);
    const MardiniFormat f = on_cuda(format(640, 360, MARDINI_COLOR_YUV, 0, 8, 1, 1), true);
    Frames drawn(f, 2), staged(f, num_masked), expected_in(f, 2, torch::kCUDA);
    drawn.draw(5);
    expected_in.memory.copy_(drawn.memory);
    Result expected = make("cuda", expected_in);
    torch::cuda::synchronize();
    expected.out.memory = expected.out.memory.cpu();

    Driver::Handle primary = nullptr, other = nullptr, popped = nullptr;
    REQUIRE(driver.retain(&primary, 0) == 0);
    REQUIRE(driver.create(&other, 0, 0) == 0);
    REQUIRE(driver.pop(&popped) == 0);
    for (Driver::Handle context : {primary, other}) {
        for (bool has_stream : {false, true}) {
            Driver::Handle stream = nullptr;
            uintptr_t in = 0, out = 0, big = 0;
            const size_t in_bytes = drawn.memory.numel(), out_bytes = staged.memory.numel(),
                         big_bytes = size_t{1} << 30;
            REQUIRE(driver.push(context) == 0);
            if (has_stream)
                REQUIRE(driver.stream(&stream, /*non-blocking*/ 1) == 0);
            REQUIRE(driver.allocate(&in, in_bytes) == 0);
            REQUIRE(driver.allocate(&out, out_bytes) == 0);
            REQUIRE(driver.allocate(&big, big_bytes) == 0);
            for (int i = 0; i < 50;
                 i++) // some tens of milliseconds of work before the frames are there
                driver.fill(big, 1, big_bytes, stream);
            REQUIRE(driver.up(in, drawn.memory.data_ptr(), in_bytes, stream) == 0);
            REQUIRE(driver.pop(&popped) == 0);

            MardiniFrame given[2], synthesized[num_masked];
            for (int i = 0; i < 2; i++)
                given[i] = drawn.at(i, reinterpret_cast<uint8_t *>(in));
            for (int i = 0; i < num_masked; i++)
                synthesized[i] = staged.at(i, reinterpret_cast<uint8_t *>(out));
            const Result r =
                make("cuda", drawn, MARDINI_PRECISION_FP32, context, stream, given, synthesized);
            REQUIRE(driver.push(context) == 0);
            REQUIRE(driver.down(staged.memory.data_ptr(), out, out_bytes, stream) == 0);
            REQUIRE(driver.synchronize(stream) == 0);
            REQUIRE(driver.pop(&popped) == 0);
            INFO("primary context " << (context == primary) << ", own stream " << has_stream);
            int most = 0; // the bytes between lines are nobody's
            for (int i = 0; i < num_masked; i++)
                for (size_t p = 0; p < staged.widths.size(); p++)
                    for (int64_t y = 0; y < staged.heights[p]; y++)
                        for (int64_t x = 0; x < staged.widths[p]; x++)
                            most = std::max(
                                most,
                                std::abs(staged.at(i).data[p][y * staged.strides[p] + x] -
                                         expected.out.at(i).data[p][y * staged.strides[p] + x]));
            CHECK(most == 0);
        }
    }
    CHECK(driver.destroy(other) == 0);
}

TEST_CASE("two contexts share a device, and a device that is not there is refused", "[cuda]")
{
    NEEDS_CUDA();
    Frames given(format(128, 96, MARDINI_COLOR_YUV, 0, 8, 1, 1), 2);
    given.draw(4);
    const Result single = make("cuda", given);
    const MardiniEngineFunctions *f = mardini_engine();
    MardiniSettings s{};
    s.device = "cuda:0";
    s.precision = MARDINI_PRECISION_FP32;
    MardiniEngine *other = nullptr;
    REQUIRE(f->open(&other, &s, files::source_file("model/weights/nano.safetensors").c_str(),
                    &given.format) == 0);
    const MardiniFrame frame = given.at(0);
    CHECK(f->add_frame(other, 7, &frame) == 0);
    CHECK(difference(make("cuda", given).out, single.out) == 0);
    f->close(other);

    s.device = "cuda:63";
    CHECK(f->open(&other, &s, files::source_file("model/weights/nano.safetensors").c_str(),
                  &given.format) == MARDINI_ERR(ENODEV));
    CHECK(other == nullptr);
}
