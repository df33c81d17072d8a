// Modes fill, extend, loop, animate, and slowmo with a number of frames, through a running ffmpeg:
// input frames come out bit for bit, counts and times are exact, synthesized frames are new.

#include "filter/batch.h"

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

Graph with(const std::string &source, const std::string &options,
           const std::string &time_base = "1/24")
{
    return {source + ",mardini=" + options, time_base};
}

const std::vector<std::string> &originals()
{
    static const std::vector<std::string> hashes = graph(source(100)).hashes();
    return hashes;
}

/// Input frame f is output frame before + f, bit for bit; all others are synthesized.
void check_frames(const Clip &out, int n, int before, int after,
                  const std::set<int> &synthesized = {})
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
        if (f >= 0 && f < n && !synthesized.count(f))
            REQUIRE(frame.hash == originals()[static_cast<size_t>(f)]);
        else if (n > 1)
            REQUIRE(known.count(frame.hash) == 0);
    }
}

/// The windows of a graph, as logged: "references+masked frames".
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

const std::string FOUR_FRAMES = SCENE + ",trim=end_frame=4";

} // namespace

TEST_CASE("extend, loop and fill for every length")
{
    for (int n : {0, 1, 2, 3, 5, 16, 17, 18, 100}) {
        INFO(n << " frames");
        const int some = n > 0;
        std::vector<Graph> graphs = {with(source(n), "mode=extend"),
                                     with(source(n), "mode=extend:side=both:frames=2"),
                                     with(source(n), "mode=loop:frames=3")};
        if (n >= 5)
            graphs.push_back(with(source(n), "mode=fill:frames=1-2+4"));
        const std::vector<Clip> clips = batch(graphs);
        check_frames(clips[0], n, 0, 12 * some);
        check_frames(clips[1], n, 2 * some, 2 * some);
        check_frames(clips[2], n, 0, 3 * some);
        if (n >= 5)
            check_frames(clips[3], n, 0, 0, {1, 2, 4});
        if (n) // both times in mode extend
            CHECK(count(clips[0].output.err, "one frame alone") == (n == 1 ? 2 : 0));
    }
}

TEST_CASE("a loop of one frame moves away from it and back")
{
    const auto hashes = graph(source(1) + ",mardini=mode=loop:frames=15", "1/24").hashes();
    REQUIRE(hashes.size() == 16);
    CHECK(hashes[0] == originals()[0]);
    CHECK(std::set<std::string>(hashes.begin(), hashes.begin() + 9).size() == 9);
    for (size_t k = 1; k <= 15; k++)
        CHECK(hashes[k] == hashes[16 - k]);
}

TEST_CASE("extend: before the start, any number, windows of 17, run twice equal")
{
    const Graph before = with(source(7), "mode=extend:frames=30:side=before");
    const std::vector<Clip> clips =
        batch({before,
               before,
               {source(7) + ",mardini=mode=extend:frames=3:side=both,metadata=select:key=lavfi."
                            "mardini.synthesized"}});
    check_frames(clips[0], 7, 30, 0);
    CHECK(clips[1].frames == clips[0].frames);
    CHECK(clips[2].frames.size() == 6);

    const std::vector<std::string> expected = {"5+12", "5+12", "5+6"};
    CHECK(windows(before.filters) == expected);
    CHECK(windows(source(7) + ",mardini=mode=extend:frames=30") == expected);
    CHECK(windows(source(10) + ",mardini=mode=extend:frames=9:context=8") ==
          std::vector<std::string>{"8+9"});
}

