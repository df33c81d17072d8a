// `mardini eval --ahead`: frames after the end of a clip against the true ones.
#pragma once

#include "eval/eval_options.h"

namespace mardini::eval {

/// Extend the first options.frames of each clip by options.ahead frames, and score these beside two
/// rivals: the last frame repeated, and linear motion. Print a table.
/// Returns the number of files left out. Throws std::runtime_error (one sentence) if nothing can be
/// scored.
int evaluate_extension(const EvalOptions &options);

} // namespace mardini::eval
