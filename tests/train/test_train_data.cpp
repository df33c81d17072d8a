// The trainer's data: windows of real video, made-up motion, pack files, bad files.
#include "train/data/clips.h"
#include "train/data/decode.h"
#include "train/data/decode_program.h"
#include "train/data/synthetic.h"

#include <torch/torch.h>

#include "support/catch.h"
#include "support/files.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>

using namespace mardini::train;
using torch::Tensor;
namespace fs = std::filesystem;

namespace {

// A folder of its own that goes when the test ends.
struct Folder {
    fs::path path;
    Folder()
    {
        std::string name = (fs::temp_directory_path() / "mardini-data-XXXXXX").string();
        if (!mkdtemp(name.data()))
            throw std::runtime_error("no temporary folder");
        path = name;
    }
    ~Folder() { fs::remove_all(path); }
    std::string operator/(const std::string &name) const { return (path / name).string(); }
};

using Luma = std::function<int(int f, int x, int y)>;

void write_video(PackWriter &writer, const std::string &name, int width, int height, int num_frames,
                 const Luma &luma)
{
    writer.begin_video(name, width, height, 25);
    std::vector<uint8_t> frame(size_t(width) * height * 3 / 2, 128);
    for (int f = 0; f < num_frames; f++) {
        for (int y = 0; y < height; y++)
            for (int x = 0; x < width; x++)
                frame[size_t(y) * width + x] = uint8_t(luma(f, x, y));
        writer.add_frame(frame.data());
    }
    writer.end_video();
}

void write_y4m(const std::string &path, int width, int height, int num_frames)
{
    std::ofstream file(path, std::ios::binary);
    file << "YUV4MPEG2 W" << width << " H" << height << " F25:1 C420jpeg\n";
    for (int f = 0; f < num_frames; f++)
        file << "FRAME\n" << std::string(size_t(width) * height * 3 / 2, char(60 + f));
}

Positions window(std::vector<double> given, std::vector<double> masked)
{
    Positions positions{std::move(given), std::move(masked), {}};
    positions.pair = choose_pairs(positions.given, positions.masked);
    return positions;
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
// summed up over a sample, and the number of these pixels.
struct WarpError {
    double warped = 0, unmoved = 0, pixels = 0;
    double db() const { return 10 * std::log10(4 * pixels / std::max(warped, 1e-12)); }
    double unmoved_db() const { return 10 * std::log10(4 * pixels / std::max(unmoved, 1e-12)); }
    void add(const Sample &sample)
    {
        Tensor given = unpack_planes(sample.given), masked = unpack_planes(sample.masked);
        for (int64_t m = 0; m < masked.size(0); m++)
            for (int k = 0; k < 2; k++) {
                int64_t reference = sample.pair[m][k].item<int64_t>();
                Tensor from = given[reference][0], to = masked[m][0];
                Tensor seen = erode(sample.visible[m][k], 2);
                warped +=
                    ((warp(from, sample.flow[m][k]) - to).square() * seen).sum().item<double>();
                unmoved += ((from - to).square() * seen).sum().item<double>();
                pixels += seen.sum().item<double>();
            }
    }
};

void check_one_line(const std::string &sentence)
{
    INFO(sentence);
    CHECK(!sentence.empty());
    CHECK(sentence.find('\n') == std::string::npos);
}

std::string message_of(const std::function<void()> &what)
{
    try {
        what();
    } catch (const std::runtime_error &error) {
        return error.what();
    }
    return "";
}

bool contains(const std::string &text, const std::string &part)
{
    return text.find(part) != std::string::npos;
}

} // namespace

TEST_CASE("the references of a masked frame are its nearest")
{
    // one after the other, for Catch2 to print
    auto pairs = [](const std::vector<double> &given, const std::vector<double> &masked) {
        std::vector<int> all;
        for (auto pair : choose_pairs(given, masked))
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
            Sample sample =
                synthesize(window({0, 4, 8}, {5, 6.5}), 64, 8, smooth_texture, rng, options);
            REQUIRE(sample.flow.sizes() == torch::IntArrayRef({2, 2, 2, 64, 64}));
            REQUIRE(sample.visible.sizes() == torch::IntArrayRef({2, 2, 64, 64}));
            REQUIRE(torch::isfinite(sample.flow).all().item<bool>());
            error.add(sample);
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
        Sample sample = synthesize(window({0, 1}, {0.5}), 64, 12, flat, rng, options);
        Tensor given = unpack_planes(sample.given), masked = unpack_planes(sample.masked);
        for (int k = 0; k < 2; k++) {
            Tensor visible = sample.visible[0][k],
                   difference = (warp(given[k][0], sample.flow[0][k]) - masked[0][0]).abs();
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

TEST_CASE("flow stays true when a sample is turned")
{
    std::mt19937_64 rng(7);
    for (int bits = 1; bits < 16; bits++) {
        Orientation turn;
        turn.flip_x = bits & 1;
        turn.flip_y = bits & 2;
        turn.transpose = bits & 4;
        turn.reverse = bits & 8;
        WarpError before, after;
        for (int i = 0; i < 4; i++) {
            Sample sample =
                synthesize(window({0, 3, 8}, {1, 4, 5}), 64, 8, smooth_texture, rng, plain_scene());
            Sample turned = orient(sample, turn);
            before.add(sample);
            after.add(turned);
            if (turn.reverse)
                CHECK(turned.given_times.equal(torch::tensor({0.f, 5.f, 8.f})));
            if (turn.reverse)
                CHECK(turned.masked_times.equal(torch::tensor({3.f, 4.f, 7.f})));
            // the pairs are those that the new times call for
            std::vector<double> given, masked;
            for (int r = 0; r < 3; r++)
                given.push_back(turned.given_times[r].item<double>());
            for (int m = 0; m < 3; m++)
                masked.push_back(turned.masked_times[m].item<double>());
            auto pairs = choose_pairs(given, masked);
            for (int m = 0; m < 3; m++)
                for (int k = 0; k < 2; k++)
                    CHECK(turned.pair[m][k].item<int>() == pairs[m][k]);
        }
        INFO("turn " << bits << ": " << before.db() << " dB before, " << after.db() << " after");
        CHECK(after.pixels == before.pixels);
        CHECK(after.db() == Approx(before.db()).margin(0.01)); // rounding alone
    }
}

TEST_CASE("options switch off what they name, the seed decides the rest")
{
    auto draw = [](uint64_t seed, const SyntheticOptions &options) {
        std::mt19937_64 rng(seed);
        return synthesize(window({0, 4}, {1, 2}), 32, 4, smooth_texture, rng, options);
    };
    CHECK(draw(3, {}).given.equal(draw(3, {}).given));
    CHECK(!draw(3, {}).given.equal(draw(4, {}).given));
    // a scene that moves by nothing is the same in all frames, unless noise is on
    SyntheticOptions options = plain_scene();
    options.elastic = false;
    int equal = 0, num_still = 0, num_noisy_still = 0;
    for (uint64_t seed = 0; seed < 200; seed++) {
        Sample sample = draw(seed, options);
        equal += sample.given[0].equal(sample.given[1]);
        options.still = true;
        sample = draw(seed, options);
        num_still += sample.flow.abs().max().item<float>() < 1e-3;
        options.still = false;
        SyntheticOptions noisy = options;
        noisy.still = noisy.noise = true;
        sample = draw(seed, noisy);
        num_noisy_still +=
            sample.flow.abs().max().item<float>() < 1e-3 && !sample.given[0].equal(sample.given[1]);
    }
    INFO("equal " << equal << ", still " << num_still << ", with noise " << num_noisy_still);
    CHECK(num_still > equal); // 5 % wholly still ones come on top
    CHECK(num_noisy_still > 0);
}

TEST_CASE("positions out of bounds and bad sizes are refused")
{
    std::mt19937_64 rng(8);
    CHECK_THROWS(synthesize(window({0, 1}, {0.5}), 63, 8, smooth_texture, rng));
    CHECK_THROWS(synthesize(window({0, 1}, {0.5}), 64, 0, smooth_texture, rng));
    Positions positions = window({0, 1}, {0.5});
    positions.pair.clear();
    CHECK_THROWS(synthesize(positions, 64, 8, smooth_texture, rng));
    positions.pair = {{0, 2}};
    CHECK_THROWS(synthesize(positions, 64, 8, smooth_texture, rng));
    auto wrong = [](int size, std::mt19937_64 &) { return torch::zeros({1, size, size}); };
    CHECK_THROWS(([&] {
        for (int i = 0; i < 20; i++)
            synthesize(window({0, 1}, {0.5}), 64, 8, wrong, rng);
    }()));
    // outside the window, one reference only: still a sample
    Sample sample = synthesize(window({2}, {0, 7}), 64, 8, smooth_texture, rng);
    CHECK(sample.given.size(0) == 1);
    CHECK(torch::isfinite(sample.flow).all().item<bool>());
}

TEST_CASE("a batch stacks its samples")
{
    std::mt19937_64 rng(9);
    Sample a = synthesize(window({0, 4}, {1}), 32, 4, smooth_texture, rng), b = a;
    Batch batch = collate({a, b});
    CHECK(batch.given.sizes() == torch::IntArrayRef({2, 2, 6, 16, 16}));
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
        Sample sample;
        REQUIRE(clips.sample(window({0, 2, 7}, {1, 4}), 32, rng, &sample));
        REQUIRE(sample.given.sizes() == torch::IntArrayRef({3, 6, 16, 16}));
        auto times = torch::cat({sample.given_times, sample.masked_times}).to(torch::kDouble);
        auto frames = torch::cat({sample.given, sample.masked}).narrow(1, 0, 4).to(torch::kDouble);
        CHECK(frames.flatten(1).std(1).max().item<double>() < 1e-5); // one number a frame
        auto number = (frames.flatten(1).mean(1) * 128 + 128 - 20) / 4;
        if ((number - number.round()).abs().max().item<double>() > 1e-3)
            continue; // its brightness was jittered
        exact++;
        double slope = ((number[2] - number[0]) / (times[2] - times[0])).item<double>();
        CHECK((number - number[0] - slope * (times - times[0])).abs().max().item<double>() < 1e-3);
        CHECK(sample.given_times.diff().min().item<float>() > 0);
        backwards += slope < 0;
        strides.insert(int(std::lround(std::fabs(slope))));
    }
    INFO(exact << " unjittered, " << backwards << " of them backwards");
    CHECK(exact > num / 2); // brightness is jittered in 30 %
    CHECK(exact < num);
    CHECK(backwards > exact / 4);
    CHECK(backwards < exact * 3 / 4);
    CHECK(strides == std::set<int>{1, 2, 3, 4});

    Sample sample;
    CHECK(!clips.sample(window({0, 2}, {0.5}), 32, rng, &sample)); // between frames
    CHECK(!clips.sample(window({0, 48}, {5}), 32, rng, &sample));  // longer than the shot
    CHECK(clips.sample(window({0, 47}, {5}), 32, rng, &sample));   // all of it
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
        Sample sample;
        REQUIRE(clips.sample(window({0, 6}, {2, 3}), 64, rng, &sample));
        auto means = torch::cat({sample.given, sample.masked}).narrow(1, 0, 4).flatten(1).mean(1);
        CHECK((means.max() - means.min()).item<double>() < 0.5); // the cut is a step of 1
    }
}

TEST_CASE("windows without motion are mostly passed over")
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
        Sample sample;
        REQUIRE(clips.sample(window({0, 2}, {1}), 64, rng, &sample));
        num_still += (sample.given[0] - sample.given[1]).abs().max().item<float>() < 1e-6;
    }
    INFO(num_still << " of " << num << " are still");
    CHECK(num_still > 0);            // some are wanted
    CHECK(num_still < num * 3 / 10); // more than half of the places are
}

