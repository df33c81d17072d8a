// Footage: pack files, decoding, damaged files.
#include "train/data/clips.h"
#include "train/data/decode.h"
#include "train/data/decode_program.h"
#include "train/data/pack.h"
#include "train/report/png.h"

#include <torch/torch.h>

#include "footage.h"
#include "support/catch.h"
#include "support/files.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <set>

using namespace mardini::train;
using footage::Folder;
using footage::write_video;
namespace fs = std::filesystem;

namespace {

void write_y4m(const std::string &path, int width, int height, int num_frames)
{
    std::ofstream file(path, std::ios::binary);
    file << "YUV4MPEG2 W" << width << " H" << height << " F25:1 C420jpeg\n";
    for (int f = 0; f < num_frames; f++)
        file << "FRAME\n" << std::string(size_t(width) * height * 3 / 2, char(60 + f));
}

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
}

TEST_CASE("when the memory for decoded frames is full, what fits is kept and one sentence says so")
{
    if (!can_decode())
        SKIP_TEST("built without libav*");
    Folder folder;
    std::vector<std::string> said;
    LoadOptions options;
    options.report = [&](const std::string &sentence) { said.push_back(sentence); };
    for (const char *name : {"good-1.y4m", "good-2.y4m", "good-3.y4m"})
        write_y4m(folder / name, 64, 64, 9);
    options.memory = (9 + 5) * 64 * 64 * 3 / 2; // one and five frames of the next
    Footage footage = load_videos({folder.path.string()}, options);
    REQUIRE(said.size() == 1);
    CHECK(contains(said[0], "good-2.y4m is cut short and 1 of 3 videos"));
    REQUIRE(footage.shots.size() == 2);
    CHECK(footage.shots[0].num_frames == 9);
    CHECK(footage.shots[1].num_frames == 5);
}

TEST_CASE("a damaged video does not end a pack whose name its own begins with; a full disk does")
{
    if (!can_decode() || !fs::exists("/dev/full"))
        SKIP_TEST("needs libav* and /dev/full");
    Folder folder;
    write_y4m(folder / "b.y4m", 64, 64, 40);
    std::ofstream(folder / "a.mp4") << "not a video";
    std::vector<std::string> said;
    LoadOptions options;
    options.report = [&](const std::string &sentence) { said.push_back(sentence); };
    pack({folder.path.string()}, "", folder / "a", options);
    REQUIRE(said.size() == 2);
    CHECK(contains(said[0], "/a.mp4: "));
    CHECK(contains(said[1], "1 videos, 0 pictures"));

    said.clear();
    fs::create_symlink("/dev/full", folder / "full.part");
    CHECK_THROWS_AS(pack({folder / "b.y4m"}, "", folder / "full", options), WriteError);
    CHECK(said.empty());
}

TEST_CASE("pictures alone make a pack; nothing at all does not")
{
    if (!can_decode())
        SKIP_TEST("built without libav*");
    Folder folder;
    REQUIRE(write_png(folder / "a.png", torch::full({32, 48, 3}, 90, torch::kUInt8)));
    pack({}, folder.path.string(), folder / "stills.pack");
    CHECK(Stills({folder / "stills.pack"}).size() == 1);
    fs::remove(folder / "a.png");
    CHECK(contains(message_of([&] { pack({}, folder.path.string(), folder / "none.pack"); }),
                   "no usable picture"));
    CHECK(contains(message_of([&] { pack({}, "", folder / "none.pack"); }), "--stills"));
    CHECK(contains(message_of([&] { pack({folder.path.string()}, "", folder / "none.pack"); }),
                   "no usable video"));
    CHECK(!fs::exists(folder / "none.pack"));
    CHECK(!fs::exists(folder / "none.pack.part"));
}

TEST_CASE("a program ffmpeg decodes the same frames as libav*")
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
