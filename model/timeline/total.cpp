/*
 * Copyright (C) 2026 the mardini authors
 *
 * This library is free software; you can redistribute it and/or modify it under
 * the terms of the GNU Lesser General Public License as published by the Free
 * Software Foundation; either version 2.1 of the License, or (at your option)
 * any later version. It comes without any warranty; see LICENSE.
 */

#include "timeline/total.h"

#include <cinttypes>

#include "base/error.h"

namespace mardini {

TotalTimeline::TotalTimeline(const MardiniTimelineSettings &settings)
    : Timeline(settings), total_(settings.total)
{
    if (total_ < 2 || total_ > TERM_MAX)
        throw Error(EINVAL, text("a total of %" PRId64 " frames: 2 or more are wanted", total_));
    const MardiniRational rate = frame_rate();
    if (has_frame_rate())
        slot_ticks_ = set_common_time_base({rate.den, rate.num});
}

bool TotalTimeline::accepts_frame() const
{
    if (frames_.size() == MARDINI_TOTAL_GIVEN_MAX)
        throw Error(EINVAL, text("a total of %" PRId64
                                 " frames is synthesized from at most %d input frames, and more "
                                 "came; "
                                 "use a factor",
                                 total_, MARDINI_TOTAL_GIVEN_MAX));
    return true;
}

void TotalTimeline::add(const TimelineFrame &frame)
{
    frames_.push_back(frame);
    add_reference(frame);
}

void TotalTimeline::finish(int64_t)
{
    if (num_frames_ > total_)
        throw Error(EINVAL, text("a total of %" PRId64 " frames is wanted, and %" PRId64
                                 " were given: ask for as many at least",
                                 total_, num_frames_));
    if (num_frames_ == 1)
        log(MARDINI_LOG_WARNING,
            text("one frame alone was given: it comes out once, for %" PRId64 " frames two are "
                 "needed",
                 total_));
}

/// The slot nearest to f (total - 1) / (num_frames - 1).
int64_t TotalTimeline::slot_of_frame(int64_t f) const
{
    return num_frames_ > 1
               ? static_cast<int64_t>(divide_nearest(Wide(f) * (total_ - 1), num_frames_ - 1))
               : 0;
}

int TotalTimeline::next_slot(MardiniSlot *slot)
{
    if (!ended_)
        return MARDINI_ERR(EAGAIN);
    if (num_slots_ >= (num_frames_ > 1 ? total_ : num_frames_))
        return MARDINI_ERR(ENODATA);
    int64_t f = 0;
    while (f + 1 < num_frames_ && slot_of_frame(f + 1) <= num_slots_)
        f++;
    const int64_t steps = num_slots_ - slot_of_frame(f);
    if (steps == 0) {
        set_frame(slot, MARDINI_SLOT_GIVEN, frames_[f].ordinal);
    } else {
        slot->kind = MARDINI_SLOT_MADE;
        slot->before = frames_[f].ordinal;
        slot->after = frames_[f + 1].ordinal;
        slot->position =
            position_between(double(steps), double(slot_of_frame(f + 1) - slot_of_frame(f)));
    }
    set_time(slot);
    return surround(slot);
}

void TotalTimeline::set_time(MardiniSlot *slot) const
{
    if (slot_ticks_) {
        slot->pts = to_int64(to_output(first_pts_) + Wide(num_slots_) * slot_ticks_);
        slot->duration = slot_ticks_;
        return;
    }
    const auto time = [&](Wide k) {
        return num_frames_ > 1
                   ? to_int64(first_pts_ +
                              divide_nearest((Wide(last_.pts) - first_pts_) * k, num_frames_ - 1))
                   : first_pts_;
    };
    slot->pts = time(num_slots_);
    slot->duration = num_frames_ > 1 ? time(Wide(num_slots_) + 1) - slot->pts : last_.duration;
}

} // namespace mardini
