// Decoded videos and pictures in memory: videos cut into shots, their motion measured.
#pragma once

#include "train/data/motion_meter.h"

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace mardini::train {

/// Receives one sentence on something left out or cut short; may be null.
using Report = std::function<void(const std::string &)>;

/// A run of frames without a cut.
struct Shot {
    std::string name;          ///< of the file
    std::string source;        ///< the name up to its first '-': files of one origin
    int width = 0, height = 0; ///< even
    int num_frames = 0;
    std::shared_ptr<const uint8_t> frames; ///< num_frames of yuv420p
    std::shared_ptr<const uint8_t> motion; ///< num_frames of blocks_x * blocks_y

    size_t frame_bytes() const { return size_t(width) * height * 3 / 2; }
    int blocks_x() const { return (width + motion_block - 1) / motion_block; }
    int blocks_y() const { return (height + motion_block - 1) / motion_block; }
};

/// A still picture, Y'CbCr 4:4:4 of limited range, three planes.
struct Still {
    std::string name;
    int width = 0, height = 0;
    std::shared_ptr<const uint8_t> data;
};

struct Footage {
    std::vector<Shot> shots;
    std::vector<Still> stills;
};

struct LoadOptions {
    size_t memory = size_t(4) << 30;  ///< bytes of decoded frames kept, folders only; 4 GiB
    int max_side = 448;               ///< pixels, videos; larger ones are shrunk
    int max_still_side = 768;         ///< pixels, pictures
    std::vector<std::string> exclude; ///< file names that begin with one of these are left out
    Report report;
};

/// The origin of a file: its name up to the first '-'.
std::string source_of(const std::string &name);

/// Cut a video into shots that share its memory; shots of fewer than 3 frames are left out.
///   cuts  first frames of new shots, rising
void add_shots(Footage &footage, const Shot &video, std::vector<int> cuts);

/// One sentence on why a video of this size and length cannot be used, or nothing.
std::string why_unusable(const std::string &path, int width, int height, int num_frames);

/// Pass a sentence on if there is somebody to receive it.
void tell(const Report &report, const std::string &sentence);

} // namespace mardini::train
