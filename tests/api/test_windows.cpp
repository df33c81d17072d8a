// Frames and windows through the C API: what is refused, and that equal requests give equal pixels,
// with the shipped weights.

#include "api/api.h"

#include <cmath>
#include <cstdlib>

using namespace api;

namespace {

/// A context with four given frames, at times -1, 0, 1, 2, and room for 13 masked ones.
struct FourGiven {
    Messages messages;
    MardiniContext *ctx = nullptr;
    const Picture given[4] = {Picture(0), Picture(2), Picture(4), Picture(6)};
    const int64_t ids[4] = {10, 11, 12, 13};
    const double times[4] = {-1, 0, 1, 2};
    const double masked[13] = {.1, .2, .25, .3, .4, .45, .5, .55, .6, .7, .75, .8, .9};
    int64_t keys[13];
    std::vector<Picture> results = std::vector<Picture>(13);
    MardiniFrame out[13];
    float confidence[13];

    FourGiven()
    {
        const MardiniSettings settings = settings_with(messages);
        REQUIRE(mardini_open(&ctx, &settings, &FORMAT) == 0);
        for (int f = 0; f < 4; f++)
            REQUIRE(mardini_add_frame(ctx, ids[f], &given[f].frame) == 0);
        for (int f = 0; f < 13; f++) {
            keys[f] = 1000 + f;
            out[f] = results[static_cast<size_t>(f)].frame;
            confidence[f] = -1;
        }
        CHECK(messages.loud() == "");
    }
    ~FourGiven() { mardini_close(&ctx); }

    /// The first `num_masked` masked frames into results; other times may replace the usual ones.
    int synthesize(int num_given, int num_masked, const double *other_times = nullptr,
                   const double *other_masked = nullptr)
    {
        const MardiniWindow window = {num_given,
                                      ids,
                                      other_times ? other_times : times,
                                      num_masked,
                                      other_masked ? other_masked : masked,
                                      keys,
                                      out,
                                      confidence};
        return mardini_make(ctx, &window, 1);
    }
    void check_refused(int ret, const char *words)
    {
        INFO("expected: " << words << ", got: "
                          << (messages.lines.empty() ? "nothing" : messages.lines.back()));
        CHECK(ret == MARDINI_ERR(EINVAL));
        REQUIRE(!messages.lines.empty());
        CHECK(messages.lines.back().find(words) != std::string::npos);
    }
};

} // namespace

TEST_CASE("given frames out of range are refused")
{
    FourGiven f;
    f.check_refused(mardini_add_frame(f.ctx, 10, &f.given[0].frame), "frame 10 was added before");
    f.check_refused(mardini_add_frame(f.ctx, 20, nullptr), "NULL");
    MardiniFrame bad = f.given[0].frame;
    bad.data[2] = nullptr;
    f.check_refused(mardini_add_frame(f.ctx, 20, &bad), "plane 2");
    bad = f.given[0].frame;
    bad.stride[0] = 63;
    f.check_refused(mardini_add_frame(f.ctx, 20, &bad), "63 bytes");
    double score = -1;
    f.check_refused(mardini_compare(f.ctx, 10, 99, &score), "frame 99 was not added");
    mardini_drop_frame(f.ctx, 99);

    CHECK(mardini_compare(f.ctx, 10, 11, &score) == 0);
    CHECK(score >= 0);
    CHECK(score <= 100);
    CHECK(mardini_compare(f.ctx, 10, 10, nullptr) == 0);

    // The id of a dropped frame is free again.
    mardini_drop_frame(f.ctx, 10);
    f.check_refused(f.synthesize(4, 1), "frame 10 was not added");
    REQUIRE(mardini_add_frame(f.ctx, 10, &f.given[0].frame) == 0);
    f.messages = {};
    CHECK(f.synthesize(4, 1) == 0);
    CHECK(f.messages.loud() == "");
}

