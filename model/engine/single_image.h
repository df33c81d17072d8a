// Motion around one given frame: sampled, steered, and read at any time of the window.
#pragma once

#include "network/network.h"

#include <array>

namespace mardini {

/// What the caller asks of motion that nothing determines.
struct MotionRequest {
    double amount = 1; ///< times the usual, a hundredth of the picture's shorter side a position;
                       ///< 0: nothing moves
    int camera = 0;    ///< MardiniCamera
    int64_t seed = 0, key = 0; ///< the sample's name
};

/// Velocity around a given frame at the window's key positions.
struct SampledMotion {
    std::vector<double> times; ///< of the key positions, from the given frame, rising
    Tensor velocity; ///< (K,2,h,w) float32, luma pixels of the packed frame it was sampled for, a
                     ///< position
    std::array<double, 2> cell = {
        16, 16}; ///< pixels of that frame from one of its values to the next, across and down
};

/// Sample the motion of a whole window of 17 positions from the frame given at `anchor` (0 .. 16).
/// The same for the same frame, anchor and wish, whatever else is made.
///   packed         (1,6,h,w), h and w multiples of 16
///   height, width  of the picture in it, luma; the rest is padding on the right and below
SampledMotion sample_motion(Network &network, const Tensor &packed, int64_t height, int64_t width,
                            double anchor, const MotionRequest &wish);

/// The motion at one time, from the given frame, on a grid of h x w; both given frames of its pair
/// are that one. Velocity between key positions is interpolated, and beyond the outermost ones
/// kept. (1,.,h,w)
Motion motion_at(const SampledMotion &drift, double time, int64_t h, int64_t w);

/// Velocity (N,2,h,w) and nothing else.
Motion motion_alone(const Tensor &velocity);

/// Take the camera's part out of a drift and put another in its place: pan, zoom and roll are what
/// a regular grid's least squares finds, the rest is of what moves in the picture. A zoom is the
/// same from each position to the next, so it never turns the picture inside out; a roll turns it
/// and keeps its size.
///   camera         MardiniCamera
///   speed          root mean square of the new part at first, luma pixels a position
///   height, width  of the picture, luma pixels: zoom and roll have its middle for centre
void steer(SampledMotion &drift, int camera, double speed, int64_t height, int64_t width);

/// What one given frame shows at another time, its motion known, and how little it shows there:
/// nothing beyond its border, and less of what the motion pulls apart. The denoiser paints those
/// places and leaves the rest as it is.
///   given          (N,6,h,w) packed
///   height, width  of the picture in it, luma; the rest is padding on the right and below
///   motion         (N,.,h,w), from the masked frames to it
///   hidden         channels of Refined::hidden, of which nothing is known
Bridge bridge_alone(const Tensor &given, int64_t height, int64_t width, const Motion &motion,
                    const Pairs &pairs, int64_t hidden);

} // namespace mardini
