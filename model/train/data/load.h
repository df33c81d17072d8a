// Footage from folders, files and packs.
#pragma once

#include "train/data/footage.h"

namespace mardini::train {

/// Videos of folders, of single files and of pack files (mapped, not read), cut into shots. A file
/// that cannot be used is reported and left out; throws std::runtime_error (one sentence) if
/// nothing is left or a pack file is broken.
Footage load_videos(const std::vector<std::string> &places, const LoadOptions &options = {});

/// Pictures of folders, of single files and of pack files; as above.
Footage load_stills(const std::vector<std::string> &places, const LoadOptions &options = {});

} // namespace mardini::train
