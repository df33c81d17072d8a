// `mardini eval`: drop frames of clips, synthesize them again, score them.
#pragma once

#include "eval/eval_options.h"

namespace mardini::eval {

/// Print tables to stdout, write the files that the options name, report single clips on stderr.
/// Returns the number of clips that were left out. Throws std::runtime_error (one sentence) if
/// nothing can be scored.
int evaluate_interpolation(const EvalOptions &options);

} // namespace mardini::eval
