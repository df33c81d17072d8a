/*
 * Copyright (C) 2026 the mardini authors
 *
 * This library is free software; you can redistribute it and/or modify it under
 * the terms of the GNU Lesser General Public License as published by the Free
 * Software Foundation; either version 2.1 of the License, or (at your option)
 * any later version. It comes without any warranty; see LICENSE.
 */

// The modes fps and slowmo: other output times over the same input, frame by frame.
#pragma once

#include <deque>

#include "timeline/timeline.h"

namespace mardini {

/// What fps and slowmo share: frames that repeat a picture can be skipped.
class RetimeTimeline : public Timeline {
public:
    void skip() override;

protected:
    using Timeline::Timeline;

    /// Place the next slot between two of frames_ as if none were skipped; returns as next().
    virtual int place_slot(MardiniSlot *slot) = 0;

    void add(const TimelineFrame &frame) override;
    int next_slot(MardiniSlot *slot) override;
    /// Drop what lies before frames_[f] and the last one before it that is not skipped. Returns the
    /// new index of that frame.
    size_t drop_frames_before(size_t f);

    struct Frame : TimelineFrame {
        bool skipped = false;
    };
    std::deque<Frame> frames_; ///< from the one before the next slot on
    int64_t first_index_ = 0;  ///< of frames_[0] among the input frames that take part

private:
    bool bridge_skipped(MardiniSlot *slot) const;
};

/// Output frames at the first pts + k / rate.
class FpsTimeline : public RetimeTimeline {
public:
    explicit FpsTimeline(const MardiniTimelineSettings &settings);
    MardiniRational frame_rate() const override { return rate_; }

private:
    int place_slot(MardiniSlot *slot) override;
    void finish(int64_t pts) override;
    Wide offset_from(int64_t pts) const;
    Wide tolerance(const TimelineFrame &frame) const;
    size_t frame_of_slot() const;

    const MardiniRational rate_; ///< output frames a second
    int64_t slot_ticks_;         ///< output ticks from slot to slot
    int64_t end_ = 0;            ///< of the last frame, in input ticks
};

/// Time stretched by a factor of 1 or more: slot k lies k / factor input frames after the first.
class SlowmoTimeline : public RetimeTimeline {
public:
    explicit SlowmoTimeline(const MardiniTimelineSettings &settings);

private:
    enum Known { KNOWN, WAIT, OVER };
    struct Place {
        int64_t index = 0;     ///< of the input frame at or before the slot
        int64_t remainder = 0; ///< beyond it, in 1 / factor_.num gaps
        int64_t pts = 0;       ///< in output ticks
    };

    int place_slot(MardiniSlot *slot) override;
    Known find_place(Wide slot, Place *place) const;
    int64_t last_duration() const;

    const MardiniRational factor_;
    int64_t previous_duration_ = 0; ///< of the slot placed last
};

} // namespace mardini
