// The C API as a caller sees it: what is refused, with which code and words, and that what
// is promised of pixels holds with the shipped weights.

#include "mardini.h"

#include "support/catch.h"
#include "support/files.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

namespace {

struct Messages {
    std::vector<std::string> lines;
    std::vector<int> levels;

    static void take(void *opaque, int level, const char *message)
    {
        auto *self = static_cast<Messages *>(opaque);
        self->lines.push_back(message);
        self->levels.push_back(level);
    }
    /// Errors and warnings, each on a line.
    std::string loud() const
    {
        std::string out;
        for (size_t i = 0; i < lines.size(); i++)
            if (levels[i] <= MARDINI_LOG_WARNING)
                out += lines[i] + "\n";
        return out;
    }
};

MardiniSettings settings_with(Messages &messages)
{
    MardiniSettings settings;
    mardini_default_settings(&settings);
    settings.device = "cpu";
    settings.threads = 2;
    settings.log = Messages::take;
    settings.log_opaque = &messages;
    return settings;
}

const MardiniFormat FORMAT = {64, 48, MARDINI_COLOR_YUV, 0, 8, 1, 1, 0, 0, 0};

/// 8-bit 4:2:0 planes of their own.
struct Picture {
    std::vector<uint8_t> planes[3];
    MardiniFrame frame = {};

    explicit Picture(int shift = -1)
    {
        for (int p = 0; p < 3; p++) {
            const int w = p ? 32 : 64, h = p ? 24 : 48;
            planes[p].assign(static_cast<size_t>(w * h), 0);
            for (int y = 0; shift >= 0 && y < h; y++)
                for (int x = 0; x < w; x++)
                    planes[p][static_cast<size_t>(y * w + x)] = static_cast<uint8_t>(
                        p ? 128 + (x + y + shift) % 9 : 60 + (((x - shift) * 7 + y * 5) & 127));
            frame.data[p] = planes[p].data();
            frame.stride[p] = w;
        }
    }
    Picture(const Picture &) = delete;
    bool operator==(const Picture &other) const
    {
        return planes[0] == other.planes[0] && planes[1] == other.planes[1] &&
               planes[2] == other.planes[2];
    }
};

/// A file in a folder of its own, gone afterwards.
struct Scratch {
    std::string folder, file;

    Scratch(const std::string &name, const std::string &bytes)
        : folder(files::scratch("folder-" + std::to_string(num++))), file(folder + "/" + name)
    {
        REQUIRE(mkdir(folder.c_str(), 0777) == 0);
        std::ofstream(file, std::ios::binary) << bytes;
    }
    ~Scratch()
    {
        unlink(file.c_str());
        rmdir(folder.c_str());
    }

    inline static int num = 0;
};

int open_and_close(const MardiniSettings &settings, const MardiniFormat &format = FORMAT)
{
    MardiniContext *ctx = reinterpret_cast<MardiniContext *>(&ctx);
    const int ret = mardini_open(&ctx, &settings, &format);
    CHECK((ctx == nullptr) == (ret < 0));
    mardini_close(&ctx);
    CHECK(ctx == nullptr);
    return ret;
}

/// One refusal is one message at error level, with `word` in it.
void check_refusal(int expected, const char *word, const MardiniSettings &settings,
                   const Messages &messages, const MardiniFormat &format = FORMAT)
{
    const size_t before = messages.lines.size();
    INFO("expected: " << word);
    CHECK(open_and_close(settings, format) == MARDINI_ERR(expected));
    REQUIRE(messages.lines.size() == before + 1);
    INFO("said: " << messages.lines.back());
    CHECK(messages.levels.back() == MARDINI_LOG_ERROR);
    CHECK(messages.lines.back().find(word) != std::string::npos);
    CHECK(messages.lines.back().find('\n') == std::string::npos);
}

std::string shipped_nano()
{
    return files::read(files::built_file("weights/nano.safetensors"));
}

} // namespace

