/*
 * Copyright (C) 2026 the mardini authors
 *
 * This library is free software; you can redistribute it and/or modify it under
 * the terms of the GNU Lesser General Public License as published by the Free
 * Software Foundation; either version 2.1 of the License, or (at your option)
 * any later version. It comes without any warranty; see LICENSE.
 */

#include "timeline/extend.h"

#include <algorithm>
#include <cinttypes>

#include "base/error.h"

namespace mardini {

/// References of a window unless the settings say otherwise: 12 of its 17 frames are then masked.
constexpr int DEFAULT_CONTEXT = 5;

// ---- extend and loop --------------------------------------------------------------

ContinuedTimeline::ContinuedTimeline(const MardiniTimelineSettings &settings)
    : Timeline(settings), total_(settings.total)
{
    ignore_rate_above_ticks();
    if (total_ < 1 || total_ > TERM_MAX)
        throw Error(EINVAL,
                    text("%" PRId64 " frames are to be added: 1 or more are wanted", total_));
}

void ContinuedTimeline::add(const TimelineFrame &frame)
{
    frames_.push_back(frame);
    add_reference(frame);
}

Wide ContinuedTimeline::ticks_of(Wide frames, int64_t interval) const
{
    return has_frame_rate() ? nominal_ticks(frames) : frames * interval;
}

int ContinuedTimeline::next_slot(MardiniSlot *slot)
{
    if (!frames_.empty())
        return set_input_slot(slot);
    if (!ended_)
        return MARDINI_ERR(EAGAIN);
    if (num_frames_ == 0 || num_after_slots_ >= num_after())
        return MARDINI_ERR(ENODATA);
    const auto pts = [&](Wide steps) { return to_int64(last_.pts + ticks_of(steps, interval())); };
    set_frame(slot, MARDINI_SLOT_HELD, last_.ordinal);
    slot->pts = pts(num_after_slots_ + 1);
    slot->duration = pts(num_after_slots_ + 2) - slot->pts;
    set_slot_after(slot);
    num_after_slots_++;
    return 0;
}

int ContinuedTimeline::set_input_slot(MardiniSlot *slot)
{
    const bool is_last = frames_.size() == 1;
    if (is_last && !ended_)
        return MARDINI_ERR(EAGAIN); // its duration depends on what follows
    const TimelineFrame frame = frames_.front();
    set_frame(slot, MARDINI_SLOT_GIVEN, frame.ordinal);
    slot->pts = frame.pts;
    if (frame.duration > 0 && !(is_last && num_after() > 0))
        slot->duration = frame.duration;
    else
        slot->duration = is_last ? interval() : to_int64(Wide(frames_[1].pts) - frame.pts);
    frames_.pop_front();
    const size_t needed = frames_.size() + num_last_references();
    if (references_.size() > needed)
        drop_references(references_.size() - needed);
    return 0;
}

// ---- extend -----------------------------------------------------------------------

ExtendTimeline::ExtendTimeline(const MardiniTimelineSettings &settings)
    : ContinuedTimeline(settings), side_(settings.side), context_(settings.context)
{
    switch (side_) {
    case MARDINI_SIDE_AFTER:
    case MARDINI_SIDE_BEFORE:
    case MARDINI_SIDE_BOTH:
        break;
    default:
        throw Error(EINVAL, text("side %d is unknown", side_));
    }
    if (context_ && (context_ < 2 || context_ >= MARDINI_WINDOW))
        throw Error(EINVAL, text("a context of %d frames: 2 to %d are possible", context_,
                                 MARDINI_WINDOW - 1));
}

void ExtendTimeline::add(const TimelineFrame &frame)
{
    if (num_frames_ == 2)
        first_gap_ = frame.gap;
    ContinuedTimeline::add(frame);
}

void ExtendTimeline::finish(int64_t)
{
    if (context_ > num_frames_ && num_frames_ > 0)
        throw Error(EINVAL, text("a context of %d frames is wanted, and the clip has %" PRId64,
                                 context_, num_frames_));
    if (num_frames_ == 1)
        log(MARDINI_LOG_WARNING,
            "one frame alone shows no motion to go on with: the frames that are added repeat it");
}

size_t ExtendTimeline::context() const
{
    return static_cast<size_t>(context_ ? context_
                                        : std::min<int64_t>(DEFAULT_CONTEXT, num_frames_));
}

int ExtendTimeline::next_slot(MardiniSlot *slot)
{
    const bool has_before = side_ != MARDINI_SIDE_AFTER;
    const int ret = has_before && num_shown_ < total_ ? next_slot_before(slot)
                                                      : ContinuedTimeline::next_slot(slot);
    if (has_before && ret == 0) // the output starts at the time of the input's first frame
        slot->pts = to_int64(slot->pts + ticks_before(total_));
    return ret;
}

/// Input ticks from the frame so many steps before the first one to the first one.
Wide ExtendTimeline::ticks_before(Wide steps) const
{
    return ticks_of(steps, first_gap_ > 0 ? first_gap_ : interval());
}

/// All frames before the input are synthesized and kept first, since they arise from the input
/// backwards; then they are shown.
int ExtendTimeline::next_slot_before(MardiniSlot *slot)
{
    if (!ended_ && num_frames_ < std::max(2, context_ ? context_ : DEFAULT_CONTEXT))
        return MARDINI_ERR(EAGAIN);
    if (num_frames_ == 0)
        return MARDINI_ERR(ENODATA);
    if (num_frames_ > 1 && num_kept_ < total_)
        set_kept_slot(slot);
    else
        set_shown_slot(slot);
    return 0;
}

/// Each window lies before the last one. Within a window time rises.
void ExtendTimeline::start_window_before()
{
    window_references_.assign(references_.begin(), references_.begin() + context());
    const int64_t size = std::min<int64_t>(MARDINI_WINDOW - context(), total_ - num_kept_);
    window_.clear();
    window_index_ = 0;
    for (int64_t steps = num_kept_ + size; steps > num_kept_; steps--)
        window_.push_back({-1 - steps, to_int64(first_pts_ - ticks_before(steps)), 0});
}

void ExtendTimeline::set_kept_slot(MardiniSlot *slot)
{
    if (window_index_ == window_.size())
        start_window_before();
    const TimelineFrame frame = window_[window_index_++];
    slot->kind = MARDINI_SLOT_AHEAD;
    slot->pts = frame.pts;
    slot->position = position(window_references_[0], window_references_[1], frame.pts);
    slot->keep = frame.ordinal;
    set_references(slot, window_references_, 0);
    wanted_.insert(frame.ordinal);
    num_kept_++;
    if (window_index_ == window_.size())
        references_.insert(references_.begin(), window_.begin(), window_.end());
}

void ExtendTimeline::set_shown_slot(MardiniSlot *slot)
{
    const bool synthesized = num_frames_ > 1;
    if (synthesized && num_shown_ > 0)
        drop_references(1); // the frame shown before
    set_frame(slot, synthesized ? MARDINI_SLOT_GIVEN : MARDINI_SLOT_HELD,
              references_.front().ordinal);
    const auto pts = [&](Wide steps) { return to_int64(first_pts_ - ticks_before(steps)); };
    slot->pts = pts(total_ - num_shown_);
    slot->duration = pts(total_ - num_shown_ - 1) - slot->pts;
    num_shown_++;
}

void ExtendTimeline::start_window_after()
{
    drop_references(references_.size() - context());
    window_references_.assign(references_.begin(), references_.end());
    const int64_t size = std::min<int64_t>(MARDINI_WINDOW - context(), total_ - num_after_slots_);
    window_.clear();
    window_index_ = 0;
    for (int64_t steps = num_after_slots_ + 1; steps <= num_after_slots_ + size; steps++)
        window_.push_back(
            {-1 - total_ - steps, to_int64(last_.pts + ticks_of(steps, interval())), 0});
}

void ExtendTimeline::set_slot_after(MardiniSlot *slot)
{
    if (num_frames_ == 1)
        return; // the last frame is held
    if (window_index_ == window_.size())
        start_window_after();
    const int64_t window_end =
        num_after_slots_ + static_cast<int64_t>(window_.size() - window_index_);
    const TimelineFrame frame = window_[window_index_++];
    const size_t before = window_references_.size() - 2;
    slot->kind = MARDINI_SLOT_MADE;
    slot->position =
        position(window_references_[before], window_references_[before + 1], frame.pts);
    set_references(slot, window_references_, before);
    if (window_end < total_) { // a reference of the next window
        slot->keep = frame.ordinal;
        wanted_.insert(frame.ordinal);
    }
    if (window_index_ == window_.size())
        references_.insert(references_.end(), window_.begin(), window_.end());
}

} // namespace mardini
