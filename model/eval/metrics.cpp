// Figures of a picture against the true one, and of a list of numbers against another.
#include "eval/metrics.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>

namespace mardini::eval {

static const uint8_t *line(const Plane &plane, int y)
{
    return plane.data + y * plane.stride;
}

double mean_squared_error(const Plane &made, const Plane &truth)
{
    double sum = 0;
    for (int y = 0; y < truth.height; y++) {
        const uint8_t *m = line(made, y), *t = line(truth, y);
        int64_t row = 0;
        for (int x = 0; x < truth.width; x++)
            row += (m[x] - t[x]) * (m[x] - t[x]);
        sum += static_cast<double>(row);
    }
    return sum / (static_cast<double>(truth.width) * truth.height);
}

double psnr(double mean_squared_error)
{
    return mean_squared_error > 0 ? 10 * std::log10(255.0 * 255.0 / mean_squared_error)
                                  : std::numeric_limits<double>::infinity();
}

double bounded_psnr(double mean_squared_error)
{
    return std::min(100.0, psnr(mean_squared_error));
}

static constexpr int window = 11;

static std::array<double, window> gaussian()
{
    std::array<double, window> g;
    for (int i = 0; i < window; i++)
        g[i] = std::exp(-(i - 5) * (i - 5) / (2 * 1.5 * 1.5));
    const double sum = std::accumulate(g.begin(), g.end(), 0.0);
    for (double &v : g)
        v /= sum;
    return g;
}

/// Means under the window of x, y, x*x, y*y, x*y along one line of the picture.
struct Moments {
    double x, y, xx, yy, xy;

    void add(double weight, const Moments &m)
    {
        x += weight * m.x, y += weight * m.y;
        xx += weight * m.xx, yy += weight * m.yy, xy += weight * m.xy;
    }
};

double ssim(const Plane &made, const Plane &truth)
{
    static const std::array<double, window> g = gaussian();
    const double c1 = (0.01 * 255) * (0.01 * 255), c2 = (0.03 * 255) * (0.03 * 255);
    const int w = truth.width - window + 1, h = truth.height - window + 1;
    // The window is separable: each line is filtered once, then 11 filtered lines are added up.
    std::vector<Moments> filtered(static_cast<size_t>(truth.height) * w);
    std::vector<Moments> pixels(truth.width);
    for (int y = 0; y < truth.height; y++) {
        const uint8_t *m = line(made, y), *t = line(truth, y);
        for (int x = 0; x < truth.width; x++) {
            const double a = m[x], b = t[x];
            pixels[x] = {a, b, a * a, b * b, a * b};
        }
        for (int x = 0; x < w; x++) {
            Moments sum = {};
            for (int k = 0; k < window; k++)
                sum.add(g[k], pixels[x + k]);
            filtered[static_cast<size_t>(y) * w + x] = sum;
        }
    }
    double total = 0;
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++) {
            Moments m = {};
            for (int k = 0; k < window; k++)
                m.add(g[k], filtered[static_cast<size_t>(y + k) * w + x]);
            const double xx = m.xx - m.x * m.x, yy = m.yy - m.y * m.y, xy = m.xy - m.x * m.y;
            total += (2 * m.x * m.y + c1) * (2 * xy + c2) /
                     ((m.x * m.x + m.y * m.y + c1) * (xx + yy + c2));
        }
    return total / (static_cast<double>(w) * h);
}

double gradient(const Plane &plane)
{
    double sum = 0;
    for (int y = 1; y + 1 < plane.height; y++) {
        const uint8_t *above = line(plane, y - 1), *here = line(plane, y),
                      *below = line(plane, y + 1);
        for (int x = 1; x + 1 < plane.width; x++) {
            const int dx = here[x + 1] - here[x - 1], dy = below[x] - above[x];
            sum += std::sqrt(static_cast<double>(dx * dx + dy * dy)) / 2;
        }
    }
    return sum / (static_cast<double>(plane.width - 2) * (plane.height - 2));
}

double temporal_error(const Plane &made0, const Plane &made1, const Plane &truth0,
                      const Plane &truth1)
{
    int64_t sum = 0;
    for (int y = 0; y < truth0.height; y++) {
        const uint8_t *m0 = line(made0, y), *m1 = line(made1, y), *t0 = line(truth0, y),
                      *t1 = line(truth1, y);
        for (int x = 0; x < truth0.width; x++)
            sum += std::abs((m1[x] - m0[x]) - (t1[x] - t0[x]));
    }
    return static_cast<double>(sum) / (static_cast<double>(truth0.width) * truth0.height);
}

/// Rank of each value from 0, equal ones sharing the mean of theirs.
static std::vector<double> ranks(const std::vector<double> &values)
{
    std::vector<size_t> order(values.size());
    std::iota(order.begin(), order.end(), 0);
    std::sort(order.begin(), order.end(),
              [&](size_t a, size_t b) { return values[a] < values[b]; });
    std::vector<double> out(values.size());
    for (size_t first = 0, last; first < order.size(); first = last) {
        for (last = first + 1; last < order.size() && values[order[last]] == values[order[first]];)
            last++;
        for (size_t i = first; i < last; i++)
            out[order[i]] = (static_cast<double>(first) + static_cast<double>(last) - 1) / 2;
    }
    return out;
}

double rank_correlation(const std::vector<double> &a, const std::vector<double> &b)
{
    const std::vector<double> ra = ranks(a), rb = ranks(b);
    const double mean = (static_cast<double>(a.size()) - 1) / 2;
    double ab = 0, aa = 0, bb = 0;
    for (size_t i = 0; i < a.size(); i++) {
        ab += (ra[i] - mean) * (rb[i] - mean);
        aa += (ra[i] - mean) * (ra[i] - mean);
        bb += (rb[i] - mean) * (rb[i] - mean);
    }
    return aa > 0 && bb > 0 ? ab / std::sqrt(aa * bb) : std::numeric_limits<double>::quiet_NaN();
}

} // namespace mardini::eval
