// The timeline's jobs at the input's own rate (fill, extend, loop) against what they promise: every
// given frame once, in order, at its own time; as many made ones as were asked for; each made from
// known frames around it, and no frame is wanted longer than that takes.

#include "mardini.h"

#include "support/catch.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

namespace {

const int LENGTHS[] = {0, 1, 2, 3, 5, 16, 17, 18, 100};

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
    size_t most_wanted = 0; ///< given frames and kept ones at once
    int failure = 0;
};

void collect(void *opaque, int, const char *message)
{
    static_cast<std::vector<std::string> *>(opaque)->push_back(message);
}

MardiniTimeline *open_timeline(const Job &job, std::vector<std::string> *messages)
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

Job animation(int64_t total, int64_t anchor)
{
    Job job;
    job.mode = MARDINI_MODE_ANIMATE;
    job.total = total;
    job.anchor = anchor;
    job.rate = {8, 1};
    job.frame_rate = {25, 1};
    return job;
}

/// As the filter does it: slots are asked for before each frame. `held` is what a caller that lets
/// go as it may still has.
Result run(const Job &job)
{
    Result result;
    MardiniTimeline *timeline = open_timeline(job, &result.messages);
    REQUIRE(timeline);
    std::set<int64_t> held;
    const auto take = [&] {
        MardiniSlot slot;
        int ret;
        while (!(ret = mardini_timeline_next(timeline, &slot))) {
            for (auto it = held.begin(); it != held.end();)
                it = mardini_timeline_wants(timeline, *it) ? std::next(it) : held.erase(it);
            std::vector<int64_t> names(slot.references, slot.references + slot.num_references);
            names.insert(names.end(), {slot.before, slot.after});
            for (int64_t name : names)
                if (!held.count(name))
                    FAIL("slot " << result.slots.size() << " names frame " << name
                                 << ", which was let go");
            if (slot.keep < -1 && !held.insert(slot.keep).second)
                FAIL("the name " << slot.keep << " was given twice");
            result.most_wanted = std::max(result.most_wanted, held.size());
            result.slots.push_back(slot);
        }
        for (auto it = held.begin(); it != held.end();)
            it = mardini_timeline_wants(timeline, *it) ? std::next(it) : held.erase(it);
        return ret;
    };
    int ret = 0;
    for (size_t f = 0; f < job.stamps.size(); f++) {
        REQUIRE(take() == MARDINI_ERR(EAGAIN));
        if (job.stamps[f].repeats)
            REQUIRE(mardini_timeline_repeat(timeline) == 0);
        REQUIRE(mardini_timeline_push(timeline, job.stamps[f].pts, job.stamps[f].duration,
                                      nullptr) == 1);
        if (mardini_timeline_wants(timeline, static_cast<int64_t>(f)))
            held.insert(static_cast<int64_t>(f));
        result.most_wanted = std::max(result.most_wanted, held.size());
    }
    REQUIRE(take() == MARDINI_ERR(EAGAIN));
    ret = mardini_timeline_end(timeline, INT64_MIN);
    if (ret < 0)
        result.failure = ret;
    else
        CHECK(take() == MARDINI_ERR(ENODATA));
    mardini_timeline_close(&timeline);
    return result;
}

/// Ticks of 1/1000 s that k frames of 24000/1001 take, rounded.
int64_t ticks(int64_t k)
{
    return static_cast<int64_t>(std::floor(static_cast<double>(k) * 1001 / 24 + 0.5));
}

std::vector<Stamp> constant_rate(int n, int64_t start = 70)
{
    std::vector<Stamp> stamps;
    for (int f = 0; f < n; f++)
        stamps.push_back({start + ticks(f), ticks(f + 1) - ticks(f)});
    return stamps;
}

std::vector<Stamp> variable_rate(int n, unsigned seed)
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

/// What is put out: slots but AHEAD.
std::vector<MardiniSlot> shown(const Result &result)
{
    std::vector<MardiniSlot> out;
    for (const MardiniSlot &slot : result.slots)
        if (slot.kind != MARDINI_SLOT_AHEAD)
            out.push_back(slot);
    return out;
}

/// Times of references agree with position: on the source's time line every name has one time.
void check_windows(const Result &result, std::map<int64_t, double> time_of)
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

std::map<int64_t, double> times_of(const std::vector<Stamp> &stamps)
{
    std::map<int64_t, double> out;
    for (size_t f = 0; f < stamps.size(); f++)
        out[static_cast<int64_t>(f)] = static_cast<double>(stamps[f].pts);
    return out;
}

