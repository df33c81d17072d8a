// Windows: pairs, packed planes, synthetic motion, windows of real video, batches.
#include "train/data/clips.h"
#include "train/data/synthetic.h"

#include <torch/torch.h>

#include "footage.h"
#include "support/catch.h"

#include <algorithm>
#include <cmath>
#include <set>

using namespace mardini::train;
using footage::Folder;
using footage::write_video;
using torch::Tensor;

namespace {

/// Positions with the pairs that they call for.
Positions positions(std::vector<double> references, std::vector<double> masked)
{
    Positions p{std::move(references), std::move(masked), {}};
    p.pair = choose_pairs(p.references, p.masked);
    return p;
}

SyntheticOptions plain_scene()
{
    SyntheticOptions options;
    options.fades = options.noise = options.blur = options.compression = false;
    options.transparency = options.still = false;
    return options;
}

// Smooth enough that interpolating it twice costs little.
Tensor smooth_texture(int size, std::mt19937_64 &rng)
{
    auto at = torch::arange(size).to(torch::kFloat);
    auto wave = [&] {
        auto draw = [&](double low, double high) {
            return low + (high - low) * (rng() % 1000) / 1000.;
        };
        auto x = at * draw(0.05, 0.3) + draw(0, 6), y = at * draw(0.05, 0.3) + draw(0, 6);
        return 0.3 * x.sin().unsqueeze(0) * y.cos().unsqueeze(1) + draw(-0.3, 0.3);
    };
    return torch::stack({wave(), wave(), wave()});
}

// Reference pixels where the flow says, (H,W).
Tensor warp(const Tensor &image, const Tensor &flow)
{
    int64_t height = image.size(0), width = image.size(1);
    auto x = torch::arange(width).to(torch::kFloat).unsqueeze(0) + flow[0];
    auto y = torch::arange(height).to(torch::kFloat).unsqueeze(1) + flow[1];
    auto grid = torch::stack({(2 * x + 1) / width - 1, (2 * y + 1) / height - 1}, -1);
    namespace F = torch::nn::functional;
    return F::grid_sample(image.view({1, 1, height, width}), grid.unsqueeze(0),
                          F::GridSampleFuncOptions()
                              .mode(torch::kBilinear)
                              .padding_mode(torch::kBorder)
                              .align_corners(false))[0][0];
}

// Without the pixels next to something hidden: edges there mix two layers.
Tensor erode(const Tensor &visible, int by)
{
    auto hidden = (1 - visible).view({1, 1, visible.size(0), visible.size(1)});
    return 1 - torch::max_pool2d(hidden, 2 * by + 1, 1, by)[0][0];
}

// Mean square errors of the warped and of the unmoved references over visible pixels,
// summed up over a window, and the number of these pixels.
struct WarpError {
    double warped = 0, unmoved = 0, pixels = 0;
    double db() const { return 10 * std::log10(4 * pixels / std::max(warped, 1e-12)); }
    double unmoved_db() const { return 10 * std::log10(4 * pixels / std::max(unmoved, 1e-12)); }
    void add(const Window &window)
    {
        Tensor references = unpack_planes(window.references), masked = unpack_planes(window.masked);
        for (int64_t m = 0; m < masked.size(0); m++)
            for (int k = 0; k < 2; k++) {
                int64_t reference = window.pair[m][k].item<int64_t>();
                Tensor from = references[reference][0], to = masked[m][0];
                Tensor seen = erode(window.visible[m][k], 2);
                warped +=
                    ((warp(from, window.flow[m][k]) - to).square() * seen).sum().item<double>();
                unmoved += ((from - to).square() * seen).sum().item<double>();
                pixels += seen.sum().item<double>();
            }
    }
};

} // namespace

TEST_CASE("the references of a masked frame are its nearest")
{
    // one after the other, for Catch2 to print
    auto pairs = [](const std::vector<double> &references, const std::vector<double> &masked) {
        std::vector<int> all;
        for (auto pair : choose_pairs(references, masked))
            all.insert(all.end(), pair.begin(), pair.end());
        return all;
    };
    CHECK(pairs({0, 4, 8}, {1, 5, 7.5}) == std::vector<int>{0, 1, 1, 2, 1, 2});
    CHECK(pairs({0, 4, 8}, {9, -1}) == std::vector<int>{0, 2, 0, 2});
    CHECK(pairs({3}, {1, 5}) == std::vector<int>{0, 0, 0, 0});
    CHECK_THROWS(choose_pairs({}, {1}));
    CHECK_THROWS(choose_pairs({4, 0}, {1}));
}

