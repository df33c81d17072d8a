/*
 * Copyright (C) 2026 the mardini authors
 *
 * This library is free software; you can redistribute it and/or modify it under
 * the terms of the GNU Lesser General Public License as published by the Free
 * Software Foundation; either version 2.1 of the License, or (at your option)
 * any later version. It comes without any warranty; see LICENSE.
 */

#include "timeline/rational.h"

#include <algorithm>
#include <cinttypes>
#include <cmath>
#include <utility>

#include "base/error.h"

namespace mardini {

Wide divide_down(Wide a, Wide b)
{
    return a / b - (a % b < 0);
}

Wide divide_nearest(Wide a, Wide b)
{
    return divide_down(2 * a + b, 2 * b);
}

Wide greatest_common_divisor(Wide a, Wide b)
{
    while (b)
        a = std::exchange(b, a % b);
    return a;
}

int64_t to_int64(Wide time)
{
    if (time <= INT64_MIN || time > INT64_MAX)
        throw Error(
            EINVAL,
            "an output time does not fit 64 bits: the time stamps are too large for this factor "
            "or frame rate; reset them upstream (setpts=PTS-STARTPTS)");
    return static_cast<int64_t>(time);
}

MardiniRational reduce(MardiniRational value, const char *name)
{
    if (value.num < 1 || value.den < 1)
        throw Error(EINVAL, text("%s is %" PRId64 "/%" PRId64 "; it must be above zero", name,
                                 value.num, value.den));
    const Wide divisor = greatest_common_divisor(value.num, value.den);
    const MardiniRational lowest = {static_cast<int64_t>(value.num / divisor),
                                    static_cast<int64_t>(value.den / divisor)};
    if (lowest.num > TERM_MAX || lowest.den > TERM_MAX)
        throw Error(EINVAL, text("%s is %" PRId64 "/%" PRId64
                                 "; numerator and denominator can be %" PRId64 " at most",
                                 name, lowest.num, lowest.den, TERM_MAX));
    return lowest;
}

double position_between(double part, double whole)
{
    return std::clamp(part / whole, std::nextafter(0.0, 1.0), std::nextafter(1.0, 0.0));
}

} // namespace mardini
