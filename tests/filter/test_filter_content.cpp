// What is and what is not a cut, at every slot of a window; that colour, grain and side data stay.

#include "support/ffmpeg.h"

#include "support/catch.h"

#include <cmath>

using namespace ffmpeg;

namespace {

/// `count` frames and then another scene up to `total`.
std::string two_scenes(int count, int total)
{
    return SCENE + ",trim=end_frame=" + std::to_string(count) + "[a];" + OTHER_SCENE +
           ",trim=end_frame=" + std::to_string(total - count) +
           "[b];[a][b]concat=n=2,setpts=N/24/TB";
}

/// Mean and deviation of one plane of every frame, from raw 8-bit gray.
struct Moments {
    std::vector<double> mean, deviation;
};

Moments moments(const std::string &source, int width, int height)
{
    const Output raw = shell("FFMPEG -filter_complex \"" + source + "\" -f rawvideo -");
    INFO(raw.err);
    REQUIRE(raw.status == 0);
    const size_t size = static_cast<size_t>(width * height);
    REQUIRE(raw.out.size() % size == 0);
    Moments m;
    for (size_t at = 0; at < raw.out.size(); at += size) {
        double sum = 0, squares = 0;
        for (size_t i = at; i < at + size; i++) {
            const double code = static_cast<unsigned char>(raw.out[i]);
            sum += code, squares += code * code;
        }
        m.mean.push_back(sum / static_cast<double>(size));
        m.deviation.push_back(std::sqrt(
            std::max(0.0, squares / static_cast<double>(size) - m.mean.back() * m.mean.back())));
    }
    return m;
}

} // namespace

TEST_CASE(
    "a cut at every place of a clip is held, originals on both sides intact, at 2x, 5x and 16x")
{
    for (int factor : {2, 5, 16}) {
        for (int count = 1; count < 5; count++) {
            if (factor == 16 && count != 2)
                continue;
            const Clip in = graph(two_scenes(count, 5));
            const Clip out = graph(two_scenes(count, 5) +
                                   ",mardini=mode=slowmo:factor=" + std::to_string(factor));
            INFO("cut after frame " << count << " at " << factor << "x\n" << out.output.err);
            REQUIRE(in.frames.size() == 5);
            REQUIRE(out.frames.size() == static_cast<size_t>(4 * factor + 1));
            for (size_t f = 0; f < 5; f++)
                CHECK(out.frames[f * static_cast<size_t>(factor)].hash == in.frames[f].hash);
            for (int k = 1; k < factor; k++) {
                const size_t nearer = static_cast<size_t>(count - 1 + (2 * k >= factor));
                CHECK(out.frames[static_cast<size_t>((count - 1) * factor + k)].hash ==
                      in.frames[nearer].hash);
            }
        }
    }
}

TEST_CASE("fades, flashes and fast pans are no cuts")
{
    const std::string cases[] = {
        SCENE + ",trim=end_frame=10,fade=in:0:8",
        SCENE + ",trim=end_frame=10,fade=out:2:8",
        // one frame brighter by a third of the range, as a photographer's flash
        SCENE + ",trim=end_frame=6,lutyuv=y='clip(val+0,16,235)',split[a][b];[b]lutyuv=y='clip(val*"
                "0.6+80,16,235)'[f];"
                "[a][f]overlay=enable='eq(n,3)',format=yuv420p",
        "testsrc2=s=320x128:r=24,format=rgb24,crop=160:128:16*n:0:exact=1,trim=end_frame=8,format="
        "yuv420p",
        SCENE + ",trim=end_frame=6,noise=alls=24:allf=t",
    };
    for (const std::string &source : cases) {
        const Output said = shell("FFMPEG -v info -filter_complex \"" + source +
                                  ",mardini=mode=slowmo:factor=2\" -f null -");
        INFO(source << "\n" << said.err);
        CHECK(said.status == 0);
        CHECK(count(said.err, "0 held at 0 cuts") == 1);
    }
}

