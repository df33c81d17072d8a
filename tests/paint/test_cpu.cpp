// The filter's own loops against the operations that the trainer uses: pixels, matches, cost
// volumes, and the whole engine against the network's forward pass.
#include "engine_abi.h"
#include "network/checkpoint.h"
#include "paint/cpu.h"
#include "simd/dispatch.h"
#include "simd/matching.h"

#include "support/awake.h"
#include "support/catch.h"
#include "support/files.h"
#include "support/formats.h"

#include <ATen/Parallel.h>

#include <cstdlib>

using namespace mardini;

namespace {

/// Smooth noise with edges, -1 .. 1.
Tensor texture(int64_t channels, int64_t h, int64_t w)
{
    return (resize(torch::randn({1, channels, h / 6 + 1, w / 6 + 1}), h, w) +
            0.05 * torch::randn({1, channels, h, w}))
               .clamp(-1.2, 1.2) /
           1.2;
}

/// A frame that owns its planes; lines end in bytes that nobody may touch.
struct Picture {
    explicit Picture(const Geometry &g) : geometry(g)
    {
        for (int p = 0; p < g.num_planes; p++) {
            const int64_t bytes = g.format.depth > 8 ? 2 : 1;
            frame.stride[p] = g.plane_width(p) * bytes + 6;
            planes.emplace_back(frame.stride[p] * g.plane_height(p), uint8_t{0xa5});
        }
        for (int p = 0; p < g.num_planes; p++)
            frame.data[p] = planes[p].data();
    }
    Picture(const Picture &) = delete;

    int code(int p, int64_t y, int64_t x) const
    {
        const uint8_t *line = planes[p].data() + y * frame.stride[p];
        return geometry.format.depth > 8 ? reinterpret_cast<const uint16_t *>(line)[x] : line[x];
    }
    bool borders_are_untouched() const
    {
        for (int p = 0; p < geometry.num_planes; p++)
            for (int64_t y = 0; y < geometry.plane_height(p); y++)
                for (int i = 1; i <= 6; i++)
                    if (planes[p][(y + 1) * frame.stride[p] - i] != 0xa5)
                        return false;
        return true;
    }

    const Geometry &geometry;
    MardiniFrame frame{};
    std::vector<std::vector<uint8_t>> planes;
};

/// Largest difference in codes.
int difference(const Picture &a, const Picture &b)
{
    int most = 0;
    for (int p = 0; p < a.geometry.num_planes; p++)
        for (int64_t y = 0; y < a.geometry.plane_height(p); y++)
            for (int64_t x = 0; x < a.geometry.plane_width(p); x++)
                most = std::max(most, std::abs(a.code(p, y, x) - b.code(p, y, x)));
    return most;
}

/// What a frame is painted from, for any geometry; half of both frames is equal.
struct Scene {
    explicit Scene(const MardiniFormat &format, int side) : g(format, side), before(g), after(g)
    {
        torch::manual_seed(5);
        for (int p = 0; p < g.num_planes; p++) {
            const int64_t H = g.padded_height(p), W = g.padded_width(p);
            Tensor a = texture(1, H, W), b = texture(1, H, W);
            b.slice(3, 0, W / 2) = a.slice(3, 0, W / 2);
            store_plane(g, a, 0, before.frame, p);
            store_plane(g, b, 0, after.frame, p);
        }
        const int64_t h = g.height / 2 / g.reduction, w = g.width / 2 / g.reduction;
        auto field = [&](int64_t channels, double size) {
            return size * resize(torch::randn({1, channels, h / 4, w / 4}), h, w);
        };
        motion = {field(2, 9), field(4, 2), field(4, 1), field(1, 2)};
        hidden = torch::randn({1, network->generator->hidden_channels(), h / 2, w / 2});
        pairs = {torch::tensor({int64_t{0}}), torch::tensor({int64_t{1}}),
                 torch::full({1, 1, 1, 1}, -0.3f), torch::full({1, 1, 1, 1}, 0.7f)};
    }

    float paint(Picture &out, const Tensor &extra = {}) const
    {
        Pixels a = take_pixels(g, before.frame), b = take_pixels(g, after.frame);
        PaintJob p;
        p.before = &a;
        p.after = &b;
        p.distance_before = -0.3f;
        p.distance_after = 0.7f;
        p.vanish = vanishing(pairs).item<float>();
        p.motion = motion;
        p.hidden = hidden;
        p.extra = extra;
        p.head = [this](const Tensor &inputs) { return network->generator->head(inputs); };
        p.dtype = torch::kFloat32;
        Profile profile;
        return mardini::paint(g, p, out.frame, profile);
    }

