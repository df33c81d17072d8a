// What runs on a CUDA device, run on the processor by loops: our kernels' arithmetic and the
// painter that calls them, against the processor's own pass. tests/test_cuda.cpp does it on a card.
#include "network/compose.h"
#include "paint/cuda.h"

#include "support/catch.h"
#include "support/formats.h"

#include <cstring>
#include <map>

using namespace mardini;

namespace {

/// The kernels as loops. Downloads arrive when they are waited for, as late as a card may deliver
/// them; the caller's memory may be of another context, which only copies reach.
class Loops : public Device {
public:
    bool multiplies_bf16() const override { return false; }

    void pack(const Packing &p) override
    {
        for (int c = 0; c < 6; c++)
            each(p.h, p.w, [&](int y, int x) { pack_sample(p, c, y, x); });
    }
    void difference(const CudaPaintJob &s, float *out) override
    {
        each(s.h, s.w, [&](int y, int x) { difference_cell(s, y, x, out); });
    }
    void sample(const CudaPaintJob &s) override
    {
        each(s.rows, s.w, [&](int y, int x) { sample_cell(s, y, x); });
    }
    void finish(const CudaPaintJob &s) override
    {
        each(s.rows, s.w, [&](int y, int x) { finish_cell(s, y, x); });
    }
    void plane(const CudaPlaneJob &p) override
    {
        each(std::max(p.end - p.begin, 0), p.out.width,
             [&](int y, int x) { plane_sample(p, p.begin + y, x); });
    }

    void *allocate_pinned(size_t bytes) override
    {
        num_pinned++;
        return std::malloc(bytes);
    }
    void free_pinned(void *memory) override
    {
        num_pinned--;
        std::free(memory);
    }
    void upload(int slot, void *to, const void *pinned, size_t bytes) override
    {
        put_off(slot, to, pinned, bytes);
        deliver(slot);
    }
    void download(int slot, void *pinned, const void *from, size_t bytes) override
    {
        put_off(slot, pinned, from, bytes);
    }
    void wait(int slot) override { deliver(slot); }

    bool shares_memory() const override { return is_own_context; }
    void copy_in(const Lines &to, const Lines &callers) override { copy(to, callers); }
    void copy_out(const Lines &callers, const Lines &from) override { copy(callers, from); }
    void begin() override { CHECK(++depth == 1); }
    void end() override { CHECK(--depth == 0); }

    bool is_own_context = true;
    int num_copies = 0, depth = 0;
    inline static int num_pinned = 0;

private:
    template <class Body>
    static void each(int rows, int columns, const Body &body)
    {
        for (int y = 0; y < rows; y++)
            for (int x = 0; x < columns; x++)
                body(y, x);
    }
    void copy(const Lines &to, const Lines &from)
    {
        num_copies++;
        CHECK(to.width == from.width);
        CHECK(to.height == from.height);
        for (size_t y = 0; y < to.height; y++)
            std::memcpy(to.data + y * to.stride, from.data + y * from.stride, to.width);
    }
    void put_off(int slot, void *to, const void *from, size_t bytes)
    {
        const auto *p = static_cast<const uint8_t *>(from);
        CHECK(under_way.count(slot) == 0); // the buffer of a copy that is under way
        under_way[slot] = {to, std::vector<uint8_t>(p, p + bytes)};
    }
    void deliver(int slot)
    {
        auto it = under_way.find(slot);
        if (it == under_way.end())
            return;
        std::memcpy(it->second.first, it->second.second.data(), it->second.second.size());
        under_way.erase(it);
    }
    std::map<int, std::pair<void *, std::vector<uint8_t>>> under_way;
};

/// A frame that owns its planes; lines end in bytes that nobody may touch.
struct Picture {
    explicit Picture(const Geometry &g) : geometry(g)
    {
        const MardiniFormat &f = g.format;
        const int64_t bytes = f.depth > 8 ? 2 : 1;
        const int num_stored = f.interleaved ? 2 : g.num_planes;
        for (int p = 0; p < num_stored; p++) {
            width.push_back(g.plane_width(p) * bytes * (f.interleaved && p == 1 ? 2 : 1));
            frame.stride[p] = width[p] + 6;
            planes.emplace_back(frame.stride[p] * g.plane_height(p), uint8_t{0xa5});
        }
        for (int p = 0; p < num_stored; p++)
            frame.data[p] = planes[p].data();
    }
    Picture(const Picture &) = delete;

