// The curriculum: the stages of a run, the windows of each stage and the learning rate.
#pragma once

#include <array>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

namespace mardini::train {

/// The stages in order. The share of reference frames falls while the window grows. Animate is no
/// part of the curriculum: it trains the motion sampler alone, and runs only if it is named.
enum class Stage { Motion, Interpolation, Any, Denoise, Joint, Decay, Animate };

/// Throws std::runtime_error if there is no such stage.
Stage stage_from_name(const std::string &name);
const char *stage_name(Stage stage);

/// Progress at which the first stage ends.
constexpr double motion_end = 0.12;

/// The stage at `progress` (0 .. 1) of a run that goes through all of them.
Stage stage_at(double progress);

/// Warm-up to `peak` over the first 200 steps, constant, linear decay over the last fifth of the
/// curriculum.
double learning_rate(double peak, int64_t step, double progress);

/// What all windows of one batch share. Reference frames are the network's input; each of the
/// masked frames is synthesized and scored by itself.
struct WindowSize {
    int positions; ///< 4, 9 or 17: how far apart frames may lie, except those around a gap
    int references;
    int masked;
    int gap = 2; ///< positions from a reference frame to the next, masked ones between them
};

/// `references`: of every window whose stage allows as many; 0: as the stage has it.
WindowSize sample_window_size(Stage stage, std::mt19937_64 &random, int references = 0);

/// The instants of a window. Any unit; windows of real video need whole numbers.
struct Positions {
    std::vector<double> references;       ///< rising
    std::vector<double> masked;           ///< any order
    std::vector<std::array<int, 2>> pair; ///< per masked frame: its two indices into `references`
};

/// The two reference frames of every masked time as timeline/references.h chooses them, the earlier
/// one first; {0,0} if there is but one. `references` must rise and not be empty.
std::vector<std::array<int, 2>> choose_pairs(const std::vector<double> &references,
                                             const std::vector<double> &masked);

/// Whole numbers from 0 on, reference and masked ones all different. Of Animate: one reference
/// frame, and the sampler's key positions for it.
Positions sample_positions(Stage stage, WindowSize size, std::mt19937_64 &random);

} // namespace mardini::train
