// Metrics against small cases that are computed another way: planes, ranks, block matching, sampled
// motion.
#include "eval/block_matching.h"
#include "eval/frame_metrics.h"
#include "eval/motion_metrics.h"
#include "eval/rank_correlation.h"

#include "support/catch.h"

#include <cmath>
#include <functional>
#include <limits>

using namespace mardini;
using namespace mardini::eval;

namespace {

const double INFINITE = std::numeric_limits<double>::infinity();

/// A plane that owns its samples.
struct Patch {
    std::vector<uint8_t> data;
    int width, height;

    Patch(int w, int h, const std::function<int(int, int)> &code) : width(w), height(h)
    {
        for (int y = 0; y < h; y++)
            for (int x = 0; x < w; x++)
                data.push_back(static_cast<uint8_t>(code(x, y)));
    }
    PlaneView plane() const { return {data.data(), width, width, height}; }
};

int noise(int x, int y, int seed)
{
    return static_cast<int>((x * 2654435761u ^ y * 40503u ^ seed * 97u) * 2246822519u >> 24);
}

/// As the definition says, a sum over the whole window at each place.
double slow_ssim(const Patch &a, const Patch &b)
{
    double total = 0, norm = 0;
    for (int j = -5; j <= 5; j++)
        for (int i = -5; i <= 5; i++)
            norm += std::exp(-(i * i + j * j) / 4.5);
    int places = 0;
    for (int y = 5; y + 5 < a.height; y++)
        for (int x = 5; x + 5 < a.width; x++, places++) {
            auto mean = [&](const std::function<double(double, double)> &f) {
                double sum = 0;
                for (int j = -5; j <= 5; j++)
                    for (int i = -5; i <= 5; i++) {
                        const size_t at = static_cast<size_t>((y + j) * a.width + x + i);
                        sum += std::exp(-(i * i + j * j) / 4.5) / norm * f(a.data[at], b.data[at]);
                    }
                return sum;
            };
            const double ma = mean([](double p, double) { return p; }),
                         mb = mean([](double, double q) { return q; });
            const double vaa = mean([&](double p, double) { return (p - ma) * (p - ma); });
            const double vbb = mean([&](double, double q) { return (q - mb) * (q - mb); });
            const double vab = mean([&](double p, double q) { return (p - ma) * (q - mb); });
            total += (2 * ma * mb + 6.5025) * (2 * vab + 58.5225) /
                     ((ma * ma + mb * mb + 6.5025) * (vaa + vbb + 58.5225));
        }
    return total / places;
}

/// A smooth texture, shifted.
Frame texture(double dx, double dy)
{
    Frame frame(av_frame_alloc(), [](AVFrame *f) { av_frame_free(&f); });
    frame->width = 96;
    frame->height = 64;
    frame->format = AV_PIX_FMT_YUV420P;
    REQUIRE(av_frame_get_buffer(frame.get(), 0) == 0);
    for (int y = 0; y < 64; y++) {
        for (int x = 0; x < 96; x++) {
            const double u = x - dx, v = y - dy;
            frame->data[0][y * frame->linesize[0] + x] = static_cast<uint8_t>(
                128 + 40 * std::sin(u * .31 + .2 * v) +
                30 * std::cos(v * .23 - .07 * u * std::sin(v * .05)) + 20 * std::sin(u * v * .011));
        }
    }
    return frame;
}

} // namespace

TEST_CASE("PSNR of a known difference")
{
    const Patch a(20, 16, [](int x, int) { return 100 + x; }),
        b(20, 16, [](int x, int) { return 105 + x; });
    CHECK(mean_squared_error(a.plane(), b.plane()) == 25);
    CHECK(psnr(25) == Approx(34.1514035));
    CHECK(psnr(0) == INFINITE);
}

TEST_CASE("a stride is no part of the picture")
{
    const Patch wide(32, 16, [](int x, int y) { return x < 16 ? noise(x, y, 1) : 0; });
    const Patch tight(16, 16, [](int x, int y) { return noise(x, y, 1); });
    const PlaneView inside{wide.data.data(), 32, 16, 16};
    CHECK(mean_squared_error(inside, tight.plane()) == 0);
    CHECK(ssim(inside, tight.plane()) == Approx(1));
    CHECK(gradient(inside) == gradient(tight.plane()));
}

TEST_CASE("SSIM equals its definition")
{
    const Patch a(23, 14, [](int x, int y) { return noise(x, y, 1); });
    const Patch b(23, 14, [](int x, int y) { return (noise(x, y, 1) * 3 + noise(x, y, 2)) / 4; });
    CHECK(ssim(a.plane(), b.plane()) == Approx(slow_ssim(a, b)).epsilon(1e-9));
    CHECK(ssim(a.plane(), a.plane()) == Approx(1));
    // flat pictures: only the means differ
    const Patch dark(12, 12, [](int, int) { return 50; }),
        light(12, 12, [](int, int) { return 60; });
    CHECK(ssim(dark.plane(), light.plane()) ==
          Approx((2 * 50 * 60 + 6.5025) / (2500 + 3600 + 6.5025)));
}

