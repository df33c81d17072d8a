// The training loop: `mardini train`.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace mardini::train {

struct TrainOptions {
    std::vector<std::string> data; ///< folders of video, or packs; may be empty if stills is given
    std::string stills;            ///< folder of pictures; may be empty
    std::vector<std::string>
        check; ///< videos never trained on, scored and shown at each save; may be empty
    std::vector<std::string> exclude; ///< file names that begin with one of these are left out
    std::string preset = "nano";
    std::string out;            ///< checkpoint to write; its training state goes to OUT.state
    std::string resume;         ///< a checkpoint, or a training state
    std::string stage = "auto"; ///< or one stage's name for the whole run
    std::string device = "cpu";
    double minutes = 0; ///< length of the run; 0: by steps
    int64_t steps = 0;  ///< likewise; 0: by minutes
    int crop = 128;     ///< luma pixels of a training window, a multiple of 32
    int batch = 8;      ///< windows in a step
    double large = 0.3; ///< share of steps with windows of twice the crop, a quarter as many; half
                        ///< of them find motion at half the size
    double detail = -1; ///< strength at which detail is restored, 0 to 1; -1: as `resume` has it
    double rate = 1e-3; ///< peak learning rate
    double start = -1;  ///< progress 0 .. 1 of the curriculum that this run begins at; -1: where
                        ///< `resume` stopped, else 0
    double end = 1;     ///< and ends at; the last fifth of a curriculum lets the rate fall
    double synthetic =
        0.3; ///< share of synthetic batches once past the first stage; 0: none in it either
    double max_speed =
        100; ///< pixels a gap of the fastest synthetic motion, reached after the first stage
    int threads = 0; ///< 0: as many as cores
    int loaders = 1; ///< threads that make batches
    uint64_t seed = 1;
    bool bf16 = true;   ///< multiply in bfloat16 where the processor does
    int log_every = 50; ///< steps
    double save_minutes = 5;
    int memory = 4096; ///< MiB of decoded video kept; a pack is mapped and does not count

    // Terms that are off, and parts to switch off to see what they are worth.
    std::string distil;      ///< checkpoint of a larger network to learn from as well; may be empty
    bool labels = true;      ///< synthetic motion's flow and visibility are learned from
    bool progressive = true; ///< false: windows of the last stage from the first step on
    int references =
        0; ///< given frames of every window that can have as many; 0: as the stage has it
    std::vector<std::string> without; ///< planner, match
};

/// Decode `data` and `stills` once into the pack `out` (pack.h), for a machine without libav*, or
/// for many runs.
void pack(const TrainOptions &options);

/// Run until the time or the steps are over, or SIGINT/SIGTERM, then save. Throws
/// std::runtime_error with one sentence for what the user can mend. Progress goes to standard
/// error, one JSON line a report to OUT.log, its curves to OUT.svg, the contact sheet of `check` to
/// OUT.png. Several processes: processes.h.
void train(const TrainOptions &options);

} // namespace mardini::train
