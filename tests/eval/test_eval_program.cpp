// The program `mardini eval` and `mardini info`: table, JSON, page, protocol DAVIS-7, VMAF,
// refusals.
#include "eval/costs.h"
#include "eval/davis7.h"
#include "eval/sha256.h"
#include "network/checkpoint.h"

#include "eval_clips.h"

#include <nlohmann/json.hpp>

#include <cmath>
#include <map>

using namespace mardini;
using namespace mardini::eval;
using namespace eval_clips;
namespace fs = std::filesystem;

TEST_CASE("the program's table, JSON and page")
{
    const std::string json = ffmpeg::scratch("eval.json"), html = ffmpeg::scratch("eval.html");
    const ffmpeg::Output run =
        mardini_program("eval --data '" + WALK + "' --model '" + NANO +
                        "' --factors 4,8 --threads 1 --against blend --without planner "
                        "--vmaf none --group plants=walk --json '" +
                        json + "' --html '" + html + "'");
    INFO(run.out << run.err);
    REQUIRE(run.status == 0);
    CHECK(run.err.empty());
    const auto root = nlohmann::json::parse(ffmpeg::read(json));
    REQUIRE(root.at("scores").size() == 6);
    std::map<std::string, double> at_8x;
    for (const auto &s : root["scores"]) {
        double sum = 0;
        for (const auto &frame : s.at("per_frame"))
            sum += frame.at("psnr_y").get<double>();
        CHECK(s.at("psnr_y").get<double>() ==
              Approx(sum / static_cast<double>(s["per_frame"].size())));
        CHECK(s["frames"] == (s["factor"] == 4 ? 12 : 14));
        if (s["factor"] == 8)
            at_8x[s["method"]] = s["psnr_y"];
        char row[64];
        std::snprintf(row, sizeof(row), "%6.2f %6.4f", s["psnr_y"].get<double>(),
                      s["ssim_y"].get<double>());
        CHECK(run.out.find(row) != std::string::npos);
    }
    CHECK(at_8x.size() == 3);
    CHECK(at_8x["mardini"] != at_8x["mardini without planner"]);
    // all clips, then the group, whose mean is the same clip's
    REQUIRE(root.at("means").size() == 12);
    CHECK(root["means"][6].at("group") == "plants");
    CHECK(root["means"][6]["psnr_y"] == root["means"][0]["psnr_y"]);
    CHECK(std::abs(root.at("confidence_rank_correlation").get<double>()) <= 1);
    CHECK(root.at("settings").at("model sha-256") == sha256(NANO));
    CHECK(root["scores"][0].at("height") == 90); // native size
    for (const auto &s : root["scores"]) {
        CHECK(s.at("vmaf").is_null());
        CHECK(s.at("stipple").get<double>() > 0);
    }
    for (const char *heading : {"stipple", "VMAF", "NEG", "VMAF is not computed: --vmaf none."})
        CHECK(run.out.find(heading) != std::string::npos);

    const std::string page = ffmpeg::read(html);
    CHECK(ffmpeg::count(page, "src=\"data:image/jpeg;base64,/9j/") ==
          2 * 5); // each a JPEG from its first bytes on
    for (const char *heading : {"<th>stipple", "<th>VMAF<th>VMAF NEG", "VMAF is not computed"})
        CHECK(page.find(heading) != std::string::npos);
    CHECK(ffmpeg::count(page, "src=") == 2 * 5);
    CHECK(ffmpeg::count(page, "<input type=range") == 2);
    for (const char *outside : {"http:", "https:", "<link", "@import", "url("})
        CHECK(page.find(outside) == std::string::npos);
}

/// A program in the place of libvmaf's: VMAF is the square of the frame's number, VMAF NEG the
/// number.
static std::string fake_vmaf()
{
    const std::string path = folder("bin") + "/vmaf";
    std::ofstream(path) << R"(#!/bin/sh
[ "$1" != --version ] || exit 0
while [ $# -gt 0 ]; do
    case $1 in
    --reference) reference=$2 ;;
    --distorted) distorted=$2 ;;
    --output) output=$2 ;;
    esac
    shift
done
head -c 30 "$distorted" | grep -aq 'YUV4MPEG2 W160 H90 ' || { echo 'no Y4M of 160x90'; exit 1; }
n=$(grep -ao FRAME "$reference" | wc -l) i=0 between=
{
    echo '{"frames": ['
    while [ $i -lt $n ]; do
        echo "$between{\"metrics\": {\"vmaf\": $((i * i)), \"vmaf_neg\": $i}}"
        i=$((i + 1)) between=,
    done
    echo ']}'
} > "$output"
)";
    fs::permissions(path, fs::perms::owner_all);
    return path;
}

