// The jobs at the input's own rate, through a running ffmpeg: fill, extend, loop, and stills far
// apart. Given frames come out bit for bit, counts and times are exact, made ones are new, and what
// cannot be is said.

#include "support/ffmpeg.h"

#include "support/catch.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <set>
#include <tuple>

using namespace ffmpeg;

namespace {

std::string source(int n, const std::string &format = "yuv420p")
{
    return "testsrc2=s=64x64:r=24,trim=end_frame=" + std::to_string(n) + ",format=" + format;
}

const std::vector<std::string> &originals()
{
    static const std::vector<std::string> hashes = graph(source(100)).hashes();
    return hashes;
}

/// Given frame `first` is output frame `at`, and so on: bit for bit; every other frame is none of
/// them.
void check_frames(const Clip &out, int n, int before, int after, const std::set<int> &anew = {})
{
    INFO(out.output.err);
    CHECK(out.output.status == 0);
    REQUIRE(out.frames.size() == static_cast<size_t>(before + n + after));
    const std::set<std::string> known(originals().begin(), originals().begin() + n);
    for (int k = 0; k < static_cast<int>(out.frames.size()); k++) {
        const Frame &frame = out.frames[static_cast<size_t>(k)];
        const int f = k - before;
        INFO("output frame " << k);
        REQUIRE(frame.pts == k);
        REQUIRE(frame.duration == 1);
        if (f >= 0 && f < n && !anew.count(f))
            REQUIRE(frame.hash == originals()[static_cast<size_t>(f)]);
        else if (n > 1)
            REQUIRE(known.count(frame.hash) == 0);
    }
}

Clip job(int n, const std::string &options)
{
    return graph(source(n) + ",mardini=" + options, "1/24");
}

/// What a graph's windows were, as logged: given + masked frames.
std::vector<std::string> windows(const std::string &graph)
{
    const Output output = shell("FFMPEG -v verbose -filter_complex \"" + graph + "\" -f null -");
    CHECK(output.status == 0);
    std::vector<std::string> out;
    std::istringstream lines(output.err);
    for (std::string line; std::getline(lines, line);) {
        const size_t at = line.find("window: given "), masked = line.find(", masked");
        if (at != std::string::npos)
            out.push_back(std::to_string(count(line.substr(at, masked - at), "@")) + "+" +
                          std::to_string(count(line.substr(masked + 2), " ")));
    }
    return out;
}

const std::string MOVING = SCENE + ",trim=end_frame=4";

} // namespace

TEST_CASE("extend, loop and fill for every length")
{
    for (int n : {0, 1, 2, 3, 5, 16, 17, 18, 100}) {
        INFO(n << " frames");
        const int some = n > 0;
        const Clip after = job(n, "mode=extend"), both = job(n, "mode=extend:side=both:frames=2"),
                   loop = job(n, "mode=loop:frames=3");
        check_frames(after, n, 0, 12 * some);
        check_frames(both, n, 2 * some, 2 * some);
        check_frames(loop, n, 0, 3 * some);
        for (const Clip *clip : {&after, &both, &loop})
            if (n)
                CHECK(count(clip->output.err, "one frame alone") == (n == 1 && clip != &loop));
        if (n >= 5)
            check_frames(job(n, "mode=fill:frames=1-2+4"), n, 0, 0, {1, 2, 4});
    }
}

TEST_CASE("a still's loop moves, and closes")
{
    const std::vector<std::string> made = job(1, "mode=loop:frames=15").hashes();
    REQUIRE(made.size() == 16);
    CHECK(made[0] == originals()[0]);
    CHECK(std::set<std::string>(made.begin(), made.begin() + 9).size() == 9);
    for (size_t k = 1; k <= 15; k++)
        CHECK(made[k] == made[16 - k]);
}

