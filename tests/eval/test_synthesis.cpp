// The frames that are scored: the filter's, the network's reference path's, their metrics.
#include "eval/network_path.h"
#include "eval/score.h"
#include "network/checkpoint.h"

#include "eval_clips.h"

#include <cmath>
#include <sstream>

using namespace mardini;
using namespace mardini::eval;
using namespace eval_clips;

namespace {

/// Largest difference of two frames' samples.
int difference(const Frame &a, const Frame &b)
{
    int most = 0;
    for (int p = 0; p < 3; p++) {
        const PlaneView m = plane_of(a, p), n = plane_of(b, p);
        for (int y = 0; y < m.height; y++)
            for (int x = 0; x < m.width; x++)
                most =
                    std::max(most, std::abs(m.data[y * m.stride + x] - n.data[y * n.stride + x]));
    }
    return most;
}

} // namespace

TEST_CASE("metrics of a cross-fade equal an independent program's")
{
    const Clip clip = read_frames(WALK, 17);
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
        QualityMetrics f;
        std::string colon;
        words >> factor >> frames >> f.psnr_y >> f.ssim_y >> f.sharpness >> f.temporal >> colon;
        const Score s =
            score(clip.frames, synthesize_by_blend(every(clip.frames, factor), factor), factor);
        INFO(factor << "x");
        CHECK(s.frames.size() == frames);
        CHECK(s.metrics.psnr_y == Approx(f.psnr_y).margin(1e-4));
        CHECK(s.metrics.ssim_y == Approx(f.ssim_y).margin(1e-5));
        CHECK(s.metrics.sharpness == Approx(f.sharpness).margin(1e-5));
        CHECK(s.metrics.temporal == Approx(f.temporal).margin(1e-5));
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
        synthesize_by_filter(every(clip.frames, 4), av_div_q(clip.rate, {4, 1}), 4, plain_filter()),
        4);
    // the same by ffmpeg's own filters
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

TEST_CASE("the network's reference path equals the filter, and a part switched off changes frames")
{
    const Clip clip = read_frames(WALK, 17);
    const std::vector<Frame> references = every(clip.frames, 4);
    const std::vector<OutputFrame> filter =
        synthesize_by_filter(references, {30, 4}, 4, plain_filter());
    Network network = load_network(NANO);
    const std::vector<OutputFrame> whole = synthesize_by_network(network, references, 4, {});
    REQUIRE(filter.size() == 17);
    REQUIRE(whole.size() == 17);
    for (size_t i = 0; i < filter.size(); i++) {
        INFO("frame " << i);
        // sums in another order are rounded otherwise
        CHECK(difference(filter[i].frame, whole[i].frame) <= (i % 4 ? 1 : 0));
        CHECK(whole[i].confidence ==
              Approx(filter[i].confidence).margin(0.002)); // the filter prints three decimals
    }
    const auto psnr_y = [&](const std::vector<OutputFrame> &frames) {
        return score(clip.frames, frames, 4).metrics.psnr_y;
    };
    const double all = psnr_y(whole);
    CHECK(psnr_y(synthesize_by_network(network, references, 4, {false, true})) != Approx(all));
    CHECK(psnr_y(synthesize_by_network(network, references, 4, {true, false})) < all);
}

TEST_CASE("frames whose motion is estimated at a smaller size are the filter's too")
{
    // Wide strips and frames above 400 lines; the strip is the smaller picture.
    const std::string file = ffmpeg::scratch("strip.y4m");
    generate("testsrc2=size=6016x80:rate=30", "-frames:v 3 -pix_fmt yuv420p " + quoted(file));
    const Clip clip = read_frames(file, 3);
    REQUIRE(geometry_of(clip.frames[0]).reduction == 2);
    const std::vector<Frame> references = every(clip.frames, 2);
    Network network = load_network(NANO);
    const auto filter = synthesize_by_filter(references, {15, 1}, 2, plain_filter());
    const auto whole = synthesize_by_network(network, references, 2, {});
    CHECK(difference(filter.at(1).frame, whole.at(1).frame) <= 1);
    CHECK(whole[1].confidence == Approx(filter[1].confidence).margin(0.002));
}

TEST_CASE("without the shipped planner 8x is half a dB worse")
{
    const Clip clip = read_frames(ffmpeg::source_file("demo/walk.mp4"), 17);
    Network network = load_network(NANO);
    const std::vector<Frame> references = every(clip.frames, 8);
    const auto luma = [&](const Ablation &ablation) {
        return score(clip.frames, synthesize_by_network(network, references, 8, ablation), 8)
            .metrics.psnr_y;
    };
    const double whole = luma({}), without = luma({false, true});
    INFO(whole << " dB, without the planner " << without);
    CHECK(whole - without >= 0.5);
}

TEST_CASE("at a cut a reference frame is repeated in both ways, and counted")
{
    Clip clip = read_frames(WALK, 3);
    const std::string other = ffmpeg::scratch("other.y4m");
    generate("testsrc2=size=160x90:rate=30", "-frames:v 2 -pix_fmt yuv420p " + quoted(other));
    for (const Frame &frame : read_clip(other, 2, {}).frames)
        clip.frames.push_back(frame);
    const std::vector<Frame> references = every(clip.frames, 2); // walk, walk, other
    Network network = load_network(NANO);
    for (const std::vector<OutputFrame> &frames :
         {synthesize_by_filter(references, {15, 1}, 2, plain_filter()),
          synthesize_by_network(network, references, 2, {})}) {
        REQUIRE(frames.size() == 5);
        CHECK_FALSE(frames[1].repeated_at_cut);
        CHECK(frames[3].repeated_at_cut);
        CHECK(score(clip.frames, frames, 2).repeated_at_cut == 1);
        // the nearer one; at equal distance the later
        CHECK(difference(frames[3].frame, references[2]) == 0);
    }
}

TEST_CASE("stipple is the pattern over the truth's, from checkerboards of known amplitude")
{
    // Amplitudes 4 and 6 over the true 2 and 3.
    const auto checkered = [](const Frame &like, int amplitude) {
        Frame frame = frame_like(like);
        for (int y = 0; y < frame->height; y++)
            for (int x = 0; x < frame->width; x++)
                frame->data[0][y * frame->linesize[0] + x] =
                    static_cast<uint8_t>(128 + ((x + y) % 2 ? amplitude : -amplitude));
        return frame;
    };
    const Frame like = read_frames(WALK, 1).frames[0];
    std::vector<Frame> truth;
    std::vector<OutputFrame> frames;
    for (int amplitude : {1, 2, 3, 1}) {
        truth.push_back(checkered(like, amplitude));
        frames.push_back({checkered(like, 2 * amplitude)});
    }
    const Score s = score(truth, frames, 3);
    CHECK(s.metrics.stipple == Approx(2));
    REQUIRE(s.frames.size() == 2);
    CHECK(s.frames[0].checkerboard == Approx(4));
    CHECK(s.frames[1].true_checkerboard == Approx(3));
    CHECK(std::isnan(s.metrics.vmaf));
}