    /// The same by whole pictures and LibTorch's operations.
    float reference(Picture &out, const Tensor &extra = {}) const
    {
        const int64_t h = g.height / 2, w = g.width / 2;
        std::vector<Tensor> a, b;
        for (int p = 0; p < g.num_planes; p++) {
            a.push_back(load_plane(g, before.frame, p));
            b.push_back(load_plane(g, after.frame, p));
        }
        Tensor pa = pack(g, a), pb = pack(g, b);
        const double r = g.reduction;
        Motion m{resize(motion.velocity, h, w) * r, resize(motion.bend, h, w) * r,
                 resize(motion.visibility, h, w), resize(motion.uncertainty, h, w)};
        Candidates c = candidates(pa, pb, m, pairs);
        Tensor difference =
            at::cat({at::pixel_unshuffle(c.luma.select(1, 0) - c.luma.select(1, 1), 2),
                     c.chroma.select(1, 0) - c.chroma.select(1, 1)},
                    1);
        Tensor still = (pa.slice(1, 0, 4) - pb.slice(1, 0, 4)).abs();
        Finish f = network->generator->finish(compose(c, c.prior), difference, still,
                                              resize(hidden, h, w));
        Tensor vanish = vanishing(pairs), logits = c.prior + unpack_logits(f.visibility),
               change = vanish * f.residual;
        if (extra.defined())
            change = change + resize(extra, h, w);
        Tensor moved = changed(pa, pb), blend = cross_fade(pa, pb, pairs);
        for (int p = 0; p < g.num_planes; p++) {
            if (packed_is_whole(g.format) && (p == 0 || g.is_chroma(p))) {
                store_plane(
                    g, unpack_change(g, blend + moved * (compose(c, logits) + change - blend), p),
                    0, out.frame, p);
                continue;
            }
            const int64_t H = a[p].size(2), W = a[p].size(3);
            auto [da, db] = displacements(m, pairs);
            Tensor scale =
                at::tensor({0.5 * W / w, 0.5 * H / h}).view({1, 2, 1, 1}).to(torch::kFloat32);
            Tensor all =
                at::cat({warp(a[p], resize(da, H, W) * scale, Sampling::Bicubic),
                         warp(b[p], resize(db, H, W) * scale, Sampling::Bicubic), a[p], b[p]},
                        1);
            Tensor weights = at::adaptive_avg_pool2d(logits, {H, W}).softmax(1);
            Tensor fade = cross_fade(a[p], b[p], pairs);
            Tensor made = (all * weights).sum(1, true) + unpack_change(g, change, p);
            store_plane(g, fade + resize(moved, H, W) * (made - fade), 0, out.frame, p);
        }
        Tensor u = vanish * at::softplus(m.uncertainty + f.uncertainty - 4) * moved;
        return (1 / (1 + 16 * u.slice(2, 0, (g.format.height + 1) / 2))).mean().item<float>();
    }

    Geometry g;
    Picture before, after;
    Motion motion;
    Tensor hidden;
    Pairs pairs;
    mutable Network network = awake();
};

struct Restore {
    Instructions before = instructions();
    int threads = at::get_num_threads();
    ~Restore()
    {
        use_instructions(before);
        at::set_num_threads(threads);
    }
};

/// Our loops in these instructions from now on; false, and said, if the processor has them not.
bool tried(Instructions i)
{
    static const char *const names[] = {"plain", "AVX2", "AVX-512"};
    const bool done = use_instructions(i);
    if (!done)
        std::printf("skipped: our loops in %s, which this processor or LibTorch lacks\n",
                    names[static_cast<int>(i)]);
    return done;
}

/// How far a frame is from the given ones, at most, where both are equal, the left quarter. In
/// codes.
int equal_part_differs(const Scene &scene, const Picture &made)
{
    int most = 0;
    for (int p = 0; p < scene.g.num_planes; p++)
        for (int64_t y = 0; y < scene.g.plane_height(p); y++)
            for (int64_t x = 0; x < scene.g.padded_width(p) / 4; x++)
                most = std::max(most, std::abs(made.code(p, y, x) - scene.before.code(p, y, x)));
    return most;
}

} // namespace

