// How well the frames between given ones were made.
//   in   true frames, made frames
//   out  figures of each made frame, of a clip, of clips
#pragma once

#include "eval/make.h"

namespace mardini::eval {

struct FrameScore {
    int index; ///< on the clip's own time line
    double psnr_y, ssim_y;
    double gradient, true_gradient;
    std::vector<double> temporal; ///< of the steps to this frame and, in the last of a gap, from it
    double confidence;
    bool held; ///< at a cut: not made, so its confidence says nothing
};

/// Means of a clip at one factor, or of several clips, each weighing the same.
struct Figures {
    double psnr_y = 0; ///< dB, mean of the frames', 100 where a frame is met exactly
    double ssim_y = 0;
    double sharpness =
        0; ///< gradient of the made frames over that of the true ones: below 1 is blur
    double temporal = 0; ///< codes
};

struct Score {
    std::string clip, method;
    int factor = 0;
    int width = 0, height = 0;
    int held = 0; ///< dropped frames that a given one stands in for, at cuts
    Figures figures;
    std::vector<FrameScore> frames; ///< the dropped ones
};

/// Luma of the frames that were dropped.
///   truth  (n * factor + 1) frames, made as many
Score score(const std::vector<Frame> &truth, const std::vector<Made> &made, int factor);

Figures mean(const std::vector<Figures> &figures);

} // namespace mardini::eval