TEST_CASE("extend and loop do not cross a cut")
{
    // After four frames and a cut, frames are synthesized from the last three only. The noise
    // depends on time stamps, hence no sampling steps.
    const std::string two =
        FOUR_FRAMES + "[a];" + OTHER_SCENE + ",trim=end_frame=3[b];[a][b]concat=n=2,settb=1/24";
    const std::vector<Clip> clips =
        batch({{two + ",mardini=mode=extend:frames=4:steps=0"},
               {OTHER_SCENE + ",trim=end_frame=3,settb=1/24,mardini=mode=extend:frames=4:steps=0"},
               {two + ",mardini=mode=loop:frames=4"}});
    const auto &extended = clips[0].frames, &last_scene = clips[1].frames, &loop = clips[2].frames;
    REQUIRE(extended.size() == 11);
    REQUIRE(last_scene.size() == 7);
    for (size_t k = 0; k < 7; k++)
        CHECK(extended[k + 4].hash == last_scene[k].hash);

    // A loop from one scene to another repeats the last and the first frame.
    REQUIRE(loop.size() == 11);
    CHECK(loop[7].hash == loop[6].hash);
    CHECK(loop[8].hash == loop[6].hash);
    CHECK(loop[9].hash == loop[0].hash);
    CHECK(loop[10].hash == loop[0].hash);
}

TEST_CASE("fill: repeats and gaps are found and replaced, a piece equals the whole")
{
    // Every sixth frame repeats the one before it. The last repeat has no frame after it and stays.
    const std::vector<std::string> formats = {"yuv420p", "nv12", "gray10"};
    std::vector<Graph> graphs;
    for (const std::string &format : formats) {
        const std::string repeats = source(20, format) + ",shuffleframes=0 1 2 3 4 4";
        graphs.push_back({repeats});
        graphs.push_back(with(repeats, "mode=fill"));
    }
    const std::vector<Clip> clips = batch(graphs);
    CHECK(clips[0].output.err == "");
    for (size_t i = 0; i < formats.size(); i++) {
        const auto &in = clips[2 * i].frames, &out = clips[2 * i + 1].frames;
        REQUIRE(in.size() >= 18);
        REQUIRE(out.size() == in.size());
        for (size_t k = 0; k < in.size(); k++) {
            INFO(formats[i] << ", frame " << k);
            CHECK((out[k].hash == in[k].hash) == (k % 6 != 5 || k == 17));
            CHECK(out[k].pts == static_cast<int64_t>(k));
        }
    }

    const std::string holes = source(16) + ",select='not(eq(n,5)+eq(n,10)+eq(n,11))'";
    const std::vector<Clip> more =
        batch({with(holes, "mode=fill:detect=gaps"), with(source(14), "mode=fill:frames=6-7"),
               with(source(14) + ",trim=start_frame=4:end_frame=10", "mode=fill:frames=2-3")});
    check_frames(more[0], 16, 0, 0, {5, 10, 11});
    REQUIRE(more[1].frames.size() == 14);
    REQUIRE(more[2].frames.size() == 6);
    for (size_t k = 0; k < 6; k++)
        CHECK(more[2].frames[k].hash == more[1].frames[k + 4].hash);
}

TEST_CASE("fill: while disabled every frame stays as it is, and no gap is filled")
{
    const std::string twice = "testsrc2=s=64x48:r=5:d=1,fps=10",
                      hole = twice + ",select='not(eq(n,5))'";
    const std::vector<Clip> clips =
        batch({{twice},
               {twice + ",mardini=mode=fill:enable=0"},
               {twice + ",mardini=mode=fill:detect=freezes+repeats+gaps:frames=2-4:enable=0"},
               {hole},
               {hole + ",mardini=mode=fill:enable=0"},
               {twice + ",mardini=mode=fill:enable='gte(n,5)'"}});
    const auto plain = clips[0].hashes(), half = clips[5].hashes();
    CHECK(clips[1].hashes() == plain);
    CHECK(clips[2].hashes() == plain);
    CHECK(clips[4].hashes() == clips[3].hashes());
    REQUIRE(half.size() == plain.size());
    for (size_t k = 0; k < 5; k++)
        CHECK(half[k] == plain[k]);
    CHECK(half[7] != plain[7]);
}

