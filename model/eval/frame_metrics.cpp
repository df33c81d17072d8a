// Metrics of an 8-bit plane, by itself or against the true one.
#include "eval/frame_metrics.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

namespace mardini::eval {

static const uint8_t *line(const PlaneView &plane, int y)
{
    return plane.data + y * plane.stride;
}

double mean_squared_error(const PlaneView &plane, const PlaneView &truth)
{
    double sum = 0;
    for (int y = 0; y < truth.height; y++) {
        const uint8_t *m = line(plane, y), *t = line(truth, y);
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

double ssim(const PlaneView &plane, const PlaneView &truth)
{
    static const std::array<double, window> g = gaussian();
    const double c1 = (0.01 * 255) * (0.01 * 255), c2 = (0.03 * 255) * (0.03 * 255);
    const int w = truth.width - window + 1, h = truth.height - window + 1;
    // The window is separable: each line is filtered once, then 11 filtered lines are added up.
    std::vector<Moments> filtered(static_cast<size_t>(truth.height) * w);
    std::vector<Moments> pixels(truth.width);
    for (int y = 0; y < truth.height; y++) {
        const uint8_t *m = line(plane, y), *t = line(truth, y);
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

std::pair<double, double> mean_and_contrast(const PlaneView &plane)
{
    double sum = 0, squares = 0;
    for (int y = 0; y < plane.height; y++) {
        const uint8_t *row = line(plane, y);
        for (int x = 0; x < plane.width; x++) {
            const double code = row[x];
            sum += code, squares += code * code;
        }
    }
    const double n = static_cast<double>(plane.width) * plane.height, mean = sum / n;
    return {mean, std::sqrt(std::max(0.0, squares / n - mean * mean))};
}

double gradient(const PlaneView &plane)
{
    double sum = 0;
    for (int y = 1; y + 1 < plane.height; y++) {
        const uint8_t *above = line(plane, y - 1), *row = line(plane, y),
                      *below = line(plane, y + 1);
        for (int x = 1; x + 1 < plane.width; x++) {
            const int dx = row[x + 1] - row[x - 1], dy = below[x] - above[x];
            sum += std::sqrt(static_cast<double>(dx * dx + dy * dy)) / 2;
        }
    }
    return sum / (static_cast<double>(plane.width - 2) * (plane.height - 2));
}

double checkerboard(const PlaneView &plane)
{
    double sum = 0;
    for (int y = 0; y + 1 < plane.height; y++) {
        const uint8_t *row = line(plane, y), *below = line(plane, y + 1);
        int64_t squares = 0;
        for (int x = 0; x + 1 < plane.width; x++) {
            const int pattern = row[x] - row[x + 1] - below[x] + below[x + 1];
            squares += pattern * pattern;
        }
        sum += static_cast<double>(squares);
    }
    return std::sqrt(sum / (static_cast<double>(plane.width - 1) * (plane.height - 1))) / 4;
}

double temporal_error(const PlaneView &plane0, const PlaneView &plane1, const PlaneView &truth0,
                      const PlaneView &truth1)
{
    int64_t sum = 0;
    for (int y = 0; y < truth0.height; y++) {
        const uint8_t *m0 = line(plane0, y), *m1 = line(plane1, y), *t0 = line(truth0, y),
                      *t1 = line(truth1, y);
        for (int x = 0; x < truth0.width; x++)
            sum += std::abs((m1[x] - m0[x]) - (t1[x] - t0[x]));
    }
    return static_cast<double>(sum) / (static_cast<double>(truth0.width) * truth0.height);
}

} // namespace mardini::eval
