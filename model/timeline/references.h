// Which given frames a masked frame is made from. Times only, no pixels.
#pragma once

#include <array>
#include <vector>

namespace mardini {

/// The pixel sources of one masked frame and how far they are.
struct References {
    std::array<int, 2> index; ///< into the given frames; both the same if there is but one
    std::array<double, 2>
        distance; ///< signed, (t_k - t) / gap, gap = |t_b - t_a|, 1 if both are the same
};

/// The nearest given frame before `time` and the nearest after it. Where a side is empty: the
/// nearest of the other, and one that lies as far behind it as it does from `time`, or nearest to
/// that, four frames at least. `given` rises strictly and is not empty.
References choose_references(const std::vector<double> &given, double time);

} // namespace mardini
