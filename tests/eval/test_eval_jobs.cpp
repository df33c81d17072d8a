// The yardsticks of `mardini eval --ahead`, `--join` and `--animate`: motion by block matching, a
// clip that goes on along it, what sampled motion is like, and the tables of a real clip.

#include "eval/drift.h"
#include "eval/motion.h"
#include "support/ffmpeg.h"

#include "support/catch.h"

#include <cmath>
#include <filesystem>
#include <fstream>

using namespace mardini::eval;

namespace {

/// A smooth texture, shifted.
Frame texture(double dx, double dy)
{
    Frame frame(av_frame_alloc(), [](AVFrame *f) { av_frame_free(&f); });
    frame->width = 96;
    frame->height = 64;
    frame->format = AV_PIX_FMT_YUV420P;
    REQUIRE(av_frame_get_buffer(frame.get(), 0) == 0);
    for (int y = 0; y < 64; y++) {
        for (int x = 0; x < 96; x++) {
            const double u = x - dx, v = y - dy;
            frame->data[0][y * frame->linesize[0] + x] = static_cast<uint8_t>(
                128 + 40 * std::sin(u * .31 + .2 * v) +
                30 * std::cos(v * .23 - .07 * u * std::sin(v * .05)) + 20 * std::sin(u * v * .011));
        }
    }
    return frame;
}

ffmpeg::Output run_eval(const std::string &arguments)
{
    return ffmpeg::shell(ffmpeg::mardini() + " eval " + arguments);
}

std::string evaluate(const std::string &arguments)
{
    const ffmpeg::Output output = run_eval(arguments);
    INFO(output.err);
    CHECK(output.status == 0);
    return output.out;
}

} // namespace

TEST_CASE("blocks find a shift, and carry it on")
{
    const Frame before = texture(0, 0), last = texture(5, -3);
    const Blocks blocks = match_blocks(plane_of(before, 0), plane_of(last, 0));
    for (int y = 16; y < 48; y += 8)
        for (int x = 16; x < 80; x += 8)
            CHECK(blocks.at(x, y) == std::pair<int, int>{5, -3});
    const Frame next = carry_on(last, blocks, 2), truth = texture(15, -9);
    for (int y = 12; y < 36; y++)
        for (int x = 32; x < 84; x++)
            REQUIRE(next->data[0][y * next->linesize[0] + x] ==
                    truth->data[0][y * truth->linesize[0] + x]);
    CHECK(speed(match_blocks(plane_of(before, 0), plane_of(before, 0))) == 0);
}

TEST_CASE("eval tells how a clip goes on and how it loops")
{
    const std::string clip = ffmpeg::source_file("tests/data/walk.mp4");
    const std::string ahead =
        evaluate("--data '" + clip + "' --frames 8 --ahead 2 --max-height 96");
    for (const char *method : {"\nmardini\n", "\nlast frame\n", "\nlinear motion\n"})
        CHECK(ahead.find(method) != std::string::npos);
    std::vector<double> psnr;
    std::istringstream lines(ahead);
    for (std::string line; std::getline(lines, line);) {
        int step;
        double db;
        if (sscanf(line.c_str(), "%d %lf", &step, &db) == 2)
            psnr.push_back(db);
    }
    REQUIRE(psnr.size() == 6);
    CHECK(psnr[0] > psnr[2]); // the frame after the last, better than the last repeated
    const std::string join = evaluate("--data '" + clip + "' --frames 6 --join 5 --max-height 96");
    CHECK(std::count(join.begin(), join.end(), '\n') == 2);
}

TEST_CASE("eval does one thing at a time, and says so")
{
    const ffmpeg::Output both = run_eval("--data . --ahead 2 --join 5");
    CHECK(both.status != 0);
    CHECK(both.out.empty());
    CHECK(both.err.find("--ahead") != std::string::npos);
    CHECK(both.err.find("--join") != std::string::npos);
}

TEST_CASE("an option that a job does not heed is refused, a file that cannot be read is left out "
          "and counted")
{
    const std::string clip = ffmpeg::source_file("tests/data/walk.mp4");
    for (const char *options :
         {"--ahead 2 --json x.json", "--join 5 --factors 2", "--chain 1 --against blend",
          "--levels 2,2 --frames 9", "--motion 2"}) {
        const ffmpeg::Output refused = run_eval("--data '" + clip + "' " + options);
        INFO(options);
        CHECK(refused.status == 1);
        CHECK(refused.out.empty());
        CHECK(refused.err.find(" is not for ") != std::string::npos);
    }
    const std::string folder = ffmpeg::scratch("clips");
    std::filesystem::create_directory(folder);
    std::ofstream(folder + "/a.mp4") << "no video";
    std::filesystem::copy_file(clip, folder + "/b.mp4");
    const ffmpeg::Output rest =
        run_eval("--data '" + folder + "' --frames 6 --join 2 --max-height 64");
    INFO(rest.err);
    CHECK(rest.status == 1);
    CHECK(rest.out.find("\nb ") != std::string::npos);
    CHECK(rest.err.find("1 file was left out") != std::string::npos);
    std::filesystem::remove_all(folder);
}

