// Metrics of synthesized frames: of a frame, of a clip, means over clips.
#pragma once

#include "eval/synthesize.h"
#include "eval/vmaf.h"

#include <limits>

namespace mardini::eval {

struct FrameScore {
    int index; ///< of the clip's frame
    double psnr_y, ssim_y;
    double gradient, true_gradient;
    double checkerboard, true_checkerboard;
    std::vector<double> temporal; ///< error of the change to this frame and, for the last of a gap,
                                  ///< of the change to the reference frame after it
    VmafScore vmaf;
    double confidence;
    bool repeated_at_cut; ///< not synthesized: the confidence has no meaning
};

/// Means over the synthesized frames of a clip at one factor, or over clips of equal weight. NaN:
/// not computed.
struct QualityMetrics {
    double psnr_y = 0; ///< dB, at most 100 a frame
    double ssim_y = 0;
    double sharpness = 0; ///< gradient over the true frames': 1 is right, below 1 is blur
    double stipple = 0;   ///< checkerboard() over the true frames': 1 is right, above 1 draws dots
    double temporal = 0;  ///< codes
    double vmaf = std::numeric_limits<double>::quiet_NaN(); ///< 0 .. 100
    double vmaf_neg = std::numeric_limits<double>::quiet_NaN();
};

/// How a metric is named and printed.
struct MetricColumn {
    const char *key;        ///< in JSON
    const char *heading;    ///< in the table
    const char *page_title; ///< in the page
    int width, decimals;
    double QualityMetrics::*field;
};
extern const std::vector<MetricColumn> metric_columns;

struct Score {
    std::string clip, method;
    int factor = 0;
    int width = 0, height = 0;
    int repeated_at_cut = 0; ///< dropped frames that a reference frame stands in for
    QualityMetrics metrics;
    std::vector<FrameScore> frames; ///< the dropped ones
};

/// Score luma of the dropped frames.
///   truth   n * factor + 1 frames, `frames` as many
///   vmaf    of each frame; empty: not computed
Score score(const std::vector<Frame> &truth, const std::vector<OutputFrame> &frames, int factor,
            const std::vector<VmafScore> &vmaf = {});

/// Mean of each metric.
QualityMetrics mean(const std::vector<QualityMetrics> &metrics);

} // namespace mardini::eval
