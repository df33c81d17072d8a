// An evaluation as JSON.
#pragma once

#include "eval/summary.h"

#include <nlohmann/json_fwd.hpp>

namespace mardini::eval {

/// Settings, means, and every metric of every clip and frame. An infinite number is the word "inf",
/// one that was not computed null. Throws std::runtime_error if the file cannot be written.
void write_json(const std::string &path, const Evaluation &evaluation);

/// Any document. Throws likewise.
void write_json(const std::string &path, const nlohmann::ordered_json &root);

} // namespace mardini::eval
