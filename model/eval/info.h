// `mardini info`: format, size, cost, training and licence of a checkpoint.
#pragma once

#include <string>

namespace mardini::eval {

/// Print format, preset, parameters and multiply-accumulates by part, training, licence and hash.
///   width, height  of the frame whose cost is counted
/// Throws one sentence with the reason if the file is no checkpoint.
void print_info(const std::string &path, int width, int height);

} // namespace mardini::eval
