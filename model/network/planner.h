// Low-resolution window -> planning signal, decoded to motion, visibility, uncertainty.
#pragma once

#include "network/encoder.h"

namespace mardini {

/// How masked frames lie to their two given frames, at one resolution. N masked frames.
struct Motion {
    Tensor velocity;    ///< (N,2,h,w) float32, luma pixels a gap, order x y
    Tensor bend;        ///< (N,4,h,w) float32, what each given frame's velocity differs by: x y x y
    Tensor visibility;  ///< (N,4,h,w) float32 logits of the candidates
    Tensor uncertainty; ///< (N,1,h,w) float32, before softplus
};

/// The two given frames of each masked one.
struct Pairs {
    Tensor before, after;                   ///< (N) int64, into the B*R given frames
    Tensor distance_before, distance_after; ///< (N,1,1,1) float32, signed, in gaps
};

/// Motion -> displacement from the masked frame to its two given frames, luma pixels.
std::pair<Tensor, Tensor> displacements(const Motion &motion, const Pairs &pairs);

/// Motion on a grid of another size, in pixels of a frame whose sides change by as much.
Motion enlarged(const Motion &motion, int64_t h, int64_t w);

struct Plan {
    Motion motion;   ///< at 1/16
    Tensor features; ///< (N,features,H/16,W/16)
    Tensor
        match_velocity; ///< (N,2,H/16,W/16) of the matches alone, before the planner's correction
    Tensor tokens;      ///< (N,tokens,D) masked tokens after the last layer; for health checks
};

/// What part of the plan to switch off: to measure what it is worth.
struct Ablation {
    bool no_match = false;
    bool no_planner = false;
};

struct PlannerImpl : torch::nn::Module {
    PlannerImpl(const EncoderConfig &encoder, const PlannerConfig &config);

    /// Tokens of given frames: features (N,channels8,H/8,W/8) -> (N,tokens,D), a token for 32x32
    /// pixels.
    Tensor tokenize(const Tensor &eighth);

    /// Keys and values of reference frames, a block each, with rope by place but not by time: they
    /// are the same in every window. (F,tokens,D) -> (F,heads,tokens,head_dim)
    using ReferenceCache = std::vector<BlockImpl::KvCache>;
    ReferenceCache encode_references(const Tensor &tokens, int64_t token_rows);

    ///   tokens        (B*R,tokens,D)
    ///   cache         of them, or NULL if it is not known yet
    ///   match         of pairs.before with pairs.after, one for each masked frame
    ///   given_times   (B,R), masked_times (B,M) float32, any unit of a few to 17 positions
    Plan forward(const Tensor &tokens, const ReferenceCache *cache, const Match &match,
                 const Pairs &pairs, const Tensor &given_times, const Tensor &masked_times,
                 int64_t token_rows, const Ablation &ablation = {});

    torch::nn::Conv2d stem1{nullptr}, stem2{nullptr};
    torch::nn::Linear from_given{nullptr}, from_match{nullptr}, head{nullptr};
    torch::nn::LayerNorm norm{nullptr};
    torch::nn::ModuleList blocks;
    Tensor mask_token;

private:
    Tensor attend(Tensor masked, const ReferenceCache &cache, const Rotation &rope_masked,
                  const Tensor &given_times, int64_t M);
    PlannerConfig config_;
};
TORCH_MODULE(Planner);

} // namespace mardini
