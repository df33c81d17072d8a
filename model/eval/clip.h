// Frames through FFmpeg's filters: clips and pictures from files, the filter mardini itself,
// pictures for a page.
//   in   a file, or frames
//   out  frames
// Failures are thrown as std::runtime_error, one sentence with what libav* said.
#pragma once

#include "eval/metrics.h"

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

/// Shared, not written to once it is made.
using Frame = std::shared_ptr<AVFrame>;

struct Clip {
    std::string name;
    AVRational rate; ///< frames a second
    std::vector<Frame> frames;

    int width() const { return frames.at(0)->width; }
    int height() const { return frames.at(0)->height; }
};

/// A filter's name and its options; values need no escaping.
struct Step {
    std::string filter;
    std::vector<std::pair<std::string, std::string>> options;
};

Plane plane_of(const Frame &frame, int plane);

/// A new frame of another one's size and format, its planes to be written.
Frame like(const Frame &frame);

/// Send frames of one size and format through a chain of filters.
///   rate     of the input; frame i gets the time i / rate
///   sink     gets each frame that comes out and its time in seconds, in order
///   threads  0: as many as cores
void run(const std::vector<Frame> &frames, AVRational rate, const std::vector<Step> &chain,
         int threads, const std::function<void(const Frame &, double)> &sink);

/// The same, frames only.
std::vector<Frame> run(const std::vector<Frame> &frames, AVRational rate,
                       const std::vector<Step> &chain, int threads = 1);

/// The first `count` frames of a file's best video stream, none dropped or doubled, through a chain
/// of filters. The name is the file's without folder and ending, the rate the stream's nominal one.
Clip read_clip(const std::string &path, int count, const std::vector<Step> &chain);

/// A frame as a JPEG file; `quality` is the quantiser's scale, 2 (best) .. 31.
std::vector<uint8_t> to_jpeg(const Frame &frame, int quality);

/// Files of a folder whose names end in one of `endings`, or the one file that is named; sorted by
/// path.
std::vector<std::string> list_files(const std::string &folder,
                                    const std::vector<std::string> &endings);

} // namespace mardini::eval
