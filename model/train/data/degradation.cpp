// Degradation of a synthetic scene by camera and codec: light, shutter, noise, compression.
//   in   a rendered picture
//   out  a packed frame
#include "train/data/degradation.h"

#include "base/random.h"

#include <algorithm>
#include <cmath>

namespace mardini::train {

static constexpr double pi = 3.14159265358979323846;

Degradation random_degradation(double top_speed, std::mt19937_64 &rng,
                               const SyntheticOptions &options)
{
    Degradation degradation;
    if (options.fades && chance(rng, 0.15)) {
        degradation.fade = uniform(rng, -0.3, 0.3);
        degradation.lift = uniform(rng, -0.1, 0.1);
    }
    if (options.noise && chance(rng, 0.5))
        degradation.noise = float(uniform(rng, 0, 4) / 128);
    if (options.compression && chance(rng, 0.15))
        degradation.quantiser = float(log_uniform(rng, 3, 20) / 128);
    if (options.blur && chance(rng, 0.2)) {
        degradation.num_times = chance(rng, 0.5) ? 3 : 5;
        // sub-times further than three pixels apart would show as ghosts
        degradation.shutter = std::min(uniform(rng, 0.1, 0.6),
                                       3 * (degradation.num_times - 1) / std::max(top_speed, 1.));
    }
    return degradation;
}

namespace {

// Sums of four 16-bit draws approximate a normal distribution.
void add_noise(std::vector<float> &plane, float sigma, std::mt19937_64 &rng)
{
    uint64_t state = rng();
    const float scale = sigma / 37837.f; // 65536 * sqrt(4 / 12)
    for (float &value : plane) {
        uint64_t bits = state += 0x9e3779b97f4a7c15; // splitmix64
        bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9;
        bits = (bits ^ (bits >> 27)) * 0x94d049bb133111eb;
        bits ^= bits >> 31;
        int sum = int(bits & 0xffff) + int(bits >> 16 & 0xffff) + int(bits >> 32 & 0xffff) +
                  int(bits >> 48) - 131070;
        value += scale * float(sum);
    }
}

// 8x8 blocks to frequencies, rounded to steps that grow with frequency, and back.
void compress(std::vector<float> &plane, int size, float step)
{
    static const std::vector<float> basis = [] {
        std::vector<float> b(64);
        for (int k = 0; k < 8; k++)
            for (int n = 0; n < 8; n++)
                b[k * 8 + n] =
                    float(std::sqrt((k ? 2 : 1) / 8.) * std::cos(pi * (n + 0.5) * k / 8));
        return b;
    }();
    auto multiply = [](const float *a, const float *b, bool a_transposed, bool b_transposed,
                       float *out) {
        for (int i = 0; i < 8; i++) {
            float line[8] = {};
            for (int k = 0; k < 8; k++) {
                float left = a_transposed ? a[k * 8 + i] : a[i * 8 + k];
                for (int j = 0; j < 8; j++)
                    line[j] += left * (b_transposed ? b[j * 8 + k] : b[k * 8 + j]);
            }
            std::copy(line, line + 8, out + i * 8);
        }
    };
    for (int top = 0; top + 8 <= size; top += 8) {
        for (int left = 0; left + 8 <= size; left += 8) {
            float block[64], half[64];
            for (int i = 0; i < 64; i++)
                block[i] = plane[size_t(top + i / 8) * size + left + i % 8];
            multiply(basis.data(), block, false, false, half);
            multiply(half, basis.data(), false, true, block);
            for (int i = 0; i < 64; i++) {
                float width = step * (1 + 0.35f * (i / 8 + i % 8));
                block[i] = std::nearbyint(block[i] / width) * width;
            }
            multiply(basis.data(), block, true, false, half);
            multiply(half, basis.data(), false, false, block);
            for (int i = 0; i < 64; i++)
                plane[size_t(top + i / 8) * size + left + i % 8] = block[i];
        }
    }
}

} // namespace

void degrade(const std::vector<Pixel> &picture, int crop, double time,
             const Degradation &degradation, std::mt19937_64 &rng, float *packed)
{
    int half = crop / 2;
    size_t area = size_t(half) * half;
    const float black = -0.875f; // code 16
    const float gain = float(std::clamp(1 + degradation.fade * time, 0.4, 1.6));
    const float lift = float(std::clamp(degradation.lift * time, -0.3, 0.3));
    std::vector<float> luma(4 * area), chroma[2];
    for (size_t i = 0; i < luma.size(); i++)
        luma[i] = (picture[i][0] - black) * gain + black + lift;
    for (int p = 0; p < 2; p++) {
        chroma[p].resize(area);
        for (int y = 0; y < half; y++)
            for (int x = 0; x < half; x++) {
                const Pixel *at = picture.data() + size_t(2 * y) * crop + 2 * x;
                chroma[p][size_t(y) * half + x] =
                    gain / 4 *
                    (at[0][p + 1] + at[1][p + 1] + at[crop][p + 1] + at[crop + 1][p + 1]);
            }
    }
    if (degradation.noise > 0) {
        add_noise(luma, degradation.noise, rng);
        add_noise(chroma[0], degradation.noise / 2, rng);
        add_noise(chroma[1], degradation.noise / 2, rng);
    }
    if (degradation.quantiser > 0) {
        compress(luma, crop, degradation.quantiser);
        compress(chroma[0], half, degradation.quantiser * 1.5f);
        compress(chroma[1], half, degradation.quantiser * 1.5f);
    }
    const float white = 127 / 128.f; // the largest code
    for (int y = 0; y < crop; y++)
        for (int x = 0; x < crop; x++)
            packed[(y % 2 * 2 + x % 2) * area + size_t(y / 2) * half + x / 2] =
                std::clamp(luma[size_t(y) * crop + x], -1.f, white);
    for (int p = 0; p < 2; p++)
        for (size_t i = 0; i < area; i++)
            packed[(4 + p) * area + i] = std::clamp(chroma[p][i], -1.f, white);
}

} // namespace mardini::train
