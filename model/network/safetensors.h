// Reading and writing of safetensors files.
#pragma once

#include "network/blocks.h"

#include <nlohmann/json_fwd.hpp>

#include <map>
#include <string>

namespace mardini {

struct SafeTensors {
    std::map<std::string, Tensor> tensors;
    std::map<std::string, std::string> metadata;
};

/// Read a whole file, strictly: a header beyond its limits, a duplicate name, an unknown dtype, a
/// shape whose size overflows or does not fit its bytes, a hole, an overlap or trailing bytes are
/// errors (std::runtime_error, one sentence that names the file). Nothing in the file is executed.
SafeTensors read_safetensors(const std::string &path);

/// Throw std::runtime_error: `path` is not a usable checkpoint, why, and what is wanted.
[[noreturn]] void refuse_checkpoint(const std::string &path, const std::string &why);

/// Write atomically: a file beside it that is renamed when it is whole and on disk.
void write_safetensors(const std::string &path, const SafeTensors &file);

/// Parse JSON; a name that occurs twice in one object is an error (std::runtime_error).
nlohmann::json parse_strictly(const std::string &text);

} // namespace mardini
