// The ways to make the frames between given ones that are scored.
//   in   given frames, evenly spaced
//   out  the same frames and factor - 1 new ones in each gap
#pragma once

#include "eval/clip.h"
#include "frame/pack.h"
#include "network/network.h"

namespace mardini::eval {

/// One frame of the finer time line.
struct Made {
    Frame frame;
    double confidence = 1; ///< 0 .. 1, the network's own; 1 where nothing was made
    bool held = false;     ///< at a cut: a given frame stands in its place
};

/// What the filter is told. An empty string or -1 asks the library.
struct FilterOptions {
    std::string model; ///< checkpoint or preset
    std::string device;
    std::string precision; ///< auto, fp32, bf16
    int steps = -1;
    int64_t seed = -1;
    int threads = 0;  ///< 0: as many as cores
    bool cuts = true; ///< look for scene cuts
};

/// The filter with the options of a job and those that were told.
Step filter_step(std::vector<std::pair<std::string, std::string>> job,
                 const FilterOptions &options);

/// What a yuv420p frame with a shorter side of at most 400 is to the network, and its planes
/// packed. (1,6,h,w)
Geometry geometry_of(const Frame &frame);
Tensor packed_of(const Geometry &geometry, const Frame &frame);

/// By the filter mardini, as in a running ffmpeg.
///   rate     of the given frames
///   returns  (given - 1) * factor + 1 frames; frame i * factor is given frame i
std::vector<Made> make_by_filter(const std::vector<Frame> &given, AVRational rate, int factor,
                                 const FilterOptions &options);

/// By the network in float32, for what the filter cannot do: a part switched off. With nothing
/// switched off the result is the filter's in fp32 within one code. yuv420p, shorter side up to
/// 400.
std::vector<Made> make_by_network(Network &network, const std::vector<Frame> &given, int factor,
                                  const Ablation &ablation);

/// By a linear cross-fade of the two given frames around, rounded.
std::vector<Made> make_by_blend(const std::vector<Frame> &given, int factor);

} // namespace mardini::eval
