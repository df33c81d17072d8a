// What a training run is told: every option with its unit, its range and its default.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace mardini::train {

struct TrainOptions {
    // Files
    std::vector<std::string> data;    ///< folders of video, single videos, packs; may be empty
    std::string stills;               ///< folder of pictures, or a pack; may be empty
    std::vector<std::string> check;   ///< validation videos, never trained on; may be empty
    std::vector<std::string> exclude; ///< file names that begin with one of these are left out
    std::string out;                  ///< checkpoint to write; its training state goes to OUT.state
    std::string resume;               ///< a checkpoint, or a training state; may be empty
    int memory = 4096; ///< MiB of decoded video kept; a pack is mapped and does not count

    // Length and place in the curriculum
    double minutes = 0;         ///< length of the run; 0: by steps
    int64_t steps = 0;          ///< likewise; 0: by minutes
    std::string stage = "auto"; ///< or the name of one stage for the whole run
    double start = -1; ///< progress 0 .. 1 at which this run begins; -1: where `resume` stopped,
                       ///< else 0
    double end = 1;    ///< progress at which this run ends; the rate falls over the last fifth

    // Network and optimizer
    std::string preset = "nano";
    double detail = -1; ///< strength at which detail is restored, 0 .. 1; -1: as `resume` has it
    double rate = 1e-3; ///< peak learning rate
    uint64_t seed = 1;  ///< of weights and batches

    // Windows
    int crop = 128;     ///< luma pixels of a window's side, a multiple of 32, 64 or more
    int batch = 8;      ///< windows in a step
    double large = 0.3; ///< share of steps with windows of twice the crop, a quarter as many; in
                        ///< half of them motion is found at half the size
    double synthetic = 0.3;  ///< share of synthetic batches after the first stage; 0: none at all
    double max_speed = 100;  ///< pixels a gap of the fastest synthetic motion, reached after the
                             ///< first stage
    bool progressive = true; ///< false: windows of the last stage from the first step on
    int references = 0;      ///< reference frames of a window, 0 .. 5; 0: as the stage has it

    // Terms of the loss, and parts of the network to switch off
    std::string distil;               ///< checkpoint of a larger network to distil; may be empty
    bool labels = true;               ///< the flow and visibility of synthetic motion are used
    std::vector<std::string> without; ///< planner, match

    // Machine
    std::string device = "cpu"; ///< cpu, cuda, cuda:N
    bool bf16 = true;           ///< multiply in bfloat16 where the processor does
    int threads = 0;            ///< of the network; 0: as many as cores
    int loaders = 1;            ///< threads that make batches

    // Reports
    int log_every = 50;      ///< steps between two log lines
    double save_minutes = 5; ///< between two checkpoints
};

} // namespace mardini::train
