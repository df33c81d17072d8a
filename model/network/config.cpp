// Sizes of the network, as presets and as they stand in a checkpoint.
#include "network/config.h"

#include "network/safetensors.h"

#include <nlohmann/json.hpp>

#include <optional>
#include <stdexcept>
#include <type_traits>

namespace mardini {

using nlohmann::json;

NetworkConfig preset(const std::string &name)
{
    NetworkConfig c;
    c.preset = name;
    if (name == "nano")
        return c;
    if (name == "small") {
        c.encoder = {.channels2 = 24, .channels4 = 48, .channels8 = 96, .match = 48};
        c.planner = {.width = 256, .layers = 7, .head_dim = 32, .features = 48};
        c.generator = {.channels8 = 128,
                       .blocks8 = 2,
                       .cost8 = 4,
                       .channels4 = 80,
                       .cost4 = 2,
                       .channels2 = 28};
        c.denoiser = {.channels4 = 48, .channels8 = 96};
        c.sampler = {.layers = 6};
        return c;
    }
    if (name == "base") {
        c.encoder = {.channels2 = 32, .channels4 = 64, .channels8 = 128, .match = 64};
        c.planner = {.width = 448, .layers = 8, .head_dim = 64, .features = 64};
        c.generator = {.channels8 = 192,
                       .blocks8 = 3,
                       .cost8 = 4,
                       .channels4 = 112,
                       .cost4 = 2,
                       .channels2 = 56};
        c.denoiser = {.channels4 = 96, .channels8 = 192};
        c.sampler = {.layers = 8};
        return c;
    }
    throw std::runtime_error("There is no preset \"" + name + "\": nano, small and base exist.");
}

/// Every number of a configuration: visit(part, name, field, least, most, absent). `absent` is the
/// value where a checkpoint is older than the field; none: the field must be there. Sizes are
/// bounded, so that a forged header cannot ask for more memory than a network of ours needs.
template <class Config, class Visit>
static void visit_fields(Config &c, const Visit &visit)
{
    constexpr int most = 4096;
    constexpr std::nullopt_t none = std::nullopt;
    auto &e = c.encoder;
    visit("encoder", "channels2", e.channels2, 1, most, none);
    visit("encoder", "channels4", e.channels4, 1, most, none);
    visit("encoder", "channels8", e.channels8, 1, most, none);
    visit("encoder", "match", e.match, 1, most, none);
    auto &p = c.planner;
    visit("planner", "width", p.width, 1, most, none);
    visit("planner", "layers", p.layers, 0, 64, none);
    visit("planner", "head_dim", p.head_dim, 6, 256, none);
    visit("planner", "features", p.features, 1, most, none);
    auto &g = c.generator;
    visit("generator", "channels8", g.channels8, 1, most, none);
    visit("generator", "blocks8", g.blocks8, 0, 16, none);
    visit("generator", "cost8", g.cost8, 1, 8, none);
    visit("generator", "channels4", g.channels4, 1, most, none);
    visit("generator", "cost4", g.cost4, 1, 8, none);
    visit("generator", "channels2", g.channels2, 1, most, none);
    visit("generator", "passes8", g.passes8, 1, 16, 1);
    visit("generator", "trust", g.trust, 0, most, 0);
    visit("generator", "logits", g.logits, 1, 4, 4);
    visit("generator", "detail", g.detail, 0, 1, 0);
    visit("denoiser", "channels4", c.denoiser.channels4, 0, most, none);
    visit("denoiser", "channels8", c.denoiser.channels8, 0, most, none);
    visit("sampler", "layers", c.sampler.layers, 0, 64, 0);
}

std::string to_json(const NetworkConfig &config)
{
    json root{{"preset", config.preset}};
    visit_fields(config, [&](const char *part, const char *name, auto value, auto...) {
        root[part][name] = value;
    });
    return root.dump();
}

NetworkConfig config_from_json(const std::string &text)
{
    const json root = parse_strictly(text);
    NetworkConfig c;
    c.preset = root.at("preset").get<std::string>();
    visit_fields(c, [&](const char *part, const char *name, auto &field, double least, double most,
                        std::optional<int> absent) {
        const bool stands = root.contains(part) && root.at(part).contains(name);
        if (!stands && absent) {
            field = *absent;
            return;
        }
        field = root.at(part).at(name).template get<std::remove_reference_t<decltype(field)>>();
        if (!(field >= least && field <= most))
            throw std::runtime_error(std::string("the configuration's ") + name + " is " +
                                     std::to_string(field));
    });
    if (c.planner.width % c.planner.head_dim != 0)
        throw std::runtime_error("the planner's width is no multiple of its head_dim");
    if (c.generator.logits != 1 && c.generator.logits != 4)
        throw std::runtime_error("the configuration's logits are " +
                                 std::to_string(c.generator.logits) + ": 1 and 4 exist");
    // Older checkpoints name how reference frames attend to each other; not at all is what is left.
    const std::string references = root.at("planner").value("references", "strict");
    if (references != "strict")
        throw std::runtime_error("the planner's reference attention is \"" + references + "\"");
    return c;
}

} // namespace mardini
