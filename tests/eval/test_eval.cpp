// The evaluation: figures against small cases that are computed another way, the harness's figures
// of a tiny clip, what a part switched off changes, the protocol's arithmetic, and the program's
// words.
#include "eval/eval.h"
#include "eval/info.h"
#include "network/checkpoint.h"

#include "support/catch.h"
#include "support/ffmpeg.h"

#include <nlohmann/json.hpp>

#include <cmath>
#include <filesystem>
#include <limits>
#include <sstream>

using namespace mardini;
using namespace mardini::eval;
namespace fs = std::filesystem;

namespace {

const std::string WALK = ffmpeg::source_file("tests/data/walk.mp4");
const std::string NANO = ffmpeg::source_file("model/weights/nano.safetensors");
const double INFINITE = std::numeric_limits<double>::infinity();

/// Samples of its own.
struct Patch {
    std::vector<uint8_t> data;
    int width, height;

    Patch(int w, int h, const std::function<int(int, int)> &code) : width(w), height(h)
    {
        for (int y = 0; y < h; y++)
            for (int x = 0; x < w; x++)
                data.push_back(static_cast<uint8_t>(code(x, y)));
    }
    Plane plane() const { return {data.data(), width, width, height}; }
};

int noise(int x, int y, int seed)
{
    return static_cast<int>((x * 2654435761u ^ y * 40503u ^ seed * 97u) * 2246822519u >> 24);
}

/// As the definition says, a sum over the whole window at each place.
double slow_ssim(const Patch &a, const Patch &b)
{
    double total = 0, norm = 0;
    for (int j = -5; j <= 5; j++)
        for (int i = -5; i <= 5; i++)
            norm += std::exp(-(i * i + j * j) / 4.5);
    int places = 0;
    for (int y = 5; y + 5 < a.height; y++)
        for (int x = 5; x + 5 < a.width; x++, places++) {
            auto mean = [&](const std::function<double(double, double)> &f) {
                double sum = 0;
                for (int j = -5; j <= 5; j++)
                    for (int i = -5; i <= 5; i++) {
                        const size_t at = static_cast<size_t>((y + j) * a.width + x + i);
                        sum += std::exp(-(i * i + j * j) / 4.5) / norm * f(a.data[at], b.data[at]);
                    }
                return sum;
            };
            const double ma = mean([](double p, double) { return p; }),
                         mb = mean([](double, double q) { return q; });
            const double vaa = mean([&](double p, double) { return (p - ma) * (p - ma); });
            const double vbb = mean([&](double, double q) { return (q - mb) * (q - mb); });
            const double vab = mean([&](double p, double q) { return (p - ma) * (q - mb); });
            total += (2 * ma * mb + 6.5025) * (2 * vab + 58.5225) /
                     ((ma * ma + mb * mb + 6.5025) * (vaa + vbb + 58.5225));
        }
    return total / places;
}

ffmpeg::Output mardini_program(const std::string &arguments)
{
    return ffmpeg::shell(ffmpeg::mardini() + " " + arguments);
}

/// An empty folder of this run's.
std::string folder(const std::string &name)
{
    const std::string path = ffmpeg::scratch(name);
    fs::remove_all(path);
    fs::create_directories(path);
    return path;
}

void generate(const std::string &source, const std::string &arguments)
{
    const ffmpeg::Output run =
        ffmpeg::shell("FFMPEG -f lavfi -i \"" + source + "\" -y " + arguments);
    INFO(run.err);
    REQUIRE(run.status == 0);
}

/// The program fails with one line, or so many, that has `words` in it.
void check_refused(const std::string &arguments, const std::string &words, int lines = 1)
{
    const ffmpeg::Output run = mardini_program(arguments);
    INFO(arguments << "\n" << run.err);
    CHECK(run.status != 0);
    CHECK(run.err.find(words) != std::string::npos);
    CHECK(static_cast<int>(ffmpeg::count(run.err, "\n")) == lines);
}

std::vector<Frame> every(const std::vector<Frame> &frames, int factor)
{
    std::vector<Frame> out;
    for (size_t i = 0; i < frames.size(); i += factor)
        out.push_back(frames[i]);
    return out;
}

FilterOptions plain_filter()
{
    FilterOptions options;
    options.model = NANO;
    options.device = "cpu";
    options.precision = "fp32";
    options.threads = 1;
    return options;
}

} // namespace

