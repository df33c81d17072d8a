/*
 * Copyright (C) 2026 the mardini authors
 *
 * This library is free software; you can redistribute it and/or modify it under
 * the terms of the GNU Lesser General Public License as published by the Free
 * Software Foundation; either version 2.1 of the License, or (at your option)
 * any later version. It comes without any warranty; see LICENSE.
 */

#include "timeline/loop.h"

#include <algorithm>
#include <cmath>

namespace mardini {

/// Positions of the window that a single image moves away from the middle.
constexpr double SWING = 6;

bool LoopTimeline::wants(int64_t ordinal) const
{
    return Timeline::wants(ordinal) ||
           std::any_of(first_frames_.begin(), first_frames_.end(),
                       [&](const TimelineFrame &frame) { return frame.ordinal == ordinal; });
}

void LoopTimeline::add(const TimelineFrame &frame)
{
    if (first_frames_.size() < 2)
        first_frames_.push_back(frame);
    ContinuedTimeline::add(frame);
}

void LoopTimeline::set_slot_after(MardiniSlot *slot)
{
    slot->kind = MARDINI_SLOT_MADE;
    if (num_frames_ > 1)
        set_joining_slot(slot);
    else
        set_swinging_slot(slot);
}

/// References: the last two frames, then the first two as if they came again.
void LoopTimeline::set_joining_slot(MardiniSlot *slot)
{
    std::vector<TimelineFrame> references(references_.end() - 2, references_.end());
    const Wide period = last_.pts + ticks_of(Wide(total_) + 1, interval()) - first_pts_;
    for (TimelineFrame frame : first_frames_) {
        frame.pts = to_int64(frame.pts + period);
        references.push_back(frame);
    }
    slot->position = position(references[1], references[2], slot->pts);
    set_references(slot, references, 1);
}

/// The position follows sin^2, whose speed is zero at both ends and in the middle.
void LoopTimeline::set_swinging_slot(MardiniSlot *slot)
{
    const double middle = (MARDINI_WINDOW - 1) / 2.0;
    // The distance to the nearer end, so that both halves have the same positions bit for bit.
    const int64_t step = std::min(num_after_slots_ + 1, total_ - num_after_slots_);
    const double sine =
        std::sin(M_PI * static_cast<double>(step) / static_cast<double>(total_ + 1));
    slot->position = middle + SWING * sine * sine;
    set_single_reference(slot, last_, middle);
}

} // namespace mardini
