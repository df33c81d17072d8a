// The slots that fps, slowmo and total must give, computed by exact fractions from the whole list
// of input frames, and the comparison of a timeline's slots with them.
#ifndef TESTS_ORACLE_H
#define TESTS_ORACLE_H

#include "mardini.h"

#include "support/catch.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <random>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace oracle {

using Wide = __int128;

/// Exact, in lowest terms. Throws on overflow.
struct Fraction {
    Wide num = 0, den = 1;

    Fraction(Wide n = 0, Wide d = 1) : num(n), den(d)
    {
        Wide a = n < 0 ? -n : n, b = d;
        while (b > INT64_MAX || a > INT64_MAX) {
            if (!b)
                break;
            a = std::exchange(b, a % b);
        }
        if (b) // 64-bit arithmetic is faster
            a = std::gcd(static_cast<int64_t>(a), static_cast<int64_t>(b));
        if (a > 1)
            num /= a, den /= a;
    }
    static Wide times(Wide a, Wide b)
    {
        Wide out;
        if (__builtin_mul_overflow(a, b, &out))
            throw std::overflow_error("the oracle's fractions overflow");
        return out;
    }
    friend Fraction operator+(Fraction a, Fraction b)
    {
        return {times(a.num, b.den) + times(b.num, a.den), times(a.den, b.den)};
    }
    friend Fraction operator-(Fraction a, Fraction b) { return a + Fraction(-b.num, b.den); }
    friend Fraction operator*(Fraction a, Fraction b)
    {
        const Fraction x(a.num, b.den), y(b.num, a.den); // crosswise first: smaller terms
        return {times(x.num, y.num), times(x.den, y.den)};
    }
    friend Fraction operator/(Fraction a, Fraction b)
    {
        return b.num < 0 ? a * Fraction(-b.den, -b.num) : a * Fraction(b.den, b.num);
    }
    friend bool operator<(Fraction a, Fraction b)
    {
        return times(a.num, b.den) < times(b.num, a.den);
    }
    friend bool operator==(Fraction a, Fraction b) { return a.num == b.num && a.den == b.den; }
    friend bool operator<=(Fraction a, Fraction b) { return !(b < a); }
    Wide floor() const { return num / den - (num % den < 0); }
    Wide round() const { return (*this + Fraction(1, 2)).floor(); }
    double value() const { return double(num) / double(den); }
};

inline Fraction fraction(MardiniRational r)
{
    return {r.num, r.den};
}

constexpr int64_t MISSING = INT64_MIN;

struct Stamp {
    int64_t pts, duration = 0;
};

struct Job {
    int mode = MARDINI_MODE_FPS;
    MardiniRational rate = {60, 1};
    int64_t total = 0;
    MardiniRational time_base = {1, 24000}, frame_rate = {0, 1};
    std::vector<Stamp> stamps;
    int64_t end = MISSING;
    unsigned arrival = 0; ///< 0: slots are taken after every frame; else a random generator's seed
    std::vector<bool> skipped; ///< for each frame, whether it is skipped
};

struct Slot {
    int kind;
    Fraction time, duration; ///< seconds
    int64_t before, after;
    Fraction position;
};

struct Frame {
    int64_t ordinal;
    Fraction time, duration;
};

// ---- the oracle -------------------------------------------------------------------

