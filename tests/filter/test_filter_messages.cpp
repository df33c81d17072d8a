// What the filter says: cuts, metadata, warnings, help, and one clear sentence with a
// non-zero exit for what cannot be.

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

TEST_CASE("made frames say so")
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

TEST_CASE("a cut is held: the nearer original is repeated")
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

    // Frames beside the cut are not made from beyond it: the first scene alone, at concat's time
    // stamps, gives the same.
    const Clip alone = graph(MOVING + ",settb=AVTB,mardini=mode=slowmo:factor=4");
    for (size_t k = 0; k <= 12; k++)
        CHECK(out.frames[k].hash == alone.frames[k].hash);
}

TEST_CASE("cut detection can be set: none, a threshold, scdet upstream")
{
    const auto cuts = [](const std::string &upstream, const std::string &options) {
        size_t cuts = 0, marks = 0;
        for (const auto &[number, keys] :
             metadata(TWO_SCENES + upstream + ",mardini=mode=slowmo:factor=4:" + options)) {
            cuts += keys.count("lavfi.mardini.cut");
            marks += keys.count("lavfi.scd.time");
        }
        CHECK(marks == (upstream.empty() ? 0 : 1)); // a repeated frame is no second cut
        return cuts;
    };
    CHECK(cuts("", "scd=auto") == 3);
    CHECK(cuts("", "scd=none") == 0);
    CHECK(cuts("", "scd_threshold=100") == 0);
    CHECK(cuts(",scdet=t=5", "scd_threshold=100") == 3);
    CHECK(cuts(",scdet=t=5", "scd=none") == 0);
}

