// The motion sampler: what it promises of seeds, steering and time, and that flow matching teaches
// it.
#include "engine/single_image.h"
#include "mardini.h"
#include "network/checkpoint.h"
#include "train/curriculum.h"
#include "train/flow_matching.h"
#include "train/optimizer.h"

#include "support/awake.h"
#include "support/catch.h"
#include "support/files.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <string>

using namespace mardini;
using namespace mardini::train;

namespace {

Tensor picture(int64_t h, int64_t w)
{
    torch::manual_seed(5);
    return resize(torch::randn({1, packed_channels, h / 4, w / 4}) * 0.4, h, w);
}

/// A window in which everything slides by `x`, `y` luma pixels a position around a frame given at
/// `anchor`.
Batch sliding(double x, double y, double anchor)
{
    Tensor world = resize(torch::randn({1, packed_channels, 24, 24}) * 0.4, 192, 192);
    auto shown = [&](double position) { // luma pixels are half of packed ones
        return world.slice(2, 64 - std::llround(y * position / 2))
            .slice(2, 0, 64)
            .slice(3, 64 - std::llround(x * position / 2))
            .slice(3, 0, 64);
    };
    Batch b;
    const std::vector<double> keys = key_positions(anchor);
    std::vector<Tensor> masked;
    for (double key : keys)
        masked.push_back(shown(key - anchor));
    b.references = shown(0).unsqueeze(1);
    b.masked = torch::stack(masked, 1);
    b.reference_times = torch::full({1, 1}, anchor, torch::kFloat32);
    b.masked_times = torch::tensor(keys, torch::kFloat32).unsqueeze(0);
    return b;
}

} // namespace

TEST_CASE("key positions keep off the given frame and reach both ends of the window")
{
    for (double anchor = 0; anchor <= 16; anchor += 0.25) {
        const std::vector<double> keys = key_positions(anchor);
        INFO("anchor " << anchor);
        CHECK(std::is_sorted(keys.begin(), keys.end()));
        for (double key : keys)
            CHECK((key >= 0 && key <= 16 && std::abs(key - anchor) >= 2));
        CHECK((keys.front() <= 4 && keys.back() >= 12 && keys.size() >= 4));
    }
    std::mt19937_64 random(3);
    for (int i = 0; i < 200; i++) {
        const WindowSize size = sample_window_size(Stage::Animate, random);
        const Positions p = sample_positions(Stage::Animate, size, random);
        REQUIRE(p.references.size() == 1);
        CHECK(static_cast<int>(p.masked.size()) == size.masked);
        CHECK(p.masked == key_positions(p.references[0]));
    }
}

TEST_CASE("an untrained sampler says so, and predicts no motion")
{
    torch::NoGradGuard no_grad;
    Network network(preset("nano"));
    CHECK_FALSE(network->sampler->is_trained());
    CHECK(awake()->sampler->is_trained());
    Tensor times = torch::tensor({-8.f, -4.f, 4.f, 8.f}).unsqueeze(0),
           x = torch::randn({1, 4, 2, 8, 12});
    Tensor clean = network->sampler(torch::randn({1, 24, 128}), 4, times, x, torch::rand({1, 4}),
                                    torch::zeros({1, 2}));
    CHECK(clean.sizes() == x.sizes());
    CHECK(clean.abs().max().item<double>() == 0);
}

TEST_CASE("one name gives one motion, another gives another, and its amount is the caller's")
{
    c10::InferenceMode inference;
    Network network = awake();
    const Tensor still = picture(128, 224); // larger than motion is sampled at
    auto sampled = [&](MotionRequest wish, double anchor = 8) {
        return sample_motion(network, still, 250, 448, anchor, wish);
    };
    const SampledMotion one = sampled({1, 0, 3, 100});
    REQUIRE(one.times == std::vector<double>{-8, -4, 4, 8});
    CHECK(torch::equal(one.velocity, sampled({1, 0, 3, 100}).velocity));
    for (MotionRequest other : {MotionRequest{1, 0, 4, 100}, MotionRequest{1, 0, 3, 101}})
        CHECK((sampled(other).velocity - one.velocity).abs().mean().item<double>() > 0.01);
    CHECK(sampled({0, 0, 3, 100}).velocity.abs().max().item<double>() == 0);
    for (double amount :
         {0.5, 1.0, 3.0}) { // hundredths of the picture's shorter side, padding apart
        const double speed =
            sampled({amount, 0, 3, 100}).velocity.square().sum(1).mean().sqrt().item<double>();
        CHECK(std::abs(speed - 2.5 * amount) < 1e-3);
    }
    CHECK(sampled({1, 0, 3, 100}, 0).times == std::vector<double>{4, 8, 12, 16});
}

