// Which given frames a masked frame is made from. Times only, no pixels.
#include "window.h"

#include <algorithm>

namespace mardini {

References choose_references(const std::vector<double> &given, double time)
{
    const int R = static_cast<int>(given.size());
    int after = static_cast<int>(std::upper_bound(given.begin(), given.end(), time) - given.begin());
    after = R > 1 ? std::clamp(after, 1, R - 1) : 0;
    const int before = std::max(after - 1, 0);
    const double gap = before == after ? 1.0 : given[after] - given[before];
    return {{before, after}, {(given[before] - time) / gap, (given[after] - time) / gap}};
}

} // namespace mardini
