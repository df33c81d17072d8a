// Pixel formats and sizes through a running ffmpeg: originals untouched, code values of a
// still clip equal in every format, odd sizes included.

#include "ffmpeg.h"

#include "catch.h"

using namespace ffmpeg;

namespace {

const char *const FORMATS[] = {
    "yuv420p", "yuv422p", "yuv444p", "yuv440p", "yuv410p", "yuv411p", "yuvj420p", "yuv420p9", "yuv420p10", "yuv422p10",
    "yuv444p10", "yuv422p12", "yuv444p14", "yuv420p16", "yuv444p16", "gray", "gray9", "gray10", "gray12", "gray14", "gray16",
    "gbrp", "gbrp9", "gbrp10", "gbrp12", "gbrp14", "gbrp16", "yuva420p", "yuva444p10", "yuva422p12", "yuva444p16", "gbrap",
    "gbrap12", "gbrap16",
};

/// Native words: ffmpeg names formats of 9 bits and more by their byte order.
std::string native(const std::string &name)
{
    const uint16_t probe = 1;
    const bool words = name.find_last_of("0123456789") == name.size() - 1;
    return words ? name + (*reinterpret_cast<const uint8_t *>(&probe) ? "le" : "be") : name;
}

} // namespace

TEST_CASE("a still clip comes back with equal code values in every format")
{
    for (const std::string name : FORMATS) {
        const std::string still = "testsrc2=s=38x26:r=24,format=" + native(name) +
                                  ",trim=end_frame=1,loop=loop=2:size=1:start=0,setpts=N/24/TB";
        const Clip in = graph(still), out = graph(still + ",mardini=mode=slowmo:factor=3");
        INFO(name << "\n" << in.output.err << out.output.err);
        CHECK(out.output.status == 0);
        CHECK(out.output.err == "");
        REQUIRE(in.frames.size() == 3);
        REQUIRE(out.frames.size() == 7);
        for (const Frame &frame : out.frames)
            CHECK(frame.hash == in.frames[0].hash);
    }
}

TEST_CASE("originals are untouched in motion: formats and odd sizes")
{
    const struct {
        const char *size, *format;
    } cases[] = {{"64x64", "yuv422p"},  {"64x64", "yuv444p"},   {"65x49", "yuv420p"},   {"33x17", "yuv410p"},
                 {"64x64", "yuv420p10"}, {"51x37", "yuv422p10"}, {"40x40", "yuv444p10"}, {"65x49", "gbrp"},
                 {"64x48", "gray"},     {"47x49", "gray16"},    {"37x35", "yuva420p"},  {"64x48", "gbrap16"},
                 {"1x1", "yuv420p"},    {"3x5", "yuv410p"},     {"17x130", "yuv444p"},  {"130x16", "yuv420p"}};
    for (const auto &c : cases) {
        const std::string source = std::string("testsrc2=s=") + c.size + ":r=24,trim=end_frame=4,format=" + native(c.format);
        const Clip in = graph(source), out = graph(source + ",mardini=mode=slowmo:factor=2:scd=none");
        INFO(source << "\n" << out.output.err);
        CHECK(out.output.status == 0);
        CHECK(out.output.err == "");
        REQUIRE(out.frames.size() == 7);
        for (size_t k = 0; k < 7; k += 2)
            CHECK(out.frames[k].hash == in.frames[k / 2].hash);
    }
}

TEST_CASE("other formats are converted by ffmpeg, not refused")
{
    for (const std::string name : {"rgb24", "nv12", "rgba"}) {
        const Clip out = graph("testsrc2=s=32x32:r=24,trim=end_frame=3,format=" + name + ",mardini=mode=slowmo:factor=2");
        INFO(name << "\n" << out.output.err);
        CHECK(out.output.status == 0);
        CHECK(out.frames.size() == 5);
    }
}

TEST_CASE("alpha is made too")
{
    // Black everywhere, alpha a moving ramp: the alpha of a made frame is neither neighbour's.
    const std::string source = "color=black:s=64x32:r=10,trim=end_frame=3,format=yuva444p,"
                               "geq=lum=16:cb=128:cr=128:a='mod(X*3+N*24,200)'";
    const std::string alpha = ",extractplanes=a";
    const Clip in = graph(source + alpha), out = graph(source + ",mardini=mode=slowmo:factor=2" + alpha);
    INFO(out.output.err);
    REQUIRE(in.frames.size() == 3);
    REQUIRE(out.frames.size() == 5);
    CHECK(out.frames[2].hash == in.frames[1].hash);
    CHECK(out.frames[1].hash != in.frames[0].hash);
    CHECK(out.frames[1].hash != in.frames[1].hash);
}
