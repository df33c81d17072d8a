// Runs timelines of the modes that keep the input's times, and animate, as the filter does. Checks
// what holds for every slot: it names no frame that was released, and times of references agree.
#ifndef TESTS_SLOTS_H
#define TESTS_SLOTS_H

#include "mardini.h"

#include "support/catch.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

namespace slots {

inline const int LENGTHS[] = {0, 1, 2, 3, 5, 16, 17, 18, 100};

struct Stamp {
    int64_t pts, duration;
    bool repeats = false;
};

struct Job {
    int mode = MARDINI_MODE_EXTEND;
    int64_t total = 12, anchor = 0;
    MardiniRational rate = {60, 1};
    const char *named = nullptr;
    int detect = 0, side = MARDINI_SIDE_AFTER, context = 0;
    MardiniRational time_base = {1, 1000}, frame_rate = {24000, 1001};
    std::vector<Stamp> stamps;
};

struct Result {
    std::vector<MardiniSlot> slots;
    std::vector<std::string> messages;
    size_t most_wanted = 0; ///< largest number of frames that were wanted at once
    int failure = 0;
};

inline void collect(void *opaque, int, const char *message)
{
    static_cast<std::vector<std::string> *>(opaque)->push_back(message);
}

inline MardiniTimeline *open_timeline(const Job &job, std::vector<std::string> *messages)
{
    MardiniTimelineSettings settings;
    mardini_timeline_default_settings(&settings);
    settings.mode = job.mode;
    settings.total = job.total;
    settings.anchor = job.anchor;
    settings.rate = job.rate;
    settings.named = job.named;
    settings.detect = job.detect;
    settings.side = job.side;
    settings.context = job.context;
    settings.time_base = job.time_base;
    settings.frame_rate = job.frame_rate;
    settings.log = collect;
    settings.log_opaque = messages;
    MardiniTimeline *timeline = nullptr;
    mardini_timeline_open(&timeline, &settings);
    return timeline;
}

inline Job animation(int64_t total, int64_t anchor)
{
    Job job;
    job.mode = MARDINI_MODE_ANIMATE;
    job.total = total;
    job.anchor = anchor;
    job.rate = {8, 1};
    job.frame_rate = {25, 1};
    return job;
}

/// A caller that keeps a frame only while the timeline wants it.
struct Caller {
    MardiniTimeline *timeline;
    Result *result;
    std::set<int64_t> kept; ///< ordinals

