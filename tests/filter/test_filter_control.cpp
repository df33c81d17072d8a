// What the user can ask for on the way: repeats skipped, the filter disabled for a while, options
// changed by commands; and that a jump in time is held.

#include "support/ffmpeg.h"

#include "support/catch.h"

using namespace ffmpeg;

namespace {

const std::string MOVING =
    "testsrc2=s=96x64:r=24,format=rgb24,crop=64:48:4+2*n:4:exact=1,format=yuv420p";

/// Twelve pictures, each shown as often as `cadence` says, at 24 frames a second.
std::string cadence(const std::string &expression)
{
    return MOVING + ",trim=end_frame=12,setpts='" + expression + "',fps=24:start_time=0,settb=1/24";
}

/// How often each picture comes in a row.
std::vector<int> runs(const Clip &clip)
{
    std::vector<int> out;
    for (size_t k = 0; k < clip.frames.size(); k++) {
        if (k == 0 || clip.frames[k].hash != clip.frames[k - 1].hash)
            out.push_back(0);
        out.back()++;
    }
    return out;
}

std::vector<int64_t> times(const Clip &clip)
{
    std::vector<int64_t> out;
    for (const Frame &frame : clip.frames)
        out.push_back(frame.pts);
    return out;
}

} // namespace

TEST_CASE(
    "dup: repeats stay by default, and are spread out on request; times and count do not change")
{
    const struct {
        const char *what, *expression;
    } cases[] = {{"on twos", "N*2/24/TB"},
                 {"on threes", "N*3/24/TB"},
                 {"mixed", "(N*2+mod(N,2))/24/TB"},
                 {"3:2 pulldown", "floor(N*2.5)/24/TB"}};
    for (const auto &c : cases) {
        const std::string source = cadence(c.expression);
        const Clip in = graph(source, "1/24");
        const std::vector<int> shown = runs(in);
        REQUIRE(shown.size() == 12);
        for (const std::string mode : {"fps=48", "mode=slowmo:factor=2"}) {
            const std::string tb = mode == "fps=48" ? "1/48" : "1/24";
            const Clip keep = graph(source + ",mardini=" + mode, tb);
            const Clip skip = graph(source + ",mardini=dup=skip:" + mode, tb);
            INFO(c.what << " " << mode << "\n" << skip.output.err);
            CHECK(skip.output.err == "");
            CHECK(times(skip) == times(keep));
            // Kept: every given frame comes out. Skipped: the first of each run does, and nothing
            // stands still but the last picture, whose repeats nothing follows.
            size_t at = 0;
            for (size_t f = 0; f < in.frames.size(); f++)
                CHECK(keep.frames[2 * f].hash == in.frames[f].hash);
            for (size_t run = 0; run < 12; run++) {
                CHECK(skip.frames[2 * at].hash == in.frames[at].hash);
                at += static_cast<size_t>(shown[run]);
            }
            const std::vector<int> moves = runs(skip);
            for (size_t k = 0; k + 1 < moves.size(); k++)
                CHECK(moves[k] == 1);
        }
    }
}

