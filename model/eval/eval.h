// `mardini eval`: drop frames of clips, make them again, score them.
#pragma once

#include "eval/report.h"

namespace mardini::eval {

struct EvalOptions {
    std::string data;                  ///< folder of clips, or one clip
    std::vector<int> factors{2, 4, 8}; ///< of each so many frames one is kept
    int frames = 17;                   ///< of a clip, from its start, at most
    int max_height = 360;              ///< taller clips are scaled to it
    FilterOptions filter;              ///< its model is a path: find_model()
    std::string against;               ///< "" or "blend": score it too
    std::string without; ///< "" or "planner" or "match": score the network with that off too
    Groups groups;
    std::string json, html; ///< files to write; empty: none
    int ahead = 0; ///< frames to go on for after the first `frames`, instead of dropping some
    int chain = 0; ///< windows to go on for after the first `frames`, instead
    std::vector<int> levels; ///< factors whose product is made at once and level by level, instead
    int join = 0;            ///< frames to join the ends of the first `frames` with, instead
    int seeds = 0; ///< motions to sample around the first frame of each clip or picture, instead
    double motion = 1;  ///< their amount, as of the filter's option
    std::string davis7; ///< folder of pictures: the literature's protocol instead of `data`
};

/// Print tables to stdout and complaints about single clips to stderr.
/// Returns the number of clips that were left out; throws std::runtime_error (one sentence) if
/// nothing can be scored.
int evaluate(const EvalOptions &options);

/// Nine-frame chunks of picture sequences at 256x256; see doc/evaluation.md. davis7.cpp has it.
int evaluate_davis7(const EvalOptions &options);

/// As evaluate() returns: frames that follow a clip against those that really did, the last one
/// repeated, and linear motion. jobs.cpp has it.
int evaluate_ahead(const EvalOptions &options);

/// What is left of mean, contrast and sharpness after window upon window made from made frames.
/// jobs.cpp has it.
int evaluate_chain(const EvalOptions &options);

/// Frames far from given ones, made at once and level by level: PSNR, SSIM, sharpness and jerk.
/// jobs.cpp has it.
int evaluate_levels(const EvalOptions &options);

/// The speed of motion inside a clip and across the join that makes it a loop, pixels a frame.
/// jobs.cpp has it.
int evaluate_join(const EvalOptions &options);

/// Motion sampled around one frame: how fast, torn, like a camera's, how different from seed to
/// seed; and of clips, whether one of the seeds is nearer to what followed than the best constant
/// pan. animate.cpp has it.
int evaluate_animate(const EvalOptions &options);

/// What every clip goes through before it is scored.
std::vector<Step> scaled_down(const EvalOptions &options);

/// What a clip's file name ends in.
extern const std::vector<std::string> video_endings;

/// A picture as the protocol sees it: centre square, 256x256, gbrp, codes averaged by area.
Frame read_square(const std::string &path);

/// A checkpoint's path: a file as it is, a preset (empty: nano) from $MARDINI_MODEL_PATH, the
/// folder weights beside this program, and share/mardini beside the program's folder. What is found
/// nowhere comes back as it is.
std::string find_model(const std::string &model);

/// Hexadecimal SHA-256 of a file; empty if it cannot be read.
std::string sha256(const std::string &path);

} // namespace mardini::eval
