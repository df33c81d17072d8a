// Frames of every size from 1x1 on through the C API: between two equal frames lies the same frame,
// and nothing is written outside the planes.

#include "mardini.h"

#include "support/catch.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace {

struct Messages {
    std::string loud;

    static void take(void *opaque, int level, const char *message)
    {
        if (level <= MARDINI_LOG_WARNING)
            static_cast<Messages *>(opaque)->loud += std::string(message) + "\n";
    }
};

constexpr uint8_t GUARD = 0xA5;
constexpr int GAP = 7; ///< bytes of guard behind each line, an odd number

/// Planes of 8 bits with guards around every line.
struct Picture {
    MardiniFormat format;
    std::vector<uint8_t> planes[4];
    MardiniFrame frame = {};

    int num_planes() const { return (format.color == MARDINI_COLOR_GRAY ? 1 : 3) + format.alpha; }
    bool is_chroma(int p) const { return format.color == MARDINI_COLOR_YUV && (p == 1 || p == 2); }
    int width(int p) const
    {
        return is_chroma(p) ? -(-format.width >> format.log2_chroma_width) : format.width;
    }
    int height(int p) const
    {
        return is_chroma(p) ? -(-format.height >> format.log2_chroma_height) : format.height;
    }

    /// A texture shifted by `shift` pixels, or guard bytes only.
    explicit Picture(const MardiniFormat &f, int shift = -1) : format(f)
    {
        for (int p = 0; p < num_planes(); p++) {
            const int w = width(p), h = height(p), stride = w + GAP;
            planes[p].assign(static_cast<size_t>(stride * (h + 2)), GUARD);
            frame.data[p] = planes[p].data() + stride;
            frame.stride[p] = stride;
            for (int y = 0; shift >= 0 && y < h; y++)
                for (int x = 0; x < w; x++)
                    frame.data[p][y * stride + x] = static_cast<uint8_t>(
                        128 + 60 * std::sin((x - shift) * 0.5 + p) * std::cos(y * 0.4 + p));
        }
    }
    Picture(const Picture &) = delete;

    bool operator==(const Picture &other) const
    {
        for (int p = 0; p < num_planes(); p++)
            if (planes[p] != other.planes[p])
                return false;
        return true;
    }
    bool guards_stand() const
    {
        for (int p = 0; p < num_planes(); p++) {
            const size_t stride = static_cast<size_t>(width(p) + GAP);
            for (size_t i = 0; i < planes[p].size(); i++) {
                const bool inside = i % stride < static_cast<size_t>(width(p)) && i >= stride &&
                                    i < stride * static_cast<size_t>(height(p) + 1);
                if (!inside && planes[p][i] != GUARD)
                    return false;
            }
        }
        return true;
    }
};

/// One masked frame between two given ones.
void synthesize(const MardiniFormat &format, const Picture &before, const Picture &after,
                Picture &result, int64_t memory = 0)
{
    Messages messages;
    MardiniSettings settings;
    mardini_default_settings(&settings);
    settings.device = "cpu";
    settings.threads = 1;
    settings.memory = memory;
    settings.precision = MARDINI_PRECISION_FP32;
    settings.log = Messages::take;
    settings.log_opaque = &messages;
    MardiniContext *ctx = nullptr;
    REQUIRE(mardini_open(&ctx, &settings, &format) == 0);
    const int64_t ids[] = {0, 1}, key = 0;
    const double times[] = {0, 1}, masked = 0.5;
    float confidence = -1;
    CHECK(mardini_add_frame(ctx, 0, &before.frame) == 0);
    CHECK(mardini_add_frame(ctx, 1, &after.frame) == 0);
    const MardiniWindow window = {2, ids, times, 1, &masked, &key, &result.frame, &confidence};
    CHECK(mardini_make(ctx, &window, 1) == 0);
    CHECK((confidence >= 0 && confidence <= 1));
    mardini_close(&ctx);
    CHECK(messages.loud == "");
}

