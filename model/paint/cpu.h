// From motion to pixels in one pass over bands of rows: fields are enlarged, both given frames are
// sampled, the candidates weighed, the output head's word applied, and the result rounded into the
// frame's planes.
//
// The same arithmetic as compose.h, which the trainer uses and which a test holds this to. No
// picture of floats is larger than a band.
#pragma once

#include "base/profile.h"
#include "frame/frame.h"
#include "network/generator.h"
#include "simd/plane.h"

#include <functional>
#include <memory>

namespace mardini {

/// A given frame as a source of pixels.
struct Pixels {
    /// Luma, Cb, Cr as the network sees them, 4:2:0: the frame's own samples if it is 4:2:0 or
    /// gray, else float32.
    std::vector<Plane> packed;
    /// Every plane as stored, where `packed` does not hold it; else undefined.
    std::vector<Plane> planes;
};

/// True if the packed frame holds every plane but alpha as it is stored.
bool packed_is_whole(const MardiniFormat &format);

/// Copy a frame's planes; what is made of them does not look at the frame again.
Pixels take_pixels(const Geometry &geometry, const MardiniFrame &frame);

/// What one masked frame is painted from.
struct PaintJob {
    const Pixels *before, *after;
    float distance_before, distance_after; ///< signed, in gaps
    float vanish;                          ///< vanishing() of compose.h
    Motion motion; ///< (1,.,h/r,w/r) at the motion resolution, displacements in its pixels
    Tensor hidden; ///< (1,C,.,.) any size and float type: resized for the head
    Tensor extra;  ///< (1,6,.,.) float32 of any size or undefined: resized and added to the change
    /// The output head: (1,16+C,rows,w) -> (1,23,rows,w), as GeneratorImpl::head().
    std::function<Tensor(const Tensor &)> head;
    bool alone = false; ///< both given frames are one: that they agree says nothing of what moves
    torch::Dtype dtype; ///< of the head's input: float32 or bfloat16
    int64_t band_bytes =
        0; ///< that the buffers of a band may take; 0: what the processor's caches hold
};

/// What paint() takes for its bands if told `band_bytes`, whose least is a few rows.
int64_t bytes_of_bands(const Geometry &geometry, int64_t hidden_channels, int64_t band_bytes);

/// What take_pixels() keeps of a frame, in bytes.
int64_t bytes_of_pixels(const Geometry &geometry);
/// The motion in pixels of the full frame, at its own size: displacement to before x y, to after x
/// y, visibility 4, uncertainty. (1,9,h/r,w/r)
Tensor fields_of(const Geometry &geometry, const PaintJob &painting);

/// log of 1 - |distance|: the logit that a linear blend would give a given frame.
float prior_logit(float distance);

/// Make one frame on the processor.
/// @return how sure the network is, 0 .. 1, mean over the frame
float paint(const Geometry &geometry, const PaintJob &painting, const MardiniFrame &out,
            Profile &profile);

} // namespace mardini