    uint8_t *at(int p, int64_t y, int64_t x) const
    {
        const bool shared = geometry.format.interleaved && geometry.is_chroma(p);
        const int64_t bytes = geometry.format.depth > 8 ? 2 : 1;
        return frame.data[shared ? 1 : p] + y * frame.stride[shared ? 1 : p] +
               (shared ? 2 * x + p - 1 : x) * bytes;
    }
    int word(int p, int64_t y, int64_t x) const
    {
        return geometry.format.depth > 8 ? *reinterpret_cast<uint16_t *>(at(p, y, x))
                                         : *at(p, y, x);
    }
    int code(int p, int64_t y, int64_t x) const { return word(p, y, x) >> geometry.format.shift; }
    void set(int p, int64_t y, int64_t x, int code)
    {
        if (geometry.format.depth > 8)
            *reinterpret_cast<uint16_t *>(at(p, y, x)) =
                static_cast<uint16_t>(code << geometry.format.shift);
        else
            *at(p, y, x) = static_cast<uint8_t>(code);
    }
    template <class Body>
    void each(const Body &body) const
    {
        for (int p = 0; p < geometry.num_planes; p++)
            for (int64_t y = 0; y < geometry.plane_height(p); y++)
                for (int64_t x = 0; x < geometry.plane_width(p); x++)
                    body(p, y, x);
    }
    bool borders_are_untouched() const
    {
        for (size_t p = 0; p < planes.size(); p++)
            for (size_t at = 0; at < planes[p].size(); at++)
                if (static_cast<int64_t>(at) % frame.stride[p] >= width[p] && planes[p][at] != 0xa5)
                    return false;
        return true;
    }

    const Geometry &geometry;
    MardiniFrame frame{};
    std::vector<int64_t> width; // bytes
    std::vector<std::vector<uint8_t>> planes;
};

/// Largest difference in codes; the layouts may differ.
int difference(const Picture &a, const Picture &b)
{
    int most = 0;
    a.each([&](int p, int64_t y, int64_t x) {
        most = std::max(most, std::abs(a.code(p, y, x) - b.code(p, y, x)));
    });
    return most;
}

/// Two frames and what is painted between them; the left half of both is equal.
struct Task {
    explicit Task(const MardiniFormat &format, int side = motion_side)
        : g(format, side), before(g), after(g)
    {
        torch::manual_seed(5);
        const int most = (1 << format.depth) - 1;
        for (int p = 0; p < g.num_planes; p++) {
            const int64_t H = g.plane_height(p), W = g.plane_width(p);
            auto texture = [&] {
                return resize(torch::rand({1, 1, H / 6 + 2, W / 6 + 2}), H, W)[0][0].contiguous();
            };
            const Tensor a = texture(), b = texture();
            for (int64_t y = 0; y < H; y++) {
                for (int64_t x = 0; x < W; x++) {
                    const float *from = x < W / 2 ? a.data_ptr<float>() : b.data_ptr<float>();
                    before.set(p, y, x, static_cast<int>(a.data_ptr<float>()[y * W + x] * most));
                    after.set(p, y, x, static_cast<int>(from[y * W + x] * most));
                }
            }
        }
        const int64_t h = g.height / 2 / g.reduction, w = g.width / 2 / g.reduction;
        auto field = [&](int64_t channels, double size) {
            return size * resize(torch::randn({1, channels, h / 4, w / 4}), h, w);
        };
        painting.distance_before = -0.3f;
        painting.distance_after = 0.7f;
        painting.vanish = 0.9f;
        painting.motion = {field(2, 9), field(4, 2), field(4, 1), field(1, 2)};
        painting.hidden = torch::randn({1, 12, h / 2, w / 2});
        painting.dtype = torch::kFloat32;
        const Tensor first = 0.1 * torch::randn({8, 28, 3, 3}),
                     last = 0.2 * torch::randn({23, 8, 3, 3});
        painting.head = [=](const Tensor &x) {
            return at::conv2d(act(at::conv2d(x, first, {}, 1, 1)), last, {}, 1, 1);
        };
    }

    /// By the processor's own pass, which knows no interleaved planes.
    float paint(Picture &out) const
    {
        const Pixels a = take_pixels(g, before.frame), b = take_pixels(g, after.frame);
        PaintJob p = painting;
        p.before = &a, p.after = &b;
        Profile profile;
        return mardini::paint(g, p, out.frame, profile);
    }

    Geometry g;
    Picture before, after;
    PaintJob painting{};
};

/// A painter with both frames of a task.
struct Painter {
    explicit Painter(const Task &task, bool is_own_context = true) : task(task)
    {
        auto device = std::make_unique<Loops>();
        loops = device.get();
        loops->is_own_context = is_own_context;
        card = std::make_unique<CudaPainter>(task.g, std::move(device), torch::kCPU);
        card->warn = [this](const std::string &line) { warnings.push_back(line); };
        CudaPainter::Turn turn(*card);
        before = card->take(task.before.frame);
        after = card->take(task.after.frame);
    }