TEST_CASE("counts do not depend on rounding: a missing frame, a fine time base")
{
    std::vector<Graph> graphs;
    std::vector<size_t> expected;
    for (int missing : {1, 4, 7})
        for (const std::string side : {"before", "after"})
            for (int frames : {1, 3, 13}) {
                graphs.push_back({"testsrc2=s=32x32:r=25:d=0.4,select='not(eq(n," +
                                  std::to_string(missing) + "))',mardini=mode=extend:steps=0:" +
                                  "frames=" + std::to_string(frames) + ":side=" + side});
                expected.push_back(static_cast<size_t>(9 + frames));
            }
    graphs.push_back(
        {"testsrc2=s=32x32:r=30000/1001:d=0.4,settb=1/1000000000,mardini=fps=60000/1001"});
    const std::vector<Clip> clips = batch(graphs);
    INFO(clips[0].output.err);
    CHECK(clips[0].output.status == 0);
    for (size_t i = 0; i < expected.size(); i++) {
        INFO(graphs[i].filters);
        CHECK(clips[i].frames.size() == expected[i]);
    }
    CHECK(clips.back().frames.size() >= 23);
}

TEST_CASE("four stills become 128 frames, in windows of 17 at most")
{
    const std::string
        stills = "testsrc2=s=64x64:r=4,trim=end_frame=4,settb=1/24,setpts=N,format=yuv420p",
        views = stills + ",mardini=mode=slowmo:frames=128:scd=none";
    const std::vector<Clip> clips = batch({{stills}, {views}});
    const auto &in = clips[0].frames, &out = clips[1].frames;
    REQUIRE(in.size() == 4);
    REQUIRE(out.size() == 128);
    const size_t places[] = {0, 42, 85, 127};
    for (size_t k = 0, f = 0; k < 128; k++) {
        INFO("output frame " << k);
        const bool is_input = f < 4 && k == places[f];
        CHECK((out[k].hash == in[f < 4 ? f : 3].hash) == is_input);
        f += is_input;
    }
    int synthesized = 0;
    for (const std::string &window : windows(views)) {
        int references = 0, masked = 0;
        REQUIRE(sscanf(window.c_str(), "%d+%d", &references, &masked) == 2);
        CHECK((references >= 2 && references <= 4));
        CHECK(references + masked <= MARDINI_WINDOW);
        synthesized += masked;
    }
    CHECK(synthesized == 124);
}

TEST_CASE("animate: the input frame is the anchor bit for bit, all others differ, run twice equal")
{
    const std::string still = "testsrc2=s=96x64:r=25,trim=end_frame=1,format=yuv420p";
    const struct {
        std::string options;
        int total, anchor;
    } cases[] = {
        {"", 17, 8},
        {":anchor=first", 17, 0},
        {":anchor=last", 17, 16},
        {":anchor=3", 17, 3},
        {":frames=2", 2, 0},
        {":frames=5:anchor=middle", 5, 2},
        {":frames=40:anchor=last", 40, 39},
        {":camera=pan-left:motion=2", 17, 8},
    };
    std::vector<Graph> graphs = {{still}};
    for (const auto &c : cases)
        graphs.push_back(with(still, "mode=animate" + c.options, "1/8"));
    const std::vector<Clip> clips = batch(graphs), again = batch(graphs);
    CHECK(clips[0].output.err == "");
    const std::string original = clips[0].hashes().at(0);
    for (size_t i = 1; i < graphs.size(); i++) {
        const auto &c = cases[i - 1];
        INFO(graphs[i].filters << "\n" << clips[i].output.err);
        REQUIRE(clips[i].frames.size() == static_cast<size_t>(c.total));
        std::set<std::string> seen;
        for (int k = 0; k < c.total; k++) {
            const Frame &frame = clips[i].frames[static_cast<size_t>(k)];
            INFO("output frame " << k);
            CHECK((frame.pts == k && frame.duration == 1));
            CHECK((frame.hash == original) == (k == c.anchor));
            CHECK(seen.insert(frame.hash).second);
        }
        CHECK(again[i].frames == clips[i].frames);
    }

    // Without motion the picture stands still. Another seed gives another motion, and another rate
    // the same frames.
    const std::vector<Clip> more = batch({with(still, "mode=animate:motion=0", "1/8"),
                                          with(still, "mode=animate:seed=1", "1/8"),
                                          with(still, "mode=animate:fps=24", "1/24")});
    CHECK(more[0].hashes() == std::vector<std::string>(17, original));
    CHECK(more[1].hashes() != clips[1].hashes());
    CHECK(more[2].hashes() == clips[1].hashes());
}

