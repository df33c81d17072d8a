// Metrics of an 8-bit plane, by itself or against the true one. Sums are of double precision.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

namespace mardini::eval {

/// 8-bit samples, owned by the caller.
struct PlaneView {
    const uint8_t *data;
    ptrdiff_t stride; ///< bytes from a line to the next
    int width, height;
};

/// Mean squared difference, codes^2. Both planes are of one size here and below.
double mean_squared_error(const PlaneView &plane, const PlaneView &truth);

/// dB of a peak of 255; infinite for 0.
double psnr(double mean_squared_error);

/// The same, 100 at most, for means over frames some of which equal the true ones.
double bounded_psnr(double mean_squared_error);

/// Structural similarity (Wang et al. 2004): Gaussian window 11x11 of sigma 1.5, K1 .01, K2 .03, L
/// 255, mean over the places where the window lies inside. Sides of 11 and more.
double ssim(const PlaneView &plane, const PlaneView &truth);

/// Mean and standard deviation of the samples, codes.
std::pair<double, double> mean_and_contrast(const PlaneView &plane);

/// Mean length of the gradient, central differences of the inner pixels, codes a pixel.
double gradient(const PlaneView &plane);

/// Root mean square of (a - b - c + d) / 4 over all squares "a b / c d" of neighbouring pixels,
/// codes: the amplitude at half the sampling frequency across and down. A checkerboard of 128 +- n
/// has n. Sides of 2 and more.
double checkerboard(const PlaneView &plane);

/// Mean |(plane1 - plane0) - (truth1 - truth0)|, codes: the error of the change from a frame to the
/// next.
double temporal_error(const PlaneView &plane0, const PlaneView &plane1, const PlaneView &truth0,
                      const PlaneView &truth1);

} // namespace mardini::eval
