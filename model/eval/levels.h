// `mardini eval --levels`: large gaps at once and level by level.
#pragma once

#include "eval/eval_options.h"

namespace mardini::eval {

/// Synthesize the frames between two that lie the product of options.levels apart, at once and
/// factor by factor. Print PSNR, SSIM, sharpness and jerk. Returns the number of files left out.
/// Throws std::runtime_error (one sentence) if nothing can be scored.
int evaluate_levels(const EvalOptions &options);

} // namespace mardini::eval
