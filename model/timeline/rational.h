/*
 * Copyright (C) 2026 the mardini authors
 *
 * This library is free software; you can redistribute it and/or modify it under
 * the terms of the GNU Lesser General Public License as published by the Free
 * Software Foundation; either version 2.1 of the License, or (at your option)
 * any later version. It comes without any warranty; see LICENSE.
 */

// Exact arithmetic of times. A rational has terms of at most 31 bits and a pts has 63 bits, so a
// product of a pts and two terms fits 128 bits.
#pragma once

#include <cstdint>

#include "mardini.h"

namespace mardini {

using Wide = __int128;

/// Limit of numerator and denominator, as in FFmpeg's AVRational.
constexpr int64_t TERM_MAX = INT32_MAX;

/// a / b rounded down; b > 0.
Wide divide_down(Wide a, Wide b);
/// a / b rounded to the nearest integer, halves up; b > 0.
Wide divide_nearest(Wide a, Wide b);
Wide greatest_common_divisor(Wide a, Wide b);

/// An output time as 64 bits. Throws Error(EINVAL) if it does not fit.
int64_t to_int64(Wide time);

/// `value` in lowest terms. Throws Error(EINVAL), which calls it `name`, if it is not above zero or
/// a term exceeds TERM_MAX.
MardiniRational reduce(MardiniRational value, const char *name);

/// part / whole as a position between two frames, never 0 or 1; 0 < part < whole.
double position_between(double part, double whole);

} // namespace mardini
