/*
 * Copyright (C) 2026 the mardini authors
 *
 * This library is free software; you can redistribute it and/or modify it under
 * the terms of the GNU Lesser General Public License as published by the Free
 * Software Foundation; either version 2.1 of the License, or (at your option)
 * any later version. It comes without any warranty; see LICENSE.
 */

// Time stamps in, output slots out. No pixels, no floating point but a slot's position.
#pragma once

#include <deque>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "mardini.h"

namespace mardini {

/// a / b rounded to the nearest, halves up; b > 0.
__int128 divide_near(__int128 a, __int128 b);
/// As an output time. Throws Error if 64 bits do not hold it.
int64_t narrow(__int128 value);

/// See MardiniTimeline in mardini.h for the rules. Throws Error.
class Timeline {
public:
    explicit Timeline(const MardiniTimelineSettings &settings);

    MardiniRational time_base() const { return time_base_; }
    MardiniRational frame_rate() const; ///< 0/1 if the input has none

    bool push(int64_t pts, int64_t duration, int64_t *placed); ///< false: left out
    void skip();
    void repeat() { repeat_ = true; }
    void leave() { leave_ = true; }
    void end(int64_t pts);
    bool wants(int64_t ordinal) const { return wanted_.count(ordinal) > 0; }
    int next(MardiniSlot *slot); ///< 0, MARDINI_ERR(EAGAIN) or MARDINI_ERR(ENODATA)

private:
    using Wide = __int128; ///< 63 bits of pts times two 31-bit terms

    enum Masked { NO, NAMED, FOUND };
    struct Given {
        int64_t ordinal, pts, duration;
        Masked masked = NO; ///< FILL
        bool skipped = false;
        int64_t gap = 0; ///< from the one before it, 0 of the first
    };
    enum Reach { KNOWN, WAIT, OVER };

    void log(int level, const std::string &message) const;
    void set_common_base(MardiniRational interval);
    bool has_frame_rate() const { return in_.frame_rate.num > 0; }
    int64_t after_last() const;
    int64_t to_output(int64_t pts) const;
    Wide past(const Given &frame) const;
    Wide rounding(const Given &frame) const;
    Reach slowmo(Wide k, int64_t *pts, int64_t *index, int64_t *remainder) const;
    size_t forget(size_t f);
    bool spread(MardiniSlot *slot) const;
    int next_fps(MardiniSlot *slot);
    int next_slowmo(MardiniSlot *slot);
    int next_total(MardiniSlot *slot);
    int next_animate(MardiniSlot *slot);

    void know(const Given &given);
    void let_go(size_t count);
    int surround(MardiniSlot *slot, int ret);
    void set_neighbours(MardiniSlot *slot, size_t before) const;
    int64_t noise_key(const Given &before) const;
    void set_alone(MardiniSlot *slot, const Given &given, double anchor) const;
    void set_window(MardiniSlot *slot, const std::vector<Given> &references, size_t before,
                    Wide gap) const;

    // The jobs at the input's own rate: timeline_jobs.cpp
    void check_job();
    void take(const Given &given);
    void bridge_gap(const Given &given);
    void close_run();
    void end_job();
    Wide span(Wide frames, bool before) const;
    int64_t interval(bool before) const;
    size_t context() const;
    int next_fill(MardiniSlot *slot);
    int next_own_rate(MardiniSlot *slot);
    int next_before_clip(MardiniSlot *slot);
    int next_of_clip(MardiniSlot *slot, bool after);
    void next_after_clip(MardiniSlot *slot);
    void next_of_window(MardiniSlot *slot, const Given &made, size_t pair);
    void make_ahead(MardiniSlot *slot);
    void show_ahead(MardiniSlot *slot);
    void make_beyond(MardiniSlot *slot);
    void make_join(MardiniSlot *slot);
    void make_swing(MardiniSlot *slot);

    MardiniTimelineSettings in_; ///< rationals in lowest terms
    MardiniRational time_base_;  ///< of the output
    bool exact_ = true;          ///< time_base_ expresses every output time
    int64_t interval_ = 0; ///< output ticks from slot to slot; FPS, and TOTAL with a frame rate

    std::deque<Given> given_; ///< from the one before the next slot on; TOTAL: all
    int64_t index_ = 0;       ///< of given_.front() among those that take part
    int64_t pushed_ = 0;
    int64_t first_ = 0; ///< pts of the first that takes part
    Given last_ = {-1, 0, 0};
    int64_t last_gap_ = 0, first_step_ = 0; ///< between the last two, between the first two
    int64_t anchor_ = 0; ///< the last pts that was told, and how many frames had none since
    int64_t unstamped_ = 0;
    bool said_unstamped_ = false, said_left_out_ = false;

    std::deque<Given> known_; ///< that later slots may name, in order of time; in the source's time
    std::set<int64_t> wanted_; ///< their ordinals
    int64_t taken_ = 0;        ///< frames that take part

    std::vector<std::pair<int64_t, int64_t>> named_; ///< FILL: first and last of each range, rising
    bool repeat_ = false;                            ///< the next frame repeats the one before it
    bool leave_ = false;                             ///< the next frame stays as it is
    std::vector<Given> run_;                         ///< repeats in a row that are not judged yet
    int64_t run_length_ = 0;                         ///< those that were judged too
    bool said_break_ = false;

    std::vector<Given> window_; ///< EXTEND: references of the window that is being handed out
    std::vector<Given> made_;   ///< and what it makes
    size_t next_made_ = 0;
    std::vector<Given> opening_; ///< LOOP: the first two frames
    int64_t ahead_ = 0, shown_ = 0,
            beyond_ = 0; ///< slots handed out: AHEAD, their GIVEN, after the last frame

    bool ended_ = false;
    int64_t end_ = 0;   ///< end of the last frame, input ticks
    int64_t slots_ = 0; ///< handed out
    int64_t last_step_ = 0;
};

} // namespace mardini
