// Which positions of a window are given and which are masked, stage by stage.
#pragma once

#include "sample.h"

#include <random>
#include <string>

namespace mardini::train {

/// The curriculum's stages in order. The share of given frames falls while the window grows.
enum class Stage { Motion, Interpolation, Any, Denoise, Joint, Decay };

Stage stage_from_name(const std::string &name);
const char *stage_name(Stage stage);

/// The stage at `progress` (0 .. 1) of a run that goes through all of them.
Stage stage_at(double progress);

/// How many frames the windows of one batch have: all of a batch share it.
struct WindowSize {
    int given;
    int masked;
};

WindowSize sample_window_size(Stage stage, std::mt19937_64 &random);

/// Times of one window, whole numbers, with the references chosen. Given and masked never coincide.
Positions sample_positions(Stage stage, WindowSize size, std::mt19937_64 &random);

} // namespace mardini::train
