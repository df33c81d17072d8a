// A caller of the C API: collects messages, makes frames and temporary files.
#ifndef TESTS_API_H
#define TESTS_API_H

#include "mardini.h"

#include "support/catch.h"
#include "support/files.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <fstream>
#include <string>
#include <vector>

namespace api {

struct Messages {
    std::vector<std::string> lines;
    std::vector<int> levels;

    static void take(void *opaque, int level, const char *message)
    {
        auto *self = static_cast<Messages *>(opaque);
        self->lines.push_back(message);
        self->levels.push_back(level);
    }
    /// Errors and warnings, one a line.
    std::string loud() const
    {
        std::string out;
        for (size_t i = 0; i < lines.size(); i++)
            if (levels[i] <= MARDINI_LOG_WARNING)
                out += lines[i] + "\n";
        return out;
    }
};

inline MardiniSettings settings_with(Messages &messages)
{
    MardiniSettings settings;
    mardini_default_settings(&settings);
    settings.device = "cpu";
    settings.threads = 2;
    settings.log = Messages::take;
    settings.log_opaque = &messages;
    return settings;
}

inline const MardiniFormat FORMAT = {64, 48, MARDINI_COLOR_YUV, 0, 8, 1, 1, 0, 0, 0};

/// A frame in FORMAT: a pattern at an offset of `shift` pixels, or zeros.
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

/// A file in a folder of its own; both are removed afterwards.
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

inline int open_and_close(const MardiniSettings &settings, const MardiniFormat &format = FORMAT)
{
    MardiniContext *ctx = reinterpret_cast<MardiniContext *>(&ctx);
    const int ret = mardini_open(&ctx, &settings, &format);
    CHECK((ctx == nullptr) == (ret < 0));
    mardini_close(&ctx);
    CHECK(ctx == nullptr);
    return ret;
}

/// mardini_open() fails with one line at error level that contains `word`.
inline void check_refusal(int expected, const char *word, const MardiniSettings &settings,
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

inline std::string shipped_nano()
{
    return files::read(files::built_file("weights/nano.safetensors"));
}

} // namespace api

#endif
