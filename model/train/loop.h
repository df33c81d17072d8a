// The training loop: `mardini train`.
#pragma once

#include "train/options.h"

namespace mardini::train {

/// Decode `data` and `stills` once into the pack `out` (data/pack.h), for a machine without libav*,
/// or for many runs. Either may be empty. Throws std::runtime_error (one sentence).
void pack(const TrainOptions &options);

/// Run until the time or the steps are over, or SIGINT/SIGTERM, then save. Throws
/// std::runtime_error (one sentence) for what the user can mend. Progress goes to standard error,
/// one JSON line a report to OUT.log, its curves to OUT.svg, the contact sheet of `check` to
/// OUT.png. Several processes: processes.h.
void train(const TrainOptions &options);

} // namespace mardini::train
