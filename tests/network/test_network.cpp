// The network as a function: who may see whom, what the limits are, what saving keeps.
#include "network/checkpoint.h"

#include "support/awake.h"
#include "support/catch.h"
#include "support/files.h"

#include <cstdio>
#include <cstdlib>
#include <fstream>

using namespace mardini;

namespace {

Tensor footage(int64_t B, int64_t frames, int64_t h, int64_t w)
{
    torch::manual_seed(3);
    Tensor coarse = torch::randn({B * frames, packed_channels, h / 4, w / 4}) * 0.3;
    return resize(coarse, h, w).view({B, frames, packed_channels, h, w});
}

Tensor times(std::vector<float> t)
{
    return torch::tensor(t).view({1, -1});
}

double largest(const Tensor &t)
{
    return t.abs().max().item<double>();
}

} // namespace

TEST_CASE("the planner holds at least half of the parameters, what plans motion without a second "
          "frame apart")
{
    for (const char *name : {"nano", "small", "base"}) {
        Network network(preset(name));
        int64_t all = 0, planner = 0;
        for (const auto &p : network->named_parameters()) {
            all += p.key().rfind("sampler.", 0) == 0 ? 0 : p.value().numel();
            if (p.key().rfind("planner.", 0) == 0)
                planner += p.value().numel();
        }
        INFO(name << ": " << planner << " of " << all);
        CHECK(2 * planner >= all);
    }
}

TEST_CASE("reference tokens do not attend to masked ones")
{
    torch::NoGradGuard no_grad;
    torch::manual_seed(1);
    Block block(64, 32);
    for (auto &p : block->parameters())
        p.add_(0.1 * torch::randn_like(p));
    const int64_t M = 3, N = 5;
    Tensor references = torch::randn({1, N, 64}), masked = torch::randn({1, M * N, 64});
    const Rotation rope_references = rotation(torch::rand({1, N, 3}), 32),
                   rope_masked = rotation(torch::rand({1, M * N, 3}), 32);
    auto [r1, m1] = block->forward(references, masked, rope_references, rope_masked, false);
    auto [r2, m2] = block->forward(references, -masked, rope_references, rope_masked, false);
    CHECK(largest(r1 - r2) == 0);
    CHECK(largest(m1 - m2) > 0);
    CHECK(
        largest(block->forward(2 * references, masked, rope_references, rope_masked, false).first -
                r1) > 1e-4);
    // The last block's reference tokens are not computed, which does not show in the masked ones.
    auto [r3, m3] = block->forward(references, masked, rope_references, rope_masked, true);
    CHECK(torch::equal(r3, references));
    CHECK(torch::equal(m3, m1));
    // Masked frames attend to each other here, and not in attend().
    auto [encoded, cache] = block->encode_references(references, rope_references, false);
    CHECK(torch::equal(encoded, r1));
    const Tensor apart = block->attend(masked, cache, rope_masked, M);
    const Tensor first =
        block->attend(masked.slice(1, 0, N), cache,
                      {rope_masked.cosine.slice(2, 0, N), rope_masked.sine.slice(2, 0, N)}, 1);
    CHECK(largest(apart.slice(1, 0, N) - first) < 1e-5);
    CHECK(largest(apart - m1) > 1e-4);
}

TEST_CASE("a given frame is read once for all windows")
{
    torch::NoGradGuard no_grad;
    Network network = awake();
    Planner &planner = network->planner;
    Tensor given = footage(1, 3, 48, 64).flatten(0, 1), at = times({0, 8, 16}),
           masked = times({3, 11});
    Features features = network->encoder(given);
    const int64_t rows = features.eighth.size(2) / 4;
    const Pairs pairs = make_pairs(at, masked, torch::kCPU);
    Match match =
        network->encoder->match(select(features, pairs.before), select(features, pairs.after));
    Tensor tokens = planner->tokenize(features.eighth);
    auto plan = [&](const PlannerImpl::ReferenceCache *reading) {
        return planner->forward(tokens, reading, match, pairs, at, masked, rows).motion.velocity;
    };
    const PlannerImpl::ReferenceCache all = planner->encode_references(tokens, rows);
    CHECK(torch::equal(plan(&all), plan(nullptr)));
    // One by one, with nothing known of the window: the same but for the rounding of other batch
    // shapes.
    PlannerImpl::ReferenceCache one_by_one(all.size());
    for (int64_t f = 0; f < 3; f++) {
        const PlannerImpl::ReferenceCache one =
            planner->encode_references(tokens.slice(0, f, f + 1), rows);
        for (size_t i = 0; i < one.size(); i++) {
            BlockImpl::KvCache &to = one_by_one[i];
            to.k = f ? at::cat({to.k, one[i].k}) : one[i].k,
            to.v = f ? at::cat({to.v, one[i].v}) : one[i].v;
        }
    }
    CHECK(largest(plan(&one_by_one) - plan(nullptr)) < 1e-3); // pixels
    // What it says does matter, and so does when the frame is.
    PlannerImpl::ReferenceCache other = all;
    other[0].v = -other[0].v;
    CHECK(largest(plan(&other) - plan(nullptr)) > 1e-2);
    const Tensor later =
        planner->forward(tokens, &all, match, pairs, times({0, 8, 20}), masked, rows)
            .motion.velocity;
    CHECK(largest(later.slice(0, 0, 1) - plan(&all).slice(0, 0, 1)) > 1e-4);
}