TEST_CASE("dup=skip: a title stays still, a cut stays where it was, noise of a codec is no motion")
{
    // One picture for half a second: too long for a cadence.
    const std::string title =
        MOVING + ",trim=end_frame=4,loop=loop=11:size=1:start=1,setpts=N/24/TB";
    CHECK(graph(title + ",mardini=mode=slowmo:factor=2:dup=skip").hashes() ==
          graph(title + ",mardini=mode=slowmo:factor=2").hashes());

    // Two frames of one scene, then of another, all on twos.
    const std::string cut =
        "testsrc2=s=96x64:r=24,trim=end_frame=1,loop=loop=1:size=1,setpts=N/24/TB[a];"
        "mandelbrot=s=96x64:r=24:start_scale=0.3,trim=end_frame=1,loop=loop=1:size=1,format="
        "yuv420p,setpts=N/24/TB[b];"
        "[a]format=yuv420p[a];[a][b]concat,setpts=N/24/TB";
    const Clip in = graph(cut), out = graph(cut + ",mardini=mode=slowmo:factor=2:dup=skip");
    INFO(out.output.err);
    REQUIRE(out.frames.size() == 7);
    CHECK(out.frames[2].hash == in.frames[1].hash);
    CHECK(out.frames[3].hash == in.frames[2].hash);
    CHECK(count(shell("FFMPEG -v info -filter_complex \"" + cut +
                      ",mardini=mode=slowmo:factor=2:dup=skip\" -f null -")
                    .err,
                "at 1 cuts") == 1);

    const std::string noisy = cadence("N*2/24/TB") + ",noise=alls=2:allf=t";
    const Output counted =
        shell("FFMPEG -v info -filter_complex \"" + noisy + ",mardini=fps=48:dup=skip\" -f null -");
    CHECK(count(counted.err, "11 given frames skipped as repeats") == 1);
    // A pointer of 4x4 pixels that moves is motion. What is behind it changes once, so that a
    // detector that misses the pointer has three repeats to skip and not a picture that stands.
    const std::string pointer =
        "color=gray:s=96x64:r=24,format=yuv420p,trim=end_frame=6,"
        "geq=lum='if(between(X-8*N,10,13)*between(Y,20,23),235,126+4*gte(N,4))':cb=128:cr=128";
    const Output moved = shell("FFMPEG -v info -filter_complex \"" + pointer +
                               ",mardini=fps=48:dup=skip\" -f null -");
    INFO(moved.err);
    CHECK(count(moved.err, "6 frames given") == 1);
    CHECK(count(moved.err, "skipped as repeats") == 0);

    const Output refused = shell("FFMPEG -filter_complex \"" + MOVING +
                                 ",mardini=mode=slowmo:frames=9:dup=skip\" -f null -");
    CHECK(refused.status > 0);
    CHECK(count(refused.err, "dup=skip is for moving pictures") >= 1);
}

TEST_CASE("enable: while disabled frames are repeated, not made")
{
    const std::string source = MOVING + ",trim=end_frame=8";
    const Clip on = graph(source + ",mardini=mode=slowmo:factor=2:scd=none");
    const Clip part = graph(source + ",mardini=mode=slowmo:factor=2:scd=none:enable='lt(n,3)'");
    INFO(part.output.err);
    REQUIRE(part.frames.size() == 15);
    for (size_t k = 0; k < 15; k++) {
        INFO("frame " << k);
        // While disabled, the next given frame: at half the gap it is the nearer.
        CHECK(part.frames[k].hash == on.frames[k > 6 && k % 2 ? k + 1 : k].hash);
        CHECK(part.frames[k].pts == on.frames[k].pts);
    }
    const Output said = shell("FFMPEG -v info -filter_complex \"" + source +
                              ",mardini=mode=slowmo:factor=2:enable=0\" -f null -");
    CHECK(count(said.err, "0 made") == 1);
    CHECK(count(said.err, "7 held while disabled") == 1);
}

TEST_CASE("commands change what is decided from then on")
{
    // Every pair is a cut at threshold 0 until the command comes.
    const std::string source =
        MOVING + ",trim=end_frame=8,sendcmd=c='0.2 mardini scd_threshold 100'";
    const Output said = shell("FFMPEG -v info -filter_complex \"" + source +
                              ",mardini=mode=slowmo:factor=2:scd_threshold=0\" -f null -");
    INFO(said.err);
    int made = -1, held = -1;
    const size_t at = said.err.find("put out: ");
    REQUIRE(at != std::string::npos);
    REQUIRE(sscanf(said.err.c_str() + at, "put out: %d made (%*f s each), %d held", &made, &held) ==
            2);
    CHECK(made + held == 7);
    CHECK(made >= 2);
    CHECK(held >= 2);
    const Output wrong = shell(
        "FFMPEG -v verbose -filter_complex \"" + MOVING +
        ",trim=end_frame=3,sendcmd=c='0 mardini model x',mardini=mode=slowmo:factor=2\" -f null -");
    CHECK(wrong.status ==
          0); // what cannot change at run time is refused by ffmpeg, the run goes on
    CHECK(count(wrong.err, "frames given") == 1);
}

