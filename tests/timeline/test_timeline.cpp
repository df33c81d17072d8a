// The timeline against an oracle of fractions that knows the whole list of frames at once:
// time stamps in, slots out; every time, duration, origin and position is compared exactly.

#include "mardini.h"

#include "support/catch.h"

#include <algorithm>
#include <cinttypes>
#include <cmath>
#include <numeric>
#include <optional>
#include <random>
#include <string>
#include <vector>

namespace {

using Wide = __int128;

/// Exact, in lowest terms; an overflow fails the test instead of lying.
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
        if (b) // the quick way from here
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

Fraction fraction(MardiniRational r)
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
    unsigned arrival = 0;      ///< seed of when slots are asked for; 0: after every frame
    std::vector<bool> skipped; ///< frames that repeat the one before
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

/// Frames that take part, with their times in seconds.
std::vector<Frame> take_part(const Job &job)
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

Fraction end_of_last(const Job &job, const std::vector<Frame> &frames)
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

std::vector<Slot> expect_fps(const Job &job, const std::vector<Frame> &frames)
{
    std::vector<Slot> out;
    if (frames.empty())
        return out;
    const Fraction step = Fraction(1) / fraction(job.rate), end = end_of_last(job, frames),
                   tick = fraction(job.time_base);
    const auto near = [&](size_t i) { // as far as a stamp's rounding moves it
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

std::vector<Slot> expect_slowmo(const Job &job, const std::vector<Frame> &frames)
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

std::vector<Slot> expect_total(const Job &job, const std::vector<Frame> &frames)
{
    std::vector<Slot> out;
    const int64_t n = static_cast<int64_t>(frames.size()), total = n > 1 ? job.total : n;
    std::vector<int64_t> place; // by search, not by division
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

void collect(void *opaque, int level, const char *message)
{
    static const char *const names[] = {"error: ", "warning: ", "info: ", "verbose: ", "debug: "};
    static_cast<std::vector<std::string> *>(opaque)->push_back(names[level] + std::string(message));
}

Result run(const Job &job)
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

std::string show(const MardiniSlot &s)
{
    return "kind " + std::to_string(s.kind) + " pts " + std::to_string(s.pts) + " duration " +
           std::to_string(s.duration) + " before " + std::to_string(s.before) + " after " +
           std::to_string(s.after) + " position " + std::to_string(s.position);
}

/// The first difference between a run and the oracle, or nothing. slack: ticks that a rounded time
/// base may be off.
std::string difference(const Job &job, const Result &result, const Fraction &slack = 0)
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
        // The last duration of slow motion is rounded to ticks, and never none if there is a frame
        // rate.
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

std::string check(const Job &job)
{
    const Result result = run(job);
    const std::string out = difference(job, result);
    return out.empty() && !result.messages.empty() ? "unexpected: " + result.messages[0] : out;
}

std::vector<Stamp> constant_rate(int n, MardiniRational rate, MardiniRational tb, int64_t start = 0)
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

const MardiniRational RATES[] = {{24, 1},       {25, 1}, {30, 1}, {24000, 1001},
                                 {30000, 1001}, {60, 1}, {12, 1}, {1, 2}};

} // namespace

TEST_CASE("every length from 0 to 130 frames, constant rate")
{
    const MardiniRational fps[] = {{60, 1},  {60000, 1001}, {24, 1}, {10, 1},
                                   {120, 1}, {144, 1},      {7, 3}};
    const MardiniRational factors[] = {{1, 1}, {2, 1}, {3, 1},       {8, 1},  {64, 1},
                                       {5, 2}, {4, 3}, {1001, 1000}, {11, 10}};
    for (int n = 0; n <= 130; n++) {
        const MardiniRational rate = RATES[n % 8], tb = {rate.den, rate.num * (n % 3 + 1)};
        for (unsigned arrival : {0u, 1u + n}) {
            if (arrival && n % 8)
                continue;
            Job job;
            job.time_base = tb;
            job.frame_rate = rate;
            job.stamps = constant_rate(n, rate, tb, n % 5 * 1000 - 2000);
            job.arrival = arrival;
            for (MardiniRational f : fps) {
                job.mode = MARDINI_MODE_FPS;
                job.rate = f;
                INFO(n << " frames at " << rate.num << "/" << rate.den << " to " << f.num << "/"
                       << f.den << " fps");
                REQUIRE(check(job) == "");
            }
            for (MardiniRational f : factors) {
                job.mode = MARDINI_MODE_SLOWMO;
                job.rate = f;
                INFO(n << " frames, factor " << f.num << "/" << f.den);
                REQUIRE(check(job) == "");
            }
        }
    }
}

TEST_CASE("count formulas")
{
    for (int n = 0; n <= 130; n++) {
        Job job;
        job.time_base = {1, 12800};
        job.frame_rate = {25, 1};
        job.stamps = constant_rate(n, job.frame_rate, job.time_base);
        job.mode = MARDINI_MODE_SLOWMO;
        job.rate = {8, 1};
        CHECK(run(job).slots.size() == static_cast<size_t>(n ? 8 * (n - 1) + 1 : 0));
        job.mode = MARDINI_MODE_FPS;
        job.rate = {60, 1};
        CHECK(run(job).slots.size() ==
              static_cast<size_t>((n * 60 + 24) / 25)); // the duration, rounded up
    }
}

TEST_CASE("two hours of 24000/1001, without drift")
{
    const int n = 2 * 60 * 60 * 24000 / 1001;
    for (MardiniRational tb : {MardiniRational{1, 24000}, {1, 1000}}) {
        Job job;
        job.time_base = tb;
        job.frame_rate = {24000, 1001};
        job.stamps = constant_rate(n, job.frame_rate, tb, 1 << 20);
        for (MardiniRational fps : {MardiniRational{60, 1}, {60000, 1001}}) {
            job.mode = MARDINI_MODE_FPS;
            job.rate = fps;
            INFO("time base " << tb.num << "/" << tb.den << ", fps " << fps.num << "/" << fps.den);
            REQUIRE(check(job) == "");
        }
        job.mode = MARDINI_MODE_SLOWMO;
        job.rate = {2, 1};
        REQUIRE(check(job) == "");
    }
}

TEST_CASE("rounded time stamps: every given frame comes out, and no more is made than there would "
          "be without rounding")
{
    for (MardiniRational tb : {MardiniRational{1, 1000}, {1, 90000}, {1, 24000}})
        for (MardiniRational rate :
             {MardiniRational{24000, 1001}, {30000, 1001}, {60000, 1001}, {60, 1}, {24, 1}})
            for (int factor : {1, 2, 4}) {
                const int n = 1000;
                if (tb.den * rate.den <
                    8 * factor * rate.num * tb.num) // ticks are too coarse to tell
                    continue;
                Job job;
                job.time_base = tb;
                job.frame_rate = factor == 2 ? MardiniRational{0, 1} : rate; // known or not
                job.stamps = constant_rate(n, rate, tb, 83);
                job.rate = {factor * rate.num, rate.den};
                INFO("time base " << tb.num << "/" << tb.den << ", " << rate.num << "/" << rate.den
                                  << " times " << factor);
                int64_t given = 0, made = 0;
                const Result result = run(job);
                for (const MardiniSlot &slot : result.slots) {
                    if (slot.kind == MARDINI_SLOT_GIVEN)
                        CHECK(slot.before == given++); // each of them once, in order
                    made += slot.kind == MARDINI_SLOT_MADE;
                }
                CHECK(given == n);
                CHECK(made == (n - 1) * (factor - 1));
                CHECK(result.slots.size() == static_cast<size_t>(n * factor));
            }
}

TEST_CASE("of frames that are a tick or two apart, the nearest to an output time comes out there, "
          "however they arrive")
{
    std::mt19937 random(5);
    for (int round = 0; round < 300; round++) {
        Job job;
        job.mode = MARDINI_MODE_FPS;
        job.time_base = {1, 1000};
        job.rate = {50, 1};
        for (int64_t pts = 0; pts < 400;
             pts += 20) // about the output's times, with gaps of many ticks and of few
            for (int64_t shift = random() % 3 ? 0 : -2; shift <= 2; shift++)
                if (random() % 3 == 0)
                    job.stamps.push_back({1000 + pts + shift, 0});
        job.arrival = static_cast<unsigned>(round % 4);
        REQUIRE(check(job) == "");
    }
}

TEST_CASE("variable frame rate, any time base, rational rates")
{
    std::mt19937 random(7);
    const auto below = [&](int64_t n) { return static_cast<int64_t>(random() % n); };
    for (int round = 0; round < 1000; round++) {
        Job job;
        const int64_t dens[] = {1, 2, 24, 25, 600, 1000, 12800, 24000, 90000, 1000000};
        job.time_base = {1, dens[below(10)]};
        if (job.time_base.den >= 12800 && random() % 4 == 0)
            job.time_base.num = 1 + below(1001);
        if (random() % 2)
            job.frame_rate = RATES[below(8)];
        int64_t pts = below(1000000) - 500000;
        const int64_t widest = std::max<int64_t>(2, job.time_base.den / job.time_base.num / 5);
        for (int n = static_cast<int>(below(131)); n > 0; n--) {
            job.stamps.push_back({pts, random() % 2 ? below(widest) : 0});
            pts += 1 + below(widest);
        }
        if (random() % 2 && !job.stamps.empty())
            job.end = job.stamps.back().pts - 5 + below(20);
        job.arrival = static_cast<unsigned>(round);
        job.mode = static_cast<int>(below(2));
        const int64_t q = 1 + below(50);
        job.rate = job.mode == MARDINI_MODE_FPS ? MardiniRational{1 + below(120 * q), q}
                                                : MardiniRational{q + below(10 * q), q};
        const Result result = run(job);
        INFO("round " << round << ", mode " << job.mode << ", time base " << job.time_base.num
                      << "/" << job.time_base.den << ", rate " << job.rate.num << "/"
                      << job.rate.den);
        // A time base that 31 bits cannot hold is said, and costs half a tick.
        const bool rounded =
            !result.messages.empty() && result.messages[0].find("rounded") != std::string::npos;
        REQUIRE(result.messages.size() == rounded);
        REQUIRE(difference(job, result, rounded ? Fraction(1, 2) : Fraction(0)) == "");
    }
}

TEST_CASE("stamps that are missing, equal or run backward")
{
    std::mt19937 random(8);
    for (int round = 0; round < 500; round++) {
        Job job;
        job.time_base = {1, 1000};
        if (random() % 2)
            job.frame_rate = {24000, 1001};
        job.mode = random() % 2 ? MARDINI_MODE_FPS : MARDINI_MODE_SLOWMO;
        job.rate = job.mode == MARDINI_MODE_FPS ? MardiniRational{60, 1} : MardiniRational{5, 2};
        job.arrival = static_cast<unsigned>(round);
        int64_t pts = 0;
        const int n = 1 + static_cast<int>(random() % 40);
        for (int f = 0; f < n; f++) {
            switch (random() % 6) {
            case 0:
                job.stamps.push_back({MISSING, random() % 2 ? 40 : 0});
                break;
            case 1:
                job.stamps.push_back({pts});
                break; // equal
            case 2:
                job.stamps.push_back({pts - int64_t(random() % 100)});
                break; // backward
            case 3:
                pts += 5000;
                [[fallthrough]]; // a jump
            default:
                job.stamps.push_back({pts += 20 + random() % 40, random() % 2 ? 41 : 0});
            }
        }
        const Result result = run(job);
        INFO("round " << round);
        REQUIRE(difference(job, result) == "");

        // Each is said once.
        const auto said = [&](const char *word) {
            return std::count_if(
                result.messages.begin(), result.messages.end(),
                [&](const std::string &m) { return m.find(word) != std::string::npos; });
        };
        const bool missing = std::any_of(job.stamps.begin(), job.stamps.end(),
                                         [](const Stamp &s) { return s.pts == MISSING; });
        REQUIRE(said("has no time stamp") == missing);
        REQUIRE(said("left out") == (take_part(job).size() < job.stamps.size()));
        REQUIRE(result.messages.size() ==
                static_cast<size_t>(said("has no time stamp") + said("left out")));
    }
}

TEST_CASE("all stamps missing: the nominal rate, without drift")
{
    Job job;
    job.time_base = {1, 1000};
    job.frame_rate = {24000, 1001};
    job.mode = MARDINI_MODE_SLOWMO;
    job.rate = {1, 1};
    job.stamps.assign(10000, {MISSING, 0});
    const Result result = run(job);
    REQUIRE(difference(job, result) == "");
    CHECK(result.slots.back().pts == (int64_t(9999) * 1001 * 1000 + 12000) / 24000);
}

TEST_CASE("a total: originals at the nearest output frame")
{
    for (int n = 0; n <= 64; n++) {
        for (int64_t total : {int64_t(2), int64_t(n), int64_t(n + 1), int64_t(2 * n + 1),
                              int64_t(128), int64_t(997)}) {
            if (total < std::max(n, 2))
                continue;
            Job job;
            job.mode = MARDINI_MODE_TOTAL;
            job.total = total;
            job.time_base = {1, 12800};
            job.stamps = constant_rate(n, {25, 1}, job.time_base, 77);
            if (n % 2)
                job.frame_rate = {25, 1};
            const Result result = run(job);
            INFO(n << " frames, total " << total);
            REQUIRE(result.slots.size() == static_cast<size_t>(n > 1 ? total : n));
            REQUIRE(difference(job, result) == "");
            REQUIRE(result.messages.size() == (n == 1));
            size_t given = 0;
            for (const MardiniSlot &slot : result.slots)
                given += slot.kind == MARDINI_SLOT_GIVEN;
            REQUIRE(given == static_cast<size_t>(n));
        }
    }
}

TEST_CASE("a total that cannot be is refused by name")
{
    std::vector<std::string> messages;
    MardiniTimelineSettings settings;
    mardini_timeline_default_settings(&settings);
    settings.mode = MARDINI_MODE_TOTAL;
    settings.total = 4;
    settings.time_base = {1, 25};
    settings.log = collect;
    settings.log_opaque = &messages;
    MardiniTimeline *timeline;
    REQUIRE(mardini_timeline_open(&timeline, &settings) == 0);
    for (int f = 0; f < 5; f++)
        REQUIRE(mardini_timeline_push(timeline, f, 1, nullptr) == 1);
    CHECK(mardini_timeline_end(timeline, MISSING) == MARDINI_ERR(EINVAL));
    REQUIRE(messages.size() == 1);
    CHECK(messages[0].find("total of 4") != std::string::npos);
    mardini_timeline_close(&timeline);

    messages.clear();
    settings.total = 1000;
    REQUIRE(mardini_timeline_open(&timeline, &settings) == 0);
    for (int f = 0; f < MARDINI_TOTAL_GIVEN_MAX; f++)
        REQUIRE(mardini_timeline_push(timeline, f, 1, nullptr) == 1);
    CHECK(mardini_timeline_push(timeline, 100, 1, nullptr) == MARDINI_ERR(EINVAL));
    CHECK(messages.size() == 1);
    mardini_timeline_close(&timeline);

    for (int64_t total : {int64_t(-1), int64_t(0), int64_t(1), int64_t(INT32_MAX) + 1}) {
        settings.total = total;
        CHECK(mardini_timeline_open(&timeline, &settings) == MARDINI_ERR(EINVAL));
        CHECK(timeline == nullptr);
    }
}

TEST_CASE("settings out of range are refused, one message each")
{
    std::vector<std::string> messages;
    MardiniTimelineSettings good;
    mardini_timeline_default_settings(&good);
    good.time_base = {1, 24};
    good.log = collect;
    good.log_opaque = &messages;
    std::vector<MardiniTimelineSettings> bad(9, good);
    bad[0].time_base = {0, 1};
    bad[1].time_base = {1, 0};
    bad[2].time_base = {1, -5};
    bad[3].time_base = {1, int64_t(1) << 40};
    bad[4].rate = {0, 1};
    bad[5].rate = {-60, 1};
    bad[6].rate = {(int64_t(1) << 40) + 1, 1};
    bad[7].mode = 99;
    bad[8].mode = MARDINI_MODE_SLOWMO;
    bad[8].rate = {999, 1000};
    for (size_t b = 0; b < bad.size(); b++) {
        INFO("case " << b);
        messages.clear();
        MardiniTimeline *timeline = reinterpret_cast<MardiniTimeline *>(&messages);
        CHECK(mardini_timeline_open(&timeline, &bad[b]) == MARDINI_ERR(EINVAL));
        CHECK(timeline == nullptr);
        CHECK(messages.size() == 1);
    }
    MardiniTimeline *timeline;
    CHECK(mardini_timeline_open(&timeline, &good) == 0);
    mardini_timeline_close(&timeline);
}

TEST_CASE("large time stamps: exact, or an error that says so")
{
    for (int64_t start :
         {int64_t(1) << 33, int64_t(1) << 40, int64_t(1) << 52, -(int64_t(1) << 52)}) {
        Job job;
        job.time_base = {1, 90000};
        job.frame_rate = {25, 1};
        job.stamps = constant_rate(50, job.frame_rate, job.time_base, start);
        INFO("start " << start);
        REQUIRE(check(job) == "");
        job.mode = MARDINI_MODE_SLOWMO;
        job.rate = {64, 1};
        REQUIRE(check(job) == "");
    }
    // Three hours, 64 times slower, in microseconds
    Job job;
    job.mode = MARDINI_MODE_SLOWMO;
    job.rate = {64, 1};
    job.time_base = {1, 1000000};
    job.frame_rate = {1, 60};
    job.stamps = constant_rate(180, job.frame_rate, job.time_base);
    REQUIRE(check(job) == "");

    std::vector<std::string> messages;
    MardiniTimelineSettings settings;
    mardini_timeline_default_settings(&settings);
    settings.mode = MARDINI_MODE_SLOWMO;
    settings.rate = {8, 1};
    settings.time_base = {1, 1};
    settings.log = collect;
    settings.log_opaque = &messages;
    MardiniTimeline *timeline;
    REQUIRE(mardini_timeline_open(&timeline, &settings) == 0);
    REQUIRE(mardini_timeline_push(timeline, INT64_MIN + 1, 0, nullptr) == 1);
    REQUIRE(mardini_timeline_push(timeline, INT64_MAX, 0, nullptr) == 1);
    REQUIRE(mardini_timeline_end(timeline, MISSING) == 0);
    MardiniSlot slot;
    int ret = 0;
    for (int k = 0; k < 20 && !ret; k++)
        ret = mardini_timeline_next(timeline, &slot);
    CHECK(ret == MARDINI_ERR(EINVAL));
    REQUIRE(messages.size() == 1);
    CHECK(messages[0].find("64 bits") != std::string::npos);
    mardini_timeline_close(&timeline);
}

TEST_CASE("time bases too fine for 31 bits are rounded, and it is said")
{
    Job job;
    job.time_base = {1, 1000000};
    job.rate = {999983, 10007}; // primes
    job.stamps = constant_rate(30, {25, 1}, job.time_base, 1234567);
    const Result result = run(job);
    REQUIRE(result.messages.size() == 1);
    CHECK(result.messages[0].find("rounded") != std::string::npos);
    CHECK(difference(job, result, Fraction(1, 2)) == "");
    CHECK(result.time_base.den <= INT32_MAX);
}

TEST_CASE("slots come as soon as their frames are known")
{
    MardiniTimelineSettings settings;
    mardini_timeline_default_settings(&settings);
    settings.time_base = {1, 60};
    MardiniTimeline *timeline;
    MardiniSlot slot;
    REQUIRE(mardini_timeline_open(&timeline, &settings) == 0);
    CHECK(mardini_timeline_next(timeline, &slot) == MARDINI_ERR(EAGAIN));
    REQUIRE(mardini_timeline_push(timeline, 0, 0, nullptr) == 1);
    CHECK(mardini_timeline_next(timeline, &slot) == 0); // the first, at once
    CHECK(mardini_timeline_next(timeline, &slot) == MARDINI_ERR(EAGAIN));
    REQUIRE(mardini_timeline_push(timeline, 2, 0, nullptr) == 1);
    CHECK(mardini_timeline_next(timeline, &slot) ==
          MARDINI_ERR(EAGAIN)); // the frame after the gap is a reference too
    REQUIRE(mardini_timeline_push(timeline, 4, 0, nullptr) == 1);
    CHECK(mardini_timeline_next(timeline, &slot) == 0);
    CHECK(slot.kind == MARDINI_SLOT_MADE);
    CHECK(slot.position == 0.5);
    CHECK(mardini_timeline_next(timeline, &slot) == 0);
    CHECK(slot.kind == MARDINI_SLOT_GIVEN);
    CHECK(mardini_timeline_next(timeline, &slot) == MARDINI_ERR(EAGAIN));
    REQUIRE(mardini_timeline_end(timeline, 6) == 0);
    CHECK(mardini_timeline_push(timeline, 8, 0, nullptr) == MARDINI_ERR(EINVAL));
    CHECK(mardini_timeline_next(timeline, &slot) == 0);
    CHECK(slot.kind == MARDINI_SLOT_MADE);
    CHECK(mardini_timeline_next(timeline, &slot) == 0);
    CHECK(slot.kind == MARDINI_SLOT_GIVEN);
    CHECK(mardini_timeline_next(timeline, &slot) == 0);
    CHECK(slot.kind == MARDINI_SLOT_HELD);
    CHECK(mardini_timeline_next(timeline, &slot) == MARDINI_ERR(ENODATA));
    CHECK(mardini_timeline_next(timeline, &slot) == MARDINI_ERR(ENODATA));
    mardini_timeline_close(&timeline);
}

TEST_CASE("a skipped frame changes no time: its gaps become one, its slot part of it")
{
    std::mt19937 random(7);
    for (int n : {2, 3, 4, 5, 9, 30}) {
        for (int round = 0; round < 40; round++) {
            Job job;
            job.mode = round % 2 ? MARDINI_MODE_FPS : MARDINI_MODE_SLOWMO;
            job.rate = round % 2 ? MardiniRational{60, 1}
                                 : MardiniRational{1 + round % 7, round % 3 ? 1 : 2};
            if (job.rate.num < job.rate.den)
                job.rate = {3, 2};
            job.time_base = {1, 24};
            job.frame_rate = {24, 1};
            job.arrival = static_cast<unsigned>(round / 8);
            int64_t pts = round % 5 ? 0 : int64_t(1) << 40;
            for (int f = 0; f < n; f++) {
                job.stamps.push_back({pts, 1});
                pts += 1 + random() % 3 / 2;
            }
            const Result plain = run(job);
            job.skipped.push_back(false);
            for (int f = 1; f < n; f++)
                job.skipped.push_back(random() % 3 > 0);
            const Result spread = run(job);
            REQUIRE(spread.slots.size() == plain.slots.size());
            for (size_t k = 0; k < plain.slots.size(); k++) {
                MardiniSlot want = plain.slots[k];
                INFO("slot " << k << " of " << n << " frames: " << show(want) << "; got "
                             << show(spread.slots[k]));
                int64_t before = want.before, after = want.after;
                const bool touches = job.skipped[before] || job.skipped[after];
                while (touches && job.skipped[before])
                    before--;
                while (touches && after < n && job.skipped[after])
                    after++;
                if (touches && after == n) { // no other picture follows: theirs stays
                    want.kind = MARDINI_SLOT_HELD;
                    want.before = want.after = before;
                    want.position = 0;
                } else if (touches) {
                    const auto time = [&](int64_t f) { return Fraction(job.stamps[f].pts); };
                    const double at =
                        (time(want.before) - time(before)).value() +
                        want.position * (time(want.after) - time(want.before)).value();
                    want.kind = MARDINI_SLOT_MADE;
                    want.before = before;
                    want.after = after;
                    want.position = at / (time(after) - time(before)).value();
                }
                const MardiniSlot &got = spread.slots[k];
                REQUIRE(got.pts == want.pts);
                REQUIRE(got.duration == want.duration);
                REQUIRE(got.kind == want.kind);
                REQUIRE(got.before == want.before);
                REQUIRE(got.after == want.after);
                REQUIRE(got.position == Approx(want.position).margin(1e-12));
                for (int r = 0; r < got.num_references; r++)
                    REQUIRE(!job.skipped[got.references[r]]); // its picture is gone
            }
        }
    }
}

TEST_CASE("the first frame, one left out and those of a total cannot be skipped")
{
    for (int mode : {MARDINI_MODE_FPS, MARDINI_MODE_TOTAL}) {
        MardiniTimelineSettings settings;
        mardini_timeline_default_settings(&settings);
        settings.mode = mode;
        settings.total = 9;
        settings.time_base = {1, 25};
        MardiniTimeline *timeline;
        REQUIRE(mardini_timeline_open(&timeline, &settings) == 0);
        CHECK(mardini_timeline_skip(timeline) == MARDINI_ERR(EINVAL));
        REQUIRE(mardini_timeline_push(timeline, 0, 1, nullptr) == 1);
        CHECK(mardini_timeline_skip(timeline) == MARDINI_ERR(EINVAL));
        REQUIRE(mardini_timeline_push(timeline, 1, 1, nullptr) == 1);
        CHECK(mardini_timeline_skip(timeline) ==
              (mode == MARDINI_MODE_FPS ? 0 : MARDINI_ERR(EINVAL)));
        mardini_timeline_close(&timeline);
    }
    CHECK(mardini_timeline_skip(nullptr) == MARDINI_ERR(EINVAL));
}