void check_size(int width, int height, int color, int alpha, int shift_x, int shift_y)
{
    const MardiniFormat format = {width, height, color, alpha, 8, shift_x, shift_y, 0, 0, 0};
    INFO(width << "x" << height << " color " << color << " alpha " << alpha << " chroma " << shift_x
               << shift_y);
    const Picture before(format, 0), after(format, 2);
    Picture still(format), between(format);
    synthesize(format, before, before, still);
    CHECK(still == before); // guards too
    synthesize(format, before, after, between);
    CHECK(between.guards_stand());

    // Along a long side the far end must be as good as the near one: coordinates in half precision
    // are 8 or 16 samples apart there, an error of about 40 codes.
    const bool wide = width >= height;
    const int length = wide ? width : height, part = length / 4, across = wide ? height : width;
    if (length < 4096)
        return;
    const Picture middle(format, 1);
    const auto off = [&](int from) { // mean over a quarter of the length, in codes
        double sum = 0;
        for (int along = from; along < from + part; along++)
            for (int i = 0; i < across; i++) {
                const int64_t at = wide ? i * between.frame.stride[0] + along
                                        : along * between.frame.stride[0] + i;
                sum += std::abs(between.frame.data[0][at] - middle.frame.data[0][at]);
            }
        return sum / across / part;
    };
    CHECK(off(0) < 16);
    CHECK(off(length - part) < off(0) + 3);
}

void check_sizes(int step)
{
    int n = 0;
    for (int side = 1; side <= 130; side += step) {
        const int other[] = {1, 2, 3, 15, 31, 130};
        for (int o : other) {
            // Formats alternate: 4:2:0, 4:4:4, 4:1:0, gray, GBR with alpha.
            const int kind = n++ % 5;
            const int color = kind == 3   ? MARDINI_COLOR_GRAY
                              : kind == 4 ? MARDINI_COLOR_GBR
                                          : MARDINI_COLOR_YUV;
            const int shift = kind == 0 ? 1 : kind == 2 ? 2 : 0;
            check_size(n % 2 ? side : o, n % 2 ? o : side, color, kind == 4, shift, shift);
        }
    }
}

} // namespace

TEST_CASE("sizes from 1x1 to 130x130, some of them")
{
    check_sizes(9);
}

TEST_CASE("sizes from 1x1 to 130x130, 780 pairs", "[.][slow]")
{
    check_sizes(1);
}

TEST_CASE("strips and wide frames are as good at the far end", "[slow]")
{
    check_size(16384, 3, MARDINI_COLOR_YUV, 0, 1, 1);
    check_size(2, 8192, MARDINI_COLOR_GRAY, 0, 0, 0);
    check_size(6000, 400, MARDINI_COLOR_YUV, 0, 1, 1); // matched at full size it would take 2 GB
}

TEST_CASE(
    "memory: too low a limit is refused with a sufficient one, which gives the same frame within "
    "one code")
{
    for (int color : {MARDINI_COLOR_YUV, MARDINI_COLOR_GBR}) {
        const int shift = color == MARDINI_COLOR_YUV;
        const MardiniFormat format = {640, 360, color, 0, 8, shift, shift, 0, 0, 0};
        Messages messages;
        MardiniSettings settings;
        mardini_default_settings(&settings);
        settings.device = "cpu";
        settings.memory = 2;
        settings.log = Messages::take;
        settings.log_opaque = &messages;
        MardiniContext *ctx = nullptr;
        CHECK(mardini_open(&ctx, &settings, &format) == MARDINI_ERR(ENOMEM));
        long wanted = 0;
        INFO(messages.loud);
        REQUIRE(sscanf(messages.loud.c_str(),
                       "memory=2 MB is too little for frames of 640x360: some %ld MB",
                       &wanted) == 1);
        CHECK(wanted > 100);
        CHECK(wanted < 400);

        const Picture before(format, 0), after(format, 2);
        Picture whole(format), tiled(format);
        synthesize(format, before, after, whole);
        synthesize(format, before, after, tiled, wanted);
        CHECK(tiled.guards_stand());
        int most = 0;
        for (int p = 0; p < whole.num_planes(); p++)
            for (size_t i = 0; i < whole.planes[p].size(); i++)
                most = std::max(most, std::abs(whole.planes[p][i] - tiled.planes[p][i]));
        CHECK(most <= 1);
    }
}