TEST_CASE("extend: before the start, any number, windows of 17, run twice equal")
{
    const Clip before = job(7, "mode=extend:frames=30:side=before");
    check_frames(before, 7, 30, 0);
    CHECK(job(7, "mode=extend:frames=30:side=before").frames == before.frames);
    const std::vector<std::string> expected = {"5+12", "5+12", "5+6"};
    CHECK(windows(source(7) + ",mardini=mode=extend:frames=30:side=before") == expected);
    CHECK(windows(source(7) + ",mardini=mode=extend:frames=30") == expected);
    CHECK(windows(source(10) + ",mardini=mode=extend:frames=9:context=8") ==
          std::vector<std::string>{"8+9"});

    CHECK(
        graph(
            source(7) +
            ",mardini=mode=extend:frames=3:side=both,metadata=select:key=lavfi.mardini.synthesized")
            .frames.size() == 6);
}

TEST_CASE("extend and loop keep to a scene")
{
    // Four frames, a cut, three frames: what follows is made from the three alone. Noise has its
    // name from their times.
    const std::string two =
        MOVING + "[a];" + OTHER_SCENE + ",trim=end_frame=3[b];[a][b]concat=n=2,settb=1/24";
    const Clip whole = graph(two + ",mardini=mode=extend:frames=4:steps=0"),
               alone = graph(OTHER_SCENE +
                             ",trim=end_frame=3,settb=1/24,mardini=mode=extend:frames=4:steps=0");
    REQUIRE(whole.frames.size() == 11);
    REQUIRE(alone.frames.size() == 7);
    for (size_t k = 0; k < 7; k++)
        CHECK(whole.frames[k + 4].hash == alone.frames[k].hash);

    // A join that would lead from one scene to another is held at both.
    const Clip loop = graph(two + ",mardini=mode=loop:frames=4");
    REQUIRE(loop.frames.size() == 11);
    CHECK(loop.frames[7].hash == loop.frames[6].hash);
    CHECK(loop.frames[8].hash == loop.frames[6].hash);
    CHECK(loop.frames[9].hash == loop.frames[0].hash);
    CHECK(loop.frames[10].hash == loop.frames[0].hash);
}

TEST_CASE("fill: repeats and gaps are found and made anew, a piece equals the whole")
{
    // Each sixth frame is a repeat of the one before it; the last of them leads nowhere and stays.
    for (const char *format : {"yuv420p", "nv12", "gray10"}) {
        const std::string repeats = source(20, format) + ",shuffleframes=0 1 2 3 4 4";
        const Clip in = graph(repeats), out = graph(repeats + ",mardini=mode=fill", "1/24");
        INFO(format << out.output.err);
        CHECK(out.output.err == "");
        REQUIRE(in.frames.size() >= 18);
        REQUIRE(out.frames.size() == in.frames.size());
        for (size_t k = 0; k < in.frames.size(); k++) {
            INFO("frame " << k);
            CHECK((out.frames[k].hash == in.frames[k].hash) == (k % 6 != 5 || k == 17));
            CHECK(out.frames[k].pts == static_cast<int64_t>(k));
        }
    }
    const std::string lost = source(16) + ",select='not(eq(n,5)+eq(n,10)+eq(n,11))'";
    check_frames(graph(lost + ",mardini=mode=fill:detect=gaps", "1/24"), 16, 0, 0, {5, 10, 11});

    const Clip whole = job(14, "mode=fill:frames=6-7");
    const Clip piece =
        graph(source(14) + ",trim=start_frame=4:end_frame=10,mardini=mode=fill:frames=2-3");
    REQUIRE(piece.frames.size() == 6);
    for (size_t k = 0; k < 6; k++)
        CHECK(piece.frames[k].hash == whole.frames[k + 4].hash);
}

TEST_CASE("fill: while disabled every frame stays as it is, and no gap is closed")
{
    const std::string twice = "testsrc2=s=64x48:r=5:d=1,fps=10";
    const auto plain = graph(twice).hashes();
    CHECK(graph(twice + ",mardini=mode=fill:enable=0").hashes() == plain);
    CHECK(graph(twice + ",mardini=mode=fill:detect=freezes+repeats+gaps:frames=2-4:enable=0")
              .hashes() == plain);
    const std::string holed = twice + ",select='not(eq(n,5))'";
    CHECK(graph(holed + ",mardini=mode=fill:enable=0").hashes() == graph(holed).hashes());
    const auto half = graph(twice + ",mardini=mode=fill:enable='gte(n,5)'").hashes();
    REQUIRE(half.size() == plain.size());
    for (size_t k = 0; k < 5; k++)
        CHECK(half[k] == plain[k]);
    CHECK(half[7] != plain[7]);
}

