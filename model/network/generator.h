// Planning signal + given frames -> motion at 1/2, weights of the candidates, residual.
#pragma once

#include "network/align.h"

namespace mardini {

/// What refinement found at the motion resolution.
struct Refined {
    Motion eighth; ///< after the correction at 1/8, at 1/8
    Motion half;   ///< after the correction at 1/4, at 1/2
    Tensor hidden; ///< (N,hidden,H/4,W/4): what the output head and the denoiser get to know
};

/// Output head's word on every pixel, in the packed layout of frame.h. h, w: half of the full
/// frame.
struct Finish {
    Tensor residual;    ///< (N,6,h,w) float32, added to the composite
    Tensor visibility;  ///< (N,4 * logits,h,w) float32, added to the candidates' logits
    Tensor uncertainty; ///< (N,1,h,w) float32, added before softplus
};

struct GeneratorImpl : torch::nn::Module {
    GeneratorImpl(const EncoderConfig &encoder, const PlannerConfig &planner,
                  const GeneratorConfig &config);

    /// Correct the plan's motion at 1/8, several times (Teed and Deng 2020, RAFT, section 3.3), and
    /// then at 1/4 by what the warped features of the two given frames say.
    ///   a, b  features of the given frames before and after, one for each masked frame
    Refined refine(const Plan &plan, const Features &a, const Features &b, const Pairs &pairs);

    /// Channels of Refined::hidden.
    int hidden_channels() const { return hidden_channels_; }

    /// Of the output head's word: residual, logits of the candidates, uncertainty.
    int head_channels() const { return packed_channels + config_.logits * num_candidates + 1; }

    bool aligns() const { return config_.trust > 0; }

    /// How far to trust an alignment, 0 to 1 for each cell of 4x4 luma pixels. h, w: half of the
    /// frame.
    ///   hidden      Refined::hidden
    ///   visibility  (N,4,h,w) logits of the candidates
    ///   returns     (N,1,h/2,w/2) float32
    Tensor trust(const Tensor &hidden, const Alignment &alignment, const Tensor &visibility);

    ///   composite, difference  (N,6,h,w) packed: composed candidates; warped before less warped
    ///   after still                  (N,4,h,w) |before - after|, luma hidden Refined::hidden,
    ///   resized to (h, w)
    Finish finish(const Tensor &composite, const Tensor &difference, const Tensor &still,
                  const Tensor &hidden);

    /// The same without names: finish()'s inputs side by side -> residual, visibility, uncertainty
    /// side by side.
    Tensor head(const Tensor &inputs);

    /// The same with the logits of each luma pixel: (N,num_head_outputs,h,w), whatever the network
    /// has.
    Tensor pixel_head(const Tensor &inputs);

    torch::nn::Conv2d in8{nullptr}, delta8{nullptr}, up8{nullptr}, in4{nullptr}, delta4{nullptr},
        up4{nullptr}, trust1{nullptr}, trust2{nullptr}, head1{nullptr}, head2{nullptr},
        head3{nullptr};
    torch::nn::Sequential blocks8;
    ResBlock block4{nullptr};

private:
    GeneratorConfig config_;
    int hidden_channels_;
};
TORCH_MODULE(Generator);

} // namespace mardini
