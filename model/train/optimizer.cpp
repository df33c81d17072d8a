// Muon and AdamW, gradient clipping and the running average of the weights.
#include "train/optimizer.h"

#include <ATen/ops/_foreach_mul.h>
#include <ATen/ops/_foreach_norm.h>
#include <ATen/ops/_fused_adamw.h>

#include <algorithm>
#include <cmath>

namespace mardini::train {

/// Rows and columns of a matrix that is Muon's, at least. Of a convolution: outputs, and inputs
/// times kernel.
static constexpr int64_t least_side = 16;

static constexpr double momentum = 0.95;

/// Root mean square of a matrix's step at a rate of 1. Adam's is some .2 where gradients are noise,
/// up to 1 where they agree.
static constexpr double step_size = 0.5;

/// Output layers that begin at zero are Adam's, as in Muon's own recipe, except the planner's head:
/// the measurements of doc/training.md had it as a matrix.
static const char *const outputs[] = {"generator.delta", "generator.head3", "denoiser.out"};

static bool is_matrix(const std::string &name, const Tensor &parameter)
{
    return parameter.dim() > 1 &&
           std::min(parameter.size(0), parameter.numel() / parameter.size(0)) >= least_side &&
           std::none_of(std::begin(outputs), std::end(outputs),
                        [&](const char *output) { return name.rfind(output, 0) == 0; });
}

Tensor orthogonalized(const Tensor &m)
{
    const bool tall = m.size(-2) > m.size(-1);
    Tensor x = tall ? m.mT() : m;
    // The largest singular value is at most the Frobenius norm.
    x = x / at::linalg_vector_norm(x, 2, {-2, -1}, /*keepdim=*/true).clamp_min(1e-12);
    for (int i = 0; i < 5; i++) {
        const Tensor a = at::matmul(x, x.mT());
        x = 3.4445 * x + at::matmul(-4.7750 * a + 2.0315 * at::matmul(a, a), x);
    }
    return tall ? x.mT() : x;
}

void Optimizer::Group::add(const std::string &name, const Tensor &parameter)
{
    names.push_back(name);
    parameters.push_back(parameter);
    first.push_back(at::zeros_like(parameter));
    second.push_back(is_matrix(name, parameter) ? Tensor() : at::zeros_like(parameter));
    counts.push_back(is_matrix(name, parameter) ? Tensor() : at::zeros({}, parameter.options()));
    average.push_back(parameter.detach().clone());
}

Optimizer::Optimizer(torch::nn::Module &module, double average_decay)
    : groups_{{1.0, 1e-4}, {0.4, 0.05}}, average_decay_(average_decay)
{
    for (auto &item : module.named_parameters())
        groups_[item.key().compare(0, 8, "planner.") == 0].add(item.key(), item.value());
}

std::vector<Tensor> Optimizer::gradients() const
{
    std::vector<Tensor> all;
    for (const Group &g : groups_)
        for (const Tensor &p : g.parameters)
            if (p.grad().defined())
                all.push_back(p.grad());
    return all;
}

/// Matrices of one shape are orthogonalized in one call.
void Optimizer::Group::step_muon(double rate)
{
    std::map<std::pair<int64_t, int64_t>, std::vector<size_t>> by_shape;
    for (size_t i = 0; i < parameters.size(); i++)
        if (const Tensor &p = parameters[i]; p.grad().defined() && is_matrix(names[i], p))
            by_shape[{p.size(0), p.numel() / p.size(0)}].push_back(i);
    for (const auto &[shape, members] : by_shape) {
        std::vector<Tensor> updates;
        for (size_t i : members) {
            const Tensor &gradient = parameters[i].grad();
            first[i].lerp_(gradient, 1 - momentum);
            updates.push_back(at::lerp(gradient, first[i], momentum).flatten(1)); // Nesterov's
        }
        const Tensor directions = orthogonalized(at::stack(updates));
        // Of singular values 1 the mean square is that of a matrix with so many entries.
        const double size =
            step_size * std::sqrt(static_cast<double>(std::max(shape.first, shape.second)));
        for (size_t k = 0; k < members.size(); k++) {
            Tensor &p = parameters[members[k]];
            p.mul_(1 - rate * decay)
                .sub_(directions[static_cast<int64_t>(k)].view_as(p), rate * size);
        }
    }
}

void Optimizer::Group::step_adam(double rate)
{
    std::vector<Tensor> updated, gradients, means, squares, steps;
    for (size_t i = 0; i < parameters.size(); i++) {
        if (!parameters[i].grad().defined() || is_matrix(names[i], parameters[i]))
            continue;
        updated.push_back(parameters[i]);
        gradients.push_back(parameters[i].grad());
        means.push_back(first[i]);
        squares.push_back(second[i]);
        steps.push_back(counts[i].add_(1));
    }
    if (!updated.empty())
        at::_fused_adamw_(updated, gradients, means, squares, {}, steps, rate, 0.9, 0.99, decay,
                          1e-8,
                          /*amsgrad=*/false, /*maximize=*/false);
}

double Optimizer::step(double rate, double limit)
{
    torch::NoGradGuard no_grad;
    const std::vector<Tensor> all = gradients();
    const double norm = at::stack(at::_foreach_norm(all, 2)).norm().item<double>();
    if (!std::isfinite(norm)) {
        skipped_++;
        return norm;
    }
    if (norm > limit)
        at::_foreach_mul_(all, limit / norm);
    steps_++;
    const double decay = std::min(average_decay_, (1.0 + steps_) / (10.0 + steps_));
    // A parameter without a gradient stays as it is: neither momentum nor decay changes it.
    for (Group &g : groups_) {
        g.step_muon(rate * g.rate);
        g.step_adam(rate * g.rate);
        for (size_t i = 0; i < g.parameters.size(); i++)
            if (g.parameters[i].grad().defined())
                g.average[i].lerp_(g.parameters[i], 1 - decay);
    }
    return norm;
}

void Optimizer::copy_average(torch::nn::Module &module) const
{
    std::map<std::string, Tensor> tensors;
    for (const Group &g : groups_)
        for (size_t i = 0; i < g.names.size(); i++)
            tensors[g.names[i]] = g.average[i];
    load_parameters(module, tensors);
}

void Optimizer::save(SafeTensors &file) const
{
    for (const Group &g : groups_)
        for (size_t i = 0; i < g.names.size(); i++) {
            file.tensors["weight/" + g.names[i]] = g.parameters[i].detach();
            file.tensors["average/" + g.names[i]] = g.average[i];
            file.tensors["first/" + g.names[i]] = g.first[i];
            if (is_matrix(g.names[i], g.parameters[i]))
                continue;
            file.tensors["second/" + g.names[i]] = g.second[i];
            file.tensors["count/" + g.names[i]] = g.counts[i];
        }
    file.metadata["steps"] = std::to_string(steps_);
    file.metadata["skipped"] = std::to_string(skipped_);
}

void Optimizer::load(const SafeTensors &file, const std::vector<std::string> &optional)
{
    torch::NoGradGuard no_grad;
    const bool is_state = file.metadata.count("steps") != 0;
    auto take = [&](const std::string &key, Tensor &to) {
        auto found = file.tensors.find(key);
        if (found == file.tensors.end()) {
            for (const std::string &start : optional)
                if (key.find(start) != std::string::npos)
                    return;
            throw std::runtime_error("The checkpoint to resume from has no tensor \"" + key +
                                     "\": it is of another preset or version.");
        }
        if (found->second.sizes() != to.sizes())
            throw std::runtime_error("The checkpoint to resume from has another shape of \"" + key +
                                     "\": it is of another preset.");
        to.copy_(found->second);
    };
    for (Group &g : groups_)
        for (size_t i = 0; i < g.names.size(); i++) {
            take(is_state ? "weight/" + g.names[i] : g.names[i], g.parameters[i]);
            take(is_state ? "average/" + g.names[i] : g.names[i], g.average[i]);
            if (!is_state)
                continue;
            take("first/" + g.names[i], g.first[i]);
            if (is_matrix(g.names[i], g.parameters[i]))
                continue;
            take("second/" + g.names[i], g.second[i]);
            take("count/" + g.names[i], g.counts[i]);
        }
    steps_ = is_state ? std::stoll(file.metadata.at("steps")) : 0;
    auto skipped = file.metadata.find("skipped");
    skipped_ = is_state && skipped != file.metadata.end() ? std::stoll(skipped->second) : 0;
}

} // namespace mardini::train
