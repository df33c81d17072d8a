// Alignment and detail: what both do to pictures whose motion and noise are known.
#include "network/checkpoint.h"
#include "network/detail.h"

#include <torch/torch.h>

#include "support/catch.h"

using namespace mardini;
using torch::Tensor;

/// Luma 64x64 of waves, moved by (x, y) pixels: (1,6,32,32) packed, chroma neutral.
static Tensor waves_at(double x, double y)
{
    Tensor i = at::arange(64, torch::kFloat32), X = i.view({1, 64}) - x, Y = i.view({64, 1}) - y;
    Tensor luma = 0.2 * (0.45 * X + 0.2 * Y).sin() + 0.2 * (0.5 * Y - 0.15 * X).sin() +
                  0.1 * (0.3 * X + 0.35 * Y + 1).sin();
    return at::cat({at::pixel_unshuffle(luma.view({1, 1, 64, 64}), 2), at::zeros({1, 2, 32, 32})},
                   1);
}

static Motion motion_of(double vx, double vy)
{
    Tensor velocity = at::zeros({1, 2, 32, 32});
    velocity.select(1, 0).fill_(vx), velocity.select(1, 1).fill_(vy);
    return {velocity, at::zeros({1, 4, 32, 32}), at::zeros({1, 4, 32, 32}),
            at::zeros({1, 1, 32, 32})};
}

static Pairs pair_at(double before, double after)
{
    auto one = [](double d) { return at::full({1, 1, 1, 1}, d, torch::kFloat32); };
    return {at::zeros({1}, torch::kInt64), at::ones({1}, torch::kInt64), one(before), one(after)};
}

static Tensor middle(const Tensor &x)
{
    return x.slice(2, 8, -8).slice(3, 8, -8);
}

TEST_CASE("alignment finds the rest of a motion, wherever the frame lies between its two")
{
    for (double s : {0.25, 0.5, 0.75}) {
        // What moves by (v, u) a gap is at -s of it before and at 1 - s after.
        const double v = 2.6, u = -1.2;
        const Tensor before = waves_at(-s * v, -s * u), after = waves_at((1 - s) * v, (1 - s) * u);
        const Alignment a = align(before, after, motion_of(2, -2), pair_at(-s, 1 - s));
        CHECK(middle(a.correction.select(1, 0).unsqueeze(1)).sub(0.6).abs().max().item<double>() <
              0.1);
        CHECK(middle(a.correction.select(1, 1).unsqueeze(1)).sub(0.8).abs().max().item<double>() <
              0.1);
        auto inner = [](const Tensor &x) {
            return x.slice(2, 4, -4).slice(3, 4, -4).mean().item<double>();
        };
        CHECK(inner(a.residual_after) < 0.5 * inner(a.residual_before));
    }
}

TEST_CASE("alignment moves nothing that is still, flat, seen by one side alone or beyond both")
{
    const Tensor picture = waves_at(0, 0), moved = waves_at(1, 0);
    auto corrected = [](const Tensor &before, const Tensor &after, const Pairs &pairs,
                        const Motion &motion) {
        return align(before, after, motion, pairs).correction.abs().max().item<double>();
    };
    CHECK(corrected(picture, picture, pair_at(-0.5, 0.5), motion_of(0, 0)) == 0);
    CHECK(corrected(at::full_like(picture, 0.1), at::full_like(picture, 0.3), pair_at(-0.5, 0.5),
                    motion_of(0, 0)) < 1e-6);
    CHECK(corrected(picture, moved, pair_at(-2, -1), motion_of(0, 0)) == 0);
    CHECK(corrected(picture, moved, pair_at(1, 2), motion_of(0, 0)) == 0);
    Motion hidden = motion_of(0, 0);
    hidden.visibility.select(1, 0).fill_(-30); // the frame before does not show it
    CHECK(corrected(picture, moved, pair_at(-0.5, 0.5), hidden) < 1e-6);
    CHECK(corrected(picture, moved, pair_at(-0.5, 0.5), motion_of(0, 0)) >
          0.5); // and all of these could fail
}

