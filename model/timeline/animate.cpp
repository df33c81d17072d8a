/*
 * Copyright (C) 2026 the mardini authors
 *
 * This library is free software; you can redistribute it and/or modify it under
 * the terms of the GNU Lesser General Public License as published by the Free
 * Software Foundation; either version 2.1 of the License, or (at your option)
 * any later version. It comes without any warranty; see LICENSE.
 */

#include "timeline/animate.h"

#include <cinttypes>

#include "base/error.h"

namespace mardini {

AnimateTimeline::AnimateTimeline(const MardiniTimelineSettings &settings)
    : Timeline(settings), rate_(reduce(settings.rate, "fps")), total_(settings.total),
      anchor_(settings.anchor)
{
    if (total_ < 2 || total_ > TERM_MAX)
        throw Error(EINVAL, text("%" PRId64 " frames of one: 2 or more are wanted", total_));
    if (anchor_ < 0 || anchor_ >= total_)
        throw Error(EINVAL, text("the given frame is to be output frame %" PRId64 "; 0 to %" PRId64
                                 " are there",
                                 anchor_, total_ - 1));
    slot_ticks_ = set_common_time_base({rate_.den, rate_.num});
}

/// In the window, 0 to 16.
double AnimateTimeline::position_of(int64_t output_frame) const
{
    return double(output_frame) * (MARDINI_WINDOW - 1) / double(total_ - 1);
}

int AnimateTimeline::next_slot(MardiniSlot *slot)
{
    if (num_frames_ == 0 && !ended_)
        return MARDINI_ERR(EAGAIN);
    if (num_frames_ == 0 || num_slots_ >= total_)
        return MARDINI_ERR(ENODATA);
    set_frame(slot, MARDINI_SLOT_GIVEN, last_.ordinal);
    slot->pts = to_int64(to_output(first_pts_) + Wide(num_slots_) * slot_ticks_);
    slot->duration = slot_ticks_;
    if (num_slots_ != anchor_) {
        slot->kind = MARDINI_SLOT_MADE;
        slot->position = position_of(num_slots_);
        set_single_reference(slot, last_, position_of(anchor_));
    }
    return 0;
}

} // namespace mardini