TEST_CASE("PSNR of a known difference")
{
    const Patch a(20, 16, [](int x, int) { return 100 + x; }),
        b(20, 16, [](int x, int) { return 105 + x; });
    CHECK(mean_squared_error(a.plane(), b.plane()) == 25);
    CHECK(psnr(25) == Approx(34.1514035));
    CHECK(psnr(0) == INFINITE);
}

TEST_CASE("a stride is no part of the picture")
{
    const Patch wide(32, 16, [](int x, int y) { return x < 16 ? noise(x, y, 1) : 0; });
    const Patch tight(16, 16, [](int x, int y) { return noise(x, y, 1); });
    const Plane inside{wide.data.data(), 32, 16, 16};
    CHECK(mean_squared_error(inside, tight.plane()) == 0);
    CHECK(ssim(inside, tight.plane()) == Approx(1));
    CHECK(gradient(inside) == gradient(tight.plane()));
}

TEST_CASE("SSIM equals its definition")
{
    const Patch a(23, 14, [](int x, int y) { return noise(x, y, 1); });
    const Patch b(23, 14, [](int x, int y) { return (noise(x, y, 1) * 3 + noise(x, y, 2)) / 4; });
    CHECK(ssim(a.plane(), b.plane()) == Approx(slow_ssim(a, b)).epsilon(1e-9));
    CHECK(ssim(a.plane(), a.plane()) == Approx(1));
    // flat pictures: only the means differ
    const Patch dark(12, 12, [](int, int) { return 50; }),
        light(12, 12, [](int, int) { return 60; });
    CHECK(ssim(dark.plane(), light.plane()) ==
          Approx((2 * 50 * 60 + 6.5025) / (2500 + 3600 + 6.5025)));
}

TEST_CASE("gradient of a slope, change between frames")
{
    const Patch slope(20, 20, [](int x, int y) { return 3 * x + 4 * y; });
    CHECK(gradient(slope.plane()) == Approx(5));
    const Patch a(8, 8, [](int, int) { return 10; }), b(8, 8, [](int, int) { return 30; });
    const Patch c(8, 8, [](int x, int) { return x < 4 ? 25 : 40; });
    // made changes by 20; the truth by 15 in one half and 30 in the other
    CHECK(temporal_error(a.plane(), b.plane(), a.plane(), c.plane()) == Approx((5 + 10) / 2.0));
}

TEST_CASE("rank correlation")
{
    CHECK(rank_correlation({1, 2, 3, 4}, {10, 100, 1000, INFINITE}) == Approx(1));
    CHECK(rank_correlation({1, 2, 3, 4}, {4, 3, 2, 1}) == Approx(-1));
    // ranks 0 1 2 3 4 and 1 0 2.5 2.5 4 : 1 - ... has no short form with ties, so Pearson's of the
    // ranks
    CHECK(rank_correlation({1, 2, 3, 4, 5}, {7, 3, 8, 8, 9}) == Approx(8.5 / std::sqrt(10 * 9.5)));
    CHECK(std::isnan(rank_correlation({1, 2}, {5, 5})));
}

TEST_CASE("figures of a tiny clip are the harness's")
{
    const Clip clip = read_clip(WALK, 17, {{"format", {{"pix_fmts", "yuv420p"}}}});
    REQUIRE(clip.frames.size() == 17);
    CHECK(av_cmp_q(clip.rate, {30000, 1001}) == 0);
    std::istringstream lines(ffmpeg::read(ffmpeg::source_file("tests/ref/eval-blend")));
    int checked = 0;
    for (std::string line; std::getline(lines, line);) {
        if (line[0] == '#')
            continue;
        std::istringstream words(line);
        int factor;
        size_t frames;
        Figures f;
        std::string colon;
        words >> factor >> frames >> f.psnr_y >> f.ssim_y >> f.sharpness >> f.temporal >> colon;
        const Score s =
            score(clip.frames, make_by_blend(every(clip.frames, factor), factor), factor);
        INFO(factor << "x");
        CHECK(s.frames.size() == frames);
        CHECK(s.figures.psnr_y == Approx(f.psnr_y).margin(1e-4));
        CHECK(s.figures.ssim_y == Approx(f.ssim_y).margin(1e-5));
        CHECK(s.figures.sharpness == Approx(f.sharpness).margin(1e-5));
        CHECK(s.figures.temporal == Approx(f.temporal).margin(1e-5));
        for (const FrameScore &frame : s.frames) {
            double expected = 0;
            words >> expected;
            CHECK(frame.psnr_y == Approx(expected).margin(1e-3));
        }
        checked++;
    }
    CHECK(checked == 4);
}