TEST_CASE("NULL is EINVAL, and releasing nothing is fine")
{
    MardiniSettings settings;
    mardini_default_settings(&settings);
    MardiniContext *ctx = nullptr;
    MardiniTimeline *timeline = nullptr;
    MardiniSlot slot;
    MardiniFrame frame = {};
    CHECK(mardini_open(nullptr, &settings, &FORMAT) == MARDINI_ERR(EINVAL));
    CHECK(mardini_open(&ctx, nullptr, &FORMAT) == MARDINI_ERR(EINVAL));
    CHECK(mardini_open(&ctx, &settings, nullptr) == MARDINI_ERR(EINVAL));
    CHECK(mardini_add_frame(nullptr, 0, &frame) == MARDINI_ERR(EINVAL));
    CHECK(mardini_compare(nullptr, 0, 1, nullptr) == MARDINI_ERR(EINVAL));
    CHECK(mardini_make(nullptr, nullptr, 1) == MARDINI_ERR(EINVAL));
    mardini_drop_frame(nullptr, 0);
    mardini_close(&ctx);
    mardini_close(nullptr);
    mardini_default_settings(nullptr);

    MardiniTimelineSettings timeline_settings;
    mardini_timeline_default_settings(&timeline_settings);
    CHECK(mardini_timeline_open(nullptr, &timeline_settings) == MARDINI_ERR(EINVAL));
    CHECK(mardini_timeline_open(&timeline, nullptr) == MARDINI_ERR(EINVAL));
    CHECK(mardini_timeline_open(&timeline, &timeline_settings) ==
          MARDINI_ERR(EINVAL)); // no time base
    CHECK(mardini_timeline_output(nullptr, nullptr, nullptr) == MARDINI_ERR(EINVAL));
    CHECK(mardini_timeline_push(nullptr, 0, 0, nullptr) == MARDINI_ERR(EINVAL));
    CHECK(mardini_timeline_end(nullptr, 0) == MARDINI_ERR(EINVAL));
    CHECK(mardini_timeline_next(nullptr, &slot) == MARDINI_ERR(EINVAL));
    mardini_timeline_close(&timeline);
    mardini_timeline_close(nullptr);
    mardini_timeline_default_settings(nullptr);
}

TEST_CASE("the library is the header's version, the defaults ask the library")
{
    CHECK(mardini_version() == (MARDINI_API_VERSION_MAJOR << 16 | MARDINI_API_VERSION_MINOR << 8 |
                                MARDINI_API_VERSION_PATCH));
    MardiniSettings settings;
    memset(&settings, 0x55, sizeof settings);
    mardini_default_settings(&settings);
    CHECK(settings.model == nullptr);
    CHECK(settings.device == nullptr);
    CHECK(settings.precision == MARDINI_PRECISION_AUTO);
    CHECK(settings.threads == 0);
    CHECK(settings.steps == -1);
    CHECK(settings.seed == 0);
    CHECK(settings.scd_threshold == -1);
    CHECK(settings.log == nullptr);
}

TEST_CASE("the header compiles alone as C and as C++")
{
    const std::string header = "'" + files::source_file("model/mardini.h") + "'";
    for (const char *compiler : {"cc -std=c99 -x c", "cc -std=c17 -x c", "c++ -std=c++11 -x c++",
                                 "c++ -std=c++20 -x c++"}) {
        INFO(compiler);
        CHECK(system((compiler + std::string(" -pedantic -Wall -Wextra -Werror -fsyntax-only ") +
                      header)
                         .c_str()) == 0);
    }
}

