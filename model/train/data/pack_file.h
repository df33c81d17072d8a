// The pack file: decoded videos and pictures, for a machine without libav* and for many runs.
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

#include "train/data/footage.h"

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>

namespace mardini::train {

/// Add the videos of a pack file to footage.shots, or its pictures to footage.stills. The file is
/// mapped as long as something points into it. Throws std::runtime_error (one sentence) if it is
/// broken.
void read_pack(const std::string &path, const LoadOptions &options, bool videos, Footage &footage);

/// A pack file cannot be written: the disk is at fault, not what was to be packed.
struct WriteError : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// Writes a pack file, which gets its name at finish(). Every function throws WriteError if the
/// disk does not take it.
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
    std::unique_ptr<State> state_;
};

} // namespace mardini::train