TEST_CASE("a pack file keeps what was put in and tells when it is broken")
{
    Folder folder;
    const std::string path = folder / "a.pack";
    auto luma = [](int f, int x, int y) { return (17 * f + 3 * x + 5 * y) & 255; };
    {
        PackWriter writer(path);
        write_video(writer, "a-1.mp4", 64, 48, 3, luma);
        write_video(writer, "b-1.mp4", 64, 48, 2, luma); // too short
        write_video(writer, "b-2.mp4", 16, 16, 9, luma); // too small
        write_video(writer, "skip-1.mp4", 64, 48, 9, luma);
        std::vector<uint8_t> still(3 * 40 * 30, 77);
        writer.add_still("s.png", 40, 30, still.data());
        CHECK(!fs::exists(path)); // only when it is whole
        writer.finish();
    }
    std::vector<std::string> said;
    LoadOptions options;
    options.exclude = {"skip"};
    options.report = [&](const std::string &sentence) { said.push_back(sentence); };
    Footage footage = load_videos({path}, options);
    REQUIRE(said.size() == 2);
    CHECK(contains(said[0], "b-1.mp4"));
    CHECK(contains(said[0], "2 frames"));
    CHECK(contains(said[1], "16x16"));
    REQUIRE(footage.shots.size() == 1);
    const Shot &shot = footage.shots[0];
    CHECK(shot.name == "a-1.mp4");
    CHECK(shot.source == "a");
    REQUIRE(shot.num_frames == 3);
    bool equal = true;
    for (int f = 0; f < shot.num_frames; f++)
        for (int y = 0; y < 48; y++)
            for (int x = 0; x < 64; x++)
                equal &= shot.frames.get()[f * shot.frame_bytes() + y * 64 + x] == luma(f, x, y);
    CHECK(equal);
    Stills stills({path});
    std::mt19937_64 rng(14);
    CHECK(stills.size() == 1);
    CHECK(torch::allclose(stills.texture(24, rng), torch::full({3, 24, 24}, (77 - 128) / 128.f)));

    auto size = fs::file_size(path);
    fs::resize_file(path, size - 5);
    std::string error = message_of([&] { load_videos({path}); });
    check_one_line(error);
    CHECK(contains(error, "cut short"));
    fs::resize_file(path, 0);
    CHECK(contains(message_of([&] { load_videos({path}); }), "empty"));
    std::ofstream(path) << std::string(100, 'x');
    CHECK(contains(message_of([&] { load_videos({path}); }), "not a usable pack file"));
    CHECK(contains(message_of([&] { load_videos({folder / "none.pack"}); }), "none.pack"));
    check_one_line(message_of([&] { PackWriter writer(folder / "no/such/folder.pack"); }));
    {
        PackWriter abandoned(folder / "abandoned.pack");
    }
    CHECK(!fs::exists(folder / "abandoned.pack.part"));
}

