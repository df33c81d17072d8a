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
#include <string>

#include "mardini.h"

namespace mardini {

/// See MardiniTimeline in mardini.h for the rules. Throws Error.
class Timeline {
public:
    explicit Timeline(const MardiniTimelineSettings &settings);

    MardiniRational time_base() const { return time_base_; }
    MardiniRational frame_rate() const; ///< 0/1 if the input has none

    bool push(int64_t pts, int64_t duration, int64_t *placed); ///< false: left out
    void skip();
    void end(int64_t pts);
    int next(MardiniSlot *slot); ///< 0, MARDINI_ERR(EAGAIN) or MARDINI_ERR(ENODATA)

private:
    using Wide = __int128; ///< 63 bits of pts times two 31-bit terms

    struct Given {
        int64_t ordinal, pts, duration;
        bool skipped = false;
    };
    enum Reach { KNOWN, WAIT, OVER };

    void log(int level, const std::string &message) const;
    void set_common_base(MardiniRational interval);
    bool has_frame_rate() const { return in_.frame_rate.num > 0; }
    int64_t after_last() const;
    int64_t to_output(int64_t pts) const;
    Wide past(const Given &frame) const;
    Reach slowmo(Wide k, int64_t *pts, int64_t *index, int64_t *remainder) const;
    size_t forget(size_t f);
    bool spread(MardiniSlot *slot) const;
    int next_fps(MardiniSlot *slot);
    int next_slowmo(MardiniSlot *slot);
    int next_total(MardiniSlot *slot);

    MardiniTimelineSettings in_; ///< rationals in lowest terms
    MardiniRational time_base_;  ///< of the output
    bool exact_ = true;          ///< time_base_ expresses every output time
    int64_t interval_ = 0;       ///< output ticks from slot to slot; FPS, and TOTAL with a frame rate

    std::deque<Given> given_; ///< from the one before the next slot on; TOTAL: all
    int64_t index_ = 0;       ///< of given_.front() among those that take part
    int64_t pushed_ = 0;
    int64_t first_ = 0;       ///< pts of the first that takes part
    Given last_ = {-1, 0, 0};
    int64_t last_gap_ = 0;
    int64_t anchor_ = 0;      ///< the last pts that was told, and how many frames had none since
    int64_t unstamped_ = 0;
    bool said_unstamped_ = false, said_left_out_ = false;

    bool ended_ = false;
    int64_t end_ = 0;    ///< end of the last frame, input ticks
    int64_t slots_ = 0;  ///< handed out
    int64_t last_step_ = 0;
};

} // namespace mardini