TEST_CASE("light that fades does not bend what is still")
{
    const Tensor picture = waves_at(0, 0);
    const Alignment a =
        align(picture, picture + 0.08, motion_of(0, 0), pair_at(-0.5, 0.5)); // ten codes of 8 bits
    CHECK(middle(a.correction).abs().max().item<double>() < 0.01);
}

/// `made`, half of each of two pictures that lie where they are, with detail restored.
static Tensor restored(const Tensor &before, const Tensor &after, double strength)
{
    const Motion motion = motion_of(0, 0);
    const Pairs pairs = pair_at(-0.5, 0.5);
    const Candidates c = candidates(before, after, motion, pairs);
    return restore_detail(compose(c, c.prior), before, after, motion, pairs, c, c.prior, strength);
}

TEST_CASE("detail gives grain its strength back, and leaves what has its own")
{
    torch::manual_seed(3);
    auto grain = [] { // six codes of 8 bits
        return at::cat({at::randn({1, 4, 32, 32}) * 6 / 128, at::zeros({1, 2, 32, 32})}, 1);
    };
    const Tensor a = grain(), b = grain(), made = restored(a, b, 1);
    auto strength = [](const Tensor &x) { return middle(x.slice(1, 0, 4)).std().item<double>(); };
    CHECK(strength(restored(a, b, 0)) == Approx(strength(a) / std::sqrt(2.0)).epsilon(0.06));
    CHECK(strength(made) == Approx(strength(a)).epsilon(0.06));
    CHECK(strength(restored(a, b, 0.5)) < strength(made));
    CHECK(at::equal(made.slice(1, 4, 6), restored(a, b, 0).slice(1, 4, 6)));
    const Tensor waves = waves_at(0, 0);
    CHECK((restored(waves, waves, 1) - waves).abs().max().item<double>() < 1e-6);
}

TEST_CASE("a network that aligns differs by what it trusts, and is saved as such")
{
    NetworkConfig config;
    config.generator.trust = 8;
    config.generator.logits = 1;
    config.generator.detail = 0.5;
    torch::manual_seed(1);
    Network network(config);
    network->eval();
    torch::NoGradGuard no_grad;
    const Tensor given = at::stack({waves_at(0, 0), waves_at(2.5, 1)}, 1),
                 times = torch::tensor({{0.f, 8.f}}), at = torch::tensor({{4.f}});
    const Output half_trusted = network->forward(given, times, at);
    CHECK(half_trusted.trust.mean().item<double>() == Approx(0.88).margin(0.01));
    network->generator->trust2->bias.fill_(-40);
    const Output untrusted = network->forward(given, times, at);
    CHECK(at::equal(untrusted.motion.velocity, untrusted.refined.half.velocity));
    CHECK((half_trusted.motion.velocity - untrusted.motion.velocity).abs().max().item<double>() >
          0.1);
    const NetworkConfig again = config_from_json(to_json(config));
    CHECK(again.generator.trust == 8);
    CHECK(again.generator.logits == 1);
    CHECK(again.generator.detail == 0.5);
}

TEST_CASE("motion found at half the size is composed at the whole one")
{
    torch::manual_seed(1);
    Network network(NetworkConfig{});
    network->eval();
    torch::NoGradGuard no_grad;
    const Tensor given = at::stack({waves_at(0, 0), waves_at(0, 0)}, 1);
    const Output o =
        network->forward(given, torch::tensor({{0.f, 8.f}}), torch::tensor({{4.f}}), {2, {}});
    CHECK(o.refined.half.velocity.size(2) == 16);
    CHECK(o.motion.velocity.size(2) == 32);
    CHECK(at::equal(o.frames, given.select(1, 0)));
}
