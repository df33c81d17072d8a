// The loss of a batch's stage, and metrics of the network on that batch.
#pragma once

#include "network/network.h"
#include "train/batch.h"
#include "train/options.h"
#include "train/report/metrics.h"

namespace mardini::train {

class StageLoss {
public:
    /// larger: the network to distil; empty if there is none. options outlives the object.
    StageLoss(const TrainOptions &options, const Ablation &without, Network network, Network larger,
              bool bf16);

    /// The next batch also measures the contribution of each part, at the cost of several passes.
    void measure_parts() { parts_due_ = diffusion_due_ = true; }

    /// The sum of the losses of batch.stage, to be differentiated. batch: on the network's device.
    Tensor loss(const Batch &batch, Metrics &metrics);

private:
    Tensor motion_loss(const Batch &batch, Metrics &metrics);
    Tensor frame_loss(const Batch &batch, Metrics &metrics);
    Tensor distillation(const Batch &batch, const Output &output);
    Tensor diffusion_loss(const Batch &batch, const Output &output, const Tensor &target,
                          Metrics &metrics);
    Output forward(const Batch &batch, const Ablation &without);
    Bridge bridge(const Batch &batch, const Output &output);
    void measure_contributions(const Batch &batch, const Tensor &target, const Output &output,
                               Metrics &metrics);
    void measure_diffusion(const Tensor &loss, Metrics &metrics);

    const TrainOptions &options_;
    const Ablation without_;
    Network network_, larger_;
    const bool bf16_;
    bool parts_due_ = true, diffusion_due_ = true;
};

} // namespace mardini::train
