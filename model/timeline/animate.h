/*
 * Copyright (C) 2026 the mardini authors
 *
 * This library is free software; you can redistribute it and/or modify it under
 * the terms of the GNU Lesser General Public License as published by the Free
 * Software Foundation; either version 2.1 of the License, or (at your option)
 * any later version. It comes without any warranty; see LICENSE.
 */

// The mode animate: frames around a single image.
#pragma once

#include "timeline/timeline.h"

namespace mardini {

/// `total` frames at `rate`, spread evenly over the 17 positions of a window. The first input frame
/// is output frame `anchor` and the only reference; later input frames are left out.
class AnimateTimeline : public Timeline {
public:
    explicit AnimateTimeline(const MardiniTimelineSettings &settings);
    MardiniRational frame_rate() const override { return rate_; }

private:
    bool accepts_frame() const override { return num_frames_ == 0; }
    void add(const TimelineFrame &frame) override { add_reference(frame); }
    int next_slot(MardiniSlot *slot) override;
    double position_of(int64_t output_frame) const;

    const MardiniRational rate_; ///< output frames a second
    const int64_t total_, anchor_;
    int64_t slot_ticks_; ///< output ticks from slot to slot
};

} // namespace mardini
