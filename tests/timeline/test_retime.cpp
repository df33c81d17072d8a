// The modes fps, slowmo and total against the oracle: every time, duration, ordinal and position is
// compared exactly.

#include "timeline/oracle.h"

using namespace oracle;

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

TEST_CASE("two hours of 24000/1001: rounding does not add up")
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

TEST_CASE(
    "rounded time stamps: every input frame comes out, and rounding adds no synthesized frames")
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
                int64_t given = 0, synthesized = 0;
                const Result result = run(job);
                for (const MardiniSlot &slot : result.slots) {
                    if (slot.kind == MARDINI_SLOT_GIVEN)
                        CHECK(slot.before == given++); // each of them once, in order
                    synthesized += slot.kind == MARDINI_SLOT_MADE;
                }
                CHECK(given == n);
                CHECK(synthesized == (n - 1) * (factor - 1));
                CHECK(result.slots.size() == static_cast<size_t>(n * factor));
            }
}

TEST_CASE("of frames one or two ticks apart, the nearest to an output time comes out, in whatever "
          "portions slots are taken")
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
        // If 31 bits do not hold the time base, a message says so and times are half a tick off.
        const bool rounded =
            !result.messages.empty() && result.messages[0].find("rounded") != std::string::npos;
        REQUIRE(result.messages.size() == rounded);
        REQUIRE(difference(job, result, rounded ? Fraction(1, 2) : Fraction(0)) == "");
    }
}

TEST_CASE("total: input frames come out at the nearest output frame")
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

TEST_CASE("total: fewer frames than given, or too many given, are refused")
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

namespace {

/// The slot of a run without skipped frames as it must be with them.
MardiniSlot bridge_skipped(const Job &job, MardiniSlot slot)
{
    const int64_t n = static_cast<int64_t>(job.stamps.size());
    int64_t before = slot.before, after = slot.after;
    if (!job.skipped[before] && !job.skipped[after])
        return slot;
    while (job.skipped[before])
        before--;
    while (after < n && job.skipped[after])
        after++;
    if (after == n) { // no other picture follows
        slot.kind = MARDINI_SLOT_HELD;
        slot.before = slot.after = before;
        slot.position = 0;
        return slot;
    }
    const auto time = [&](int64_t f) { return Fraction(job.stamps[f].pts); };
    const double offset = (time(slot.before) - time(before)).value() +
                          slot.position * (time(slot.after) - time(slot.before)).value();
    slot.kind = MARDINI_SLOT_MADE;
    slot.before = before;
    slot.after = after;
    slot.position = offset / (time(after) - time(before)).value();
    return slot;
}

Job job_to_skip(int n, int round, std::mt19937 &random)
{
    Job job;
    job.mode = round % 2 ? MARDINI_MODE_FPS : MARDINI_MODE_SLOWMO;
    job.rate =
        round % 2 ? MardiniRational{60, 1} : MardiniRational{1 + round % 7, round % 3 ? 1 : 2};
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
    return job;
}

} // namespace

TEST_CASE("a skipped frame changes no time: slots around it lie between its neighbours")
{
    std::mt19937 random(7);
    for (int n : {2, 3, 4, 5, 9, 30}) {
        for (int round = 0; round < 40; round++) {
            Job job = job_to_skip(n, round, random);
            const Result plain = run(job);
            job.skipped.push_back(false);
            for (int f = 1; f < n; f++)
                job.skipped.push_back(random() % 3 > 0);
            const Result skipped = run(job);
            REQUIRE(skipped.slots.size() == plain.slots.size());
            for (size_t k = 0; k < plain.slots.size(); k++) {
                const MardiniSlot want = bridge_skipped(job, plain.slots[k]);
                const MardiniSlot &got = skipped.slots[k];
                INFO("slot " << k << " of " << n << " frames: " << show(want) << "; got "
                             << show(got));
                REQUIRE(got.pts == want.pts);
                REQUIRE(got.duration == want.duration);
                REQUIRE(got.kind == want.kind);
                REQUIRE(got.before == want.before);
                REQUIRE(got.after == want.after);
                REQUIRE(got.position == Approx(want.position).margin(1e-12));
                for (int r = 0; r < got.num_references; r++)
                    REQUIRE(!job.skipped[got.references[r]]);
            }
        }
    }
}

TEST_CASE("skipping is refused for the first frame, one left out, one skipped before, and in other "
          "modes than fps and slowmo")
{
    for (int mode : {MARDINI_MODE_FPS, MARDINI_MODE_SLOWMO, MARDINI_MODE_TOTAL, MARDINI_MODE_FILL,
                     MARDINI_MODE_EXTEND, MARDINI_MODE_LOOP, MARDINI_MODE_ANIMATE}) {
        MardiniTimelineSettings settings;
        mardini_timeline_default_settings(&settings);
        settings.mode = mode;
        settings.total = 9;
        settings.detect = MARDINI_DETECT_REPEATS;
        settings.time_base = {1, 25};
        INFO("mode " << mode);
        MardiniTimeline *timeline;
        REQUIRE(mardini_timeline_open(&timeline, &settings) == 0);
        const auto skip = [&] { return mardini_timeline_skip(timeline); };
        CHECK(skip() == MARDINI_ERR(EINVAL));
        REQUIRE(mardini_timeline_push(timeline, 0, 1, nullptr) == 1);
        CHECK(skip() == MARDINI_ERR(EINVAL));
        mardini_timeline_push(timeline, 1, 1, nullptr);
        CHECK(mardini_timeline_push(timeline, 1, 1, nullptr) == 0);
        CHECK(skip() == MARDINI_ERR(EINVAL));
        mardini_timeline_push(timeline, 2, 1, nullptr);
        const bool can_skip = mode == MARDINI_MODE_FPS || mode == MARDINI_MODE_SLOWMO;
        CHECK(skip() == (can_skip ? 0 : MARDINI_ERR(EINVAL)));
        CHECK(skip() == MARDINI_ERR(EINVAL));
        mardini_timeline_close(&timeline);
    }
    CHECK(mardini_timeline_skip(nullptr) == MARDINI_ERR(EINVAL));
}