TEST_CASE("planes packed and unpacked are the same")
{
    torch::manual_seed(1);
    auto luma = torch::rand({2, 1, 8, 12}), chroma = torch::rand({2, 2, 4, 6});
    auto picture = torch::cat({luma, chroma.repeat_interleave(2, -1).repeat_interleave(2, -2)}, 1);
    auto packed = pack_planes(picture);
    REQUIRE(packed.sizes() == torch::IntArrayRef({2, 6, 4, 6}));
    CHECK(torch::allclose(unpack_planes(packed), picture, 0, 1e-6));
    CHECK(torch::equal(packed.select(1, 1)[0][2], picture[0][0][4].slice(0, 1, 12, 2))); // Y01
}

TEST_CASE("synthetic flow carries a reference onto the masked frame")
{
    std::mt19937_64 rng(5);
    SyntheticOptions options = plain_scene();
    for (bool hard : {false, true}) {
        options.soft_edges = !hard;
        WarpError error;
        for (int i = 0; i < 30; i++) {
            Window window =
                synthesize(positions({0, 4, 8}, {5, 6.5}), 64, 8, smooth_texture, rng, options);
            REQUIRE(window.flow.sizes() == torch::IntArrayRef({2, 2, 2, 64, 64}));
            REQUIRE(window.visible.sizes() == torch::IntArrayRef({2, 2, 64, 64}));
            REQUIRE(torch::isfinite(window.flow).all().item<bool>());
            error.add(window);
        }
        INFO("hard edges " << hard << ", warped " << error.db() << " dB, unmoved "
                           << error.unmoved_db() << " dB");
        // one texture in five is not ours and sharp: two interpolations of it cost most of this
        CHECK(error.db() > 40);
        CHECK(error.db() > error.unmoved_db() + 10);
        CHECK(error.pixels > 0.5 * 30 * 4 * 64 * 64);
    }
}

TEST_CASE("a hidden point is not called visible")
{
    // Seen both ways: what is visible in a reference lies there on the same layer, so the
    // warp of a reference's own pixels never lands on another layer. Layers in flat colours
    // of their own make a wrong landing show.
    std::mt19937_64 rng(6);
    int call = 0;
    auto flat = [&](int size, std::mt19937_64 &) {
        float value = (call++ % 7 - 3) / 4.f;
        return torch::full({3, size, size}, value);
    };
    SyntheticOptions options = plain_scene();
    options.soft_edges = options.overlays = false;
    double wrong = 0, seen = 0, hidden = 0, all = 0;
    for (int i = 0; i < 30; i++) {
        Window window = synthesize(positions({0, 1}, {0.5}), 64, 12, flat, rng, options);
        Tensor references = unpack_planes(window.references), masked = unpack_planes(window.masked);
        for (int k = 0; k < 2; k++) {
            Tensor visible = window.visible[0][k],
                   difference = (warp(references[k][0], window.flow[0][k]) - masked[0][0]).abs();
            wrong += ((difference > 0.4) * erode(visible, 1)).sum().item<double>();
            seen += visible.sum().item<double>();
            hidden += (1 - visible).sum().item<double>();
            all += visible.numel();
        }
    }
    INFO("wrong " << wrong << ", visible " << seen << ", hidden " << hidden << " of " << all);
    CHECK(hidden > 0.01 * all);
    CHECK(seen > 0.5 * all);
    CHECK(wrong < 0.01 * seen);
}

