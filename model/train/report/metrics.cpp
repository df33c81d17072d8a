// Metrics of the steps since the last log line.
#include "train/report/metrics.h"

#include <torch/torch.h>

#include <cmath>

namespace mardini::train {

using torch::Tensor;

void Metrics::add(const std::string &name, double value)
{
    add(name, torch::tensor(value, torch::kFloat64));
}

void Metrics::add(const std::string &name, const Tensor &value, const Tensor &weight)
{
    torch::NoGradGuard no_grad;
    const Tensor v = value.detach().to(torch::kFloat64);
    const Tensor w = weight.defined() ? weight.detach().to(torch::kFloat64) : at::ones_like(v);
    const Tensor product = weight.defined() ? at::where(w == 0, at::zeros_like(v), v * w) : v;
    auto [found, is_new] = sums_.try_emplace(name, product, w);
    if (!is_new)
        found->second = {found->second.first + product, found->second.second + w};
}

nlohmann::ordered_json Metrics::take()
{
    nlohmann::ordered_json means;
    for (const auto &[name, sum] : sums_) {
        const double weight = sum.second.item<double>();
        if (weight != 0)
            means[name] = std::round(1000 * sum.first.item<double>() / weight) / 1000;
    }
    sums_.clear();
    return means;
}

} // namespace mardini::train
