// Options of `mardini eval`, with unit, range and default.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace mardini::eval {

/// Options of the filter. An empty string or -1 leaves the library's default.
struct FilterOptions {
    std::string model;     ///< path of a checkpoint
    std::string device;    ///< auto, cpu, cuda, cuda:N
    std::string precision; ///< auto, fp32, bf16
    int steps = -1;        ///< sampling steps, 0 .. 64
    int64_t seed = -1;     ///< of the random generator
    int threads = 0;       ///< 0: as many as cores
    bool cuts = true;      ///< scene cuts are detected
};

struct EvalOptions {
    // Input
    std::string data;   ///< folder of clips, or one clip
    std::string davis7; ///< folder of picture sequences: the protocol DAVIS-7 instead of `data`
    int frames = 17;    ///< of a clip, from its start, at most
    int max_height = 0; ///< taller clips are scaled to this height; 0: native size

    // What is scored
    FilterOptions filter;
    std::vector<int> factors{2, 4, 8}; ///< one frame in so many is kept as a reference
    std::string against;               ///< "" or "blend": score this method too
    std::string without; ///< "", "planner" or "match": score the network without that part too
    std::string vmaf;    ///< libvmaf's program vmaf, or an ffmpeg with the filter libvmaf; "none";
                         ///< empty: the first one found
    std::vector<std::string> groups{
        "near-still=laptop-lowlight,thumbs-dark",
        "animation=sintel-snow"}; ///< NAME=CLIP,CLIP: clips by the start of their names

    // Jobs, one at a time, instead of dropped frames; 0 or empty: not asked for
    int ahead = 0;           ///< frames to extend the first `frames` by
    int chain = 0;           ///< windows of 12 frames to extend the first `frames` by
    std::vector<int> levels; ///< factors; their product is synthesized at once and level by level
    int join = 0;            ///< frames between the last and the first of the first `frames`
    int animate = 0;         ///< motions to sample around the first frame of each clip or picture
    double motion = 1;       ///< their amount, as the filter's option motion

    // Files to write; empty: none
    std::string json, html;
};

} // namespace mardini::eval