TEST_CASE("settings and formats out of range are named")
{
    Messages messages;
    const MardiniSettings good = settings_with(messages);
    MardiniSettings s;
    (s = good).device = "gpu", check_refusal(EINVAL, "device 'gpu'", s, messages);
    (s = good).device = "", check_refusal(EINVAL, "device ''", s, messages);
    (s = good).device = "cuda:x", check_refusal(EINVAL, "cuda:x", s, messages);
    (s = good).precision = 3, check_refusal(EINVAL, "precision is 3", s, messages);
    (s = good).threads = -1, check_refusal(EINVAL, "threads is -1", s, messages);
    (s = good).threads = 65, check_refusal(EINVAL, "threads is 65", s, messages);
    (s = good).steps = 65, check_refusal(EINVAL, "steps is 65", s, messages);
    (s = good).steps = -2, check_refusal(EINVAL, "steps is -2", s, messages);
    (s = good).memory = -1, check_refusal(EINVAL, "memory is -1", s, messages);
    (s = good).memory = 3,
         check_refusal(ENOMEM, "memory=3 MB is too little for frames of 64x48", s, messages);
    (s = good).seed = -5, check_refusal(EINVAL, "seed is -5", s, messages);
    (s = good).scd_threshold = 100.5, check_refusal(EINVAL, "scd_threshold is 100.5", s, messages);
    MardiniFormat f;
    (f = FORMAT).width = 0, check_refusal(EINVAL, "0x48", good, messages, f);
    (f = FORMAT).height = 16385, check_refusal(EINVAL, "64x16385", good, messages, f);
    (f = FORMAT).depth = 7, check_refusal(EINVAL, "depth is 7", good, messages, f);
    (f = FORMAT).depth = 17, check_refusal(EINVAL, "depth is 17", good, messages, f);
    (f = FORMAT).color = 3, check_refusal(EINVAL, "color is 3", good, messages, f);
    (f = FORMAT).alpha = 2, check_refusal(EINVAL, "alpha is 2", good, messages, f);
    (f = FORMAT).log2_chroma_width = 3,
         check_refusal(EINVAL, "log2_chroma_width is 3", good, messages, f);
    (f = FORMAT).color = MARDINI_COLOR_GBR,
         check_refusal(EINVAL, "log2_chroma_width is 1", good, messages, f);

    MardiniSettings silent = good; // no callback: silence, the same code
    silent.log = nullptr;
    silent.steps = 65;
    CHECK(open_and_close(silent) == MARDINI_ERR(EINVAL));
}

TEST_CASE("frames on a card: their format's fields and where they may be used")
{
    Messages messages;
    MardiniSettings settings = settings_with(messages);
    MardiniFormat f = FORMAT;
    f.interleaved = 1, check_refusal(EINVAL, "interleaved is 1", settings, messages, f);
    (f = FORMAT).on_cuda = 2, check_refusal(EINVAL, "on_cuda is 2", settings, messages, f);
    (f = FORMAT).on_cuda = 1, f.alpha = 1, f.interleaved = 1;
    check_refusal(EINVAL, "interleaved is 1", settings, messages, f);
    (f = FORMAT).depth = 10, f.shift = 6,
         check_refusal(EINVAL, "shift is 6", settings, messages, f);
    f.on_cuda = 1, f.shift = 7, check_refusal(EINVAL, "shift is 7", settings, messages, f);

    (f = FORMAT).on_cuda = 1;
    settings.device = "cpu";
    check_refusal(ENODEV, "device=cpu", settings, messages, f);
    CHECK(messages.lines.back().find("hwdownload") != std::string::npos);
    settings.device = "cuda:99";
    check_refusal(ENODEV, "CUDA device", settings, messages, f);
}