TEST_CASE("frames are missing or the time base is fine: what rounding could decide is decided once")
{
    for (int missing : {1, 4, 7})
        for (const char *side : {"before", "after"})
            for (int frames : {1, 3, 13}) {
                const std::string holed = "testsrc2=s=64x48:r=25:d=0.4,select='not(eq(n," +
                                          std::to_string(missing) + "))'";
                const Clip out =
                    graph(holed + ",mardini=mode=extend:steps=0:frames=" + std::to_string(frames) +
                          ":side=" + side);
                INFO(missing << " " << side << " " << frames << "\n" << out.output.err);
                CHECK(out.output.status == 0);
                CHECK(out.frames.size() == static_cast<size_t>(9 + frames));
            }
    const Clip fine =
        graph("testsrc2=s=64x48:r=30000/1001:d=0.4,settb=1/1000000000,mardini=fps=60000/1001");
    CHECK(fine.output.status == 0);
    CHECK(fine.frames.size() >= 23);
}

TEST_CASE("four stills become 128 frames, in windows of 17 at most")
{
    const std::string
        stills = "testsrc2=s=64x64:r=4,trim=end_frame=4,settb=1/24,setpts=N,format=yuv420p",
        views = stills + ",mardini=mode=slowmo:frames=128:scd=none";
    const Clip in = graph(stills), out = graph(views);
    REQUIRE(in.frames.size() == 4);
    REQUIRE(out.frames.size() == 128);
    const size_t places[] = {0, 42, 85, 127};
    for (size_t k = 0, f = 0; k < 128; k++) {
        INFO("output frame " << k);
        const bool given = f < 4 && k == places[f];
        CHECK((out.frames[k].hash == in.frames[f < 4 ? f : 3].hash) == given);
        f += given;
    }
    int made = 0;
    for (const std::string &window : windows(views)) {
        int given = 0, masked = 0;
        REQUIRE(sscanf(window.c_str(), "%d+%d", &given, &masked) == 2);
        CHECK((given >= 2 && given <= 4));
        CHECK(given + masked <= MARDINI_WINDOW);
        made += masked;
    }
    CHECK(made == 124);
}

