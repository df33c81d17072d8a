// Detail that composing takes away: the mean of two frames that do not quite agree has less of it
// than either.
#pragma once

#include "network/compose.h"

namespace mardini {

/// Energy of a frame's fine part, luma less its mean weighted by a triangle of 9x9 pixels: its mean
/// square around each cell of 2x2 pixels, in codes of 8 bits squared. packed (N,>=4,h,w) ->
/// (N,1,h,w)
Tensor fine_energy(const Tensor &packed);

/// Give luma of composed frames the fine energy of the given frames that they are composed of, each
/// taken from where the motion points: y + strength (gain - 1) fine(y), gain = sqrt((wanted + 1) /
/// (had + 1)), 1 to 2, and never beyond the range of the candidates in the 3x3 pixels around.
///   made           (N,6,h,w) packed
///   before, after  (N,6,h,w) packed given frames
///   candidates     what `made` is composed of, by `logits` (N,4,H,W)
///   strength       0 to 1
///   returns        (N,6,h,w); chroma as it was
Tensor restore_detail(const Tensor &made, const Tensor &before, const Tensor &after,
                      const Motion &motion, const Pairs &pairs, const Candidates &candidates,
                      const Tensor &logits, double strength);

} // namespace mardini
