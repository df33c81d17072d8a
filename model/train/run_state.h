// What a run resumes from, and what it saves.
#pragma once

#include "network/network.h"
#include "network/safetensors.h"
#include "train/optimizer.h"
#include "train/options.h"

namespace mardini::train {

/// The file `options.resume`, or an empty one. A checkpoint of weights alone is brought to the
/// layout of today's networks; a training state stays as it is.
SafeTensors read_resumed(const TrainOptions &options);

/// The network's configuration: of `resumed` if it has one, else of the preset. Throws
/// std::runtime_error if the two presets differ.
NetworkConfig configuration(const TrainOptions &options, const SafeTensors &resumed);

/// Load weights and moments. Returns the progress that the run begins at: --start, or where
/// `resumed` stopped, or 0.
double restore(const TrainOptions &options, const SafeTensors &resumed, Optimizer &optimizer);

/// A copy of the network with the averaged weights, on the CPU.
Network averaged(const Network &network, const Optimizer &optimizer);

/// Write the checkpoint OUT and the training state OUT.state. Throws std::runtime_error.
///   world  processes of the run
void save(const TrainOptions &options, const Network &average, const Optimizer &optimizer,
          double progress, int world);

/// Throw std::runtime_error if OUT cannot be written. Leaves no file.
void check_writable(const std::string &out);

/// A whole number that tells two networks or step counts apart.
double fingerprint(const Network &network, int64_t steps);

} // namespace mardini::train
