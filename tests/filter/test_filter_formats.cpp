// Pixel formats and sizes through a running ffmpeg: input frames are unchanged, and so are the code
// values of a still clip.

#include "filter/batch.h"

#include "support/catch.h"

#include <algorithm>
#include <sstream>

using namespace ffmpeg;

namespace {

const char *const FORMATS[] = {
    "yuv420p",    "yuv422p",    "yuv444p",    "yuv440p",   "yuv410p",   "yuv411p",   "yuvj420p",
    "yuv420p9",   "yuv420p10",  "yuv422p10",  "yuv444p10", "yuv422p12", "yuv444p14", "yuv420p16",
    "yuv444p16",  "gray",       "gray9",      "gray10",    "gray12",    "gray14",    "gray16",
    "gbrp",       "gbrp9",      "gbrp10",     "gbrp12",    "gbrp14",    "gbrp16",    "yuva420p",
    "yuva444p10", "yuva422p12", "yuva444p16", "gbrap",     "gbrap12",   "gbrap16",   "nv12",
    "nv21",       "nv16",       "nv24",       "nv42",      "nv20",      "p010",      "p016",
    "p210",       "p416",       "yuyv422",    "uyvy422",   "yvyu422",   "y210",      "rgb24",
    "bgr24",      "rgb0",       "bgr0",       "0rgb",      "0bgr",      "rgba",      "bgra",
    "argb",       "abgr",       "rgb48",      "bgr48",     "rgba64",    "bgra64",
};

/// ffmpeg names formats of 9 bits and more by their byte order.
std::string native(const std::string &name)
{
    static const std::string words[] = {"9",    "10",   "12",   "14",   "16",   "48",  "64",
                                        "nv20", "p010", "p016", "p210", "p416", "y210"};
    const uint16_t probe = 1;
    const bool is_wide =
        std::any_of(std::begin(words), std::end(words), [&](const std::string &end) {
            return name.size() >= end.size() &&
                   name.compare(name.size() - end.size(), end.size(), end) == 0;
        });
    if (!is_wide || name == "nv12" || name == "nv16" || name == "x2rgb10")
        return name == "x2rgb10" ? "x2rgb10le" : name;
    return name + (*reinterpret_cast<const uint8_t *>(&probe) ? "le" : "be");
}

/// Messages other than the one about the conversion of the test source.
std::string without_conversion(const std::string &messages)
{
    std::istringstream lines(messages);
    std::string out, line;
    while (std::getline(lines, line))
        if (line.find("No accelerated colorspace conversion") == std::string::npos)
            out += line + "\n";
    return out;
}

/// A moving crop of a picture.
std::string moving(int width, int height)
{
    return "testsrc2=s=192x144:r=24,format=rgb24,crop=" + std::to_string(width) + ":" +
           std::to_string(height) + ":40+4*n:10+n:exact=1";
}

} // namespace

TEST_CASE("a still clip comes back with equal code values in every format")
{
    std::vector<Graph> graphs;
    const auto check = [&] {
        const std::vector<Clip> clips = batch(graphs);
        CHECK(clips[0].output.status == 0);
        CHECK(without_conversion(clips[0].output.err) == "");
        for (size_t i = 0; i < graphs.size(); i += 2) {
            INFO(graphs[i + 1].filters << "\n" << clips[0].output.err);
            REQUIRE(clips[i].frames.size() == 3);
            REQUIRE(clips[i + 1].frames.size() == 7);
            // Frames equal the source's: ffmpeg would convert a format that the filter refuses.
            for (const Frame &frame : clips[i + 1].frames)
                CHECK(frame.hash == clips[i].frames[0].hash);
        }
        graphs.clear();
    };
    const bool old = is_5_1();
    for (const std::string name : FORMATS) {
        if (old && name == "y210") // not supported by its scaler
            continue;
        const std::string still = "testsrc2=s=38x26:r=24,format=" + native(name) +
                                  ",trim=end_frame=1,loop=loop=2:size=1:start=0,setpts=N/24/TB";
        graphs.push_back({still});
        graphs.push_back({still + ",mardini=mode=slowmo:factor=3"});
        if (graphs.size() == 32)
            check();
    }
    check();
}

