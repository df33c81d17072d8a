// Curriculum, losses, optimizer.
#include "train/data/synthetic.h"
#include "train/losses.h"
#include "train/optimizer.h"
#include "train/report/metrics.h"

#include "support/catch.h"
#include "support/files.h"

#include <cstdlib>
#include <set>

using namespace mardini;
using namespace mardini::train;

namespace {

Batch synthetic_batch(uint64_t seed, int num_windows = 2)
{
    std::mt19937_64 random(seed);
    auto texture = [](int size, std::mt19937_64 &r) {
        auto generator = at::make_generator<at::CPUGeneratorImpl>(r());
        Tensor t = at::randn({1, 3, size / 6 + 1, size / 6 + 1}, generator) * 0.3;
        return resize(t, size, size).squeeze(0);
    };
    std::vector<Window> windows;
    for (int i = 0; i < num_windows; i++)
        windows.push_back(synthesize(sample_positions(Stage::Interpolation, {9, 2, 2}, random), 64,
                                     8, texture, random));
    return collate(windows);
}

struct Step {
    Output output;
    Losses loss;
};

Step forward(Network &network, const Batch &b)
{
    Step s;
    s.output = network->forward(b.references, b.reference_times, b.masked_times);
    s.loss =
        losses(s.output, b.masked.flatten(0, 1), b.flow.flatten(0, 1), b.visible.flatten(0, 1));
    return s;
}

} // namespace

TEST_CASE("windows grow from stage to stage, the share of reference frames falls")
{
    std::mt19937_64 random(4);
    struct Expected {
        Stage stage;
        int positions;
        double least, most; ///< share of the window's positions that are references
    };
    double share_before = 2;
    for (auto [stage, positions, least, most] : {Expected{Stage::Motion, 4, 0.35, 1},
                                                 {Stage::Interpolation, 9, 0.15, 0.6},
                                                 {Stage::Any, 17, 0.05, 0.3},
                                                 {Stage::Joint, 17, 0.05, 0.3}}) {
        double mean_share = 0;
        std::set<int> counts;
        bool wide = false; // as the filter has them at 8x
        bool one = false, extension = false, apart = false,
             join = false; // the jobs of the third stage
        for (int i = 0; i < 3000; i++) {
            const WindowSize size = sample_window_size(stage, random);
            const Positions p = sample_positions(stage, size, random);
            REQUIRE(size.positions == positions);
            REQUIRE(static_cast<int>(p.references.size()) == size.references);
            REQUIRE(static_cast<int>(p.masked.size()) == size.masked);
            REQUIRE(size.masked >= 1);
            REQUIRE(p.pair.size() == p.masked.size());
            REQUIRE(std::is_sorted(p.references.begin(), p.references.end()));
            REQUIRE(std::set<double>(p.references.begin(), p.references.end()).size() ==
                    p.references.size());
            const double share = static_cast<double>(p.references.size()) / positions;
            REQUIRE(share >= least);
            REQUIRE(share <= most);
            for (double m : p.masked) {
                REQUIRE(std::count(p.references.begin(), p.references.end(), m) == 0);
                REQUIRE((m >= 0 && m < 25 && p.references.front() >= 0 &&
                         p.references.back() < 25)); // four references, eight apart
                extension |= m > p.references.back() && p.references.size() > 1;
                one |= p.references.size() == 1;
                apart |= p.references.size() == 2 && p.references[1] - p.references[0] == 16;
            }
            wide |= p.references.size() == 4 && p.references[1] - p.references[0] == 8 &&
                    p.references[3] - p.references[0] == 24;
            if (positions < 17) // of an extension and a join several may be the same
                REQUIRE(std::set<double>(p.masked.begin(), p.masked.end()).size() ==
                        p.masked.size());
            join |= p.references.size() == 4 && p.references[1] == 1 && p.references[2] == 15;
            counts.insert(size.references);
            mean_share += share / 3000;
        }
        INFO(stage_name(stage) << " keeps " << mean_share);
        CHECK(mean_share < share_before + 1e-9);
        CHECK(counts.size() >= 2);
        CHECK(wide == (positions > 4));
        CHECK((one && extension && apart && join) == (positions == 17));
        share_before = positions == 17 ? 1 : mean_share; // the last two are alike
    }
    for (int references : {2, 4, 5})
        CHECK(sample_window_size(Stage::Interpolation, random, references).references ==
              references);
}

