// Reading videos and pictures through a program ffmpeg, where this one was built without libav*.
//   in   a file, the program
//   out  8-bit planes, as decode.h has them
#pragma once

#include "train/data/decode.h"

namespace mardini::train {

/// The program that MARDINI_FFMPEG names, or an ffmpeg on the PATH; empty if there is neither.
std::string find_ffmpeg();

/// decode_video() of decode.h; throws the same way.
int decode_video_by(const std::string &program, const std::string &path, int max_side,
                    const std::function<bool(const VideoInfo &, const uint8_t *)> &sink,
                    std::string *complaint = nullptr);

/// decode_picture() of decode.h.
Picture decode_picture_by(const std::string &program, const std::string &path, int max_side);

} // namespace mardini::train