TEST_CASE("input frames of moving clips are unchanged: formats and odd sizes")
{
    const struct {
        int width, height;
        const char *format;
    } cases[] = {{64, 64, "yuv422p"},   {64, 64, "yuv444p"},   {65, 49, "yuv420p"},
                 {33, 17, "yuv410p"},   {64, 64, "yuv420p10"}, {51, 37, "yuv422p10"},
                 {40, 40, "yuv444p10"}, {65, 49, "gbrp"},      {64, 48, "gray"},
                 {47, 49, "gray16"},    {37, 35, "yuva420p"},  {65, 49, "rgb24"},
                 {33, 35, "rgba64"},    {34, 18, "yuyv422"},   {35, 17, "nv12"},
                 {33, 19, "p010"},      {64, 48, "gbrap16"},   {2, 3, "yuv420p"},
                 {3, 5, "yuv410p"},     {17, 130, "yuv444p"},  {130, 16, "yuv420p"}};
    std::vector<Graph> graphs;
    for (const auto &c : cases) {
        const std::string source =
            moving(c.width, c.height) + ",trim=end_frame=4,format=" + native(c.format);
        graphs.push_back({source});
        graphs.push_back({source + ",mardini=mode=slowmo:factor=2:scd=none"});
    }
    const std::vector<Clip> clips = batch(graphs);
    CHECK(clips[0].output.status == 0);
    CHECK(without_conversion(clips[0].output.err) == "");
    for (size_t i = 0; i < graphs.size(); i += 2) {
        INFO(graphs[i].filters << "\n" << clips[0].output.err);
        REQUIRE(clips[i].frames.size() == 4);
        REQUIRE(clips[i + 1].frames.size() == 7);
        for (size_t k = 0; k < 7; k += 2)
            CHECK(clips[i + 1].frames[k].hash == clips[i].frames[k / 2].hash);
    }
}

TEST_CASE("other formats are converted by ffmpeg, not refused")
{
    for (const std::string name : {"pal8", "rgb565", "ya8", "monow", "yuv420p10be", "x2rgb10"}) {
        const Clip out =
            graph("testsrc2=s=32x32:r=24,trim=end_frame=3,format=" +
                  (name == "yuv420p10be" ? name : native(name)) + ",mardini=mode=slowmo:factor=2");
        INFO(name << "\n" << out.output.err);
        CHECK(out.output.status == 0);
        CHECK(out.frames.size() == 5);
    }
}

TEST_CASE("interleaved formats give the same as planar formats")
{
    const struct {
        const char *interleaved, *planar;
    } cases[] = {{"nv12", "yuv420p"},    {"p010", "yuv420p10"}, {"yuyv422", "yuv422p"},
                 {"uyvy422", "yuv422p"}, {"rgb24", "gbrp"},     {"bgr0", "gbrp"},
                 {"argb", "gbrap"},      {"rgba64", "gbrap16"}};
    for (const auto &c : cases) {
        // All these conversions copy samples.
        const std::string first = moving(66, 50) + ",trim=end_frame=3,format=" + native(c.planar),
                          to = ",format=";
        const std::string slow = ",mardini=mode=slowmo:factor=2:scd=none";
        const Clip planar = graph(first + slow);
        const Clip interleaved = graph(first + to + native(c.interleaved) + slow + to +
                                       native(c.interleaved) + to + native(c.planar));
        INFO(c.interleaved << "\n" << interleaved.output.err);
        REQUIRE(planar.frames.size() == 5);
        CHECK(planar.frames[0].hash != planar.frames[1].hash);
        CHECK(interleaved.hashes() == planar.hashes());
    }
}

TEST_CASE("alpha is synthesized")
{
    // Black, with a moving ramp as alpha: a synthesized frame has the alpha of neither neighbour.
    const std::string source = "color=black:s=64x32:r=10,trim=end_frame=3,format=yuva444p,"
                               "geq=lum=16:cb=128:cr=128:a='mod(X*3+N*24,200)'";
    const std::string alpha = ",extractplanes=a";
    const Clip in = graph(source + alpha),
               out = graph(source + ",mardini=mode=slowmo:factor=2" + alpha);
    INFO(out.output.err);
    REQUIRE(in.frames.size() == 3);
    REQUIRE(out.frames.size() == 5);
    CHECK(out.frames[2].hash == in.frames[1].hash);
    CHECK(out.frames[1].hash != in.frames[0].hash);
    CHECK(out.frames[1].hash != in.frames[1].hash);
}
