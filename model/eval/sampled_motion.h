// `mardini eval --animate`: motion sampled around one frame.
#pragma once

#include "eval/eval_options.h"

namespace mardini::eval {

/// Sample options.animate motions around the first frame of each clip or picture. Print speed,
/// folds, what no camera explains and the spread over seeds; of a clip also the PSNR of its next
/// frames for the best seed, the best pan and the first frame repeated. Returns the number of files
/// left out. Throws std::runtime_error (one sentence) if nothing can be scored.
int evaluate_sampled_motion(const EvalOptions &options);

} // namespace mardini::eval
