// The C API: arguments that are refused, with code and message, and contexts in several threads.

#include "api/api.h"

#include <cstdlib>
#include <cstring>
#include <thread>

using namespace api;

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

TEST_CASE(
    "frames on a CUDA device: ranges of their format's fields, and the device that may use them")
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

TEST_CASE("a model that is missing is named, with the folders that were searched")
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
}

TEST_CASE("a broken checkpoint is named")
{
    Messages messages;
    MardiniSettings s = settings_with(messages);
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
}

namespace {

/// A checkpoint that consists of a header only.
std::string forged(const std::string &tensors, const std::string &width)
{
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
}

} // namespace

TEST_CASE("a forged header gets no memory for tensors that the file does not hold")
{
    Messages messages;
    MardiniSettings s = settings_with(messages);
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
}

TEST_CASE("MARDINI_MODEL_PATH comes before the library's own folder")
{
    Messages messages;
    MardiniSettings s = settings_with(messages);
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