TEST_CASE("a still clip and a moving one have no cuts, a cut may be first or last")
{
    for (const std::string &clip :
         {std::string("color=gray:s=64x64:r=24,trim=end_frame=3"), MOVING}) {
        const auto frames = metadata(clip + ",mardini=mode=slowmo:factor=2");
        CHECK(!frames.empty()); // made ones say so
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

TEST_CASE("at info: one summary at the end, and what slows the sound down")
{
    const bool old = is_5_1(); // configures its graph twice
    const auto said = [&](const std::string &source, const std::string &options) {
        const Output output = shell("FFMPEG -v info -filter_complex \"" + source +
                                    ",mardini=" + options + "\" -f null -");
        INFO(output.err);
        CHECK(output.status == 0);
        CHECK(count(output.err, "frames given") == 1);
        CHECK((count(output.err, "the sound keeps pace") == 0 ||
               count(output.err, "the sound keeps pace") == 1 || old));
        return output.err;
    };
    const std::string six = said(MOVING, "mode=slowmo:factor=6");
    CHECK(count(six, "-af atempo=0.5,atempo=0.5,atempo=0.6666666667 or -af "
                     "rubberband=tempo=0.1666666667\n") >= 1);
    CHECK(count(six, "4 frames given, 19 put out: 15 made (0.") == 1);
    CHECK(count(six, " each), 0 held at 0 cuts, 0 held at the end\n") == 1);

    // 0.01 is the least that rubberband takes
    CHECK(count(said(MOVING + ",trim=end_frame=1", "mode=slowmo:factor=250"),
                "atempo=0.512 or -af rubberband=tempo=0.01,rubberband=tempo=0.4\n") >= 1);
    CHECK(count(said(TWO_SCENES, "mode=slowmo:factor=4"), "3 held at 1 cuts") == 1);

    const std::string fps =
        said(MOVING, "fps=60"); // ends at 4/24 s = 10/60, the last given frame at 7.5/60
    CHECK(count(fps, "the sound") == 0);
    CHECK(count(fps, "4 frames given, 10 put out: 6 made") == 1);
    CHECK(count(fps, "2 held at the end\n") == 1);
}

TEST_CASE("time stamps in milliseconds are no thousand frames a second")
{
    const std::string recording =
        "testsrc2=s=64x48:r=1000:d=0.8,metadata=add:key=k:value=1:enable='not(mod(n,100))',"
        "metadata=select:key=k";
    const Clip out = graph(recording + ",mardini=mode=extend:frames=3", "1/1000");
    INFO(out.output.err);
    CHECK(
        count(out.output.err,
              "the input's 1000 frames a second may be no more than its time stamps' resolution") ==
        1);
    REQUIRE(out.frames.size() == 11);
    for (size_t k = 8; k < 11; k++) // at the clip's own pace
        CHECK(out.frames[k].pts - out.frames[k - 1].pts == 100);
    // A camera's true thousand keep their rate, and come out as fast.
    const Clip camera =
        graph("testsrc2=s=64x48:r=1000:d=0.008,mardini=mode=extend:frames=3", "1/1000");
    REQUIRE(camera.frames.size() == 11);
    for (size_t k = 1; k < 11; k++)
        CHECK(camera.frames[k].pts - camera.frames[k - 1].pts == 1);
    const Output told =
        shell("FFMPEG -filter_complex \"" + MOVING + ",setpts=N/24/TB[a];" + MOVING +
              ",trim=end_frame=2,fps=12[b];[a][b]concat,mardini=fps=source_fps*2\" -f null -");
    CHECK(count(told.err, "for the input tells no source_fps: say a number") >= 1);
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

    // A made frame is of no field order.
    const Output info = shell("FFMPEG -v info -filter_complex \"" + MOVING +
                              ",setfield=tff,mardini=mode=slowmo:factor=2,showinfo\" -f null -");
    CHECK(count(info.err, " i:T ") == 4);
    CHECK(count(info.err, " i:P ") == 3);
}

TEST_CASE("a graph built anew loses what was held, and says so; the way out works")
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
    CHECK(count(lost.err,
                "closed before the end of the input: 1 frame waiting for the next one is lost") ==
          1);
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

TEST_CASE("what cannot be gives one sentence that names the culprit, and a non-zero exit")
{
    const std::string junk = scratch("junk.safetensors");
    std::ofstream(junk) << "this is no checkpoint";
    const struct {
        std::string options, word;
    } cases[] = {
        {"model=/nowhere/x.safetensors", "/nowhere/x.safetensors"},
        {"model=gigantic", "gigantic.safetensors was looked for in"},
        {"model=" + junk, "junk.safetensors"},
        {"device=gpu", "device 'gpu' is unknown"},
        {"device='cuda\\:99'", "cuda"},
        {"mode=slowmo:factor=1/2", "factor 1/2 is below 1"},
        {"mode=slowmo:factor=0", "factor=0 is 0"},
        {"fps=0", "fps=0 is 0"},
        {"fps=-5", "fps=-5 is -5"},
        {"fps=source_fps/0", "fps=source_fps/0 is inf"},
        {"fps=quick", "fps=quick is not an expression"},
        {"frames=9", "say mode=slowmo too"},
        {"factor=4", "factor is an option of mode slowmo"},
        {"mode=slowmo:fps=120", "fps is an option of mode fps and animate"},
        {"camera=zoom-in", "camera is an option of mode animate and loop"},
        {"mode=slowmo:side=both", "side is an option of mode extend"},
        {"mode=slowmo:frames=1", "a total of 1 frames"},
        {"mode=slowmo:frames=3", "a total of 3 frames is wanted, and 4 were given"},
    };
    // ffmpeg 5.1 tries a graph that fails a second time, and its exit status is 0 if a filter fails
    // in mid-stream.
    const bool old = is_5_1();
    for (const auto &c : cases) {
        const Output output = shell("FFMPEG -filter_complex \"" + MOVING + ",mardini=" + c.options +
                                    "\" -f framemd5 -");
        INFO(c.options << "\n" << output.err);
        const bool mid_stream = c.options == "mode=slowmo:frames=3";
        CHECK((is_refusal(output) || (old && mid_stream && output.status == 0)));
        size_t ours = 0;
        std::istringstream lines(output.err);
        for (std::string line; std::getline(lines, line);)
            ours += line.find("mardini_") != std::string::npos &&
                    line.find(c.word) != std::string::npos;
        CHECK((ours == 1 || (old && ours == 2)));
    }
    remove(junk.c_str());
    const Output large =
        shell("FFMPEG -filter_complex \"color=s=16386x2:r=24:d=0.2,mardini\" -f null -");
    CHECK(large.status > 0);
    CHECK(count(large.err, "frames of 16386x2: 1x1 to 16384x16384 is possible") == (old ? 2 : 1));
}

TEST_CASE("-h tells every option")
{
    const Output help = shell("FFMPEG -h filter=mardini");
    CHECK(help.status == 0);
    for (const char *option : {"mode", "fps", "factor", "frames", "detect", "side", "context",
                               "anchor", "motion", "camera", "model", "device", "precision",
                               "steps", "seed", "memory", "scd", "scd_threshold", "dup"}) {
        INFO(option);
        CHECK(help.out.find(std::string("\n   ") + option + " ") != std::string::npos);
    }
}

TEST_CASE("the manual tells of every option, and its tables are whole")
{
    const std::string manual = read(source_file("libavfilter/mardini.texi")),
                      page = read(source_file("doc/filter.md"));
    std::istringstream lines(manual), options(shell("FFMPEG -h filter=mardini").out);
    int depth = 0;
    for (std::string line; std::getline(lines, line);) {
        INFO(line);
        if (line.rfind("@table", 0) == 0 || line.rfind("@itemize", 0) == 0)
            depth++;
        else if (line.rfind("@end table", 0) == 0 || line.rfind("@end itemize", 0) == 0)
            depth--;
        else if (line.rfind("@item", 0) == 0)
            CHECK(depth > 0);
        REQUIRE(depth >= 0);
    }
    CHECK(depth == 0);
    int num = 0;
    for (std::string line; std::getline(options, line);) {
        char name[64], type[64];
        if (sscanf(line.c_str(), "   %63[a-z_] <%63[a-z0-9]> ", name, type) != 2)
            continue;
        num++;
        INFO(name);
        CHECK(count(manual, std::string("@item ") + name + "\n") >= 1);
        CHECK(count(page, std::string("`") + name + "`") >= 1);
    }
    CHECK(num >= 19);
}
