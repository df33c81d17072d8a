// Time stamps, time bases and settings of every mode.

#include "timeline/oracle.h"

using namespace oracle;

TEST_CASE("time stamps that are missing, equal or run backward")
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

        // One message for each.
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

TEST_CASE("all time stamps missing: the nominal rate, rounding does not add up")
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

TEST_CASE("every mode of the enum is opened, any other number is refused with one message")
{
    std::vector<std::string> messages;
    MardiniTimelineSettings settings;
    mardini_timeline_default_settings(&settings);
    settings.total = 9;
    settings.detect = MARDINI_DETECT_REPEATS;
    settings.time_base = {1, 25};
    settings.log = collect;
    settings.log_opaque = &messages;
    const std::vector<int> modes = {MARDINI_MODE_FPS,    MARDINI_MODE_SLOWMO, MARDINI_MODE_TOTAL,
                                    MARDINI_MODE_FILL,   MARDINI_MODE_EXTEND, MARDINI_MODE_LOOP,
                                    MARDINI_MODE_ANIMATE};
    for (int mode = -3; mode < 100; mode++) {
        messages.clear();
        settings.mode = mode;
        INFO("mode " << mode);
        const bool exists = std::count(modes.begin(), modes.end(), mode) > 0;
        MardiniTimeline *timeline;
        CHECK(mardini_timeline_open(&timeline, &settings) == (exists ? 0 : MARDINI_ERR(EINVAL)));
        CHECK((timeline != nullptr) == exists);
        CHECK(messages.size() == !exists);
        if (!exists)
            CHECK(messages[0] == "error: mode " + std::to_string(mode) + " is unknown");
        mardini_timeline_close(&timeline);
    }
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

TEST_CASE("time bases too fine for 31 bits are rounded, with a message")
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
