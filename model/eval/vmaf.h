// VMAF and VMAF NEG by a program that has libvmaf.
//
// libvmaf's own program `vmaf` or an ffmpeg with the filter libvmaf, both with the models
// vmaf_v0.6.1 and vmaf_v0.6.1neg built in, compares two Y4M files.
#pragma once

#include "eval/clip.h"

#include <limits>

namespace mardini::eval {

/// Of one frame, 0 .. 100; NaN: not computed.
struct VmafScore {
    double vmaf = std::numeric_limits<double>::quiet_NaN();
    double neg = std::numeric_limits<double>::quiet_NaN();
};

struct VmafProgram {
    std::string path;       ///< empty: there is none
    bool is_ffmpeg = false; ///< else it is libvmaf's own
    std::string reason;     ///< why there is none: one sentence
};

/// The program of that name; an empty name: the first of `vmaf` in PATH, ffmpeg beside this program
/// and ffmpeg in PATH that has libvmaf; "none": no program. Throws std::runtime_error if a program
/// that was named does not run or has no libvmaf.
VmafProgram find_vmaf(const std::string &name);

/// Scores of each frame, of which luma counts. yuv420p, all of one size.
///   threads  0: as many as cores
/// Throws std::runtime_error, one sentence with the program's own words.
std::vector<VmafScore> vmaf_scores(const VmafProgram &program, const std::vector<Frame> &truth,
                                   const std::vector<Frame> &frames, int threads);

} // namespace mardini::eval