TEST_CASE("a full disk is a sentence")
{
    if (!fs::exists("/dev/full"))
        SKIP_TEST("no /dev/full here");
    Folder folder;
    fs::create_symlink("/dev/full", folder / "full.pack.part");
    std::string error = message_of([&] {
        PackWriter writer(folder / "full.pack");
        write_video(writer, "a-1.mp4", 64, 64, 30, [](int f, int x, int y) { return f + x + y; });
        writer.finish();
    });
    check_one_line(error);
    CHECK(contains(error, "full.pack"));
    CHECK(!fs::exists(folder / "full.pack"));
}

TEST_CASE("a bad file is one sentence and the rest goes on")
{
    if (!can_decode())
        SKIP_TEST("built without libav*");
    Folder folder;
    CHECK(contains(message_of([&] { load_videos({folder.path.string()}); }), "no usable video"));
    CHECK(contains(message_of([&] { load_videos({folder / "none"}); }), "no such file"));

    std::ofstream(folder / "text.mp4") << "not a video";
    std::ofstream(folder / "nothing.mkv");
    write_y4m(folder / "single.y4m", 64, 64, 1);
    write_y4m(folder / "tiny.y4m", 16, 16, 9);
    write_y4m(folder / "good-1.y4m", 64, 64, 9);
    std::string make = files::built_file("ffmpeg") + " -v error -nostdin -y -f lavfi -i ";
    // sound alone, and a video cut in the middle, with its index at the end and at the start
    REQUIRE(!std::system((make + "sine=d=1 -c:a pcm_s16le " + (folder / "sound.mov")).c_str()));
    std::string video = "testsrc2=s=128x96:r=25:d=2 -c:v mpeg4 -qscale:v 2 ";
    REQUIRE(!std::system((make + video + (folder / "cut.mp4")).c_str()));
    REQUIRE(
        !std::system((make + video + "-movflags +faststart " + (folder / "early-1.mp4")).c_str()));
    for (const char *name : {"cut.mp4", "early-1.mp4"})
        fs::resize_file(folder / name, fs::file_size(folder / name) / 2);

    std::vector<std::string> said;
    LoadOptions options;
    options.report = [&](const std::string &sentence) { said.push_back(sentence); };
    auto check_said = [&] {
        for (const std::string &sentence : said)
            check_one_line(sentence);
        for (const char *name : {"text.mp4", "nothing.mkv", "single.y4m", "tiny.y4m", "sound.mov",
                                 "cut.mp4", "early-1.mp4"}) {
            INFO(name);
            CHECK(std::count_if(said.begin(), said.end(), [&](const std::string &sentence) {
                      return contains(sentence, std::string("/") + name + ":");
                  }) == 1);
        }
    };
    Footage footage = load_videos({folder.path.string()}, options);
    CHECK(said.size() == 7);
    check_said();
    std::set<std::string> names;
    for (const Shot &shot : footage.shots)
        names.insert(shot.name);
    CHECK(names == std::set<std::string>{"good-1.y4m", "early-1.mp4"});

    said.clear();
    pack({folder.path.string()}, "", folder / "all.pack", options);
    check_said();
    Footage packed = load_videos({folder / "all.pack"});
    REQUIRE(packed.shots.size() == footage.shots.size());
    for (size_t i = 0; i < packed.shots.size(); i++) {
        const Shot &a = packed.shots[i], &b = footage.shots[i];
        CHECK(a.name == b.name);
        REQUIRE(a.num_frames == b.num_frames);
        size_t size = a.frame_bytes() * a.num_frames;
        CHECK(std::equal(a.frames.get(), a.frames.get() + size, b.frames.get()));
    }

    // memory runs out: said once, and what fits is there
    said.clear();
    write_y4m(folder / "good-2.y4m", 64, 64, 9);
    write_y4m(folder / "good-3.y4m", 64, 64, 9);
    options.memory = (9 + 5) * 64 * 64 * 3 / 2; // one and five frames of the next
    options.exclude = {"text", "nothing", "cut", "sound", "single", "tiny", "early"};
    footage = load_videos({folder.path.string()}, options);
    REQUIRE(said.size() == 1);
    CHECK(contains(said[0], "good-2.y4m is cut short and 1 of 3 videos"));
    REQUIRE(footage.shots.size() == 2);
    CHECK(footage.shots[0].num_frames == 9);
    CHECK(footage.shots[1].num_frames == 5);
}

