// Figures of a picture against the true one, and of a list of numbers against another.
//   in   8-bit planes
//   out  numbers
// All sums in double precision, so that figures of other programs are met to 0.01 dB.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace mardini::eval {

/// 8-bit samples, the caller's.
struct Plane {
    const uint8_t *data;
    ptrdiff_t stride; ///< bytes from a line to the next
    int width, height;
};

/// Mean squared difference, codes^2. Both of one size, as in all that follow.
double mean_squared_error(const Plane &made, const Plane &truth);

/// dB of a peak of 255; infinite for 0.
double psnr(double mean_squared_error);

/// The same, 100 at most: for means over frames of which some may be equal.
double bounded_psnr(double mean_squared_error);

/// Structural similarity (Wang et al. 2004): Gaussian window 11x11 of sigma 1.5, K1 .01, K2 .03, L
/// 255, mean over the places where the window lies inside. Sides of 11 and more.
double ssim(const Plane &made, const Plane &truth);

/// Mean length of the gradient, central differences of the inner pixels, codes a pixel.
double gradient(const Plane &plane);

/// Mean |(made1 - made0) - (truth1 - truth0)|, codes: 0 when what changes from a frame to the next
/// is the truth's.
double temporal_error(const Plane &made0, const Plane &made1, const Plane &truth0,
                      const Plane &truth1);

/// Spearman's rank correlation, -1 .. 1; equal values share their mean rank. NaN for fewer than two
/// values or if all values of a side are equal. Infinite values rank as such.
double rank_correlation(const std::vector<double> &a, const std::vector<double> &b);

} // namespace mardini::eval