TEST_CASE("animate: a still becomes 17 frames, itself among them bit for bit")
{
    const std::string photo = scratch("photo.png");
    REQUIRE(
        shell("FFMPEG -f lavfi -i testsrc2=s=96x64 -frames:v 1 -pix_fmt rgb24 -y '" + photo + "'")
            .status == 0);
    const std::string still = frames("-i '" + photo + "' -vf format=yuv420p").frames.at(0).hash;
    const auto animated = [&](const std::string &input, const std::string &options,
                              const std::string &tb = "1/8") {
        return frames(input + " -vf format=yuv420p,mardini=mode=animate" + options, tb);
    };
    const std::string image = "-i '" + photo + "'";
    const struct {
        std::string options;
        int total, anchor;
    } cases[] = {
        {"", 17, 8},
        {":anchor=first", 17, 0},
        {":anchor=last", 17, 16},
        {":anchor=3", 17, 3},
        {":frames=2", 2, 0},
        {":frames=5", 5, 2},
        {":frames=40:anchor=last", 40, 39},
        {":camera=pan-left:motion=2", 17, 8},
    };
    for (const auto &c : cases) {
        const Clip out = animated(image, c.options);
        INFO(c.options << "\n" << out.output.err);
        CHECK(out.output.status == 0);
        REQUIRE(out.frames.size() == static_cast<size_t>(c.total));
        std::set<std::string> seen;
        for (int k = 0; k < c.total; k++) {
            const Frame &frame = out.frames[static_cast<size_t>(k)];
            INFO("output frame " << k);
            CHECK((frame.pts == k && frame.duration == 1));
            CHECK((frame.hash == still) == (k == c.anchor));
            CHECK(seen.insert(frame.hash).second);
        }
        CHECK(animated(image, c.options).frames == out.frames);
    }
    // Nothing moves: so does not the picture. Another seed is another motion, and another rate the
    // same frames.
    CHECK(animated(image, ":motion=0").hashes() == std::vector<std::string>(17, still));
    const auto usual = animated(image, "").hashes();
    CHECK(animated(image, ":seed=1").hashes() != usual);
    CHECK(animated(image, ":fps=24", "1/24").hashes() == usual);
    // An endless input, and a clip, end after their first frame.
    CHECK(animated("-loop 1 " + image, "").hashes() == usual);
    const Clip clip = graph(source(30) + ",mardini=mode=animate", "1/8");
    REQUIRE(clip.frames.size() == 17);
    CHECK(clip.frames[8].hash == originals()[0]);
    CHECK(clip.output.err == "");
    const Clip none = graph(source(1) + ",trim=end_frame=0,mardini=mode=animate");
    CHECK((none.frames.empty() && none.output.status == 0));
    // Other formats: what is given stays.
    for (const char *format : {"gray", "rgb24", "yuva444p10le", "nv12"}) {
        INFO(format);
        const std::string one = source(1, "yuv444p") + ",format=" + format;
        const Clip out = graph(one + ",mardini=mode=animate:frames=3", "1/8");
        REQUIRE(out.frames.size() == 3);
        CHECK(out.frames[1].hash == graph(one).frames.at(0).hash);
        CHECK(out.frames[0].hash != out.frames[1].hash);
        CHECK(graph(one + ",mardini=mode=animate:frames=3:motion=0", "1/8").frames[0].hash ==
              out.frames[1].hash);
    }
    remove(photo.c_str());
}

TEST_CASE("animate: without motion nothing moves, in any size and depth")
{
    for (const char *size : {"1280x720", "66x50", "65x49"})
        for (const std::string format : {"rgb48", "yuv444p10", "gray16", "yuv420p"}) {
            const std::string still =
                std::string("testsrc2=s=") + size + ":r=8,format=" + format + ",trim=end_frame=1";
            const Clip in = graph(still),
                       out = graph(still + ",mardini=mode=animate:motion=0:frames=3");
            INFO(size << " " << format << "\n" << out.output.err);
            REQUIRE(in.frames.size() == 1);
            REQUIRE(out.frames.size() == 3);
            for (const Frame &frame : out.frames)
                CHECK(frame.hash == in.frames[0].hash);
        }
}

TEST_CASE("what no given frame shows is painted, by another seed another way")
{
    // One picture under a camera that moves to the left, four pixels a frame: what comes in there
    // was never seen.
    constexpr size_t width = 128, height = 96, area = width * height;
    const std::string picture =
        "-i '" + source_file("demo/walk.mp4") + "' -vf \"trim=end_frame=1,scale=448:252,";
    const std::string pan = "loop=loop=-1:size=1:start=0,crop=128:96:200-4*n:60,setpts=N/24/"
                            "TB,trim=end_frame=6,mardini=mode=extend:frames=4";
    const std::string still =
        "crop=128:96:160:60,mardini=mode=animate:anchor=first:camera=pan-left:motion=3:frames=9";
    auto luma = [&](const std::string &job, const std::string &options) {
        const Output output =
            shell("FFMPEG " + picture + job + options + ",format=gray\" -f rawvideo -");
        INFO(output.err);
        CHECK(output.status == 0);
        return output.out;
    };
    for (const auto &[job, given, all] :
         {std::tuple(pan, size_t{6}, size_t{10}), {still, size_t{1}, size_t{9}}}) {
        const std::string one = luma(job, ":seed=1"), two = luma(job, ":seed=2"),
                          none = luma(job, ":seed=1:steps=0");
        INFO(job);
        REQUIRE(
            (one.size() == all * area && two.size() == all * area && none.size() == all * area));
        CHECK(luma(job, ":seed=1") == one);
        CHECK(one.substr(0, given * area) == two.substr(0, given * area));
        auto differ = [&](const std::string &a,
                          const std::string &b) { // share of the last frame's first columns
            size_t n = 0;
            for (size_t y = 0; y < height; y++)
                for (size_t x = 0; x < 8; x++) {
                    const size_t at = (all - 1) * area + y * width + x;
                    n += std::abs(static_cast<uint8_t>(a[at]) - static_cast<uint8_t>(b[at])) > 2;
                }
            return static_cast<double>(n) / (8 * height);
        };
        CHECK(differ(one, two) > 0.2);
        CHECK(differ(one, none) > 0.2);
    }
}

