// Output frames and their time stamps in modes fps and slowmo, through a running ffmpeg: every
// input frame comes out bit for bit at its time, and no frame is lost at the end.

#include "filter/batch.h"

#include "support/catch.h"

#include <algorithm>
#include <cmath>

using namespace ffmpeg;

namespace {

struct Timing {
    int mode;
    MardiniRational rate;
    int64_t total;
    MardiniRational time_base, frame_rate; ///< of the source
};

MardiniTimeline *open_timeline(const Timing &timing)
{
    MardiniTimelineSettings settings;
    mardini_timeline_default_settings(&settings);
    settings.mode = timing.mode;
    settings.rate = timing.rate;
    settings.total = timing.total;
    settings.time_base = timing.time_base;
    settings.frame_rate = timing.frame_rate;
    MardiniTimeline *timeline = nullptr;
    REQUIRE(mardini_timeline_open(&timeline, &settings) == 0);
    return timeline;
}

/// The slots for these input frames. The timeline has tests of its own, and is closed here.
std::vector<MardiniSlot> take_slots(MardiniTimeline *timeline, const std::vector<Frame> &input)
{
    std::vector<MardiniSlot> slots;
    for (const Frame &frame : input)
        REQUIRE(mardini_timeline_push(timeline, frame.pts, frame.duration, nullptr) == 1);
    REQUIRE(mardini_timeline_end(timeline, INT64_MIN) == 0);
    MardiniSlot slot;
    while (!mardini_timeline_next(timeline, &slot))
        slots.push_back(slot);
    mardini_timeline_close(&timeline);
    return slots;
}

std::string ratio(MardiniRational r)
{
    return std::to_string(r.num) + "/" + std::to_string(r.den);
}

/// Run the source with and without the filter and compare frame by frame.
Clip check(const std::string &source, const std::string &options, const Timing &timing)
{
    MardiniTimeline *timeline = open_timeline(timing);
    MardiniRational time_base;
    mardini_timeline_output(timeline, &time_base, nullptr);
    const std::vector<Clip> clips = batch(
        {{source, ratio(timing.time_base)}, {source + ",mardini=" + options, ratio(time_base)}});
    const Clip &in = clips[0], &out = clips[1];
    const std::vector<MardiniSlot> slots = take_slots(timeline, in.frames);
    INFO(source << ",mardini=" << options << "\n" << out.output.err);
    CHECK(out.output.status == 0);
    if (!slots.empty())
        CHECK(out.output.err == "");
    REQUIRE(out.frames.size() == slots.size());
    for (size_t k = 0; k < slots.size(); k++) {
        INFO("output frame " << k << " of " << slots.size());
        CHECK(out.frames[k].pts == slots[k].pts);
        if (timing.mode == MARDINI_MODE_FPS)
            CHECK(out.frames[k].duration == slots[k].duration);
        const std::string &before = in.frames[static_cast<size_t>(slots[k].before)].hash;
        if (slots[k].kind == MARDINI_SLOT_MADE) {
            const double p = slots[k].position;
            if (p > .2 && p < .8) // not a copy
                CHECK((out.frames[k].hash != before &&
                       out.frames[k].hash != in.frames[static_cast<size_t>(slots[k].after)].hash));
            if (p > .2 && p < .8 && k && slots[k - 1].kind == MARDINI_SLOT_MADE &&
                slots[k - 1].before == slots[k].before)
                CHECK(out.frames[k].hash != out.frames[k - 1].hash);
        } else {
            CHECK(out.frames[k].hash == before);
        }
    }
    return out;
}

std::string source(int n, const std::string &rate, const std::string &size = "64x64")
{
    return "testsrc2=s=" + size + ":r=" + rate + ",trim=end_frame=" + std::to_string(n) +
           ",format=yuv420p";
}

Timing slowmo(MardiniRational factor, MardiniRational rate)
{
    return {MARDINI_MODE_SLOWMO, factor, 0, {rate.den, rate.num}, rate};
}

Timing fps(MardiniRational target, MardiniRational rate)
{
    return {MARDINI_MODE_FPS, target, 0, {rate.den, rate.num}, rate};
}

} // namespace

TEST_CASE("slowmo: factor (n - 1) + 1 frames for every short input, run twice equal")
{
    for (int n : {0, 1, 2, 3, 5}) {
        const Clip first = check(source(n, "24"), "mode=slowmo", slowmo({8, 1}, {24, 1}));
        CHECK(first.frames.size() == static_cast<size_t>(n ? 8 * (n - 1) + 1 : 0));
        if (n == 5)
            CHECK(graph(source(n, "24") + ",mardini=mode=slowmo", "1/24").frames == first.frames);
    }
    CHECK(check(source(18, "25"), "mode=slowmo:factor=2", slowmo({2, 1}, {25, 1})).frames.size() ==
          35);
    CHECK(check(source(3, "25"), "mode=slowmo:factor=20", slowmo({20, 1}, {25, 1})).frames.size() ==
          41);
    CHECK(check(source(5, "24"), "mode=slowmo:factor=5/2", slowmo({5, 2}, {24, 1})).frames.size() ==
          11);
    CHECK(check(source(4, "24"), "mode=slowmo:factor=1", slowmo({1, 1}, {24, 1})).frames.size() ==
          4);
}

