// The processor's own loops against LibTorch's operations: matches, cost volumes, and the threads
// that paint. test_painters.cpp holds its frames to the network.
#include "paint/cpu_painter.h"
#include "simd/matching.h"

#include "support/catch.h"
#include "support/formats.h"

#include "instructions.h"
#include "scene.h"

using namespace mardini;
using namespace scene;

TEST_CASE("the number of threads does not show")
{
    torch::NoGradGuard no_grad;
    Restore restore;
    const Scene scene(formats[0]);
    Profile profile;
    CpuPainter painter(scene.g, {scene.network->generator->hidden_channels(), false, false},
                       profile);
    prepare(painter, scene);
    Picture one(scene.g), three(scene.g);
    at::set_num_threads(1);
    const float a = paint(painter, scene.job, one);
    at::set_num_threads(3);
    const float b = paint(painter, scene.job, three);
    CHECK(difference(one, three) <= 1); // the head's convolutions may add up in another order
    CHECK(a == Approx(b).epsilon(1e-5));
}

TEST_CASE("a processor short of memory paints the same in smaller bands and says so once")
{
    torch::NoGradGuard no_grad;
    MardiniFormat tall = formats[0];
    tall.height = 300;
    Scene scene(tall);
    Profile profile;
    CpuPainter painter(scene.g, {scene.network->generator->hidden_channels(), false, false},
                       profile);
    std::vector<std::string> warnings;
    painter.warn = [&](const std::string &line) { warnings.push_back(line); };
    prepare(painter, scene);
    Picture whole(scene.g), banded(scene.g);
    paint(painter, scene.job, whole);
    CHECK(warnings.empty());
    int64_t room = 40;
    const auto head = scene.job.head;
    scene.job.head = [&](const Tensor &x) {
        if (x.size(2) > room)
            throw std::bad_alloc();
        return head(x);
    };
    const int64_t bytes = painter.bytes_of_bands();
    paint(painter, scene.job, banded);
    paint(painter, scene.job, banded);
    CHECK(difference(banded, whole) <= 1); // the head's convolutions may add up in another order
    CHECK(painter.bytes_of_bands() < bytes);
    CHECK(warnings.size() == 1);
    room = 0;
    CHECK_THROWS_AS(paint(painter, scene.job, banded), std::bad_alloc);
}

TEST_CASE("cost volumes, warps and matches without gradients equal those with")
{
    Restore restore;
    torch::manual_seed(4);
    Tensor a = torch::randn({2, 33, 20, 44}), b = torch::randn({2, 33, 20, 44}),
           flow = 7 * torch::randn({2, 2, 20, 44});
    Network network = awake();
    // Cells of more rows than a match may lie apart.
    Tensor wide = resize(torch::randn({1, packed_channels, 40, 40}) * 0.5, 160, 160);
    Features fa = network->encoder(wide.slice(3, 0, 128).contiguous());
    Features fb = network->encoder(wide.slice(3, 12, 140).contiguous());
    Match expected = network->encoder->match(fa, fb);
    const double unlike = unlikeness(fa, fb);
    for (int radius : {2, 3}) {
        Tensor volume = cost_volume(a, b, radius), warped = warp(a, flow); // gradients are on
        for (Instructions i : {Instructions::Plain, Instructions::Avx2, Instructions::Avx512}) {
            torch::NoGradGuard no_grad;
            if (!tried(i))
                continue;
            INFO("radius " << radius << ", instructions " << static_cast<int>(i));
            REQUIRE(search_is_possible(a));
            CHECK((cost_volume(a, b, radius) - volume).abs().max().item<double>() < 1e-5);
            CHECK((warp(a, flow) - warped).abs().max().item<double>() <
                  1e-4); // coordinates' rounding
            Match m = network->encoder->match(fa, fb);
            CHECK((m.forward - expected.forward).abs().max().item<double>() < 1e-2); // pixels
            CHECK((m.backward - expected.backward).abs().max().item<double>() < 1e-2);
            CHECK((m.confidence_forward - expected.confidence_forward).abs().max().item<double>() <
                  1e-4);
            CHECK(
                (m.confidence_backward - expected.confidence_backward).abs().max().item<double>() <
                1e-4);
            CHECK(unlikeness(fa, fb) == Approx(unlike).margin(1e-6));
        }
    }
}

TEST_CASE("a convolution's input in one pass is that of cat, whatever the layout of its parts")
{
    torch::NoGradGuard no_grad;
    Restore restore;
    torch::manual_seed(6);
    for (int64_t w : {4, 33}) {
        Tensor a = torch::randn({1, 70, 5, w}), b = torch::randn({1, 3, 5, w}).to(torch::kBFloat16);
        Tensor c = torch::randn({1, 5, w, 9}).permute({0, 3, 1, 2}),
               d = torch::full({1, 1, 1, 1}, 0.3f).expand({1, 2, 5, w});
        Tensor expected = at::cat({a, b.to(torch::kFloat32), c, d}, 1);
        for (Instructions i : {Instructions::Plain, Instructions::Avx2, Instructions::Avx512}) {
            if (!tried(i))
                continue;
            INFO(w << " columns, instructions " << static_cast<int>(i));
            for (auto type : {torch::kFloat32, torch::kBFloat16}) {
                Tensor made = join_channels({a, b, c, d}, type);
                CHECK(torch::equal(made, expected.to(type)));
                CHECK(made.is_contiguous(at::MemoryFormat::ChannelsLast));
            }
            Tensor far = (a.slice(1, 0, 9) - c).abs().mean(1, true); // summed in another order
            CHECK((mean_distance(a.slice(1, 0, 9), c) - far).abs().max().item<double>() < 1e-6);
        }
    }
}

TEST_CASE("matches: what lies around a cell tells where it went")
{
    torch::manual_seed(1);
    const int64_t h = 16, w = 32, channels = 16;
    const Tensor field = torch::randn({h + 1, w + 3, channels});
    const Tensor left = field.slice(0, 1).slice(1, 3).reshape(
        {h * w, channels}); // one's (y,x) is the other's (y+1,x+3)
    const Tensor right =
        (field.slice(0, 0, h).slice(1, 0, w) + 1.5 * torch::randn({h, w, channels}))
            .reshape({h * w, channels});
    auto found = [&](int support) { // share of those that are not at the border
        const Tensor there =
            search_cells(left, right, h, w, support, /*penalty=*/0, /*rows=*/16, /*reach=*/0).there;
        const Tensor hit = (there == torch::arange(h * w) + w + 3)
                               .view({h, w})
                               .slice(0, 0, h - 1)
                               .slice(1, 0, w - 3);
        return hit.to(torch::kFloat).mean().item<double>();
    };
    CHECK(found(0) < 0.6); // each by itself drowns in noise
    CHECK(found(2) > 0.95);
}
