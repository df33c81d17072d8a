// Motion around a single reference frame: sampled once, read at any time of the window.
#pragma once

#include "network/network.h"

#include <array>

namespace mardini {

/// The caller's settings of sampled motion.
struct MotionRequest {
    double amount = 1;         ///< in hundredths of the shorter side a position; 0: nothing moves
    int camera = 0;            ///< MardiniCamera
    int64_t seed = 0, key = 0; ///< of the noise
};

/// Velocity around a reference frame at the window's key positions.
struct SampledMotion {
    std::vector<double> times; ///< of the key positions, from the reference frame, rising
    Tensor velocity; ///< (K,2,h,w) float32, luma pixels of the packed frame it was sampled for, a
                     ///< position
    std::array<double, 2> cell = {
        16, 16}; ///< pixels of that frame from one of its values to the next, across and down
};

/// Sample the motion of a whole window of 17 positions around the frame at `anchor` (0 .. 16). The
/// result depends on the frame, the anchor and the request alone.
///   packed         (1,6,h,w), h and w multiples of 16
///   height, width  of the picture in it, luma; the rest is padding on the right and below
SampledMotion sample_motion(Network &network, const Tensor &packed, int64_t height, int64_t width,
                            double anchor, const MotionRequest &request);

/// The motion at one time, counted from the reference frame, on a grid of h x w. Velocity is
/// interpolated between key positions and constant beyond the outermost ones. (1,.,h,w)
Motion motion_at(const SampledMotion &motion, double time, int64_t h, int64_t w);

/// Motion of this velocity (N,2,h,w), warped candidates only, of a fixed uncertainty.
Motion motion_of_velocity(const Tensor &velocity);

/// Replace the camera's part of a sampled motion: pan, zoom and roll, which are fitted by least
/// squares. The rest, objects in the picture, stays. Each zoom is by the same factor a position, so
/// that the picture never turns inside out; a roll keeps its size.
///   camera         MardiniCamera
///   speed          root mean square of the new part at first, luma pixels a position
///   height, width  of the picture, luma pixels: zoom and roll have its middle for centre
void set_camera(SampledMotion &motion, int camera, double speed, int64_t height, int64_t width);

/// The reference frame at another time, warped by the motion, and its uncertainty: large beyond the
/// frame's border and where the motion stretches the picture. The denoiser repaints those places.
///   given          (N,6,h,w) packed
///   height, width  of the picture in it, luma; the rest is padding on the right and below
///   motion         (N,.,h,w), from the masked frames to that frame
///   hidden         channels of Refined::hidden, which is zero
Bridge bridge_of_single_reference(const Tensor &given, int64_t height, int64_t width,
                                  const Motion &motion, const Pairs &pairs, int64_t hidden);

} // namespace mardini