TEST_CASE("fps: exact grid, the duration kept")
{
    const struct {
        const char *rate;
        MardiniRational r;
        int n;
        size_t frames;
    } cases[] = {
        {"24", {24, 1}, 12, 30}, {"25", {25, 1}, 10, 24}, {"24000/1001", {24000, 1001}, 12, 31}};
    for (const auto &c : cases)
        CHECK(check(source(c.n, c.rate), "fps=60", fps({60, 1}, c.r)).frames.size() == c.frames);
    CHECK(check(source(8, "24"), "fps=source_fps*2", fps({48, 1}, {24, 1})).frames.size() == 16);
    CHECK(check(source(8, "24"), "fps=60000/1001", fps({60000, 1001}, {24, 1})).frames.size() ==
          20);
    CHECK(check(source(12, "24"), "fps=10", fps({10, 1}, {24, 1})).frames.size() == 5);
    CHECK(check(source(6, "24"), "fps=24", fps({24, 1}, {24, 1})).frames.size() == 6);
    for (int n : {0, 1, 2, 3}) // 60 is the default
        CHECK(check(source(n, "24"), "scd=auto", fps({60, 1}, {24, 1})).frames.size() ==
              static_cast<size_t>((n * 5 + 1) / 2));
}

TEST_CASE("fps: five minutes of tiny frames on the exact grid")
{
    // While disabled, the filter repeats frames on the same grid without the network.
    const std::string clip = "testsrc2=s=16x16:r=24000/1001:d=300,format=gray";
    const Clip in = graph(clip, "1001/24000"),
               out = graph(clip + ",mardini=fps=60:enable=0", "1/60");
    REQUIRE(in.frames.size() == 7193);
    REQUIRE(out.output.status == 0);
    REQUIRE(out.frames.size() == 18001); // 7193 * 1001 / 24000 s = 300.008 s
    for (size_t k = 0; k < out.frames.size(); k++) {
        REQUIRE(out.frames[k].pts == static_cast<int64_t>(k));
        const double at = static_cast<double>(k) / 60 * 24000 / 1001;
        const size_t nearest = std::min<size_t>(static_cast<size_t>(std::floor(at + 0.5)), 7192);
        if (std::abs(at - std::floor(at) - 0.5) > 0.01)
            REQUIRE(out.frames[k].hash == in.frames[nearest].hash);
    }
}

TEST_CASE("fps: of two frames a tick apart the one at the output time comes out")
{
    const std::string two = "color=gray:s=64x48:r=1000:d=0.3,format=yuv420p,select='eq(n,0)+eq(n,"
                            "99)+eq(n,100)+eq(n,200)',"
                            "geq=lum='128+60*sin((X-3*N)/4)':cb=128:cr=128";
    const Clip in = graph(two), out = graph(two + ",mardini=fps=50");
    REQUIRE(in.frames.size() == 4);
    REQUIRE(out.frames.size() > 10);
    CHECK(in.frames[1].hash != in.frames[2].hash);
    CHECK(out.frames[5].hash == in.frames[2].hash);
    CHECK(out.frames[10].hash == in.frames[3].hash);
}

TEST_CASE("variable frame rate: exact times")
{
    const std::string vfr = "testsrc2=s=64x64:r=30:d=1,select='not(eq(mod(n,5),1)+eq(mod(n,7),3)+"
                            "eq(n,20)+eq(n,21))',format=yuv420p";
    check(vfr, "fps=60", fps({60, 1}, {30, 1}));
    check(vfr, "fps=50", fps({50, 1}, {30, 1}));
    check(vfr, "mode=slowmo:factor=3", slowmo({3, 1}, {30, 1}));
    check(vfr, "mode=slowmo:factor=7/3", slowmo({7, 3}, {30, 1}));
    check(vfr + ",setpts=PTS+1000", "fps=60", fps({60, 1}, {30, 1}));
}

TEST_CASE("slowmo with frames: each input frame takes the nearest output frame")
{
    const auto total = [](int64_t t) {
        return Timing{MARDINI_MODE_TOTAL, {1, 1}, t, {1, 25}, {25, 1}};
    };
    CHECK(check(source(2, "25"), "mode=slowmo:frames=17", total(17)).frames.size() == 17);
    CHECK(check(source(3, "25"), "mode=slowmo:frames=8", total(8)).frames.size() == 8);
    CHECK(check(source(5, "25"), "mode=slowmo:frames=5", total(5)).frames.size() == 5);
    const Clip one = graph(source(1, "25") + ",mardini=mode=slowmo:frames=9");
    CHECK(one.output.status == 0);
    CHECK(one.frames.size() == 1);
    CHECK(count(one.output.err, "one frame alone was given") == 1);
}

