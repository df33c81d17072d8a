// Frames between reference frames by the filter or by a cross-fade; network_path.h has the network.
#pragma once

#include "eval/clip.h"
#include "eval/eval_options.h"

namespace mardini::eval {

/// A reference frame or a synthesized one.
struct OutputFrame {
    Frame frame;
    double confidence = 1; ///< the network's mean over the frame, 0 .. 1; 1 if not synthesized
    bool repeated_at_cut = false; ///< a reference frame stands in its place
};

/// The filter mardini with the options of a job and those that are set in `options`.
FilterSpec filter_spec(std::vector<std::pair<std::string, std::string>> job,
                       const FilterOptions &options);

/// By the filter mardini, as in a running ffmpeg.
///   references  evenly spaced
///   rate        of the reference frames
///   returns     (n - 1) * factor + 1 frames; frame i * factor is reference frame i
std::vector<OutputFrame> synthesize_by_filter(const std::vector<Frame> &references, AVRational rate,
                                              int factor, const FilterOptions &options);

/// By a linear cross-fade of the two reference frames around, rounded.
std::vector<OutputFrame> synthesize_by_blend(const std::vector<Frame> &references, int factor);

} // namespace mardini::eval
