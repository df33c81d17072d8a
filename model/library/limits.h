/*
 * Copyright (C) 2026 the mardini authors
 *
 * This library is free software; you can redistribute it and/or modify it under
 * the terms of the GNU Lesser General Public License as published by the Free
 * Software Foundation; either version 2.1 of the License, or (at your option)
 * any later version. It comes without any warranty; see LICENSE.
 */

// Ranges of MardiniSettings and MardiniFormat. Timelines check their own settings.
#pragma once

#include "base/constants.h"

namespace mardini {

constexpr int SIDE_MAX = 16384; ///< width and height of a frame, pixels; the smallest side is 1
constexpr int THREADS_MAX = 64;
constexpr int STEPS_MAX = 64;
constexpr double MOTION_MAX = 10; ///< times the usual motion, a hundredth of the frame a position

/// Scene cut where scd_threshold is -1: pairs of frames within a scene score below, pairs across a
/// cut above.
constexpr double DEFAULT_SCD_THRESHOLD = 100 * cut_threshold;

} // namespace mardini
