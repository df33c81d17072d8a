// The mode fill: frames that are named or detected are synthesized, all others stay.

#include "timeline/slots.h"

using namespace slots;

namespace {

std::set<int64_t> parse_ranges(const char *list)
{
    std::set<int64_t> ordinals;
    for (const char *at = list; *at;) {
        char *end;
        const long first = strtol(at, &end, 10),
                   last = *end == '-' ? strtol(end + 1, &end, 10) : first;
        for (long f = first; f <= last; f++)
            ordinals.insert(f);
        at = *end ? end + 1 : end;
    }
    return ordinals;
}

/// The unmasked frames nearest to frame k, two on either side if there are.
std::vector<int64_t> neighbours(int64_t k, int64_t n, const std::set<int64_t> &masked)
{
    std::vector<int64_t> out;
    for (int64_t f = k - 1, found = 0; f >= 0 && found < 2; f--)
        if (!masked.count(f))
            out.insert(out.begin(), f), found++;
    for (int64_t f = k + 1, found = 0; f < n && found < 2; f++)
        if (!masked.count(f))
            out.push_back(f), found++;
    return out;
}

void check_masked_slot(const MardiniSlot &s, int64_t k, int64_t n, const std::set<int64_t> &masked)
{
    if (n - static_cast<int64_t>(masked.size()) == 1) {
        REQUIRE(s.kind == MARDINI_SLOT_HELD);
        return;
    }
    const std::vector<int64_t> near = neighbours(k, n, masked);
    REQUIRE(s.kind == MARDINI_SLOT_MADE);
    const bool between = s.position > 0 && s.position < 1;
    for (int f = 0; f < s.num_references; f++)
        REQUIRE((std::count(near.begin(), near.end(), s.references[f]) || s.position > 1 ||
                 s.position < 0));
    if (between)
        REQUIRE(static_cast<size_t>(s.num_references) == near.size());
}

void check_named(int n, const char *named)
{
    Job job;
    job.mode = MARDINI_MODE_FILL;
    job.named = named;
    job.stamps = n % 2 ? variable_rate(n, 3) : constant_rate(n);
    const std::set<int64_t> masked = parse_ranges(named);
    const Result result = run(job);
    INFO(n << " frames, " << named);
    if (n && *masked.rbegin() >= n) {
        CHECK(result.failure == MARDINI_ERR(EINVAL));
        REQUIRE(result.messages.size() == 1);
        CHECK(result.messages[0] == "frame " + std::to_string(*masked.rbegin()) +
                                        " is to be filled, and the last one is " +
                                        std::to_string(n - 1));
        return;
    }
    if (n && static_cast<int>(masked.size()) == n) {
        CHECK(result.failure == MARDINI_ERR(EINVAL));
        CHECK(result.messages.size() == 1);
        return;
    }
    CHECK(result.messages.empty());
    REQUIRE(result.slots.size() == static_cast<size_t>(n));
    for (int64_t k = 0; k < n; k++) {
        const MardiniSlot &s = result.slots[static_cast<size_t>(k)];
        INFO("output frame " << k);
        REQUIRE(s.pts == job.stamps[static_cast<size_t>(k)].pts);
        REQUIRE(s.duration == job.stamps[static_cast<size_t>(k)].duration);
        if (masked.count(k))
            check_masked_slot(s, k, n, masked);
        else
            REQUIRE(is_given(s, k));
    }
    check_windows(result, times_of(job.stamps));
}

} // namespace

TEST_CASE("fill: named frames are synthesized, all others come out as they are")
{
    for (int n : LENGTHS)
        for (const char *named :
             {"0", "1", "0-1", "3+1", "2-2+14-15", "10-14", "5-90", "17", "98-99+0"})
            check_named(n, named);
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
        job.stamps[f].pts += 60000; // a minute is a pause
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
    job.stamps.resize(16); // a freeze until the end has no second reference
    CHECK(kinds(run(job)) == "ggmggmmmmgghhhhh");
}

TEST_CASE("fill: settings that name nothing are refused, one sentence each")
{
    Job job;
    job.mode = MARDINI_MODE_FILL;
    check_refused(job, "nothing is to be filled");
    for (const char *named :
         {"", "x", "-3", "1-", "1,2", "4+", "2-1", "1--2", "99999999999999999999"}) {
        job.named = named;
        check_refused(job, std::string("'") + named + "'");
    }
}
