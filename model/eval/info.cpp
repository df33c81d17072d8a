// `mardini info`: format, size, cost, training and licence of a checkpoint.
#include "eval/info.h"

#include "eval/costs.h"
#include "eval/sha256.h"
#include "network/checkpoint.h"

#include <cstdio>
#include <map>

namespace mardini::eval {

static void print_parameters(const Network &network)
{
    int64_t total = 0;
    std::map<std::string, int64_t> parts;
    for (const auto &item : network->named_parameters()) {
        parts[item.key().substr(0, item.key().find('.'))] += item.value().numel();
        total += item.value().numel();
    }
    std::printf("  parameters   %.3f M\n", static_cast<double>(total) / 1e6);
    for (const auto &[name, number] : parts)
        std::printf("    %-18s %8.3f M  %4.1f %%\n", name.c_str(),
                    static_cast<double>(number) / 1e6,
                    100.0 * static_cast<double>(number) / static_cast<double>(total));
}

static void print_costs(Network &network, int width, int height)
{
    std::printf("  multiply-accumulates at %dx%d\n", width, height);
    int64_t total = 0;
    for (const Cost &cost : count_costs(network, width, height)) {
        std::printf("    %-19s %8.3f G  a %s\n", cost.part.c_str(),
                    static_cast<double>(cost.macs) / 1e9, cost.unit.c_str());
        // In a running clip each gap costs one new reference frame, one pair, one window.
        if (cost.part != "denoiser")
            total += cost.unit == "masked frame" ? costs_num_masked * cost.macs : cost.macs;
    }
    std::printf("    %-19s %8.3f G  a synthesized frame of a running clip at 8x, no denoiser\n",
                "all", static_cast<double>(total) / costs_num_masked / 1e9);
}

void print_info(const std::string &path, int width, int height)
{
    std::map<std::string, std::string> metadata;
    Network network = load_network(path, &metadata);
    auto take = [&](const std::string &name) {
        auto node = metadata.extract("mardini." + name);
        return node ? node.mapped() : std::string("not stated in the file");
    };
    std::printf("%s\n", path.c_str());
    std::printf("  format       safetensors, mardini %s\n", take("format").c_str());
    std::printf("  preset       %s\n", network->config().preset.c_str());
    std::printf("  licence      %s\n", take("licence").c_str());
    std::printf("  sha-256      %s\n", sha256(path).c_str());
    print_parameters(network);
    print_costs(network, width, height);
    take("config"); // the parameters above show its sizes
    if (!metadata.empty())
        std::printf("  training\n");
    for (const auto &[name, value] : metadata)
        std::printf("    %-18s %s\n",
                    name.rfind("mardini.", 0) == 0 ? name.c_str() + 8 : name.c_str(),
                    value.c_str());
}

} // namespace mardini::eval
