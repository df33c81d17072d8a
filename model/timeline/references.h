/*
 * Copyright (C) 2026 the mardini authors
 *
 * This library is free software; you can redistribute it and/or modify it under
 * the terms of the GNU Lesser General Public License as published by the Free
 * Software Foundation; either version 2.1 of the License, or (at your option)
 * any later version. It comes without any warranty; see LICENSE.
 */

// The two reference frames that a masked frame is synthesized from. Times only, no pixels.
#pragma once

#include <array>
#include <vector>

namespace mardini {

/// The two reference frames of one masked frame.
struct References {
    std::array<int, 2> index; ///< into the reference times; both equal if there is one reference
    /// Signed, (reference - masked) / gap; gap is the time between the two references, or 1 if both
    /// are the same.
    std::array<double, 2> distance;
};

/// References for a masked frame at `time`: the nearest one before it and the nearest one after it.
/// Outside the references: the nearest one, and the one whose distance from it comes closest to
/// that between it and `time`, four frames at least.
///   given  reference times, strictly rising, one or more
References choose_references(const std::vector<double> &given, double time);

} // namespace mardini
