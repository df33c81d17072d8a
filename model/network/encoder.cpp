// Given frames -> features at 1/4 and 1/8, and the global matches between two of them.
#include "network/encoder.h"

#include "simd/matching.h"

#include <ATen/autocast_mode.h>

namespace mardini {

// Patch matching, found by search on a prototype: 48-pixel luma patches sampled at 1/4, every 8
// pixels.
static constexpr int patch = 12;
static constexpr double temperature = 0.05;     ///< of the softmax over cells
static constexpr double distance_penalty = 0.2; ///< logits a cell: near matches are likelier
static constexpr int match_rows =
    16; ///< of cells: nothing is looked for more than 128 pixels above or below
static constexpr int match_support = 2; ///< cells on either side that say where a match lies
static constexpr int match_reach = 2;   ///< cells around the best match that refine where it lies
static constexpr double texture_floor =
    0.1; ///< a patch flatter than this is not blown up to unit length

/// packed (N,6,H/2,W/2) -> (N,144,H/8,W/8): luma patches, mean removed, unit length unless flat.
static Tensor patch_descriptor(const Tensor &packed)
{
    Tensor luma = at::avg_pool2d(packed.slice(1, 0, 4).to(torch::kFloat32).mean(1, true), {2, 2});
    const int64_t h = luma.size(2) / 2, w = luma.size(3) / 2;
    Tensor patches = at::im2col(at::replication_pad2d(luma, {5, 5, 5, 5}), {patch, patch}, {1, 1},
                                {0, 0}, {2, 2});
    patches = patches - patches.mean(1, true);
    patches = patches / (patches.norm(2, {1}, true) + texture_floor);
    return patches.view({packed.size(0), patch * patch, h, w});
}

EncoderImpl::EncoderImpl(const EncoderConfig &c)
{
    half = register_module("half", conv(packed_channels, c.channels2));
    quarter1 = register_module("quarter1", conv(c.channels2, c.channels4, 2));
    quarter2 = register_module("quarter2", conv(c.channels4, c.channels4));
    eighth1 = register_module("eighth1", conv(c.channels4, c.channels8, 2));
    eighth2 = register_module("eighth2", conv(c.channels8, c.channels8));
    eighth3 = register_module("eighth3", conv(c.channels8, c.channels8));
    match1 = register_module("match1", conv(c.channels8, c.match));
    match_scale = register_parameter("match_scale", torch::zeros({}));
}

Features EncoderImpl::forward(const Tensor &packed)
{
    Features f;
    Tensor x = act(half(packed));
    f.quarter = act(quarter2(act(quarter1(x))));
    x = act(eighth2(act(eighth1(f.quarter))));
    f.eighth = x + act(eighth3(x));
    {
        torch::NoGradGuard no_grad;
        f.descriptor = patch_descriptor(packed);
        f.brightness =
            at::avg_pool2d(packed.slice(1, 0, 4).to(torch::kFloat32).mean(1, true), {16, 16});
    }
    Tensor learned = match1(f.eighth).to(torch::kFloat32);
    f.learned = learned / learned.norm(2, {1}, true).clamp_min(1e-3);
    return f;
}

/// Coordinates of the cells of a map, order x y: (2,h*w).
static Tensor cell_grid(const Tensor &map)
{
    const int64_t h = map.size(2), w = map.size(3);
    Tensor y = at::arange(h, map.options()).view({h, 1}).expand({h, w}).flatten();
    Tensor x = at::arange(w, map.options()).view({1, w}).expand({h, w}).flatten();
    return at::stack({x, y});
}

/// What near cells are preferred by, in logits: (1,h*w,h*w).
static Tensor distance_cost(const Tensor &cells)
{
    Tensor y = cells.slice(0, 1, 2), too_far = (y - y.t()).abs() > match_rows;
    return (distance_penalty * at::cdist(cells.t(), cells.t()))
        .masked_fill(too_far, 1e4)
        .unsqueeze(0);
}

/// Mean over the pairs of cells around each that lie alike: what is repeated, or torn by noise, is
/// told apart by what surrounds it. (n,hw,hw)
static Tensor averaged(const Tensor &products, int64_t h, int64_t w)
{
    auto along = [](const Tensor &v, int64_t from, int64_t to, int64_t length) {
        Tensor sum = v.clone(), count = at::ones({length, length}, v.options());
        for (int64_t d = 1; d <= std::min<int64_t>(match_support, length - 1); d++) {
            const int64_t n = length - d;
            auto add = [&](int64_t at, int64_t other) {
                sum.narrow(from, at, n)
                    .narrow(to, at, n)
                    .add_(v.narrow(from, other, n).narrow(to, other, n));
                count.narrow(0, at, n).narrow(1, at, n).add_(1);
            };
            add(0, d);
            add(d, 0);
        }
        std::vector<int64_t> shape(5, 1);
        shape[from] = shape[to] = length;
        return sum / count.view(shape);
    };
    const int64_t n = products.size(0);
    return along(along(products.view({n, h, w, h, w}), 2, 4, w), 1, 3, h)
        .reshape({n, h * w, h * w});
}

/// match() without gradients on the processor: no more than one matrix of all pairs of cells.
static Match searched_match(const Tensor &left, const Tensor &right, int64_t h, int64_t w)
{
    const bool bf16 = at::autocast::is_autocast_enabled(at::kCPU);
    auto ready = [&](const Tensor &x) {
        return x[0].t().to(bf16 ? at::kBFloat16 : at::kFloat).contiguous();
    };
    Searched s = search_cells(ready(left), ready(right), h, w, match_support, distance_penalty,
                              match_rows, match_reach);
    Tensor cells = cell_grid(at::empty({1, 1, h, w}, torch::kFloat32));
    auto displacement = [&](const Tensor &to) { return ((to - cells) * 8).view({1, 2, h, w}); };
    return {displacement(s.forward), displacement(s.backward), s.sure_there.view({1, 1, h, w}),
            s.sure_back.view({1, 1, h, w})};
}

Match EncoderImpl::match(const Features &a, const Features &b)
{
    const int64_t n = a.descriptor.size(0), h = a.descriptor.size(2), w = a.descriptor.size(3);
    Tensor cells = cell_grid(a.descriptor);
    // One product for both parts of the descriptor; float32, whatever autocast wants.
    Tensor left =
        at::cat({a.descriptor.flatten(2) / temperature, a.learned.flatten(2) * match_scale}, 1);
    Tensor right = at::cat({b.descriptor.flatten(2), b.learned.flatten(2)}, 1);
    if (n == 1 && search_is_possible(left))
        return searched_match(left, right, h, w);
    Tensor logits =
        averaged(at::bmm(left.transpose(1, 2), right), h, w) - distance_cost(cells); // (n,hw,hw)
    auto displacement =
        [&](int64_t over) { // expected cell around the best, less one's own, in pixels
            // Over all cells the mean of two good matches would be a place where neither is.
            auto [x, y] = std::pair(cells.slice(0, 0, 1), cells.slice(0, 1, 2)); // (1,hw)
            Tensor best = logits.argmax(over);                                   // (n,hw)
            auto farther = [&](const Tensor &c) {
                Tensor chosen = c.flatten().index_select(0, best.flatten()).view({n, h * w});
                return over == 2 ? (c.unsqueeze(0) - chosen.unsqueeze(2)).abs_() > match_reach
                                 : (c.t().unsqueeze(0) - chosen.unsqueeze(1)).abs_() > match_reach;
            };
            Tensor p = logits.masked_fill(farther(x).logical_or_(farther(y)), -1e9).softmax(over);
            Tensor target =
                over == 2 ? at::matmul(p, cells.t()).transpose(1, 2) : at::matmul(cells, p);
            return ((target - cells) * 8).view({n, 2, h, w});
        };
    Tensor both = logits.softmax(2) * logits.softmax(1); // over b's cells; over a's
    return {displacement(2), displacement(1), both.sum(2).view({n, 1, h, w}),
            both.sum(1).view({n, 1, h, w})};
}

Features select(const Features &f, const Tensor &index)
{
    return {f.quarter.index_select(0, index), f.eighth.index_select(0, index),
            f.descriptor.index_select(0, index), f.learned.index_select(0, index),
            f.brightness.index_select(0, index)};
}

double unlikeness(const Features &a, const Features &b)
{
    Tensor cells = cell_grid(a.descriptor), descriptor = a.descriptor.flatten(2);
    Tensor there, back; // (hw)
    if (search_is_possible(descriptor)) {
        Searched s = search_cells((descriptor[0] / temperature).t().contiguous(),
                                  b.descriptor[0].flatten(1).t().contiguous(), a.descriptor.size(2),
                                  a.descriptor.size(3), 0, distance_penalty, match_rows, -1);
        there = s.there, back = s.back;
    } else {
        Tensor logits = at::bmm(descriptor.transpose(1, 2), b.descriptor.flatten(2)) / temperature -
                        distance_cost(cells);
        there = logits.argmax(2).squeeze(0), back = logits.argmax(1).squeeze(0);
    }
    Tensor returned = cells.index_select(1, back.index_select(0, there));
    Tensor lost = ((returned - cells).abs().amax(0) > 1).to(torch::kFloat32);
    Tensor texture =
        descriptor.square().sum(1).squeeze(0); // near 0 for a flat patch, which says nothing
    const double unmatched = ((lost * texture).sum() / (texture.sum() + 1e-3)).item<double>();
    const double brighter = (a.brightness - b.brightness).abs().mean().item<double>();
    return std::min(1.0, unmatched + 0.5 * brighter);
}

} // namespace mardini
