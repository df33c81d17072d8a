// Detail that composing takes away: the mean of two frames that do not quite agree has less of it
// than either.
#include "network/detail.h"

namespace mardini {

/// Mean over 5x5 pixels, twice: a triangle of 9x9.
static Tensor smooth(const Tensor &x)
{
    auto box = [](const Tensor &t) {
        return at::avg_pool2d(t, {5, 5}, {1, 1}, {2, 2}, false, /*count_include_pad=*/false);
    };
    return box(box(x));
}

static Tensor luma(const Tensor &packed)
{
    return at::pixel_shuffle(packed.slice(1, 0, 4), 2);
}

/// fine (N,1,H,W) in values of packed frames -> (N,1,h,w)
static Tensor cell_energy(const Tensor &fine)
{
    return at::avg_pool2d(at::avg_pool2d((128 * fine).square(), {2, 2}), {3, 3}, {1, 1}, {1, 1},
                          false, false);
}

Tensor fine_energy(const Tensor &packed)
{
    const Tensor y = luma(packed);
    return cell_energy(y - smooth(y));
}

Tensor restore_detail(const Tensor &made, const Tensor &before, const Tensor &after,
                      const Motion &motion, const Pairs &pairs, const Candidates &c,
                      const Tensor &logits, double strength)
{
    if (strength <= 0)
        return made;
    auto [da, db] = displacements(motion, pairs);
    const Tensor ea = fine_energy(before), eb = fine_energy(after);
    const Tensor energies = at::cat({warp(ea, da / 2), warp(eb, db / 2), ea, eb}, 1); // (N,4,h,w)
    const Tensor weights = at::avg_pool2d(logits, {2, 2}).softmax(1);                 // (N,4,h,w)
    const Tensor wanted = (energies * weights).sum(1, true);
    const Tensor y = luma(made), fine = y - smooth(y);
    const Tensor gain = ((wanted + 1) / (cell_energy(fine) + 1)).sqrt().clamp(1, 2);
    const Tensor sharper = y + strength * (resize(gain, y.size(2), y.size(3)) - 1) * fine;
    // The range of what is composed: both warped frames, and the composed luma itself where it is
    // more of an unwarped one.
    const Tensor all = at::cat({c.luma.select(1, 0), c.luma.select(1, 1), y}, 1).detach();
    auto widest = [](const Tensor &t) {
        return at::max_pool2d(t.amax(1, true), {3, 3}, {1, 1}, {1, 1});
    };
    const Tensor limited = at::minimum(at::maximum(sharper, -widest(-all)), widest(all));
    return at::cat({at::pixel_unshuffle(limited, 2), made.slice(1, 4, 6)}, 1);
}

} // namespace mardini