TEST_CASE("without noise, mean and deviation of the picture do not drift along a 16x gap")
{
    // A disc in front of a slope; what is covered does not change in size.
    const std::string source = "color=s=160x96:r=24,trim=end_frame=2,format=gray,"
                               "geq=lum='if(lt(hypot(X-60-6*N,Y-48),20),200,60+X/4)'";
    for (const std::string plane : {"", ",negate"}) {
        const Moments m =
            moments(source + plane + ",mardini=mode=slowmo:factor=16,format=gray", 160, 96);
        REQUIRE(m.mean.size() == 17);
        for (size_t k = 0; k <= 16; k++) {
            const double p = static_cast<double>(k) / 16;
            INFO("frame " << k);
            CHECK(m.mean[k] == Approx(m.mean[0] + p * (m.mean[16] - m.mean[0])).epsilon(0.001));
            CHECK(m.deviation[k] ==
                  Approx(m.deviation[0] + p * (m.deviation[16] - m.deviation[0])).epsilon(0.02));
        }
    }
}

TEST_CASE("a still region beside motion keeps its codes, in the range and outside of it")
{
    // The left third is still and holds codes from 0 to 255, whatever their nominal range is.
    const std::string source = "color=s=192x96:r=24,trim=end_frame=3,format=yuv420p,"
                               "geq=lum='if(lt(X,64),mod(X*4+Y,256),128+80*sin((X-5*N)/7)*cos(Y/"
                               "9))':cb='if(lt(X,32),mod(Y*5,256),128)':cr=128";
    for (const std::string crop : {",crop=48:96:0:0,format=yuv420p"}) {
        const Clip in = graph(source + crop),
                   out = graph(source + ",mardini=mode=slowmo:factor=4" + crop);
        INFO(out.output.err);
        REQUIRE(out.frames.size() == 9);
        for (const Frame &frame : out.frames)
            CHECK(frame.hash == in.frames[0].hash);
    }
}

TEST_CASE("brightness that changes where nothing moves is followed: within a code of the "
          "cross-fade, in every transfer")
{
    for (const std::string transfer : {"bt709", "smpte2084", "arib-std-b67"}) {
        const std::string source =
            "color=s=128x64:r=24,trim=end_frame=2,format=yuv444p10le,geq=lum='400+200*sin(X/"
            "5)*cos(Y/7)+20*N':"
            "cb='512+200*sin(X/9)+12*N':cr='512+200*cos(Y/6)-16*N',setparams=color_trc=" +
            transfer;
        const Output raw = shell("FFMPEG -filter_complex \"" + source +
                                 ",mardini=mode=slowmo:factor=4:scd=none\" -f rawvideo -");
        INFO(raw.err);
        constexpr size_t size = 3 * 128 * 64;
        REQUIRE(raw.out.size() == 5 * size * 2);
        const auto code = [&](size_t k, size_t i) {
            const size_t at = 2 * (k * size + i);
            return static_cast<unsigned char>(raw.out[at]) +
                   256 * static_cast<unsigned char>(raw.out[at + 1]);
        };
        double most = 0;
        for (size_t k = 1; k < 4; k++)
            for (size_t i = 0; i < size; i++)
                most = std::max(
                    most, std::abs(code(k, i) -
                                   (code(0, i) * (4.0 - double(k)) + code(4, i) * double(k)) / 4));
        INFO(transfer << ": " << most << " codes of 10 bits");
        CHECK(most <= 4 + 0.5); // one code of 8 bits, and rounding
    }
}

