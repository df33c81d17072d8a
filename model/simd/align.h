// Alignment on the processor: what align() of network/align.h computes by tensors, in loops of our
// own. A test holds both to each other.
#pragma once

#include "simd/plane.h"

#include <array>

namespace mardini {

/// The constants of alignment, for every implementation of it. A cell is 2x2 samples of a scale.
namespace alignment {

struct Scale {
    int size, num_steps; ///< one sample is size x size luma pixels
};
constexpr Scale scales[] = {{4, 2}, {2, 1}, {1, 1}}; ///< coarse to fine

constexpr float lambda = 4;       ///< codes of 8 bits squared: where luma is flat nothing moves
constexpr float sigma = 16;       ///< codes: a larger difference comes from another object
constexpr float longest_step = 1; ///< samples of the scale
constexpr int window_radius = 2, mean_radius = 4, smoothing_radius = 1,
              residual_radius = 2; ///< cells

} // namespace alignment

/// Luma of a given frame at 1/1, 1/2 and 1/4. A sample times the plane's scale, plus its offset, is
/// a code of 8 bits less 128.
struct LumaPyramid {
    std::array<Plane, 3> levels;
};

/// From a plane of luma, height and width multiples of 4. Level 0 shares a plane of integers;
/// floats, and the other levels, are kept to 1/128 code, within -256 .. 256 codes.
LumaPyramid make_pyramid(const Plane &luma);

/// From the four luma channels of a packed frame, -1 .. 1: (4,h,w) contiguous.
LumaPyramid make_pyramid(const float *packed, int64_t h, int64_t w);

/// Alignment of one masked frame. h, w: half of the luma size, multiples of 16. All arrays are
/// contiguous and the caller's.
struct AlignmentJob {
    const LumaPyramid *before, *after;
    const float *to_before, *to_after;     ///< (2,h,w) displacement, luma pixels, order x y
    const float *both_see;                 ///< (h,w) 0 .. 1, both_see() below
    float distance_before, distance_after; ///< signed, in gaps
    float *correction;                     ///< (2,h,w) out, as in network/align.h
    float *residual_before;                ///< (h/2,w/2) out
    float *residual_after;                 ///< (h/2,w/2) out
};

void align_frame(const AlignmentJob &job);

/// How far both given frames show a pixel: twice the smaller of the weights of the two warped
/// frames over their sum.
///   visibility  (4,n) logits of the candidates
///   prior       logits that the distances give to the frame before and to the one after
///   out         (n); n a multiple of 16
void both_see(const float *visibility, const float prior[2], int64_t n, float *out);

} // namespace mardini