TEST_CASE("animate: an endless input and a clip end after their first frame, an empty one is empty")
{
    const std::string photo = scratch("photo.png"),
                      animate = " -vf format=yuv420p,mardini=mode=animate";
    REQUIRE(
        shell("FFMPEG -f lavfi -i testsrc2=s=96x64 -frames:v 1 -pix_fmt rgb24 -y '" + photo + "'")
            .status == 0);
    const auto one = frames("-i '" + photo + "'" + animate).hashes();
    CHECK(one.size() == 17);
    CHECK(frames("-loop 1 -i '" + photo + "'" + animate).hashes() == one);
    remove(photo.c_str());

    const std::vector<Clip> clips = batch({with(source(30), "mode=animate", "1/8"),
                                           with(source(1) + ",trim=end_frame=0", "mode=animate")});
    CHECK(clips[0].output.status == 0);
    REQUIRE(clips[0].frames.size() == 17);
    CHECK(clips[0].frames[8].hash == originals()[0]);
    CHECK(clips[1].frames.empty());
    CHECK(count(clips[0].output.err, "mardini") == 0);
}

TEST_CASE("animate: the input frame stays as it is in every kind of format")
{
    const std::vector<std::string> formats = {"gray", "rgb24", "yuva444p10le", "nv12"};
    std::vector<Graph> graphs;
    for (const std::string &format : formats) {
        const std::string one = source(1, "yuv444p") + ",format=" + format;
        graphs.push_back({one});
        graphs.push_back(with(one, "mode=animate:frames=3", "1/8"));
        graphs.push_back(with(one, "mode=animate:frames=3:motion=0", "1/8"));
    }
    const std::vector<Clip> clips = batch(graphs);
    for (size_t i = 0; i < formats.size(); i++) {
        INFO(formats[i] << clips[0].output.err);
        const std::string original = clips[3 * i].hashes().at(0);
        const auto moving = clips[3 * i + 1].hashes(), still = clips[3 * i + 2].hashes();
        REQUIRE(moving.size() == 3);
        REQUIRE(still.size() == 3);
        CHECK(moving[1] == original);
        CHECK(moving[0] != original);
        CHECK(still[0] == original);
    }
}

TEST_CASE("animate: without motion nothing moves, in any size and depth")
{
    for (const std::string size : {"1280x720", "66x50", "65x49"}) {
        std::vector<Graph> graphs;
        for (const std::string format : {"rgb48", "yuv444p10", "gray16", "yuv420p"}) {
            const std::string still =
                "testsrc2=s=" + size + ":r=8,format=" + format + ",trim=end_frame=1";
            graphs.push_back({still});
            graphs.push_back({still + ",mardini=mode=animate:motion=0:frames=3"});
        }
        const std::vector<Clip> clips = batch(graphs);
        for (size_t i = 0; i < graphs.size(); i += 2) {
            INFO(graphs[i + 1].filters << "\n" << clips[0].output.err);
            REQUIRE(clips[i].frames.size() == 1);
            REQUIRE(clips[i + 1].frames.size() == 3);
            for (const Frame &frame : clips[i + 1].frames)
                CHECK(frame.hash == clips[i].frames[0].hash);
        }
    }
}

