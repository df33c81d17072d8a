// `mardini eval --ahead`, `--chain`, `--levels`, `--join` and `--animate`: their tables of real
// clips.
#include "eval_clips.h"

#include <cmath>
#include <fstream>
#include <sstream>

using namespace eval_clips;

namespace {

ffmpeg::Output run_eval(const std::string &arguments)
{
    return mardini_program("eval " + arguments);
}

std::string evaluate(const std::string &arguments)
{
    const ffmpeg::Output output = run_eval(arguments);
    INFO(output.err);
    CHECK(output.status == 0);
    return output.out;
}

} // namespace

TEST_CASE("--ahead scores an extended clip beside its rivals, --join prints a row a clip")
{
    const std::string ahead =
        evaluate("--data '" + WALK + "' --frames 8 --ahead 2 --max-height 96");
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
    const std::string join = evaluate("--data '" + WALK + "' --frames 6 --join 5 --max-height 96");
    CHECK(std::count(join.begin(), join.end(), '\n') == 2);
}

TEST_CASE("two jobs at a time are refused by name")
{
    const ffmpeg::Output both = run_eval("--data . --ahead 2 --join 5");
    CHECK(both.status != 0);
    CHECK(both.out.empty());
    CHECK(both.err.find("--ahead") != std::string::npos);
    CHECK(both.err.find("--join") != std::string::npos);
}

TEST_CASE(
    "an option that a job ignores is refused, a file that cannot be read is left out and counted")
{
    for (const char *options :
         {"--ahead 2 --json x.json", "--join 5 --factors 2", "--chain 1 --against blend",
          "--levels 2,2 --frames 9", "--motion 2"}) {
        const ffmpeg::Output refused = run_eval("--data '" + WALK + "' " + options);
        INFO(options);
        CHECK(refused.status == 1);
        CHECK(refused.out.empty());
        CHECK(refused.err.find(" is not for ") != std::string::npos);
    }
    const std::string clips = folder("clips");
    std::ofstream(clips + "/a.mp4") << "no video";
    std::filesystem::copy_file(WALK, clips + "/b.mp4");
    const ffmpeg::Output rest =
        run_eval("--data '" + clips + "' --frames 6 --join 2 --max-height 64");
    INFO(rest.err);
    CHECK(rest.status == 1);
    CHECK(rest.out.find("\nb ") != std::string::npos);
    CHECK(rest.err.find("1 file was left out") != std::string::npos);
}

TEST_CASE("--animate prints the metrics of motion sampled around a frame")
{
    const std::string table = evaluate("--data '" + WALK + "' --animate 2 --max-height 96");
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

TEST_CASE("--animate goes on after a clip that fails, and takes pictures of a reduced motion size")
{
    const std::string files = folder("animate");
    std::filesystem::copy_file(WALK, files + "/walk.mp4");
    generate("testsrc2=size=6016x80", "-frames:v 1 '" + files + "/strip.png'");
    // wider than the filter takes
    generate("color=size=16400x16", "-frames:v 9 -c:v ffv1 '" + files + "/a-wide.mkv'");
    const ffmpeg::Output run =
        run_eval("--data '" + files + "' --animate 2 --threads 1 --precision fp32");
    INFO(run.out << run.err);
    CHECK(run.status == 1);
    CHECK(run.err.find("left out: a-wide.mkv") != std::string::npos);
    CHECK(run.err.find("1 file was left out") != std::string::npos);
    for (const char *row : {"\nstrip ", "\nwalk ", "\nmean "})
        CHECK(run.out.find(row) != std::string::npos);
}

TEST_CASE("--join: a clip that is periodic keeps its speed across the join")
{
    // A picture of period 160 that moves by two pixels a frame: frame 80 equals the first.
    const std::string source = ffmpeg::source_file("demo/walk.mp4");
    const std::string clip = ffmpeg::scratch("around.mkv");
    const ffmpeg::Output run = ffmpeg::shell(
        "FFMPEG -v error -y -i '" + source + "' -vf \"trim=end_frame=1,scale=160:160,split[a][b];" +
        "[a][b]hstack,loop=loop=-1:size=1:start=0,crop=128:128:mod(n*2\\,160):0," +
        "format=yuv420p,trim=end_frame=65,setpts=N/24/TB\" -r 24 -c:v ffv1 '" + clip + "'");
    INFO(run.err);
    REQUIRE(run.status == 0);
    const std::string table = evaluate("--data '" + clip + "' --frames 65 --join 15");
    double inside = 0, varies = 0, join = 0, ratio = 0;
    const size_t row = table.find("around");
    REQUIRE(row != std::string::npos);
    REQUIRE(sscanf(table.c_str() + row, "%*s %lf %lf%% %lf %lf", &inside, &varies, &join, &ratio) ==
            4);
    CHECK(std::abs(inside - 2) < 0.1);
    CHECK((ratio > 0.75 && ratio < 1.25));
}

TEST_CASE(
    "--chain prints the drift far from all reference frames, --levels both ways over a large gap")
{
    const std::string chain =
        evaluate("--data '" + WALK + "' --frames 6 --chain 2 --max-height 64");
    int windows = 0, frames = 0;
    double mean = 0, contrast = 0, sharpness = 0;
    const size_t row = chain.find("\nmean ", chain.find("\nmean ") + 1); // of both windows
    REQUIRE(row != std::string::npos);
    REQUIRE(sscanf(chain.c_str() + row, " mean %d %d %lf %lf %lf", &windows, &frames, &mean,
                   &contrast, &sharpness) == 5);
    CHECK((windows == 2 && frames == 24));
    CHECK((mean > 0.8 && mean < 1.25 && contrast > 0.5 && contrast < 1.5 && sharpness > 0.2 &&
           sharpness < 2));

    const std::string levels = evaluate("--data '" + WALK + "' --levels 2,2 --max-height 64");
    for (const char *way : {"\n4x at once ", "\n2x, then 2x ", "\nthe truth "})
        CHECK(levels.find(way) != std::string::npos);
}
