// safetensors files with the network's configuration in the header; load and save.
#pragma once

#include "network/network.h"

#include <map>
#include <string>

namespace mardini {

/// The value of "mardini.format" in a checkpoint's metadata. A reader refuses another.
constexpr const char *checkpoint_format = "3";

struct SafeTensors {
    std::map<std::string, Tensor> tensors;
    std::map<std::string, std::string> metadata;
};

/// Read a whole file, strictly: a header beyond its limits, a duplicate name, an unknown dtype, a
/// shape whose size overflows or does not fit its bytes, a hole, an overlap or trailing bytes are
/// errors (std::runtime_error, one sentence that names the file). Nothing in the file is executed.
SafeTensors read_safetensors(const std::string &path);

/// Write atomically: a file beside it that is renamed when it is whole and on disk.
void write_safetensors(const std::string &path, const SafeTensors &file);

/// Whether memory was full. The processor's allocator reports through LibTorch's plain error class.
bool is_out_of_memory(const std::exception &e);

std::string to_json(const NetworkConfig &config);
NetworkConfig config_from_json(const std::string &json);

/// A checkpoint's network, float32, on the CPU; `metadata` receives the header's strings if not
/// null.
Network load_network(const std::string &path,
                     std::map<std::string, std::string> *metadata = nullptr);

/// Save a network's parameters as `dtype` (kBFloat16, kHalf or kFloat) with its configuration and
/// `metadata`. A denoiser or a sampler that no training has reached is left out: a network without
/// one is loaded from the file.
void save_network(const std::string &path, const Network &network, torch::ScalarType dtype,
                  std::map<std::string, std::string> metadata = {});

/// Put named tensors into a module's parameters; a missing, surplus or misshapen one is an error
/// that names it, unless its name begins with one of `optional`.
void load_parameters(torch::nn::Module &module, const std::map<std::string, Tensor> &tensors,
                     const std::vector<std::string> &optional = {});

} // namespace mardini
