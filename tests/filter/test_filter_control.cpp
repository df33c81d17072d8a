// dup=skip, the timeline option enable, commands, and time jumps.

#include "filter/batch.h"

#include "support/catch.h"

using namespace ffmpeg;

namespace {

const std::string MOVING =
    "testsrc2=s=96x64:r=24,format=rgb24,crop=64:48:4+2*n:4:exact=1,format=yuv420p";

/// Twelve pictures at 24 frames a second, shown again until the next one by its time stamp.
std::string cadence(const std::string &expression)
{
    return MOVING + ",trim=end_frame=12,setpts='" + expression + "',fps=24:start_time=0,settb=1/24";
}

/// The length of each run of equal frames.
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
    "dup: repeats are kept by default and replaced by dup=skip; times and count do not change")
{
    const struct {
        const char *what, *expression;
    } cases[] = {{"on twos", "N*2/24/TB"},
                 {"on threes", "N*3/24/TB"},
                 {"mixed", "(N*2+mod(N,2))/24/TB"},
                 {"3:2 pulldown", "floor(N*2.5)/24/TB"}};
    for (const auto &c : cases) {
        const std::string source = cadence(c.expression);
        const std::string modes[] = {"fps=48", "mode=slowmo:factor=2"};
        std::vector<Graph> graphs = {{source, "1/24"}};
        for (const std::string &mode : modes)
            for (const std::string dup : {"", ":dup=skip"})
                graphs.push_back(
                    {source + ",mardini=" + mode + dup, mode == "fps=48" ? "1/48" : "1/24"});
        const std::vector<Clip> clips = batch(graphs);
        const Clip &in = clips[0];
        const std::vector<int> shown = runs(in);
        REQUIRE(shown.size() == 12);
        CHECK(in.output.err == "");
        for (size_t m = 0; m < 2; m++) {
            const Clip &keep = clips[1 + 2 * m], &skip = clips[2 + 2 * m];
            INFO(c.what << " " << modes[m] << "\n" << skip.output.err);
            CHECK(times(skip) == times(keep));
            // dup=keep outputs every input frame. dup=skip outputs the first one of each run, and
            // no two equal frames but the repeats of the last picture.
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

TEST_CASE("dup=skip: a still title is kept, a cut does not move, coding noise is no motion")
{
    // One picture for half a second is too long for a cadence.
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
    CHECK(count(counted.err, "11 input frames skipped as repeats") == 1);
    // A moving pointer of 4x4 pixels is motion. The background changes once, so that a detector
    // that misses the pointer finds runs of repeats short enough to skip.
    const std::string pointer =
        "color=gray:s=96x64:r=24,format=yuv420p,trim=end_frame=6,"
        "geq=lum='if(between(X-8*N,10,13)*between(Y,20,23),235,126+4*gte(N,4))':cb=128:cr=128";
    const Output moved = shell("FFMPEG -v info -filter_complex \"" + pointer +
                               ",mardini=fps=48:dup=skip\" -f null -");
    INFO(moved.err);
    CHECK(count(moved.err, "6 frames in") == 1);
    CHECK(count(moved.err, "skipped as repeats") == 0);

    const Output refused = shell("FFMPEG -filter_complex \"" + MOVING +
                                 ",mardini=mode=slowmo:frames=9:dup=skip\" -f null -");
    CHECK(refused.status > 0);
    CHECK(count(refused.err, "dup=skip is for mode fps") >= 1);
}

TEST_CASE("enable: while disabled frames are repeated, not synthesized")
{
    const std::string source = MOVING + ",trim=end_frame=8";
    const Clip on = graph(source + ",mardini=mode=slowmo:factor=2:scd=none");
    const Clip part = graph(source + ",mardini=mode=slowmo:factor=2:scd=none:enable='lt(n,3)'");
    INFO(part.output.err);
    REQUIRE(part.frames.size() == 15);
    for (size_t k = 0; k < 15; k++) {
        INFO("frame " << k);
        // In the middle of a gap the next frame is repeated.
        CHECK(part.frames[k].hash == on.frames[k > 6 && k % 2 ? k + 1 : k].hash);
        CHECK(part.frames[k].pts == on.frames[k].pts);
    }
    const Output log = shell("FFMPEG -v info -filter_complex \"" + source +
                             ",mardini=mode=slowmo:factor=2:enable=0\" -f null -");
    CHECK(count(log.err, " 0 synthesized") == 1);
    CHECK(count(log.err, "7 repeated while disabled") == 1);
}

TEST_CASE("commands change scd_threshold, and cannot change a model")
{
    // Every pair is a cut at threshold 0 until the command comes.
    const std::string source =
        MOVING + ",trim=end_frame=8,sendcmd=c='0.2 mardini scd_threshold 100'";
    const Output log = shell("FFMPEG -v info -filter_complex \"" + source +
                             ",mardini=mode=slowmo:factor=2:scd_threshold=0\" -f null -");
    INFO(log.err);
    int synthesized = -1, repeated = -1;
    const size_t at = log.err.find("frames out; ");
    REQUIRE(at != std::string::npos);
    REQUIRE(sscanf(log.err.c_str() + at, "frames out; %d synthesized (%*f s each), %d repeated",
                   &synthesized, &repeated) == 2);
    CHECK(synthesized + repeated == 7);
    CHECK(synthesized >= 2);
    CHECK(repeated >= 2);
    const Output wrong = shell(
        "FFMPEG -v verbose -filter_complex \"" + MOVING +
        ",trim=end_frame=3,sendcmd=c='0 mardini model x',mardini=mode=slowmo:factor=2\" -f null -");
    CHECK(wrong.status == 0); // ffmpeg refuses the command, and the run goes on
    CHECK(count(wrong.err, " frames in, ") == 1);
}

TEST_CASE("at a time jump frames are repeated, with one warning; a slow clip has no jump")
{
    const std::string jump = MOVING + ",trim=end_frame=6,settb=1/24,setpts='N+if(gte(N,3),1000,0)'";
    const Clip in = graph(jump, "1/24"), out = graph(jump + ",mardini=fps=24", "1/24");
    INFO(out.output.err);
    CHECK(count(out.output.err, "time stamps jump by 41.708 s after frame 2") == 1);
    REQUIRE(out.frames.size() == 1006);
    for (size_t k = 2; k < 1003; k++) // the next picture must not run ahead of the audio
        REQUIRE(out.frames[k].hash == in.frames[2].hash);
    CHECK(out.frames[1003].hash == in.frames[3].hash);
    const Clip filled =
        graph(MOVING +
              ",trim=end_frame=3,settb=1/24,setpts='N+if(gte(N,2),30,0)',mardini=fps=24:scd=none");
    CHECK(filled.output.err == "");
    CHECK(runs(filled).size() > 20);
    // A slide show, half a frame a second
    const Clip slow = graph("testsrc2=s=64x48:r=1/2,trim=end_frame=3,mardini=fps=4");
    CHECK(slow.output.err == "");
    CHECK(runs(slow).size() > 12);
}

TEST_CASE("dup=skip with a dropped frame, a time jump, and a disabled filter")
{
    // A picture, its repeat, another picture at the repeat's own time, the end.
    const Clip left = graph("testsrc2=s=64x48:r=12,fps=24,trim=end_frame=3,settb=1/"
                            "24,setpts='min(N,1)',mardini=mode=slowmo:factor=2:dup=skip");
    INFO(left.output.err);
    CHECK(left.output.status == 0);
    CHECK(left.frames.size() == 3);
    // The same after a frame whose gap needs the frames that follow.
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
    CHECK(count(jump.output.err, "time stamps jump") == 1);
    CHECK(jump.frames.size() == 1008);
    CHECK(runs(jump).size() < 16); // no frames are synthesized in the pause

    const std::string off = cadence("N*2/24/TB") + ",mardini=mode=slowmo:factor=2:enable=0:dup=";
    CHECK(graph(off + "skip").hashes() == graph(off + "keep").hashes());

    const Output command =
        shell("FFMPEG -v error -filter_complex \"" + cadence("N*2/24/TB") +
              ",sendcmd=c='0 mardini dup skip',mardini=mode=slowmo:frames=30\" -f framemd5 -");
    CHECK(command.status == 0); // refused, the run goes on
    CHECK(count(command.out, "\n0,") == 30);
}

TEST_CASE("at level verbose each window is logged with its references")
{
    const Output log = shell("FFMPEG -v verbose -filter_complex \"" + MOVING +
                             ",trim=end_frame=4,mardini=mode=slowmo:factor=3\" -f null -");
    CHECK(count(log.err, "2 frames synthesized between frames 0 and 1, references 0 to 2") == 1);
    CHECK(count(log.err, "2 frames synthesized between frames 1 and 2, references 0 to 3") == 1);
    CHECK(count(log.err, "2 frames synthesized between frames 2 and 3, references 1 to 3") == 1);
}