TEST_CASE("what the stream says of its colour, shape and siting is on made frames too; what one "
          "picture says is not")
{
    const bool has_siting = count(shell("FFMPEG -h filter=setparams").out, "chroma_location") > 0;
    const std::string source = SCENE +
                               ",trim=end_frame=2,setsar=4/"
                               "3,setparams=range=tv:color_primaries=bt2020:color_trc=smpte2084:"
                               "colorspace=bt2020nc" +
                               (has_siting ? ":chroma_location=topleft" : "");
    const Output colour = shell("FFMPEG -v info -filter_complex \"" + source +
                                ",mardini=mode=slowmo:factor=4,showinfo\" -f null -");
    INFO(colour.err);
    CHECK(count(colour.err,
                "color_range:tv color_space:bt2020nc color_primaries:bt2020 color_trc:smpte2084") >=
          5);
    CHECK(count(colour.err, "sar:4/3") >= 5);
    if (has_siting)
        CHECK(count(colour.err, "cl:topleft") == 5);

    const Output regions = shell("FFMPEG -v info -filter_complex \"" + SCENE +
                                 ",trim=end_frame=2,addroi=0:0:16:16:-1/"
                                 "5,mardini=mode=slowmo:factor=4:scd=none,showinfo\" -f null -");
    INFO(regions.err);
    CHECK(count(regions.err, "side data - Regions Of Interest") == 2);
}

namespace {

/// Two frames of SCENE, coded so that they carry side data, and what showinfo says of the five at
/// 4x.
std::string five_of(const std::string &codec, const std::string &file,
                    const std::string &given_by = "", const std::string &format = "yuv420p")
{
    const std::string path = scratch(file);
    REQUIRE(shell("FFMPEG -filter_complex \"" + SCENE + ",trim=end_frame=2,format=" + format +
                  "\" -c:v " + codec + " -y '" + path + "'")
                .status == 0);
    const Output told = shell("FFMPEG -v info " + given_by + " -i '" + path +
                              "' -vf mardini=mode=slowmo:factor=4:scd=none,showinfo -f null -");
    remove(path.c_str());
    INFO(told.err);
    REQUIRE(told.status == 0);
    return told.err;
}

bool has(const std::string &encoder)
{
    return count(shell("FFMPEG -encoders").out, " " + encoder + " ") > 0;
}

} // namespace

TEST_CASE("light of a stream is on every frame")
{
    if (!has("libx265"))
        SKIP_TEST("this build of ffmpeg has no libx265");
    const std::string light =
        five_of("libx265 -x265-params "
                "log-level=none:master-display='G(13250,34500)B(7500,3000)R(34000,16000)"
                "WP(15635,16450)L(10000000,1)':max-cll=1000,400",
                "hdr.nut", "", "yuv420p10");
    INFO(light);
    CHECK(count(light, "side data - Mastering display metadata") == 5);
    CHECK(count(light, "side data - Content light level") == 5);
}

TEST_CASE("a picture's time code stays with it")
{
    if (!has("mpeg2video"))
        SKIP_TEST("this build of ffmpeg has no mpeg2video");
    const std::string time = five_of("mpeg2video -g 1", "coded.nut");
    INFO(time);
    CHECK(count(time, "side data - GOP timecode") >= 1);
    CHECK(count(time, "side data - GOP timecode") <=
          2); // of two given frames, none of three made ones
}

TEST_CASE("an encoder's remarks stay with their picture")
{
    if (!has("libx264"))
        SKIP_TEST("this build of ffmpeg has no libx264");
    const std::string remarks = five_of("libx264", "remarks.mkv");
    INFO(remarks);
    CHECK(count(remarks, "side data - ") == 1); // x264 tells its settings once
}

TEST_CASE("film grain stays with its picture")
{
    if (!has("libaom-av1") || !count(shell("FFMPEG -decoders").out, "libdav1d"))
        SKIP_TEST("this build of ffmpeg has no libaom-av1 or no libdav1d");
    const std::string grainy = five_of("libaom-av1 -cpu-used 8 -aom-params film-grain-test=1",
                                       "grain.mkv", "-export_side_data film_grain");
    INFO(grainy);
    CHECK(count(grainy, "side data - ") == 2);
}
