// Constants of the painting rule, of the packed frame and of the network's units. Plain C++17
// without LibTorch: host code, vector code and CUDA kernels include it.
#pragma once

namespace mardini {

// ---- the packed frame: Y'CbCr 4:2:0, 2x2 luma samples and Cb, Cr in a cell ------------

constexpr int packed_channels = 6; ///< Y00 Y01 Y10 Y11 Cb Cr
constexpr int luma_channels = 4;

/// Luma of GBR frames: the weights of BT.601, whatever the primaries; only the network sees it.
namespace luma_weights {
constexpr double red = 0.299, green = 0.587, blue = 0.114;
constexpr double cb_scale = 0.5 / (1 - blue), cr_scale = 0.5 / (1 - red);
} // namespace luma_weights

// ---- candidates of a pixel --------------------------------------------------------------

/// Warped before, warped after, before, after.
constexpr int num_candidates = 4;

/// Logits that a candidate from outside the picture loses.
constexpr float outside_penalty = 8;

/// Weight of the farther reference frame beyond the pair, and the least weight between them, before
/// the logarithm.
constexpr float extrapolation_prior = 0.02f, least_prior = 1e-6f;

/// Keys' bicubic kernel (1981).
constexpr float cubic_a = -0.75f;

// ---- the output head --------------------------------------------------------------------

/// Channels of its input: the composite, warped before less warped after, |before - after| of luma,
/// and the refinement's hidden features from there on.
constexpr int head_difference = packed_channels, head_still = 2 * packed_channels,
              head_hidden = head_still + luma_channels;

/// Channels of its output: the residual, logits of the candidates of each luma sample, uncertainty.
constexpr int head_logits = packed_channels,
              head_uncertainty = head_logits + num_candidates * luma_channels,
              num_head_outputs = head_uncertainty + 1;

/// Packed rows beyond a band that take part: three 3x3 convolutions, one row of interpolation of
/// the logits and one of the fields.
constexpr int head_halo = 5;

// ---- confidence and masks ---------------------------------------------------------------

/// uncertainty = softplus(motion's + head's - shift): the expected absolute error, in values.
constexpr float uncertainty_shift = 4;

/// confidence = 1 / (1 + scale * uncertainty): a half at an error of eight codes of 8 bits.
constexpr float confidence_scale = 16;

/// The residual is whole from 1 / slope of a gap on; at a reference frame it is 0.
constexpr float residual_gate_slope = 8;

/// The change mask is whole at two codes of 8 bits, the largest of so many cells on every side.
constexpr float change_mask_scale = 64;
constexpr int change_mask_radius = 4;

// ---- time -------------------------------------------------------------------------------

/// A gap between two reference frames, in the planner's unit: it saw up to 16 positions in
/// training.
constexpr double gap_positions = 8;

/// Unlikeness of two frames, 0 to 1, from which on they belong to different scenes.
constexpr double cut_threshold = 0.74;

} // namespace mardini
