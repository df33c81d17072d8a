// What the denoiser is trained by: the masked frame-level diffusion loss.
#pragma once

#include "network/denoiser.h"

namespace mardini::train {

struct Diffusion {
    Tensor loss; ///< scalar; its gradient goes through the bridge's estimate and hidden into all
                 ///< that made them
    double gain = 0; ///< PSNR of one-step samples less that of the estimates they started from, dB;
                     ///< 0 if none did
    double spread = 0; ///< mean absolute difference of the two, codes of 8 bits, where four codes
                       ///< of error are expected
};

/// Noise the true frames to random levels of the bridge, twice, and score both predictions: the
/// energy score E|x - y| - weight/2 E|x - x'| (Gneiting & Raftery 2007, section 4.3) on patches of
/// each octave. With weight 1 its best answer is the true distribution, whose samples lie 3 dB
/// below its mean; with less the samples keep nearer to the mean. target (N,6,h,w)
Diffusion diffusion(Denoiser &denoiser, const Bridge &bridge, const Tensor &target);

} // namespace mardini::train
