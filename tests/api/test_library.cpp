// Parts of libmardini that need no LibTorch: exceptions as codes and sentences, the search for a
// model, repeated frames.

#include "base/error.h"
#include "library/find_model.h"

#include "api/api.h"

#include <algorithm>
#include <cstdlib>

using namespace api;

namespace {

struct ForeignError : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// As the engine translates exceptions of LibTorch.
std::optional<mardini::CaughtError> translate()
{
    try {
        throw;
    } catch (const ForeignError &e) {
        return mardini::CaughtError{ENODEV, std::string("foreign: ") + e.what()};
    } catch (...) {
        return std::nullopt;
    }
}

template <typename Exception>
int run(const Exception &exception, Messages *messages, mardini::ExceptionHook hook = nullptr)
{
    *messages = {};
    return mardini::guarded(
        Messages::take, messages, [&]() -> int { throw exception; }, hook);
}

/// find_model()'s path, or its sentence.
std::string found(const char *model)
{
    try {
        return mardini::find_model(model, false);
    } catch (const mardini::Error &e) {
        CHECK(e.code == ENOENT);
        return e.what();
    }
}

/// The sentence of a failing mardini_open().
std::string opened(const char *model)
{
    Messages messages;
    MardiniSettings settings = settings_with(messages);
    settings.model = model;
    CHECK(open_and_close(settings) < 0);
    return messages.lines.empty() ? "" : messages.lines.back();
}

} // namespace

TEST_CASE("an exception becomes one code and one line")
{
    Messages messages;
    const auto check = [&](int ret, int code, const char *sentence) {
        INFO(sentence);
        CHECK(ret == MARDINI_ERR(code));
        REQUIRE(messages.lines.size() == 1);
        CHECK(messages.lines[0] == sentence);
        CHECK(messages.levels[0] == MARDINI_LOG_ERROR);
    };
    for (mardini::ExceptionHook hook : {mardini::ExceptionHook(), &translate}) {
        check(run(mardini::Error(ENOENT, "no such thing"), &messages, hook), ENOENT,
              "no such thing");
        check(run(std::bad_alloc(), &messages, hook), ENOMEM, "out of memory");
        check(run(std::runtime_error("first line\nbacktrace"), &messages, hook), EIO, "first line");
        check(run(5, &messages, hook), EIO, "unknown failure");
    }
    check(run(ForeignError("lost\nbacktrace"), &messages, translate), ENODEV, "foreign: lost");
    check(run(ForeignError("lost"), &messages), EIO, "lost");

    messages = {};
    CHECK(mardini::guarded(Messages::take, &messages, [] { return 7; }) == 7);
    CHECK(messages.lines.empty());
    CHECK(mardini::guarded(nullptr, nullptr, []() -> int { throw std::bad_alloc(); }) ==
          MARDINI_ERR(ENOMEM));
}

TEST_CASE("a program that links find_model() finds the models that the library finds")
{
    const std::string nano = files::built_file("weights/nano.safetensors");
    CHECK(found("nano") == nano);
    CHECK(found(nullptr) == nano);
    CHECK(found(nano.c_str()) == nano);
    CHECK(mardini::library_folder() == files::built_file("").substr(0, nano.rfind("/weights")));

    // Both list the same folders, and refuse the same names.
    for (const char *missing : {"gigantic", "no/such/file", "none.safetensors", "/", ""})
        CHECK(found(missing) == opened(missing));
    CHECK(found("gigantic").find(mardini::library_folder() + "/../share/mardini") !=
          std::string::npos);

    // A broken file is named by the library: the same one.
    const Scratch broken("nano.safetensors", "junk");
    const std::string path = "/nowhere::" + broken.folder + ":";
    setenv("MARDINI_MODEL_PATH", path.c_str(), 1);
    for (const char *model : {static_cast<const char *>(nullptr), "nano", broken.file.c_str()}) {
        CHECK(found(model) == broken.file);
        CHECK(opened(model).find(broken.file) != std::string::npos);
    }
    CHECK(found("gigantic") == opened("gigantic"));
    CHECK(found("gigantic").find("/nowhere, " + broken.folder) != std::string::npos);
    unsetenv("MARDINI_MODEL_PATH");
}

TEST_CASE("the best preset for CUDA is small, else nano")
{
    const Scratch small("small.safetensors", "");
    setenv("MARDINI_MODEL_PATH", small.folder.c_str(), 1);
    CHECK(mardini::find_model(nullptr, true) == small.file);
    CHECK(mardini::find_model(nullptr, false) != small.file);
    unsetenv("MARDINI_MODEL_PATH");

    const auto yes = [] { return 1; };
    const auto no = [] { return 0; };
    CHECK(mardini::runs_on_cuda(nullptr, false, yes));
    CHECK_FALSE(mardini::runs_on_cuda(nullptr, false, no));
    CHECK(mardini::runs_on_cuda("auto", false, yes));
    CHECK(mardini::runs_on_cuda("cuda:1", false, no));
    CHECK(mardini::runs_on_cuda("auto", true, no));
    CHECK_FALSE(mardini::runs_on_cuda("cpu", false, yes));
}

TEST_CASE("a repeat is told from motion, whatever the depth")
{
    Picture a(0), b(0), shifted(1);
    CHECK(mardini_is_repeat(&FORMAT, &a.frame, &b.frame) == 1);
    CHECK(mardini_is_repeat(&FORMAT, &a.frame, &shifted.frame) == 0);
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
    MardiniFormat cuda = gray16;
    cuda.on_cuda = 1; // addresses that the processor cannot read
    CHECK(mardini_is_repeat(&cuda, &fx, &fy) == MARDINI_ERR(ENOSYS));
    fy.data[0] = nullptr;
    CHECK(mardini_is_repeat(&gray16, &fx, &fy) == MARDINI_ERR(EINVAL));
}
