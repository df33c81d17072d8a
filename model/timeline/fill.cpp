/*
 * Copyright (C) 2026 the mardini authors
 *
 * This library is free software; you can redistribute it and/or modify it under
 * the terms of the GNU Lesser General Public License as published by the Free
 * Software Foundation; either version 2.1 of the License, or (at your option)
 * any later version. It comes without any warranty; see LICENSE.
 */

#include "timeline/fill.h"

#include <algorithm>
#include <cinttypes>
#include <cstdlib>

#include "base/error.h"

namespace mardini {

namespace {

constexpr int64_t GAP_SECONDS_MAX = 5; ///< a longer gap is a pause, not a loss of frames

/// "10-14+20" -> ranges, rising. Throws Error.
std::vector<std::pair<int64_t, int64_t>> parse_ranges(const char *list)
{
    std::vector<std::pair<int64_t, int64_t>> ranges;
    const char *at = list;
    const auto parse_number = [&] {
        char *end = nullptr;
        errno = 0;
        const long long value = *at >= '0' && *at <= '9' ? std::strtoll(at, &end, 10) : -1;
        if (value < 0 || errno)
            throw Error(EINVAL, text("'%s' names no frames: numbers from 0 and ranges are wanted, "
                                     "joined by +, as in 10-14+20",
                                     list));
        at = end;
        return static_cast<int64_t>(value);
    };
    for (;;) {
        const int64_t first = parse_number();
        int64_t last = first;
        if (*at == '-') {
            at++;
            last = parse_number();
        }
        if (last < first)
            throw Error(EINVAL, text("'%s' has a range that ends before it starts", list));
        ranges.emplace_back(first, last);
        if (!*at)
            break;
        if (*at++ != '+') {
            at = "";
            parse_number(); // throws
        }
    }
    std::sort(ranges.begin(), ranges.end());
    return ranges;
}

} // namespace

FillTimeline::FillTimeline(const MardiniTimelineSettings &settings)
    : Timeline(settings), detect_(settings.detect)
{
    ignore_rate_above_ticks();
    if (settings.named)
        named_ = parse_ranges(settings.named);
    if (named_.empty() && !detect_)
        throw Error(EINVAL,
                    "nothing is to be filled: name frames, or detect gaps, repeats or freezes");
    if (detects(MARDINI_DETECT_GAPS) && !has_frame_rate()) {
        detect_ &= ~MARDINI_DETECT_GAPS;
        log(MARDINI_LOG_WARNING,
            "the input has no frame rate: gaps between its time stamps are not detected");
    }
}

bool FillTimeline::push(int64_t pts, int64_t duration, int64_t *placed)
{
    const bool taken = Timeline::push(pts, duration, placed);
    next_repeats_ = next_is_left_ = false;
    return taken;
}

bool FillTimeline::is_named(int64_t ordinal) const
{
    return std::any_of(named_.begin(), named_.end(), [&](const auto &range) {
        return range.first <= ordinal && ordinal <= range.second;
    });
}

void FillTimeline::add(const TimelineFrame &frame)
{
    const bool named = !next_is_left_ && is_named(frame.ordinal);
    if (num_frames_ > 1 && detects(MARDINI_DETECT_GAPS) && !next_is_left_)
        fill_gap_before(frame);
    const bool joins_run = next_repeats_ && !next_is_left_ && !named &&
                           detects(MARDINI_DETECT_REPEATS | MARDINI_DETECT_FREEZES);
    if (joins_run) {
        wanted_.insert(frame.ordinal);
        run_.push_back(frame);
        if (++run_length_ > MARDINI_REPEATS_MAX) { // a freeze, however long it becomes
            const int64_t length = run_length_;
            close_run();
            run_length_ = length;
        }
        return;
    }
    close_run();
    frames_.push_back({frame, named ? NAMED : NO});
    if (!named)
        add_reference(frame);
}

/// A gap of g nominal intervals has lost round(g) - 1 frames.
void FillTimeline::fill_gap_before(const TimelineFrame &frame)
{
    const MardiniRational rate = frame_rate();
    const Wide intervals = divide_nearest(Wide(frame.gap) * input_time_base_.num * rate.num,
                                          Wide(input_time_base_.den) * rate.den);
    if (intervals < 2)
        return;
    if (Wide(frame.gap) * input_time_base_.num > Wide(GAP_SECONDS_MAX) * input_time_base_.den) {
        if (!std::exchange(warned_break_, true))
            log(MARDINI_LOG_WARNING,
                text("frame %" PRId64 " comes more than %" PRId64 " s after the one before: such "
                     "gaps are left",
                     frame.ordinal, GAP_SECONDS_MAX));
        return;
    }
    close_run();
    const int64_t start = frame.pts - frame.gap;
    for (Wide k = 1; k < intervals; k++) {
        const int64_t pts = start + to_int64(divide_nearest(Wide(frame.gap) * k, intervals));
        frames_.push_back({{-1, pts, 0}, DETECTED});
    }
}

/// Mask the repeats of run_ or leave them, by their number. At the end of the input they stay: no
/// frame follows that could be the second reference.
void FillTimeline::close_run()
{
    const bool masked =
        !ended_ && detects(run_length_ > MARDINI_REPEATS_MAX ? MARDINI_DETECT_FREEZES
                                                             : MARDINI_DETECT_REPEATS);
    for (const TimelineFrame &frame : run_) {
        frames_.push_back({frame, masked ? DETECTED : NO});
        if (masked)
            wanted_.erase(frame.ordinal);
        else
            add_reference(frame);
    }
    run_.clear();
    run_length_ = 0;
}

void FillTimeline::finish(int64_t)
{
    close_run();
    int64_t last = -1;
    for (const auto &range : named_)
        last = std::max(last, range.second);
    if (last >= num_pushed_ && num_pushed_ > 0)
        throw Error(EINVAL, text("frame %" PRId64 " is to be filled, and the last one is %" PRId64,
                                 last, num_pushed_ - 1));
    if (references_.empty() && !frames_.empty())
        throw Error(EINVAL,
                    "every frame is to be filled: one at least must be left as a reference");
}

int FillTimeline::next_slot(MardiniSlot *slot)
{
    // Where gaps are filled, a frame's duration ends at the next one.
    const bool gaps = detects(MARDINI_DETECT_GAPS);
    if (frames_.empty() || (gaps && frames_.size() == 1 && !ended_))
        return ended_ ? MARDINI_ERR(ENODATA) : MARDINI_ERR(EAGAIN);
    const Frame frame = frames_.front();
    size_t after = 0; // the first reference after it
    while (after < references_.size() && references_[after].pts <= frame.pts)
        after++;
    set_frame(slot, MARDINI_SLOT_GIVEN, frame.ordinal);
    slot->pts = frame.pts;
    slot->duration = frame.duration;
    if (frame.masked && !set_masked_slot(slot, frame, after))
        return MARDINI_ERR(EAGAIN);
    frames_.pop_front();
    const int64_t ticks_left = frames_.empty() ? INT64_MAX : frames_.front().pts - frame.pts;
    if (gaps && (slot->duration == 0 || slot->duration > ticks_left))
        slot->duration = frames_.empty() ? interval() : ticks_left;
    if (after > 3) // the next slot may need three: two before it, and this one
        drop_references(after - 3);
    return 0;
}

/// `after`: index of the first reference after the frame. False if more references must be known.
bool FillTimeline::set_masked_slot(MardiniSlot *slot, const Frame &frame, size_t after) const
{
    if (after + 2 > references_.size() && !ended_)
        return false;
    const size_t nearest_before = after > 0 ? after - 1 : 0;
    const bool is_last = after == references_.size();
    if (references_.size() < 2 || (frame.masked == DETECTED && is_last)) {
        set_frame(slot, MARDINI_SLOT_HELD, references_[nearest_before].ordinal);
        return true;
    }
    // A named frame at either end is extrapolated from the two references nearest to it.
    const size_t before = std::min(nearest_before, references_.size() - 2);
    slot->kind = MARDINI_SLOT_MADE;
    slot->position = position(references_[before], references_[before + 1], frame.pts);
    set_neighbours(slot, before);
    return true;
}

} // namespace mardini