TEST_CASE("painting equals whole pictures of LibTorch's operations in every format, with all "
          "instructions")
{
    torch::NoGradGuard no_grad;
    Restore restore;
    for (const MardiniFormat &f : formats) {
        for (int side : {400, 40}) { // motion at full size; reduced by 2 and more
            const Scene scene(f, side);
            Picture expected(scene.g);
            const float sure = scene.reference(expected);
            for (Instructions i : {Instructions::Plain, Instructions::Avx2, Instructions::Avx512}) {
                if (!tried(i))
                    continue;
                Picture made(scene.g);
                const float certainty = scene.paint(made);
                INFO(name_of(f) << ", motion at 1/" << scene.g.reduction << ", instructions "
                                << static_cast<int>(i));
                CHECK(difference(made, expected) <= tolerance(f));
                CHECK(difference(made, scene.before) > 8 * tolerance(f));
                CHECK(made.borders_are_untouched());
                CHECK(certainty == Approx(sure).epsilon(1e-4));
            }
        }
    }
}

TEST_CASE("a denoiser's change of any size is added")
{
    torch::NoGradGuard no_grad;
    const Scene scene(formats[0], 400);
    Tensor extra = 0.3 * torch::randn({1, 6, scene.g.height / 8, scene.g.width / 8});
    Picture expected(scene.g), made(scene.g), without(scene.g);
    scene.reference(expected, extra);
    scene.paint(made, extra);
    scene.paint(without);
    CHECK(difference(made, expected) <= 1);
    CHECK(difference(made, without) > 4);
}

TEST_CASE("what is equal in both frames comes out with its own codes")
{
    torch::NoGradGuard no_grad;
    for (const MardiniFormat &f : formats) {
        const Scene scene(f, 400);
        Picture made(scene.g);
        scene.paint(made);
        INFO(name_of(f));
        CHECK(equal_part_differs(scene, made) == 0);
    }
}

TEST_CASE("the number of threads does not show")
{
    torch::NoGradGuard no_grad;
    Restore restore;
    const Scene scene(formats[0], 400);
    Picture one(scene.g), three(scene.g);
    at::set_num_threads(1);
    const float a = scene.paint(one);
    at::set_num_threads(3);
    const float b = scene.paint(three);
    CHECK(difference(one, three) <= 1); // the head's convolutions may add up in another order
    CHECK(a == Approx(b).epsilon(1e-5));
}

TEST_CASE("a motion that is not a number stays within the frame")
{
    torch::NoGradGuard no_grad;
    Scene scene(formats[0], 400);
    for (float bad : {NAN, INFINITY, -1e30f}) {
        scene.motion.velocity.fill_(bad);
        Picture made(scene.g);
        scene.paint(made);
        INFO(bad);
        CHECK(made.borders_are_untouched());
        CHECK(equal_part_differs(scene, made) ==
              0); // what is equal in both is neither black nor torn
    }
}

TEST_CASE("cost volumes, warps and matches without gradients equal those with")
{
    Restore restore;
    torch::manual_seed(4);
    Tensor a = torch::randn({2, 33, 20, 44}), b = torch::randn({2, 33, 20, 44}),
           flow = 7 * torch::randn({2, 2, 20, 44});
    Network network = awake();
    // Cells of more rows than a match may lie apart.
    Tensor wide = resize(torch::randn({1, packed_channels, 40, 40}) * 0.5, 160, 160);
    Features fa = network->encoder(wide.slice(3, 0, 128).contiguous());
    Features fb = network->encoder(wide.slice(3, 12, 140).contiguous());
    Match expected = network->encoder->match(fa, fb);
    const double unlike = unlikeness(fa, fb);
    for (int radius : {2, 3}) {
        Tensor volume = cost_volume(a, b, radius), warped = warp(a, flow); // gradients are on
        for (Instructions i : {Instructions::Plain, Instructions::Avx2, Instructions::Avx512}) {
            torch::NoGradGuard no_grad;
            if (!tried(i))
                continue;
            INFO("radius " << radius << ", instructions " << static_cast<int>(i));
            REQUIRE(search_is_possible(a));
            CHECK((cost_volume(a, b, radius) - volume).abs().max().item<double>() < 1e-5);
            CHECK((warp(a, flow) - warped).abs().max().item<double>() <
                  1e-4); // coordinates' rounding
            Match m = network->encoder->match(fa, fb);
            CHECK((m.forward - expected.forward).abs().max().item<double>() < 1e-2); // pixels
            CHECK((m.backward - expected.backward).abs().max().item<double>() < 1e-2);
            CHECK((m.confidence_forward - expected.confidence_forward).abs().max().item<double>() <
                  1e-4);
            CHECK(
                (m.confidence_backward - expected.confidence_backward).abs().max().item<double>() <
                1e-4);
            CHECK(unlikeness(fa, fb) == Approx(unlike).margin(1e-6));
        }
    }
}