TEST_CASE("a model that is missing, broken or found elsewhere is named")
{
    Messages messages;
    MardiniSettings s = settings_with(messages);
    s.model = "/nowhere/there/is.safetensors";
    check_refusal(ENOENT, "/nowhere/there/is.safetensors", s, messages);
    s.model = "gigantic";
    check_refusal(ENOENT, "gigantic.safetensors", s, messages);
    CHECK(messages.lines.back().find("MARDINI_MODEL_PATH") != std::string::npos);
    s.model = "/";
    check_refusal(ENOENT, "'/'", s, messages);

    const std::string whole = shipped_nano();
    REQUIRE(whole.size() > 1000);
    for (const std::string &bytes :
         {std::string(), std::string("not a checkpoint"), std::string(4096, '\xff'),
          whole.substr(0, 100), whole.substr(0, whole.size() / 2),
          whole.substr(0, whole.size() - 1), whole + "x"}) {
        const Scratch broken("broken.safetensors", bytes);
        INFO("a file of " << bytes.size() << " bytes");
        s.model = broken.file.c_str();
        check_refusal(EINVAL, "broken.safetensors", s, messages);
    }

    // A forged header gets no memory for what its file does not hold.
    const auto forged = [](const std::string &tensors, const std::string &width) {
        const std::string config =
            R"({\"preset\":\"nano\",\"encoder\":{\"channels2\":16,\"channels4\":32,\"channels8\":64,\"match\":32},)"
            R"(\"planner\":{\"width\":)" +
            width +
            R"(,\"layers\":64,\"head_dim\":32,\"features\":32,\"references\":\"strict\"},)"
            R"(\"generator\":{\"channels8\":64,\"blocks8\":1,\"cost8\":2,\"channels4\":32,\"cost4\":1,\"channels2\":16},)"
            R"(\"denoiser\":{\"channels4\":0,\"channels8\":0}})";
        const std::string header = R"({"__metadata__":{"mardini.format":"3","mardini.config":")" +
                                   config + "\"}" + tensors + "}";
        std::string bytes(8, '\0');
        for (size_t i = 0; i < 8; i++)
            bytes[i] = static_cast<char>(header.size() >> (8 * i));
        return bytes + header;
    };
    const Scratch greedy("greedy.safetensors", forged("", "4096"));
    s.model = greedy.file.c_str();
    check_refusal(EINVAL, "it holds 0 numbers, and its configuration has 12", s, messages);
    const Scratch empty(
        "empty.safetensors",
        forged(
            R"(,"x":{"dtype":"F32","shape":[0,4611686018427387904,4611686018427387904],"data_offsets":[0,0]})",
            "96"));
    s.model = empty.file.c_str();
    check_refusal(EINVAL, "empty.safetensors", s, messages);

    // MARDINI_MODEL_PATH comes before the library's own folder.
    const Scratch first("nano.safetensors", "junk");
    const std::string path = "/nowhere::" + first.folder;
    setenv("MARDINI_MODEL_PATH", path.c_str(), 1);
    s.model = "nano";
    check_refusal(EINVAL, first.file.c_str(), s, messages);
    s.model = nullptr;
    check_refusal(EINVAL, first.file.c_str(), s, messages);
    s.model = "gigantic";
    check_refusal(ENOENT, first.folder.c_str(), s, messages);
    unsetenv("MARDINI_MODEL_PATH");
}

TEST_CASE("a device that is not there is ENODEV")
{
    Messages messages;
    MardiniSettings s = settings_with(messages);
    s.device = "cuda:99";
    check_refusal(ENODEV, "cuda", s, messages);
}

