// The privileged teacher: it sees the true frame, corrects the motion by it, and the network learns
// from that motion where it made better pixels (Huang et al. 2022, RIFE, section 3.3). Trained
// beside the network, never shipped.
#pragma once

#include "network/network.h"

namespace mardini::train {

struct TeacherImpl : torch::nn::Module {
    explicit TeacherImpl(const NetworkConfig &config);

    /// The network's motion at 1/2, corrected by what the true frame shows.
    ///   given   (B*R,6,h,w) packed
    ///   target  (N,6,h,w) packed, the true masked frames
    Motion forward(const Tensor &given, const Output &output, const Tensor &target);

    torch::nn::Conv2d feature1{nullptr}, feature2{nullptr}, in{nullptr}, out{nullptr};
    ResBlock block{nullptr};
};
TORCH_MODULE(Teacher);

struct Lesson {
    Tensor loss;      ///< the teacher's own, and what the network has to learn from it
    double gain = 0;  ///< PSNR of the teacher's composite less that of the network's, dB
    double share = 0; ///< of the pixels where the network learns from the teacher
};

/// One step's terms. given (B*R,6,h,w), target (N,6,h,w)
Lesson teach(Teacher &teacher, const Tensor &given, const Output &output, const Tensor &target);

} // namespace mardini::train
