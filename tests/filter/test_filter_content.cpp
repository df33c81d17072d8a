// Scene cuts at every place of a clip, brightness and range, colour properties and side data.

#include "filter/batch.h"

#include "support/catch.h"

#include <cmath>

using namespace ffmpeg;

namespace {

/// `count` frames of one scene, then another scene up to `total` frames.
std::string two_scenes(int count, int total)
{
    return SCENE + ",trim=end_frame=" + std::to_string(count) + "[a];" + OTHER_SCENE +
           ",trim=end_frame=" + std::to_string(total - count) +
           "[b];[a][b]concat=n=2,setpts=N/24/TB";
}

/// Mean and deviation of every frame of an 8-bit gray clip.
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

TEST_CASE("at a cut at any place of a clip frames are repeated, input frames are unchanged, at 2x, "
          "5x, 16x")
{
    for (int factor : {2, 5, 16}) {
        for (int count = 1; count < 5; count++) {
            if (factor == 16 && count != 2)
                continue;
            const std::string scenes = two_scenes(count, 5);
            const std::vector<Clip> clips = batch(
                {{scenes}, {scenes + ",mardini=mode=slowmo:factor=" + std::to_string(factor)}});
            const Clip &in = clips[0], &out = clips[1];
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
        // a flash: one frame brighter by a third of the range
        SCENE + ",trim=end_frame=6,lutyuv=y='clip(val+0,16,235)',split[a][b];[b]lutyuv=y='clip(val*"
                "0.6+80,16,235)'[f];"
                "[a][f]overlay=enable='eq(n,3)',format=yuv420p",
        "testsrc2=s=320x128:r=24,format=rgb24,crop=160:128:16*n:0:exact=1,trim=end_frame=8,format="
        "yuv420p",
        SCENE + ",trim=end_frame=6,noise=alls=24:allf=t",
    };
    for (const std::string &source : cases) {
        const Output log = shell("FFMPEG -v info -filter_complex \"" + source +
                                 ",mardini=mode=slowmo:factor=2\" -f null -");
        INFO(source << "\n" << log.err);
        CHECK(log.status == 0);
        CHECK(count(log.err, "0 repeated at 0 cuts") == 1);
    }
}

TEST_CASE("without noise, mean and deviation change evenly along a 16x gap")
{
    // A disc in front of a gradient; the covered area keeps its size.
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

TEST_CASE("a still region beside motion keeps its codes, inside and outside of the nominal range")
{
    // The left third is still, with codes from 0 to 255.
    const std::string source = "color=s=192x96:r=24,trim=end_frame=3,format=yuv420p,"
                               "geq=lum='if(lt(X,64),mod(X*4+Y,256),128+80*sin((X-5*N)/7)*cos(Y/"
                               "9))':cb='if(lt(X,32),mod(Y*5,256),128)':cr=128";
    const std::string crop = ",crop=48:96:0:0,format=yuv420p";
    const Clip in = graph(source + crop),
               out = graph(source + ",mardini=mode=slowmo:factor=4" + crop);
    INFO(out.output.err);
    REQUIRE(out.frames.size() == 9);
    for (const Frame &frame : out.frames)
        CHECK(frame.hash == in.frames[0].hash);
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

TEST_CASE(
    "colour properties, aspect ratio and chroma location are on synthesized frames; side data of "
    "a picture is not")
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

/// The log of showinfo for two encoded frames of SCENE at 4x, which are five.
std::string five_of(const std::string &codec, const std::string &file,
                    const std::string &input_options = "", const std::string &format = "yuv420p")
{
    const std::string path = scratch(file);
    REQUIRE(shell("FFMPEG -filter_complex \"" + SCENE + ",trim=end_frame=2,format=" + format +
                  "\" -c:v " + codec + " -y '" + path + "'")
                .status == 0);
    const Output log = shell("FFMPEG -v info " + input_options + " -i '" + path +
                             "' -vf mardini=mode=slowmo:factor=4:scd=none,showinfo -f null -");
    remove(path.c_str());
    INFO(log.err);
    REQUIRE(log.status == 0);
    return log.err;
}

bool has(const std::string &encoder)
{
    return count(shell("FFMPEG -encoders").out, " " + encoder + " ") > 0;
}

} // namespace

TEST_CASE("mastering display and light level are on every frame")
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

TEST_CASE("a time code stays with its frame")
{
    if (!has("mpeg2video"))
        SKIP_TEST("this build of ffmpeg has no mpeg2video");
    const std::string time = five_of("mpeg2video -g 1", "coded.nut");
    INFO(time);
    CHECK(count(time, "side data - GOP timecode") >= 1);
    CHECK(count(time, "side data - GOP timecode") <=
          2); // two input frames have one, three synthesized frames none
}

TEST_CASE("an encoder's settings stay with their frame")
{
    if (!has("libx264"))
        SKIP_TEST("this build of ffmpeg has no libx264");
    const std::string remarks = five_of("libx264", "remarks.mkv");
    INFO(remarks);
    CHECK(count(remarks, "side data - ") == 1); // x264 tells its settings once
}

TEST_CASE("film grain stays with its frame")
{
    if (!has("libaom-av1") || !count(shell("FFMPEG -decoders").out, "libdav1d"))
        SKIP_TEST("this build of ffmpeg has no libaom-av1 or no libdav1d");
    const std::string grainy = five_of("libaom-av1 -cpu-used 8 -aom-params film-grain-test=1",
                                       "grain.mkv", "-export_side_data film_grain");
    INFO(grainy);
    CHECK(count(grainy, "side data - ") == 2);
}
