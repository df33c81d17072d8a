// safetensors files with the network's configuration in the header; load and save.
#include "network/checkpoint.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <new>
#include <set>
#include <unistd.h>

namespace mardini {

using nlohmann::json;

static constexpr uint64_t header_limit = 100'000'000; ///< of the format itself
static constexpr size_t dimension_limit = 8;

static const std::map<std::string, torch::ScalarType> dtypes = {
    {"F64", torch::kFloat64},   {"F32", torch::kFloat32}, {"F16", torch::kFloat16},
    {"BF16", torch::kBFloat16}, {"I64", torch::kInt64},   {"I32", torch::kInt32},
    {"I16", torch::kInt16},     {"I8", torch::kInt8},     {"U8", torch::kUInt8},
    {"BOOL", torch::kBool},
};

[[noreturn]] static void broken(const std::string &path, const std::string &why)
{
    throw std::runtime_error("\"" + path + "\" is not a usable checkpoint: " + why +
                             "; a safetensors file written by `mardini train` is wanted.");
}

/// Parse, refusing a key that occurs twice in one object (the parser itself would keep the last).
static json parse_strictly(const std::string &text)
{
    std::vector<std::set<std::string>> open;
    auto watch = [&](int, json::parse_event_t event, json &value) {
        if (event == json::parse_event_t::object_start)
            open.emplace_back();
        else if (event == json::parse_event_t::object_end)
            open.pop_back();
        else if (event == json::parse_event_t::key &&
                 !open.back().insert(value.get<std::string>()).second)
            throw std::runtime_error("the name \"" + value.get<std::string>() + "\" occurs twice");
        return true;
    };
    return json::parse(text, watch);
}

struct Entry {
    std::string name;
    torch::ScalarType dtype;
    std::vector<int64_t> shape;
    uint64_t begin, end;
};

static uint64_t unsigned_number(const json &value, const char *what)
{
    if (!value.is_number_unsigned())
        throw std::runtime_error(std::string(what) + " is not a whole number");
    return value.get<uint64_t>();
}

static Entry parse_entry(const std::string &name, const json &value, uint64_t data_size)
{
    Entry e;
    e.name = name;
    if (!value.is_object() || value.size() != 3 || !value.contains("dtype") ||
        !value.contains("shape") || !value.contains("data_offsets"))
        throw std::runtime_error("\"" + name +
                                 "\" does not have a dtype, a shape and data_offsets");
    auto dtype =
        value["dtype"].is_string() ? dtypes.find(value["dtype"].get<std::string>()) : dtypes.end();
    if (dtype == dtypes.end())
        throw std::runtime_error("\"" + name + "\" has an unknown dtype");
    e.dtype = dtype->second;
    const json &shape = value["shape"], &offsets = value["data_offsets"];
    if (!shape.is_array() || shape.size() > dimension_limit || !offsets.is_array() ||
        offsets.size() != 2)
        throw std::runtime_error("\"" + name + "\" has a shape or offsets of a wrong form");
    uint64_t bytes = c10::elementSize(e.dtype);
    for (const json &dimension : shape) {
        const uint64_t d = unsigned_number(dimension, "a dimension");
        if (d > INT64_MAX || __builtin_mul_overflow(bytes, d, &bytes))
            throw std::runtime_error("the size of \"" + name + "\" overflows");
        e.shape.push_back(static_cast<int64_t>(d));
    }
    e.begin = unsigned_number(offsets[0], "an offset");
    e.end = unsigned_number(offsets[1], "an offset");
    if (e.begin > e.end || e.end > data_size || e.end - e.begin != bytes)
        throw std::runtime_error("the bytes of \"" + name + "\" do not fit its shape or the file");
    return e;
}

SafeTensors read_safetensors(const std::string &path)
{
    std::ifstream in(path, std::ios::binary | std::ios::ate);
    if (!in)
        throw std::runtime_error("The checkpoint \"" + path +
                                 "\" cannot be opened: " + std::strerror(errno) + ".");
    const std::streamoff end = in.tellg();
    if (end < 8)
        broken(path, "it has fewer than 8 bytes");
    const uint64_t size = static_cast<uint64_t>(end);
    in.seekg(0);
    unsigned char prefix[8];
    in.read(reinterpret_cast<char *>(prefix), 8);
    uint64_t header_size = 0;
    for (int i = 7; i >= 0; i--)
        header_size = header_size << 8 | prefix[i];
    if (header_size > header_limit || header_size > size - 8 || header_size < 2)
        broken(path, "its header is said to be " + std::to_string(header_size) + " bytes long");
    std::string header(header_size, '\0');
    in.read(header.data(), static_cast<std::streamsize>(header_size));
    if (!in || header[0] != '{')
        broken(path, "its header does not begin with {");

    SafeTensors file;
    std::vector<Entry> entries;
    const uint64_t data_size = size - 8 - header_size;
    try {
        const json root = parse_strictly(header);
        for (const auto &[name, value] : root.items()) {
            if (name != "__metadata__") {
                entries.push_back(parse_entry(name, value, data_size));
                continue;
            }
            for (const auto &[key, text] : value.items())
                file.metadata[key] = text.get<std::string>();
        }
    } catch (const std::exception &e) {
        broken(path, e.what());
    }
    std::sort(entries.begin(), entries.end(), [](const Entry &a, const Entry &b) {
        return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
    });
    uint64_t at = 0;
    for (const Entry &e : entries) {
        if (e.begin != at)
            broken(path, "there is a hole or an overlap before \"" + e.name + "\"");
        at = e.end;
    }
    if (at != data_size)
        broken(path, std::to_string(data_size - at) + " bytes follow the last tensor");

    for (const Entry &e : entries) {
        Tensor t;
        try {
            t = at::empty(e.shape, e.dtype);
        } catch (const c10::Error
                     &error) { // of no numbers, but with dimensions that no memory could have
            if (e.end > e.begin)
                throw;
            broken(path, "\"" + e.name + "\" has a shape that is out of range");
        }
        if (e.end > e.begin)
            in.read(static_cast<char *>(t.data_ptr()),
                    static_cast<std::streamsize>(e.end - e.begin));
        if (!in)
            broken(path, "it ends within \"" + e.name + "\"");
        file.tensors[e.name] = t;
    }
    return file;
}

static std::string dtype_name(torch::ScalarType dtype)
{
    for (const auto &[name, value] : dtypes)
        if (value == dtype)
            return name;
    TORCH_INTERNAL_ASSERT(false, "a dtype that a checkpoint cannot hold");
}

void write_safetensors(const std::string &path, const SafeTensors &file)
{
    json header;
    header["__metadata__"] = file.metadata;
    uint64_t at = 0;
    std::vector<Tensor> data;
    for (const auto &[name, tensor] : file.tensors) {
        data.push_back(tensor.detach().cpu().contiguous());
        const uint64_t next = at + data.back().nbytes();
        header[name] = {{"dtype", dtype_name(tensor.scalar_type())},
                        {"shape", tensor.sizes().vec()},
                        {"data_offsets", {at, next}}};
        at = next;
    }
    std::string text = header.dump();
    text.resize((text.size() + 7) / 8 * 8, ' '); // tensors start aligned

    const std::string part = path + ".part";
    std::FILE *out = std::fopen(part.c_str(), "wb");
    auto fail = [&](const char *what) {
        const int error = errno;
        if (out)
            std::fclose(out);
        std::remove(part.c_str());
        throw std::runtime_error("\"" + path + "\" could not be " + what + ": " +
                                 std::strerror(error) + ". What was there before is untouched.");
    };
    if (!out)
        fail("created");
    unsigned char prefix[8];
    for (int i = 0; i < 8; i++)
        prefix[i] = static_cast<unsigned char>(static_cast<uint64_t>(text.size()) >> 8 * i);
    bool ok = std::fwrite(prefix, 1, 8, out) == 8 &&
              std::fwrite(text.data(), 1, text.size(), out) == text.size();
    for (const Tensor &t : data)
        ok = ok && (t.nbytes() == 0 || std::fwrite(t.data_ptr(), 1, t.nbytes(), out) == t.nbytes());
    if (!ok || std::fflush(out) != 0 || fsync(fileno(out)) != 0)
        fail("written");
    std::fclose(out);
    out = nullptr;
    if (std::rename(part.c_str(), path.c_str()) != 0)
        fail("put in place");
}

static const std::map<ReferenceAttention, std::string> attention_names = {
    {ReferenceAttention::Strict, "strict"},
    {ReferenceAttention::Relaxed, "relaxed"},
    {ReferenceAttention::Off, "off"}};

std::string to_json(const NetworkConfig &c)
{
    return json{
        {"preset", c.preset},
        {"encoder",
         {{"channels2", c.encoder.channels2},
          {"channels4", c.encoder.channels4},
          {"channels8", c.encoder.channels8},
          {"match", c.encoder.match}}},
        {"planner",
         {{"width", c.planner.width},
          {"layers", c.planner.layers},
          {"head_dim", c.planner.head_dim},
          {"features", c.planner.features},
          {"references", attention_names.at(c.planner.references)}}},
        {"generator",
         {{"channels8", c.generator.channels8},
          {"blocks8", c.generator.blocks8},
          {"cost8", c.generator.cost8},
          {"channels4", c.generator.channels4},
          {"cost4", c.generator.cost4},
          {"channels2", c.generator.channels2},
          {"passes8", c.generator.passes8},
          {"trust", c.generator.trust},
          {"logits", c.generator.logits},
          {"detail", c.generator.detail}}},
        {"denoiser", {{"channels4", c.denoiser.channels4}, {"channels8", c.denoiser.channels8}}},
        {"sampler", {{"layers", c.sampler.layers}}}}
        .dump();
}

NetworkConfig config_from_json(const std::string &text)
{
    const json root = parse_strictly(text);
    // Sizes are bounded, so that a forged header cannot ask for more memory than a network of ours
    // would.
    auto size = [](const json &part, const char *name, int least = 1, int most = 4096) {
        const int value = part.at(name).get<int>();
        if (value < least || value > most)
            throw std::runtime_error(std::string("the configuration's ") + name + " is " +
                                     std::to_string(value));
        return value;
    };
    NetworkConfig c;
    c.preset = root.at("preset").get<std::string>();
    const json &e = root.at("encoder"), &p = root.at("planner"), &g = root.at("generator"),
               &d = root.at("denoiser");
    c.encoder = {size(e, "channels2"), size(e, "channels4"), size(e, "channels8"),
                 size(e, "match")};
    c.planner.width = size(p, "width");
    c.planner.layers = size(p, "layers", 0, 64);
    c.planner.head_dim = size(p, "head_dim", 6, 256);
    c.planner.features = size(p, "features");
    if (c.planner.width % c.planner.head_dim != 0)
        throw std::runtime_error("the planner's width is no multiple of its head_dim");
    const std::string references = p.at("references").get<std::string>();
    bool known = false;
    for (const auto &[value, name] : attention_names)
        if (name == references)
            c.planner.references = value, known = true;
    if (!known)
        throw std::runtime_error("the planner's reference attention is \"" + references + "\"");
    c.generator = {size(g, "channels8"),
                   size(g, "blocks8", 0, 16),
                   size(g, "cost8", 1, 8),
                   size(g, "channels4"),
                   size(g, "cost4", 1, 8),
                   size(g, "channels2"),
                   g.contains("passes8") ? size(g, "passes8", 1, 16)
                                         : 1, // this and what follows is younger than the format
                   g.contains("trust") ? size(g, "trust", 0) : 0,
                   g.contains("logits") ? size(g, "logits", 1, 4) : 4,
                   g.value("detail", 0.0)};
    if (c.generator.logits != 1 && c.generator.logits != 4)
        throw std::runtime_error("the configuration's logits are " +
                                 std::to_string(c.generator.logits));
    if (!(c.generator.detail >= 0 && c.generator.detail <= 1))
        throw std::runtime_error("the configuration's detail is " +
                                 std::to_string(c.generator.detail));
    c.denoiser = {size(d, "channels4", 0), size(d, "channels8", 0)};
    c.sampler = {root.contains("sampler") ? size(root.at("sampler"), "layers", 0, 64)
                                          : 0}; // likewise
    return c;
}

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
        broken(path, format == file.metadata.end() ? "its header has no \"mardini.format\""
                                                   : "its format is " + format->second +
                                                         ", this build reads " + checkpoint_format);
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
        broken(path,
               "LibTorch cannot build its network: " + std::string(e.what_without_backtrace()));
    } catch (const std::exception &e) {
        broken(path, e.what());
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
