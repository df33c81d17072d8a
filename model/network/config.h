// Sizes of the network, as presets and as they stand in a checkpoint.
#pragma once

#include <string>

namespace mardini {

struct EncoderConfig {
    int channels2 = 16; ///< at 1/2 of the frame
    int channels4 = 32; ///< at 1/4
    int channels8 = 48; ///< at 1/8
    int match = 32;     ///< learned part of the matching descriptor
};

struct PlannerConfig {
    int width = 128; ///< of a token
    int layers = 4;
    int head_dim = 32;
    int features = 24; ///< channels of the planning signal that stay opaque
};

struct GeneratorConfig {
    int channels8 = 64; ///< of the refinement at 1/8
    int blocks8 = 1;
    int cost8 = 3;      ///< radius of its cost volume, cells of 8 pixels
    int channels4 = 40; ///< at 1/4
    int cost4 = 2;
    int channels2 = 16; ///< of the output head, at 1/2 of the full frame
    int passes8 = 2;    ///< corrections at 1/8, one after the other by the same weights
    int trust = 0;      ///< channels of the trust in alignment; 0: the motion is not aligned
    int logits = 4; ///< of the output head for a candidate and 2x2 luma pixels: 1, or one a pixel
    double detail =
        0; ///< strength at which detail is restored, 0 to 1, unless the caller says another
};

struct DenoiserConfig {
    int channels4 = 32; ///< at 1/4 of the full frame; 0: the network has no denoiser
    int channels8 = 64; ///< at 1/8
};

struct MotionSamplerConfig {
    int layers = 4; ///< as wide as the planner's; 0: the network samples no motion
};

/// Stored in the checkpoint's header.
struct NetworkConfig {
    std::string preset = "nano";
    EncoderConfig encoder;
    PlannerConfig planner;
    GeneratorConfig generator;
    DenoiserConfig denoiser;
    MotionSamplerConfig sampler;
};

/// Sizes of a preset: nano, small, base. Throws for another name.
NetworkConfig preset(const std::string &name);

std::string to_json(const NetworkConfig &config);

/// Throws std::runtime_error for a missing field or one that is out of range.
NetworkConfig config_from_json(const std::string &json);

} // namespace mardini