TEST_CASE("an ffmpeg beside it decodes what libav* inside does")
{
    if (!can_decode())
        SKIP_TEST("built without libav*");
    Folder folder;
    std::string program = files::built_file("ffmpeg"), file = folder / "a b'c.mp4";
    std::string make = program + " -v error -nostdin -y -f lavfi -i ";
    REQUIRE(!std::system(
        (make + "testsrc2=s=130x98:r=25:d=0.4 -c:v mpeg4 -qscale:v 2 \"" + file + "\"").c_str()));
    auto decode = [&](int max_side, bool by_program) {
        std::vector<uint8_t> all;
        VideoInfo size;
        auto sink = [&](const VideoInfo &info, const uint8_t *data) {
            size = info;
            all.insert(all.end(), data, data + size_t(info.width) * info.height * 3 / 2);
            return true;
        };
        int num = by_program ? decode_video_by(program, file, max_side, sink)
                             : decode_video(file, max_side, sink);
        CHECK(num == 10);
        CHECK(size.fps == 25);
        return std::pair(std::pair(size.width, size.height), all);
    };
    CHECK(decode(448, true) == decode(448, false));
    auto [shape, planes] =
        decode(65, true); // shrunk by other filters: the same size, near the same picture
    auto [other_shape, other] = decode(65, false);
    CHECK(shape == other_shape);
    REQUIRE(planes.size() == other.size());
    double difference = 0;
    for (size_t i = 0; i < planes.size(); i++)
        difference += std::abs(planes[i] - other[i]) / double(planes.size());
    CHECK(difference < 4);
    int num_read = 0;
    decode_video_by(program, file, 448,
                    [&](const VideoInfo &, const uint8_t *) { return ++num_read < 3; });
    CHECK(num_read == 3);
    std::ofstream(folder / "text.mp4") << "not a video";
    for (const std::string &bad : {folder / "text.mp4", folder / "none.mp4"})
        check_one_line(message_of(
            [&] { decode_video_by(program, bad, 448, [](auto &&...) { return true; }); }));
    check_one_line(message_of(
        [&] { decode_video_by("no-such-ffmpeg", file, 448, [](auto &&...) { return true; }); }));
}