TEST_CASE("frames and windows: what is refused, and what is made")
{
    Messages messages;
    const MardiniSettings settings = settings_with(messages);
    MardiniContext *ctx = nullptr;
    REQUIRE(mardini_open(&ctx, &settings, &FORMAT) == 0);

    const Picture given[4] = {Picture(0), Picture(2), Picture(4), Picture(6)},
                  copies[4] = {Picture(0), Picture(2), Picture(4), Picture(6)};
    for (int f = 0; f < 4; f++)
        REQUIRE(mardini_add_frame(ctx, 10 + f, &given[f].frame) == 0);
    const auto refused = [&](int ret, const char *word) {
        INFO("expected: " << word << ", said: "
                          << (messages.lines.empty() ? "nothing" : messages.lines.back()));
        CHECK(ret == MARDINI_ERR(EINVAL));
        REQUIRE(!messages.lines.empty());
        CHECK(messages.lines.back().find(word) != std::string::npos);
    };
    CHECK(messages.loud() == "");
    refused(mardini_add_frame(ctx, 10, &given[0].frame), "frame 10 was added before");
    refused(mardini_add_frame(ctx, 20, nullptr), "NULL");
    MardiniFrame bad = given[0].frame;
    bad.data[2] = nullptr;
    refused(mardini_add_frame(ctx, 20, &bad), "plane 2");
    bad = given[0].frame;
    bad.stride[0] = 63;
    refused(mardini_add_frame(ctx, 20, &bad), "63 bytes");
    double score = -1;
    refused(mardini_compare(ctx, 10, 99, &score), "frame 99 was not added");
    mardini_drop_frame(ctx, 99);

    const int64_t ids[4] = {10, 11, 12, 13};
    const double times[4] = {-1, 0, 1, 2};
    const double masked[13] = {.1, .2, .25, .3, .4, .45, .5, .55, .6, .7, .75, .8, .9};
    int64_t keys[13];
    std::vector<Picture> made(13);
    MardiniFrame out[13];
    float confidence[13];
    for (int f = 0; f < 13; f++) {
        keys[f] = 1000 + f;
        out[f] = made[static_cast<size_t>(f)].frame;
        confidence[f] = -1;
    }
    const auto make = [&](int num_given, int num_masked, const double *t = nullptr,
                          const double *m = nullptr) {
        const MardiniWindow window = {num_given,      ids,  t ? t : times, num_masked,
                                      m ? m : masked, keys, out,           confidence};
        return mardini_make(ctx, &window, 1);
    };
    refused(make(0, 1), "0 given");
    refused(make(2, 0), "0 masked");
    refused(make(4, 14), "4 given and 14 masked");
    const double falling[4] = {-1, 0, 0, 2}, meeting[2] = {.5, 1};
    refused(make(4, 1, falling), "given frame 2 does not rise");
    refused(make(4, 2, nullptr, meeting), "has the time of given frame 2");
    const double huge[4] = {-1.7e308, -1, 0, 1.7e308};
    refused(make(4, 1, huge), "farther");
    const double nan[1] = {NAN};
    refused(make(4, 1, nullptr, nan), "masked frame 0");
    const MardiniWindow no_keys = {4, ids, times, 1, masked, nullptr, out, confidence};
    refused(mardini_make(ctx, &no_keys, 1), "NULL");
    refused(mardini_make(ctx, &no_keys, 0), "must be a window");
    refused(mardini_make(ctx, nullptr, 1), "must be a window");

    // Made together, alone, without confidence: the same pixels. Given frames stay as they were.
    messages = {};
    REQUIRE(make(4, 13) == 0);
    CHECK(messages.loud() == "");
    for (int f = 0; f < 13; f++) {
        CHECK(confidence[f] >= 0);
        CHECK(confidence[f] <= 1);
        const Picture alone;
        const MardiniWindow window = {4,          ids,      times,        1,
                                      masked + f, keys + f, &alone.frame, nullptr};
        REQUIRE(mardini_make(ctx, &window, 1) == 0);
        INFO("masked frame " << f);
        CHECK(alone == made[static_cast<size_t>(f)]);
    }
    CHECK_FALSE(made[0] == made[12]);

    // Whatever pairs the others lie between, and however near to a given one they are.
    const double uneven[3] = {0, 1, 3}, apart[2] = {.5, 2}, nearly[1] = {1 - 1e-9};
    REQUIRE(make(3, 2, uneven, apart) == 0);
    const Picture later;
    const MardiniWindow at_two = {3, ids, uneven, 1, apart + 1, keys + 1, &later.frame, nullptr};
    REQUIRE(mardini_make(ctx, &at_two, 1) == 0);
    CHECK(later == made[1]);
    REQUIRE(make(4, 1, nullptr, nearly) == 0);
    int off = 0;
    for (size_t i = 0; i < made[0].planes[0].size(); i++)
        off += std::abs(made[0].planes[0][i] - given[2].planes[0][i]) > 2;
    CHECK(off == 0);
    REQUIRE(make(4, 13) == 0);

    // So do several windows in one call.
    const Picture first, second, third;
    const MardiniFrame first_two[] = {first.frame, second.frame};
    const MardiniWindow both[] = {
        {4, ids, times, 2, masked, keys, first_two, nullptr},
        {4, ids, times, 1, masked + 12, keys + 12, &third.frame, nullptr}};
    REQUIRE(mardini_make(ctx, both, 2) == 0);
    CHECK(first == made[0]);
    CHECK(second == made[1]);
    CHECK(third == made[12]);
    for (int f = 0; f < 4; f++)
        CHECK(given[f] == copies[f]);

    CHECK(mardini_compare(ctx, 10, 11, &score) == 0);
    CHECK(score >= 0);
    CHECK(score <= 100);
    CHECK(mardini_compare(ctx, 10, 10, nullptr) == 0);

    // A dropped id is free again.
    mardini_drop_frame(ctx, 10);
    refused(make(4, 1), "frame 10 was not added");
    REQUIRE(mardini_add_frame(ctx, 10, &given[0].frame) == 0);
    messages = {};
    CHECK(make(4, 1) == 0);
    CHECK(messages.loud() == "");
    refused(make(1, 1), "positions of a window, 0 to 16");
    mardini_close(&ctx);
}

