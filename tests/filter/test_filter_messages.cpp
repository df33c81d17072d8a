// Metadata, scene cuts, warnings and statistics of the filter.

#include "support/ffmpeg.h"

#include "support/catch.h"

#include <map>

using namespace ffmpeg;

namespace {

/// The metadata of every frame that has some, by its place in the output.
std::map<int, std::map<std::string, std::string>> metadata(const std::string &graph)
{
    std::map<int, std::map<std::string, std::string>> frames;
    const Output output =
        shell("FFMPEG -filter_complex \"" + graph + ",metadata=mode=print:file=-\" -f null -");
    INFO(output.err);
    CHECK(output.status == 0);
    std::istringstream lines(output.out);
    int number = -1;
    for (std::string line; std::getline(lines, line);) {
        const size_t equals = line.find('=');
        if (sscanf(line.c_str(), "frame:%d", &number) != 1 && equals != std::string::npos)
            frames[number][line.substr(0, equals)] = line.substr(equals + 1);
    }
    return frames;
}

const std::string MOVING = SCENE + ",trim=end_frame=4";
// Four frames, a cut, three frames
const std::string TWO_SCENES =
    MOVING + "[a];" + OTHER_SCENE + ",trim=end_frame=3[b];[a][b]concat=n=2";

} // namespace

TEST_CASE("synthesized frames carry metadata")
{
    const auto frames = metadata(MOVING + ",mardini=mode=slowmo:factor=4");
    CHECK(frames.size() == 9);
    for (const auto &[number, keys] : frames) {
        INFO("frame " << number);
        CHECK(number % 4 != 0);
        REQUIRE(keys.count("lavfi.mardini.synthesized"));
        CHECK(keys.at("lavfi.mardini.synthesized") == "1");
        REQUIRE(keys.count("lavfi.mardini.confidence"));
        const double confidence = std::stod(keys.at("lavfi.mardini.confidence"));
        CHECK((confidence >= 0 && confidence <= 1));
        CHECK(keys.size() == 2);
    }
}

TEST_CASE("at a cut the nearer input frame is repeated")
{
    const Clip in = graph(TWO_SCENES), out = graph(TWO_SCENES + ",mardini=mode=slowmo:factor=4");
    INFO(out.output.err);
    REQUIRE(in.frames.size() == 7);
    REQUIRE(out.frames.size() == 25);
    for (size_t k = 0; k < 25; k += 4)
        CHECK(out.frames[k].hash == in.frames[k / 4].hash);
    CHECK(out.frames[13].hash == in.frames[3].hash);
    CHECK(out.frames[14].hash == in.frames[4].hash);
    CHECK(out.frames[15].hash == in.frames[4].hash);

    const auto frames = metadata(TWO_SCENES + ",mardini=mode=slowmo:factor=4");
    for (int k = 0; k < 25; k++) {
        INFO("frame " << k);
        const bool cut = k > 12 && k < 16;
        CHECK(frames.count(k) == (k % 4 != 0));
        if (frames.count(k)) {
            CHECK(frames.at(k).count("lavfi.mardini.cut") == cut);
            CHECK(frames.at(k).count("lavfi.mardini.synthesized") == !cut);
        }
    }

    // The first scene without the second, at concat's time stamps, gives the same frames: none are
    // synthesized from frames across the cut.
    const Clip first = graph(MOVING + ",settb=AVTB,mardini=mode=slowmo:factor=4");
    for (size_t k = 0; k <= 12; k++)
        CHECK(out.frames[k].hash == first.frames[k].hash);
}

TEST_CASE("cut detection can be set: none, a threshold, scdet upstream")
{
    const auto cuts = [](const std::string &upstream, const std::string &options) {
        size_t cuts = 0, scdet_cuts = 0;
        for (const auto &[number, keys] :
             metadata(TWO_SCENES + upstream + ",mardini=mode=slowmo:factor=4:" + options)) {
            cuts += keys.count("lavfi.mardini.cut");
            scdet_cuts += keys.count("lavfi.scd.time");
        }
        CHECK(scdet_cuts == (upstream.empty() ? 0 : 1)); // repeats do not carry it
        return cuts;
    };
    CHECK(cuts("", "scd=auto") == 3);
    CHECK(cuts("", "scd=none") == 0);
    CHECK(cuts("", "scd_threshold=100") == 0);
    CHECK(cuts(",scdet=t=5", "scd_threshold=100") == 3);
    CHECK(cuts(",scdet=t=5", "scd=none") == 0);
}

TEST_CASE("a still clip and a moving one have no cuts, a cut may be in the only gap")
{
    for (const std::string &clip :
         {std::string("color=gray:s=64x64:r=24,trim=end_frame=3"), MOVING}) {
        const auto frames = metadata(clip + ",mardini=mode=slowmo:factor=2");
        CHECK(!frames.empty());
        for (const auto &[n, keys] : frames)
            CHECK(keys.count("lavfi.mardini.cut") == 0);
    }
    const std::string pair = MOVING + ",trim=end_frame=1[a];" + OTHER_SCENE +
                             ",trim=end_frame=1[b];[a][b]concat=n=2,setpts=N/24/TB";
    const Clip in = graph(pair), out = graph(pair + ",mardini=mode=slowmo:factor=4");
    REQUIRE(out.frames.size() == 5);
    for (size_t k = 0; k < 5; k++)
        CHECK(out.frames[k].hash == in.frames[k >= 2].hash);
}