TEST_CASE("between key positions velocity is interpolated, beyond them kept")
{
    SampledMotion d;
    d.times = {-8, -4, 4, 8};
    d.velocity = torch::arange(4, torch::kFloat32).view({4, 1, 1, 1}).expand({4, 2, 6, 10});
    auto at = [&](double time) {
        const Motion m = motion_at(d, time, 24, 40);
        CHECK(m.velocity.sizes() == torch::IntArrayRef({1, 2, 24, 40}));
        CHECK(m.velocity.min().item<double>() == m.velocity.max().item<double>());
        return m.velocity.max().item<double>();
    };
    for (auto [time, expected] :
         {std::pair(-8, 0.0), {-4, 1}, {4, 2}, {8, 3}, {0, 1.5}, {-6, 0.5}, {-12, 0}, {9, 3}})
        CHECK(std::abs(at(time) - expected) < 1e-6);
}

TEST_CASE("of one given frame it is known which pixels it does not show")
{
    torch::NoGradGuard no_grad;
    const Tensor given = picture(64, 96); // 128 x 192 luma
    Tensor velocity = torch::zeros({1, 2, 64, 96});
    auto bridge = [&](double time, int64_t height = 128, int64_t width = 192) {
        const Pairs pairs = make_pairs(torch::zeros({1, 1}),
                                       torch::full({1, 1}, time, torch::kFloat32), torch::kCPU);
        return bridge_of_single_reference(given, height, width, motion_of_velocity(velocity), pairs,
                                          12);
    };
    const Bridge still = bridge(8);
    CHECK((still.estimate - given).abs().max().item<double>() < 1e-5);
    CHECK(still.uncertainty.max().item<double>() == 0);
    CHECK(still.hidden.sizes() == torch::IntArrayRef({1, 12, 32, 48}));

    velocity.select(1, 0).fill_(
        3); // all moves to the right: what comes in from the left nobody has seen
    const Bridge pan = bridge(8); // by 24 luma pixels, 12 of these
    CHECK((pan.estimate.slice(3, 12) - given.slice(3, 0, 84)).abs().max().item<double>() < 1e-4);
    CHECK(pan.uncertainty.slice(3, 12).max().item<double>() == 0);
    CHECK(pan.uncertainty.slice(3, 0, 8).min().item<double>() > 0.0999);
    CHECK((pan.uncertainty.slice(3, 1, 13) <= pan.uncertainty.slice(3, 0, 12)).all().item<bool>());
    CHECK(torch::equal(bridge(-8).uncertainty.slice(3, 0, 84),
                       torch::zeros({1, 1, 64, 84}))); // the other way in time
    CHECK(bridge(-8).uncertainty.slice(3, 88).min().item<double>() > 0.0999);
    // Padding is not shown either.
    CHECK(bridge(-8, 128, 180).uncertainty.slice(3, 82, 90).min().item<double>() > 0.08);

    Tensor x =
        (2 * torch::arange(96, torch::kFloat32) - 95).view({1, 1, 1, 96}).expand({1, 1, 64, 96});
    velocity.zero_();
    velocity.slice(1, 0, 1) = 0.04 * x; // everything draws apart, a little: nothing is torn
    CHECK(bridge(8).uncertainty.max().item<double>() == 0);
    velocity.slice(1, 0, 1) = torch::sign(x); // the halves part by 16 pixels
    const Tensor torn = bridge(8).uncertainty;
    CHECK(torn.slice(3, 47, 49).min().item<double>() > 0.08);
    CHECK(torn.slice(3, 8, 44).max().item<double>() == 0);
}

