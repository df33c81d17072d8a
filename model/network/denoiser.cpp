// Bridge denoiser: from the deterministic frame and noise to a sample of what may be there, in one
// step or a few.
#include "network/denoiser.h"

#include <ATen/CPUGeneratorImpl.h>

namespace mardini {

static const std::vector<double> level_waves = {0.25, 0.5, 1, 2}; ///< that describe one level
static constexpr int quarter_channels = 4 * packed_channels;

DenoiserImpl::DenoiserImpl(int hidden_channels, const DenoiserConfig &c)
{
    in = register_module("in", conv(2 * quarter_channels + 4 + hidden_channels, c.channels4));
    when4 = register_module("when4", torch::nn::Linear(2 * level_waves.size(), c.channels4));
    block4a = register_module("block4a", ResBlock(c.channels4));
    down = register_module("down", conv(c.channels4, c.channels8, 2));
    when8 = register_module("when8", torch::nn::Linear(2 * level_waves.size(), c.channels8));
    block8a = register_module("block8a", ResBlock(c.channels8));
    block8b = register_module("block8b", ResBlock(c.channels8));
    up = register_module("up", conv(c.channels8, c.channels4, 1, 1));
    block4b = register_module("block4b", ResBlock(c.channels4));
    out = register_module("out", zero_conv(c.channels4, quarter_channels));
}

Tensor DenoiserImpl::forward(const Bridge &b, const Tensor &noisy, const Tensor &level)
{
    auto quarter = [](const Tensor &packed) { return at::pixel_unshuffle(packed, 2); };
    auto row = [](const Tensor &x) { return x.unsqueeze(2).unsqueeze(3); };
    // The offset in units of the expected error: of one size whatever the error is.
    Tensor offset = (noisy - b.estimate) / (b.uncertainty + 1e-2);
    Tensor hidden = resize(b.hidden.to(torch::kFloat32), noisy.size(2) / 2, noisy.size(3) / 2);
    Tensor w = waves(level.flatten(), level_waves);
    Tensor x =
        in(at::cat({quarter(offset), quarter(b.estimate), 8 * quarter(b.uncertainty), hidden}, 1));
    x = block4a(x + row(when4(w)));
    Tensor y = down(act(x));
    y = block8b(block8a(y + row(when8(w))));
    x = block4b(x + double_size(up(act(y))));
    return b.estimate + b.uncertainty * at::pixel_shuffle(out(act(x)).to(torch::kFloat32), 2);
}

Tensor DenoiserImpl::sample(const Bridge &b, const Tensor &noise, int steps)
{
    const Tensor one = at::ones({b.estimate.size(0), 1, 1, 1}, b.uncertainty.options());
    Tensor x = b.estimate + b.uncertainty * noise, truth;
    double level = 1;
    for (int i = 0; i < steps; i++, level /= 2) {
        truth = forward(b, x, level * one);
        x = truth + 0.5 * (x - truth); // x_s for half the level
    }
    return truth;
}

bool DenoiserImpl::is_trained() const
{
    torch::NoGradGuard no_grad;
    return out->weight.any().item<bool>();
}

Tensor gap_noise(int64_t seed, int64_t key, int64_t channels, int64_t h, int64_t w)
{
    // splitmix64 over both names: neighbours in either have nothing in common.
    uint64_t z = static_cast<uint64_t>(seed) * 0x9e3779b97f4a7c15u + static_cast<uint64_t>(key);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    auto generator = at::make_generator<at::CPUGeneratorImpl>(z ^ (z >> 31));
    return at::randn({1, channels, h, w}, generator);
}

/// Cells of noise beyond each border, for what comes into the picture: a quarter of its longer
/// side, of a strip less.
static int64_t noise_beyond(int64_t h, int64_t w)
{
    return std::min(std::max(h, w) / 4, 64 + std::min(h, w) / 4);
}

int64_t bytes_of_noise(int64_t h, int64_t w)
{
    const int64_t beyond = noise_beyond(h, w), cells = (h + 2 * beyond) * (w + 2 * beyond);
    return 4 * cells *
           (2 * packed_channels + 4); // it, its warp, and the places it is warped to, twice
}

Tensor carry_noise(int64_t seed, int64_t key, const Tensor &displacement)
{
    const int64_t h = displacement.size(2), w = displacement.size(3), beyond = noise_beyond(h, w);
    const Tensor noise = gap_noise(seed, key, packed_channels, h + 2 * beyond, w + 2 * beyond)
                             .to(displacement.device());
    const Tensor wide = at::replication_pad2d(displacement / 2, {beyond, beyond, beyond, beyond});
    // The nearest sample: a mean of neighbours would be weaker noise.
    return warp(noise, wide.round()).slice(2, beyond, beyond + h).slice(3, beyond, beyond + w);
}

} // namespace mardini