TEST_CASE("what is scored is what ffmpeg's command line puts out")
{
    const Clip clip = read_clip(
        WALK, 17,
        {{"scale", {{"w", "-2"}, {"h", "min(64,ih)"}}}, {"format", {{"pix_fmts", "yuv420p"}}}});
    const Score s = score(
        clip.frames,
        make_by_filter(every(clip.frames, 4), av_div_q(clip.rate, {4, 1}), 4, plain_filter()), 4);
    // ffmpeg drops, makes and compares by its own filters
    const std::string stats = ffmpeg::scratch("psnr");
    const ffmpeg::Output run =
        ffmpeg::shell("FFMPEG -i '" + WALK +
                      "' -filter_threads 1 -filter_complex \"scale=-2:'min(64,ih)',split[t][d];"
                      "[d]framestep=4,mardini=fps=30000/1001:device=cpu:precision=fp32:model='" +
                      NANO +
                      "',trim=end_frame=17[m];"
                      "[t]trim=end_frame=17[r];[m][r]psnr=stats_file='" +
                      stats + "'\" -f null -");
    INFO(run.err);
    REQUIRE(run.status == 0);
    std::istringstream lines(ffmpeg::read(stats));
    std::vector<double> psnr_y;
    for (std::string line; std::getline(lines, line);)
        psnr_y.push_back(std::atof(line.c_str() + line.find("psnr_y:") + 7));
    REQUIRE(psnr_y.size() == 17);
    REQUIRE(s.frames.size() == 12);
    for (const FrameScore &frame : s.frames)
        CHECK(frame.psnr_y ==
              Approx(psnr_y[static_cast<size_t>(frame.index)]).margin(0.006)); // two decimals
}

TEST_CASE("the network alone makes the filter's frames, and a part switched off changes them")
{
    const Clip clip = read_clip(WALK, 17, {{"format", {{"pix_fmts", "yuv420p"}}}});
    const std::vector<Frame> given = every(clip.frames, 4);
    const std::vector<Made> filter = make_by_filter(given, {30, 4}, 4, plain_filter());
    Network network = load_network(NANO);
    const std::vector<Made> whole = make_by_network(network, given, 4, {});
    REQUIRE(filter.size() == 17);
    REQUIRE(whole.size() == 17);
    for (size_t i = 0; i < filter.size(); i++) {
        int most = 0;
        for (int p = 0; p < 3; p++) {
            const Plane a = plane_of(filter[i].frame, p), b = plane_of(whole[i].frame, p);
            for (int y = 0; y < a.height; y++)
                for (int x = 0; x < a.width; x++)
                    most = std::max(most,
                                    std::abs(a.data[y * a.stride + x] - b.data[y * b.stride + x]));
        }
        INFO("frame " << i);
        CHECK(most <= (i % 4 ? 1 : 0)); // sums in another order round another way
        CHECK(whole[i].confidence ==
              Approx(filter[i].confidence).margin(0.002)); // the filter tells three decimals
    }
    const double all = score(clip.frames, whole, 4).figures.psnr_y;
    CHECK(score(clip.frames, make_by_network(network, given, 4, {false, true}), 4).figures.psnr_y !=
          Approx(all));
    CHECK(score(clip.frames, make_by_network(network, given, 4, {true, false}), 4).figures.psnr_y <
          all);
}

TEST_CASE("the shipped planner earns its place: without it 8x is half a dB worse")
{
    const Clip clip = read_clip(ffmpeg::source_file("demo/walk.mp4"), 17,
                                {{"format", {{"pix_fmts", "yuv420p"}}}});
    Network network = load_network(NANO);
    const std::vector<Frame> given = every(clip.frames, 8);
    const auto luma = [&](const Ablation &ablation) {
        return score(clip.frames, make_by_network(network, given, 8, ablation), 8).figures.psnr_y;
    };
    const double whole = luma({}), without = luma({false, true});
    INFO(whole << " dB, without the planner " << without);
    CHECK(whole - without >= 0.5);
}