TEST_CASE("a drift's figures: speed, folds, what no camera does")
{
    using namespace mardini;
    Tensor y = torch::arange(6, torch::kFloat32).view({1, 1, 6, 1}).expand({1, 1, 6, 9});
    Tensor x = torch::arange(9, torch::kFloat32).view({1, 1, 1, 9}).expand({1, 1, 6, 9});
    auto look = [](const Tensor &right, const Tensor &down, double cell = 16) {
        return look_at({{-8, 8}, torch::cat({right, down}, 1).expand({2, 2, 6, 9}), {cell, cell}});
    };
    const Look pan = look(torch::full_like(x, 3), torch::full_like(y, 4));
    CHECK(std::abs(pan.speed - 5) < 1e-5);
    CHECK((pan.folded == 0 && pan.beyond < 1e-6));
    CHECK(look(0.1 * x + 0.02 * x * x, 0.1 * y + 0.02 * x * y).beyond < 1e-4); // a plane turns away
    // One cell moves alone.
    Tensor alone = torch::zeros_like(x);
    alone[0][0][3][4] = 1;
    CHECK(look(alone, torch::zeros_like(y)).beyond > 0.7);
    CHECK(look(alone, torch::zeros_like(y)).folded == 0);    // by half a cell
    CHECK(look(4 * alone, torch::zeros_like(y)).folded > 0); // past its neighbours
    CHECK(look(4 * alone, torch::zeros_like(y), 64).folded == 0);
}

TEST_CASE("eval tells what motion is sampled around a frame")
{
    const std::string clip = ffmpeg::source_file("tests/data/walk.mp4");
    const std::string table = evaluate("--data '" + clip + "' --animate 2 --max-height 96");
    double speed = 0, folded = -1, beyond = -1, spread = -1, best = 0, panned = 0, first = 0;
    const size_t row = table.find("walk");
    REQUIRE(row != std::string::npos);
    REQUIRE(sscanf(table.c_str() + row, "%*s %lf %lf%% %lf%% %lf %lf %lf %lf", &speed, &folded,
                   &beyond, &spread, &best, &panned, &first) == 7);
    CHECK((speed > 0.2 && speed < 3)); // a hundredth of 96 lines, root mean square
    CHECK((folded >= 0 && folded < 100 && beyond > 0 && beyond <= 100));
    CHECK((spread > 0.05 && best > 10 && panned >= first));
    CHECK(table.find("\nmean ") != std::string::npos);
}

TEST_CASE("a clip that really comes back moves on at its own speed across the join")
{
    // A picture repeated sideways, two pixels a frame: frame 80 would be the first again.
    const std::string source = ffmpeg::source_file("demo/walk.mp4");
    const std::string clip = ffmpeg::scratch("around.mkv");
    const ffmpeg::Output made = ffmpeg::shell(
        "FFMPEG -v error -y -i '" + source + "' -vf \"trim=end_frame=1,scale=160:160,split[a][b];" +
        "[a][b]hstack,loop=loop=-1:size=1:start=0,crop=128:128:mod(n*2\\,160):0," +
        "format=yuv420p,trim=end_frame=65,setpts=N/24/TB\" -r 24 -c:v ffv1 '" + clip + "'");
    INFO(made.err);
    REQUIRE(made.status == 0);
    const std::string table = evaluate("--data '" + clip + "' --frames 65 --join 15");
    double inside = 0, varies = 0, join = 0, ratio = 0;
    const size_t row = table.find("around");
    REQUIRE(row != std::string::npos);
    REQUIRE(sscanf(table.c_str() + row, "%*s %lf %lf%% %lf %lf", &inside, &varies, &join, &ratio) ==
            4);
    CHECK(std::abs(inside - 2) < 0.1);
    CHECK((ratio > 0.75 && ratio < 1.25));
}

TEST_CASE("eval tells what is left far from all given frames")
{
    const std::string clip = ffmpeg::source_file("tests/data/walk.mp4");
    const std::string chain =
        evaluate("--data '" + clip + "' --frames 6 --chain 2 --max-height 64");
    int windows = 0, frames = 0;
    double mean = 0, contrast = 0, sharpness = 0;
    const size_t row = chain.find("\nmean ", chain.find("\nmean ") + 1); // of both windows
    REQUIRE(row != std::string::npos);
    REQUIRE(sscanf(chain.c_str() + row, " mean %d %d %lf %lf %lf", &windows, &frames, &mean,
                   &contrast, &sharpness) == 5);
    CHECK((windows == 2 && frames == 24));
    CHECK((mean > 0.8 && mean < 1.25 && contrast > 0.5 && contrast < 1.5 && sharpness > 0.2 &&
           sharpness < 2));

    const std::string levels = evaluate("--data '" + clip + "' --levels 2,2 --max-height 64");
    for (const char *way : {"\n4x at once ", "\n2x, then 2x ", "\nthe truth "})
        CHECK(levels.find(way) != std::string::npos);
}