bool is_given(const MardiniSlot &slot, int64_t ordinal)
{
    return slot.kind == MARDINI_SLOT_GIVEN && slot.before == ordinal && slot.after == ordinal;
}

} // namespace

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

TEST_CASE("extend: each window starts from the frames of the one before")
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
            std::vector<MardiniSlot> made;
            for (const MardiniSlot &slot : run(job).slots)
                if (slot.kind == MARDINI_SLOT_MADE || slot.kind == MARDINI_SLOT_AHEAD)
                    made.push_back(slot);
            INFO("context " << context << ", side " << side);
            REQUIRE(made.size() == 40);
            for (size_t at = 0; at < made.size();) {
                const size_t size =
                    std::min<size_t>(static_cast<size_t>(MARDINI_WINDOW - c), made.size() - at);
                std::vector<int64_t> references(known.end() - c, known.end());
                if (side == MARDINI_SIDE_BEFORE)
                    std::reverse(references.begin(), references.end());
                for (size_t k = at; k < at + size; k++) {
                    const MardiniSlot &s = made[k];
                    REQUIRE(std::vector<int64_t>(s.references, s.references + s.num_references) ==
                            references);
                    REQUIRE((side == MARDINI_SIDE_AFTER ? s.position > 1 : s.position < 0));
                    REQUIRE((k == at || s.position > made[k - 1].position));
                }
                for (size_t k = 0; k < size; k++)
                    known.push_back(
                        made[side == MARDINI_SIDE_AFTER ? at + k : at + size - 1 - k].keep);
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

TEST_CASE("fill: named frames are made, all others come out as they are")
{
    for (int n : LENGTHS) {
        for (const char *named :
             {"0", "1", "0-1", "3+1", "2-2+14-15", "10-14", "5-90", "17", "98-99+0"}) {
            Job job;
            job.mode = MARDINI_MODE_FILL;
            job.named = named;
            job.stamps = n % 2 ? variable_rate(n, 3) : constant_rate(n);
            std::set<int64_t> anew;
            for (const char *at = named; *at;) {
                char *end;
                const long first = strtol(at, &end, 10),
                           last = *end == '-' ? strtol(end + 1, &end, 10) : first;
                for (long f = first; f <= last; f++)
                    anew.insert(f);
                at = *end ? end + 1 : end;
            }
            const Result result = run(job);
            INFO(n << " frames, " << named);
            if (n && *anew.rbegin() >= n) {
                CHECK(result.failure == MARDINI_ERR(EINVAL));
                REQUIRE(result.messages.size() == 1);
                CHECK(result.messages[0] == "frame " + std::to_string(*anew.rbegin()) +
                                                " is to be filled, and the last one is " +
                                                std::to_string(n - 1));
                continue;
            }
            if (n && static_cast<int>(anew.size()) == n) {
                CHECK(result.failure == MARDINI_ERR(EINVAL));
                CHECK(result.messages.size() == 1);
                continue;
            }
            CHECK(result.messages.empty());
            REQUIRE(result.slots.size() == static_cast<size_t>(n));
            for (int64_t k = 0; k < n; k++) {
                const MardiniSlot &s = result.slots[static_cast<size_t>(k)];
                const Stamp &stamp = job.stamps[static_cast<size_t>(k)];
                INFO("output frame " << k);
                REQUIRE(s.pts == stamp.pts);
                REQUIRE(s.duration == stamp.duration);
                if (!anew.count(k)) {
                    REQUIRE(is_given(s, k));
                    continue;
                }
                if (n - static_cast<int>(anew.size()) == 1) {
                    REQUIRE(s.kind == MARDINI_SLOT_HELD);
                    continue;
                }
                std::vector<int64_t> left; // two of those that stay on either side, where there are
                for (int64_t f = k - 1, found = 0; f >= 0 && found < 2; f--)
                    if (!anew.count(f))
                        left.insert(left.begin(), f), found++;
                for (int64_t f = k + 1, found = 0; f < n && found < 2; f++)
                    if (!anew.count(f))
                        left.push_back(f), found++;
                REQUIRE(s.kind == MARDINI_SLOT_MADE);
                for (int f = 0; f < s.num_references; f++)
                    REQUIRE((std::count(left.begin(), left.end(), s.references[f]) ||
                             s.position > 1 || s.position < 0));
                if (s.position > 0 && s.position < 1)
                    REQUIRE(static_cast<size_t>(s.num_references) == left.size());
            }
            check_windows(result, times_of(job.stamps));
        }
    }
}

TEST_CASE("fill: gaps between time stamps, repeats and freezes are found")
{
    const auto kinds = [](const Result &result) {
        std::string out;
        for (const MardiniSlot &slot : result.slots)
            out += slot.kind == MARDINI_SLOT_GIVEN  ? 'g'
                   : slot.kind == MARDINI_SLOT_MADE ? 'm'
                                                    : 'h';
        return out;
    };
    Job job;
    job.mode = MARDINI_MODE_FILL;
    job.detect = MARDINI_DETECT_GAPS;
    job.stamps = constant_rate(14);
    job.stamps.erase(job.stamps.begin() + 8, job.stamps.begin() + 11);
    job.stamps.erase(job.stamps.begin() + 3);
    Result result = run(job);
    CHECK(kinds(result) == "gggmggggmmmggg");
    for (size_t k = 0; k < result.slots.size(); k++) {
        CHECK(std::abs(result.slots[k].pts - 70 - ticks(static_cast<int64_t>(k))) <= 1);
        if (k + 1 < result.slots.size())
            CHECK(result.slots[k].pts + result.slots[k].duration == result.slots[k + 1].pts);
    }
    job.stamps = constant_rate(6);
    for (size_t f = 3; f < 6; f++)
        job.stamps[f].pts += 60000; // a minute is a break
    result = run(job);
    CHECK(kinds(result) == "gggggg");
    CHECK(result.messages.size() == 1);
    job.frame_rate = {0, 1};
    result = run(job);
    CHECK(kinds(result) == "gggggg");
    REQUIRE(result.messages.size() == 1);
    CHECK(result.messages[0].find("no frame rate") != std::string::npos);
    job.frame_rate = {24000, 1001};

    // Repeats: one, four in a row, five in a row, and two that end the clip.
    const std::string repeats = "..r..rrrr..rrrrr..rr";
    job.stamps = constant_rate(static_cast<int>(repeats.size()));
    for (size_t f = 0; f < repeats.size(); f++)
        job.stamps[f].repeats = repeats[f] == 'r';
    job.detect = MARDINI_DETECT_REPEATS;
    CHECK(kinds(run(job)) == "ggmggmmmmggggggggggg");
    job.detect = MARDINI_DETECT_FREEZES;
    CHECK(kinds(run(job)) == "gggggggggggmmmmmgggg");
    job.detect = MARDINI_DETECT_FREEZES | MARDINI_DETECT_REPEATS | MARDINI_DETECT_GAPS;
    result = run(job);
    CHECK(kinds(result) == "ggmggmmmmggmmmmmgggg");
    check_windows(result, times_of(job.stamps));
    for (size_t k = 0; k < result.slots.size(); k++)
        CHECK(result.slots[k].pts == job.stamps[k].pts);
    job.stamps.resize(16); // a freeze until the end: nothing to lead to
    CHECK(kinds(run(job)) == "ggmggmmmmgghhhhh");
}

TEST_CASE("variable frame rate: every given frame at its own time, made ones at the end's rate")
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

TEST_CASE("a clip streams through: what is wanted at once does not grow with it")
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

TEST_CASE("jobs that cannot be are refused, one sentence each")
{
    std::vector<std::string> messages;
    const auto refused = [&](Job job, const std::string &word) {
        messages.clear();
        MardiniTimeline *timeline = open_timeline(job, &messages);
        INFO(word);
        CHECK(timeline == nullptr);
        REQUIRE(messages.size() == 1);
        INFO(messages[0]);
        CHECK(messages[0].find(word) != std::string::npos);
    };
    Job job;
    job.total = 0;
    refused(job, "0 frames are to be added");
    job.total = 1;
    job.context = 1;
    refused(job, "a context of 1 frames");
    job.context = 17;
    refused(job, "a context of 17 frames");
    job.context = 0;
    job.side = 3;
    refused(job, "side 3");
    job.mode = MARDINI_MODE_FILL;
    refused(job, "nothing is to be filled");
    for (const char *named :
         {"", "x", "-3", "1-", "1,2", "4+", "2-1", "1--2", "99999999999999999999"}) {
        job.named = named;
        refused(job, std::string("'") + named + "'");
    }

    job = Job();
    job.context = 6;
    job.stamps = constant_rate(5);
    const Result result = run(job);
    CHECK(result.failure == MARDINI_ERR(EINVAL));
    REQUIRE(result.messages.size() == 1);
    CHECK(result.messages[0] == "a context of 6 frames is wanted, and the clip has 5");
}

TEST_CASE("animate: a window of 17 positions around the first frame, however many frames are "
          "spread over it")
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