/// Input frames that take part, with their times in seconds.
inline std::vector<Frame> take_part(const Job &job)
{
    const Fraction tb = fraction(job.time_base);
    std::vector<Frame> frames;
    Fraction anchor, gap(1, 25);
    int64_t unstamped = 0, ordinal = 0;
    for (const Stamp &stamp : job.stamps) {
        Fraction ticks(stamp.pts);
        if (stamp.pts == MISSING) {
            const Fraction last = frames.empty() ? Fraction() : frames.back().time / tb;
            if (frames.empty())
                ticks = 0;
            else if (job.frame_rate.num > 0)
                ticks = anchor + (Fraction(unstamped + 1) / fraction(job.frame_rate) / tb).round();
            else if (Fraction(0) < frames.back().duration)
                ticks = last + frames.back().duration / tb;
            else if (frames.size() > 1)
                ticks = last + (frames.back().time - frames[frames.size() - 2].time) / tb;
            else
                ticks = last + std::max<Wide>(1, (gap / tb).floor());
            if (ticks <= last && !frames.empty())
                ticks = last + Fraction(1);
        }
        const Frame frame = {ordinal++, ticks * tb,
                             Fraction(std::max<int64_t>(0, stamp.duration)) * tb};
        if (!frames.empty() && frame.time <= frames.back().time)
            continue;
        const bool stamped = stamp.pts != MISSING || frames.empty();
        anchor = stamped ? ticks : anchor;
        unstamped = stamped ? 0 : unstamped + 1;
        frames.push_back(frame);
    }
    return frames;
}

inline Fraction end_of_last(const Job &job, const std::vector<Frame> &frames)
{
    const Fraction tb = fraction(job.time_base);
    const Frame &last = frames.back();
    if (Fraction(0) < last.duration)
        return last.time + last.duration;
    if (job.end != MISSING && last.time < Fraction(job.end) * tb)
        return Fraction(job.end) * tb;
    if (job.frame_rate.num > 0)
        return last.time +
               Fraction(std::max<Wide>(1, (Fraction(1) / fraction(job.frame_rate) / tb).round())) *
                   tb;
    return frames.size() > 1 ? last.time + (last.time - frames[frames.size() - 2].time) : last.time;
}

inline std::vector<Slot> expect_fps(const Job &job, const std::vector<Frame> &frames)
{
    std::vector<Slot> out;
    if (frames.empty())
        return out;
    const Fraction step = Fraction(1) / fraction(job.rate), end = end_of_last(job, frames),
                   tick = fraction(job.time_base);
    const auto near = [&](size_t i) { // one tick, since time stamps are rounded
        const bool fine = i > 0 && Fraction(8) * tick <= frames[i].time - frames[i - 1].time &&
                          Fraction(8) * tick <= step;
        return fine ? tick : Fraction();
    };
    size_t f = 0;
    for (int64_t k = 0;; k++) {
        const Fraction time = frames[0].time + step * Fraction(k);
        const auto off = [&](size_t i) {
            return frames[i].time < time ? time - frames[i].time : frames[i].time - time;
        };
        while (f + 1 < frames.size() && frames[f + 1].time <= time + near(f + 1) &&
               (frames[f].time + near(f) < time || off(f + 1) < off(f)))
            f++;
        const Frame &before = frames[f];
        if (before.time <= time + near(f) && time <= before.time + near(f))
            out.push_back({MARDINI_SLOT_GIVEN, time, step, before.ordinal, before.ordinal, 0});
        else if (f + 1 < frames.size())
            out.push_back({MARDINI_SLOT_MADE, time, step, before.ordinal, frames[f + 1].ordinal,
                           (time - before.time) / (frames[f + 1].time - before.time)});
        else if (time + near(f) < end)
            out.push_back({MARDINI_SLOT_HELD, time, step, before.ordinal, before.ordinal, 0});
        else
            return out;
    }
}

inline std::vector<Slot> expect_slowmo(const Job &job, const std::vector<Frame> &frames)
{
    std::vector<Slot> out;
    if (frames.empty())
        return out;
    const Fraction factor = fraction(job.rate);
    const Wide count = (factor * Fraction(frames.size() - 1)).floor() + 1;
    for (int64_t k = 0; k < count; k++) {
        const Fraction u = Fraction(k) / factor;
        const size_t f = static_cast<size_t>(u.floor());
        const Fraction s = u - Fraction(f);
        Fraction time = frames[f].time;
        if (!(s == 0))
            time = time + s * (frames[f + 1].time - frames[f].time);
        time = frames[0].time + (time - frames[0].time) * factor;
        if (s == 0)
            out.push_back({MARDINI_SLOT_GIVEN, time, 0, frames[f].ordinal, frames[f].ordinal, 0});
        else
            out.push_back(
                {MARDINI_SLOT_MADE, time, 0, frames[f].ordinal, frames[f + 1].ordinal, s});
    }
    for (size_t k = 0; k + 1 < out.size(); k++)
        out[k].duration = out[k + 1].time - out[k].time;
    if (job.frame_rate.num > 0)
        out.back().duration = Fraction(1) / fraction(job.frame_rate);
    else if (out.size() > 1)
        out.back().duration = out[out.size() - 2].duration;
    else
        out.back().duration = frames[0].duration;
    return out;
}