TEST_CASE("VMAF: the mean over synthesized frames, of the program that is named or found in PATH")
{
    const std::string json = ffmpeg::scratch("vmaf.json"), program = fake_vmaf();
    const std::string arguments = "eval --data '" + WALK + "' --model '" + NANO +
                                  "' --factors 16 --threads 1 --json '" + json + "'";
    double squares = 0;
    for (int i = 1; i < 16; i++)
        squares += i * i / 15.0;
    for (const std::string &command :
         {ffmpeg::mardini() + " " + arguments + " --vmaf '" + program + "'",
          "PATH='" + fs::path(program).parent_path().string() + "':$PATH " + ffmpeg::mardini() +
              " " + arguments}) {
        const ffmpeg::Output run = ffmpeg::shell(command);
        INFO(run.out << run.err);
        REQUIRE(run.status == 0);
        const auto score = nlohmann::json::parse(ffmpeg::read(json)).at("scores").at(0);
        CHECK(score.at("vmaf").get<double>() == Approx(squares));
        CHECK(score.at("vmaf_neg").get<double>() == Approx(8));
        CHECK(score["per_frame"][2].at("vmaf") == 9);
        CHECK(run.out.find(" 82.67   8.00") != std::string::npos);
        CHECK(run.out.find("VMAF is not computed") == std::string::npos);
    }
}

TEST_CASE("VMAF: a program that fails leaves its columns empty and one line with its words")
{
    const std::string program = fake_vmaf(), clip = ffmpeg::scratch("small.mkv");
    generate("testsrc2=size=64x48", "-frames:v 3 -c:v ffv1 '" + clip + "'");
    const ffmpeg::Output run =
        mardini_program("eval --data '" + clip +
                        "' --factors 2 --threads 1 --against blend --vmaf '" + program + "'");
    INFO(run.out << run.err);
    CHECK(run.status == 0);
    CHECK(ffmpeg::count(run.out, "no Y4M of 160x90") == 1);
    CHECK(run.out.find("      -      -\n") != std::string::npos);
    check_refused("eval --data '" + clip + "' --vmaf '" + clip + "'", "neither libvmaf's program");
}

TEST_CASE("davis7: chunks, crop and the mean over seven")
{
    const std::string root = folder("davis");
    for (const char *name : {"a", "b", "c"})
        fs::create_directories(root + "/" + name);
    // Flat gray that rises as n * n within nine frames: a cross-fade from 10 to 74 is n * (8 - n)
    // codes off.
    const std::string gray =
        "color=black:size=300x280,format=gray,geq=lum='10+pow(mod(N,9),2)',format=rgb24";
    generate(gray,
             "-frames:v 20 '" + root + "/a/%03d.png'"); // two chunks, two pictures are left over
    generate(gray, "-frames:v 8 '" + root + "/b/%03d.png'"); // too short
    generate(gray, "-frames:v 9 '" + root + "/c/%03d.png'"); // one
    const std::string json = ffmpeg::scratch("davis.json");
    const ffmpeg::Output run = mardini_program("eval --protocol davis7 '" + root + "' --model '" +
                                               NANO + "' --threads 1 --json '" + json + "'");
    INFO(run.out << run.err);
    REQUIRE(run.status == 0);
    const auto j = nlohmann::json::parse(ffmpeg::read(json));
    CHECK(j.at("chunks") == 3);
    CHECK(j["mardini"]["middle"].at("frames") == 3);
    CHECK(j["mardini"]["all_seven"].at("frames") == 21);
    double all = 0;
    for (int n = 1; n < 8; n++)
        all += 20 * std::log10(255.0 / (n * (8 - n))) / 7;
    CHECK(j["blend"]["middle"].at("psnr").get<double>() == Approx(20 * std::log10(255.0 / 16)));
    CHECK(j["blend"]["all_seven"].at("psnr").get<double>() == Approx(all));
    for (const char *word : {"FID", "FVD", "LPIPS", "RIFE", "0.4546"})
        CHECK(run.out.find(word) != std::string::npos);
}

TEST_CASE("davis7: the centre square, averaged by area")
{
    // Black bars of 64 on both sides of 512 columns that are alternately black and white.
    const std::string picture = ffmpeg::scratch("square.png");
    generate("color=black:size=640x512,format=gray,geq=lum='if(between(X,64,575),255*mod(X,2),0)',"
             "format=rgb24",
             "-frames:v 1 '" + picture + "'");
    const Frame square = read_square(picture);
    REQUIRE(square->width == 256);
    REQUIRE(square->height == 256);
    const double half = 127.5;
    for (int p = 0; p < 3; p++) {
        const PlaneView plane = plane_of(square, p);
        for (int x = 0; x < 256; x++) {
            INFO("plane " << p << ", column " << x);
            REQUIRE(std::abs(plane.data[100 * plane.stride + x] - half) <= 1.5);
        }
    }
}

