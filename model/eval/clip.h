// Clips and frames by FFmpeg's libraries: decoding, filters, JPEG. Failures are thrown as
// std::runtime_error, one sentence with the reason that libav* logged.
#pragma once

#include "eval/frame_metrics.h"

extern "C" {
#include <libavfilter/avfilter.h>
#include <libavutil/frame.h>
}

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace mardini::eval {

/// Shared; constant once it has been filled in.
using Frame = std::shared_ptr<AVFrame>;

struct Clip {
    std::string name;
    AVRational rate; ///< frames a second
    std::vector<Frame> frames;

    int width() const { return frames.at(0)->width; }
    int height() const { return frames.at(0)->height; }
};

/// A filter and its options; values need no escaping.
struct FilterSpec {
    std::string filter;
    std::vector<std::pair<std::string, std::string>> options;
};

PlaneView plane_of(const Frame &frame, int plane);

/// A new frame of the same size, format and properties; its samples are undefined.
Frame frame_like(const Frame &frame);

/// Send frames of one size and format through a chain of filters.
///   rate     of the input; frame i has the time i / rate
///   sink     receives each output frame and its time in seconds, in order
///   threads  0: as many as cores
void run_filters(const std::vector<Frame> &frames, AVRational rate,
                 const std::vector<FilterSpec> &chain, int threads,
                 const std::function<void(const Frame &, double)> &sink);

/// The same; returns the output frames.
std::vector<Frame> run_filters(const std::vector<Frame> &frames, AVRational rate,
                               const std::vector<FilterSpec> &chain, int threads = 1);

/// The first `count` frames of a file's best video stream, none dropped or duplicated, through a
/// chain of filters. The name is the file's without folder and ending, the rate the stream's
/// nominal one.
Clip read_clip(const std::string &path, int count, const std::vector<FilterSpec> &chain);

/// A frame as a JPEG file; `quality` is the quantiser's scale, 2 (best) .. 31.
std::vector<uint8_t> to_jpeg(const Frame &frame, int quality);

} // namespace mardini::eval
