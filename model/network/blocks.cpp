// Layers that the networks share: convolutions, attention, warping.
#include "network/blocks.h"

#include "simd/matching.h"

#include <torch/csrc/autograd/custom_function.h>

#include <cmath>

namespace mardini {

namespace F = torch::nn::functional;

Tensor act(const Tensor &x)
{
    return at::leaky_relu(x, 0.2);
}

torch::nn::Conv2d conv(int in, int out, int stride, int kernel)
{
    return torch::nn::Conv2d(
        torch::nn::Conv2dOptions(in, out, kernel).stride(stride).padding(kernel / 2));
}

template <class Module>
static Module zeroed(Module module)
{
    torch::NoGradGuard no_grad;
    module->weight.zero_();
    module->bias.zero_();
    return module;
}

torch::nn::Conv2d zero_conv(int in, int out, int kernel)
{
    return zeroed(conv(in, out, 1, kernel));
}

Tensor resize(const Tensor &x, int64_t H, int64_t W)
{
    if (x.size(2) == H && x.size(3) == W)
        return x;
    return at::upsample_bilinear2d(x, {H, W}, false);
}

Tensor double_size(const Tensor &x)
{
    return resize(x, 2 * x.size(2), 2 * x.size(3));
}

Tensor reduce(const Tensor &packed, int r)
{
    if (r == 1)
        return packed;
    // Luma is pooled at its own size, so that the four samples of the small frame lie where they
    // belong.
    Tensor luma = at::avg_pool2d(at::pixel_shuffle(packed.slice(1, 0, 4), 2), {r, r});
    return at::cat({at::pixel_unshuffle(luma, 2), at::avg_pool2d(packed.slice(1, 4, 6), {r, r})},
                   1);
}

/// Pixel coordinates (1,2,rows,W) of rows from first_row on, order x y.
static Tensor pixel_grid(int64_t first_row, int64_t rows, int64_t W, const torch::Device &device)
{
    auto options = torch::TensorOptions().device(device).dtype(torch::kFloat32);
    Tensor y = at::arange(first_row, first_row + rows, options)
                   .view({1, 1, rows, 1})
                   .expand({1, 1, rows, W});
    Tensor x = at::arange(W, options).view({1, 1, 1, W}).expand({1, 1, rows, W});
    return at::cat({x, y}, 1);
}

Tensor warp(const Tensor &x, const Tensor &flow, Sampling sampling, int64_t first_row)
{
    const int64_t H = x.size(2), W = x.size(3);
    if (sampling == Sampling::Bilinear && first_row == 0 && flow.size(2) == H &&
        search_is_possible(x))
        return warp_bilinear(x, flow);
    // Half-precision coordinates would break sub-pixel sampling: float32 whatever the features are.
    Tensor p = pixel_grid(first_row, flow.size(2), W, x.device()) + flow.to(torch::kFloat32);
    // Filled on the device: a constant from the host would make a GPU wait.
    auto filled = [&](int64_t size) {
        return at::full({1, 1, 1, 1}, 2.0 / static_cast<double>(std::max<int64_t>(size - 1, 1)),
                        p.options());
    };
    Tensor scale = at::cat({filled(W), filled(H)}, 1);
    Tensor grid = (p * scale - 1).permute({0, 2, 3, 1});
    const int mode = sampling == Sampling::Bicubic ? 2 : 0, border = 1;
    return at::grid_sampler_2d(x.to(torch::kFloat32), grid, mode, border, /*align_corners=*/true);
}

Tensor out_of_frame(const Tensor &flow, int64_t H, int64_t first_row)
{
    const int64_t W = flow.size(3);
    Tensor p = pixel_grid(first_row, flow.size(2), W, flow.device()) + flow.detach();
    Tensor x = p.slice(1, 0, 1), y = p.slice(1, 1, 2);
    return ((x < -0.5) | (x > W - 0.5) | (y < -0.5) | (y > H - 0.5)).to(torch::kFloat32);
}

static Tensor normalized(const Tensor &x)
{
    return x / x.norm(2, {1}, true).clamp_min(1e-6);
}

/// Correlation of unit vectors with a gradient of its own: recorded shift by shift it would fill
/// and add a whole map for each of them on the way back.
struct Correlation : torch::autograd::Function<Correlation> {
    static Tensor forward(torch::autograd::AutogradContext *context, const Tensor &left,
                          const Tensor &right, int64_t radius)
    {
        context->save_for_backward({left, right});
        context->saved_data["radius"] = radius;
        const int64_t h = left.size(2), w = left.size(3), n = 2 * radius + 1;
        Tensor padded = at::constant_pad_nd(right, {radius, radius, radius, radius});
        std::vector<Tensor> shifts;
        shifts.reserve(n * n);
        for (int64_t i = 0; i < n; i++)
            for (int64_t j = 0; j < n; j++)
                shifts.push_back((left * padded.slice(2, i, i + h).slice(3, j, j + w)).sum(1));
        return at::stack(shifts, 1);
    }

