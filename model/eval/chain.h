// `mardini eval --chain`: drift far from all reference frames.
#pragma once

#include "eval/eval_options.h"

namespace mardini::eval {

/// Extend the first options.frames of each clip by options.chain windows, each but the first from
/// synthesized frames. Print mean, contrast and sharpness over those of the last reference frame.
/// Returns the number of files left out. Throws std::runtime_error (one sentence) if nothing can be
/// scored.
int evaluate_chain(const EvalOptions &options);

} // namespace mardini::eval
