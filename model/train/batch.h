// What the trainer's data sources hand over: one window of frames, given and
// masked, in the packed planes the networks work on.
//   in   times of the window's frames
//   out  packed frames; for synthetic motion also exact flow and visibility
//
// A packed frame is (6,h,w) float32 for a W x H picture, h = H/2, w = W/2:
// channels 0..3 are luma in pixel_unshuffle(2) order (Y00 Y01 Y10 Y11), 4 is Cb,
// 5 is Cr, both 4:2:0. Values are (code - 128) / 128 of an 8-bit code, not
// clamped to the nominal range.
#pragma once

#include <torch/types.h>

#include <array>
#include <vector>

namespace mardini::train {

/// Which instants a window has. Any unit; the real clips want whole numbers.
struct Positions {
    std::vector<double> given;            // rising
    std::vector<double> masked;           // any order
    std::vector<std::array<int, 2>> pair; // per masked: its two references, into given
};

/// The two references of every masked time, as in window.h, earlier one first; {0,0} where
/// only one frame is given. `given` must rise and not be empty.
std::vector<std::array<int, 2>> choose_pairs(const std::vector<double> &given,
                                             const std::vector<double> &masked);

/// One window. R given and M masked frames, H x W pixels, h x w = H/2 x W/2.
struct Sample {
    torch::Tensor given;        // (R,6,h,w) float32
    torch::Tensor given_times;  // (R) float32, rising, unit of Positions
    torch::Tensor masked;       // (M,6,h,w) float32
    torch::Tensor masked_times; // (M) float32
    torch::Tensor pair;         // (M,2) int64, into given
    torch::Tensor flow;         // (M,2,2,H,W) float32: see below; undefined for real video
    torch::Tensor visible;      // (M,2,H,W) float32, 0 or 1; undefined for real video
    // flow[m][k] is (x,y) in luma pixels from a pixel of masked frame m to the same
    // scene point in reference pair[m][k]: masked(p) = reference(p + flow(p)).
    // visible is 1 where that point is seen there, inside the frame.
};

/// The same with a leading B; flow and visible undefined unless every sample has them.
struct Batch {
    torch::Tensor given, given_times, masked, masked_times, pair, flow, visible;
    int reduction =
        1; // motion is found on frames so many times smaller, as the filter does with large ones
};

/// Stack samples of one shape.
Batch collate(const std::vector<Sample> &samples);

/// How a window may be turned without ceasing to be a plausible one. Applied in
/// the order of the fields.
struct Orientation {
    bool flip_x = false;
    bool flip_y = false;
    bool transpose = false; // square frames only
    bool reverse = false;   // time: t -> first + last - t, frames re-sorted
};

/// Turn frames, times, pairs, flow and visibility together.
Sample orient(const Sample &sample, const Orientation &orientation);

/// Y'CbCr at full size <-> packed. Chroma is the mean of 2x2 pixels going in and
/// repeated coming out; luma is exact both ways.
///   picture (...,3,H,W) float32    packed (...,6,H/2,W/2) float32
torch::Tensor pack_planes(const torch::Tensor &picture);
torch::Tensor unpack_planes(const torch::Tensor &packed);

} // namespace mardini::train
