// How much a video changes from frame to frame, and where it is cut.
#include "train/data/motion_meter.h"

#include <algorithm>
#include <cmath>

namespace mardini::train {

MotionMeter::MotionMeter(int width, int height)
    : width_(width), blocks_x_((width + motion_block - 1) / motion_block),
      blocks_y_((height + motion_block - 1) / motion_block), small_width_(width / cell),
      small_height_(height / cell)
{
}

/// Means of the cells of a frame.
std::vector<float> MotionMeter::shrunk(const uint8_t *luma) const
{
    std::vector<float> small(size_t(small_width_) * small_height_);
    for (int y = 0; y < small_height_; y++)
        for (int x = 0; x < small_width_; x++) {
            int sum = 0;
            for (int j = 0; j < cell; j++)
                for (int i = 0; i < cell; i++)
                    sum += luma[size_t(y * cell + j) * width_ + x * cell + i];
            small[size_t(y) * small_width_ + x] = float(sum) / (cell * cell);
        }
    return small;
}

void MotionMeter::add(const uint8_t *luma)
{
    std::vector<float> small = shrunk(luma);
    std::vector<float> sums(size_t(blocks_x_) * blocks_y_), counts(sums.size());
    for (int y = 0; y < small_height_ && !last_.empty(); y++)
        for (int x = 0; x < small_width_; x++) {
            size_t block = size_t(y * cell / motion_block) * blocks_x_ + x * cell / motion_block;
            size_t i = size_t(y) * small_width_ + x;
            sums[block] += std::fabs(small[i] - last_[i]);
            counts[block]++;
        }
    for (size_t i = 0; i < sums.size(); i++)
        motion.push_back(uint8_t(std::min(255.f, 4 * sums[i] / std::max(counts[i], 1.f))));
    change.push_back(last_.empty() ? 0 : coarse_change(small));
    last_ = std::move(small);
}

/// Mean change over squares of 16 pixels: noise and small motion average out.
float MotionMeter::coarse_change(const std::vector<float> &small) const
{
    double total = 0;
    int count = 0;
    for (int y = 0; y + 4 <= small_height_; y += 4)
        for (int x = 0; x + 4 <= small_width_; x += 4) {
            float sum = 0;
            for (int j = 0; j < 4; j++)
                for (int i = 0; i < 4; i++) {
                    size_t at = size_t(y + j) * small_width_ + x + i;
                    sum += small[at] - last_[at];
                }
            total += std::fabs(sum) / 16;
            count++;
        }
    return count ? float(total / count) : 0;
}

std::vector<int> find_cuts(const std::vector<float> &change)
{
    constexpr float least = 9; // codes
    constexpr float ratio = 3; // against the frames around
    constexpr int around = 4;
    std::vector<int> cuts;
    int num = static_cast<int>(change.size());
    for (int f = 1; f < num; f++) {
        if (change[f] < least)
            continue;
        std::vector<float> near;
        for (int g = std::max(1, f - around); g <= std::min(num - 1, f + around); g++)
            if (g != f)
                near.push_back(change[g]);
        if (near.empty())
            continue;
        // the upper quartile tolerates a second cut, or a flash, nearby
        auto at = near.begin() + near.size() * 3 / 4;
        std::nth_element(near.begin(), at, near.end());
        if (change[f] > ratio * *at)
            cuts.push_back(f);
    }
    return cuts;
}

} // namespace mardini::train
