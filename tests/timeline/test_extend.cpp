// The modes extend, loop and animate: numbers, times and references of synthesized frames.

#include "timeline/slots.h"

using namespace slots;

TEST_CASE("extend: counts, times and windows for every length and side")
{
    for (int n : LENGTHS) {
        for (int64_t total : {1, 12, 13, 40}) {
            for (int side : {MARDINI_SIDE_AFTER, MARDINI_SIDE_BEFORE, MARDINI_SIDE_BOTH}) {
                Job job;
                job.total = total;
                job.side = side;
                job.stamps = constant_rate(n);
                const Result result = run(job);
                INFO(n << " frames, " << total << " more, side " << side);
                CHECK(result.messages.size() == (n == 1));
                const int64_t before = side == MARDINI_SIDE_AFTER || n == 0 ? 0 : total;
                const int64_t after = side == MARDINI_SIDE_BEFORE || n == 0 ? 0 : total;
                const std::vector<MardiniSlot> slots = shown(result);
                REQUIRE(slots.size() == static_cast<size_t>(before + n + after));
                for (int64_t k = 0; k < static_cast<int64_t>(slots.size()); k++) {
                    const MardiniSlot &s = slots[static_cast<size_t>(k)];
                    const int64_t f = k - before;
                    INFO("output frame " << k);
                    // Rounded from the first frame back, from the last one on, and shifted by whole
                    // ticks.
                    const int64_t time = f < 0   ? -ticks(-f)
                                         : f < n ? ticks(f)
                                                 : ticks(n - 1) + ticks(f - n + 1);
                    REQUIRE(s.pts == 70 + ticks(before) + time);
                    if (k + 1 < static_cast<int64_t>(slots.size()))
                        REQUIRE(s.pts + s.duration == slots[static_cast<size_t>(k) + 1].pts);
                    REQUIRE(s.duration > 0);
                    if (f >= 0 && f < n)
                        REQUIRE(is_given(s, f));
                    else if (n == 1)
                        REQUIRE((s.kind == MARDINI_SLOT_HELD && s.before == 0));
                    else
                        REQUIRE(s.kind == (f < 0 ? MARDINI_SLOT_GIVEN : MARDINI_SLOT_MADE));
                }
                check_windows(result, times_of(job.stamps));
            }
        }
    }
}

TEST_CASE("extend: the references of a window are the frames of the one before")
{
    for (int context : {0, 2, 5, 8, 16}) {
        const int c = context ? context : 5;
        for (int side : {MARDINI_SIDE_AFTER, MARDINI_SIDE_BEFORE}) {
            Job job;
            job.total = 40;
            job.context = context;
            job.side = side;
            job.stamps = constant_rate(20);
            std::vector<int64_t> known; // nearest to the extension last
            for (int64_t f = 0; f < 20; f++)
                known.push_back(side == MARDINI_SIDE_AFTER ? f : 19 - f);
            std::vector<MardiniSlot> synthesized;
            for (const MardiniSlot &slot : run(job).slots)
                if (slot.kind == MARDINI_SLOT_MADE || slot.kind == MARDINI_SLOT_AHEAD)
                    synthesized.push_back(slot);
            INFO("context " << context << ", side " << side);
            REQUIRE(synthesized.size() == 40);
            for (size_t at = 0; at < synthesized.size();) {
                const size_t size = std::min<size_t>(static_cast<size_t>(MARDINI_WINDOW - c),
                                                     synthesized.size() - at);
                std::vector<int64_t> references(known.end() - c, known.end());
                if (side == MARDINI_SIDE_BEFORE)
                    std::reverse(references.begin(), references.end());
                for (size_t k = at; k < at + size; k++) {
                    const MardiniSlot &s = synthesized[k];
                    REQUIRE(std::vector<int64_t>(s.references, s.references + s.num_references) ==
                            references);
                    REQUIRE((side == MARDINI_SIDE_AFTER ? s.position > 1 : s.position < 0));
                    REQUIRE((k == at || s.position > synthesized[k - 1].position));
                }
                for (size_t k = 0; k < size; k++)
                    known.push_back(
                        synthesized[side == MARDINI_SIDE_AFTER ? at + k : at + size - 1 - k].keep);
                at += size;
            }
        }
    }
}

