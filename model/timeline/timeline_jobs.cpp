/*
 * Copyright (C) 2026 the mardini authors
 *
 * This library is free software; you can redistribute it and/or modify it under
 * the terms of the GNU Lesser General Public License as published by the Free
 * Software Foundation; either version 2.1 of the License, or (at your option)
 * any later version. It comes without any warranty; see LICENSE.
 */

// The timeline's jobs at the input's own rate: frames made anew, frames after or before the clip,
// the join of a loop. Times of `known_` are the source's; frames that the timeline had made go by
// ordinals below -1.

#include "timeline/timeline.h"

#include <algorithm>
#include <cinttypes>
#include <cmath>
#include <cstdlib>

#include "base/error.h"

namespace mardini {

namespace {

constexpr int64_t FRAMES_MAX = INT32_MAX;
constexpr int CONTEXT = 5;  ///< references of an extension: 12 of 17 positions are then masked
constexpr double SWING = 6; ///< positions that a still's loop goes away from it
constexpr int64_t BREAK_SECONDS = 5; ///< a longer gap between time stamps is no loss

/// "10-14+20" -> ranges, rising.
std::vector<std::pair<int64_t, int64_t>> parse_named(const char *list)
{
    std::vector<std::pair<int64_t, int64_t>> ranges;
    const char *at = list;
    const auto number = [&] {
        char *end = nullptr;
        errno = 0;
        const long long value = *at >= '0' && *at <= '9' ? std::strtoll(at, &end, 10) : -1;
        if (value < 0 || errno)
            throw Error(EINVAL, text("'%s' names no frames: numbers from 0 and ranges are wanted, "
                                     "joined by +, as in "
                                     "10-14+20",
                                     list));
        at = end;
        return static_cast<int64_t>(value);
    };
    for (;;) {
        const int64_t first = number();
        int64_t last = first;
        if (*at == '-') {
            at++;
            last = number();
        }
        if (last < first)
            throw Error(EINVAL, text("'%s' has a range that ends before it starts", list));
        ranges.emplace_back(first, last);
        if (!*at)
            break;
        if (*at++ != '+') {
            at = "";
            number(); // says what is wanted
        }
    }
    std::sort(ranges.begin(), ranges.end());
    return ranges;
}

} // namespace

void Timeline::check_job()
{
    if (in_.mode == MARDINI_MODE_FILL) {
        if (in_.named)
            named_ = parse_named(in_.named);
        in_.named = nullptr; // the caller's
        if (named_.empty() && !in_.detect)
            throw Error(EINVAL, "nothing is to be filled: name frames, or say what to look for");
        if (in_.detect & MARDINI_DETECT_GAPS && !has_frame_rate()) {
            in_.detect &= ~MARDINI_DETECT_GAPS;
            log(MARDINI_LOG_WARNING,
                "the input tells no frame rate: gaps between its time stamps are not looked for");
        }
        return;
    }
    if (in_.total < 1 || in_.total > FRAMES_MAX)
        throw Error(EINVAL,
                    text("%" PRId64 " frames are to be added: 1 or more are wanted", in_.total));
    if (in_.side < MARDINI_SIDE_AFTER || in_.side > MARDINI_SIDE_BOTH)
        throw Error(EINVAL, text("side %d is unknown", in_.side));
    if (in_.context && (in_.context < 2 || in_.context >= MARDINI_WINDOW))
        throw Error(EINVAL, text("a context of %d frames: 2 to %d are possible", in_.context,
                                 MARDINI_WINDOW - 1));
}

/// What becomes of a frame that takes part.
void Timeline::take(const Given &given)
{
    if (taken_ == 2)
        first_step_ = last_gap_;
    if (in_.mode != MARDINI_MODE_FILL) {
        given_.push_back(given);
        know(given);
        if (in_.mode == MARDINI_MODE_LOOP && opening_.size() < 2)
            opening_.push_back(given);
        return;
    }
    const bool left = std::exchange(leave_, false),
               repeats = std::exchange(repeat_, false) && !left;
    const auto after =
        std::upper_bound(named_.begin(), named_.end(), std::pair(given.ordinal, INT64_MAX));
    const bool named = !left && std::any_of(named_.begin(), after, [&](const auto &r) {
        return given.ordinal <= r.second;
    });
    if (taken_ > 1 && in_.detect & MARDINI_DETECT_GAPS && !left)
        bridge_gap(given);
    if (repeats && !named && in_.detect & (MARDINI_DETECT_REPEATS | MARDINI_DETECT_FREEZES)) {
        wanted_.insert(given.ordinal); // until it is judged
        run_.push_back(given);
        if (++run_length_ > MARDINI_REPEATS_MAX) {
            const int64_t length = run_length_;
            close_run();
            run_length_ = length;
        }
        return;
    }
    close_run();
    given_.push_back(given);
    if (named)
        given_.back().masked = NAMED;
    else
        know(given);
}

/// Of a gap of g nominal intervals before `given`, round(g) - 1 frames are lost.
void Timeline::bridge_gap(const Given &given)
{
    const Wide lost = divide_near(Wide(last_gap_) * in_.time_base.num * in_.frame_rate.num,
                                  Wide(in_.time_base.den) * in_.frame_rate.den) -
                      1;
    if (lost < 1)
        return;
    if (Wide(last_gap_) * in_.time_base.num > Wide(BREAK_SECONDS) * in_.time_base.den) {
        if (!std::exchange(said_break_, true))
            log(MARDINI_LOG_WARNING,
                text("frame %" PRId64 " comes more than %" PRId64 " s after the one before: such "
                     "gaps are left",
                     given.ordinal, BREAK_SECONDS));
        return;
    }
    close_run();
    for (Wide k = 1; k <= lost; k++)
        given_.push_back(
            {-1, given.pts - last_gap_ + narrow(divide_near(Wide(last_gap_) * k, lost + 1)), 0,
             FOUND});
}

/// The repeats in a row are judged: made anew, or left. At the end there is nothing that they could
/// lead to.
void Timeline::close_run()
{
    const bool masked =
        !ended_ && in_.detect & (run_length_ > MARDINI_REPEATS_MAX ? MARDINI_DETECT_FREEZES
                                                                   : MARDINI_DETECT_REPEATS);
    for (Given &given : run_) {
        given_.push_back(given);
        if (masked) {
            given_.back().masked = FOUND;
            wanted_.erase(given.ordinal);
        } else {
            know(given);
        }
    }
    run_.clear();
    run_length_ = 0;
}

void Timeline::end_job()
{
    if (in_.mode == MARDINI_MODE_FILL) {
        close_run();
        int64_t last = -1;
        for (const auto &range : named_) // which may overlap
            last = std::max(last, range.second);
        if (last >= pushed_ && pushed_ > 0)
            throw Error(EINVAL,
                        text("frame %" PRId64 " is to be filled, and the last one is %" PRId64,
                             last, pushed_ - 1));
        if (known_.empty() && !given_.empty())
            throw Error(EINVAL,
                        "every frame is to be filled: one at least must be left to make them from");
    }
    if (in_.mode == MARDINI_MODE_EXTEND && in_.context > taken_ && taken_ > 0)
        throw Error(EINVAL, text("a context of %d frames is wanted, and the clip has %" PRId64,
                                 in_.context, taken_));
    if (in_.mode == MARDINI_MODE_EXTEND && taken_ == 1)
        log(MARDINI_LOG_WARNING,
            "one frame alone shows no motion to go on with: the frames that are added repeat it");
}

int Timeline::next_fill(MardiniSlot *slot)
{
    // Where gaps are looked for, a frame's duration ends at the next one.
    if (given_.empty() || (in_.detect & MARDINI_DETECT_GAPS && given_.size() == 1 && !ended_))
        return ended_ ? MARDINI_ERR(ENODATA) : MARDINI_ERR(EAGAIN);
    const Given given = given_.front();
    size_t a = 0; // the first known frame after it
    while (a < known_.size() && known_[a].pts <= given.pts)
        a++;
    slot->pts = given.pts;
    slot->duration = given.duration;
    slot->kind = MARDINI_SLOT_GIVEN;
    slot->before = slot->after = given.ordinal;
    if (given.masked) {
        if (a + 2 > known_.size() && !ended_)
            return MARDINI_ERR(EAGAIN);
        if (known_.size() < 2 || (given.masked == FOUND && a == known_.size())) {
            slot->kind = MARDINI_SLOT_HELD;
            slot->before = slot->after = known_[a > 0 ? a - 1 : 0].ordinal;
        } else { // past either end by the two frames that are nearest to it
            const size_t b = std::min(a > 0 ? a - 1 : 0, known_.size() - 2);
            slot->kind = MARDINI_SLOT_MADE;
            slot->position = static_cast<double>(Wide(given.pts) - known_[b].pts) /
                             static_cast<double>(Wide(known_[b + 1].pts) - known_[b].pts);
            set_neighbours(slot, b);
        }
    }
    given_.pop_front();
    const int64_t left = given_.empty() ? INT64_MAX : given_.front().pts - given.pts;
    if (in_.detect & MARDINI_DETECT_GAPS && (slot->duration == 0 || slot->duration > left))
        slot->duration = given_.empty() ? interval(false) : left;
    if (a > 3) // two before it, for what comes next; and itself
        let_go(a - 3);
    return 0;
}

/// Ticks of so many frames at the input's nominal rate, without adding up its rounding; else at the
/// end's own.
Timeline::Wide Timeline::span(Wide frames, bool before) const
{
    if (has_frame_rate())
        return divide_near(frames * in_.frame_rate.den * in_.time_base.den,
                           Wide(in_.frame_rate.num) * in_.time_base.num);
    return frames * interval(before);
}

int64_t Timeline::interval(bool before) const
{
    if (has_frame_rate())
        return std::max<int64_t>(1, narrow(span(1, before)));
    for (int64_t ticks : {before ? first_step_ : 0, last_.duration, last_gap_})
        if (ticks > 0)
            return ticks;
    return std::max<int64_t>(1, in_.time_base.den /
                                    (25 * in_.time_base.num)); // of a stream that tells nothing
}

size_t Timeline::context() const
{
    return in_.context ? static_cast<size_t>(in_.context)
                       : static_cast<size_t>(std::min<int64_t>(CONTEXT, taken_));
}

/// What comes before the clip, the clip itself, what comes after it.
int Timeline::next_own_rate(MardiniSlot *slot)
{
    const bool before = in_.mode == MARDINI_MODE_EXTEND && in_.side != MARDINI_SIDE_AFTER;
    const bool after = in_.mode == MARDINI_MODE_LOOP || in_.side != MARDINI_SIDE_BEFORE;
    int ret = 0;
    if (before && shown_ < in_.total)
        ret = next_before_clip(slot);
    else if (!given_.empty())
        ret = next_of_clip(slot, after);
    else if (!ended_)
        return MARDINI_ERR(EAGAIN);
    else if (after && taken_ > 0 && beyond_ < in_.total)
        next_after_clip(slot);
    else
        return MARDINI_ERR(ENODATA);
    if (before && ret == 0) // the output starts where the input does
        slot->pts = narrow(slot->pts + span(in_.total, true));
    return ret;
}

int Timeline::next_before_clip(MardiniSlot *slot)
{
    if (!ended_ && taken_ < std::max(2, in_.context ? in_.context : CONTEXT))
        return MARDINI_ERR(EAGAIN);
    if (taken_ == 0)
        return MARDINI_ERR(ENODATA);
    if (taken_ > 1 && ahead_ < in_.total)
        make_ahead(slot);
    else
        show_ahead(slot);
    return 0;
}

/// after: frames are added behind the clip
int Timeline::next_of_clip(MardiniSlot *slot, bool after)
{
    if (given_.size() == 1 && !ended_)
        return MARDINI_ERR(EAGAIN); // its duration may end at the first frame after it
    const Given given = given_.front();
    const bool own = given.duration > 0 && !(given_.size() == 1 && after);
    slot->kind = MARDINI_SLOT_GIVEN;
    slot->pts = given.pts;
    slot->duration = own                 ? given.duration
                     : given_.size() > 1 ? narrow(Wide(given_[1].pts) - given.pts)
                                         : interval(false);
    slot->before = slot->after = given.ordinal;
    const size_t wanted = given_.size() + (in_.mode == MARDINI_MODE_LOOP ? 1
                                           : after                       ? context() - 1
                                                                         : 0);
    if (known_.size() > wanted)
        let_go(known_.size() - wanted);
    given_.pop_front();
    return 0;
}

void Timeline::next_after_clip(MardiniSlot *slot)
{
    const bool is_loop = in_.mode == MARDINI_MODE_LOOP;
    const auto at = [&](Wide steps) { return narrow(last_.pts + span(steps, false)); };
    slot->kind = taken_ > 1 || is_loop ? MARDINI_SLOT_MADE : MARDINI_SLOT_HELD;
    slot->pts = at(beyond_ + 1);
    slot->duration = at(beyond_ + 2) - slot->pts;
    slot->before = slot->after = last_.ordinal;
    if (taken_ > 1 && is_loop)
        make_join(slot);
    else if (is_loop)
        make_swing(slot);
    else if (taken_ > 1)
        make_beyond(slot);
    beyond_++;
}

/// Hand out the next frame of a window that is made from `window_`; those around `pair` and the
/// next are its neighbours.
void Timeline::next_of_window(MardiniSlot *slot, const Given &made, size_t pair)
{
    const Wide gap = Wide(window_[pair + 1].pts) - window_[pair].pts;
    slot->pts = made.pts;
    slot->position =
        static_cast<double>(Wide(made.pts) - window_[pair].pts) / static_cast<double>(gap);
    set_window(slot, window_, pair, gap);
}

/// Windows go away from the clip, each from the frames of the one before; within one, time rises.
void Timeline::make_ahead(MardiniSlot *slot)
{
    if (made_.empty()) {
        window_.assign(known_.begin(), known_.begin() + context());
        const int64_t size = std::min<int64_t>(MARDINI_WINDOW - context(), in_.total - ahead_);
        for (int64_t steps = ahead_ + size; steps > ahead_; steps--)
            made_.push_back({-1 - steps, narrow(first_ - span(steps, true)), 0});
        next_made_ = 0;
    }
    const Given made = made_[next_made_++];
    slot->kind = MARDINI_SLOT_AHEAD;
    slot->keep = made.ordinal;
    next_of_window(slot, made, 0);
    wanted_.insert(made.ordinal);
    ahead_++;
    if (next_made_ == made_.size()) {
        known_.insert(known_.begin(), made_.begin(), made_.end());
        made_.clear();
    }
}

void Timeline::show_ahead(MardiniSlot *slot)
{
    const auto at = [&](Wide steps) { return narrow(first_ - span(steps, true)); };
    if (taken_ > 1 && shown_ > 0)
        let_go(1); // the one before
    slot->kind = taken_ > 1 ? MARDINI_SLOT_GIVEN : MARDINI_SLOT_HELD;
    slot->pts = at(in_.total - shown_);
    slot->duration = at(in_.total - shown_ - 1) - slot->pts;
    slot->before = slot->after = known_.front().ordinal;
    shown_++;
}

void Timeline::make_beyond(MardiniSlot *slot)
{
    if (made_.empty()) {
        let_go(known_.size() - context());
        window_.assign(known_.begin(), known_.end());
        const int64_t size = std::min<int64_t>(MARDINI_WINDOW - context(), in_.total - beyond_);
        for (int64_t steps = beyond_ + 1; steps <= beyond_ + size; steps++)
            made_.push_back({-1 - in_.total - steps, narrow(last_.pts + span(steps, false)), 0});
        next_made_ = 0;
    }
    const Given made = made_[next_made_++];
    next_of_window(slot, made, window_.size() - 2);
    const int64_t before_window = beyond_ + 1 - static_cast<int64_t>(next_made_);
    if (before_window + static_cast<int64_t>(made_.size()) <
        in_.total) { // another window starts from this one's
        slot->keep = made.ordinal;
        wanted_.insert(made.ordinal);
    }
    if (next_made_ == made_.size()) {
        known_.insert(known_.end(), made_.begin(), made_.end());
        made_.clear();
    }
}

/// Of a still: away from it, ever slower, and back the same way. It leaves and arrives without a
/// jerk.
void Timeline::make_swing(MardiniSlot *slot)
{
    const double middle = (MARDINI_WINDOW - 1) / 2.0;
    const int64_t step = std::min(beyond_ + 1, in_.total - beyond_); // from its nearer end
    const double swing =
        std::sin(M_PI * static_cast<double>(step) / static_cast<double>(in_.total + 1));
    slot->position = middle + SWING * swing * swing;
    set_alone(slot, last_, middle);
}

/// The last two frames, then the first two, as they would come again.
void Timeline::make_join(MardiniSlot *slot)
{
    window_.assign(known_.end() - 2, known_.end());
    const Wide again = last_.pts + span(Wide(in_.total) + 1, false) - first_;
    for (Given given : opening_) {
        given.pts = narrow(given.pts + again);
        window_.push_back(given);
    }
    next_of_window(slot, {-1, slot->pts, 0}, 1);
}

} // namespace mardini