TEST_CASE("of one given frame motion is sampled: seeds, amount and camera are the caller's")
{
    const int64_t id = 5;
    const double anchor[1] = {8}, masked[4] = {0, 4, 7.75, 16};
    const int64_t keys[4] = {70, 70, 70, 70};
    const Picture given(0);
    const auto run = [&](int64_t seed, double motion, int camera, int first, int count) {
        Messages messages;
        MardiniSettings settings = settings_with(messages);
        settings.seed = seed;
        settings.motion = motion;
        settings.camera = camera;
        MardiniContext *ctx = nullptr;
        REQUIRE(mardini_open(&ctx, &settings, &FORMAT) == 0);
        REQUIRE(mardini_add_frame(ctx, id, &given.frame) == 0);
        std::vector<Picture> made(static_cast<size_t>(count));
        std::vector<MardiniFrame> out;
        for (const Picture &picture : made)
            out.push_back(picture.frame);
        const MardiniWindow window = {1,    &id,        anchor, count, masked + first,
                                      keys, out.data(), nullptr};
        REQUIRE(mardini_make(ctx, &window, 1) == 0);
        CHECK(messages.loud() == "");
        mardini_close(&ctx);
        return made;
    };
    const auto one = run(1, 1, MARDINI_CAMERA_SAMPLED, 0, 4);
    for (int k = 0; k < 4; k++) {
        INFO("masked frame " << k);
        CHECK_FALSE(one[static_cast<size_t>(k)] == given);
        CHECK(run(1, 1, MARDINI_CAMERA_SAMPLED, k, 1)[0] ==
              one[static_cast<size_t>(k)]); // alone as with others
        CHECK_FALSE(run(2, 1, MARDINI_CAMERA_SAMPLED, k, 1)[0] == one[static_cast<size_t>(k)]);
        CHECK_FALSE(run(1, 1, MARDINI_CAMERA_ZOOM_IN, k, 1)[0] == one[static_cast<size_t>(k)]);
        CHECK(run(1, 0, MARDINI_CAMERA_SAMPLED, k, 1)[0] == given); // nothing moves: bit for bit
    }
    // One context, one call: windows of the same frame at other anchors, or by other names, do not
    // disturb each other.
    {
        Messages messages;
        const MardiniSettings settings = settings_with(messages);
        const double anchors[3] = {8, 0, 8}, at[1] = {4};
        const int64_t names[3] = {70, 70, 71};
        const auto make = [&](int first, int count) {
            MardiniContext *ctx = nullptr;
            REQUIRE(mardini_open(&ctx, &settings, &FORMAT) == 0);
            REQUIRE(mardini_add_frame(ctx, id, &given.frame) == 0);
            std::vector<Picture> made(static_cast<size_t>(count));
            std::vector<MardiniWindow> windows;
            for (int k = 0; k < count; k++)
                windows.push_back({1, &id, anchors + first + k, 1, at, names + first + k,
                                   &made[static_cast<size_t>(k)].frame, nullptr});
            REQUIRE(mardini_make(ctx, windows.data(), count) == 0);
            mardini_close(&ctx);
            return made;
        };
        const auto together = make(0, 3);
        for (int k = 0; k < 3; k++)
            CHECK(make(k, 1)[0] == together[static_cast<size_t>(k)]);
        CHECK_FALSE((together[0] == together[1] || together[0] == together[2]));
        // A window that names one frame twice is no window of one frame.
        MardiniContext *ctx = nullptr;
        REQUIRE(mardini_open(&ctx, &settings, &FORMAT) == 0);
        REQUIRE(mardini_add_frame(ctx, id, &given.frame) == 0);
        const int64_t twice[2] = {id, id};
        const double times[2] = {0, 1}, half[1] = {.5};
        const Picture out;
        const MardiniWindow window = {2, twice, times, 1, half, keys, &out.frame, nullptr};
        CHECK(mardini_make(ctx, &window, 1) == 0);
        CHECK(out == given);
        mardini_close(&ctx);
    }

    // A camera that pans to the left shows what lies there: the picture moves to the right as time
    // goes on.
    const auto panned = run(1, 1, MARDINI_CAMERA_PAN_LEFT, 0, 4);
    const auto shift =
        [&](const Picture &picture) { // the horizontal one that fits best, of the middle
            int best = 0;
            int64_t least = INT64_MAX;
            for (int d = -9; d <= 9; d++) { // the pattern comes again after 18 pixels
                int64_t sum = 0;
                for (int y = 20; y < 28; y++)
                    for (int x = 24; x < 40; x++)
                        sum += std::abs(picture.planes[0][static_cast<size_t>(y * 64 + x)] -
                                        given.planes[0][static_cast<size_t>(y * 64 + x - d)]);
                if (sum < least)
                    least = sum, best = d;
            }
            return best;
        };
    CHECK(shift(panned[0]) < 0);
    CHECK(shift(panned[3]) > 0);
}