TEST_CASE("loop: the join leads from the last two frames to the first two")
{
    for (int n : LENGTHS) {
        for (int64_t total : {1, 3, 15, 100}) {
            Job job;
            job.mode = MARDINI_MODE_LOOP;
            job.total = total;
            job.stamps = constant_rate(n);
            const Result result = run(job);
            INFO(n << " frames, joined by " << total);
            CHECK(result.messages.empty());
            REQUIRE(result.slots.size() == static_cast<size_t>(n ? n + total : 0));
            for (int64_t k = 0; k < static_cast<int64_t>(result.slots.size()); k++) {
                const MardiniSlot &s = result.slots[static_cast<size_t>(k)];
                INFO("output frame " << k);
                REQUIRE(s.pts == 70 + (k < n ? ticks(k) : ticks(n - 1) + ticks(k - n + 1)));
                if (k + 1 < static_cast<int64_t>(result.slots.size()))
                    REQUIRE(s.pts + s.duration == result.slots[static_cast<size_t>(k) + 1].pts);
                if (k < n) {
                    REQUIRE(is_given(s, k));
                } else if (n == 1) { // away from it and back
                    REQUIRE((s.kind == MARDINI_SLOT_MADE && s.num_references == 1 &&
                             s.references[0] == 0 && s.times[0] == 8));
                    REQUIRE((s.position > 8 && s.position <= 14));
                    REQUIRE(s.position ==
                            result.slots[static_cast<size_t>(total + 1 - k)].position);
                    if (k > 1)
                        REQUIRE((s.position > result.slots[static_cast<size_t>(k) - 1].position) ==
                                (2 * k <= total + 1));
                } else {
                    REQUIRE(s.kind == MARDINI_SLOT_MADE);
                    const std::vector<int64_t> references = {n - 2, n - 1, 0, 1};
                    REQUIRE(std::vector<int64_t>(s.references, s.references + s.num_references) ==
                            references);
                    // A tick of rounding in a span of total + 1 frames.
                    REQUIRE(std::abs(s.position - static_cast<double>(k - n + 1) /
                                                      static_cast<double>(total + 1)) < 0.03);
                }
            }
        }
    }
}

TEST_CASE(
    "variable frame rate: input frames at their own times, synthesized ones at the rate of the end")
{
    for (unsigned seed = 0; seed < 40; seed++) {
        Job job;
        job.frame_rate = seed % 2 ? MardiniRational{25, 1} : MardiniRational{0, 1};
        job.stamps = variable_rate(2 + static_cast<int>(seed), seed);
        job.total = 20;
        job.mode = seed % 4 < 2 ? MARDINI_MODE_EXTEND : MARDINI_MODE_LOOP;
        job.side = seed % 3 ? MARDINI_SIDE_AFTER : MARDINI_SIDE_BOTH;
        const Result result = run(job);
        const std::vector<MardiniSlot> slots = shown(result);
        const bool ahead = job.mode == MARDINI_MODE_EXTEND && job.side == MARDINI_SIDE_BOTH;
        const size_t n = job.stamps.size(), first = ahead ? 20 : 0;
        INFO("seed " << seed);
        REQUIRE(slots.size() == first + n + 20);
        REQUIRE(slots[0].pts == job.stamps[0].pts);
        for (size_t f = 0; f < n; f++) {
            REQUIRE(is_given(slots[first + f], static_cast<int64_t>(f)));
            REQUIRE(slots[first + f].pts - slots[first].pts ==
                    job.stamps[f].pts - job.stamps[0].pts);
        }
        const Stamp &last = job.stamps[n - 1];
        const int64_t step = seed % 2        ? 40
                             : last.duration ? last.duration
                                             : last.pts - job.stamps[n - 2].pts;
        for (size_t k = 1; k <= 20; k++)
            REQUIRE(slots[first + n - 1 + k].pts ==
                    slots[first + n - 1].pts + static_cast<int64_t>(k) * step);
        std::map<int64_t, double> times = times_of(job.stamps);
        if (job.mode == MARDINI_MODE_EXTEND)
            check_windows(result, times);
    }
}