TEST_CASE("frames whose time stamp does not increase are dropped, with one warning")
{
    const Clip out = graph("testsrc2=s=32x32:r=25:d=0.4,settb=1/"
                           "25,setpts='if(eq(N,3)+eq(N,4),1,N)',mardini=mode=slowmo:factor=2");
    INFO(out.output.err);
    CHECK(out.output.status == 0);
    CHECK(out.frames.size() == 15); // 8 of 10 frames are used
    CHECK(count(out.output.err, "left out") == 1);
    CHECK(count(out.output.err, "frame 3 has time stamp 1") == 1);
    for (size_t k = 1; k < out.frames.size(); k++)
        CHECK(out.frames[k].pts > out.frames[k - 1].pts);
}

TEST_CASE("a file: -ss before and after, -t, a pipe, an early end")
{
    const std::string file = scratch("clip.nut");
    REQUIRE(shell("FFMPEG -filter_complex \"" + source(24, "24") + "\" -c:v ffv1 -y '" + file + "'")
                .status == 0);
    const std::string in = "-i '" + file + "' ", slow = " -vf mardini=mode=slowmo:factor=2 ";
    const Clip whole = frames(in), seen = frames("-ss 0.5 " + in), part = frames("-t 0.25 " + in);
    REQUIRE(whole.frames.size() == 24);
    const auto originals = [](const Clip &clip) {
        std::vector<std::string> out;
        for (size_t k = 0; k < clip.frames.size(); k += 2)
            out.push_back(clip.frames[k].hash);
        return out;
    };
    const struct {
        std::string arguments;
        std::vector<std::string> input;
    } cases[] = {{in + slow, whole.hashes()},
                 {"-ss 0.5 " + in + slow, seen.hashes()},
                 {"-t 0.25 " + in + slow, part.hashes()},
                 {"-copyts -ss 0.5 " + in + slow, seen.hashes()}};
    for (const auto &c : cases) {
        const Clip out = frames(c.arguments);
        INFO(c.arguments << "\n" << out.output.err);
        CHECK(out.output.status == 0);
        CHECK(out.output.err == "");
        CHECK(out.frames.size() == 2 * c.input.size() - 1);
        CHECK(originals(out) == c.input);
    }
    // A decoder with delay returns its last frames at the end.
    const std::string delayed = scratch("delayed.nut");
    if (shell("FFMPEG -filter_complex \"" + source(24, "24") +
              "\" -c:v mpeg2video -bf 2 -g 12 -y '" + delayed + "'")
            .status == 0) {
        const Clip decoded = frames("-i '" + delayed + "'"),
                   out = frames("-i '" + delayed + "'" + slow);
        REQUIRE(decoded.frames.size() == 24);
        CHECK(out.frames.size() == 47);
        CHECK(originals(out) == decoded.hashes());
    }
    remove(delayed.c_str());

    // As output options, -ss, -t and -frames:v act after the filter.
    const Clip all = frames(in + slow);
    const auto same = [&](const std::string &arguments, size_t from, size_t n) {
        // With more threads the filter reads ahead until the encoder stops it, and warns of waiting
        // frames: it does not know why it is closed.
        const Clip out = frames(in + " -vf mardini=mode=slowmo:factor=2:threads=1 " + arguments);
        INFO(arguments << "\n" << out.output.err);
        CHECK(out.output.status == 0);
        CHECK(out.output.err == "");
        REQUIRE(out.frames.size() == n);
        for (size_t k = 0; k < n; k++)
            CHECK(out.frames[k].hash == all.frames[from + k].hash);
    };
    same("-ss 1 ", 24, 23);
    same("-t 0.5 ", 0, 12);
    same("-frames:v 5 ", 0, 5);

    const Output piped = shell("FFMPEG " + in + "-c copy -f nut - | FFMPEG -f nut -i pipe:0" +
                               slow + "-bitexact -f framemd5 -");
    CHECK(piped.err == "");
    CHECK(piped.out == shell("FFMPEG " + in + slow + "-bitexact -f framemd5 -").out);
    remove(file.c_str());
}

TEST_CASE("several filters in one graph")
{
    const Clip chain =
        graph(source(4, "24") + ",mardini=mode=slowmo:factor=2,mardini=mode=slowmo:factor=3");
    CHECK(chain.output.err == "");
    CHECK(chain.frames.size() == 19);
    const Clip beside =
        graph(source(4, "24") + ",split[a][b];[a]mardini=mode=slowmo:factor=2[c];[b]mardini=mode="
                                "slowmo:factor=2[d];[c][d]hstack,crop=64:64:64:0");
    CHECK(beside.output.err == "");
    CHECK(beside.hashes() == graph(source(4, "24") + ",mardini=mode=slowmo:factor=2").hashes());
}