inline std::vector<Slot> expect_total(const Job &job, const std::vector<Frame> &frames)
{
    std::vector<Slot> out;
    const int64_t n = static_cast<int64_t>(frames.size()), total = n > 1 ? job.total : n;
    std::vector<int64_t> place; // found by search, other than in the library
    for (int64_t f = 0; f < n; f++) {
        int64_t best = 0;
        for (int64_t k = 0; k < total; k++)
            if (n > 1 && std::abs(k * (n - 1) - f * (total - 1)) <=
                             std::abs(best * (n - 1) - f * (total - 1)))
                best = k;
        place.push_back(best);
    }
    const Fraction step = job.frame_rate.num > 0 ? Fraction(1) / fraction(job.frame_rate)
                          : n == 0               ? Fraction()
                          : n > 1 ? (frames.back().time - frames[0].time) / Fraction(n - 1)
                                  : frames[0].duration;
    for (int64_t k = 0; k < total; k++) {
        const Fraction time = frames[0].time + step * Fraction(k);
        const auto next = std::upper_bound(place.begin(), place.end(), k) - place.begin();
        const int64_t from = place[next - 1];
        if (from == k)
            out.push_back({MARDINI_SLOT_GIVEN, time, step, frames[next - 1].ordinal,
                           frames[next - 1].ordinal, 0});
        else
            out.push_back({MARDINI_SLOT_MADE, time, step, frames[next - 1].ordinal,
                           frames[next].ordinal, Fraction(k - from, place[next] - from)});
    }
    return out;
}

// ---- the timeline -----------------------------------------------------------------

struct Result {
    MardiniRational time_base, frame_rate;
    std::vector<MardiniSlot> slots;
    std::vector<std::string> messages;
};

inline void collect(void *opaque, int level, const char *message)
{
    static const char *const names[] = {"error: ", "warning: ", "info: ", "verbose: ", "debug: "};
    static_cast<std::vector<std::string> *>(opaque)->push_back(names[level] + std::string(message));
}

inline Result run(const Job &job)
{
    Result result = {};
    MardiniTimelineSettings settings;
    mardini_timeline_default_settings(&settings);
    settings.mode = job.mode;
    settings.rate = job.rate;
    settings.total = job.total;
    settings.time_base = job.time_base;
    settings.frame_rate = job.frame_rate;
    settings.log = collect;
    settings.log_opaque = &result.messages;
    MardiniTimeline *timeline;
    REQUIRE(mardini_timeline_open(&timeline, &settings) == 0);
    REQUIRE(mardini_timeline_output(timeline, &result.time_base, &result.frame_rate) == 0);
    std::mt19937 random(job.arrival);
    MardiniSlot slot;
    int ret = 0;
    for (const Stamp &stamp : job.stamps) {
        int64_t placed = MISSING;
        ret = mardini_timeline_push(timeline, stamp.pts, stamp.duration, &placed);
        if (ret < 0 || ret > 1 || (stamp.pts != MISSING && ret == 1 && placed != stamp.pts))
            FAIL("push returned " << ret << ", placed at " << placed);
        const size_t f = static_cast<size_t>(&stamp - job.stamps.data());
        if (f < job.skipped.size() && job.skipped[f])
            REQUIRE(mardini_timeline_skip(timeline) == 0);
        if (job.arrival == 0 || random() % 3 == 0)
            while (!(ret = mardini_timeline_next(timeline, &slot)))
                result.slots.push_back(slot);
    }
    REQUIRE(mardini_timeline_end(timeline, job.end) == 0);
    while (!(ret = mardini_timeline_next(timeline, &slot)))
        result.slots.push_back(slot);
    REQUIRE(ret == MARDINI_ERR(ENODATA));
    mardini_timeline_close(&timeline);
    REQUIRE(timeline == nullptr);
    return result;
}

