// The loss of a batch's stage, and metrics of the network on that batch.
#include "train/stage_loss.h"

#include "engine/single_image.h"
#include "simd/precision.h"
#include "train/diffusion.h"
#include "train/flow_matching.h"
#include "train/losses.h"

#include <torch/csrc/autograd/autograd.h>

namespace mardini::train {

/// (B,M,...) -> (N,...), N = B*M; undefined stays undefined.
static Tensor flat(const Tensor &t)
{
    return t.defined() ? t.flatten(0, 1) : t;
}

/// Errors of the synthesized frames, and their PSNR above that of a cross-fade.
static void measure_frames(const Batch &batch, const Tensor &target, const Output &output,
                           const Losses &losses, Metrics &metrics)
{
    torch::NoGradGuard no_grad;
    metrics.add("distance", 100 * losses.distance);
    if (losses.has_flow) {
        metrics.add("error_final", losses.error_final);
        metrics.add("error_plan", losses.error_plan);
        metrics.add("error_match", losses.error_match);
        metrics.add("error_zero", losses.error_zero);
    }
    if (batch.references.size(1) < 2)
        return;
    const std::string kind = batch.flow.defined() ? "synthetic" : "real";
    const Tensor references = flat(batch.references);
    const Tensor blend = cross_fade(references.index_select(0, output.pairs.before),
                                    references.index_select(0, output.pairs.after), output.pairs);
    const Tensor quality = psnr(output.frames, target);
    metrics.add(kind + "_psnr", quality);
    metrics.add(kind + "_gain", quality - psnr(blend, target));
}

StageLoss::StageLoss(const TrainOptions &options, const Ablation &without, Network network,
                     Network larger, bool bf16)
    : options_(options), without_(without), network_(std::move(network)),
      larger_(std::move(larger)), bf16_(bf16)
{
}

Tensor StageLoss::loss(const Batch &batch, Metrics &metrics)
{
    return batch.stage == Stage::Animate ? motion_loss(batch, metrics) : frame_loss(batch, metrics);
}

Output StageLoss::forward(const Batch &batch, const Ablation &without)
{
    Autocast autocast(batch.references.device().type(), bf16_);
    return network_->forward(batch.references, batch.reference_times, batch.masked_times,
                             {batch.reduction, without});
}

Tensor StageLoss::motion_loss(const Batch &batch, Metrics &metrics)
{
    Autocast autocast(batch.references.device().type(), bf16_);
    const FlowMatching matching = flow_matching(network_, batch);
    metrics.add("flow_matching", 100 * matching.loss.detach());
    metrics.add("motion_explained", matching.explained, matching.explained.isfinite());
    metrics.add("motion_speed", matching.speed);
    return matching.loss;
}

Tensor StageLoss::frame_loss(const Batch &batch, Metrics &metrics)
{
    const bool frozen = batch.stage == Stage::Denoise; // all but the denoiser
    const Tensor target = flat(batch.masked);
    Output output;
    {
        torch::AutoGradMode with_gradient(!frozen);
        output = forward(batch, without_);
    }
    const Losses terms = losses(output, target, options_.labels ? flat(batch.flow) : Tensor(),
                                flat(batch.visible), batch.reduction);
    Tensor total = terms.total;
    if (larger_ && !frozen)
        total = total + distillation(batch, output);
    if (frozen || batch.stage == Stage::Joint ||
        (batch.stage == Stage::Decay && network_->denoiser->is_trained())) {
        const Tensor diffusion = diffusion_loss(batch, output, target, metrics);
        total = frozen ? diffusion : total + diffusion;
    }
    if (parts_due_ && batch.references.size(1) > 1) {
        measure_contributions(batch, target, output, metrics);
        parts_due_ = false;
    }
    measure_frames(batch, target, output, terms, metrics);
    return total;
}

/// The distance to the larger network's frames and motion.
Tensor StageLoss::distillation(const Batch &batch, const Output &output)
{
    Output larger;
    {
        torch::NoGradGuard no_grad;
        Autocast autocast(batch.references.device().type(), bf16_);
        larger = larger_->forward(batch.references, batch.reference_times, batch.masked_times,
                                  {batch.reduction, {}});
    }
    const Tensor difference = output.refined.half.velocity - larger.refined.half.velocity;
    return 0.3 * frame_distance(output.frames, larger.frames) +
           0.01 * (difference.square().sum(1, true) + 0.01).sqrt().mean();
}

/// The start of the denoiser. A single reference frame determines no motion: the motion found with
/// the masked frame as input stands for the motion that the filter samples.
Bridge StageLoss::bridge(const Batch &batch, const Output &output)
{
    if (batch.references.size(1) > 1)
        return output.bridge();
    torch::NoGradGuard no_grad;
    const Tensor reference =
        batch.references.select(1, 0).repeat_interleave(batch.masked.size(1), 0);
    const Tensor velocity =
        resize(flat(motion_examples(network_, batch).motion), reference.size(2), reference.size(3));
    return bridge_of_single_reference(reference, 2 * reference.size(2), 2 * reference.size(3),
                                      motion_of_velocity(velocity), output.pairs,
                                      network_->generator->hidden_channels());
}

Tensor StageLoss::diffusion_loss(const Batch &batch, const Output &output, const Tensor &target,
                                 Metrics &metrics)
{
    Autocast autocast(batch.references.device().type(), bf16_);
    const Diffusion sampled = diffusion(network_->denoiser, bridge(batch, output), target);
    metrics.add("sample_gain", sampled.gain, sampled.gained);
    metrics.add("sample_spread", sampled.spread);
    metrics.add("diffusion", 100 * sampled.loss.detach());
    if (diffusion_due_ && batch.stage != Stage::Denoise && batch.references.size(1) > 1) {
        measure_diffusion(sampled.loss, metrics);
        diffusion_due_ = false;
    }
    return sampled.loss;
}

/// PSNR lost with the planner and with the matches switched off, and magnitudes inside the network.
void StageLoss::measure_contributions(const Batch &batch, const Tensor &target,
                                      const Output &output, Metrics &metrics)
{
    torch::NoGradGuard no_grad;
    const Tensor whole = psnr(output.frames, target);
    Ablation no_planner = without_, no_match = without_;
    no_planner.no_planner = no_match.no_match = true;
    metrics.add("loss_without_planner", whole - psnr(forward(batch, no_planner).frames, target));
    metrics.add("loss_without_match", whole - psnr(forward(batch, no_match).frames, target));
    metrics.add("token_magnitude", output.plan.tokens.norm(2, {2}).mean());
    metrics.add("trust", output.trust.defined() ? output.trust.mean() : at::zeros({}));
    metrics.add("unwarped_weight", output.weights.slice(1, 2, 4).sum(1).mean());
    const Tensor planned = output.plan.motion.velocity.norm(2, {1}).mean(),
                 refined = output.refined.half.velocity.norm(2, {1}).mean();
    metrics.add("plan_share", planned / (refined + 1e-3));
}

/// Norms of the gradient of the diffusion loss alone in planner and generator.
void StageLoss::measure_diffusion(const Tensor &loss, Metrics &metrics)
{
    const std::pair<const char *, torch::nn::Module *> parts[] = {
        {"diffusion_planner", network_->planner.get()},
        {"diffusion_generator", network_->generator.get()}};
    for (auto [name, part] : parts) {
        Tensor sum = at::zeros({}, loss.options().dtype(torch::kFloat64));
        for (const Tensor &g :
             torch::autograd::grad({loss}, part->parameters(), {}, /*retain_graph=*/true, false,
                                   /*allow_unused=*/true))
            if (g.defined())
                sum = sum + g.square().sum();
        metrics.add(name, sum.detach().sqrt());
    }
}

} // namespace mardini::train