TEST_CASE("a cut is held by both ways, and counted")
{
    Clip clip = read_clip(WALK, 3, {{"format", {{"pix_fmts", "yuv420p"}}}});
    generate("testsrc2=size=160x90:rate=30",
             "-frames:v 2 -pix_fmt yuv420p '" + ffmpeg::scratch("other.y4m") + "'");
    for (const Frame &frame : read_clip(ffmpeg::scratch("other.y4m"), 2, {}).frames)
        clip.frames.push_back(frame);
    const std::vector<Frame> given = every(clip.frames, 2); // walk, walk, other
    Network network = load_network(NANO);
    for (const std::vector<Made> &made : {make_by_filter(given, {15, 1}, 2, plain_filter()),
                                          make_by_network(network, given, 2, {})}) {
        REQUIRE(made.size() == 5);
        CHECK_FALSE(made[1].held);
        CHECK(made[3].held);
        CHECK(score(clip.frames, made, 2).held == 1);
        // the nearer one; at equal distance the later
        CHECK(mean_squared_error(plane_of(made[3].frame, 0), plane_of(given[2], 0)) == 0);
    }
}

TEST_CASE("the program's table, JSON and page")
{
    const std::string json = ffmpeg::scratch("eval.json"), html = ffmpeg::scratch("eval.html");
    const ffmpeg::Output run =
        mardini_program("eval --data '" + WALK + "' --model '" + NANO +
                        "' --factors 4,8 --threads 1 --against blend --without planner "
                        "--group plants=walk --json '" +
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

    const std::string page = ffmpeg::read(html);
    CHECK(ffmpeg::count(page, "src=\"data:image/jpeg;base64,/9j/") ==
          2 * 5); // each a JPEG from its first bytes on
    CHECK(ffmpeg::count(page, "src=") == 2 * 5);
    CHECK(ffmpeg::count(page, "<input type=range") == 2);
    for (const char *outside : {"http:", "https:", "<link", "@import", "url("})
        CHECK(page.find(outside) == std::string::npos);
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
    // Black bars of 64 on both sides of 512 columns that are black and white in turn.
    const std::string picture = ffmpeg::scratch("square.png");
    generate("color=black:size=640x512,format=gray,geq=lum='if(between(X,64,575),255*mod(X,2),0)',"
             "format=rgb24",
             "-frames:v 1 '" + picture + "'");
    const Frame square = read_square(picture);
    REQUIRE(square->width == 256);
    REQUIRE(square->height == 256);
    const double half = 127.5;
    for (int p = 0; p < 3; p++) {
        const Plane plane = plane_of(square, p);
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
    check_refused("eval --data '" + WALK + "' --model nothing", "nothing");
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
    // The match compares every cell with those up to 16 rows away, and some more: 144 numbers of a
    // patch and the learned ones.
    int64_t pairs = 0;
    for (int64_t y = 0; y < 32; y++)
        pairs += (std::min<int64_t>(y + 16, 31) - std::max<int64_t>(y - 16, 0) + 1) * 56 * 56;
    CHECK(costs.at(2).macs >= pairs * (144 + c.match));
    CHECK(costs[2].macs < pairs * (144 + c.match) * 12 / 10);
    // The planner, a Transformer: qkv, out and two of four times the width on every token, then
    // attention. A given frame is read once, for itself, and after the last layer nobody reads it:
    // there it makes queries, keys and values alone.
    const PlannerConfig p = network->config().planner;
    const int64_t tokens = 14 * 8, given = 4 * tokens, masked = 7 * tokens,
                  square = p.width * p.width;
    const int64_t stems = 9 * (28 * 16 * c.channels8 * 64 + tokens * 64 * p.width);
    const int64_t read = (p.layers - 1) * (12 * tokens * square + 2 * p.width * tokens * tokens) +
                         3 * tokens * square;
    CHECK(costs.at(1).macs == stems + read);
    const int64_t layers =
        p.layers * (12 * masked * square + 2 * p.width * masked * (given + tokens));
    CHECK(costs.at(3).macs >= layers);
    CHECK(costs[3].macs < layers * 11 / 10);
    // The parts made at the motion's size do not grow with a frame that is reduced to the same.
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
    check_refused("info '" + half + ".not'", "cannot be opened");
    check_refused("info nano --size 5", "WIDTHxHEIGHT");
}