TEST_CASE("a repeat is told from motion, whatever the depth")
{
    Picture a(0), b(0), moved(1);
    CHECK(mardini_is_repeat(&FORMAT, &a.frame, &b.frame) == 1);
    CHECK(mardini_is_repeat(&FORMAT, &a.frame, &moved.frame) == 0);
    for (size_t i = 0; i < b.planes[0].size(); i += 2)
        b.planes[0][i] = static_cast<uint8_t>(b.planes[0][i] + 2); // a codec's noise
    CHECK(mardini_is_repeat(&FORMAT, &a.frame, &b.frame) == 1);
    for (int y = 16; y < 24; y++)
        std::fill_n(&b.planes[0][static_cast<size_t>(y * 64 + 56)], 8, uint8_t(255)); // one block
    CHECK(mardini_is_repeat(&FORMAT, &a.frame, &b.frame) == 0);

    MardiniFormat gray16 = {64, 48, MARDINI_COLOR_GRAY, 0, 16, 0, 0, 0, 0, 0};
    std::vector<uint16_t> x(64 * 48, 30000), y(64 * 48, 30000 + 256);
    MardiniFrame fx = {{reinterpret_cast<uint8_t *>(x.data())}, {128}},
                 fy = {{reinterpret_cast<uint8_t *>(y.data())}, {128}};
    CHECK(mardini_is_repeat(&gray16, &fx, &fy) == 1); // one code of 255
    std::fill(y.begin(), y.end(), 30000 + 512);
    CHECK(mardini_is_repeat(&gray16, &fx, &fy) == 0);
    CHECK(mardini_is_repeat(nullptr, &fx, &fy) == MARDINI_ERR(EINVAL));
    MardiniFormat card = gray16;
    card.on_cuda = 1; // addresses that the processor cannot read
    CHECK(mardini_is_repeat(&card, &fx, &fy) == MARDINI_ERR(ENOSYS));
    fy.data[0] = nullptr;
    CHECK(mardini_is_repeat(&gray16, &fx, &fy) == MARDINI_ERR(EINVAL));
}

TEST_CASE("different contexts in different threads")
{
    std::vector<Picture> results(3);
    std::vector<int> codes(3, -1);
    std::vector<std::thread> threads;
    for (size_t i = 0; i < 3; i++)
        threads.emplace_back([&, i] {
            Messages messages;
            MardiniSettings settings = settings_with(messages);
            settings.threads = 1;
            MardiniContext *ctx = nullptr;
            if ((codes[i] = mardini_open(&ctx, &settings, &FORMAT)) < 0)
                return;
            const Picture a(0), b(3);
            const int64_t ids[2] = {0, 1}, key = 5;
            const double times[2] = {0, 1}, masked = .5;
            const MardiniWindow window = {2,      ids, times, 1, &masked, &key, &results[i].frame,
                                          nullptr};
            mardini_add_frame(ctx, 0, &a.frame);
            mardini_add_frame(ctx, 1, &b.frame);
            for (int round = 0; round < 3 && !codes[i]; round++)
                codes[i] = mardini_make(ctx, &window, 1);
            mardini_close(&ctx);
        });
    for (std::thread &thread : threads)
        thread.join();
    for (size_t i = 0; i < 3; i++) {
        CHECK(codes[i] == 0);
        CHECK(results[i] == results[0]);
    }
}
