// Options of the filter: wrong ones end in one sentence and a non-zero exit, and the help and the
// manual tell of every option and its default.

#include "support/ffmpeg.h"

#include "support/catch.h"

#include <map>

using namespace ffmpeg;

namespace {

const std::string FIVE_FRAMES = "testsrc2=s=64x64:r=24,trim=end_frame=5,format=yuv420p";

struct Case {
    std::string options, word;
    bool mid_stream = false; ///< refused when the number of input frames is known
};

/// Each is refused with one message of the filter that contains `word`.
void check_refused(const std::vector<Case> &cases)
{
    // ffmpeg 5.1 configures a graph that fails twice, and exits with 0 if a filter fails in
    // mid-stream.
    const bool old = is_5_1();
    for (const Case &c : cases) {
        const Output output = shell("FFMPEG -filter_complex \"" + FIVE_FRAMES +
                                    ",mardini=" + c.options + "\" -f null -");
        INFO(c.options << "\n" << output.err);
        CHECK((is_refusal(output) || (old && c.mid_stream && output.status == 0)));
        size_t messages = 0;
        std::istringstream lines(output.err);
        for (std::string line; std::getline(lines, line);)
            messages += line.find("mardini_") != std::string::npos &&
                        line.find(c.word) != std::string::npos;
        CHECK((messages == 1 || (old && messages == 2)));
    }
}

std::string help()
{
    return shell("FFMPEG -h filter=mardini").out;
}

/// Name and type of every option.
std::map<std::string, std::string> options()
{
    std::map<std::string, std::string> all;
    std::istringstream lines(help());
    for (std::string line; std::getline(lines, line);) {
        char name[64], type[64];
        if (sscanf(line.c_str(), "   %63[a-z_] <%63[a-z0-9]> ", name, type) == 2)
            all[name] = type;
    }
    return all;
}

} // namespace

TEST_CASE("an unusable value is refused in one sentence that names it")
{
    const std::string junk = scratch("junk.safetensors");
    std::ofstream(junk) << "this is no checkpoint";
    check_refused({
        {"model=/nowhere/x.safetensors", "/nowhere/x.safetensors"},
        {"model=gigantic", "gigantic.safetensors was looked for in"},
        {"model=" + junk, "junk.safetensors"},
        {"device=gpu", "device 'gpu' is unknown"},
        {"device='cuda\\:99'", "cuda"},
        {"fps=0", "fps=0 is 0"},
        {"fps=-5", "fps=-5 is -5"},
        {"fps=source_fps/0", "fps=source_fps/0 is inf"},
        {"fps=quick", "fps=quick is not an expression"},
        {"mode=slowmo:factor=1/2", "factor 1/2 is below 1"},
        {"mode=slowmo:factor=0", "factor=0 is 0"},
        {"mode=slowmo:frames=0", "a total of 0 frames"},
        {"mode=slowmo:frames=1", "a total of 1 frames"},
        {"mode=slowmo:frames=4", "a total of 4 frames is wanted, and 5 were given", true},
        {"mode=extend:frames=x", "frames=x is not a number of frames"},
        {"mode=extend:frames=0", "0 frames are to be added"},
        {"mode=loop:frames=-1", "frames=-1 is not a number of frames"},
        {"mode=extend:context=1", "a context of 1 frames"},
        {"mode=extend:context=6", "a context of 6 frames is wanted, and the clip has 5", true},
        {"mode=animate:frames=1", "1 frames of one: 2 or more are wanted"},
        {"mode=animate:anchor=17", "output frame 17; 0 to 16 are there"},
        {"mode=animate:fps=0", "fps=0 is 0"},
        {"mode=fill:frames=3-", "'3-' names no frames"},
        {"mode=fill:frames=5", "frame 5 is to be filled, and the last one is 4", true},
        {"mode=fill:frames=1-9+2", "frame 9 is to be filled, and the last one is 4", true},
        {"mode=fill:frames=0-4", "every frame is to be filled", true},
    });
    remove(junk.c_str());
    const Output large =
        shell("FFMPEG -filter_complex \"color=s=16386x2:r=24:d=0.2,mardini\" -f null -");
    CHECK(large.status > 0);
    CHECK(count(large.err, "frames of 16386x2: 1x1 to 16384x16384 is possible") ==
          (is_5_1() ? 2 : 1));
}

