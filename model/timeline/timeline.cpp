/*
 * Copyright (C) 2026 the mardini authors
 *
 * This library is free software; you can redistribute it and/or modify it under
 * the terms of the GNU Lesser General Public License as published by the Free
 * Software Foundation; either version 2.1 of the License, or (at your option)
 * any later version. It comes without any warranty; see LICENSE.
 */

#include "timeline/timeline.h"

#include <algorithm>
#include <cinttypes>
#include <utility>

#include "base/error.h"
#include "timeline/animate.h"
#include "timeline/extend.h"
#include "timeline/fill.h"
#include "timeline/loop.h"
#include "timeline/retime.h"
#include "timeline/total.h"

namespace mardini {

namespace {

/// A reference beyond a gap this many times longer than the slot's own says nothing about it.
constexpr int NEIGHBOUR_GAPS_MAX = 16;
/// Assumed where the input states neither a rate nor a duration.
constexpr int64_t FALLBACK_RATE = 25;

MardiniRational reduce_frame_rate(MardiniRational rate)
{
    return rate.num > 0 && rate.den > 0 ? reduce(rate, "frame rate") : MardiniRational{0, 1};
}

} // namespace

Timeline::Timeline(const MardiniTimelineSettings &settings)
    : input_time_base_(reduce(settings.time_base, "time base")), time_base_(input_time_base_),
      input_frame_rate_(reduce_frame_rate(settings.frame_rate)), log_(settings.log),
      log_opaque_(settings.log_opaque)
{
}

void Timeline::log(int level, const std::string &message) const
{
    if (log_)
        log_(log_opaque_, level, message.c_str());
}

// ---- time -------------------------------------------------------------------------

void Timeline::ignore_rate_above_ticks()
{
    if (Wide(input_frame_rate_.num) * input_time_base_.num >
        Wide(input_frame_rate_.den) * input_time_base_.den)
        input_frame_rate_ = {0, 1};
}

int64_t Timeline::set_common_time_base(MardiniRational interval)
{
    const MardiniRational tick = input_time_base_;
    Wide num =
        greatest_common_divisor(Wide(tick.num) * interval.den, Wide(interval.num) * tick.den);
    Wide den = Wide(tick.den) * interval.den;
    Wide divisor = greatest_common_divisor(num, den);
    exact_time_base_ = num / divisor <= TERM_MAX && den / divisor <= TERM_MAX;
    if (!exact_time_base_) {
        num = interval.num;
        den = interval.den * (TERM_MAX / interval.den);
        divisor = greatest_common_divisor(num, den);
    }
    time_base_ = {static_cast<int64_t>(num / divisor), static_cast<int64_t>(den / divisor)};
    if (!exact_time_base_)
        log(MARDINI_LOG_INFO,
            text("no time base holds both %" PRId64 "/%" PRId64 " s and %" PRId64 "/%" PRId64
                 " s: the first output time is rounded to %" PRId64 "/%" PRId64 " s",
                 tick.num, tick.den, interval.num, interval.den, time_base_.num, time_base_.den));
    return static_cast<int64_t>(Wide(interval.num) * time_base_.den /
                                (Wide(interval.den) * time_base_.num));
}

int64_t Timeline::to_output(int64_t pts) const
{
    return to_int64(divide_nearest(Wide(pts) * input_time_base_.num * time_base_.den,
                                   Wide(input_time_base_.den) * time_base_.num));
}

Wide Timeline::nominal_ticks(Wide frames) const
{
    return divide_nearest(frames * input_frame_rate_.den * input_time_base_.den,
                          Wide(input_frame_rate_.num) * input_time_base_.num);
}

int64_t Timeline::interval() const
{
    if (has_frame_rate())
        return std::max<int64_t>(1, to_int64(nominal_ticks(1)));
    if (last_.duration > 0)
        return last_.duration;
    if (last_.gap > 0)
        return last_.gap;
    return std::max<int64_t>(1, input_time_base_.den / (FALLBACK_RATE * input_time_base_.num));
}

// ---- input ------------------------------------------------------------------------

/// One nominal frame after the last one. Counted from the last stated pts, so that rounding does
/// not add up.
int64_t Timeline::pts_of_unstamped() const
{
    if (!has_frame_rate())
        return to_int64(Wide(last_.pts) + interval());
    const Wide step = nominal_ticks(Wide(num_unstamped_) + 1);
    return std::max(to_int64(stamped_pts_ + step), to_int64(Wide(last_.pts) + 1));
}

bool Timeline::push(int64_t pts, int64_t duration, int64_t *placed)
{
    if (ended_)
        throw Error(EINVAL, "a frame was pushed after the end of the timeline");
    const bool stamped = pts != INT64_MIN, first = num_frames_ == 0;
    const bool accepted = accepts_frame();
    if (!stamped)
        pts = first ? 0 : pts_of_unstamped();
    const int64_t ordinal = num_pushed_++;
    if (!accepted)
        return false;
    if (!stamped && !std::exchange(warned_unstamped_, true))
        log(MARDINI_LOG_WARNING,
            text("frame %" PRId64 " has no time stamp: such frames are placed one frame after the "
                 "one before",
                 ordinal));
    if (!first && pts <= last_.pts) {
        if (!std::exchange(warned_left_out_, true))
            log(MARDINI_LOG_WARNING,
                text("frame %" PRId64 " has time stamp %" PRId64 ", not after %" PRId64 " of the "
                     "one before: such frames are left out",
                     ordinal, pts, last_.pts));
        return false;
    }
    if (first)
        first_pts_ = pts;
    const Wide gap = first ? Wide(0) : std::min<Wide>(Wide(pts) - last_.pts, INT64_MAX);
    stamped_pts_ = stamped || first ? pts : stamped_pts_;
    num_unstamped_ = stamped || first ? 0 : num_unstamped_ + 1;
    last_ = {ordinal, pts, std::max<int64_t>(duration, 0), static_cast<int64_t>(gap)};
    num_frames_++;
    add(last_);
    if (placed)
        *placed = pts;
    return true;
}

void Timeline::skip()
{
    throw Error(EINVAL, "a frame can be skipped in the modes fps and slowmo only");
}

void Timeline::end(int64_t pts)
{
    if (ended_)
        return;
    ended_ = true;
    try {
        finish(pts);
    } catch (...) {
        ended_ = false; // slots that need the end are never handed out
        throw;
    }
}

// ---- slots ------------------------------------------------------------------------

int Timeline::next(MardiniSlot *slot)
{
    MardiniSlot out = {};
    out.keep = -1;
    const int ret = next_slot(&out);
    if (ret == 0) {
        num_slots_++;
        *slot = out;
    }
    return ret;
}

void Timeline::set_frame(MardiniSlot *slot, MardiniSlotKind kind, int64_t ordinal)
{
    slot->kind = kind;
    slot->before = slot->after = ordinal;
    slot->position = 0;
}

double Timeline::position(const TimelineFrame &before, const TimelineFrame &after, int64_t pts)
{
    return static_cast<double>(Wide(pts) - before.pts) /
           static_cast<double>(Wide(after.pts) - before.pts);
}

// ---- references -------------------------------------------------------------------

void Timeline::add_reference(const TimelineFrame &frame)
{
    references_.push_back(frame);
    wanted_.insert(frame.ordinal);
}

void Timeline::drop_references(size_t count)
{
    for (; count > 0; count--) {
        wanted_.erase(references_.front().ordinal);
        references_.pop_front();
    }
}

size_t Timeline::find_reference(int64_t ordinal) const
{
    size_t f = 0;
    while (f + 1 < references_.size() && references_[f].ordinal < ordinal)
        f++;
    return f;
}

void Timeline::drop_references_before(int64_t ordinal)
{
    const size_t f = find_reference(ordinal);
    drop_references(f > 1 ? f - 1 : 0);
}

void Timeline::set_references(MardiniSlot *slot, const std::vector<TimelineFrame> &references,
                              size_t before) const
{
    slot->before = references[before].ordinal;
    slot->after = references[before + 1].ordinal;
    slot->num_references = static_cast<int>(references.size());
    for (size_t f = 0; f < references.size(); f++) {
        slot->references[f] = references[f].ordinal;
        slot->times[f] = position(references[before], references[before + 1], references[f].pts);
    }
    slot->key = noise_key(references[before]);
}

void Timeline::set_single_reference(MardiniSlot *slot, const TimelineFrame &reference,
                                    double position) const
{
    slot->before = slot->after = reference.ordinal;
    slot->num_references = 1;
    slot->references[0] = reference.ordinal;
    slot->times[0] = position;
    slot->key = noise_key(reference);
}

/// Time of `before` in nanoseconds: a gap of the input has the same noise wherever the input was
/// cut and however it is stretched. Reduced to 64 bits.
int64_t Timeline::noise_key(const TimelineFrame &before) const
{
    const Wide nanoseconds =
        divide_nearest(Wide(before.pts) * input_time_base_.num * 1000000000, input_time_base_.den);
    return static_cast<int64_t>(static_cast<uint64_t>(nanoseconds));
}

void Timeline::set_neighbours(MardiniSlot *slot, size_t before) const
{
    const auto gap_after = [&](size_t f) {
        return Wide(references_[f + 1].pts) - references_[f].pts;
    };
    const Wide limit = NEIGHBOUR_GAPS_MAX * gap_after(before);
    const size_t first = before > 0 && gap_after(before - 1) <= limit ? before - 1 : before;
    const size_t after = before + 1;
    const size_t last =
        after + 1 < references_.size() && gap_after(after) <= limit ? after + 1 : after;
    set_references(slot, {references_.begin() + first, references_.begin() + last + 1},
                   before - first);
}

int Timeline::surround(MardiniSlot *slot)
{
    if (slot->kind == MARDINI_SLOT_MADE) {
        const size_t before = find_reference(slot->before);
        if (before + 2 >= references_.size() && !ended_)
            return MARDINI_ERR(EAGAIN);
        set_neighbours(slot, before);
    }
    drop_references_before(slot->before);
    return 0;
}

// ---- modes ------------------------------------------------------------------------

std::unique_ptr<Timeline> open_timeline(const MardiniTimelineSettings &settings)
{
    switch (settings.mode) {
    case MARDINI_MODE_FPS:
        return std::make_unique<FpsTimeline>(settings);
    case MARDINI_MODE_SLOWMO:
        return std::make_unique<SlowmoTimeline>(settings);
    case MARDINI_MODE_TOTAL:
        return std::make_unique<TotalTimeline>(settings);
    case MARDINI_MODE_FILL:
        return std::make_unique<FillTimeline>(settings);
    case MARDINI_MODE_EXTEND:
        return std::make_unique<ExtendTimeline>(settings);
    case MARDINI_MODE_LOOP:
        return std::make_unique<LoopTimeline>(settings);
    case MARDINI_MODE_ANIMATE:
        return std::make_unique<AnimateTimeline>(settings);
    }
    throw Error(EINVAL, text("mode %d is unknown", settings.mode));
}

} // namespace mardini
