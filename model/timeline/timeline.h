/*
 * Copyright (C) 2026 the mardini authors
 *
 * This library is free software; you can redistribute it and/or modify it under
 * the terms of the GNU Lesser General Public License as published by the Free
 * Software Foundation; either version 2.1 of the License, or (at your option)
 * any later version. It comes without any warranty; see LICENSE.
 */

// Time stamps of input frames in, output slots out. No pixels. Times are exact integers; only the
// position of a synthesized frame is a floating-point number.
#pragma once

#include <deque>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "mardini.h"
#include "timeline/rational.h"

namespace mardini {

/// A frame of the input, or a synthesized frame that later ones take as a reference.
struct TimelineFrame {
    int64_t ordinal;  ///< input frames: from 0 in the order of push(); synthesized frames: below -1
    int64_t pts;      ///< in the input's time base
    int64_t duration; ///< likewise; 0 if unknown
    int64_t gap = 0;  ///< ticks since the frame before it; 0 for the first one
};

/// What the modes share: input frames, time bases, end of input, references of a slot. A mode
/// implements the protected virtual functions. The public functions follow mardini_timeline_*() in
/// mardini.h; all of them throw Error.
class Timeline {
public:
    virtual ~Timeline() = default;
    Timeline(const Timeline &) = delete;

    MardiniRational time_base() const { return time_base_; }                 ///< of the output
    virtual MardiniRational frame_rate() const { return input_frame_rate_; } ///< of the output

    virtual bool push(int64_t pts, int64_t duration, int64_t *placed); ///< false: left out
    virtual void skip();
    virtual void repeat() {}
    virtual void leave() {}
    void end(int64_t pts);
    virtual bool wants(int64_t ordinal) const { return wanted_.count(ordinal) > 0; }
    int next(MardiniSlot *slot); ///< 0, MARDINI_ERR(EAGAIN) or MARDINI_ERR(ENODATA)

protected:
    explicit Timeline(const MardiniTimelineSettings &settings);

    /// Whether another input frame can take part. Throws Error if it must not come.
    virtual bool accepts_frame() const { return true; }
    /// Store an input frame that takes part. num_frames_ and last_ include it.
    virtual void add(const TimelineFrame &frame) = 0;
    /// The input has ended: ended_ is true. On Error the end is taken back.
    virtual void finish(int64_t) {}
    /// Fill in the next slot; returns as next(). slot->keep is -1, every other field 0.
    virtual int next_slot(MardiniSlot *slot) = 0;

    void log(int level, const std::string &message) const;

    // Time
    bool has_frame_rate() const { return input_frame_rate_.num > 0; }
    /// Use a frame rate only if the input's ticks can place its frames.
    void ignore_rate_above_ticks();
    /// Set time_base_ to the coarsest one that holds the input's ticks and `interval` seconds. If
    /// 31 bits do not hold it: to the finest one that holds `interval`. Returns the interval in
    /// output ticks.
    int64_t set_common_time_base(MardiniRational interval);
    int64_t to_output(int64_t pts) const; ///< input ticks -> output ticks
    /// Input ticks of so many frames at the nominal rate, rounded once; needs has_frame_rate().
    Wide nominal_ticks(Wide frames) const;
    /// Input ticks from the last frame to the one after it, by the best information there is: the
    /// nominal rate, its duration, the gap before it, or 25 frames a second.
    int64_t interval() const;

    // References
    void add_reference(const TimelineFrame &frame);
    void drop_references(size_t count); ///< the first ones
    /// Set the references of a synthesized slot; references[before] becomes slot->before.
    void set_references(MardiniSlot *slot, const std::vector<TimelineFrame> &references,
                        size_t before) const;
    /// The only reference, at `position` of the window.
    void set_single_reference(MardiniSlot *slot, const TimelineFrame &reference,
                              double position) const;
    /// references_[before] and the next one, with one more on either side if it is near enough.
    void set_neighbours(MardiniSlot *slot, size_t before) const;
    /// Neighbours of a slot between two input frames; drops references that no later slot needs.
    /// MARDINI_ERR(EAGAIN) while the frame after the gap is unknown.
    int surround(MardiniSlot *slot);
    void drop_references_before(int64_t ordinal); ///< all but the last of them

    static void set_frame(MardiniSlot *slot, MardiniSlotKind kind, int64_t ordinal);
    /// Position of `pts`, in gaps from `before` to `after`.
    static double position(const TimelineFrame &before, const TimelineFrame &after, int64_t pts);

    const MardiniRational input_time_base_; ///< lowest terms
    MardiniRational time_base_;             ///< of the output
    bool exact_time_base_ = true;           ///< time_base_ expresses every output time

    TimelineFrame last_ = {-1, 0, 0}; ///< last input frame that takes part
    int64_t first_pts_ = 0;           ///< of the first one
    int64_t num_pushed_ = 0;          ///< input frames, with those that were left out
    int64_t num_frames_ = 0;          ///< input frames that take part
    bool ended_ = false;
    int64_t num_slots_ = 0; ///< handed out

    std::deque<TimelineFrame> references_; ///< that later slots may name, in order of time
    std::set<int64_t> wanted_;             ///< ordinals that the caller must keep

private:
    int64_t pts_of_unstamped() const;
    size_t find_reference(int64_t ordinal) const;
    int64_t noise_key(const TimelineFrame &before) const;

    MardiniRational input_frame_rate_; ///< lowest terms; 0/1 if the input has none
    MardiniLog log_;
    void *log_opaque_;
    int64_t stamped_pts_ = 0;   ///< the last pts that the caller stated
    int64_t num_unstamped_ = 0; ///< frames without a pts since then
    bool warned_unstamped_ = false, warned_left_out_ = false;
};

/// The timeline of settings.mode. Throws Error for settings out of range.
std::unique_ptr<Timeline> open_timeline(const MardiniTimelineSettings &settings);

} // namespace mardini
