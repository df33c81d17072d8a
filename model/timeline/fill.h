/*
 * Copyright (C) 2026 the mardini authors
 *
 * This library is free software; you can redistribute it and/or modify it under
 * the terms of the GNU Lesser General Public License as published by the Free
 * Software Foundation; either version 2.1 of the License, or (at your option)
 * any later version. It comes without any warranty; see LICENSE.
 */

// The mode fill: the input at its own times, with some of its frames synthesized.
#pragma once

#include <deque>
#include <utility>
#include <vector>

#include "timeline/timeline.h"

namespace mardini {

/// Synthesizes frames that are named, repeats that the caller reports, and frames missing from gaps
/// between time stamps.
class FillTimeline : public Timeline {
public:
    explicit FillTimeline(const MardiniTimelineSettings &settings);
    bool push(int64_t pts, int64_t duration, int64_t *placed) override;
    void repeat() override { next_repeats_ = true; }
    void leave() override { next_is_left_ = true; }

private:
    enum Masked { NO, NAMED, DETECTED };
    struct Frame : TimelineFrame {
        Masked masked = NO;
    };

    void add(const TimelineFrame &frame) override;
    void finish(int64_t pts) override;
    int next_slot(MardiniSlot *slot) override;
    bool is_named(int64_t ordinal) const;
    bool detects(int what) const { return detect_ & what; }
    void fill_gap_before(const TimelineFrame &frame);
    void close_run();
    bool set_masked_slot(MardiniSlot *slot, const Frame &frame, size_t after) const;

    std::vector<std::pair<int64_t, int64_t>> named_; ///< first and last of each range, rising
    int detect_;                                     ///< MardiniDetect, or'ed
    bool next_repeats_ = false; ///< the next frame shows the picture of the one before
    bool next_is_left_ = false; ///< the next frame is not masked, nor a gap before it filled

    std::deque<Frame> frames_;       ///< from the next slot's on
    std::vector<TimelineFrame> run_; ///< consecutive repeats, too few for a freeze so far
    int64_t run_length_ = 0;         ///< with those that have left run_
    bool warned_break_ = false;
};

} // namespace mardini
