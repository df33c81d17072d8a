// Decoding folders into a pack file.
#pragma once

#include "train/data/footage.h"

namespace mardini::train {

/// Decode all videos of `folders` (empty: none) and all pictures of the folder `stills` (empty:
/// none) into the pack file `out`. A file that cannot be used is reported and left out. Throws
/// std::runtime_error (one sentence) if nothing is named, if one of the two yields nothing, or if
/// the disk does not take the file; `out` is then not written.
void pack(const std::vector<std::string> &folders, const std::string &stills,
          const std::string &out, const LoadOptions &options = {});

} // namespace mardini::train
