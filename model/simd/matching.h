// The inner loops of matching and refinement on the processor, where no gradient is wanted: what
// blocks.h and encoder.h compute there through LibTorch's operations, in fewer passes over memory.
// A test holds both to each other.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

namespace mardini {

/// True if the functions below can stand in: on the processor, no gradient recorded.
bool search_is_possible(const at::Tensor &x);

/// cost_volume() of blocks.h. a, b (N,C,h,w) any float -> (N,(2*radius+1)^2,h,w) float32
at::Tensor correlate(const at::Tensor &a, const at::Tensor &b, int radius);

/// Bilinear warp() of blocks.h. x (N,C,H,W) any float, flow (N,2,H,W) float32 -> (N,C,H,W) float32
at::Tensor warp_bilinear(const at::Tensor &x, const at::Tensor &flow);

/// Mean over the channels of |a - b|. a, b (N,C,h,w) any float -> (N,1,h,w) float32
at::Tensor mean_distance(const at::Tensor &a, const at::Tensor &b);

/// A convolution's input put together in one pass: (1,.,h,w) each, any float -> (1,sum,h,w) of
/// `type`, float32 or bfloat16, channels innermost.
at::Tensor join_channels(const std::vector<at::Tensor> &parts, at::ScalarType type);

/// What all pairs of the cells of two maps say, with logits left right^T, averaged over pairs
/// around that lie alike, less penalty * distance in cells.
struct Searched {
    at::Tensor there,
        back; ///< (cells) int64: the best of the other map's cells, for each of a; for each of b
    // Undefined unless asked for:
    at::Tensor forward,
        backward; ///< (2,cells) float32: mean cell around the best by softmax, order x y
    at::Tensor sure_there,
        sure_back; ///< (cells) float32: sum over the others of both directions' softmax multiplied
};

///   left, right  (h*w,K) of one type, float32 or bfloat16
///   support      cells on either side that a pair's product is averaged over, displaced alike; 0:
///   none rows         of cells that a match may lie above or below reach        cells around the
///   best that the mean takes in; -1: only the best are wanted
Searched search_cells(const at::Tensor &left, const at::Tensor &right, int64_t h, int64_t w,
                      int support, double penalty, int rows, int reach);

} // namespace mardini
