// `mardini info`: what a checkpoint is.

// at::RecordFunction has one member more without it, and LibTorch is built with it (seen in 2.13).
#ifndef NDEBUG
#define NDEBUG
#endif
#include "eval/info.h"

#include "eval/eval.h"
#include "frame/pack.h"
#include "network/checkpoint.h"

#include <ATen/record_function.h>

extern "C" {
#include <libavutil/mem.h>
#include <libavutil/sha.h>
}

#include <cstdio>
#include <fstream>
#include <map>
#include <memory>

namespace mardini::eval {

static constexpr int num_given = 4, num_masked = 7;

std::string sha256(const std::string &path)
{
    std::ifstream in(path, std::ios::binary);
    const std::unique_ptr<AVSHA, decltype(&av_free)> sha(av_sha_alloc(), &av_free);
    if (!in || !sha || av_sha_init(sha.get(), 256) < 0)
        return "";
    std::vector<char> block(1 << 16);
    while (in.read(block.data(), static_cast<std::streamsize>(block.size())), in.gcount() > 0)
        av_sha_update(sha.get(), reinterpret_cast<uint8_t *>(block.data()),
                      static_cast<size_t>(in.gcount()));
    uint8_t digest[32];
    av_sha_final(sha.get(), digest);
    std::string out;
    for (uint8_t byte : digest) {
        char hex[3];
        std::snprintf(hex, sizeof(hex), "%02x", byte);
        out += hex;
    }
    return out;
}

/// Multiply-accumulates of each number that an operator puts out.
struct Depth : at::ObserverContext {
    explicit Depth(int64_t macs) : macs(macs) {}
    int64_t macs;
};

/// From an operator's arguments, which are gone when it ends. Only the operators that all others
/// come down to are looked at, so that nothing is counted twice.
static std::unique_ptr<at::ObserverContext> look(const at::RecordFunction &f)
{
    static const std::map<std::string, size_t> products = {
        // operator -> its left factor among the arguments
        {"aten::mm", 0},
        {"aten::bmm", 0},
        {"aten::mv", 0},
        {"aten::addmm", 1},
        {"aten::baddbmm", 1}};
    const std::string name = f.name();
    auto argument = [&](size_t i) { return f.inputs()[i].toTensor(); };
    if (name == "aten::convolution")
        return std::make_unique<Depth>(argument(1).numel() / argument(1).size(0));
    if (name == "aten::_scaled_dot_product_flash_attention_for_cpu")
        return std::make_unique<Depth>(
            2 * argument(1).size(2)); // the scores, and their product with the values
    auto product = products.find(name);
    return product == products.end()
               ? nullptr
               : std::make_unique<Depth>(argument(product->second).sizes().back());
}

/// Multiply-accumulates of what `body` asks LibTorch to compute, in this thread.
static int64_t count(const std::function<void()> &body)
{
    static thread_local int64_t macs;
    macs = 0;
    auto add = [](const at::RecordFunction &f, at::ObserverContext *context) {
        if (context)
            macs += f.outputs()[0].toTensor().numel() * static_cast<Depth *>(context)->macs;
    };
    const auto handle = at::addThreadLocalCallback(
        at::RecordFunctionCallback(look, add).needsInputs(true).needsOutputs(true).scopes(
            {at::RecordScope::FUNCTION}));
    body();
    at::removeCallback(handle);
    return macs;
}

std::vector<Cost> count_costs(Network &network, int width, int height)
{
    torch::NoGradGuard no_grad;
    const Geometry g({width, height, MARDINI_COLOR_YUV, 0, 8, 1, 1, 0, 0, 0});
    const int64_t h = g.height / g.reduction / 2, w = g.width / g.reduction / 2, H = g.height / 2,
                  W = g.width / 2;
    Tensor given = at::rand({num_given, packed_channels, h, w}),
           given_times = at::empty({1, num_given});
    Tensor masked_times = at::empty({1, num_masked});
    for (int i = 0; i < num_given; i++)
        given_times[0][i] = (i - 1) * (num_masked + 1);
    for (int i = 0; i < num_masked; i++)
        masked_times[0][i] = i + 1;
    Features features, one;
    Tensor tokens;
    PlannerImpl::ReferenceCache cache;
    Match match;
    Plan plan;
    Refined refined;
    std::vector<Cost> costs;
    auto add = [&](const char *part, const char *unit, int64_t runs,
                   const std::function<void()> &body) {
        costs.push_back({part, unit, count(body) / runs});
    };
    add("encoder", "given frame", num_given, [&] { features = network->encoder(given); });
    add("planner, given", "given frame", num_given, [&] {
        tokens = network->planner->tokenize(features.eighth);
        cache = network->planner->encode_references(tokens, features.eighth.size(2) / 4);
    });
    auto at_index = [&](int64_t i) { return select(features, at::tensor({i})); };
    add("match", "pair of given frames", 1,
        [&] { match = network->encoder->match(at_index(1), at_index(2)); });
    const Tensor same = at::zeros({num_masked}, at::kLong);
    match = {match.forward.index_select(0, same), match.backward.index_select(0, same),
             match.confidence_forward.index_select(0, same),
             match.confidence_backward.index_select(0, same)};
    const Pairs pairs = make_pairs(given_times, masked_times, at::kCPU);
    add("planner", "window of 4 given and 7 masked frames", 1, [&] {
        plan = network->planner->forward(tokens, &cache, match, pairs, given_times, masked_times,
                                         features.eighth.size(2) / 4);
    });
    add("generator, motion", "masked frame", num_masked, [&] {
        refined = network->generator->refine(plan, select(features, pairs.before),
                                             select(features, pairs.after), pairs);
    });
    Tensor pixels = at::rand({1, packed_channels, H, W}),
           hidden = resize(refined.hidden.slice(0, 0, 1), H, W);
    add("generator, pixels", "masked frame", 1,
        [&] { network->generator->finish(pixels, pixels, pixels.slice(1, 0, 4), hidden); });
    if (network->denoiser)
        add("denoiser", "masked frame and step", 1, [&] {
            network->denoiser->forward({pixels, pixels.slice(1, 0, 1), hidden}, pixels,
                                       at::ones({1, 1, 1, 1}));
        });
    return costs;
}

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
    std::printf("  multiply-accumulates at %dx%d\n", width, height);
    int64_t total = 0;
    for (const Cost &cost : count_costs(network, width, height)) {
        std::printf("    %-18s %8.3f G  a %s\n", cost.part.c_str(),
                    static_cast<double>(cost.macs) / 1e9, cost.unit.c_str());
        // In a running clip each gap costs one new given frame, one pair, one window.
        if (cost.part != "denoiser")
            total += cost.unit == "masked frame" ? num_masked * cost.macs : cost.macs;
    }
    std::printf("    %-18s %8.3f G  a made frame of a running clip at 8x, no denoiser\n", "all",
                static_cast<double>(total) / num_masked / 1e9);
    take("config"); // its sizes are the parameters above
    if (!metadata.empty())
        std::printf("  training\n");
    for (const auto &[name, value] : metadata)
        std::printf("    %-18s %s\n",
                    name.rfind("mardini.", 0) == 0 ? name.c_str() + 8 : name.c_str(),
                    value.c_str());
}

} // namespace mardini::eval
