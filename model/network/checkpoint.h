// Checkpoints: safetensors files with the network's configuration in the header.
#pragma once

#include "network/network.h"
#include "network/safetensors.h"

#include <map>
#include <string>

namespace mardini {

/// The value of "mardini.format" in a checkpoint's metadata. A reader refuses another.
constexpr const char *checkpoint_format = "3";

/// Whether memory was full. The processor's allocator reports through LibTorch's plain error class.
bool is_out_of_memory(const std::exception &e);

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
