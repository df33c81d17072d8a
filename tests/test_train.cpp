// The trainer's parts that need no clips: which frames are masked, what the losses reach, that steps are kept.
#include "train/losses.h"
#include "train/masks.h"
#include "train/optimizer.h"
#include "train/synthetic.h"

#include "catch.h"

#include <cstdlib>
#include <set>

using namespace mardini;
using namespace mardini::train;

namespace {

Batch synthetic_batch(uint64_t seed, int windows = 2, int given = 2, int masked = 2)
{
    std::mt19937_64 random(seed);
    auto texture = [](int size, std::mt19937_64 &r) {
        auto generator = at::make_generator<at::CPUGeneratorImpl>(r());
        Tensor t = at::randn({1, 3, size / 6 + 1, size / 6 + 1}, generator) * 0.3;
        return resize(t, size, size).squeeze(0);
    };
    std::vector<Sample> samples;
    for (int i = 0; i < windows; i++)
        samples.push_back(synthesize(sample_positions(Stage::Interpolation, {given, masked}, random), 64, 8, texture, random));
    return collate(samples);
}

struct Step {
    Output output;
    Losses loss;
};

Step forward(Network &network, const Batch &b)
{
    Step s;
    s.output = network->forward(b.given, b.given_times, b.masked_times);
    s.loss = losses(s.output, b.masked.flatten(0, 1), b.flow.flatten(0, 1), b.visible.flatten(0, 1));
    return s;
}

} // namespace

TEST_CASE("masks are what the stages promise")
{
    std::mt19937_64 random(4);
    double share_before = 2;
    for (Stage stage : {Stage::Motion, Stage::Interpolation, Stage::Any}) {
        double given = 0, all = 0;
        for (int i = 0; i < 2000; i++) {
            const WindowSize size = sample_window_size(stage, random);
            const Positions p = sample_positions(stage, size, random);
            REQUIRE(static_cast<int>(p.given.size()) == size.given);
            REQUIRE(static_cast<int>(p.masked.size()) == size.masked);
            REQUIRE(p.pair.size() == p.masked.size());
            REQUIRE(std::is_sorted(p.given.begin(), p.given.end()));
            REQUIRE(std::set<double>(p.given.begin(), p.given.end()).size() == p.given.size());
            for (double m : p.masked) {
                REQUIRE(std::count(p.given.begin(), p.given.end(), m) == 0);
                if (stage != Stage::Any) // interpolation stays between given frames unless positions are scattered
                    REQUIRE((m > p.given.front() || p.given.size() > 2));
            }
            given += size.given, all += size.given + size.masked;
        }
        INFO(stage_name(stage) << " keeps " << given / all);
        CHECK(given / all < share_before);
        share_before = given / all;
    }
}

TEST_CASE("stages follow each other and end with falling rates")
{
    int last = -1;
    for (double p = 0; p < 1; p += 0.01) {
        CHECK(static_cast<int>(stage_at(p)) >= last);
        last = static_cast<int>(stage_at(p));
    }
    CHECK(stage_at(0.99) == Stage::Decay);
    CHECK_THROWS(stage_from_name("nonsense"));
}

TEST_CASE("the pyramid is a distance and weighs what is coarse too")
{
    Tensor x = torch::rand({1, 1, 32, 32}), shifted = x + 0.1;
    CHECK(pyramid_distance(x, x).item<double>() == 0);
    CHECK(pyramid_distance(x, shifted).item<double>() == Approx(1.6).epsilon(1e-4)); // 2^4 times the mean
}

TEST_CASE("one step reaches the encoder, the planner and the generator")
{
    torch::manual_seed(1);
    Network network(preset("nano"));
    // Two steps wake the branches that start at zero.
    Optimizer optimizer(*network);
    for (uint64_t i = 0; i < 3; i++) {
        network->zero_grad();
        forward(network, synthetic_batch(i)).loss.total.backward();
        if (i < 2)
            optimizer.step(1e-3);
    }
    for (auto *part : std::initializer_list<torch::nn::Module *>{network->encoder.get(), network->planner.get(),
                                                                 network->generator.get()})
        for (auto &p : part->named_parameters()) {
            INFO(p.key());
            REQUIRE(p.value().grad().defined());
            CHECK(p.value().grad().abs().max().item<double>() > 0);
        }
}

TEST_CASE("training fits one batch")
{
    torch::manual_seed(1);
    Network network(preset("nano"));
    Optimizer optimizer(*network);
    Batch batch = synthetic_batch(9);
    const double before = forward(network, batch).loss.total.item<double>();
    for (int i = 0; i < 60; i++) {
        network->zero_grad();
        forward(network, batch).loss.total.backward();
        optimizer.step(1e-3);
    }
    const double after = forward(network, batch).loss.total.item<double>();
    INFO(before << " -> " << after);
    CHECK(after < 0.6 * before);
}

TEST_CASE("a resumed run equals an unbroken one")
{
    auto run = [](Network &network, Optimizer &optimizer, uint64_t from, uint64_t to) {
        for (uint64_t i = from; i < to; i++) {
            network->zero_grad();
            forward(network, synthetic_batch(i)).loss.total.backward();
            optimizer.step(1e-3);
        }
    };
    torch::manual_seed(1);
    Network whole(preset("nano"));
    Optimizer a(*whole);
    run(whole, a, 0, 2);
    SafeTensors state;
    a.save(state);
    const std::string path = std::string(std::getenv("TMPDIR") ? std::getenv("TMPDIR") : ".") + "/run.state";
    write_safetensors(path, state);
    run(whole, a, 2, 4);

    torch::manual_seed(99);
    Network resumed(preset("nano"));
    Optimizer b(*resumed);
    b.load(read_safetensors(path), {});
    run(resumed, b, 2, 4);
    auto x = whole->named_parameters(), y = resumed->named_parameters();
    for (auto &p : x) {
        INFO(p.key());
        // The same operations in the same order; threads may sum in another.
        CHECK(torch::allclose(p.value(), y[p.key()], 1e-4, 1e-6));
    }
    CHECK(b.steps() == 4);
}

TEST_CASE("a step that is not finite changes nothing and is counted")
{
    Network network(preset("nano"));
    Optimizer optimizer(*network);
    Tensor before = network->planner->mask_token.detach().clone();
    for (auto &p : network->parameters())
        p.mutable_grad() = torch::full_like(p, std::nan(""));
    optimizer.step(1e-3);
    CHECK(optimizer.skipped() == 1);
    CHECK(optimizer.steps() == 0);
    CHECK(torch::equal(before, network->planner->mask_token));
}

TEST_CASE("weights of another preset are refused by name")
{
    Network nano(preset("nano")), small(preset("small"));
    Optimizer a(*nano), b(*small);
    SafeTensors state;
    a.save(state);
    CHECK_THROWS_WITH(b.load(state, {}), Catch::Contains("another preset"));
}