TEST_CASE("windows out of range are refused")
{
    FourGiven f;
    f.check_refused(f.synthesize(0, 1), "0 given");
    f.check_refused(f.synthesize(2, 0), "0 masked");
    f.check_refused(f.synthesize(4, 14), "4 given and 14 masked");
    const double falling[4] = {-1, 0, 0, 2}, equal[2] = {.5, 1};
    f.check_refused(f.synthesize(4, 1, falling), "given frame 2 does not rise");
    f.check_refused(f.synthesize(4, 2, nullptr, equal), "has the time of given frame 2");
    const double huge[4] = {-1.7e308, -1, 0, 1.7e308};
    f.check_refused(f.synthesize(4, 1, huge), "farther");
    const double nan[1] = {NAN};
    f.check_refused(f.synthesize(4, 1, nullptr, nan), "masked frame 0");
    f.check_refused(f.synthesize(1, 1), "positions of a window, 0 to 16");
    const MardiniWindow no_keys = {4, f.ids, f.times, 1, f.masked, nullptr, f.out, f.confidence};
    f.check_refused(mardini_make(f.ctx, &no_keys, 1), "NULL");
    f.check_refused(mardini_make(f.ctx, &no_keys, 0), "must be a window");
    f.check_refused(mardini_make(f.ctx, nullptr, 1), "must be a window");
}

TEST_CASE("a masked frame has the same pixels by itself, with others, and in several windows")
{
    FourGiven f;
    REQUIRE(f.synthesize(4, 13) == 0);
    CHECK(f.messages.loud() == "");
    for (int k = 0; k < 13; k++) {
        CHECK(f.confidence[k] >= 0);
        CHECK(f.confidence[k] <= 1);
        const Picture single;
        const MardiniWindow window = {4,          f.ids,         f.times, 1, f.masked + k,
                                      f.keys + k, &single.frame, nullptr};
        REQUIRE(mardini_make(f.ctx, &window, 1) == 0);
        INFO("masked frame " << k);
        CHECK(single == f.results[static_cast<size_t>(k)]);
    }
    CHECK_FALSE(f.results[0] == f.results[12]);

    const Picture first, second, third;
    const MardiniFrame first_two[] = {first.frame, second.frame};
    const MardiniWindow both[] = {
        {4, f.ids, f.times, 2, f.masked, f.keys, first_two, nullptr},
        {4, f.ids, f.times, 1, f.masked + 12, f.keys + 12, &third.frame, nullptr}};
    REQUIRE(mardini_make(f.ctx, both, 2) == 0);
    CHECK(first == f.results[0]);
    CHECK(second == f.results[1]);
    CHECK(third == f.results[12]);
    for (int k = 0; k < 4; k++)
        CHECK(f.given[k] == Picture(2 * k)); // not written to

    // Masked frames of one window in different gaps, and one next to a given frame.
    const double uneven[3] = {0, 1, 3}, apart[2] = {.5, 2}, nearly[1] = {1 - 1e-9};
    REQUIRE(f.synthesize(3, 2, uneven, apart) == 0);
    const Picture later;
    const MardiniWindow at_two = {3,         f.ids,      uneven,       1,
                                  apart + 1, f.keys + 1, &later.frame, nullptr};
    REQUIRE(mardini_make(f.ctx, &at_two, 1) == 0);
    CHECK(later == f.results[1]);
    REQUIRE(f.synthesize(4, 1, nullptr, nearly) == 0);
    int off = 0;
    for (size_t i = 0; i < f.results[0].planes[0].size(); i++)
        off += std::abs(f.results[0].planes[0][i] - f.given[2].planes[0][i]) > 2;
    CHECK(off == 0);
}

namespace {

/// A context with a single given frame at position 8, and four masked frames.
struct SingleImage {
    const int64_t id = 5;
    const double position[1] = {8}, masked[4] = {0, 4, 7.75, 16};
    const int64_t keys[4] = {70, 70, 70, 70};
    const Picture given = Picture(0);

