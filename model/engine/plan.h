// Windows -> plans: which reference frames a masked frame is synthesized from, and how it moves.
#pragma once

#include "engine/memory.h"
#include "engine/references.h"
#include "engine/single_image.h"

#include <vector>

namespace mardini {

/// The reference frames of one masked frame of a window.
References references_of(const MardiniWindow &window, int masked);

/// Windows split so that each has masked frames of one pair of references. Each part is planned
/// by itself, so that a frame does not depend on what else is asked for.
std::vector<MardiniWindow> split_by_pair(const MardiniWindow *windows, int num_windows);

/// A part of a window with the planner's result.
struct PlannedWindow {
    const MardiniWindow *window;
    std::vector<References> references; ///< of each masked frame; all have one pair
    Tensor given_times, masked_times;   ///< (1,.) float32, on the processor
    Pairs pairs;                        ///< of the masked frames, on the device
    Plan plan;                          ///< with two references or more
    SampledMotion sampled;              ///< with one
};

/// One masked frame of a planned window.
struct PlannedFrame {
    bool single_reference; ///< its motion is sampled
    int64_t before, after; ///< ids
    float distance_before, distance_after;
    double time; ///< of the frame, in the window's unit from the first reference on
    int64_t key; ///< names its noise
    Pairs pair;  ///< (1,...), on the device
};
PlannedFrame frame_of(const PlannedWindow &planned, int64_t i);

/// The plan of one frame: row i of a window's.
Plan plan_of_frame(const Plan &plan, int64_t i);

class WindowPlanner {
public:
    WindowPlanner(Network network, ReferenceStore &references, const Geometry &geometry,
                  const torch::Device &device, const MotionRequest &request, Profile &profile);

    /// Plan parts of split_by_pair(), several at once.
    std::vector<PlannedWindow> plan(const std::vector<MardiniWindow> &parts, FramesAtATime &frames);

private:
    void encode_references(const std::vector<MardiniWindow> &parts, FramesAtATime &frames);
    PlannedWindow place(const MardiniWindow &window, double origin, double gap,
                        double length) const;
    PlannedWindow plan_window(const MardiniWindow &window);
    PlannedWindow plan_single(const MardiniWindow &window);

    Network network_;
    ReferenceStore &references_;
    const Geometry geometry_;
    const torch::Device device_;
    const MotionRequest request_;
    Profile &profile_;
};

} // namespace mardini
