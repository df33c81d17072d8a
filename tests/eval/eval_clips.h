// Clips, programs and frames for the tests of the evaluation.
#ifndef TESTS_EVAL_CLIPS_H
#define TESTS_EVAL_CLIPS_H

#include "support/catch.h"
#include "support/ffmpeg.h"

#include "eval/clip.h"
#include "eval/eval_options.h"

#include <filesystem>

namespace eval_clips {

using mardini::eval::Frame;
using mardini::eval::PlaneView;

/// 160x90, 30000/1001 frames a second.
inline const std::string WALK = ffmpeg::source_file("tests/data/walk.mp4");
inline const std::string NANO = ffmpeg::source_file("model/weights/nano.safetensors");

inline std::string quoted(const std::string &path)
{
    return "'" + path + "'";
}

inline ffmpeg::Output mardini_program(const std::string &arguments)
{
    return ffmpeg::shell(ffmpeg::mardini() + " " + arguments);
}

/// An empty folder.
inline std::string folder(const std::string &name)
{
    const std::string path = ffmpeg::scratch(name);
    std::filesystem::remove_all(path);
    std::filesystem::create_directories(path);
    return path;
}

inline void generate(const std::string &source, const std::string &arguments)
{
    const ffmpeg::Output run =
        ffmpeg::shell("FFMPEG -f lavfi -i \"" + source + "\" -y " + arguments);
    INFO(run.err);
    REQUIRE(run.status == 0);
}

/// The program fails; standard error is `lines` lines and contains `words`.
inline void check_refused(const std::string &arguments, const std::string &words, int lines = 1)
{
    const ffmpeg::Output run = mardini_program(arguments);
    INFO(arguments << "\n" << run.err);
    CHECK(ffmpeg::is_refusal(run));
    CHECK(run.err.find(words) != std::string::npos);
    CHECK(static_cast<int>(ffmpeg::count(run.err, "\n")) == lines);
}

/// Frames in yuv420p at native size.
inline mardini::eval::Clip read_frames(const std::string &path, int count)
{
    return mardini::eval::read_clip(path, count, {{"format", {{"pix_fmts", "yuv420p"}}}});
}

inline std::vector<Frame> every(const std::vector<Frame> &frames, int factor)
{
    std::vector<Frame> out;
    for (size_t i = 0; i < frames.size(); i += static_cast<size_t>(factor))
        out.push_back(frames[i]);
    return out;
}

inline mardini::eval::FilterOptions plain_filter()
{
    mardini::eval::FilterOptions options;
    options.model = NANO;
    options.device = "cpu";
    options.precision = "fp32";
    options.threads = 1;
    return options;
}

} // namespace eval_clips

#endif