TEST_CASE("an option of another mode is refused, also if it is set to its default")
{
    check_refused({
        {"factor=4", "option factor is for mode slowmo"},
        {"factor=8", "option factor is for mode slowmo"},
        {"frames=9", "option frames is for mode slowmo, fill, extend, loop and animate"},
        {"frames=0", "option frames is for mode slowmo, fill, extend, loop and animate"},
        {"mode=slowmo:fps=120", "option fps is for mode fps and animate"},
        {"mode=slowmo:fps=60", "option fps is for mode fps and animate"},
        {"mode=slowmo:frames=9:fps=60", "option fps is for mode fps and animate"},
        {"detect=gaps", "option detect is for mode fill"},
        {"detect=0", "option detect is for mode fill"},
        {"mode=slowmo:side=both", "option side is for mode extend"},
        {"side=after", "option side is for mode extend"},
        {"mode=loop:context=5", "option context is for mode extend"},
        {"context=0", "option context is for mode extend"},
        {"mode=loop:anchor=first", "option anchor is for mode animate"},
        {"anchor=middle", "option anchor is for mode animate"},
        {"mode=extend:motion=2", "option motion is for mode animate and loop"},
        {"motion=1", "option motion is for mode animate and loop"},
        {"camera=zoom-in", "option camera is for mode animate and loop"},
        {"camera=sampled", "option camera is for mode animate and loop"},
        {"mode=slowmo:factor=4:frames=128", "factor=4 and frames=128 are both set"},
        {"mode=fill:dup=skip", "dup=skip is for mode fps, and for slowmo with a factor"},
        {"mode=slowmo:frames=9:dup=skip", "dup=skip is for mode fps, and for slowmo with a factor"},
    });
}

TEST_CASE("a number that names no mode is refused, and the number of each mode is taken")
{
    check_refused({{"mode=2", "mode=2 is not a mode"}});
    const Output output = shell("FFMPEG -filter_complex \"" + FIVE_FRAMES +
                                ",mardini=mode=7\" -f null -"); // by ffmpeg
    CHECK(is_refusal(output));
    std::string numbers;
    for (int mode : {MARDINI_MODE_FPS, MARDINI_MODE_SLOWMO, MARDINI_MODE_FILL, MARDINI_MODE_EXTEND,
                     MARDINI_MODE_LOOP, MARDINI_MODE_ANIMATE})
        numbers += ",mardini=mode=" + std::to_string(mode) + ":enable=0";
    CHECK(shell("FFMPEG -filter_complex \"" + FIVE_FRAMES + ",trim=end_frame=0" + numbers +
                "\" -f null -")
              .status == 0);
}

TEST_CASE("an option set to its default is the same as one that is not set")
{
    const struct {
        std::string mode, defaults;
    } cases[] = {
        {"fps", "fps=60"},
        {"slowmo", "factor=8"},
        {"fill", "detect=gaps+repeats"},
        {"extend", "frames=12:side=after:context=5"},
        {"loop", "frames=15:motion=1:camera=sampled"},
        {"animate", "frames=17:fps=8:anchor=middle:motion=1:camera=sampled"},
    };
    // The repeat gives mode fill something to detect.
    const std::string source = FIVE_FRAMES + ",shuffleframes=0 1 1 3 4,mardini=mode=";
    for (const auto &c : cases) {
        INFO(c.mode);
        const Clip unset = graph(source + c.mode);
        CHECK(unset.frames.size() >= 5);
        CHECK(graph(source + c.mode + ":" + c.defaults +
                    ":memory=0:precision=auto:scd=auto:dup=keep:device=auto")
                  .hashes() == unset.hashes());
    }
}

TEST_CASE("-h tells every option, and the defaults")
{
    const auto all = options();
    for (const char *option : {"mode", "fps", "factor", "frames", "detect", "side", "context",
                               "anchor", "motion", "camera", "model", "device", "precision",
                               "steps", "seed", "memory", "scd", "scd_threshold", "dup"}) {
        INFO(option);
        CHECK(all.count(option) == 1);
    }
    MardiniTimelineSettings settings;
    mardini_timeline_default_settings(&settings);
    const std::string text = help(), fps = std::to_string(settings.rate.num);
    CHECK(count(text, "(default: " + fps + "; animate: 8)") == 1);
    CHECK(count(text, "(default: 12); loop: of frames to add (15)") == 1);
    CHECK(count(text, "animate: of output frames (" + std::to_string(MARDINI_WINDOW) + ")") == 1);
}

TEST_CASE("the manual tells of every option, and its tables are whole")
{
    const std::string manual = read(source_file("libavfilter/mardini.texi")),
                      page = read(source_file("doc/manual/options.md"));
    std::istringstream lines(manual);
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
    const auto all = options();
    CHECK(all.size() >= 19);
    for (const auto &[name, type] : all) {
        INFO(name);
        CHECK(count(manual, std::string("@item ") + name + "\n") >= 1);
        CHECK(count(page, std::string("`") + name + "`") >= 1);
    }
}
