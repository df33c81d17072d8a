/*
 * Copyright (C) 2026 the mardini authors
 *
 * This library is free software; you can redistribute it and/or modify it under
 * the terms of the GNU Lesser General Public License as published by the Free
 * Software Foundation; either version 2.1 of the License, or (at your option)
 * any later version. It comes without any warranty; see LICENSE.
 */

// The mode total: a fixed number of frames over the whole input.
#pragma once

#include <vector>

#include "timeline/timeline.h"

namespace mardini {

/// `total` frames at the input's frame rate, or at its mean rate if it has none. Slots are handed
/// out after the end.
class TotalTimeline : public Timeline {
public:
    explicit TotalTimeline(const MardiniTimelineSettings &settings);

private:
    bool accepts_frame() const override;
    void add(const TimelineFrame &frame) override;
    void finish(int64_t pts) override;
    int next_slot(MardiniSlot *slot) override;
    int64_t slot_of_frame(int64_t f) const;
    void set_time(MardiniSlot *slot) const;

    const int64_t total_;
    int64_t slot_ticks_ = 0; ///< output ticks from slot to slot; 0: the mean rate
    std::vector<TimelineFrame> frames_;
};

} // namespace mardini
