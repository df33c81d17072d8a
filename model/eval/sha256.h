// The hash of a file.
#pragma once

#include <string>

namespace mardini::eval {

/// Hexadecimal SHA-256 of a file; empty if it cannot be read.
std::string sha256(const std::string &path);

} // namespace mardini::eval