    void release()
    {
        for (auto it = kept.begin(); it != kept.end();)
            it = mardini_timeline_wants(timeline, *it) ? std::next(it) : kept.erase(it);
    }
    void keep(int64_t ordinal)
    {
        if (!kept.insert(ordinal).second)
            FAIL("ordinal " << ordinal << " was given twice");
        result->most_wanted = std::max(result->most_wanted, kept.size());
    }
    /// Take all slots there are; fails if one names a frame that was released.
    int take()
    {
        MardiniSlot slot;
        int ret;
        while (!(ret = mardini_timeline_next(timeline, &slot))) {
            release();
            std::vector<int64_t> names(slot.references, slot.references + slot.num_references);
            names.insert(names.end(), {slot.before, slot.after});
            for (int64_t name : names)
                if (!kept.count(name))
                    FAIL("slot " << result->slots.size() << " names frame " << name
                                 << ", which was released");
            if (slot.keep < -1)
                keep(slot.keep);
            result->slots.push_back(slot);
        }
        release();
        return ret;
    }
};

/// Run a job as the filter does: slots are taken before each frame is pushed.
inline Result run(const Job &job)
{
    Result result;
    MardiniTimeline *timeline = open_timeline(job, &result.messages);
    REQUIRE(timeline);
    Caller caller = {timeline, &result, {}};
    for (size_t f = 0; f < job.stamps.size(); f++) {
        REQUIRE(caller.take() == MARDINI_ERR(EAGAIN));
        if (job.stamps[f].repeats)
            REQUIRE(mardini_timeline_repeat(timeline) == 0);
        REQUIRE(mardini_timeline_push(timeline, job.stamps[f].pts, job.stamps[f].duration,
                                      nullptr) == 1);
        if (mardini_timeline_wants(timeline, static_cast<int64_t>(f)))
            caller.keep(static_cast<int64_t>(f));
    }
    REQUIRE(caller.take() == MARDINI_ERR(EAGAIN));
    const int ret = mardini_timeline_end(timeline, INT64_MIN);
    if (ret < 0)
        result.failure = ret;
    else
        CHECK(caller.take() == MARDINI_ERR(ENODATA));
    mardini_timeline_close(&timeline);
    return result;
}

/// Ticks of 1/1000 s that k frames of 24000/1001 take, rounded.
inline int64_t ticks(int64_t k)
{
    return static_cast<int64_t>(std::floor(static_cast<double>(k) * 1001 / 24 + 0.5));
}

inline std::vector<Stamp> constant_rate(int n, int64_t start = 70)
{
    std::vector<Stamp> stamps;
    for (int f = 0; f < n; f++)
        stamps.push_back({start + ticks(f), ticks(f + 1) - ticks(f)});
    return stamps;
}

inline std::vector<Stamp> variable_rate(int n, unsigned seed)
{
    std::mt19937 random(seed);
    std::vector<Stamp> stamps;
    for (int64_t f = 0, pts = -300; f < n; f++) {
        const int64_t step = 20 + static_cast<int64_t>(random() % 80);
        stamps.push_back({pts, random() % 2 ? step : 0});
        pts += step;
    }
    return stamps;
}

/// Slots that are output frames: all but AHEAD.
inline std::vector<MardiniSlot> shown(const Result &result)
{
    std::vector<MardiniSlot> out;
    for (const MardiniSlot &slot : result.slots)
        if (slot.kind != MARDINI_SLOT_AHEAD)
            out.push_back(slot);
    return out;
}

/// Every slot's position and reference times agree with one time for each ordinal, `time_of`.
inline void check_windows(const Result &result, std::map<int64_t, double> time_of)
{
    for (size_t k = 0; k < result.slots.size(); k++) {
        const MardiniSlot &s = result.slots[k];
        INFO("slot " << k);
        if (s.kind != MARDINI_SLOT_MADE && s.kind != MARDINI_SLOT_AHEAD) {
            REQUIRE(s.num_references == 0);
            continue;
        }
        REQUIRE(s.num_references >= 2);
        REQUIRE(s.num_references < MARDINI_WINDOW);
        int b = 0;
        while (b + 2 < s.num_references && s.times[b] != 0)
            b++;
        REQUIRE(s.times[b] == 0);
        REQUIRE(s.times[b + 1] == 1);
        REQUIRE(s.references[b] == s.before);
        REQUIRE(s.references[b + 1] == s.after);
        const double gap = time_of.at(s.after) - time_of.at(s.before);
        for (int f = 0; f < s.num_references; f++) {
            REQUIRE((f == 0 || s.times[f] > s.times[f - 1]));
            REQUIRE(s.times[f] != s.position);
            REQUIRE(std::abs(time_of.at(s.references[f]) - time_of.at(s.before) -
                             s.times[f] * gap) < 1e-6);
        }
        const double time = time_of.at(s.before) + s.position * gap;
        REQUIRE(std::abs(static_cast<double>(s.key) - time_of.at(s.before) * 1e6) < 2);
        if (s.keep < -1)
            time_of[s.keep] = time;
    }
}

inline std::map<int64_t, double> times_of(const std::vector<Stamp> &stamps)
{
    std::map<int64_t, double> out;
    for (size_t f = 0; f < stamps.size(); f++)
        out[static_cast<int64_t>(f)] = static_cast<double>(stamps[f].pts);
    return out;
}

inline bool is_given(const MardiniSlot &slot, int64_t ordinal)
{
    return slot.kind == MARDINI_SLOT_GIVEN && slot.before == ordinal && slot.after == ordinal;
}

/// open_timeline() fails with one message that contains `words`.
inline void check_refused(const Job &job, const std::string &words)
{
    std::vector<std::string> messages;
    MardiniTimeline *timeline = open_timeline(job, &messages);
    INFO(words);
    CHECK(timeline == nullptr);
    REQUIRE(messages.size() == 1);
    INFO(messages[0]);
    CHECK(messages[0].find(words) != std::string::npos);
}

} // namespace slots

#endif