    MardiniContext *open(MardiniSettings settings) const
    {
        MardiniContext *ctx = nullptr;
        REQUIRE(mardini_open(&ctx, &settings, &FORMAT) == 0);
        REQUIRE(mardini_add_frame(ctx, id, &given.frame) == 0);
        return ctx;
    }
    /// Masked frames from `first` on.
    std::vector<Picture> synthesize(int64_t seed, double motion, int camera, int first,
                                    int count) const
    {
        Messages messages;
        MardiniSettings settings = settings_with(messages);
        settings.seed = seed;
        settings.motion = motion;
        settings.camera = camera;
        MardiniContext *ctx = open(settings);
        std::vector<Picture> results(static_cast<size_t>(count));
        std::vector<MardiniFrame> out;
        for (const Picture &picture : results)
            out.push_back(picture.frame);
        const MardiniWindow window = {1,    &id,        position, count, masked + first,
                                      keys, out.data(), nullptr};
        REQUIRE(mardini_make(ctx, &window, 1) == 0);
        CHECK(messages.loud() == "");
        mardini_close(&ctx);
        return results;
    }
    /// The horizontal shift against `given` that fits best in the middle of the frame.
    int shift_of(const Picture &picture) const
    {
        int best = 0;
        int64_t least = INT64_MAX;
        for (int d = -9; d <= 9; d++) { // the pattern's period is 18 pixels
            int64_t sum = 0;
            for (int y = 20; y < 28; y++)
                for (int x = 24; x < 40; x++)
                    sum += std::abs(picture.planes[0][static_cast<size_t>(y * 64 + x)] -
                                    given.planes[0][static_cast<size_t>(y * 64 + x - d)]);
            if (sum < least)
                least = sum, best = d;
        }
        return best;
    }
};

} // namespace

TEST_CASE("single image: seed, amount of motion and camera change the frames")
{
    const SingleImage image;
    const auto all = image.synthesize(1, 1, MARDINI_CAMERA_SAMPLED, 0, 4);
    for (int k = 0; k < 4; k++) {
        INFO("masked frame " << k);
        const Picture &frame = all[static_cast<size_t>(k)];
        CHECK_FALSE(frame == image.given);
        CHECK(image.synthesize(1, 1, MARDINI_CAMERA_SAMPLED, k, 1)[0] == frame);
        CHECK_FALSE(image.synthesize(2, 1, MARDINI_CAMERA_SAMPLED, k, 1)[0] == frame);
        CHECK_FALSE(image.synthesize(1, 1, MARDINI_CAMERA_ZOOM_IN, k, 1)[0] == frame);
        CHECK(image.synthesize(1, 0, MARDINI_CAMERA_SAMPLED, k, 1)[0] == image.given);
    }
}

TEST_CASE("single image: windows with other positions or keys do not change each other")
{
    const SingleImage image;
    Messages messages;
    const MardiniSettings settings = settings_with(messages);
    const double positions[3] = {8, 0, 8}, masked[1] = {4};
    const int64_t keys[3] = {70, 70, 71};
    const auto synthesize = [&](int first, int count) {
        MardiniContext *ctx = image.open(settings);
        std::vector<Picture> results(static_cast<size_t>(count));
        std::vector<MardiniWindow> windows;
        for (int k = 0; k < count; k++)
            windows.push_back({1, &image.id, positions + first + k, 1, masked, keys + first + k,
                               &results[static_cast<size_t>(k)].frame, nullptr});
        REQUIRE(mardini_make(ctx, windows.data(), count) == 0);
        mardini_close(&ctx);
        return results;
    };
    const auto together = synthesize(0, 3);
    for (int k = 0; k < 3; k++)
        CHECK(synthesize(k, 1)[0] == together[static_cast<size_t>(k)]);
    CHECK_FALSE((together[0] == together[1] || together[0] == together[2]));
}

TEST_CASE("a window that names one frame twice has two references")
{
    const SingleImage image;
    Messages messages;
    MardiniContext *ctx = image.open(settings_with(messages));
    const int64_t twice[2] = {image.id, image.id};
    const double times[2] = {0, 1}, half[1] = {.5};
    const Picture out;
    const MardiniWindow window = {2, twice, times, 1, half, image.keys, &out.frame, nullptr};
    CHECK(mardini_make(ctx, &window, 1) == 0);
    CHECK(out == image.given);
    mardini_close(&ctx);
}

TEST_CASE("single image: if the camera pans to the left, the picture moves to the right")
{
    const SingleImage image;
    const auto panned = image.synthesize(1, 1, MARDINI_CAMERA_PAN_LEFT, 0, 4);
    CHECK(image.shift_of(panned[0]) < 0);
    CHECK(image.shift_of(panned[3]) > 0);
}
