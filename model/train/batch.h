// Windows of frames in the packed planes that the networks work on, and batches of them.
//
// A packed frame is (6,h,w) float32 for a W x H picture, h = H/2, w = W/2:
// channels 0..3 are luma in pixel_unshuffle(2) order (Y00 Y01 Y10 Y11), 4 is Cb,
// 5 is Cr, both 4:2:0. Values are (code - 128) / 128 of an 8-bit code, not
// clamped to the nominal range.
#pragma once

#include "base/constants.h"
#include "train/curriculum.h"

#include <torch/types.h>

namespace mardini::train {

/// R reference and M masked frames, H x W pixels, h x w = H/2 x W/2.
struct Window {
    torch::Tensor references;      ///< (R,6,h,w) float32
    torch::Tensor reference_times; ///< (R) float32, rising, unit of Positions
    torch::Tensor masked;          ///< (M,6,h,w) float32
    torch::Tensor masked_times;    ///< (M) float32
    torch::Tensor pair;            ///< (M,2) int64, into references
    torch::Tensor flow;            ///< (M,2,2,H,W) float32; undefined for real video
    torch::Tensor visible;         ///< (M,2,H,W) float32, 0 or 1; undefined for real video
    // flow[m][k] is (x,y) in luma pixels from a pixel of masked frame m to the same
    // scene point in reference pair[m][k]: masked(p) = reference(p + flow(p)).
    // visible is 1 where that point is seen there, inside the frame.
};

/// A window of these positions with packed frames (R+M,6,h,w), references first; flow and visible
/// undefined.
Window make_window(const Positions &positions, const torch::Tensor &frames);

/// B windows: the fields of Window with a leading B.
struct Batch {
    torch::Tensor references, reference_times, masked, masked_times, pair, flow, visible;
    int reduction = 1;           ///< motion is found on frames that are this many times smaller
    Stage stage = Stage::Motion; ///< which loss the batch is for
};

/// Stack windows of one shape; flow and visible are undefined unless every window has them.
Batch collate(const std::vector<Window> &windows);

/// Times as the filter gives them to the network: zero at the earlier frame of the first pair, its
/// gap `gap_positions`. Times of a single reference frame stay. Changes both fields of times.
void to_filter_times(Batch &batch);

/// How a window is mirrored. Applied in the order of the fields.
struct Orientation {
    bool flip_x = false;
    bool flip_y = false;
    bool transpose = false; ///< square frames only
    bool reverse = false;   ///< time: t -> first + last - t, frames re-sorted
};

/// Mirror frames, times, pairs, flow and visibility together.
Window orient(const Window &window, const Orientation &orientation);

/// Y'CbCr at full size <-> packed. Chroma is the mean of 2x2 pixels going in and
/// repeated coming out; luma is exact both ways.
///   picture (...,3,H,W) float32    packed (...,6,H/2,W/2) float32
torch::Tensor pack_planes(const torch::Tensor &picture);
torch::Tensor unpack_planes(const torch::Tensor &packed);

} // namespace mardini::train
