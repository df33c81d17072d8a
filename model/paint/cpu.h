// From motion to pixels in one pass over bands of rows: fields are enlarged, both reference frames
// sampled, the candidates weighed, the output head applied, and the result rounded into the frame's
// planes. No picture of floats is larger than a band.
#pragma once

#include "base/profile.h"
#include "frame/geometry.h"
#include "paint/painter.h"
#include "paint/pixels.h"

namespace mardini {

/// Bytes that paint() takes for its bands if told `band_bytes`, whose least is a few rows.
int64_t bytes_of_bands(const Geometry &geometry, const PaintTraits &traits, int64_t band_bytes);

/// Synthesize one frame on the processor.
/// @param before, after  of the job's reference frames
/// @param band_bytes     that the buffers of a band may take; 0: as much as the caches hold
/// @return mean confidence over the frame, 0 to 1
float paint(const Geometry &geometry, const PaintJob &job, const Pixels &before,
            const Pixels &after, int64_t band_bytes, const MardiniFrame &out, Profile &profile);

} // namespace mardini