TEST_CASE("flow stays true when a window is mirrored")
{
    std::mt19937_64 rng(7);
    for (int bits = 1; bits < 16; bits++) {
        Orientation o;
        o.flip_x = bits & 1;
        o.flip_y = bits & 2;
        o.transpose = bits & 4;
        o.reverse = bits & 8;
        WarpError before, after;
        for (int i = 0; i < 4; i++) {
            Window window = synthesize(positions({0, 3, 8}, {1, 4, 5}), 64, 8, smooth_texture, rng,
                                       plain_scene());
            Window mirrored = orient(window, o);
            before.add(window);
            after.add(mirrored);
            if (o.reverse)
                CHECK(mirrored.reference_times.equal(torch::tensor({0.f, 5.f, 8.f})));
            if (o.reverse)
                CHECK(mirrored.masked_times.equal(torch::tensor({3.f, 4.f, 7.f})));
            // the pairs are those that the new times call for
            std::vector<double> references, masked;
            for (int r = 0; r < 3; r++)
                references.push_back(mirrored.reference_times[r].item<double>());
            for (int m = 0; m < 3; m++)
                masked.push_back(mirrored.masked_times[m].item<double>());
            auto pairs = choose_pairs(references, masked);
            for (int m = 0; m < 3; m++)
                for (int k = 0; k < 2; k++)
                    CHECK(mirrored.pair[m][k].item<int>() == pairs[m][k]);
        }
        INFO("orientation " << bits << ": " << before.db() << " dB before, " << after.db()
                            << " after");
        CHECK(after.pixels == before.pixels);
        CHECK(after.db() == Approx(before.db()).margin(0.01)); // rounding alone
    }
}

TEST_CASE("options switch off what they name, the seed decides the rest")
{
    auto draw = [](uint64_t seed, const SyntheticOptions &options) {
        std::mt19937_64 rng(seed);
        return synthesize(positions({0, 4}, {1, 2}), 32, 4, smooth_texture, rng, options);
    };
    CHECK(draw(3, {}).references.equal(draw(3, {}).references));
    CHECK(!draw(3, {}).references.equal(draw(4, {}).references));
    // a scene that moves by nothing is the same in all frames, unless noise is on
    SyntheticOptions options = plain_scene();
    options.elastic = false;
    int equal = 0, num_still = 0, num_noisy_still = 0;
    for (uint64_t seed = 0; seed < 200; seed++) {
        Window window = draw(seed, options);
        equal += window.references[0].equal(window.references[1]);
        options.still = true;
        window = draw(seed, options);
        num_still += window.flow.abs().max().item<float>() < 1e-3;
        options.still = false;
        SyntheticOptions noisy = options;
        noisy.still = noisy.noise = true;
        window = draw(seed, noisy);
        num_noisy_still += window.flow.abs().max().item<float>() < 1e-3 &&
                           !window.references[0].equal(window.references[1]);
    }
    INFO("equal " << equal << ", still " << num_still << ", with noise " << num_noisy_still);
    CHECK(num_still > equal); // 5 % wholly still ones come on top
    CHECK(num_noisy_still > 0);
}

TEST_CASE("positions out of bounds and bad sizes are refused")
{
    std::mt19937_64 rng(8);
    CHECK_THROWS(synthesize(positions({0, 1}, {0.5}), 63, 8, smooth_texture, rng));
    CHECK_THROWS(synthesize(positions({0, 1}, {0.5}), 64, 0, smooth_texture, rng));
    Positions p = positions({0, 1}, {0.5});
    p.pair.clear();
    CHECK_THROWS(synthesize(p, 64, 8, smooth_texture, rng));
    p.pair = {{0, 2}};
    CHECK_THROWS(synthesize(p, 64, 8, smooth_texture, rng));
    auto wrong = [](int size, std::mt19937_64 &) { return torch::zeros({1, size, size}); };
    CHECK_THROWS(([&] {
        for (int i = 0; i < 20; i++)
            synthesize(positions({0, 1}, {0.5}), 64, 8, wrong, rng);
    }()));
    // masked frames on both sides of a single reference
    Window window = synthesize(positions({2}, {0, 7}), 64, 8, smooth_texture, rng);
    CHECK(window.references.size(0) == 1);
    CHECK(torch::isfinite(window.flow).all().item<bool>());
}

TEST_CASE("a batch stacks its windows")
{
    std::mt19937_64 rng(9);
    Window a = synthesize(positions({0, 4}, {1}), 32, 4, smooth_texture, rng), b = a;
    Batch batch = collate({a, b});
    CHECK(batch.references.sizes() == torch::IntArrayRef({2, 2, 6, 16, 16}));
    CHECK(batch.flow.sizes() == torch::IntArrayRef({2, 1, 2, 2, 32, 32}));
    CHECK(batch.pair.sizes() == torch::IntArrayRef({2, 1, 2}));
    b.flow = Tensor();
    CHECK(!collate({a, b}).flow.defined());
    CHECK_THROWS(collate({}));
}