TEST_CASE("a masked frame does not depend on what else is made")
{
    torch::NoGradGuard no_grad;
    Network network = awake();
    Tensor given = footage(1, 3, 48, 64), at = times({0, 8, 16});
    Tensor all = network->forward(given, at, times({3, 5, 12})).frames;
    Tensor one = network->forward(given, at, times({5})).frames;
    // Float rounding of other batch shapes; values are -1 .. 1.
    CHECK(largest(all[1] - one[0]) < 1e-4);
}

TEST_CASE("a batch of two equals two of one")
{
    torch::NoGradGuard no_grad;
    Network network = awake();
    Tensor given = footage(2, 2, 48, 64), at = times({0, 4});
    Output two = network->forward(given, at.expand({2, 2}).contiguous(),
                                  times({1, 2}).expand({2, 2}).contiguous());
    for (int64_t i = 0; i < 2; i++) {
        Output one = network->forward(given.slice(0, i, i + 1), at, times({1, 2}));
        auto difference = [i](const Tensor &of_two, const Tensor &of_one) {
            return of_two.slice(0, 2 * i, 2 * i + 2) - of_one;
        };
        // Pixels a gap, of motions of up to 40; the two find their matches by different code.
        CHECK(largest(difference(two.refined.half.velocity, one.refined.half.velocity)) < 1e-3);
        // A pixel sampled just at the frame's edge may fall on either side of it.
        CHECK((difference(two.frames, one.frames).abs() > 1e-4)
                  .to(torch::kFloat32)
                  .mean()
                  .item<double>() < 1e-3);
    }
}

TEST_CASE("a masked frame whose time goes to a given frame's becomes that frame")
{
    torch::NoGradGuard no_grad;
    Network network = awake();
    Tensor given = footage(1, 2, 48, 64), at = times({0, 8});
    double last = 1e9;
    for (float t : {1.0f, 0.1f, 0.01f, 0.0001f}) {
        const double off = largest(network->forward(given, at, times({t})).frames[0] - given[0][0]);
        CHECK(off < last);
        last = off;
    }
    CHECK(last < 1.0 / 128); // one code of 8 bits
}

TEST_CASE("what is equal in both given frames stays as it is, beside motion too")
{
    torch::NoGradGuard no_grad;
    Network network = awake();
    Tensor given = footage(1, 2, 64, 96);
    given[0][1] = given[0][0];
    CHECK(largest(network->forward(given, times({0, 8}), times({3})).frames[0] - given[0][0]) == 0);
    given[0][1].slice(2, 64) = -given[0][0].slice(2, 64); // the right third changes
    Tensor made = network->forward(given, times({0, 8}), times({3})).frames[0];
    CHECK(largest((made - given[0][0]).slice(2, 0, 56)) == 0);
    CHECK(largest((made - given[0][0]).slice(2, 64)) > 0);
}

TEST_CASE("any positions of the window can be given")
{
    torch::NoGradGuard no_grad;
    Network network = awake();
    std::mt19937 random(5);
    for (int round = 0; round < 12; round++) {
        std::vector<float> given, masked;
        for (int t = 0; t < 17; t++)
            (random() % 3 == 0 ? given : masked).push_back(static_cast<float>(t));
        if (given.empty() || masked.empty())
            continue;
        INFO(given.size() << " given, " << masked.size() << " masked");
        Output o = network->forward(footage(1, static_cast<int64_t>(given.size()), 32, 32),
                                    times(given), times(masked));
        REQUIRE(o.frames.size(0) == static_cast<int64_t>(masked.size()));
        CHECK(torch::isfinite(o.frames).all().item<bool>());
    }
}

TEST_CASE("matching alone, untrained, finds where a picture has gone")
{
    torch::NoGradGuard no_grad;
    torch::manual_seed(2);
    Network network(preset("nano"));
    Tensor wide = resize(torch::randn({1, packed_channels, 24, 40}) * 0.5, 96, 160);
    // Moved by 12 packed columns, 24 luma pixels, to the left.
    Features a = network->encoder(wide.slice(3, 0, 128).contiguous());
    Features b = network->encoder(wide.slice(3, 12, 140).contiguous());
    Match m = network->encoder->match(a, b);
    Tensor inside = m.forward.slice(2, 4, 20).slice(3, 8, 24);
    CHECK(std::abs(inside.select(1, 0).mean().item<double>() + 24) < 2);
    CHECK(std::abs(inside.select(1, 1).mean().item<double>()) < 2);
    Features other =
        network->encoder(resize(torch::randn({1, packed_channels, 24, 32}) * 0.5, 96, 128));
    INFO(unlikeness(a, b) << " moved, " << unlikeness(a, other) << " another picture");
    CHECK(unlikeness(a, other) > unlikeness(a, b) + 0.2);
}