TEST_CASE("pictures are decoded, shrunk and cut into textures")
{
    if (!can_decode())
        SKIP_TEST("built without libav*");
    Folder folder;
    std::string make = files::built_file("ffmpeg") + " -v error -nostdin -y -f lavfi -i ";
    REQUIRE(
        !std::system((make + "color=white:s=200x100 -frames:v 1 " + (folder / "w.png")).c_str()));
    REQUIRE(!std::system((make + "color=black:s=64x64 -frames:v 1 " + (folder / "b.jpg")).c_str()));
    std::ofstream(folder / "broken.png") << "no picture";
    std::vector<std::string> said;
    LoadOptions options;
    options.max_still_side = 100;
    options.report = [&](const std::string &sentence) { said.push_back(sentence); };
    Footage footage = load_stills({folder.path.string()}, options);
    REQUIRE(said.size() == 1);
    CHECK(contains(said[0], "broken.png"));
    REQUIRE(footage.stills.size() == 2);
    CHECK(footage.stills[0].name == "b.jpg");
    CHECK(std::abs(footage.stills[0].data.get()[0] - 16) <= 1); // limited range
    CHECK(footage.stills[1].width == 100);
    CHECK(footage.stills[1].height == 50);
    CHECK(std::abs(footage.stills[1].data.get()[0] - 235) <= 1);
}
