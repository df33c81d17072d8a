// Metrics of the steps since the last log line.
#pragma once

#include <nlohmann/json.hpp>
#include <torch/types.h>

#include <map>
#include <string>

namespace mardini::train {

/// Weighted means of named scalars. Tensors stay on their device until take(): a step waits for no
/// GPU.
class Metrics {
public:
    void add(const std::string &name, double value);

    /// value, weight: scalars on one device. A weight of 0 leaves the value out, finite or not; an
    /// undefined weight is 1.
    void add(const std::string &name, const torch::Tensor &value, const torch::Tensor &weight = {});

    /// The means, to three decimals, in the order of names; starts anew. Names whose weights are
    /// all 0 are left out.
    nlohmann::ordered_json take();

private:
    std::map<std::string, std::pair<torch::Tensor, torch::Tensor>> sums_; ///< float64
};

} // namespace mardini::train