TEST_CASE("the number of frames that are wanted at once does not grow with the input")
{
    std::map<int, size_t> wanted;
    for (int n : {100, 3000}) {
        for (int mode :
             {MARDINI_MODE_FPS, MARDINI_MODE_FILL, MARDINI_MODE_EXTEND, MARDINI_MODE_LOOP}) {
            Job job;
            job.mode = mode;
            job.total = 300;
            job.detect = MARDINI_DETECT_FREEZES | MARDINI_DETECT_REPEATS;
            job.named = n == 100 ? "3-95" : "3-2990";
            job.stamps = constant_rate(n);
            const size_t most = run(job).most_wanted;
            INFO(n << " frames, mode " << mode);
            CHECK(most <= (mode == MARDINI_MODE_EXTEND ? MARDINI_WINDOW + 1 : 8));
            if (n == 100)
                wanted[mode] = most;
            else
                CHECK(most == wanted[mode]);
        }
    }
}

TEST_CASE("extend: settings out of range are refused, one sentence each")
{
    Job job;
    job.total = 0;
    check_refused(job, "0 frames are to be added");
    job.total = 1;
    job.context = 1;
    check_refused(job, "a context of 1 frames");
    job.context = 17;
    check_refused(job, "a context of 17 frames");
    job.context = 0;
    job.side = 3;
    check_refused(job, "side 3");
    job.side = -1;
    check_refused(job, "side -1");

    job = Job();
    job.context = 6;
    job.stamps = constant_rate(5);
    const Result result = run(job);
    CHECK(result.failure == MARDINI_ERR(EINVAL));
    REQUIRE(result.messages.size() == 1);
    CHECK(result.messages[0] == "a context of 6 frames is wanted, and the clip has 5");
}

TEST_CASE("animate: the output frames are spread over the 17 positions of a window")
{
    for (int64_t total : {2, 3, 5, 16, 17, 18, 33, 100})
        for (int64_t anchor : {int64_t(0), (total - 1) / 2, total - 1})
            for (int given : {0, 1, 2, 17}) {
                INFO(total << " frames, the given one at " << anchor << ", " << given << " given");
                std::vector<std::string> messages;
                MardiniTimeline *timeline = open_timeline(animation(total, anchor), &messages);
                REQUIRE(timeline);
                MardiniRational time_base, rate;
                REQUIRE(mardini_timeline_output(timeline, &time_base, &rate) == 0);
                CHECK((rate.num == 8 && rate.den == 1));
                MardiniSlot slot;
                CHECK(mardini_timeline_next(timeline, &slot) == MARDINI_ERR(EAGAIN));
                for (int f = 0; f < given;
                     f++) { // the others are not wanted, and nothing is said of them
                    CHECK(mardini_timeline_push(timeline, 500 + 40 * f, 40, nullptr) == (f == 0));
                    CHECK(mardini_timeline_wants(timeline, f) == (f == 0));
                }
                if (given == 0)
                    REQUIRE(mardini_timeline_end(timeline, INT64_MIN) == 0);
                double last = -1;
                for (int64_t k = 0; k < (given ? total : 0); k++) { // no end is needed
                    INFO("slot " << k);
                    REQUIRE(mardini_timeline_next(timeline, &slot) == 0);
                    CHECK(slot.pts * time_base.num * 8 ==
                          time_base.den * (4 + k)); // .5 s + k / 8 s
                    CHECK(slot.duration * time_base.num * 8 == time_base.den);
                    CHECK((slot.before == 0 && slot.after == 0 && slot.keep == -1));
                    CHECK(slot.kind == (k == anchor ? MARDINI_SLOT_GIVEN : MARDINI_SLOT_MADE));
                    CHECK(slot.num_references == (k != anchor));
                    if (k == anchor)
                        continue;
                    CHECK(slot.references[0] == 0);
                    CHECK(slot.times[0] == 16.0 * double(anchor) / double(total - 1));
                    CHECK((slot.position >= 0 && slot.position <= 16 && slot.position > last));
                    CHECK((slot.position > slot.times[0]) == (k > anchor));
                    last = slot.position;
                }
                CHECK(mardini_timeline_next(timeline, &slot) == MARDINI_ERR(ENODATA));
                CHECK(messages.empty());
                mardini_timeline_close(&timeline);
            }
    for (auto [total, anchor] : {std::pair<int64_t, int64_t>(1, 0), {0, 0}, {17, 17}, {17, -1}}) {
        std::vector<std::string> messages;
        CHECK(open_timeline(animation(total, anchor), &messages) == nullptr);
        CHECK(messages.size() == 1);
    }
}