TEST_CASE("gradient of a slope, change between frames")
{
    const Patch slope(20, 20, [](int x, int y) { return 3 * x + 4 * y; });
    CHECK(gradient(slope.plane()) == Approx(5));
    const Patch a(8, 8, [](int, int) { return 10; }), b(8, 8, [](int, int) { return 30; });
    const Patch c(8, 8, [](int x, int) { return x < 4 ? 25 : 40; });
    // the frame changes by 20; the truth by 15 in one half and 30 in the other
    CHECK(temporal_error(a.plane(), b.plane(), a.plane(), c.plane()) == Approx((5 + 10) / 2.0));
}

TEST_CASE("checkerboard: the amplitude of the pattern at half the sampling frequency")
{
    const Patch dots(20, 12, [](int x, int y) { return 100 + ((x + y) % 2 ? 5 : -5); });
    CHECK(checkerboard(dots.plane()) == Approx(5));
    // Neither a slope nor stripes have it.
    const Patch slope(20, 12, [](int x, int y) { return 3 * x + 4 * y; });
    CHECK(checkerboard(slope.plane()) == 0);
    const Patch stripes(20, 12, [](int x, int) { return x % 2 ? 90 : 10; });
    CHECK(checkerboard(stripes.plane()) == 0);
    // A single dot lies in four of the 3 * 3 squares, whatever its phase.
    for (int phase = 0; phase < 4; phase++) {
        const Patch dot(
            4, 4, [&](int x, int y) { return x == 1 + phase % 2 && y == 1 + phase / 2 ? 8 : 0; });
        CHECK(checkerboard(dot.plane()) == Approx(2 * std::sqrt(4.0 / 9)));
    }
}

TEST_CASE("rank correlation")
{
    CHECK(rank_correlation({1, 2, 3, 4}, {10, 100, 1000, INFINITE}) == Approx(1));
    CHECK(rank_correlation({1, 2, 3, 4}, {4, 3, 2, 1}) == Approx(-1));
    // ranks 0 1 2 3 4 and 1 0 2.5 2.5 4 : 1 - ... has no short form with ties, so Pearson's of the
    // ranks
    CHECK(rank_correlation({1, 2, 3, 4, 5}, {7, 3, 8, 8, 9}) == Approx(8.5 / std::sqrt(10 * 9.5)));
    CHECK(std::isnan(rank_correlation({1, 2}, {5, 5})));
}

TEST_CASE("block matching finds a shift, and extrapolates it")
{
    const Frame before = texture(0, 0), last = texture(5, -3);
    const BlockMotion motion = match_blocks(plane_of(before, 0), plane_of(last, 0));
    for (int y = 16; y < 48; y += 8)
        for (int x = 16; x < 80; x += 8)
            CHECK(motion.at(x, y) == std::pair<int, int>{5, -3});
    const Frame next = extrapolate(last, motion, 2), truth = texture(15, -9);
    for (int y = 12; y < 36; y++)
        for (int x = 32; x < 84; x++)
            REQUIRE(next->data[0][y * next->linesize[0] + x] ==
                    truth->data[0][y * truth->linesize[0] + x]);
    CHECK(mean_speed(match_blocks(plane_of(before, 0), plane_of(before, 0))) == 0);
}

TEST_CASE("metrics of sampled motion: speed, folds, residual of the camera")
{
    Tensor y = torch::arange(6, torch::kFloat32).view({1, 1, 6, 1}).expand({1, 1, 6, 9});
    Tensor x = torch::arange(9, torch::kFloat32).view({1, 1, 1, 9}).expand({1, 1, 6, 9});
    auto metrics = [](const Tensor &right, const Tensor &down, double cell = 16) {
        return motion_metrics(
            {{-8, 8}, torch::cat({right, down}, 1).expand({2, 2, 6, 9}), {cell, cell}});
    };
    const MotionMetrics pan = metrics(torch::full_like(x, 3), torch::full_like(y, 4));
    CHECK(std::abs(pan.speed - 5) < 1e-5);
    CHECK((pan.folded == 0 && pan.beyond_camera < 1e-6));
    // a plane that turns
    CHECK(metrics(0.1 * x + 0.02 * x * x, 0.1 * y + 0.02 * x * y).beyond_camera < 1e-4);
    Tensor one_cell = torch::zeros_like(x);
    one_cell[0][0][3][4] = 1;
    const Tensor still = torch::zeros_like(y);
    CHECK(metrics(one_cell, still).beyond_camera > 0.7);
    CHECK(metrics(one_cell, still).folded == 0);    // by half a cell
    CHECK(metrics(4 * one_cell, still).folded > 0); // past its neighbours
    CHECK(metrics(4 * one_cell, still, 64).folded == 0);
}
