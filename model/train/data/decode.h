// Reading videos and pictures with libav* of our own FFmpeg.
//   in   a file
//   out  8-bit planes, shrunk to a longest side
//
// Compiled without MARDINI_HAVE_LIBAV both functions go through a program ffmpeg
// (decode_program.h), and throw one sentence that names the way out if there is none. Sets libav*'s
// log to silent: failures come back as sentences.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace mardini::train {

struct VideoInfo {
    int width = 0; // after shrinking, even
    int height = 0;
    double fps = 0; // 0: unknown
};

/// True if this program was built with libav*, or finds an ffmpeg to decode for it.
bool can_decode();

/// Decode the best video stream of `path` from its start.
///   max_side   longest side of what comes out; larger pictures are shrunk, none enlarged
///   sink       gets each frame in order as yuv420p, planes one after the other without
///              padding, valid during the call; returns false to stop
///   complaint  set to one sentence if the file ends early or is damaged inside; may be null
///   returns the number of frames handed over, at least 1
/// Throws std::runtime_error (one sentence) if not a single frame can be had.
int decode_video(const std::string &path, int max_side,
                 const std::function<bool(const VideoInfo &, const uint8_t *)> &sink,
                 std::string *complaint = nullptr);

/// A picture as 8-bit Y'CbCr 4:4:4 of limited range, three planes without padding.
struct Picture {
    int width = 0, height = 0;
    std::vector<uint8_t> data; // 3 * width * height
};

/// Decode a JPEG, PNG or anything else libav* reads as one frame.
/// Throws std::runtime_error (one sentence).
Picture decode_picture(const std::string &path, int max_side);

} // namespace mardini::train
