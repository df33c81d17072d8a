// How much a video changes from frame to frame, and where it is cut.
#pragma once

#include <cstdint>
#include <vector>

namespace mardini::train {

/// Side of the squares of pixels over which motion is measured.
constexpr int motion_block = 32;

/// Measures a video frame by frame against the frame before.
class MotionMeter {
public:
    MotionMeter(int width, int height);

    /// The next frame's luma, width x height without padding.
    void add(const uint8_t *luma);

    std::vector<uint8_t> motion; ///< frames x blocks: mean change in codes, times 4, at most 255
    std::vector<float> change;   ///< per frame: mean change of a coarse picture, in codes

private:
    std::vector<float> shrunk(const uint8_t *luma) const;
    float coarse_change(const std::vector<float> &small) const;

    static constexpr int cell = 4;
    int width_, blocks_x_, blocks_y_, small_width_, small_height_;
    std::vector<float> last_; ///< the frame before, shrunk
};

/// First frames of new shots: `change` is large, and far larger than around them.
std::vector<int> find_cuts(const std::vector<float> &change);

} // namespace mardini::train
