// Footage in memory: decoded once, cut into shots, its motion measured. And the
// pack file, which holds the same so that a machine without libav* can train.
//   in   videos, pictures, pack files
//   out  Footage
//
// A pack file is
//   bytes 0..15   "mardini pack 1\n" and a zero
//   bytes 16..31  position and length of the index, two little-endian uint64
//   data          each video: its frames as yuv420p, planes without padding one after
//                 the other, then its motion, one byte per frame and block;
//                 each picture: Y'CbCr 4:4:4, three planes
//   index         JSON: {"videos": [{name, width, height, frames, fps, offset, motion,
//                 cuts}], "stills": [{name, width, height, offset}]}; offset and motion
//                 are positions in the file, cuts the first frames of new shots
#pragma once

#include <cstdint>
#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace mardini::train {

/// Side of the squares of pixels over which motion is measured.
constexpr int motion_block = 32;

/// Gets one sentence on something left out or cut short; may be null.
using Report = std::function<void(const std::string &)>;

/// A run of frames without a cut.
struct Shot {
    std::string name;          // of the file
    std::string source;        // the name up to its first '-': files of one origin
    int width = 0, height = 0; // even
    int num_frames = 0;
    std::shared_ptr<const uint8_t> frames; // num_frames of yuv420p
    std::shared_ptr<const uint8_t> motion; // num_frames of blocks_x * blocks_y

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
    size_t memory = size_t(4) << 30;  // bytes of decoded frames kept, folders only; 4 GiB
    int max_side = 448;               // pixels, videos; larger ones are shrunk
    int max_still_side = 768;         // pixels, pictures
    std::vector<std::string> exclude; // file names that begin with one of these are left out
    Report report;
};

/// Videos of folders, of single files and of pack files (mapped, not read), cut into
/// shots. A file that cannot be used is reported and left out; throws
/// std::runtime_error (one sentence) when nothing is left or a pack file is broken.
Footage load_videos(const std::vector<std::string> &places, const LoadOptions &options = {});

/// Pictures of folders, of single files and of pack files; as above.
Footage load_stills(const std::vector<std::string> &places, const LoadOptions &options = {});

/// Writes a pack file. What was written appears under its name only at finish().
/// Every function throws std::runtime_error if the disk does not take it.
class PackWriter {
public:
    explicit PackWriter(const std::string &path);
    ~PackWriter();
    void begin_video(const std::string &name, int width, int height, double fps);
    void add_frame(const uint8_t *yuv420p); // size as in begin_video()
    void end_video();
    void add_still(const std::string &name, int width, int height, const uint8_t *yuv444p);
    void finish();

private:
    struct State;
    std::unique_ptr<State> state;
};

/// Decode all videos of `folders` and all pictures of the folder `stills` (empty:
/// none) into the pack file `out`. Errors as for load_videos().
void pack(const std::vector<std::string> &folders, const std::string &stills,
          const std::string &out, const LoadOptions &options = {});

} // namespace mardini::train