TEST_CASE("a jump in time is held and said once; a slow clip is no jump")
{
    const std::string jump = MOVING + ",trim=end_frame=6,settb=1/24,setpts='N+if(gte(N,3),1000,0)'";
    const Clip in = graph(jump, "1/24"), out = graph(jump + ",mardini=fps=24", "1/24");
    INFO(out.output.err);
    CHECK(count(out.output.err, "the time jumps by 41.708 s after frame 2") == 1);
    REQUIRE(out.frames.size() == 1006);
    for (size_t k = 2; k < 1003; k++) // what comes after it must not run ahead of the sound
        REQUIRE(out.frames[k].hash == in.frames[2].hash);
    CHECK(out.frames[1003].hash == in.frames[3].hash);
    const Clip filled =
        graph(MOVING +
              ",trim=end_frame=3,settb=1/24,setpts='N+if(gte(N,2),30,0)',mardini=fps=24:scd=none");
    CHECK(filled.output.err == "");
    CHECK(runs(filled).size() > 20);
    // Half a frame a second, as a slide show would be
    const Clip slow = graph("testsrc2=s=64x48:r=1/2,trim=end_frame=3,mardini=fps=4");
    CHECK(slow.output.err == "");
    CHECK(runs(slow).size() > 12);
}

TEST_CASE("dup=skip: a frame that is left out, a jump in time, a disabled filter")
{
    // A picture, its repeat, another picture at the repeat's own time, the end.
    const Clip left = graph("testsrc2=s=64x48:r=12,fps=24,trim=end_frame=3,settb=1/"
                            "24,setpts='min(N,1)',mardini=mode=slowmo:factor=2:dup=skip");
    INFO(left.output.err);
    CHECK(left.output.status == 0);
    CHECK(left.frames.size() == 3);
    // The same behind a frame whose gap waits for what follows.
    const Clip behind =
        graph("color=gray:s=64x48:r=24,format=yuv420p,trim=end_frame=4,geq=lum='128+60*sin((X-3*"
              "min(N,1)-3*gte(N,3))/4)':cb=128:cr=128,"
              "settb=1/24,setpts='min(N,2)',mardini=mode=slowmo:factor=2:dup=skip:scd=none");
    INFO(behind.output.err);
    CHECK(behind.output.status == 0);
    CHECK(behind.frames.size() == 5);

    const Clip jump =
        graph(cadence("N*2/24/TB") +
                  ",trim=end_frame=8,setpts='N+if(gte(N,4),1000,0)',mardini=fps=24:dup=skip",
              "1/24");
    CHECK(count(jump.output.err, "the time jumps") == 1);
    CHECK(jump.frames.size() == 1008);
    CHECK(runs(jump).size() < 16); // the pause is held, not filled

    const std::string off = cadence("N*2/24/TB") + ",mardini=mode=slowmo:factor=2:enable=0:dup=";
    CHECK(graph(off + "skip").hashes() == graph(off + "keep").hashes());

    const Output command =
        shell("FFMPEG -v error -filter_complex \"" + cadence("N*2/24/TB") +
              ",sendcmd=c='0 mardini dup skip',mardini=mode=slowmo:frames=30\" -f framemd5 -");
    CHECK(command.status == 0); // refused, the run goes on
    CHECK(count(command.out, "\n0,") == 30);
}

TEST_CASE("at verbose every gap tells what was decided")
{
    const Output said = shell("FFMPEG -v verbose -filter_complex \"" + MOVING +
                              ",trim=end_frame=4,mardini=mode=slowmo:factor=3\" -f null -");
    CHECK(count(said.err, "2 made between frames 0 and 1, from frames 0 to 2") == 1);
    CHECK(count(said.err, "2 made between frames 1 and 2, from frames 0 to 3") == 1);
    CHECK(count(said.err, "2 made between frames 2 and 3, from frames 1 to 3") == 1);
}