TEST_CASE("after the end of a file no more is made than is asked for")
{
    // Of an input that is pushed: ffmpeg warns of a hundred frames that wait for the encoder.
    const Clip out = frames(
        "-f lavfi -i testsrc2=s=64x64:r=24:d=0.25 -vf mardini=mode=extend:frames=120:steps=0");
    INFO(out.output.err);
    CHECK(out.output.status == 0);
    CHECK(out.output.err == "");
    CHECK(out.frames.size() == 126);
    const Output few =
        shell("FFMPEG -v info -f lavfi -i testsrc2=s=64x64:r=24:d=0.25 -vf "
              "mardini=mode=loop:frames=1000:steps=0:threads=1 -frames:v 10 -f null -");
    INFO(few.err);
    int put_out = -1;
    const size_t at = few.err.find("6 frames given, ");
    REQUIRE(at != std::string::npos);
    REQUIRE(sscanf(few.err.c_str() + at, "6 frames given, %d put out", &put_out) == 1);
    CHECK(put_out < 40);
}

TEST_CASE("a time base coarser than the frame rate: frames are placed by their time stamps")
{
    for (const char *job : {"extend:frames=2", "loop:frames=3", "fill"}) {
        const Clip out = graph(std::string("testsrc2=s=64x64:r=24:d=4,settb=1,mardini=mode=") +
                                   job + (*job == 'f' ? "" : ":steps=0"),
                               "1");
        INFO(job << "\n" << out.output.err);
        CHECK(out.output.status == 0);
        CHECK(out.frames.size() == (*job == 'e'   ? 7
                                    : *job == 'l' ? 8
                                                  : 5)); // of 96 stamps five are different
        for (size_t k = 0; k < out.frames.size(); k++)
            CHECK(out.frames[k].pts == static_cast<int64_t>(k));
    }
}

TEST_CASE("what a job cannot do is one sentence")
{
    const struct {
        std::string options, word;
        bool mid_stream;
    } cases[] = {
        {"mode=extend:frames=x", "frames=x is not a number of frames", false},
        {"mode=extend:frames=0", "0 frames are to be added", false},
        {"mode=loop:frames=-1", "frames=-1 is not a number of frames", false},
        {"mode=extend:context=1", "a context of 1 frames", false},
        {"mode=fill:frames=3-", "'3-' names no frames", false},
        {"mode=animate:frames=1", "1 frames of one: 2 or more are wanted", false},
        {"mode=animate:anchor=17", "output frame 17; 0 to 16 are there", false},
        {"mode=animate:fps=0", "fps=0 is 0", false},
        {"mode=extend:context=6", "a context of 6 frames is wanted, and the clip has 5", true},
        {"mode=fill:frames=5", "frame 5 is to be filled, and the last one is 4", true},
        {"mode=fill:frames=1-9+2", "frame 9 is to be filled, and the last one is 4", true},
        {"mode=fill:frames=0-4", "every frame is to be filled", true},
    };
    const bool old = is_5_1(); // as in test_filter_messages.cpp
    for (const auto &c : cases) {
        const Output output = shell("FFMPEG -filter_complex \"" + source(5) +
                                    ",mardini=" + c.options + "\" -f null -");
        INFO(c.options << "\n" << output.err);
        CHECK((is_refusal(output) || (old && c.mid_stream && output.status == 0)));
        const size_t said = count(output.err, c.word);
        CHECK((said == 1 || (old && said == 2)));
    }
}
