// Metrics of motion that was sampled around a reference frame.
#include "eval/motion_metrics.h"

#include <algorithm>

namespace mardini::eval {

/// The residual of a field (2,h,w) after a least-squares fit of the motion that a moving camera
/// sees of a plane: eight parameters (Longuet-Higgins and Prazdny 1980).
static Tensor camera_residual(const Tensor &field)
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
    Tensor one = at::ones_like(x), zero = at::zeros_like(x);
    Tensor right = at::stack({one, x, y, zero, zero, zero, x * x, x * y}, 1);
    Tensor down = at::stack({zero, zero, zero, one, x, y, x * y, y * y}, 1);
    Tensor basis = at::cat({right, down}),
           values = field.to(torch::kFloat64).flatten().unsqueeze(1);
    Tensor normal = basis.t().matmul(basis) + 1e-9 * at::eye(8, torch::kFloat64);
    return values - basis.matmul(at::linalg_solve(normal, basis.t().matmul(values)));
}

/// Share of cells whose area is negative when each is warped along its velocity for `time`.
static double folded_share(const Tensor &velocity, double time, const std::array<double, 2> &cell)
{
    const Tensor from = -time * at::stack({velocity[0] / cell[0], velocity[1] / cell[1]});
    const int64_t h = from.size(1), w = from.size(2);
    if (std::min(h, w) < 2)
        return 0;
    auto part = [&](int64_t c, int64_t row, int64_t column) {
        return from[c].slice(0, row, h - 1 + row).slice(1, column, w - 1 + column);
    };
    auto across = [&](int64_t c) { return part(c, 0, 1) - part(c, 0, 0); };
    auto down = [&](int64_t c) { return part(c, 1, 0) - part(c, 0, 0); };
    const Tensor area = (1 + across(0)) * (1 + down(1)) - down(0) * across(1);
    return (area <= 0).to(torch::kFloat64).mean().item<double>();
}

MotionMetrics &MotionMetrics::operator+=(const MotionMetrics &other)
{
    speed += other.speed;
    folded += other.folded;
    beyond_camera += other.beyond_camera;
    return *this;
}

MotionMetrics MotionMetrics::operator/(double n) const
{
    return {speed / n, folded / n, beyond_camera / n};
}

MotionMetrics motion_metrics(const SampledMotion &motion)
{
    MotionMetrics sum;
    for (size_t k = 0; k < motion.times.size(); k++) {
        const Tensor v = motion.velocity[static_cast<int64_t>(k)]; // (2,h,w)
        const Tensor energy = v.to(torch::kFloat64).square().sum() + 1e-12;
        sum += {v.norm(2, 0).mean().item<double>(), folded_share(v, motion.times[k], motion.cell),
                (camera_residual(v).square().sum() / energy).item<double>()};
    }
    return sum / static_cast<double>(motion.times.size());
}

} // namespace mardini::eval