TEST_CASE("a window shows the frames of its positions")
{
    Folder folder;
    {
        PackWriter writer(folder / "numbers.pack");
        write_video(writer, "numbers-1.mp4", 96, 64, 48,
                    [](int f, int, int) { return 20 + 4 * f; });
        writer.finish();
    }
    Clips clips({folder / "numbers.pack"});
    REQUIRE(clips.shots().size() == 1);
    std::mt19937_64 rng(11);
    int exact = 0, backwards = 0;
    std::set<int> strides;
    const int num = 300;
    for (int i = 0; i < num; i++) {
        Window window;
        REQUIRE(clips.draw(positions({0, 2, 7}, {1, 4}), 32, rng, &window));
        REQUIRE(window.references.sizes() == torch::IntArrayRef({3, 6, 16, 16}));
        auto times = torch::cat({window.reference_times, window.masked_times}).to(torch::kDouble);
        auto frames =
            torch::cat({window.references, window.masked}).narrow(1, 0, 4).to(torch::kDouble);
        CHECK(frames.flatten(1).std(1).max().item<double>() < 1e-5); // one number a frame
        auto number = (frames.flatten(1).mean(1) * 128 + 128 - 20) / 4;
        if ((number - number.round()).abs().max().item<double>() > 1e-3)
            continue; // its brightness was jittered
        exact++;
        double slope = ((number[2] - number[0]) / (times[2] - times[0])).item<double>();
        CHECK((number - number[0] - slope * (times - times[0])).abs().max().item<double>() < 1e-3);
        CHECK(window.reference_times.diff().min().item<float>() > 0);
        backwards += slope < 0;
        strides.insert(int(std::lround(std::fabs(slope))));
    }
    INFO(exact << " unjittered, " << backwards << " of them backwards");
    CHECK(exact > num / 2); // brightness is jittered in 30 %
    CHECK(exact < num);
    CHECK(backwards > exact / 4);
    CHECK(backwards < exact * 3 / 4);
    CHECK(strides == std::set<int>{1, 2, 3, 4});

    Window window;
    CHECK(!clips.draw(positions({0, 2}, {0.5}), 32, rng, &window)); // between frames
    CHECK(!clips.draw(positions({0, 48}, {5}), 32, rng, &window));  // longer than the shot
    CHECK(clips.draw(positions({0, 47}, {5}), 32, rng, &window));   // all of it
    CHECK(clips.texture(40, rng).sizes() == torch::IntArrayRef({3, 40, 40}));
}

TEST_CASE("no window straddles a cut")
{
    Folder folder;
    {
        PackWriter writer(folder / "cut.pack");
        // moving stripes, dark, then bright
        write_video(writer, "cut-1.mp4", 96, 96, 40, [](int f, int x, int y) {
            return (f < 17 ? 50 : 180) + int(25 * std::sin(0.2 * (x + y) + 0.5 * f));
        });
        writer.finish();
    }
    Clips clips({folder / "cut.pack"});
    REQUIRE(clips.shots().size() == 2);
    CHECK(clips.shots()[0].num_frames == 17);
    CHECK(clips.shots()[1].num_frames == 23);
    std::mt19937_64 rng(12);
    for (int i = 0; i < 200; i++) {
        Window window;
        REQUIRE(clips.draw(positions({0, 6}, {2, 3}), 64, rng, &window));
        auto means =
            torch::cat({window.references, window.masked}).narrow(1, 0, 4).flatten(1).mean(1);
        CHECK((means.max() - means.min()).item<double>() < 0.5); // the cut is a step of 1
    }
}

TEST_CASE("windows without motion are mostly skipped")
{
    Folder folder;
    {
        PackWriter writer(folder / "still.pack");
        write_video(writer, "still-1.mp4", 96, 96, 100, [](int f, int x, int y) {
            return 128 + int(60 * std::sin(0.2 * (x + y) + 0.5 * std::max(0, f - 60)));
        });
        writer.finish();
    }
    Clips clips({folder / "still.pack"});
    REQUIRE(clips.shots().size() == 1);
    std::mt19937_64 rng(13);
    int num_still = 0;
    const int num = 400;
    for (int i = 0; i < num; i++) {
        Window window;
        REQUIRE(clips.draw(positions({0, 2}, {1}), 64, rng, &window));
        num_still += (window.references[0] - window.references[1]).abs().max().item<float>() < 1e-6;
    }
    INFO(num_still << " of " << num << " are still");
    CHECK(num_still > 0);            // some are wanted
    CHECK(num_still < num * 3 / 10); // more than half of the places are
}
