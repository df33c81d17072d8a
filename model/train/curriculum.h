// Which positions of a window are given and which are masked, stage by stage.
#pragma once

#include "train/batch.h"

#include <random>
#include <string>

namespace mardini::train {

/// The curriculum's stages in order. The share of given frames falls while the window grows.
/// Animate is none of them: it trains the motion sampler on what the rest has learned, and is asked
/// for by name.
enum class Stage { Motion, Interpolation, Any, Denoise, Joint, Decay, Animate };

Stage stage_from_name(const std::string &name);
const char *stage_name(Stage stage);

/// Progress at which the first stage ends.
constexpr double motion_end = 0.12;

/// The stage at `progress` (0 .. 1) of a run that goes through all of them.
Stage stage_at(double progress);

/// What all windows of one batch share. `given` frames are kept; of the rest `masked` are made and
/// scored, since each can be made alone.
struct WindowSize {
    int positions; ///< 4, 9 or 17: how far apart frames may lie, but for what surrounds a gap
    int given;
    int masked;
    int gap = 2; ///< from one given frame to the next where masked ones lie between them
};

/// `references`: given frames wherever the window holds as many; 0: as the stage has it.
WindowSize sample_window_size(Stage stage, std::mt19937_64 &random, int references = 0);

/// Whole numbers from 0 on, with the references chosen; all different. Of Animate: one
/// given frame, and the sampler's key positions for it.
Positions sample_positions(Stage stage, WindowSize size, std::mt19937_64 &random);

/// The planner's unit of time for these positions: a gap between given frames is this long in the
/// filter.
constexpr double gap_length = 8;

/// Times as the filter would give them to the network: zero at the first pair's earlier frame, its
/// gap `gap_length`. One given frame: positions as they are. Changes both fields of times, (B,R)
/// and (B,M).
void to_filter_times(Batch &batch);

} // namespace mardini::train
