// The loss of the denoiser: masked frame-level diffusion.
#pragma once

#include "network/denoiser.h"

namespace mardini::train {

/// Scalars; all but `loss` are metrics without a gradient.
struct Diffusion {
    Tensor loss;   ///< its gradient goes through the estimate and the hidden features of the bridge
    Tensor gain;   ///< PSNR of one-step samples less that of the estimates they started from, dB
    Tensor gained; ///< 1; 0 if no frame was at full noise, where `gain` means nothing
    Tensor spread; ///< mean absolute difference of two samples, codes of 8 bits, where an error of
                   ///< four codes is expected
};

/// Noise the true frames to random levels of the bridge, twice, and score both predictions: the
/// energy score E|x - y| - weight/2 E|x - x'| (Gneiting & Raftery 2007, section 4.3) on patches of
/// each octave. At weight 1 the minimum is the true distribution, whose samples lie 3 dB below its
/// mean; at less the samples keep nearer to the mean. target (N,6,h,w)
Diffusion diffusion(Denoiser &denoiser, const Bridge &bridge, const Tensor &target);

} // namespace mardini::train
