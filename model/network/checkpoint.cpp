// Checkpoints: safetensors files with the network's configuration in the header.
#include "network/checkpoint.h"

#include <algorithm>
#include <new>

namespace mardini {

void load_parameters(torch::nn::Module &module, const std::map<std::string, Tensor> &tensors,
                     const std::vector<std::string> &optional)
{
    torch::NoGradGuard no_grad;
    auto is_optional = [&](const std::string &name) {
        return std::any_of(optional.begin(), optional.end(), [&](const std::string &start) {
            return name.compare(0, start.size(), start) == 0;
        });
    };
    auto parameters = module.named_parameters();
    for (auto &item : parameters) {
        auto found = tensors.find(item.key());
        if (found == tensors.end()) {
            if (is_optional(item.key()))
                continue;
            throw std::runtime_error("the tensor \"" + item.key() + "\" is missing");
        }
        if (found->second.sizes() != item.value().sizes())
            throw std::runtime_error("the tensor \"" + item.key() +
                                     "\" has another shape than its configuration says");
        item.value().copy_(found->second);
    }
    for (const auto &[name, tensor] : tensors)
        if (!parameters.contains(name) && !is_optional(name))
            throw std::runtime_error("there is a tensor \"" + name +
                                     "\" that the network does not have");
}

bool is_out_of_memory(const std::exception &e)
{
    const auto *ours = dynamic_cast<const c10::Error *>(&e);
    return dynamic_cast<const std::bad_alloc *>(&e) ||
           dynamic_cast<const c10::OutOfMemoryError *>(&e) ||
           (ours && std::string(ours->what_without_backtrace()).find("allocate memory") !=
                        std::string::npos);
}

static bool is_of(const char *part, const std::string &name)
{
    return name.rfind(part, 0) == 0;
}

/// Fewer numbers than a network of this configuration has, but most of them: a forged configuration
/// must not get the memory of tensors that its file does not hold.
static int64_t least_size(const NetworkConfig &c)
{
    auto square = [](int64_t n) { return n * n; };
    auto conv = [](int64_t in, int64_t out) { return 9 * in * out; };
    const EncoderConfig &e = c.encoder;
    const GeneratorConfig &g = c.generator;
    const DenoiserConfig &d = c.denoiser;
    return 12 * square(c.planner.width) * (c.planner.layers + c.sampler.layers) +
           2 * square(c.planner.width) + 4 * c.planner.features * c.planner.width +
           conv(e.channels2, e.channels4) + conv(e.channels4, e.channels4) +
           conv(e.channels4, e.channels8) + 2 * conv(e.channels8, e.channels8) +
           conv(e.channels8, e.match) + conv(2 * e.channels8, g.channels8) +
           2 * g.blocks8 * conv(g.channels8, g.channels8) +
           conv(2 * e.channels4 + g.channels8 / 2, g.channels4) +
           2 * conv(g.channels4, g.channels4) + conv(g.channels2, g.channels2) +
           4 * conv(d.channels4, d.channels4) + conv(d.channels4, d.channels8) +
           4 * conv(d.channels8, d.channels8);
}

Network load_network(const std::string &path, std::map<std::string, std::string> *metadata)
{
    SafeTensors file = read_safetensors(path);
    auto format = file.metadata.find("mardini.format");
    if (format == file.metadata.end() || format->second != checkpoint_format)
        refuse_checkpoint(path, format == file.metadata.end()
                                    ? "its header has no \"mardini.format\""
                                    : "its format is " + format->second + ", this build reads " +
                                          checkpoint_format);
    try {
        NetworkConfig config = config_from_json(file.metadata["mardini.config"]);
        auto lacks = [&](const char *part) {
            return std::none_of(file.tensors.begin(), file.tensors.end(),
                                [&](const auto &t) { return is_of(part, t.first); });
        };
        if (lacks("denoiser."))
            config.denoiser = {0, 0};
        if (lacks("sampler."))
            config.sampler = {0};
        int64_t size = 0;
        for (const auto &[name, tensor] : file.tensors)
            size += tensor.numel();
        if (size < least_size(config))
            throw std::runtime_error("it holds " + std::to_string(size) +
                                     " numbers, and its configuration has " +
                                     std::to_string(least_size(config)) + " at least");
        Network network(config);
        load_parameters(*network, file.tensors);
        network->eval();
        if (metadata)
            *metadata = std::move(file.metadata);
        return network;
    } catch (const c10::Error &e) {
        if (is_out_of_memory(e))
            throw;
        refuse_checkpoint(path, "LibTorch cannot build its network: " +
                                    std::string(e.what_without_backtrace()));
    } catch (const std::bad_alloc &) { // no fault of the file
        throw;
    } catch (const std::exception &e) {
        refuse_checkpoint(path, e.what());
    }
}

void save_network(const std::string &path, const Network &network, torch::ScalarType dtype,
                  std::map<std::string, std::string> metadata)
{
    SafeTensors file;
    const bool denoises = network->denoiser && network->denoiser->is_trained();
    const bool samples = network->sampler && network->sampler->is_trained();
    for (const auto &item : network->named_parameters())
        if ((denoises || !is_of("denoiser.", item.key())) &&
            (samples || !is_of("sampler.", item.key())))
            file.tensors[item.key()] = item.value().detach().to(dtype);
    file.metadata = std::move(metadata);
    file.metadata["mardini.format"] = checkpoint_format;
    file.metadata["mardini.config"] = to_json(network->config());
    write_safetensors(path, file);
}

} // namespace mardini
