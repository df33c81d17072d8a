// The curves of a run as one SVG picture, from its log.
#pragma once

#include <string>

namespace mardini::train {

/// A panel for each group of metrics of the log `from` (JSON lines; others are ignored), against
/// minutes of training. False if the log holds fewer than two lines or `to` cannot be
/// written.
bool draw_curves(const std::string &from, const std::string &to);

} // namespace mardini::train
