// Layers that the networks share: convolutions, attention, warping.
#pragma once

#include <torch/nn/functional.h>
#include <torch/nn/modules.h>
#include <torch/nn/pimpl.h>

namespace mardini {

using torch::Tensor;

/// LeakyReLU with slope 0.2, the activation of every convolution.
Tensor act(const Tensor &x);

/// A convolution that keeps the size (stride 1) or halves it (stride 2).
torch::nn::Conv2d conv(int in, int out, int stride = 1, int kernel = 3);

/// The same, starting as the zero function: a residual branch or a correction.
torch::nn::Conv2d zero_conv(int in, int out, int kernel = 3);

/// x (N,C,h,w) -> (N,C,H,W), bilinear, pixel centres aligned.
Tensor resize(const Tensor &x, int64_t H, int64_t W);

/// resize() to twice the size.
Tensor double_size(const Tensor &x);

/// Mean over reduction x reduction of a packed frame: what the planner and the motion stages see.
/// (N,6,h,w)
Tensor reduce(const Tensor &packed, int reduction);

enum class Sampling { Bilinear, Bicubic };

/// Backward warp: out(p) = x(p + flow(p)), coordinates beyond the border take the border's value.
///   x     (N,C,H,W) any float
///   flow  (N,2,rows,W) float32, pixels of x, order x y
///   first_row  row of x that flow's row 0 stands for: a band of the picture may be asked for alone
///   returns (N,C,rows,W) float32
Tensor warp(const Tensor &x, const Tensor &flow, Sampling sampling = Sampling::Bilinear,
            int64_t first_row = 0);

/// 1 where p + flow(p) leaves a picture H high by more than half a pixel. (N,2,rows,W) ->
/// (N,1,rows,W) float32.
Tensor out_of_frame(const Tensor &flow, int64_t H, int64_t first_row = 0);

/// Local correlation of two feature maps, every shift up to `radius`.
///   a, b (N,C,h,w) -> (N,(2*radius+1)^2,h,w), cosine, -1 .. 1
Tensor cost_volume(const Tensor &a, const Tensor &b, int radius);

/// x + conv(act(conv(act(x)))), the second convolution starting at zero.
struct ResBlockImpl : torch::nn::Module {
    explicit ResBlockImpl(int channels);
    Tensor forward(const Tensor &x);
    torch::nn::Conv2d a{nullptr}, b{nullptr};
};
TORCH_MODULE(ResBlock);

/// Angles of the rotary embedding, axial over (t, y, x): each third of a head's pairs turns with
/// one coordinate, at periods from 2 (t) or 3 (y, x) to 64 positions. (B,1,N,head_dim/2) float32
/// each.
struct Rotation {
    Tensor cosine, sine;
};

///   position (B,N,3) float32, continuous
Rotation rotation(const Tensor &position, int head_dim);

///   x (B,heads,N,head_dim)
Tensor rope(const Tensor &x, const Rotation &rotation);

/// Positions of every token of F frames, (B,F*rows*columns,3): time, row, column. times (B,F)
/// float32
Tensor token_positions(const Tensor &times, int64_t rows, int64_t columns);

/// sin and cos of x k pi for each frequency k. (N) float32 -> (N, 2 * frequencies)
Tensor waves(const Tensor &x, const std::vector<double> &frequencies);

/// Pre-norm transformer block with identity attention: tokens of reference frames never attend to
/// masked ones. Query and key are normalised (QK-norm).
struct BlockImpl : torch::nn::Module {
    BlockImpl(int width, int head_dim);

    /// What masked frames attend to in reference frames.
    struct KvCache {
        Tensor k, v; // (.,heads,tokens,head_dim)
    };

    /// Reference frames, each of which attends to itself alone.
    ///   references (F,N,D), rope of their positions
    ///   last       no block follows: the tokens are returned as they were
    ///   returns    their tokens after this block, and their keys and values
    std::pair<Tensor, KvCache> encode_references(Tensor references, const Rotation &rope,
                                                 bool last);

    /// Masked frames, each of which attends to the reference frames and to itself alone: its result
    /// does not depend on what else is synthesized.
    ///   masked (B,M*N,D), rope of their positions; cache (B,heads,R*N,head_dim)
    Tensor attend(Tensor masked, const KvCache &cache, const Rotation &rope, int64_t M);

    /// Both streams; masked frames attend to each other as well.
    ///   references (B,N,D), masked (B,M*N,D), ropes of their positions; last as above
    ///   returns    both, same shapes
    std::pair<Tensor, Tensor> forward(Tensor references, Tensor masked,
                                      const Rotation &rope_references, const Rotation &rope_masked,
                                      bool last);

    torch::nn::LayerNorm norm1{nullptr}, norm2{nullptr}, norm_q{nullptr}, norm_k{nullptr};
    torch::nn::Linear qkv{nullptr}, out{nullptr}, mlp1{nullptr}, mlp2{nullptr};

private:
    struct Heads {
        Tensor q, k, v; // (B,heads,N,head_dim)
    };
    Heads heads(const Tensor &x, const Rotation &rotation);
    /// The residual branches of a block. attended (B,heads,N,head_dim)
    Tensor add_attention_and_mlp(Tensor x, const Tensor &attended);
    int head_dim_;
};
TORCH_MODULE(Block);

} // namespace mardini
