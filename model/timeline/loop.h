/*
 * Copyright (C) 2026 the mardini authors
 *
 * This library is free software; you can redistribute it and/or modify it under
 * the terms of the GNU Lesser General Public License as published by the Free
 * Software Foundation; either version 2.1 of the License, or (at your option)
 * any later version. It comes without any warranty; see LICENSE.
 */

// The mode loop: the input at its own times, then synthesized frames that lead back to its start.
#pragma once

#include <vector>

#include "timeline/extend.h"

namespace mardini {

/// Joins the last two frames to the first two. A single image moves away and back.
class LoopTimeline : public ContinuedTimeline {
public:
    explicit LoopTimeline(const MardiniTimelineSettings &settings) : ContinuedTimeline(settings) {}
    bool wants(int64_t ordinal) const override;

private:
    int64_t num_after() const override { return total_; }
    size_t num_last_references() const override { return 2; }
    void set_slot_after(MardiniSlot *slot) override;
    void add(const TimelineFrame &frame) override;
    void set_joining_slot(MardiniSlot *slot);
    void set_swinging_slot(MardiniSlot *slot);

    std::vector<TimelineFrame> first_frames_; ///< the first two
};

} // namespace mardini
