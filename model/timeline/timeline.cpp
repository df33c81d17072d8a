/*
 * Copyright (C) 2026 the mardini authors
 *
 * This library is free software; you can redistribute it and/or modify it under
 * the terms of the GNU Lesser General Public License as published by the Free
 * Software Foundation; either version 2.1 of the License, or (at your option)
 * any later version. It comes without any warranty; see LICENSE.
 */

// Time stamps in, output slots out. Rationals have 31-bit terms and pts 63 bits, so that
// every product below fits 128 bits; what does not fit 64 at the end is an error.

#include "timeline/timeline.h"

#include <algorithm>
#include <cinttypes>
#include <cmath>
#include <numeric>
#include <utility>

#include "base/error.h"

namespace mardini {

namespace {

using Wide = __int128;

constexpr int64_t TERM_MAX = INT32_MAX; ///< AVRational's limit
constexpr int REACH = 16; ///< a neighbour this many gaps away tells nothing about the gap

Wide divide_down(Wide a, Wide b)
{
    return a / b - (a % b < 0);
}

Wide divisor(Wide a, Wide b)
{
    while (b)
        a = std::exchange(b, a % b);
    return a;
}

/// num/den as a position inside a gap, never at its ends.
double inside(double num, double den)
{
    const double position = num / den;
    return std::clamp(position, std::nextafter(0.0, 1.0), std::nextafter(1.0, 0.0));
}

MardiniRational checked(MardiniRational r, const char *name)
{
    if (r.num < 1 || r.den < 1)
        throw Error(EINVAL,
                    text("%s %" PRId64 "/%" PRId64 " is not above zero", name, r.num, r.den));
    const int64_t g = std::gcd(r.num, r.den);
    r = {r.num / g, r.den / g};
    if (r.num > TERM_MAX || r.den > TERM_MAX)
        throw Error(EINVAL, text("%s %" PRId64 "/%" PRId64 " does not fit two 31-bit terms", name,
                                 r.num, r.den));
    return r;
}

} // namespace

Wide divide_near(Wide a, Wide b)
{
    return divide_down(2 * a + b, 2 * b);
}

int64_t narrow(Wide value)
{
    if (value <= INT64_MIN || value > INT64_MAX)
        throw Error(
            EINVAL,
            "an output time does not fit 64 bits: the time stamps are too large for this factor "
            "or frame rate; reset them upstream (setpts=PTS-STARTPTS)");
    return static_cast<int64_t>(value);
}

Timeline::Timeline(const MardiniTimelineSettings &settings) : in_(settings)
{
    in_.time_base = checked(in_.time_base, "time base");
    in_.frame_rate = in_.frame_rate.num > 0 && in_.frame_rate.den > 0
                         ? checked(in_.frame_rate, "frame rate")
                         : MardiniRational{0, 1};
    time_base_ = in_.time_base;
    switch (in_.mode) {
    case MARDINI_MODE_FPS:
        in_.rate = checked(in_.rate, "fps");
        set_common_base({in_.rate.den, in_.rate.num});
        break;
    case MARDINI_MODE_SLOWMO: {
        in_.rate = checked(in_.rate, "factor");
        if (in_.rate.num < in_.rate.den)
            throw Error(EINVAL, text("factor %" PRId64 "/%" PRId64
                                     " is below 1; to speed up use setpts and fps",
                                     in_.rate.num, in_.rate.den));
        // A stretched time is a whole number of ticks over the factor's denominator.
        const int64_t g = std::gcd(in_.time_base.num, in_.rate.den);
        const Wide den = Wide(in_.time_base.den) * (in_.rate.den / g);
        exact_ = den <= TERM_MAX;
        if (exact_)
            time_base_ = {in_.time_base.num / g, static_cast<int64_t>(den)};
        else
            log(MARDINI_LOG_INFO, text("factor %" PRId64 "/%" PRId64
                                       " is finer than a time base can be: output times "
                                       "are rounded to %" PRId64 "/%" PRId64 " s",
                                       in_.rate.num, in_.rate.den, time_base_.num, time_base_.den));
        break;
    }
    case MARDINI_MODE_TOTAL:
        if (in_.total < 2 || in_.total > TERM_MAX)
            throw Error(EINVAL,
                        text("a total of %" PRId64 " frames: 2 or more are wanted", in_.total));
        if (has_frame_rate())
            set_common_base({in_.frame_rate.den, in_.frame_rate.num});
        break;
    case MARDINI_MODE_ANIMATE:
        in_.rate = checked(in_.rate, "fps");
        if (in_.total < 2 || in_.total > TERM_MAX)
            throw Error(EINVAL, text("%" PRId64 " frames of one: 2 or more are wanted", in_.total));
        if (in_.anchor < 0 || in_.anchor >= in_.total)
            throw Error(EINVAL, text("the given frame is to be output frame %" PRId64
                                     "; 0 to %" PRId64 " are there",
                                     in_.anchor, in_.total - 1));
        set_common_base({in_.rate.den, in_.rate.num});
        break;
    case MARDINI_MODE_FILL:
    case MARDINI_MODE_EXTEND:
    case MARDINI_MODE_LOOP:
        // More than one frame a tick: the time stamps, which such a rate cannot place a frame
        // between, tell better.
        if (Wide(in_.frame_rate.num) * in_.time_base.num >
            Wide(in_.frame_rate.den) * in_.time_base.den)
            in_.frame_rate = {0, 1};
        check_job();
        break;
    default:
        throw Error(EINVAL, text("mode %d is unknown", in_.mode));
    }
}

/// The coarsest base that holds the input's ticks and the interval, or the finest that holds the
/// interval.
void Timeline::set_common_base(MardiniRational interval)
{
    Wide num =
        divisor(Wide(in_.time_base.num) * interval.den, Wide(interval.num) * in_.time_base.den);
    Wide den = Wide(in_.time_base.den) * interval.den;
    Wide g = divisor(num, den);
    exact_ = num / g <= TERM_MAX && den / g <= TERM_MAX;
    if (!exact_) {
        num = interval.num;
        den = interval.den * (TERM_MAX / interval.den);
        g = divisor(num, den);
    }
    time_base_ = {static_cast<int64_t>(num / g), static_cast<int64_t>(den / g)};
    interval_ = static_cast<int64_t>(Wide(interval.num) * time_base_.den /
                                     (Wide(interval.den) * time_base_.num));
    if (!exact_)
        log(MARDINI_LOG_INFO,
            text("no time base holds both %" PRId64 "/%" PRId64 " s and %" PRId64 "/%" PRId64
                 " s: the first output time is rounded to %" PRId64 "/%" PRId64 " s",
                 in_.time_base.num, in_.time_base.den, interval.num, interval.den, time_base_.num,
                 time_base_.den));
}

MardiniRational Timeline::frame_rate() const
{
    return in_.mode == MARDINI_MODE_FPS || in_.mode == MARDINI_MODE_ANIMATE ? in_.rate
                                                                            : in_.frame_rate;
}

void Timeline::log(int level, const std::string &message) const
{
    if (in_.log)
        in_.log(in_.log_opaque, level, message.c_str());
}

/// Where a frame without a time stamp goes: one nominal frame on, without adding up its rounding.
int64_t Timeline::after_last() const
{
    const MardiniRational tb = in_.time_base, rate = in_.frame_rate;
    if (has_frame_rate()) {
        const Wide step =
            divide_near(Wide(unstamped_ + 1) * rate.den * tb.den, Wide(rate.num) * tb.num);
        return std::max(narrow(anchor_ + step), narrow(Wide(last_.pts) + 1));
    }
    const int64_t guess =
        std::max<int64_t>(1, tb.den / (25 * tb.num)); // of a stream that tells nothing
    return narrow(Wide(last_.pts) + (last_.duration > 0 ? last_.duration
                                     : last_gap_ > 0    ? last_gap_
                                                        : guess));
}

bool Timeline::push(int64_t pts, int64_t duration, int64_t *placed)
{
    if (ended_)
        throw Error(EINVAL, "a frame was pushed after the end of the timeline");
    const bool stamped = pts != INT64_MIN, first = last_.ordinal < 0;
    const int64_t ordinal = pushed_;
    if (!stamped)
        pts = first ? 0 : after_last();
    if (in_.mode == MARDINI_MODE_TOTAL && given_.size() == MARDINI_TOTAL_GIVEN_MAX)
        throw Error(EINVAL, text("a total of %" PRId64
                                 " frames is made from at most %d given ones, and more came; "
                                 "use a factor",
                                 in_.total, MARDINI_TOTAL_GIVEN_MAX));
    pushed_++;
    if (in_.mode == MARDINI_MODE_ANIMATE && !first)
        return false;
    if (!stamped && !said_unstamped_) {
        said_unstamped_ = true;
        log(MARDINI_LOG_WARNING,
            text("frame %" PRId64 " has no time stamp: such frames are placed one frame after the "
                 "one before",
                 ordinal));
    }
    if (!first && pts <= last_.pts) {
        if (!said_left_out_) {
            said_left_out_ = true;
            log(MARDINI_LOG_WARNING,
                text("frame %" PRId64 " has time stamp %" PRId64 ", not after %" PRId64 " of the "
                     "one before: such frames are left out",
                     ordinal, pts, last_.pts));
        }
        repeat_ = leave_ = false;
        return false;
    }
    if (first)
        first_ = pts;
    else
        last_gap_ = static_cast<int64_t>(std::min<Wide>(Wide(pts) - last_.pts, INT64_MAX));
    anchor_ = stamped || first ? pts : anchor_;
    unstamped_ = stamped || first ? 0 : unstamped_ + 1;
    last_ = {ordinal, pts, std::max<int64_t>(duration, 0)};
    last_.gap = first ? 0 : last_gap_;
    taken_++;
    take(last_);
    if (placed)
        *placed = pts;
    return true;
}

void Timeline::skip()
{
    if (given_.size() < 2 || given_.back().ordinal != last_.ordinal ||
        in_.mode > MARDINI_MODE_SLOWMO || ended_)
        throw Error(EINVAL, "there is no frame to skip: the first and one left out cannot be, nor "
                            "those of other jobs than "
                            "fps and slowmo");
    given_.back().skipped = true;
    known_.pop_back();
    wanted_.erase(last_.ordinal);
}

void Timeline::end(int64_t pts)
{
    if (ended_)
        return;
    ended_ = true;
    const int64_t n = static_cast<int64_t>(given_.size());
    try {
        end_job();
        if (in_.mode == MARDINI_MODE_TOTAL && n > in_.total)
            throw Error(EINVAL, text("a total of %" PRId64 " frames is wanted, and %" PRId64
                                     " were given: ask for as many "
                                     "at least",
                                     in_.total, n));
    } catch (...) {
        ended_ = false; // what waits for the end goes on waiting: it cannot be made
        throw;
    }
    if (last_.ordinal < 0)
        return;
    if (in_.mode == MARDINI_MODE_TOTAL && n == 1)
        log(MARDINI_LOG_WARNING,
            text("one frame alone was given: it comes out once, for %" PRId64 " frames two are "
                 "needed",
                 in_.total));
    Wide length = last_.duration;
    if (length == 0 && pts > last_.pts)
        length = Wide(pts) - last_.pts;
    if (length == 0 && has_frame_rate())
        length = std::max<Wide>(1, divide_near(Wide(in_.frame_rate.den) * in_.time_base.den,
                                               Wide(in_.frame_rate.num) * in_.time_base.num));
    if (length == 0)
        length = last_gap_;
    end_ = static_cast<int64_t>(std::min<Wide>(last_.pts + length, INT64_MAX));
}

int Timeline::next(MardiniSlot *slot)
{
    MardiniSlot out = {};
    out.keep = -1;
    int ret = 0;
    switch (in_.mode) {
    case MARDINI_MODE_FPS:
        ret = surround(&out, next_fps(&out));
        break;
    case MARDINI_MODE_SLOWMO:
        ret = surround(&out, next_slowmo(&out));
        break;
    case MARDINI_MODE_TOTAL:
        ret = surround(&out, next_total(&out));
        break;
    case MARDINI_MODE_ANIMATE:
        ret = next_animate(&out);
        break;
    case MARDINI_MODE_FILL:
        ret = next_fill(&out);
        break;
    default:
        ret = next_own_rate(&out);
    }
    if (ret == 0) {
        last_step_ = out.duration;
        slots_++;
        *slot = out;
    }
    return ret;
}

/// Drop what lies before frame f and the last one before it that is not skipped; f's place
/// afterwards.
size_t Timeline::forget(size_t f)
{
    size_t first = f;
    while (first > 0 && given_[first].skipped)
        first--;
    given_.erase(given_.begin(), given_.begin() + static_cast<std::ptrdiff_t>(first));
    index_ += static_cast<int64_t>(first);
    return f - first;
}

/// A slot that touches a skipped frame lies between its neighbours. False if the next one is not
/// known yet.
bool Timeline::spread(MardiniSlot *slot) const
{
    const auto place = [&](int64_t ordinal) {
        return std::find_if(given_.begin(), given_.end(),
                            [&](const Given &g) { return g.ordinal == ordinal; });
    };
    auto before = place(slot->before), after = place(slot->after);
    if (!before->skipped && !after->skipped)
        return true;
    const int64_t start = before->pts;
    const double inside_gap = slot->position * (double(Wide(after->pts) - start));
    while (before->skipped)
        before--;
    while (after != given_.end() && after->skipped)
        after++;
    if (after == given_.end()) { // nothing follows: the picture that they repeat stays
        if (!ended_)
            return false;
        slot->kind = MARDINI_SLOT_HELD;
        slot->before = slot->after = before->ordinal;
        slot->position = 0;
        return true;
    }
    slot->kind = MARDINI_SLOT_MADE;
    slot->before = before->ordinal;
    slot->after = after->ordinal;
    slot->position = inside(double(Wide(start) - before->pts) + inside_gap,
                            double(Wide(after->pts) - before->pts));
    return true;
}

void Timeline::know(const Given &given)
{
    known_.push_back(given);
    wanted_.insert(given.ordinal);
}

/// Let the first `count` of the known frames go.
void Timeline::let_go(size_t count)
{
    for (; count > 0; count--) {
        const int64_t ordinal = known_.front().ordinal;
        known_.pop_front();
        const bool opens = std::any_of(opening_.begin(), opening_.end(), [&](const Given &given) {
            return given.ordinal == ordinal;
        });
        if (!opens)
            wanted_.erase(ordinal);
    }
}

/// What a made slot is made from: references, with before at index `before` and after at the next,
/// `gap` ticks later.
void Timeline::set_window(MardiniSlot *slot, const std::vector<Given> &references, size_t before,
                          Wide gap) const
{
    const Given &b = references[before];
    const double ticks = static_cast<double>(gap);
    slot->before = b.ordinal;
    slot->after = references[before + 1].ordinal;
    slot->num_references = static_cast<int>(references.size());
    for (size_t f = 0; f < references.size(); f++) {
        slot->references[f] = references[f].ordinal;
        slot->times[f] = static_cast<double>(Wide(references[f].pts) - b.pts) / ticks;
    }
    slot->key = noise_key(b);
}

/// Noise belongs to the gap of the source, wherever a clip was cut and however it is stretched.
int64_t Timeline::noise_key(const Given &before) const
{
    const Wide origin =
        divide_near(Wide(before.pts) * in_.time_base.num * 1000000000, in_.time_base.den);
    return static_cast<int64_t>(static_cast<uint64_t>(origin));
}

/// Two frames on either side of a made slot, unless they are so far away that they tell nothing.
/// `ret` is next_*()'s.
int Timeline::surround(MardiniSlot *slot, int ret)
{
    if (ret == 0 && !spread(slot))
        ret = MARDINI_ERR(EAGAIN);
    const int64_t from = ret == 0                                           ? slot->before
                         : given_.empty() || in_.mode == MARDINI_MODE_TOTAL ? -1
                                                                            : given_[0].ordinal;
    size_t b = 0;
    while (b + 1 < known_.size() && known_[b].ordinal < from)
        b++;
    if (ret == 0 && slot->kind == MARDINI_SLOT_MADE) {
        if (b + 2 >= known_.size() && !ended_)
            return MARDINI_ERR(EAGAIN);
        set_neighbours(slot, b);
    }
    if (b > 1)
        let_go(b - 1);
    return ret;
}

/// The window of known_[b], known_[b + 1] and one frame more on either side.
void Timeline::set_neighbours(MardiniSlot *slot, size_t b) const
{
    const Wide gap = Wide(known_[b + 1].pts) - known_[b].pts;
    const auto near = [&](size_t f) {
        return Wide(known_[f + 1].pts) - known_[f].pts <= REACH * gap;
    };
    const size_t first = b > 0 && near(b - 1) ? b - 1 : b;
    const size_t last = b + 2 < known_.size() && near(b + 1) ? b + 2 : b + 1;
    set_window(slot, {known_.begin() + first, known_.begin() + last + 1}, b - first, gap);
}

/// An input time in output ticks.
int64_t Timeline::to_output(int64_t pts) const
{
    return narrow(divide_near(Wide(pts) * in_.time_base.num * time_base_.den,
                              Wide(in_.time_base.den) * time_base_.num));
}

/// How far the next slot of the grid lies past a frame, in 1 / (time_base.den * rate.num) s.
Timeline::Wide Timeline::past(const Given &frame) const
{
    return Wide(slots_) * in_.rate.den * in_.time_base.den -
           (Wide(frame.pts) - first_) * in_.time_base.num * in_.rate.num;
}

/// Time stamps are rounded to ticks, and so is the first one, which the grid starts from: a frame
/// that is as near to its place as that may lie there. In the unit of past(); 0 where ticks are not
/// much finer than frames lie apart, before it or in the output.
Timeline::Wide Timeline::rounding(const Given &frame) const
{
    const bool fine = frame.gap >= 8 && Wide(in_.rate.den) * in_.time_base.den >=
                                            8 * Wide(in_.rate.num) * in_.time_base.num;
    return fine ? Wide(in_.time_base.num) * in_.rate.num : 0;
}

int Timeline::next_fps(MardiniSlot *slot)
{
    if (given_.empty())
        return ended_ ? MARDINI_ERR(ENODATA) : MARDINI_ERR(EAGAIN);
    size_t f = 0;
    const auto absolute = [](Wide a) { return a < 0 ? -a : a; };
    const auto is_later = [&](const Given &before,
                              const Given &after) { // the slot is after's rather than before's
        return past(after) >= -rounding(after) &&
               (past(before) > rounding(before) || absolute(past(after)) < absolute(past(before)));
    };
    while (f + 1 < given_.size() && is_later(given_[f], given_[f + 1]))
        f++;
    f = forget(f);
    const Given &before = given_[f];
    const Wide offset = past(before), tolerance = rounding(before);
    slot->before = slot->after = before.ordinal;
    slot->duration = interval_;
    if (offset > 0 && f + 1 >= given_.size() && !ended_)
        return MARDINI_ERR(EAGAIN); // the next one may be nearer
    if (offset <= tolerance && offset >= -tolerance) {
        slot->kind = MARDINI_SLOT_GIVEN;
    } else if (f + 1 < given_.size()) {
        const Wide gap = (Wide(given_[f + 1].pts) - before.pts) * in_.time_base.num * in_.rate.num;
        slot->kind = MARDINI_SLOT_MADE;
        slot->after = given_[f + 1].ordinal;
        slot->position = inside(double(offset), double(gap));
    } else if (past({0, end_, 0}) < -tolerance) {
        slot->kind = MARDINI_SLOT_HELD;
    } else {
        return MARDINI_ERR(ENODATA);
    }
    slot->pts = narrow(to_output(first_) + Wide(slots_) * interval_);
    return 0;
}

/// Slot k lies k / factor given frames from the first: index + remainder / rate.num.
Timeline::Reach Timeline::slowmo(Wide k, int64_t *pts, int64_t *index, int64_t *remainder) const
{
    const Wide u = k * in_.rate.den;
    *index = narrow(u / in_.rate.num);
    *remainder = static_cast<int64_t>(u % in_.rate.num);
    const size_t f = static_cast<size_t>(*index - index_);
    if (f + (*remainder > 0) >= given_.size())
        return ended_ ? OVER : WAIT;
    Wide stretched = (Wide(given_[f].pts) - first_) * in_.rate.num;
    if (*remainder)
        stretched += (Wide(given_[f + 1].pts) - given_[f].pts) * *remainder;
    *pts = narrow(exact_ ? Wide(first_) * in_.rate.den + stretched
                         : first_ + divide_near(stretched, in_.rate.den));
    return KNOWN;
}

int Timeline::next_slowmo(MardiniSlot *slot)
{
    int64_t index, remainder, pts, ignored[2];
    const Reach reach = slowmo(slots_, &slot->pts, &index, &remainder);
    if (reach != KNOWN)
        return reach == OVER ? MARDINI_ERR(ENODATA) : MARDINI_ERR(EAGAIN);
    const Reach following = slowmo(Wide(slots_) + 1, &pts, &ignored[0], &ignored[1]);
    if (following == WAIT)
        return MARDINI_ERR(EAGAIN); // the slot's duration is not known
    const size_t f = forget(static_cast<size_t>(index - index_));
    if (following == KNOWN)
        slot->duration = narrow(Wide(pts) - slot->pts);
    else if (has_frame_rate())
        slot->duration =
            std::max<int64_t>(1, narrow(divide_near(Wide(in_.frame_rate.den) * time_base_.den,
                                                    Wide(in_.frame_rate.num) * time_base_.num)));
    else
        slot->duration = last_step_ > 0 ? last_step_ : to_output(last_.duration);
    slot->kind = remainder ? MARDINI_SLOT_MADE : MARDINI_SLOT_GIVEN;
    slot->before = given_[f].ordinal;
    slot->after = given_[f + (remainder > 0)].ordinal;
    slot->position = remainder ? inside(double(remainder), double(in_.rate.num)) : 0;
    return 0;
}

int Timeline::next_total(MardiniSlot *slot)
{
    if (!ended_)
        return MARDINI_ERR(EAGAIN);
    const int64_t n = static_cast<int64_t>(given_.size());
    const int64_t total = n > 1 ? in_.total : n;
    if (slots_ >= total)
        return MARDINI_ERR(ENODATA);

    // Given frame f takes the output frame nearest to f (total - 1) / (n - 1).
    const auto place = [&](int64_t f) {
        return n > 1 ? int64_t(divide_near(Wide(f) * (total - 1), n - 1)) : 0;
    };
    int64_t f = 0;
    while (f + 1 < n && place(f + 1) <= slots_)
        f++;
    const bool given = place(f) == slots_;
    slot->kind = given ? MARDINI_SLOT_GIVEN : MARDINI_SLOT_MADE;
    slot->before = given_[f].ordinal;
    slot->after = given_[given ? f : f + 1].ordinal;
    slot->position = given ? 0 : inside(double(slots_ - place(f)), double(place(f + 1) - place(f)));

    if (interval_) {
        slot->pts = narrow(to_output(first_) + Wide(slots_) * interval_);
        slot->duration = interval_;
    } else { // without a frame rate the mean gap serves
        const auto time = [&](Wide k) {
            return n > 1 ? narrow(first_ + divide_near((Wide(last_.pts) - first_) * k, n - 1))
                         : first_;
        };
        slot->pts = time(slots_);
        slot->duration = n > 1 ? time(Wide(slots_) + 1) - slot->pts : last_.duration;
    }
    return 0;
}

/// All of a window of 17 positions, however many frames are spread over them.
int Timeline::next_animate(MardiniSlot *slot)
{
    if (known_.empty() && !ended_)
        return MARDINI_ERR(EAGAIN);
    if (known_.empty() || slots_ >= in_.total)
        return MARDINI_ERR(ENODATA);
    const Given &given = known_.front();
    const auto position = [&](int64_t k) {
        return double(k) * (MARDINI_WINDOW - 1) / double(in_.total - 1);
    };
    slot->pts = narrow(to_output(first_) + Wide(slots_) * interval_);
    slot->duration = interval_;
    slot->before = slot->after = given.ordinal;
    slot->kind = MARDINI_SLOT_GIVEN;
    if (slots_ == in_.anchor)
        return 0;
    slot->kind = MARDINI_SLOT_MADE;
    slot->position = position(slots_);
    set_alone(slot, given, position(in_.anchor));
    return 0;
}

/// What a slot is made from if nothing but one frame is given, at position `anchor` of the window.
void Timeline::set_alone(MardiniSlot *slot, const Given &given, double anchor) const
{
    slot->num_references = 1;
    slot->references[0] = given.ordinal;
    slot->times[0] = anchor;
    slot->key = noise_key(given);
}

} // namespace mardini
