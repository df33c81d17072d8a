// The one interface between motion and pixels: reference frames in, motion and weights in,
// synthesized planes out. One painter per kind of device; all follow the rule of
// NetworkImpl::finish(), to which a test holds each.
#pragma once

#include "mardini.h"
#include "network/generator.h"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace mardini {

/// Inputs of one synthesized frame. Tensors lie on the painter's device.
struct PaintJob {
    int64_t before, after;                 ///< ids of its reference frames; may be the same
    float distance_before, distance_after; ///< signed, in gaps
    float residual_gate;                   ///< factor of the head's residual and of the uncertainty
    Motion motion; ///< (1,.,h,w) at the motion resolution, displacements in its pixels
    Tensor hidden; ///< (1,C,.,.) Refined::hidden, any size and float type
    /// (1,6,.,.) float32 of any size, added to the residual after the gate; undefined: nothing is.
    Tensor sampled_residual;
    /// The output head: (1,head_hidden+C,rows,w) -> (1,num_head_outputs,rows,w), as
    /// GeneratorImpl::head().
    std::function<Tensor(const Tensor &)> head;
    torch::Dtype head_type; ///< of its input: float32 or bfloat16
    /// How far to trust an alignment, as GeneratorImpl::trust() of these hidden features; empty:
    /// the motion is not aligned. `visibility` (1,4,h,w) at the size of the packed frame.
    std::function<Tensor(const Alignment &alignment, const Tensor &visibility)> trust;
    float detail = 0; ///< strength at which detail is restored, 0 to 1
    /// Both reference frames are the same one: their equality does not tell what stands still.
    bool single_reference = false;
};

/// log of 1 - |distance|: the logit that a linear blend would give a reference frame.
float prior_logit(float distance);

/// residual_gate() of compose.h, of one frame.
float residual_gate(float distance_before, float distance_after);

/// Part of the frame after in a linear blend by time.
float fade(const PaintJob &job);

/// What a network asks of its painter.
struct PaintTraits {
    int64_t hidden_channels; ///< of PaintJob::hidden
    bool aligns;             ///< jobs have a trust
    bool restores_detail;    ///< jobs have detail above 0
};

/// The motion in luma pixels of the full frame, at its own size: displacement to before x y, to
/// after x y, visibility 4, uncertainty. (1,9,h,w)
constexpr int num_fields = 4 + num_candidates + 1;
Tensor displacement_fields(const PaintJob &job, int reduction);

/// Errors are thrown. One thread at a time, but for paint() where is_concurrent().
class Painter {
public:
    virtual ~Painter() = default;
    Painter() = default;
    Painter(const Painter &) = delete;
    Painter &operator=(const Painter &) = delete;

    /// Takes a line for the user, at warning level.
    std::function<void(const std::string &)> warn = [](const std::string &) {};

    /// Orders the caller's stream before and after the work queued within its life.
    struct StreamOrder {
        virtual ~StreamOrder() = default;
    };
    /// Hold the result during all that touches frames; NULL: there is nothing to order.
    virtual std::unique_ptr<StreamOrder> order_streams() { return nullptr; }

    /// Take a reference frame. Planes in host memory may be read until it is dropped, unless the
    /// painter copied them.
    virtual void add(int64_t id, const MardiniFrame &frame) = 0;
    virtual void drop(int64_t id) = 0;

    /// The reference frame as encoder and planner read it: packed, at the motion resolution.
    /// (1,6,height/2/r,width/2/r) float32
    virtual Tensor motion_input(int64_t id) = 0;

    /// Prepare these reference frames for paint(), and free the pixels of all others.
    virtual void retain(const std::vector<int64_t> &ids) = 0;

    /// Synthesize one frame. `out` and `confidence` are complete after finish().
    /// @param confidence  receives the mean over the frame, 0 to 1, unless NULL
    virtual void paint(const PaintJob &job, const MardiniFrame &out, float *confidence) = 0;

    /// Wait for all frames that were painted.
    virtual void finish() {}

    /// Whether products in bfloat16 are faster than in float32.
    virtual bool multiplies_bf16() const = 0;

    /// Whether several threads may call paint() at once.
    virtual bool is_concurrent() const { return false; }

    // Host memory, in bytes; 0 where pixels lie on a device. Frames that are painted at once each
    // take bands.
    virtual int64_t bytes_of_reference() const { return 0; }
    virtual int64_t bytes_of_bands() const { return 0; }
    virtual int64_t bytes_of_smallest_bands() const { return 0; }
    /// Smaller bands from now on; false if they are the smallest.
    virtual bool shrink_bands() { return false; }
};

} // namespace mardini
