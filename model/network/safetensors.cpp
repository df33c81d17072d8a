// Reading and writing of safetensors files.
#include "network/safetensors.h"

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

[[noreturn]] void refuse_checkpoint(const std::string &path, const std::string &why)
{
    throw std::runtime_error("\"" + path + "\" is not a usable checkpoint: " + why +
                             "; a safetensors file written by `mardini train` is wanted.");
}

/// The parser itself would keep the last of two equal keys.
json parse_strictly(const std::string &text)
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
        refuse_checkpoint(path, "it has fewer than 8 bytes");
    const uint64_t size = static_cast<uint64_t>(end);
    in.seekg(0);
    unsigned char prefix[8];
    in.read(reinterpret_cast<char *>(prefix), 8);
    uint64_t header_size = 0;
    for (int i = 7; i >= 0; i--)
        header_size = header_size << 8 | prefix[i];
    if (header_size > header_limit || header_size > size - 8 || header_size < 2)
        refuse_checkpoint(path, "its header is said to be " + std::to_string(header_size) +
                                    " bytes long");
    std::string header(header_size, '\0');
    in.read(header.data(), static_cast<std::streamsize>(header_size));
    if (!in || header[0] != '{')
        refuse_checkpoint(path, "its header does not begin with {");

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
        refuse_checkpoint(path, e.what());
    }
    std::sort(entries.begin(), entries.end(), [](const Entry &a, const Entry &b) {
        return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
    });
    uint64_t at = 0;
    for (const Entry &e : entries) {
        if (e.begin != at)
            refuse_checkpoint(path, "there is a hole or an overlap before \"" + e.name + "\"");
        at = e.end;
    }
    if (at != data_size)
        refuse_checkpoint(path, std::to_string(data_size - at) + " bytes follow the last tensor");

    for (const Entry &e : entries) {
        Tensor t;
        try {
            t = at::empty(e.shape, e.dtype);
        } catch (const c10::Error
                     &error) { // of no numbers, but with dimensions that no memory could have
            if (e.end > e.begin)
                throw;
            refuse_checkpoint(path, "\"" + e.name + "\" has a shape that is out of range");
        }
        if (e.end > e.begin)
            in.read(static_cast<char *>(t.data_ptr()),
                    static_cast<std::streamsize>(e.end - e.begin));
        if (!in)
            refuse_checkpoint(path, "it ends within \"" + e.name + "\"");
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

} // namespace mardini