TEST_CASE("a camera is put in the place of the sampled one")
{
    torch::manual_seed(1);
    const std::vector<double> times = {-8, -4, 4, 8};
    const SampledMotion sampled = {times, torch::randn({4, 2, 8, 14}) + 3, {20, 18}};
    const int64_t height = 130, width = 250; // the rest of 144 and 280 is padding
    auto steered = [&](int camera) {
        SampledMotion d = sampled;
        set_camera(d, camera, 2, height, width);
        return d.velocity;
    };
    CHECK(torch::equal(steered(MARDINI_CAMERA_SAMPLED), sampled.velocity));
    Tensor x =
        (20 * (torch::arange(14, torch::kFloat32) + 0.5)).view({1, 1, 1, 14}).expand({1, 1, 8, 14});
    Tensor y =
        (18 * (torch::arange(8, torch::kFloat32) + 0.5)).view({1, 1, 8, 1}).expand({1, 1, 8, 14});
    const Tensor still = steered(MARDINI_CAMERA_STILL);
    for (const Tensor &slope : {torch::ones_like(x), x - x.mean(), y - y.mean()})
        CHECK((still * slope).mean({2, 3}).abs().max().item<double>() < 1e-3);

    // Where a pixel is shown from if nothing but the camera moves.
    x = x - width / 2.0, y = y - height / 2.0;
    for (int k = 0; k < 4; k++) {
        const double t = times[static_cast<size_t>(k)];
        auto shown_from = [&](int camera) {
            const Tensor v = (steered(camera) - still).slice(0, k, k + 1);
            return torch::cat({x - t * v.slice(1, 0, 1), y - t * v.slice(1, 1, 2)}, 1);
        };
        auto is = [](const Tensor &a, const Tensor &b) {
            return (a - b).abs().max().item<double>() < 1e-3;
        };
        INFO("at " << t);
        CHECK(is(shown_from(MARDINI_CAMERA_PAN_LEFT), torch::cat({x - 2 * t, y}, 1)));
        CHECK(is(shown_from(MARDINI_CAMERA_PAN_RIGHT), torch::cat({x + 2 * t, y}, 1)));
        CHECK(is(shown_from(MARDINI_CAMERA_TILT_UP), torch::cat({x, y - 2 * t}, 1)));
        CHECK(is(shown_from(MARDINI_CAMERA_TILT_DOWN), torch::cat({x, y + 2 * t}, 1)));
        const double rate = 2 / std::sqrt((height * height + width * width) / 12.0);
        const Tensor larger = torch::cat({x, y}, 1);
        CHECK(is(shown_from(MARDINI_CAMERA_ZOOM_IN), larger * std::exp(-rate * t)));
        CHECK(is(shown_from(MARDINI_CAMERA_ZOOM_OUT), larger * std::exp(rate * t)));
        const double c = std::cos(rate * t), s = std::sin(rate * t);
        CHECK(is(shown_from(MARDINI_CAMERA_ROLL_LEFT),
                 torch::cat({c * x + s * y, c * y - s * x}, 1))); // clockwise, y down
        CHECK(is(shown_from(MARDINI_CAMERA_ROLL_RIGHT),
                 torch::cat({c * x - s * y, c * y + s * x}, 1)));
    }
}

TEST_CASE("flow matching sees the true motion, and teaches the sampler alone")
{
    // The shipped network's eyes, and a sampler that has learned nothing.
    Network shipped = load_network(files::source_file("model/weights/nano.safetensors"));
    torch::manual_seed(1);
    Network network(preset("nano"));
    std::map<std::string, Tensor> tensors;
    for (auto &item : shipped->named_parameters())
        if (item.key().rfind("sampler.", 0) != 0)
            tensors[item.key()] = item.value();
    load_parameters(*network, tensors, {"sampler."});
    torch::manual_seed(2);
    const MotionExample e = motion_examples(network, sliding(3, -1.5, 8));
    REQUIRE(e.motion.sizes() == torch::IntArrayRef({1, 4, 2, 8, 8}));
    const Tensor inside = e.motion.slice(3, 2, 6).slice(4, 2, 6); // the rest comes into view
    CHECK(std::abs(inside.select(2, 0).median().item<double>() - 3) < 0.4);
    CHECK(std::abs(inside.select(2, 1).median().item<double>() + 1.5) < 0.4);

    network->zero_grad();
    flow_matching(network, sliding(3, -1.5, 8)).loss.backward();
    for (auto &item : network->named_parameters())
        if (item.key().rfind("sampler.head", 0) == 0)
            CHECK(item.value().grad().abs().max().item<double>() > 0);
        else if (item.key().rfind("sampler.", 0) != 0)
            CHECK_FALSE(item.value().grad().defined());

    // All that it sees slides to the right or to the left as a whole: so does what it samples.
    auto right_and_left = [](int64_t times) {
        const Batch right = sliding(3, 0, 8), left = sliding(-3, 0, 8);
        Batch both;
        for (auto field :
             {&Batch::references, &Batch::masked, &Batch::reference_times, &Batch::masked_times})
            both.*field = torch::cat({right.*field, left.*field}).repeat_interleave(times, 0);
        return both;
    };
    // Of some 250 draws of noise: a step's eight scatter by half of what there is to explain.
    auto explained = [&] {
        torch::NoGradGuard no_grad;
        torch::manual_seed(3);
        return flow_matching(network, right_and_left(32)).explained.item<double>();
    };
    const double before = explained();
    Optimizer optimizer(*network);
    for (int i = 0; i < 200; i++) {
        network->zero_grad();
        flow_matching(network, right_and_left(1)).loss.backward();
        optimizer.step(2e-3);
    }
    const double after = explained();
    INFO("explained " << before << " before, " << after << " after");
    CHECK(before < 0.1);
    CHECK(after > 0.6);
    torch::NoGradGuard no_grad;
    for (int64_t seed = 0; seed < 8; seed++) {
        const SampledMotion d =
            sample_motion(network, sliding(3, 0, 8).references[0], 128, 128, 8, {1, 0, seed, 0});
        const Tensor across = d.velocity.select(1, 0), down = d.velocity.select(1, 1);
        CHECK(across.abs().mean().item<double>() > 2 * down.abs().mean().item<double>());
        CHECK(across.mean({1, 2}).abs().mean().item<double>() >
              0.7 * across.abs().mean().item<double>()); // as a whole
    }
}
