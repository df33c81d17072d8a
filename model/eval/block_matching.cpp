// Motion between two frames by block matching.
#include "eval/block_matching.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>

namespace mardini::eval {

static constexpr int reach = 24, margin = 4;

const std::pair<int, int> &BlockMotion::at(int x, int y) const
{
    return vectors[static_cast<size_t>(std::min(y / side, height - 1)) * width +
                   std::min(x / side, width - 1)];
}

/// Sum of absolute differences of the block and `margin` pixels around it, plus 2 a pixel of
/// motion, so that flat blocks stand still. The sum stops once it reaches `best`.
static int difference(const PlaneView &a, const PlaneView &b, int x0, int y0, int dx, int dy,
                      int best)
{
    int sum = 2 * (std::abs(dx) + std::abs(dy));
    for (int y = std::max(y0 - margin, 0);
         y < std::min(y0 + BlockMotion::side + margin, b.height) && sum < best; y++) {
        const int from = std::max(x0 - margin, 0),
                  to = std::min(x0 + BlockMotion::side + margin, b.width);
        const uint8_t *p = b.data + y * b.stride,
                      *q = a.data + std::clamp(y - dy, 0, a.height - 1) * a.stride;
        if (from - dx >= 0 && to - dx <= a.width)
            for (int x = from; x < to; x++)
                sum += std::abs(p[x] - q[x - dx]);
        else
            for (int x = from; x < to; x++)
                sum += std::abs(p[x] - q[std::clamp(x - dx, 0, a.width - 1)]);
    }
    return sum;
}

BlockMotion match_blocks(const PlaneView &earlier, const PlaneView &later)
{
    BlockMotion out{std::max(1, later.width / BlockMotion::side),
                    std::max(1, later.height / BlockMotion::side),
                    {}};
    for (int y = 0; y < out.height; y++) {
        for (int x = 0; x < out.width; x++) {
            std::pair<int, int> best{0, 0};
            int least = difference(earlier, later, x * BlockMotion::side, y * BlockMotion::side, 0,
                                   0, INT32_MAX);
            for (int dy = -reach; dy <= reach; dy++) {
                for (int dx = -reach; dx <= reach; dx++) {
                    const int d = difference(earlier, later, x * BlockMotion::side,
                                             y * BlockMotion::side, dx, dy, least);
                    if (d < least)
                        least = d, best = {dx, dy};
                }
            }
            out.vectors.push_back(best);
        }
    }
    return out;
}

double mean_speed(const BlockMotion &motion)
{
    double sum = 0;
    for (auto [x, y] : motion.vectors)
        sum += std::hypot(x, y);
    return sum / static_cast<double>(motion.vectors.size());
}

Frame extrapolate(const Frame &last, const BlockMotion &motion, int steps)
{
    Frame out = frame_like(last);
    const PlaneView from = plane_of(last, 0);
    std::vector<int> sum(static_cast<size_t>(from.width) * from.height), count(sum.size());
    for (int y = 0; y < from.height; y++) {
        for (int x = 0; x < from.width; x++) {
            const auto [dx, dy] = motion.at(x, y);
            const int tx = x + steps * dx, ty = y + steps * dy;
            if (tx < 0 || ty < 0 || tx >= from.width || ty >= from.height)
                continue;
            sum[static_cast<size_t>(ty) * from.width + tx] += from.data[y * from.stride + x];
            count[static_cast<size_t>(ty) * from.width + tx]++;
        }
    }
    for (int y = 0; y < from.height; y++) {
        uint8_t *row = out->data[0] + static_cast<ptrdiff_t>(y) * out->linesize[0];
        for (int x = 0; x < from.width; x++) {
            const size_t at = static_cast<size_t>(y) * from.width + x;
            row[x] = count[at] ? static_cast<uint8_t>((sum[at] + count[at] / 2) / count[at])
                               : from.data[y * from.stride + x];
        }
    }
    return out;
}

} // namespace mardini::eval
