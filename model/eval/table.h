// An evaluation as a table.
#pragma once

#include "eval/summary.h"

#include <cstdio>

namespace mardini::eval {

void print_heading(std::FILE *out);

/// A row of a clip; flushes.
void print_row(std::FILE *out, const Score &score);

/// The means, the correlation and, if VMAF is not computed, the reason.
void print_summary(std::FILE *out, const Evaluation &evaluation);

} // namespace mardini::eval