TEST_CASE("a convolution's input in one pass is that of cat, whatever the layout of its parts")
{
    torch::NoGradGuard no_grad;
    Restore restore;
    torch::manual_seed(6);
    for (int64_t w : {4, 33}) {
        Tensor a = torch::randn({1, 70, 5, w}), b = torch::randn({1, 3, 5, w}).to(torch::kBFloat16);
        Tensor c = torch::randn({1, 5, w, 9}).permute({0, 3, 1, 2}),
               d = torch::full({1, 1, 1, 1}, 0.3f).expand({1, 2, 5, w});
        Tensor expected = at::cat({a, b.to(torch::kFloat32), c, d}, 1);
        for (Instructions i : {Instructions::Plain, Instructions::Avx2, Instructions::Avx512}) {
            if (!tried(i))
                continue;
            INFO(w << " columns, instructions " << static_cast<int>(i));
            for (auto type : {torch::kFloat32, torch::kBFloat16}) {
                Tensor made = join_channels({a, b, c, d}, type);
                CHECK(torch::equal(made, expected.to(type)));
                CHECK(made.is_contiguous(at::MemoryFormat::ChannelsLast));
            }
            Tensor far = (a.slice(1, 0, 9) - c).abs().mean(1, true); // summed in another order
            CHECK((mean_distance(a.slice(1, 0, 9), c) - far).abs().max().item<double>() < 1e-6);
        }
    }
}

TEST_CASE("matches: what lies around a cell tells where it went")
{
    torch::manual_seed(1);
    const int64_t h = 16, w = 32, channels = 16;
    const Tensor field = torch::randn({h + 1, w + 3, channels});
    const Tensor left = field.slice(0, 1).slice(1, 3).reshape(
        {h * w, channels}); // one's (y,x) is the other's (y+1,x+3)
    const Tensor right =
        (field.slice(0, 0, h).slice(1, 0, w) + 1.5 * torch::randn({h, w, channels}))
            .reshape({h * w, channels});
    auto found = [&](int support) { // share of those that are not at the border
        const Tensor there =
            search_cells(left, right, h, w, support, /*penalty=*/0, /*rows=*/16, /*reach=*/0).there;
        const Tensor hit = (there == torch::arange(h * w) + w + 3)
                               .view({h, w})
                               .slice(0, 0, h - 1)
                               .slice(1, 0, w - 3);
        return hit.to(torch::kFloat).mean().item<double>();
    };
    CHECK(found(0) < 0.6); // each by itself drowns in noise
    CHECK(found(2) > 0.95);
}

TEST_CASE("the filter's frames are the network's")
{
    torch::NoGradGuard no_grad;
    const std::string path = files::scratch("parity.safetensors");
    Network network = awake();
    save_network(path, network, torch::kFloat32);
    const MardiniFormat f = format(128, 96, MARDINI_COLOR_YUV, 0, 8, 1, 1);
    const Scene scene(f, 400);

    MardiniSettings settings{};
    settings.precision = MARDINI_PRECISION_FP32;
    settings.device = "cpu";
    const MardiniEngineFunctions *functions = mardini_engine();
    MardiniEngine *engine = nullptr;
    REQUIRE(functions->open(&engine, &settings, path.c_str(), &f) == 0);
    REQUIRE(functions->add_frame(engine, 1, &scene.before.frame) == 0);
    REQUIRE(functions->add_frame(engine, 2, &scene.after.frame) == 0);
    Picture made(scene.g), expected(scene.g);
    const int64_t ids[] = {1, 2}, keys[] = {0};
    const double times[] = {0, 1}, masked[] = {0.375};
    const MardiniWindow window = {2, ids, times, 1, masked, keys, &made.frame, nullptr};
    REQUIRE(functions->make(engine, &window, 1) == 0);
    functions->close(engine);

    std::vector<Tensor> packed;
    for (const Picture *picture : {&scene.before, &scene.after}) {
        std::vector<Tensor> planes;
        for (int p = 0; p < 3; p++)
            planes.push_back(load_plane(scene.g, picture->frame, p));
        packed.push_back(pack(scene.g, planes));
    }
    Tensor frame =
        network
            ->forward(at::stack({packed[0], packed[1]}, 1),
                      torch::tensor({0.0f, 8.0f}).view({1, 2}), torch::tensor({3.0f}).view({1, 1}))
            .frames;
    for (int p = 0; p < 3; p++)
        store_plane(scene.g, unpack_change(scene.g, frame, p), 0, expected.frame, p);
    CHECK(difference(made, expected) <= 1);
    CHECK(difference(made, scene.before) > 8);
}
