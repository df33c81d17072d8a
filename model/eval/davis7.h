// `mardini eval --protocol davis7`: the literature's protocol DAVIS-7.
#pragma once

#include "eval/clip.h"
#include "eval/eval_options.h"

namespace mardini::eval {

/// Score chunks of nine pictures of each sequence in options.davis7, first and last as references,
/// beside a cross-fade and published numbers. Print a table, write options.json. Returns 0. Throws
/// std::runtime_error (one sentence) if there is no chunk.
int evaluate_davis7(const EvalOptions &options);

/// A picture of the protocol: centre square, 256x256, gbrp, codes averaged by area.
Frame read_square(const std::string &path);

} // namespace mardini::eval
