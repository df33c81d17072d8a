// The whole network: given frames and times in, masked frames out.
#pragma once

#include "network/compose.h"
#include "network/denoiser.h"
#include "network/motion_sampler.h"
#include "timeline/references.h"

#include <string>
#include <vector>

namespace mardini {

/// Times of B windows -> who is made from whom. (B,R) and (B,M) on the CPU.
Pairs make_pairs(const Tensor &given_times, const Tensor &masked_times,
                 const torch::Device &device);

/// Likewise of references that were chosen before; indices as they are.
Pairs make_pairs(const std::vector<References> &references, const torch::Device &device);

/// Everything the losses look at. N = B*M masked frames in order.
struct Output {
    Tensor frames;      ///< (N,6,h,w) packed, the 0-step result
    Tensor composite;   ///< (N,6,h,w) before the output head
    Tensor uncertainty; ///< (N,1,h,w) float32, >= 0: expected absolute error, 0 where nothing moves
    Tensor weights;     ///< (N,4,H,W) of the candidates
    Plan plan;
    Refined refined;
    Tensor trust;  ///< (N,1,h/2,w/2) in the alignment; undefined if the network does not align
    Motion motion; ///< (N,.,h,w) what the frames are composed by: refined.half, at their size and
                   ///< aligned
    Pairs pairs;

    /// What the denoiser starts from.
    Bridge bridge() const { return {frames, uncertainty, refined.hidden}; }
};

struct ForwardOptions {
    int reduction = 1; ///< motion is found on frames that are this many times smaller
    Ablation ablation;
};

struct NetworkImpl : torch::nn::Module {
    explicit NetworkImpl(const NetworkConfig &config);

    ///   given         (B,R,6,h,w) packed, h and w multiples of 16 * reduction
    ///   given_times   (B,R) float32 on the CPU, rising
    ///   masked_times  (B,M) float32 on the CPU
    Output forward(const Tensor &given, const Tensor &given_times, const Tensor &masked_times,
                   const ForwardOptions &options = {});

    /// The refined motion at the size of the given frames, aligned to them if the network aligns.
    ///   before, after  (N,6,h,w) packed, the given frames of each masked one
    ///   trust          receives how far the alignment was trusted, (N,1,h/2,w/2), if not null
    ///   returns        on (h,w), luma pixels of these frames
    Motion aligned(const Refined &refined, const Tensor &before, const Tensor &after,
                   const Pairs &pairs, Tensor *trust = nullptr);

    /// From motion to frames: fill in frames, composite, uncertainty and weights of `o`, whose
    /// refined, motion and pairs are known. before, after (N,6,h,w): the given frames of each
    /// masked one
    void finish(Output &o, const Tensor &before, const Tensor &after);

    /// Strength at which detail is restored: the configuration's until another is set.
    double detail;

    const NetworkConfig &config() const { return config_; }

    Encoder encoder{nullptr};
    Planner planner{nullptr};
    Generator generator{nullptr};
    Denoiser denoiser{nullptr}; ///< empty if the configuration has none
    Sampler sampler{nullptr};   ///< likewise

private:
    NetworkConfig config_;
};
TORCH_MODULE(Network);

} // namespace mardini
