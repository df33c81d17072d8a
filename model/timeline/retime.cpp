/*
 * Copyright (C) 2026 the mardini authors
 *
 * This library is free software; you can redistribute it and/or modify it under
 * the terms of the GNU Lesser General Public License as published by the Free
 * Software Foundation; either version 2.1 of the License, or (at your option)
 * any later version. It comes without any warranty; see LICENSE.
 */

#include "timeline/retime.h"

#include <algorithm>
#include <cinttypes>
#include <numeric>

#include "base/error.h"

namespace mardini {

// ---- fps and slowmo ---------------------------------------------------------------

void RetimeTimeline::add(const TimelineFrame &frame)
{
    frames_.push_back({frame});
    add_reference(frame);
}

void RetimeTimeline::skip()
{
    const bool left_out = last_.ordinal != num_pushed_ - 1;
    if (frames_.size() < 2 || left_out || frames_.back().skipped || ended_)
        throw Error(EINVAL, "there is no frame to skip: the first frame and one that was left out "
                            "cannot be skipped, nor one twice or after the end");
    frames_.back().skipped = true;
    references_.pop_back();
    wanted_.erase(last_.ordinal);
}

int RetimeTimeline::next_slot(MardiniSlot *slot)
{
    const int ret = place_slot(slot);
    if (ret == 0 && bridge_skipped(slot))
        return surround(slot);
    if (!frames_.empty())
        drop_references_before(frames_[0].ordinal);
    return ret == 0 ? MARDINI_ERR(EAGAIN) : ret;
}

size_t RetimeTimeline::drop_frames_before(size_t f)
{
    size_t first = f;
    while (first > 0 && frames_[first].skipped)
        first--;
    frames_.erase(frames_.begin(), frames_.begin() + static_cast<std::ptrdiff_t>(first));
    first_index_ += static_cast<int64_t>(first);
    return f - first;
}

/// Place a slot next to a skipped frame between the nearest frames that are not skipped. False if
/// the one after it is not known yet.
bool RetimeTimeline::bridge_skipped(MardiniSlot *slot) const
{
    const auto find = [&](int64_t ordinal) {
        return std::find_if(frames_.begin(), frames_.end(),
                            [&](const Frame &frame) { return frame.ordinal == ordinal; });
    };
    auto before = find(slot->before), after = find(slot->after);
    if (!before->skipped && !after->skipped)
        return true;
    const int64_t start = before->pts;
    const double ticks_after_start = slot->position * (double(Wide(after->pts) - start));
    while (before->skipped)
        before--;
    while (after != frames_.end() && after->skipped)
        after++;
    if (after == frames_.end()) {
        if (!ended_)
            return false;
        set_frame(slot, MARDINI_SLOT_HELD, before->ordinal);
        return true;
    }
    slot->kind = MARDINI_SLOT_MADE;
    slot->before = before->ordinal;
    slot->after = after->ordinal;
    slot->position = position_between(double(Wide(start) - before->pts) + ticks_after_start,
                                      double(Wide(after->pts) - before->pts));
    return true;
}

// ---- fps --------------------------------------------------------------------------

FpsTimeline::FpsTimeline(const MardiniTimelineSettings &settings)
    : RetimeTimeline(settings), rate_(reduce(settings.rate, "fps")),
      slot_ticks_(set_common_time_base({rate_.den, rate_.num}))
{
}

void FpsTimeline::finish(int64_t pts)
{
    if (num_frames_ == 0)
        return;
    Wide length = last_.duration;
    if (length == 0 && pts > last_.pts)
        length = Wide(pts) - last_.pts;
    if (length == 0)
        length = has_frame_rate() ? std::max<Wide>(1, nominal_ticks(1)) : Wide(last_.gap);
    end_ = static_cast<int64_t>(std::min<Wide>(last_.pts + length, INT64_MAX));
}

/// Time from an input pts to the next slot, in seconds / (input_time_base_.den * rate_.num).
Wide FpsTimeline::offset_from(int64_t pts) const
{
    return Wide(num_slots_) * rate_.den * input_time_base_.den -
           (Wide(pts) - first_pts_) * input_time_base_.num * rate_.num;
}

/// How far a slot may lie from a frame and still show it, in the unit of offset_from(): one tick,
/// since the pts of this frame and of the first one are rounded to half a tick each. Zero where
/// the gap before the frame, or that between slots, is shorter than eight ticks.
Wide FpsTimeline::tolerance(const TimelineFrame &frame) const
{
    const Wide tick = Wide(input_time_base_.num) * rate_.num;
    const bool fine = frame.gap >= 8 && Wide(rate_.den) * input_time_base_.den >= 8 * tick;
    return fine ? tick : 0;
}

/// Index of the last frame that the next slot shows or lies after.
size_t FpsTimeline::frame_of_slot() const
{
    const auto distance = [](Wide offset) { return offset < 0 ? -offset : offset; };
    const auto belongs_to_second = [&](const Frame &first, const Frame &second) {
        const Wide to_first = offset_from(first.pts), to_second = offset_from(second.pts);
        return to_second >= -tolerance(second) &&
               (to_first > tolerance(first) || distance(to_second) < distance(to_first));
    };
    size_t f = 0;
    while (f + 1 < frames_.size() && belongs_to_second(frames_[f], frames_[f + 1]))
        f++;
    return f;
}

int FpsTimeline::place_slot(MardiniSlot *slot)
{
    if (frames_.empty())
        return ended_ ? MARDINI_ERR(ENODATA) : MARDINI_ERR(EAGAIN);
    const size_t f = drop_frames_before(frame_of_slot());
    const TimelineFrame &before = frames_[f];
    const Wide offset = offset_from(before.pts), limit = tolerance(before);
    if (offset > 0 && f + 1 >= frames_.size() && !ended_)
        return MARDINI_ERR(EAGAIN); // the next frame may be nearer
    if (offset <= limit && offset >= -limit) {
        set_frame(slot, MARDINI_SLOT_GIVEN, before.ordinal);
    } else if (f + 1 < frames_.size()) {
        const TimelineFrame &after = frames_[f + 1];
        const Wide gap = (Wide(after.pts) - before.pts) * input_time_base_.num * rate_.num;
        slot->kind = MARDINI_SLOT_MADE;
        slot->before = before.ordinal;
        slot->after = after.ordinal;
        slot->position = position_between(double(offset), double(gap));
    } else if (offset_from(end_) < -limit) {
        set_frame(slot, MARDINI_SLOT_HELD, before.ordinal);
    } else {
        return MARDINI_ERR(ENODATA);
    }
    slot->pts = to_int64(to_output(first_pts_) + Wide(num_slots_) * slot_ticks_);
    slot->duration = slot_ticks_;
    return 0;
}

// ---- slowmo -----------------------------------------------------------------------

SlowmoTimeline::SlowmoTimeline(const MardiniTimelineSettings &settings)
    : RetimeTimeline(settings), factor_(reduce(settings.rate, "factor"))
{
    if (factor_.num < factor_.den)
        throw Error(EINVAL, text("factor %" PRId64 "/%" PRId64
                                 " is below 1; to speed up use setpts and fps",
                                 factor_.num, factor_.den));
    // A stretched time is a whole number of ticks divided by the factor's denominator.
    const int64_t divisor = std::gcd(input_time_base_.num, factor_.den);
    const Wide den = Wide(input_time_base_.den) * (factor_.den / divisor);
    exact_time_base_ = den <= TERM_MAX;
    if (exact_time_base_)
        time_base_ = {input_time_base_.num / divisor, static_cast<int64_t>(den)};
    else
        log(MARDINI_LOG_INFO,
            text("factor %" PRId64 "/%" PRId64 " is finer than a time base can be: output times "
                 "are rounded to %" PRId64 "/%" PRId64 " s",
                 factor_.num, factor_.den, time_base_.num, time_base_.den));
}

SlowmoTimeline::Known SlowmoTimeline::find_place(Wide slot, Place *place) const
{
    const Wide steps = slot * factor_.den;
    place->index = to_int64(steps / factor_.num);
    place->remainder = static_cast<int64_t>(steps % factor_.num);
    const size_t f = static_cast<size_t>(place->index - first_index_);
    if (f + (place->remainder > 0) >= frames_.size())
        return ended_ ? OVER : WAIT;
    Wide stretched = (Wide(frames_[f].pts) - first_pts_) * factor_.num;
    if (place->remainder)
        stretched += (Wide(frames_[f + 1].pts) - frames_[f].pts) * place->remainder;
    place->pts = to_int64(exact_time_base_ ? Wide(first_pts_) * factor_.den + stretched
                                           : first_pts_ + divide_nearest(stretched, factor_.den));
    return KNOWN;
}

int SlowmoTimeline::place_slot(MardiniSlot *slot)
{
    Place here, following;
    const Known known = find_place(num_slots_, &here);
    if (known != KNOWN)
        return known == OVER ? MARDINI_ERR(ENODATA) : MARDINI_ERR(EAGAIN);
    const Known known_end = find_place(Wide(num_slots_) + 1, &following);
    if (known_end == WAIT)
        return MARDINI_ERR(EAGAIN);
    const size_t f = drop_frames_before(static_cast<size_t>(here.index - first_index_));
    if (here.remainder == 0) {
        set_frame(slot, MARDINI_SLOT_GIVEN, frames_[f].ordinal);
    } else {
        slot->kind = MARDINI_SLOT_MADE;
        slot->before = frames_[f].ordinal;
        slot->after = frames_[f + 1].ordinal;
        slot->position = position_between(double(here.remainder), double(factor_.num));
    }
    slot->pts = here.pts;
    slot->duration =
        known_end == KNOWN ? to_int64(Wide(following.pts) - here.pts) : last_duration();
    previous_duration_ = slot->duration;
    return 0;
}

/// Of the last slot, in output ticks.
int64_t SlowmoTimeline::last_duration() const
{
    const MardiniRational rate = frame_rate();
    if (has_frame_rate())
        return std::max<int64_t>(1, to_int64(divide_nearest(Wide(rate.den) * time_base_.den,
                                                            Wide(rate.num) * time_base_.num)));
    return previous_duration_ > 0 ? previous_duration_ : to_output(last_.duration);
}

} // namespace mardini