    static torch::autograd::variable_list backward(torch::autograd::AutogradContext *context,
                                                   torch::autograd::variable_list outer)
    {
        const auto saved = context->get_saved_variables();
        const Tensor &left = saved[0], &right = saved[1];
        const int64_t radius = context->saved_data["radius"].toInt(), h = left.size(2),
                      w = left.size(3);
        const int64_t n = 2 * radius + 1;
        Tensor padded = at::constant_pad_nd(right, {radius, radius, radius, radius});
        Tensor of_left = at::zeros_like(left), of_padded = at::zeros_like(padded);
        for (int64_t i = 0; i < n; i++)
            for (int64_t j = 0; j < n; j++) {
                Tensor g = outer[0].slice(1, i * n + j, i * n + j + 1);
                auto there = [&](const Tensor &x) {
                    return x.slice(2, i, i + h).slice(3, j, j + w);
                };
                of_left.addcmul_(there(padded), g);
                there(of_padded).addcmul_(left, g);
            }
        return {of_left, of_padded.slice(2, radius, radius + h).slice(3, radius, radius + w),
                Tensor()};
    }
};

Tensor cost_volume(const Tensor &a, const Tensor &b, int radius)
{
    if (search_is_possible(a))
        return correlate(a, b, radius);
    return Correlation::apply(normalized(a.to(torch::kFloat32)), normalized(b.to(torch::kFloat32)),
                              static_cast<int64_t>(radius));
}

ResBlockImpl::ResBlockImpl(int channels)
{
    a = register_module("a", conv(channels, channels));
    b = register_module("b", conv(channels, channels));
}

Tensor ResBlockImpl::forward(const Tensor &x)
{
    return x + b(act(a(act(x))));
}

Rotation rotation(const Tensor &position, int head_dim)
{
    const int64_t pairs = head_dim / 2, third = pairs / 3;
    const int64_t count[3] = {pairs - 2 * third, third, third};
    const double shortest[3] = {2, 3, 3}, longest = 64;
    std::vector<Tensor> angles;
    for (int i = 0; i < 3; i++) {
        Tensor period =
            at::linspace(std::log(shortest[i]), std::log(longest), count[i], position.options())
                .exp();
        angles.push_back(position.slice(2, i, i + 1) * (2 * M_PI / period));
    }
    Tensor angle = at::cat(angles, 2).unsqueeze(1);
    return {angle.cos(), angle.sin()};
}

Tensor rope(const Tensor &x, const Rotation &r)
{
    const int64_t pairs = x.size(3) / 2;
    Tensor x1 = x.slice(3, 0, pairs), x2 = x.slice(3, pairs), c = r.cosine.to(x.dtype()),
           s = r.sine.to(x.dtype());
    return at::cat({x1 * c - x2 * s, x1 * s + x2 * c}, 3);
}

Tensor token_positions(const Tensor &times, int64_t rows, int64_t columns)
{
    const int64_t B = times.size(0), F = times.size(1), N = rows * columns;
    auto options = times.options();
    Tensor t = times.view({B, F, 1, 1}).expand({B, F, rows, columns});
    Tensor y = at::arange(rows, options).view({1, 1, rows, 1}).expand({B, F, rows, columns});
    Tensor x = at::arange(columns, options).view({1, 1, 1, columns}).expand({B, F, rows, columns});
    return at::stack({t, y, x}, -1).reshape({B, F * N, 3});
}

Tensor waves(const Tensor &x, const std::vector<double> &frequencies)
{
    std::vector<Tensor> w;
    for (double k : frequencies) {
        w.push_back(at::sin(x * (k * M_PI)));
        w.push_back(at::cos(x * (k * M_PI)));
    }
    return at::stack(w, 1);
}

BlockImpl::BlockImpl(int width, int head_dim) : head_dim_(head_dim)
{
    using torch::nn::LayerNormOptions;
    norm1 = register_module("norm1", torch::nn::LayerNorm(LayerNormOptions({width})));
    norm2 = register_module("norm2", torch::nn::LayerNorm(LayerNormOptions({width})));
    norm_q = register_module("norm_q", torch::nn::LayerNorm(LayerNormOptions({head_dim})));
    norm_k = register_module("norm_k", torch::nn::LayerNorm(LayerNormOptions({head_dim})));
    qkv = register_module("qkv", torch::nn::Linear(width, 3 * width));
    out = register_module("out", zeroed(torch::nn::Linear(width, width)));
    mlp1 = register_module("mlp1", torch::nn::Linear(width, 4 * width));
    mlp2 = register_module("mlp2", zeroed(torch::nn::Linear(4 * width, width)));
}

BlockImpl::Heads BlockImpl::heads(const Tensor &x, const Rotation &rotation)
{
    const int64_t B = x.size(0), N = x.size(1), D = x.size(2);
    auto parts = qkv(norm1(x))
                     .reshape({B, N, 3, D / head_dim_, head_dim_})
                     .permute({2, 0, 3, 1, 4})
                     .unbind(0);
    Tensor v = parts[2];
    // LayerNorm may return float32 under autocast; attention wants one dtype.
    return {rope(norm_q(parts[0]), rotation).to(v.dtype()),
            rope(norm_k(parts[1]), rotation).to(v.dtype()), v};
}

Tensor BlockImpl::add_attention_and_mlp(Tensor x, const Tensor &attended)
{
    x = x + out(attended.transpose(1, 2).flatten(2));
    return x + mlp2(at::gelu(mlp1(norm2(x))));
}

std::pair<Tensor, BlockImpl::KvCache> BlockImpl::encode_references(Tensor references,
                                                                   const Rotation &rope, bool last)
{
    Heads r = heads(references, rope);
    if (!last)
        references =
            add_attention_and_mlp(references, at::scaled_dot_product_attention(r.q, r.k, r.v));
    return {references, {r.k, r.v}};
}

Tensor BlockImpl::attend(Tensor masked, const KvCache &cache, const Rotation &rope, int64_t M)
{
    const Heads m = heads(masked, rope);
    const int64_t B = masked.size(0), N = masked.size(1) / M;
    // (B,heads,M*N,e) -> (B*M,heads,N,e): each masked frame with its own copy of the references
    auto split = [&](const Tensor &x) {
        return x.unflatten(2, {M, N}).transpose(1, 2).flatten(0, 1);
    };
    auto with = [&](const Tensor &references, const Tensor &own) {
        return at::cat({references.repeat_interleave(M, 0), split(own)}, 2);
    };
    Tensor attended =
        at::scaled_dot_product_attention(split(m.q), with(cache.k, m.k), with(cache.v, m.v));
    return add_attention_and_mlp(masked,
                                 attended.unflatten(0, {B, M}).transpose(1, 2).flatten(2, 3));
}

std::pair<Tensor, Tensor> BlockImpl::forward(Tensor references, Tensor masked,
                                             const Rotation &rope_references,
                                             const Rotation &rope_masked, bool last)
{
    Heads r = heads(references, rope_references); // (B,heads,N,e)
    Heads m = heads(masked, rope_masked);         // (B,heads,M*N,e)
    masked =
        add_attention_and_mlp(masked, at::scaled_dot_product_attention(m.q, at::cat({r.k, m.k}, 2),
                                                                       at::cat({r.v, m.v}, 2)));
    if (!last)
        references =
            add_attention_and_mlp(references, at::scaled_dot_product_attention(r.q, r.k, r.v));
    return {references, masked};
}

} // namespace mardini
