// The CUDA painter on a device made of loops: frames on the device, queues, order and memory.
// test_painters.cpp holds its frames to the network, test_cuda.cpp runs it on a CUDA device.
#include "support/catch.h"
#include "support/formats.h"

#include "loops.h"
#include "scene.h"

#include <memory>
#include <string>
#include <vector>

using namespace mardini;
using namespace scene;

TEST_CASE("frames on the device, interleaved or of another context, come out as those of the host")
{
    torch::NoGradGuard no_grad;
    for (int depth : {8, 10, 16}) {
        const MardiniFormat host = format(94, 67, MARDINI_COLOR_YUV, 0, depth, 1, 1);
        const Scene scene(host);
        Picture expected(scene.g);
        const auto of_host = loops_painter(scene.g);
        prepare(*of_host, scene);
        paint(*of_host, scene.job, expected);
        for (bool is_interleaved : {false, true}) {
            for (bool is_own_context : {true, false}) {
                MardiniFormat f = host;
                f.on_cuda = 1;
                f.interleaved = is_interleaved;
                f.shift = is_interleaved && depth > 8 ? 16 - depth : 0;
                const Scene there(f);
                Loops *loops = nullptr;
                const auto painter = loops_painter(there.g, is_own_context, &loops);
                prepare(*painter, there);
                Picture out(there.g);
                paint(*painter, there.job, out);
                INFO("depth " << depth << ", interleaved " << is_interleaved << ", own context "
                              << is_own_context);
                CHECK(difference(out, expected) == 0);
                CHECK(out.borders_are_untouched());
                // Two frames in, one out, plane by plane; none where kernels reach them.
                CHECK(loops->num_copies == (is_own_context ? 0 : 3 * (is_interleaved ? 2 : 3)));
                int low_bits = 0;
                out.each([&](int p, int64_t y, int64_t x) {
                    low_bits |= out.word(p, y, x) & ((1 << f.shift) - 1);
                });
                CHECK(low_bits == 0);
            }
        }
    }
}

TEST_CASE("more frames than fit under way leave the device in order, each complete")
{
    torch::NoGradGuard no_grad;
    Scene scene(formats[0]);
    const auto painter = loops_painter(scene.g);
    prepare(*painter, scene);
    const auto other = loops_painter(scene.g);
    prepare(*other, scene);
    constexpr int count = 7;
    std::vector<std::unique_ptr<Picture>> out, expected;
    std::vector<float> confidence(count), one_by_one;
    {
        const auto order = painter->order_streams();
        for (int i = 0; i < count; i++) {
            scene.set_time(static_cast<float>(i + 1) / 8);
            out.push_back(std::make_unique<Picture>(scene.g));
            // A caller that wants no confidence does not shift that of others.
            painter->paint(scene.job, out[i]->frame, i == 2 ? nullptr : &confidence[i]);
            expected.push_back(std::make_unique<Picture>(scene.g));
            one_by_one.push_back(paint(*other, scene.job, *expected[i]));
        }
        painter->finish();
    }
    for (int i = 0; i < count; i++) {
        CHECK(confidence[i] == Approx(i == 2 ? 0 : one_by_one[i]).epsilon(1e-4));
        CHECK(difference(*out[i], *expected[i]) == 0);
        if (i)
            CHECK(difference(*out[i], *out[i - 1]) > 8);
    }
}

TEST_CASE("frames that failed leave nothing to the next ones")
{
    torch::NoGradGuard no_grad;
    Scene scene(formats[0]);
    const auto painter = loops_painter(scene.g);
    prepare(*painter, scene);
    Picture expected(scene.g), out(scene.g);
    const float confidence = paint(*painter, scene.job, expected);
    const auto head = scene.job.head;
    {
        Picture lost(scene.g);
        float unwritten = -1;
        const auto order = painter->order_streams();
        painter->paint(scene.job, lost.frame, &unwritten);
        scene.job.head = [](const Tensor &) -> Tensor { throw std::runtime_error("lost"); };
        CHECK_THROWS_WITH(painter->paint(scene.job, lost.frame, &unwritten), "lost");
    }
    scene.job.head = head;
    CHECK(paint(*painter, scene.job, out) == confidence);
    CHECK(difference(out, expected) == 0);
}

TEST_CASE("a device short of memory paints the same in smaller bands and says so once")
{
    torch::NoGradGuard no_grad;
    for (const MardiniFormat &f : {formats[0], formats[5], formats[10]}) {
        MardiniFormat tall = f;
        tall.height = 300;
        Scene scene(tall);
        Picture whole(scene.g), banded(scene.g);
        const auto painter = loops_painter(scene.g);
        std::vector<std::string> warnings;
        painter->warn = [&](const std::string &line) { warnings.push_back(line); };
        prepare(*painter, scene);
        paint(*painter, scene.job, whole);
        CHECK(warnings.empty());

        const auto head = scene.job.head;
        int64_t room = 60;
        scene.job.head = [&](const Tensor &x) {
            if (x.size(2) > room)
                throw c10::OutOfMemoryError({__func__, __FILE__, __LINE__}, "full");
            return head(x);
        };
        paint(*painter, scene.job, banded);
        INFO(name_of(f));
        CHECK(painter->band_rows() == 40);
        CHECK(difference(banded, whole) <= 1); // a convolution's sums may be in another order
        paint(*painter, scene.job, banded);
        REQUIRE(warnings.size() == 1);
        CHECK(warnings[0].find("bands of 80 lines") != std::string::npos);
        room = 0;
        CHECK_THROWS_AS(paint(*painter, scene.job, banded), c10::OutOfMemoryError);
    }
}

TEST_CASE("the head's input is rounded to bfloat16 as LibTorch does")
{
    torch::NoGradGuard no_grad;
    Scene scene(formats[0]);
    Tensor wide, narrow;
    const auto head = scene.job.head;
    scene.job.head = [&](const Tensor &x) {
        (x.dtype() == torch::kFloat32 ? wide : narrow) = x.clone();
        return head(x.to(torch::kFloat32)).to(x.dtype());
    };
    const auto painter = loops_painter(scene.g);
    prepare(*painter, scene);
    Picture precise(scene.g), rough(scene.g);
    paint(*painter, scene.job, precise);
    scene.job.head_type = torch::kBFloat16;
    paint(*painter, scene.job, rough);
    CHECK(at::equal(narrow, wide.to(torch::kBFloat16)));
    CHECK(difference(rough, precise) <= 8); // 8 bits of mantissa on residuals of some tens of codes
}
