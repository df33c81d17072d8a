// Alignment of both given frames, warped to the masked frame's time: the last fraction of a pixel
// of its motion.
#pragma once

#include "network/planner.h"

namespace mardini {

/// What alignment asks for. h, w: half of the frame's luma size.
struct Alignment {
    Tensor correction; ///< (N,2,h,w) float32, velocity, luma pixels a gap, order x y; 0 where there
                       ///< is no pair around the frame
    Tensor residual_before; ///< (N,1,h/2,w/2) float32, log(1 + mean square difference of both
                            ///< warped frames at half their size, codes of 8 bits) / 8
    Tensor residual_after;  ///< the same with the whole correction
};

/// Correct the velocity of masked frames that lie between two given ones so that both given frames,
/// warped, agree in luma: Lucas and Kanade (1981), symmetric in time, Gauss-Newton steps from
/// coarse to fine. With Wa, Wb the warped luma, sa, sb the signed distances, e = Wb - Wa less its
/// local mean and g = sb grad Wb - sa grad Wa, a step solves
///     (sum k g g' + lambda I) d = - sum k g e
/// over a window of 5x5 cells, a cell being 2x2 samples, where k = v / (1 + mean of e^2 / 16^2) of
/// a cell and v says how far both frames show it: twice the smaller of the two weights over their
/// sum. Where a step does harm is for the trust to say. No gradient flows through it.
///   before, after  (N,6,h,w) packed, of the frame's own size
///   motion         (.,.,h,w), in luma pixels of that frame
Alignment align(const Tensor &before, const Tensor &after, const Motion &motion,
                const Pairs &pairs);

/// The same by tensors on any device: align() uses simd/align.h on the processor where it can.
Alignment align_by_tensors(const Tensor &before, const Tensor &after, const Motion &motion,
                           const Pairs &pairs);

/// The part of a correction that is trusted. trust (N,1,h/2,w/2) -> (N,2,h,w), luma pixels a gap
Tensor trusted_correction(const Alignment &alignment, const Tensor &trust);

} // namespace mardini
