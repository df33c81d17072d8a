// Candidates and weights -> pixels.
#pragma once

#include "network/generator.h"

namespace mardini {

/// The pixels a masked frame is composed of, with their starting logits. H, W: luma; h, w: chroma.
struct Candidates {
    Tensor luma;   ///< (N,4,1,H,W) warped before, warped after, before, after
    Tensor chroma; ///< (N,4,2,h,w)
    Tensor prior;  ///< (N,4,H,W) logits that the distances, the frame's border and the motion stage
                   ///< give
};

/// Factor of the residual and of the uncertainty: 1 from an eighth of a gap on, 0 at a reference
/// frame, so that a masked frame whose time goes to a reference frame's becomes that frame.
/// (N,1,1,1)
Tensor residual_gate(const Pairs &pairs);

/// 0 where both reference frames are equal within four cells, 1 where they differ by two codes of 8
/// bits or more. A still part of the picture keeps its code values. before, after (N,6,h,w) ->
/// (N,1,h,w)
Tensor change_mask(const Tensor &before, const Tensor &after);

/// Linear blend by time. (N,C,h,w)
Tensor cross_fade(const Tensor &before, const Tensor &after, const Pairs &pairs);

/// log of 1 - |distance|, the weight a linear blend would give: (N,1,1,1) for each of the pair.
std::pair<Tensor, Tensor> prior_logits(const Pairs &pairs);

/// Sample both given frames where the motion points, and unwarped.
///   before, after  (N,6,h,w) packed, full size
///   motion         on the grid of packed frames, in luma pixels of the full frame
///   first_row      packed row that motion's row 0 stands for; all that is returned covers motion's
///   rows
Candidates candidates(const Tensor &before, const Tensor &after, const Motion &motion,
                      const Pairs &pairs, int64_t first_row = 0);

/// Weights softmax(logits) over the four candidates -> packed (N,6,h,w). logits (N,4,H,W)
Tensor compose(const Candidates &candidates, const Tensor &logits);

/// Logits in the output head's layout, (N,4,h,w) or one for each luma pixel (N,16,h,w) -> (N,4,H,W)
Tensor unpack_logits(const Tensor &logits);

} // namespace mardini
