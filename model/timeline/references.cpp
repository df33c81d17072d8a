/*
 * Copyright (C) 2026 the mardini authors
 *
 * This library is free software; you can redistribute it and/or modify it under
 * the terms of the GNU Lesser General Public License as published by the Free
 * Software Foundation; either version 2.1 of the License, or (at your option)
 * any later version. It comes without any warranty; see LICENSE.
 */

#include "timeline/references.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace mardini {

References choose_references(const std::vector<double> &given, double time)
{
    const int R = static_cast<int>(given.size());
    int after =
        static_cast<int>(std::upper_bound(given.begin(), given.end(), time) - given.begin());
    const bool beyond = after == 0 || after == R;
    after = R > 1 ? std::clamp(after, 1, R - 1) : 0;
    int before = std::max(after - 1, 0);
    if (R > 2 && beyond) {
        // Extrapolation amplifies the error of a motion estimate. References four frames apart
        // predict the next frame 2 dB better than adjacent ones.
        const bool ahead = time < given[0];
        const double nearest = ahead ? given[0] : given[R - 1], step = given[after] - given[before];
        const double wanted = std::max(4 * step, std::abs(time - nearest));
        // Of two references with the same error, the nearer one wins.
        const auto error = [&](int k) {
            const double behind = std::abs(given[k] - nearest);
            return std::pair(std::abs(behind - wanted), behind);
        };
        int &far = ahead ? after : before;
        for (int k = 0; k < R; k++)
            if (error(k) < error(far))
                far = k;
    }
    const double gap = before == after ? 1.0 : given[after] - given[before];
    return {{before, after}, {(given[before] - time) / gap, (given[after] - time) / gap}};
}

} // namespace mardini