TEST_CASE("areas that no input frame shows are sampled, differently with another seed")
{
    // One picture under a camera that moves left by four pixels a frame: the first columns of each
    // new frame are in no input frame.
    constexpr size_t width = 128, height = 96, area = width * height;
    const std::string picture =
        "movie=" + source_file("demo/walk.mp4") + ",trim=end_frame=1,scale=448:252,";
    const std::string pan = "loop=loop=-1:size=1:start=0,crop=128:96:200-4*n:60,setpts=N/24/"
                            "TB,trim=end_frame=6,mardini=mode=extend:frames=4";
    const std::string still =
        "crop=128:96:160:60,mardini=mode=animate:anchor=first:camera=pan-left:motion=3:frames=9";
    for (const auto &[filters, inputs, total] :
         {std::tuple(pan, size_t{6}, size_t{10}), {still, size_t{1}, size_t{9}}}) {
        std::vector<std::string> graphs, luma;
        for (const std::string options : {":seed=1", ":seed=2", ":seed=1:steps=0", ":seed=1"})
            graphs.push_back(picture + filters + options + ",format=gray");
        const std::vector<std::string> raw(4, "-fps_mode passthrough -f rawvideo");
        const Output run = run_graphs(graphs, raw, luma);
        INFO(filters << "\n" << run.err);
        CHECK(run.status == 0);
        for (const std::string &one : luma)
            REQUIRE(one.size() == total * area);
        CHECK(luma[3] == luma[0]);
        CHECK(luma[0].substr(0, inputs * area) == luma[1].substr(0, inputs * area));
        // Share of different pixels in the first columns of the last frame
        const auto difference = [&, last = total - 1](const std::string &a, const std::string &b) {
            size_t n = 0;
            for (size_t y = 0; y < height; y++)
                for (size_t x = 0; x < 8; x++) {
                    const size_t at = last * area + y * width + x;
                    n += std::abs(static_cast<uint8_t>(a[at]) - static_cast<uint8_t>(b[at])) > 2;
                }
            return static_cast<double>(n) / (8 * height);
        };
        CHECK(difference(luma[0], luma[1]) > 0.2);
        CHECK(difference(luma[0], luma[2]) > 0.2);
    }
}

TEST_CASE("after the end of a file frames are synthesized only on request")
{
    // ffmpeg warns of a hundred frames in a queue if a filter outputs more than is requested.
    const Clip out = frames(
        "-f lavfi -i testsrc2=s=32x32:r=24:d=0.25 -vf mardini=mode=extend:frames=120:steps=0");
    INFO(out.output.err);
    CHECK(out.output.status == 0);
    CHECK(out.output.err == "");
    CHECK(out.frames.size() == 126);
    const Output few =
        shell("FFMPEG -v info -f lavfi -i testsrc2=s=32x32:r=24:d=0.25 -vf "
              "mardini=mode=loop:frames=1000:steps=0:threads=1 -frames:v 10 -f null -");
    INFO(few.err);
    int nb_out = -1;
    const size_t at = few.err.find("6 frames in, ");
    REQUIRE(at != std::string::npos);
    REQUIRE(sscanf(few.err.c_str() + at, "6 frames in, %d frames out", &nb_out) == 1);
    CHECK(nb_out < 40);
}

TEST_CASE("a time base coarser than the frame rate: frames are placed by their time stamps")
{
    // Five of 96 time stamps differ.
    const std::string coarse = "testsrc2=s=64x64:r=24:d=4,settb=1";
    const std::vector<Clip> clips =
        batch({with(coarse, "mode=extend:frames=2:steps=0", "1"),
               with(coarse, "mode=loop:frames=3:steps=0", "1"), with(coarse, "mode=fill", "1")});
    const size_t expected[] = {7, 8, 5};
    INFO(clips[0].output.err);
    CHECK(clips[0].output.status == 0);
    for (size_t i = 0; i < 3; i++) {
        CHECK(clips[i].frames.size() == expected[i]);
        for (size_t k = 0; k < clips[i].frames.size(); k++)
            CHECK(clips[i].frames[k].pts == static_cast<int64_t>(k));
    }
}
