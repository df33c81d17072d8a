// What a run resumes from, and what it saves.
#include "train/run_state.h"

#include "network/checkpoint.h"

#include <cstdio>
#include <fstream>
#include <stdexcept>

namespace mardini::train {

/// Channels of the trust in alignment of a network that resumes without them.
static constexpr int trust_channels = 16;

/// Whether a file holds a training state, not weights alone.
static bool is_state(const SafeTensors &file)
{
    return file.metadata.count("progress") > 0;
}

/// Older output heads have four logits a candidate: they become their mean.
static void upgrade(SafeTensors &weights)
{
    for (const char *name : {"generator.head3.weight", "generator.head3.bias"}) {
        auto found = weights.tensors.find(name);
        if (found == weights.tensors.end())
            continue;
        Tensor &t = found->second;
        constexpr int64_t logits = 4 * num_candidates;
        if (t.size(0) != packed_channels + logits + 1)
            continue;
        t = t.to(torch::kFloat32);
        t = at::cat({t.slice(0, 0, packed_channels),
                     t.slice(0, packed_channels, packed_channels + logits)
                         .unflatten(0, {num_candidates, 4})
                         .mean(1),
                     t.slice(0, packed_channels + logits)});
    }
}

SafeTensors read_resumed(const TrainOptions &options)
{
    if (options.resume.empty())
        return {};
    SafeTensors file = read_safetensors(options.resume);
    if (!is_state(file))
        upgrade(file);
    return file;
}

NetworkConfig configuration(const TrainOptions &options, const SafeTensors &resumed)
{
    NetworkConfig config = preset(options.preset);
    if (auto found = resumed.metadata.find("mardini.config"); found != resumed.metadata.end()) {
        config = config_from_json(found->second);
        if (config.preset != options.preset)
            throw std::runtime_error("\"" + options.resume + "\" is of the preset " +
                                     config.preset + ", not " + options.preset +
                                     ": name it by --preset, or resume from another.");
    }
    if (!is_state(resumed)) {
        config.generator.trust = std::max(config.generator.trust, trust_channels);
        config.generator.logits = 1;
    }
    if (options.detail >= 0)
        config.generator.detail = options.detail;
    return config;
}

double restore(const TrainOptions &options, const SafeTensors &resumed, Optimizer &optimizer)
{
    if (!options.resume.empty()) // parts that are absent from a file while they are untrained
        optimizer.load(resumed, {"denoiser.", "sampler.", "generator.trust"});
    if (options.start >= 0)
        return options.start;
    return is_state(resumed) ? std::stod(resumed.metadata.at("progress")) : 0;
}

Network averaged(const Network &network, const Optimizer &optimizer)
{
    Network average(network->config());
    optimizer.copy_average(*average);
    average->eval();
    return average;
}

void save(const TrainOptions &options, const Network &average, const Optimizer &optimizer,
          double progress, int world)
{
    char exact[32];
    std::snprintf(exact, sizeof exact, "%.17g", progress);
    SafeTensors state;
    optimizer.save(state);
    state.metadata["mardini.config"] = to_json(average->config());
    state.metadata["progress"] = exact;
    write_safetensors(options.out + ".state", state);
    save_network(options.out, average, torch::kBFloat16,
                 {{"mardini.steps", std::to_string(optimizer.steps())},
                  {"mardini.batch", std::to_string(options.batch * world) + " windows of " +
                                        std::to_string(options.crop) + " pixels"},
                  {"mardini.progress", std::to_string(progress)},
                  {"mardini.licence", "LGPL-2.1-or-later"}});
}

void check_writable(const std::string &out)
{
    const std::string part = out + ".part"; // the name that a checkpoint is written under
    const bool good = static_cast<bool>(std::ofstream(part));
    if (!good)
        throw std::runtime_error(
            "\"" + out + "\" cannot be written: name a file in a folder that exists by --out.");
    std::remove(part.c_str());
}

double fingerprint(const Network &network, int64_t steps)
{
    torch::NoGradGuard no_grad;
    int64_t sum = steps;
    for (const Tensor &p : network->parameters())
        sum += p.cpu()
                   .to(torch::kFloat32)
                   .contiguous()
                   .view(torch::kInt32)
                   .to(torch::kInt64)
                   .sum()
                   .item<int64_t>();
    return static_cast<double>(sum & ((int64_t(1) << 50) - 1));
}

} // namespace mardini::train