namespace {

/// Frames 3 to 8 as a clip, compared with the whole clip of frames 0 to 9: the references of gaps 4
/// to 6, two frames on either side, are in the piece.
void check_piece(const Clip &whole, const std::string &slow)
{
    const Clip piece = graph(source(10, "24") + ",trim=start_frame=3:end_frame=9" + slow);
    INFO(whole.output.err << piece.output.err);
    REQUIRE(whole.frames.size() == 37);
    REQUIRE(piece.frames.size() == 21);
    for (size_t k = 4; k <= 16; k++) {
        INFO("piece frame " << k);
        CHECK(piece.frames[k].hash == whole.frames[k + 12].hash);
    }
}

} // namespace

TEST_CASE("a piece with its neighbours equals the whole")
{
    const std::string slow = ",mardini=mode=slowmo:factor=4:scd=none:steps=0";
    check_piece(graph(source(10, "24") + slow), slow);
}

TEST_CASE("one thread and two give the same frames")
{
    // At 2x two gaps are synthesized at once, at 8x one after the other; from 24 to 60 fps there
    // are gaps without an input frame between them.
    for (const std::string precision : {"bf16", "fp32"})
        for (const std::string what : {"mode=slowmo:factor=2", "mode=slowmo:factor=8", "fps=60"}) {
            const auto frames = [&](const std::string &threads) {
                return graph("movie=" + source_file("demo/walk.mp4") +
                             ",trim=end_frame=4,crop=224:128,settb=1/24,setpts=N,mardini=" + what +
                             ":precision=" + precision + ":threads=" + threads);
            };
            const Clip one = frames("1"), two = frames("2");
            INFO(what << " in " << precision << one.output.err << two.output.err);
            REQUIRE(one.frames.size() > 4);
            REQUIRE(two.frames.size() == one.frames.size());
            for (size_t i = 0; i < one.frames.size(); i++)
                CHECK(two.frames[i].hash == one.frames[i].hash);
        }
}

TEST_CASE("bf16 and fp32 differ by less than a code in the mean")
{
    const auto codes = [](const std::string &precision) {
        const Output run =
            shell("FFMPEG -filter_complex \"movie=" + source_file("demo/walk.mp4") +
                  ",trim=end_frame=3,mardini=mode=slowmo:factor=4:precision=" + precision +
                  ",format=gray\" -f rawvideo -");
        INFO(run.err);
        REQUIRE(run.status == 0);
        return run.out;
    };
    const std::string narrow = codes("bf16"), wide = codes("fp32");
    REQUIRE(!wide.empty());
    REQUIRE(narrow.size() == wide.size());
    double sum = 0;
    for (size_t i = 0; i < wide.size(); i++)
        sum +=
            std::abs(static_cast<unsigned char>(narrow[i]) - static_cast<unsigned char>(wide[i]));
    const double mean =
        sum / static_cast<double>(wide.size()) * 9 / 6; // six of nine frames are synthesized
    INFO(mean << " codes");
    CHECK(mean > 0); // two paths
    CHECK(mean < 1);
}

TEST_CASE("steps=1: run twice equal, and a piece equals the whole")
{
    const std::string slow = ",mardini=mode=slowmo:factor=4:scd=none:steps=1:seed=3";
    const Clip whole = graph(source(10, "24") + slow);
    if (count(whole.output.err, "has no trained denoiser")) {
        CHECK(whole.output.status > 0);
        SKIP_TEST("the shipped weights have no denoiser");
    }
    CHECK(graph(source(10, "24") + slow).frames == whole.frames);
    check_piece(whole, slow);
}

TEST_CASE("times and input frames equal the reference of every release")
{
    const struct {
        const char *name, *source, *options, *time_base;
        int mode;
    } cases[] = {{"fps-24-60", "24", "fps=60", "1/120", MARDINI_MODE_FPS},
                 {"slowmo-3", "25", "mode=slowmo:factor=3", "1/25", MARDINI_MODE_SLOWMO}};
    for (const auto &c : cases) {
        const Clip in = graph(source(9, c.source));
        const Clip out = graph(source(9, c.source) + ",mardini=" + c.options, c.time_base);
        std::string text;
        for (const Frame &frame : out.frames) {
            bool is_input = false;
            for (const Frame &original : in.frames)
                is_input |= original.hash == frame.hash;
            text +=
                std::to_string(frame.pts) + " " + (is_input ? frame.hash : "synthesized") + "\n";
        }
        CHECK(text == read(source_file(std::string("tests/ref/filter-") + c.name)));
    }
}