TEST_CASE("what cannot be scored is refused in one sentence")
{
    const std::string empty = folder("empty"), sound = ffmpeg::scratch("sound.mkv"),
                      pair = ffmpeg::scratch("pair.mkv");
    generate("sine=duration=1", "-c:a pcm_s16le '" + sound + "'");
    generate("testsrc2=size=64x64", "-frames:v 2 -c:v ffv1 '" + pair + "'");
    check_refused("eval --data '" + empty + "'", "has no video in it");
    check_refused("eval --data '" + empty + "/nothing'", "neither a folder nor a file");
    check_refused("eval --data '" + sound + "'", "sound.mkv");
    check_refused("eval --data '" + pair + "' --factors 2", "2 frames, too few",
                  2); // the clip, then that there was no other
    check_refused("eval --data '" + WALK + "' --model '" + WALK + "'",
                  "is not a usable checkpoint");
    // the library's search: every folder that was searched, and the way out
    check_refused("eval --data '" + WALK + "' --model nothing", "MARDINI_MODEL_PATH");
    check_refused("eval --protocol davis7 '" + empty + "'", "no sequence of 9 pictures");
    check_refused("eval --protocol other '" + empty + "'", "davis7 exists");
    check_refused("eval", "--data DIR");
}

TEST_CASE("one bad file among good ones is left out, said, and makes the exit status 1")
{
    const std::string clips = folder("clips");
    fs::copy_file(WALK, clips + "/walk.mp4");
    generate("sine=duration=1", "-c:a pcm_s16le '" + clips + "/sound.mkv'");
    const ffmpeg::Output run =
        mardini_program("eval --data '" + clips + "' --factors 16 --threads 1");
    INFO(run.out << run.err);
    CHECK(run.status == 1);
    CHECK(run.err.find("left out: ") != std::string::npos);
    CHECK(run.out.find("walk") != std::string::npos);
}

TEST_CASE("costs are those of the layers")
{
    Network network = load_network(NANO);
    const std::vector<Cost> costs = count_costs(network, 448, 256);
    // The encoder's seven 3x3 convolutions: outputs times inputs of each.
    const EncoderConfig c = network->config().encoder;
    const int64_t half = 224 * 128, quarter = 112 * 64, eighth = 56 * 32;
    const int64_t encoder =
        9 * (half * 6 * c.channels2 + quarter * c.channels2 * c.channels4 +
             quarter * c.channels4 * c.channels4 + eighth * c.channels4 * c.channels8 +
             2 * eighth * c.channels8 * c.channels8 + eighth * c.channels8 * c.match);
    CHECK(costs.at(0).part == "encoder");
    CHECK(costs[0].macs == encoder);
    // Matching compares every cell with those up to 16 rows away, and some more: 144 samples of a
    // patch and the learned features.
    int64_t pairs = 0;
    for (int64_t y = 0; y < 32; y++)
        pairs += (std::min<int64_t>(y + 16, 31) - std::max<int64_t>(y - 16, 0) + 1) * 56 * 56;
    CHECK(costs.at(2).macs >= pairs * (144 + c.match));
    CHECK(costs[2].macs < pairs * (144 + c.match) * 12 / 10);
    // The planner, a Transformer: qkv, out and two of four times the width on every token, then
    // attention. A reference frame is encoded once; its last layer computes queries, keys and
    // values alone.
    const PlannerConfig p = network->config().planner;
    const int64_t tokens = 14 * 8, reference = 4 * tokens, masked = 7 * tokens,
                  square = p.width * p.width;
    const int64_t stems = 9 * (28 * 16 * c.channels8 * 64 + tokens * 64 * p.width);
    const int64_t read = (p.layers - 1) * (12 * tokens * square + 2 * p.width * tokens * tokens) +
                         3 * tokens * square;
    CHECK(costs.at(1).macs == stems + read);
    const int64_t layers =
        p.layers * (12 * masked * square + 2 * p.width * masked * (reference + tokens));
    CHECK(costs.at(3).macs >= layers);
    CHECK(costs[3].macs < layers * 11 / 10);
    // The parts computed at the motion resolution do not grow with a frame that is reduced to the
    // same.
    const std::vector<Cost> large = count_costs(network, 672, 384);
    CHECK(count_costs(network, 1344, 768).at(5).macs == 4 * large.at(5).macs);
    for (const Cost &cost : costs)
        CHECK(cost.macs > 0);
}

TEST_CASE("info tells the hash and refuses a broken file with the reason")
{
    const ffmpeg::Output hash = ffmpeg::shell("sha256sum < '" + NANO + "'"),
                         info = mardini_program("info '" + NANO + "'");
    REQUIRE(hash.out.size() > 64);
    CHECK(info.status == 0);
    CHECK(info.out.find(hash.out.substr(0, 64)) != std::string::npos);
    for (const char *word :
         {"nano", "licence      LGPL-2.1-or-later", "mardini 3", "448x256", "steps"})
        CHECK(info.out.find(word) != std::string::npos);
    const std::string half = ffmpeg::scratch("half.safetensors"), whole = ffmpeg::read(NANO);
    std::ofstream(half, std::ios::binary) << whole.substr(0, whole.size() / 2);
    check_refused("info '" + half + "'", "do not fit its shape or the file");
    check_refused("info '" + half + ".not'", "does not exist or is no file");
    check_refused("info nano --size 5", "WIDTHxHEIGHT");
}