TEST_CASE("at level info: statistics at the end, and the audio filter for slow motion")
{
    const bool old = is_5_1(); // configures its graph twice
    const auto log = [&](const std::string &source, const std::string &options) {
        const Output output = shell("FFMPEG -v info -filter_complex \"" + source +
                                    ",mardini=" + options + "\" -f null -");
        INFO(output.err);
        CHECK(output.status == 0);
        CHECK(count(output.err, " frames in, ") == 1);
        CHECK((count(output.err, "audio stays in sync") == 0 ||
               count(output.err, "audio stays in sync") == 1 || old));
        return output.err;
    };
    const std::string six = log(MOVING, "mode=slowmo:factor=6");
    CHECK(count(six, "-af atempo=0.5,atempo=0.5,atempo=0.6666666667 or -af "
                     "rubberband=tempo=0.1666666667\n") >= 1);
    CHECK(count(six, "4 frames in, 19 frames out; 15 synthesized (0.") == 1);
    CHECK(count(six, " each), 0 repeated at 0 cuts, 0 repeated at the end\n") == 1);

    // The smallest tempo of rubberband is 0.01.
    CHECK(count(log(MOVING + ",trim=end_frame=1", "mode=slowmo:factor=250"),
                "atempo=0.512 or -af rubberband=tempo=0.01,rubberband=tempo=0.4\n") >= 1);
    CHECK(count(log(TWO_SCENES, "mode=slowmo:factor=4"), "3 repeated at 1 cuts") == 1);

    const std::string fps =
        log(MOVING, "fps=60"); // ends at 4/24 s = 10/60, the last input frame is at 7.5/60
    CHECK(count(fps, "audio stays in sync") == 0);
    CHECK(count(fps, "4 frames in, 10 frames out; 6 synthesized") == 1);
    CHECK(count(fps, "2 repeated at the end\n") == 1);
}

TEST_CASE("a frame rate of 1000 that is the time base is not taken for a frame rate")
{
    const std::string recording =
        "testsrc2=s=64x48:r=1000:d=0.8,metadata=add:key=k:value=1:enable='not(mod(n,100))',"
        "metadata=select:key=k";
    const Clip out = graph(recording + ",mardini=mode=extend:frames=3", "1/1000");
    INFO(out.output.err);
    CHECK(count(out.output.err,
                "the input's frame rate of 1000 may only be the resolution of its time stamps") ==
          1);
    REQUIRE(out.frames.size() == 11);
    for (size_t k = 8; k < 11; k++) // the clip's own interval
        CHECK(out.frames[k].pts - out.frames[k - 1].pts == 100);
    // Consecutive milliseconds are a real rate of 1000.
    const Clip camera =
        graph("testsrc2=s=64x48:r=1000:d=0.008,mardini=mode=extend:frames=3", "1/1000");
    REQUIRE(camera.frames.size() == 11);
    for (size_t k = 1; k < 11; k++)
        CHECK(camera.frames[k].pts - camera.frames[k - 1].pts == 1);
    const Output unknown =
        shell("FFMPEG -filter_complex \"" + MOVING + ",setpts=N/24/TB[a];" + MOVING +
              ",trim=end_frame=2,fps=12[b];[a][b]concat,mardini=fps=source_fps*2\" -f null -");
    CHECK(count(unknown.err, "uses source_fps, and the input has no frame rate: use a number") >=
          1);
}

TEST_CASE("interlaced input is warned about once")
{
    const Clip out = graph(MOVING + ",setfield=tff,mardini=mode=slowmo:factor=2");
    INFO(out.output.err);
    CHECK(out.output.status == 0);
    CHECK(count(out.output.err, "the input is interlaced, top field first") == 1);
    CHECK(count(graph(MOVING + ",setfield=bff,mardini=mode=slowmo:factor=2").output.err,
                "bottom field first") == 1);
    const Clip progressive = graph(MOVING + ",setfield=prog,mardini=mode=slowmo:factor=2");
    CHECK(progressive.output.status == 0);
    CHECK(progressive.output.err == "");

    // Synthesized frames are progressive.
    const Output info = shell("FFMPEG -v info -filter_complex \"" + MOVING +
                              ",setfield=tff,mardini=mode=slowmo:factor=2,showinfo\" -f null -");
    CHECK(count(info.err, " i:T ") == 4);
    CHECK(count(info.err, " i:P ") == 3);
}

TEST_CASE("a graph that is rebuilt loses waiting frames and warns; -reinit_filter 0 keeps them")
{
    const std::string first = scratch("frame%d.png");
    REQUIRE(
        shell(
            "FFMPEG -filter_complex \"testsrc2=s=64x64:r=25,trim=end_frame=4,format=rgb24\" -y '" +
            first + "'")
            .status == 0);
    REQUIRE(shell("FFMPEG -filter_complex \"testsrc2=s=96x64:r=25,trim=end_frame=4,format=rgb24\" "
                  "-start_number 5 -y '" +
                  first + "'")
                .status == 0);
    const std::string in = "FFMPEG -framerate 25 -i '" + first + "' ";
    const Output lost =
        shell(in + "-vf format=yuv420p,mardini=mode=slowmo:factor=2:threads=1 -f null -");
    INFO(lost.err);
    CHECK(count(lost.err, "closed before the end of the input: 1 waiting frame is lost") == 1);
    CHECK(count(lost.err, "-reinit_filter 0") == 1);
    const Clip kept = frames("-reinit_filter 0 -framerate 25 -i '" + first +
                             "' -vf scale=64:64,format=yuv420p,mardini=mode=slowmo:factor=2");
    INFO(kept.output.err);
    CHECK(kept.output.status == 0);
    CHECK(kept.frames.size() == 15);
    CHECK(count(kept.output.err, "closed before") == 0);
    for (int f = 1; f <= 8; f++)
        remove(scratch("frame" + std::to_string(f) + ".png").c_str());
}
