// The bridge denoiser: what it may change, what it may not, and how its loss reaches the whole
// network.
#include "network/network.h"
#include "train/diffusion.h"
#include "train/optimizer.h"

#include "support/awake.h"
#include "support/catch.h"

#include <map>
#include <string>

using namespace mardini;

namespace {

/// A bridge of 32x48 packed pixels whose upper half is sure.
Bridge half_sure()
{
    torch::manual_seed(3);
    Bridge b;
    b.estimate = 0.5 * torch::randn({1, packed_channels, 32, 48});
    b.uncertainty = torch::full({1, 1, 32, 48}, 0.2);
    b.uncertainty.slice(2, 0, 16).zero_();
    b.hidden = torch::randn({1, 12, 16, 24});
    return b;
}

double largest(const Tensor &t)
{
    return t.abs().max().item<double>();
}

struct Window {
    Tensor given, given_times, masked_times, truth;
};

/// A texture that slides by four pixels a gap.
Window sliding()
{
    torch::manual_seed(5);
    Tensor wide = resize(torch::randn({1, packed_channels, 16, 24}) * 0.4, 64, 96);
    auto at = [&](int shift) { return wide.slice(3, shift, shift + 64); };
    Window w;
    w.given = torch::stack({at(0), at(8)}, 1);
    w.given_times = torch::tensor({0.f, 4.f}).view({1, 2});
    w.masked_times = torch::tensor({2.f}).view({1, 1});
    w.truth = at(4);
    return w;
}

} // namespace

TEST_CASE("an untrained denoiser changes nothing")
{
    torch::NoGradGuard no_grad;
    Denoiser denoiser(12, DenoiserConfig());
    Bridge b = half_sure();
    CHECK_FALSE(denoiser->is_trained());
    CHECK(largest(denoiser->sample(b, gap_noise(1, 2, packed_channels, 32, 48), 3) - b.estimate) ==
          0);
}

TEST_CASE("what is sure stays as it is for any number of steps and any seed")
{
    torch::NoGradGuard no_grad;
    Network network = awake();
    Bridge b = half_sure();
    for (int steps : {1, 2, 4, 8})
        for (int64_t seed : {0, 1}) {
            Tensor change =
                network->denoiser->sample(b, gap_noise(seed, 40, packed_channels, 32, 48), steps) -
                b.estimate;
            CHECK(largest(change.slice(2, 0, 16)) == 0);
            CHECK(largest(change.slice(2, 16)) > 1e-3);
            CHECK(change.isfinite().all().item<bool>());
        }
}

TEST_CASE("noise has a name: one seed and key, one noise")
{
    Tensor one = gap_noise(3, 100, packed_channels, 64, 64);
    CHECK(torch::equal(one, gap_noise(3, 100, packed_channels, 64, 64)));
    for (Tensor other :
         {gap_noise(4, 100, packed_channels, 64, 64), gap_noise(3, 101, packed_channels, 64, 64),
          gap_noise(-3, 100, packed_channels, 64, 64)}) {
        const double correlation = (one * other).mean().item<double>();
        CHECK(std::abs(correlation) < 0.04); // 24576 samples: six standard deviations
    }
    CHECK(one.mean().item<double>() == Approx(0).margin(0.04));
    CHECK(one.std().item<double>() == Approx(1).margin(0.04));
}

TEST_CASE("noise moves with what it lies on and keeps its strength")
{
    Tensor shift = torch::zeros({1, 2, 64, 64});
    const Tensor noise = carry_noise(1, 1, shift);
    CHECK(largest(carry_noise(1, 2, shift) - noise) > 1);
    shift.select(1, 0).fill_(6.4); // luma pixels: three samples to the right
    Tensor moved = carry_noise(1, 1, shift);
    CHECK(largest(moved.slice(3, 0, 61) - noise.slice(3, 3, 64)) < 1e-3);
    // What comes in at the border is noise like the rest, no drawn-out column.
    CHECK(moved.slice(3, 61).std().item<double>() == Approx(1).margin(0.15));
    CHECK((moved.slice(3, 62, 63) - moved.slice(3, 63, 64)).std().item<double>() ==
          Approx(std::sqrt(2)).margin(0.3));
    Tensor fraction = carry_noise(1, 1, torch::full({1, 2, 64, 64}, 1.0));
    CHECK(fraction.std().item<double>() == Approx(1).margin(0.05));
}

TEST_CASE("the diffusion loss alone reaches planner, generator and denoiser")
{
    Network network = awake();
    Window w = sliding();
    Output o = network->forward(w.given, w.given_times, w.masked_times);
    train::diffusion(network->denoiser, o.bridge(), w.truth).loss.backward();
    std::map<std::string, double> norm;
    for (const auto &p : network->named_parameters())
        if (p.value().grad().defined())
            norm[p.key().substr(0, p.key().find('.'))] +=
                p.value().grad().square().sum().item<double>();
    for (const char *part : {"planner", "generator", "denoiser"})
        CHECK(norm[part] > 1e-12);
}

TEST_CASE("the diffusion loss looks at masked frames alone")
{
    Network network = awake();
    Window w = sliding();
    Output o = network->forward(w.given, w.given_times, w.masked_times);
    // One frame was masked: one frame is made, scored and differentiated; the given ones are
    // conditions.
    REQUIRE(o.frames.size(0) == 1);
    Tensor estimate = o.frames.detach().requires_grad_();
    Bridge b{estimate, o.uncertainty.detach(), o.refined.hidden.detach()};
    train::diffusion(network->denoiser, b, w.truth).loss.backward();
    CHECK(largest(estimate.grad()) > 0);
    // A masked time that goes to a given frame's: the same frame, no uncertainty, nothing to
    // denoise.
    Output at_given = network->forward(w.given, w.given_times, torch::full({1, 1}, 1e-6f));
    torch::NoGradGuard no_grad;
    Tensor sample =
        network->denoiser->sample(at_given.bridge(), gap_noise(1, 1, packed_channels, 64, 64), 2);
    CHECK(largest(sample - w.given.select(1, 0)) < 1e-3);
}

TEST_CASE("training the denoiser alone leaves the rest of the network as it is")
{
    Network network = awake();
    train::Optimizer optimizer(*network);
    Window w = sliding();
    for (int i = 0; i < 3; i++) {
        Output o;
        {
            torch::NoGradGuard frozen;
            o = network->forward(w.given, w.given_times, w.masked_times);
        }
        std::map<std::string, Tensor> before;
        for (const auto &p : network->named_parameters())
            before[p.key()] = p.value().detach().clone();
        network->zero_grad();
        train::diffusion(network->denoiser, o.bridge(), w.truth).loss.backward();
        optimizer.step(1e-3);
        bool rest = true, denoiser = false;
        for (const auto &p : network->named_parameters()) {
            const bool same = torch::equal(before[p.key()], p.value());
            if (p.key().rfind("denoiser.", 0) == 0)
                denoiser = denoiser || !same;
            else
                rest = rest && same;
        }
        CHECK(rest);
        CHECK(denoiser);
    }
}
