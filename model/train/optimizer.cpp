// AdamW, gradient clipping and the running average of the weights.
#include "optimizer.h"

#include <ATen/ops/_foreach_lerp.h>
#include <ATen/ops/_foreach_mul.h>
#include <ATen/ops/_foreach_norm.h>
#include <ATen/ops/_fused_adamw.h>

#include <cmath>

namespace mardini::train {

Optimizer::Optimizer(torch::nn::Module &module, double average_decay) : average_decay_(average_decay)
{
    groups_ = {{{}, {}, {}, {}, {}, {}, 1.0, 1e-4, true}, {{}, {}, {}, {}, {}, {}, 0.4, 0.05, true}};
    for (auto &item : module.named_parameters()) {
        Group &g = groups_[item.key().compare(0, 8, "planner.") == 0];
        g.names.push_back(item.key());
        g.parameters.push_back(item.value());
        g.first.push_back(at::zeros_like(item.value()));
        g.second.push_back(at::zeros_like(item.value()));
        g.counts.push_back(at::zeros({}, item.value().options()));
        g.average.push_back(item.value().detach().clone());
    }
}

void Optimizer::add(torch::nn::Module &module, const std::string &prefix)
{
    Group g{{}, {}, {}, {}, {}, {}, 1.0, 1e-4, false};
    for (auto &item : module.named_parameters()) {
        g.names.push_back(prefix + item.key());
        g.parameters.push_back(item.value());
        g.first.push_back(at::zeros_like(item.value()));
        g.second.push_back(at::zeros_like(item.value()));
        g.counts.push_back(at::zeros({}, item.value().options()));
        g.average.push_back(item.value().detach().clone());
    }
    groups_.push_back(std::move(g));
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

double Optimizer::step(double rate, double limit)
{
    torch::NoGradGuard no_grad;
    // A part that no gradient reached stays as it is: neither its momentum nor its decay moves it.
    std::vector<Tensor> all;
    std::vector<Group> reached(groups_.size());
    std::vector<std::vector<Tensor>> gradients(groups_.size());
    for (size_t i = 0; i < groups_.size(); i++)
        for (size_t j = 0; j < groups_[i].parameters.size(); j++) {
            Group &g = groups_[i], &r = reached[i];
            if (!g.parameters[j].grad().defined())
                continue;
            gradients[i].push_back(g.parameters[j].grad());
            all.push_back(gradients[i].back());
            r.parameters.push_back(g.parameters[j]);
            r.first.push_back(g.first[j]);
            r.second.push_back(g.second[j]);
            r.counts.push_back(g.counts[j]);
            r.average.push_back(g.average[j]);
        }
    const double norm = at::stack(at::_foreach_norm(all, 2)).norm().item<double>();
    if (!std::isfinite(norm)) {
        skipped_++;
        return norm;
    }
    if (norm > limit)
        at::_foreach_mul_(all, limit / norm);
    steps_++;
    const double decay = std::min(average_decay_, (1.0 + steps_) / (10.0 + steps_));
    for (size_t i = 0; i < groups_.size(); i++) {
        const Group &g = groups_[i];
        Group &r = reached[i];
        if (r.parameters.empty())
            continue;
        for (Tensor &count : r.counts)
            count.add_(1);
        at::_fused_adamw_(r.parameters, gradients[i], r.first, r.second, {}, r.counts, rate * g.rate, 0.9, 0.99,
                          g.decay, 1e-8, /*amsgrad=*/false, /*maximize=*/false);
        at::_foreach_lerp_(r.average, r.parameters, 1 - decay);
    }
    return norm;
}

void Optimizer::copy_average(torch::nn::Module &module) const
{
    std::map<std::string, Tensor> tensors;
    for (const Group &g : groups_)
        for (size_t i = 0; g.averaged && i < g.names.size(); i++)
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
            take("second/" + g.names[i], g.second[i]);
            take("count/" + g.names[i], g.counts[i]);
        }
    steps_ = is_state ? std::stoll(file.metadata.at("steps")) : 0;
    auto skipped = file.metadata.find("skipped");
    skipped_ = is_state && skipped != file.metadata.end() ? std::stoll(skipped->second) : 0;
}

} // namespace mardini::train