    float paint(Picture &out)
    {
        CudaPainter::Turn turn(*card);
        card->paint(before, after, task.painting, out.frame);
        return card->finish().at(0);
    }

    const Task &task;
    Loops *loops;
    std::unique_ptr<CudaPainter> card;
    CudaFrame before, after;
    std::vector<std::string> warnings;
};

} // namespace

TEST_CASE("a card's kernels paint what the processor paints, in every format")
{
    torch::NoGradGuard no_grad;
    for (const MardiniFormat &f : formats) {
        for (int side : {400, 40}) {
            Task task(f, side);
            for (bool denoised : {false, true}) {
                if (denoised)
                    task.painting.extra =
                        0.3 * torch::randn({1, 6, task.g.height / 8, task.g.width / 8});
                Picture expected(task.g), made(task.g);
                const float sure = task.paint(expected);
                Painter painter(task);
                INFO(name_of(f) << ", motion at 1/" << task.g.reduction);
                CHECK(painter.paint(made) == Approx(sure).epsilon(1e-4));
                CHECK(difference(made, expected) <= tolerance(f));
                CHECK(difference(made, task.before) > 8 * tolerance(f));
                CHECK(made.borders_are_untouched());
            }
        }
    }
    CHECK(Loops::num_pinned == 0);
}

TEST_CASE("what is equal in both frames leaves a card with its own codes")
{
    torch::NoGradGuard no_grad;
    for (const MardiniFormat &f : formats) {
        const Task task(f);
        Painter painter(task);
        Picture made(task.g);
        painter.paint(made);
        int most = 0;
        made.each([&](int p, int64_t y, int64_t x) {
            if (x < task.g.padded_width(p) / 4)
                most = std::max(most, std::abs(made.code(p, y, x) - task.before.code(p, y, x)));
        });
        INFO(name_of(f));
        CHECK(most == 0);
    }
}

TEST_CASE("a card packs frames as the processor does")
{
    torch::NoGradGuard no_grad;
    for (const MardiniFormat &f : formats) {
        for (int side : {400, 40}) {
            const Task task(f, side);
            Painter painter(task);
            std::vector<Tensor> planes;
            for (int p = 0; p < task.g.num_planes; p++)
                planes.push_back(load_plane(task.g, task.before.frame, p));
            const Tensor expected = reduce(task.g, pack(task.g, planes)),
                         packed = painter.card->pack(painter.before);
            INFO(name_of(f) << ", reduced by " << task.g.reduction);
            REQUIRE(packed.sizes() == expected.sizes());
            CHECK((packed - expected).abs().max().item<float>() < 1e-5); // sums in another order
        }
    }
}

TEST_CASE(
    "frames that lie on the card, interleaved or of another context, come out as those of the host")
{
    torch::NoGradGuard no_grad;
    for (int depth : {8, 10, 16}) {
        const MardiniFormat host = format(94, 67, MARDINI_COLOR_YUV, 0, depth, 1, 1);
        const Task task(host);
        Picture expected(task.g);
        Painter(task).paint(expected);
        for (bool is_interleaved : {false, true}) {
            for (bool is_own_context : {true, false}) {
                MardiniFormat f = host;
                f.on_cuda = 1;
                f.interleaved = is_interleaved;
                f.shift = is_interleaved && depth > 8 ? 16 - depth : 0;
                const Task there(f);
                Painter painter(there, is_own_context);
                Picture made(there.g);
                painter.paint(made);
                INFO("depth " << depth << ", interleaved " << is_interleaved << ", own context "
                              << is_own_context);
                CHECK(difference(made, expected) == 0);
                CHECK(made.borders_are_untouched());
                // Two frames in, one out, plane by plane; none where kernels reach them.
                CHECK(painter.loops->num_copies ==
                      (is_own_context ? 0 : 3 * (is_interleaved ? 2 : 3)));
                int low_bits = 0;
                made.each([&](int p, int64_t y, int64_t x) {
                    low_bits |= made.word(p, y, x) & ((1 << f.shift) - 1);
                });
                CHECK(low_bits == 0);
            }
        }
    }
}

