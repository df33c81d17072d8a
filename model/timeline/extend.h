/*
 * Copyright (C) 2026 the mardini authors
 *
 * This library is free software; you can redistribute it and/or modify it under
 * the terms of the GNU Lesser General Public License as published by the Free
 * Software Foundation; either version 2.1 of the License, or (at your option)
 * any later version. It comes without any warranty; see LICENSE.
 */

// The mode extend: the input at its own times, and synthesized frames after it, before it, or both.
#pragma once

#include <deque>
#include <vector>

#include "timeline/timeline.h"

namespace mardini {

/// What extend and loop share: the input's frames as they are, then synthesized ones.
class ContinuedTimeline : public Timeline {
protected:
    explicit ContinuedTimeline(const MardiniTimelineSettings &settings);

    /// Frames to synthesize after the input.
    virtual int64_t num_after() const = 0;
    /// References that must remain when the input has been handed out.
    virtual size_t num_last_references() const = 0;
    /// Fill in kind, position and references of synthesized frame num_after_slots_ + 1. pts is set;
    /// slot->before and after name the last frame.
    virtual void set_slot_after(MardiniSlot *slot) = 0;

    void add(const TimelineFrame &frame) override;
    int next_slot(MardiniSlot *slot) override;
    /// Input ticks of so many frames, from the nominal rate or else from `interval`.
    Wide ticks_of(Wide frames, int64_t interval) const;

    const int64_t total_;              ///< frames to synthesize, on each side
    std::deque<TimelineFrame> frames_; ///< input frames from the next slot's on
    int64_t num_after_slots_ = 0;      ///< handed out, after the input

private:
    int set_input_slot(MardiniSlot *slot);
};

/// Extrapolates in windows of 17 frames. A window's references are the `context` frames nearest to
/// it: of the input for the first window, of the window before for a later one.
class ExtendTimeline : public ContinuedTimeline {
public:
    explicit ExtendTimeline(const MardiniTimelineSettings &settings);

private:
    int64_t num_after() const override { return side_ == MARDINI_SIDE_BEFORE ? 0 : total_; }
    size_t num_last_references() const override { return num_after() ? context() : 1; }
    void set_slot_after(MardiniSlot *slot) override;
    void add(const TimelineFrame &frame) override;
    void finish(int64_t pts) override;
    int next_slot(MardiniSlot *slot) override;

    size_t context() const;
    Wide ticks_before(Wide steps) const;
    int next_slot_before(MardiniSlot *slot);
    void set_kept_slot(MardiniSlot *slot);
    void set_shown_slot(MardiniSlot *slot);
    void start_window_before();
    void start_window_after();

    const int side_, context_; ///< of the settings
    int64_t first_gap_ = 0;    ///< ticks between the first two frames

    std::vector<TimelineFrame> window_references_; ///< of the window that is being handed out
    std::vector<TimelineFrame> window_;            ///< its synthesized frames
    size_t window_index_ = 0;                      ///< of the next one
    int64_t num_kept_ = 0;  ///< AHEAD slots handed out, of frames before the input
    int64_t num_shown_ = 0; ///< GIVEN or HELD slots handed out that show these
};

} // namespace mardini
