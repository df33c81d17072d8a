// `mardini eval --join`: motion across the join of a loop.
#pragma once

#include "eval/eval_options.h"

namespace mardini::eval {

/// Join the ends of the first options.frames of each clip by options.join frames. Print the speed
/// of motion inside the clip and across the join, pixels a frame. Returns the number of files left
/// out. Throws std::runtime_error (one sentence) if nothing can be scored.
int evaluate_loop_join(const EvalOptions &options);

} // namespace mardini::eval