TEST_CASE("times reach the network as the filter gives them")
{
    std::mt19937_64 random(5);
    for (int i = 0; i < 50; i++) {
        const Stage stage = i % 2 ? Stage::Any : Stage::Interpolation;
        const Positions p = sample_positions(stage, sample_window_size(stage, random), random);
        Batch b;
        b.reference_times = torch::tensor(p.references, torch::kFloat32).unsqueeze(0);
        b.masked_times = torch::tensor(p.masked, torch::kFloat32).unsqueeze(0);
        b.pair = torch::empty({1, static_cast<int64_t>(p.pair.size()), 2}, torch::kLong);
        for (size_t m = 0; m < p.pair.size(); m++)
            for (int k = 0; k < 2; k++)
                b.pair[0][m][k] = p.pair[m][k];
        auto before = make_pairs(b.reference_times, b.masked_times, torch::kCPU);
        to_filter_times(b);
        auto after = make_pairs(b.reference_times, b.masked_times, torch::kCPU);
        // The pairs and the distances within them stay.
        CHECK(torch::equal(before.before, after.before));
        CHECK(torch::equal(before.after, after.after));
        if (p.references.size() > 1) {
            CHECK(torch::allclose(before.distance_before, after.distance_before, 1e-4, 1e-5));
            for (size_t m = 0; m < p.pair.size() && stage == Stage::Interpolation; m++)
                CHECK((b.reference_times[0][p.pair[m][1]] - b.reference_times[0][p.pair[m][0]])
                          .item<float>() == Approx(gap_positions));
            CHECK((b.reference_times[0][p.pair[0][1]] - b.reference_times[0][p.pair[0][0]])
                      .item<float>() == Approx(gap_positions));
        }
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
    CHECK(pyramid_distance(x, shifted).item<double>() ==
          Approx(1.6).epsilon(1e-4)); // 2^4 times the mean
}

TEST_CASE(
    "fidelity counts decibels: halving an error is worth as much on a good frame as on a bad one")
{
    torch::manual_seed(2);
    Tensor truth = torch::rand({2, 6, 32, 32}) - 0.5, error = torch::randn({2, 6, 32, 32});
    auto at = [&](double bad, double good) {
        Tensor size = torch::tensor({bad, good}).to(torch::kFloat32).view({2, 1, 1, 1});
        return fidelity_distance(truth + size * error, truth).item<double>();
    };
    CHECK(at(0.4, 0.05) - at(0.2, 0.05) == Approx(std::log(2) / 2).epsilon(0.01));
    CHECK(at(0.4, 0.05) - at(0.4, 0.025) == Approx(std::log(2) / 2).epsilon(0.02));
    CHECK(at(0, 0) == Approx(std::log(1 / 256.0)));
    // Ten decibels of a PSNR less are log(10) / 2 more; of luma alone.
    Tensor chroma = error.clone();
    chroma.slice(1, 0, 4).zero_();
    CHECK(fidelity_distance(truth + chroma, truth).item<double>() == Approx(at(0, 0)));
    const double less =
        (psnr(truth + 0.02 * error, truth) - psnr(truth + 0.1 * error, truth)).item<double>() / 10 *
        std::log(10) / 2;
    CHECK(at(0.1, 0.1) - at(0.02, 0.02) == Approx(less).epsilon(0.03));
}

TEST_CASE("a cost volume's gradient is that of its definition")
{
    torch::manual_seed(2);
    constexpr int radius = 2, n = 2 * radius + 1;
    Tensor a = torch::randn({2, 5, 7, 9}), b = torch::randn({2, 5, 7, 9}),
           by = torch::randn({2, n * n, 7, 9});
    auto defined = [&](const Tensor &x, const Tensor &y) {
        auto unit = [](const Tensor &t) { return t / t.norm(2, {1}, true); };
        Tensor padded = at::constant_pad_nd(unit(y), {radius, radius, radius, radius});
        std::vector<Tensor> shifts;
        for (int i = 0; i < n; i++)
            for (int j = 0; j < n; j++)
                shifts.push_back((unit(x) * padded.slice(2, i, i + 7).slice(3, j, j + 9)).sum(1));
        return at::stack(shifts, 1);
    };
    std::vector<Tensor> results;
    for (bool ours : {true, false}) {
        Tensor x = a.clone().requires_grad_(), y = b.clone().requires_grad_();
        Tensor volume = ours ? cost_volume(x, y, radius) : defined(x, y);
        (volume * by).sum().backward();
        results.insert(results.end(), {volume.detach(), x.grad(), y.grad()});
    }
    for (int i = 0; i < 3; i++)
        CHECK(torch::allclose(results[i], results[i + 3], 1e-4, 1e-5));
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
    for (auto *part : std::initializer_list<torch::nn::Module *>{
             network->encoder.get(), network->planner.get(), network->generator.get()})
        for (auto &p : part->named_parameters()) {
            INFO(p.key());
            REQUIRE(p.value().grad().defined());
            CHECK(p.value().grad().abs().max().item<double>() > 0);
        }
}

TEST_CASE("a matrix's step goes in all its directions alike, as far as the rate says")
{
    torch::manual_seed(4);
    for (auto [rows, columns] : {std::pair(24, 200), {200, 24}, {64, 64}}) {
        // Singular values of three orders of magnitude
        Tensor m = torch::randn({rows, columns});
        m = torch::mm(m * torch::logspace(0, -2, columns), torch::randn({columns, columns})) /
            columns;
        const Tensor o = orthogonalized(m), values = at::linalg_svdvals(o);
        INFO(rows << "x" << columns << ", " << values.min().item<double>() << " to "
                  << values.max().item<double>());
        CHECK(values.max().item<double>() < 1.3);
        CHECK(values.median().item<double>() > 0.6);
        CHECK((o * m).sum().item<double>() >
              0.7 * at::linalg_svdvals(m).sum().item<double>()); // the same ones
    }
    CHECK(torch::equal(orthogonalized(torch::zeros({20, 30})), torch::zeros({20, 30})));

    Network network(preset("nano"));
    Optimizer optimizer(*network);
    auto parameters = network->named_parameters();
    std::map<std::string, Tensor> before;
    for (auto &item : parameters) {
        before[item.key()] = item.value().detach().clone();
        item.value().mutable_grad() = torch::randn_like(item.value());
    }
    optimizer.step(1e-3, 1e9);
    auto moved = [&](const std::string &name) {
        return (parameters[name] - before[name]).square().mean().sqrt().item<double>();
    };
    CHECK(moved("encoder.eighth2.weight") == Approx(0.5e-3).epsilon(0.3));
    CHECK(moved("generator.blocks8.0.a.weight") == Approx(0.5e-3).epsilon(0.3));
    CHECK(moved("generator.head3.weight") == Approx(1e-3).epsilon(0.01)); // Adam's first step
    CHECK(moved("encoder.eighth2.bias") == Approx(1e-3).epsilon(0.01));
}

TEST_CASE("matrices of one shape are orthogonalized together as each by itself")
{
    torch::manual_seed(6);
    for (auto [rows, columns] : {std::pair(24, 200), {200, 24}, {64, 64}}) {
        Tensor many = torch::randn({3, rows, columns});
        many[1] *= 1e-3;
        many[2].zero_();
        const Tensor together = orthogonalized(many);
        for (int i = 0; i < 3; i++) // singular values near 1: rounding of float32, five times over
            CHECK(torch::allclose(together[i], orthogonalized(many[i]), 1e-3, 1e-4));
    }
}

TEST_CASE("metrics are means; a weight of 0 leaves a value out, finite or not")
{
    Metrics metrics;
    metrics.add("a", 1);
    metrics.add("a", torch::tensor(2.0f));
    metrics.add("b", torch::tensor(std::nan("")), torch::tensor(false));
    metrics.add("c", torch::tensor(std::nan("")), torch::tensor(false));
    metrics.add("c", torch::tensor(3.0f), torch::tensor(true));
    CHECK(metrics.take().dump() == R"({"a":1.5,"c":3.0})");
    CHECK(metrics.take().empty());
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
    const std::string path = files::scratch("run.state");
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
