// What a motion that was sampled around one frame is like, in numbers.
#include "eval/drift.h"

#include <algorithm>

namespace mardini::eval {

/// What is left of a field (2,h,w) when the motion of a plane before a moving camera is taken out:
/// eight parameters, by least squares (Longuet-Higgins and Prazdny 1980).
static Tensor beyond_camera(const Tensor &field)
{
    const int64_t h = field.size(1), w = field.size(2);
    Tensor y = ((at::arange(h) - (h - 1) / 2.0) / h)
                   .to(torch::kFloat64)
                   .view({h, 1})
                   .expand({h, w})
                   .flatten();
    Tensor x = ((at::arange(w) - (w - 1) / 2.0) / h)
                   .to(torch::kFloat64)
                   .view({1, w})
                   .expand({h, w})
                   .flatten();
    Tensor one = at::ones_like(x), none = at::zeros_like(x);
    Tensor right = at::stack({one, x, y, none, none, none, x * x, x * y}, 1);
    Tensor down = at::stack({none, none, none, one, x, y, x * y, y * y}, 1);
    Tensor basis = at::cat({right, down}),
           values = field.to(torch::kFloat64).flatten().unsqueeze(1);
    Tensor normal = basis.t().matmul(basis) + 1e-9 * at::eye(8, torch::kFloat64);
    return values - basis.matmul(at::linalg_solve(normal, basis.t().matmul(values)));
}

Look look_at(const SampledMotion &d)
{
    Look look;
    const double n = static_cast<double>(d.times.size());
    for (size_t k = 0; k < d.times.size(); k++) {
        const Tensor v = d.velocity[static_cast<int64_t>(k)]; // (2,h,w), pixels a position
        look.speed += v.norm(2, 0).mean().item<double>() / n;
        look.beyond +=
            (beyond_camera(v).square().sum() / (v.to(torch::kFloat64).square().sum() + 1e-12))
                .item<double>() /
            n;
        // Where a cell is shown from: its place less the way since.
        const Tensor from = -d.times[k] * at::stack({v[0] / d.cell[0], v[1] / d.cell[1]});
        const int64_t h = from.size(1), w = from.size(2);
        if (std::min(h, w) < 2)
            continue;
        auto part = [&](int64_t c, int64_t row, int64_t column) {
            return from[c].slice(0, row, h - 1 + row).slice(1, column, w - 1 + column);
        };
        auto across = [&](int64_t c) { return part(c, 0, 1) - part(c, 0, 0); };
        auto down = [&](int64_t c) { return part(c, 1, 0) - part(c, 0, 0); };
        const Tensor area = (1 + across(0)) * (1 + down(1)) - down(0) * across(1);
        look.folded += (area <= 0).to(torch::kFloat64).mean().item<double>() / n;
    }
    return look;
}

} // namespace mardini::eval
