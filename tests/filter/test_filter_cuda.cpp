// CUDA frames through a running ffmpeg: they equal those of frames in host memory.
#include "support/ffmpeg.h"

#include "support/catch.h"

using namespace ffmpeg;

namespace {

std::string device(const std::string &options)
{
    return "-init_hw_device cuda=c:0" + options + " -filter_hw_device c ";
}

/// Why CUDA frames cannot be tested; empty if they can.
std::string missing()
{
    if (shell("FFMPEG -filters").out.find(" hwupload ") == std::string::npos)
        return "this ffmpeg has no hwupload";
    if (shell("FFMPEG " + device("") +
              "-filter_complex color=s=64x64,trim=end_frame=1,format=nv12,hwupload -f null -")
            .status)
        return "this ffmpeg opens no CUDA device";
    return "";
}

} // namespace

TEST_CASE("CUDA frames equal those in host memory, input frames and synthesized ones", "[cuda]")
{
    const std::string why = missing();
    if (!why.empty())
        SKIP_TEST(why);
    for (const std::string format : {"nv12", "p010le", "yuv420p", "yuv444p"}) {
        const std::string source = "testsrc2=s=190x130:r=24,trim=end_frame=4,format=" + format;
        const std::string filter = "mardini=mode=slowmo:factor=3:scd=none";
        const Clip in = graph(source), host = graph(source + "," + filter + ":device=cuda");
        REQUIRE(in.frames.size() == 4);
        for (const std::string options : {"", ",primary_ctx=1"}) {
            const Clip cuda = frames(device(options) + "-filter_complex \"" + source +
                                     ",hwupload," + filter + ",hwdownload,format=" + format + "\"");
            INFO(format << options << "\n" << host.output.err << cuda.output.err);
            CHECK(cuda.output.status == 0);
            CHECK(cuda.output.err == "");
            REQUIRE(cuda.frames.size() == 10);
            CHECK(cuda.frames == host.frames);
            for (size_t i = 0; i < in.frames.size(); i++)
                CHECK(cuda.frames[3 * i].hash == in.frames[i].hash);
            CHECK(cuda.frames[1].hash != in.frames[0].hash);
        }
    }
}

TEST_CASE("CUDA frames with device=cpu are refused", "[cuda]")
{
    const std::string why = missing();
    if (!why.empty())
        SKIP_TEST(why);
    const Clip clip = frames(
        device("") + "-filter_complex \"testsrc2=s=64x64,trim=end_frame=3,format=nv12,hwupload,"
                     "mardini=device=cpu,hwdownload,format=nv12\"");
    CHECK(clip.output.status != 0);
    CHECK(clip.output.err.find("device=cpu was asked for") != std::string::npos);
}