inline std::string show(const MardiniSlot &s)
{
    return "kind " + std::to_string(s.kind) + " pts " + std::to_string(s.pts) + " duration " +
           std::to_string(s.duration) + " before " + std::to_string(s.before) + " after " +
           std::to_string(s.after) + " position " + std::to_string(s.position);
}

/// The first difference between a run and the oracle, or an empty string. slack: tolerance of times
/// in ticks, for a rounded time base.
inline std::string difference(const Job &job, const Result &result, const Fraction &slack = 0)
{
    const std::vector<Frame> frames = take_part(job);
    const std::vector<Slot> expected = job.mode == MARDINI_MODE_FPS ? expect_fps(job, frames)
                                       : job.mode == MARDINI_MODE_SLOWMO
                                           ? expect_slowmo(job, frames)
                                           : expect_total(job, frames);
    const Fraction tb = fraction(result.time_base);
    if (result.slots.size() != expected.size())
        return std::to_string(result.slots.size()) + " slots, " + std::to_string(expected.size()) +
               " expected";
    for (size_t k = 0; k < expected.size(); k++) {
        const MardiniSlot &got = result.slots[k];
        const Slot &want = expected[k];
        const auto where = [&] { return "slot " + std::to_string(k) + ": " + show(got) + ": "; };
        const Fraction ticks = want.time / tb, off = ticks - Fraction(got.pts);
        if (got.kind != want.kind || got.before != want.before || got.after != want.after)
            return where() + "kind " + std::to_string(want.kind) + " before " +
                   std::to_string(want.before) + " after " + std::to_string(want.after) +
                   " expected";
        if (slack < off || off < Fraction(0) - slack)
            return where() + "pts " + std::to_string(ticks.value()) + " expected";
        if (std::abs(got.position - want.position.value()) > 1e-15 ||
            (got.kind == MARDINI_SLOT_MADE) != (got.position > 0 && got.position < 1))
            return where() + "position " + std::to_string(want.position.value()) + " expected";
        // The last duration of slow motion is rounded to ticks, to one tick at least if the frame
        // rate is known.
        const bool last = k + 1 == expected.size();
        const Fraction length = want.duration / tb;
        const Wide rounded = last && job.mode != MARDINI_MODE_FPS
                                 ? std::max<Wide>(length.round(), Fraction(0) < want.duration)
                                 : length.round();
        if (last ? got.duration != rounded : slack == 0 && !(length == Fraction(got.duration)))
            return where() + "duration " + std::to_string(length.value()) + " expected";
        if (k && got.pts <= result.slots[k - 1].pts)
            return where() + "time does not rise";
        if (k && got.pts != result.slots[k - 1].pts + result.slots[k - 1].duration)
            return where() + "the slot before it ends elsewhere";
    }
    return "";
}

/// Run a job without messages and compare it with the oracle.
inline std::string check(const Job &job)
{
    const Result result = run(job);
    const std::string out = difference(job, result);
    return out.empty() && !result.messages.empty() ? "unexpected: " + result.messages[0] : out;
}

inline std::vector<Stamp> constant_rate(int n, MardiniRational rate, MardiniRational tb,
                                        int64_t start = 0)
{
    std::vector<Stamp> stamps;
    for (int f = 0; f < n; f++) {
        const auto at = [&](int64_t k) {
            return int64_t((Fraction(k) / fraction(rate) / fraction(tb)).round());
        };
        stamps.push_back({start + at(f), at(f + 1) - at(f)});
    }
    return stamps;
}

inline const MardiniRational RATES[] = {{24, 1},       {25, 1}, {30, 1}, {24000, 1001},
                                        {30000, 1001}, {60, 1}, {12, 1}, {1, 2}};

} // namespace oracle

#endif