TEST_CASE("with the match off none of it reaches the plan")
{
    torch::NoGradGuard no_grad;
    Network network = awake();
    Tensor wide = footage(1, 1, 64, 96).squeeze(0);
    Tensor given =
        at::stack({wide.slice(3, 0, 64), wide.slice(3, 16, 80)}, 1); // 32 luma pixels apart
    Ablation off;
    off.no_match = true;
    auto seed = [&](const Ablation &a) {
        return largest(
            network->forward(given, times({0, 2}), times({1}), {1, a}).plan.match_velocity);
    };
    CHECK(seed({}) > 8);
    CHECK(seed(off) == 0);
}

TEST_CASE("references are the nearest on either side")
{
    auto r = choose_references({0, 4, 8}, 5);
    CHECK(r.index == std::array<int, 2>{1, 2});
    CHECK(r.distance[0] == -0.25);
    CHECK(r.distance[1] == 0.75);
    r = choose_references({0, 4, 8},
                          10); // beyond the last: a pair far enough apart to tell the motion
    CHECK(r.index == std::array<int, 2>{0, 2});
    CHECK(r.distance[1] == -0.25);
    std::vector<double> row;
    for (int k = 0; k <= 12; k++)
        row.push_back(k);
    for (auto [time, first, second] : {std::tuple{13., 8, 12},
                                       {16., 8, 12},
                                       {20., 4, 12},
                                       {99., 0, 12},
                                       {-1., 0, 4},
                                       {-7., 0, 7}}) {
        INFO(time);
        CHECK(choose_references(row, time).index == std::array<int, 2>{first, second});
    }
    r = choose_references({3}, 5);
    CHECK(r.index == std::array<int, 2>{0, 0});
    CHECK(r.distance[0] == -2);
}

TEST_CASE("a checkpoint comes back as it was written")
{
    const std::string path = files::scratch("net.safetensors");
    Network network = awake();
    save_network(path, network, torch::kFloat32, {{"note", "a \"quoted\" one"}});
    std::map<std::string, std::string> metadata;
    Network again = load_network(path, &metadata);
    CHECK(metadata["note"] == "a \"quoted\" one");
    auto a = network->named_parameters(), b = again->named_parameters();
    REQUIRE(a.size() == b.size());
    for (auto &item : a)
        CHECK(torch::equal(item.value(), b[item.key()]));
}

TEST_CASE("a broken checkpoint is refused in one sentence")
{
    const std::string path = files::scratch("broken.safetensors");
    auto refused = [&](const std::string &bytes) {
        std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
        try {
            read_safetensors(path);
        } catch (const std::runtime_error &e) {
            const std::string message = e.what();
            CHECK(message.find(path) != std::string::npos);
            CHECK(message.find('\n') == std::string::npos);
            return true;
        }
        return false;
    };
    auto file = [](std::string header, const std::string &data) {
        std::string size(8, '\0');
        for (int i = 0; i < 8; i++)
            size[i] = static_cast<char>(header.size() >> 8 * i);
        return size + header + data;
    };
    const std::string four(4, 'x');
    CHECK_FALSE(refused(file(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", four)));
    CHECK(refused(""));
    CHECK(refused(std::string(8, '\xff')));
    CHECK(refused(file("[]", "")));
    CHECK(refused(file("{", "")));
    CHECK(refused(file(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", "xxx")));
    CHECK(refused(file(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", "xxxxx")));
    CHECK(refused(file(R"({"a":{"dtype":"F33","shape":[1],"data_offsets":[0,4]}})", four)));
    CHECK(refused(file(R"({"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}})", four)));
    CHECK(refused(file(R"({"a":{"dtype":"F32","shape":[1.5],"data_offsets":[0,4]}})", four)));
    CHECK(refused(
        file(R"({"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]}})", "")));
    CHECK(refused(file(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}})", four)));
    CHECK(refused(file(
        R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}})",
        "xxx")));
    CHECK(refused(file(
        R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"U8","shape":[1],"data_offsets":[2,3]}})",
        "xxx")));
    CHECK(refused(file(
        R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})",
        "x")));

    // Cut anywhere, or with one byte changed: an error or a file that reads, never a crash.
    Network network(preset("nano"));
    save_network(path, network, torch::kBFloat16);
    std::ifstream in(path, std::ios::binary);
    std::string whole((std::istreambuf_iterator<char>(in)), {});
    std::mt19937 random(11);
    for (int i = 0; i < 200; i++) {
        std::string mutant = whole;
        if (i % 2)
            mutant.resize(random() % mutant.size());
        else
            mutant[random() % 4000] = static_cast<char>(random());
        std::ofstream(path, std::ios::binary | std::ios::trunc) << mutant;
        if (i % 2) { // cut short: never a network
            CHECK_THROWS(load_network(path));
            continue;
        }
        try {
            load_network(path);
        } catch (const std::exception &) {
        }
    }
}
