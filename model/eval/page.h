// An evaluation as one HTML page with pictures, without a second file or a server.
#pragma once

#include "eval/summary.h"

namespace mardini::eval {

/// Pictures of the middle dropped frame of a clip at a factor.
PageSample page_sample(const Score &score, const std::vector<Frame> &truth,
                       const std::vector<OutputFrame> &frames);

/// Throws std::runtime_error if the file cannot be written.
void write_page(const std::string &path, const Evaluation &evaluation);

} // namespace mardini::eval