TEST_CASE("more frames than fit under way leave a card in order, each complete")
{
    torch::NoGradGuard no_grad;
    Task task(formats[0]);
    Painter painter(task);
    std::vector<std::unique_ptr<Picture>> made, expected;
    std::vector<float> sure;
    {
        CudaPainter::Turn turn(*painter.card);
        for (int i = 0; i < 7; i++) {
            task.painting.distance_before = -static_cast<float>(i + 1) / 8;
            task.painting.distance_after = 1 + task.painting.distance_before;
            made.push_back(std::make_unique<Picture>(task.g));
            painter.card->paint(painter.before, painter.after, task.painting, made[i]->frame);
            expected.push_back(std::make_unique<Picture>(task.g));
            sure.push_back(task.paint(*expected[i]));
        }
        const std::vector<float> found = painter.card->finish();
        REQUIRE(found.size() == sure.size());
        for (size_t i = 0; i < sure.size(); i++)
            CHECK(found[i] == Approx(sure[i]).epsilon(1e-4));
    }
    for (size_t i = 0; i < made.size(); i++) {
        CHECK(difference(*made[i], *expected[i]) <= 1);
        if (i)
            CHECK(difference(*made[i], *made[i - 1]) > 8);
    }
}

TEST_CASE("a turn that failed leaves nothing to the next")
{
    torch::NoGradGuard no_grad;
    Task task(formats[0]);
    Painter painter(task);
    Picture expected(task.g), made(task.g);
    task.paint(expected);
    const auto head = task.painting.head;
    {
        Picture lost(task.g);
        CudaPainter::Turn turn(*painter.card);
        painter.card->paint(painter.before, painter.after, task.painting, lost.frame);
        task.painting.head = [](const Tensor &) -> Tensor { throw std::runtime_error("lost"); };
        CHECK_THROWS_WITH(
            painter.card->paint(painter.before, painter.after, task.painting, lost.frame), "lost");
    }
    task.painting.head = head;
    painter.paint(made); // whose one frame's confidence is the first
    CHECK(difference(made, expected) <= 1);
}

TEST_CASE("a card short of memory paints the same in smaller bands and says so once")
{
    torch::NoGradGuard no_grad;
    for (const MardiniFormat &f : {formats[0], formats[5], formats[10]}) {
        MardiniFormat tall = f;
        tall.height = 300;
        Task task(tall);
        Picture whole(task.g), banded(task.g);
        Painter roomy(task);
        roomy.paint(whole);
        CHECK(roomy.warnings.empty());

        const auto head = task.painting.head;
        int64_t room = 60;
        task.painting.head = [&](const Tensor &x) {
            if (x.size(2) > room)
                throw c10::OutOfMemoryError({__func__, __FILE__, __LINE__}, "full");
            return head(x);
        };
        Painter painter(task);
        painter.paint(banded);
        INFO(name_of(f));
        CHECK(painter.card->band_rows() == 40);
        CHECK(difference(banded, whole) <= 1); // a convolution's sums may be in another order
        painter.paint(banded);
        REQUIRE(painter.warnings.size() == 1);
        CHECK(painter.warnings[0].find("bands of 80 lines") != std::string::npos);
        room = 0;
        CHECK_THROWS_AS(painter.paint(banded), c10::OutOfMemoryError);
    }
}

TEST_CASE("a motion that is not a number stays within the frame on a card")
{
    torch::NoGradGuard no_grad;
    Task task(formats[0]);
    Painter painter(task);
    Picture made(task.g);
    for (float bad : {NAN, -1e30f, INFINITY}) {
        task.painting.motion.velocity.fill_(bad);
        painter.paint(made);
        CHECK(made.borders_are_untouched());
        int most = 0; // the left half of both frames is equal
        made.each([&](int p, int64_t y, int64_t x) {
            if (x < task.g.plane_width(p) / 4)
                most = std::max(most, std::abs(made.code(p, y, x) - task.before.code(p, y, x)));
        });
        CHECK(most == 0);
    }
}

TEST_CASE("the head's input is rounded to bfloat16 as LibTorch does")
{
    torch::NoGradGuard no_grad;
    Task task(formats[0]);
    Tensor wide, narrow;
    const auto head = task.painting.head;
    task.painting.head = [&](const Tensor &x) {
        (x.dtype() == torch::kFloat32 ? wide : narrow) = x.clone();
        return head(x.to(torch::kFloat32)).to(x.dtype());
    };
    Painter painter(task);
    Picture precise(task.g), rough(task.g);
    painter.paint(precise);
    task.painting.dtype = torch::kBFloat16;
    painter.paint(rough);
    CHECK(at::equal(narrow, wide.to(torch::kBFloat16)));
    CHECK(difference(rough, precise) <= 8); // 8 bits of mantissa on residuals of some tens of codes
}
