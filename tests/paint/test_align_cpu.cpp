// Alignment and detail by the processor's kernels against the tensors of network/.
#include "network/detail.h"
#include "simd/align.h"
#include "simd/detail.h"

#include <torch/torch.h>

#include "support/catch.h"

#include "instructions.h"

#include <chrono>
#include <cstdio>

using namespace mardini;

namespace {

/// Run a check with each set of instructions that this processor has, by one thread and by three.
template <class Check>
void with_each_processor(const Check &check)
{
    Restore restore;
    for (auto i : {Instructions::Plain, Instructions::Avx2, Instructions::Avx512}) {
        if (!tried(i))
            continue;
        for (int threads : {1, 3}) {
            at::set_num_threads(threads);
            INFO(name_of(i) << ", " << threads << " threads");
            check();
        }
    }
}

/// Smooth noise of about unit size, features of `size` cells. (N,C,h,w)
Tensor smooth_noise(int64_t N, int64_t C, int64_t h, int64_t w, int64_t size)
{
    return resize(torch::randn({N, C, h / size + 2, w / size + 2}), h, w);
}

/// Masked frames between two pictures which agree but for part of the motion, light and noise.
struct Scene {
    Scene(int64_t N, int64_t H, int64_t W, double at)
    {
        const int64_t h = H / 2, w = W / 2;
        const Tensor luma = 0.3 * smooth_noise(N, 1, H, W, 9) + 0.1 * smooth_noise(N, 1, H, W, 4);
        before = packed(luma);
        after = packed(warp(luma, 2 * smooth_noise(N, 2, H, W, 40), Sampling::Bicubic) +
                       0.04 * smooth_noise(N, 1, H, W, 60));
        motion = {2 * smooth_noise(N, 2, h, w, 20), 0.5 * smooth_noise(N, 4, h, w, 20),
                  2 * smooth_noise(N, 4, h, w, 8), torch::zeros({N, 1, h, w})};
        const Tensor s = at::full({N, 1, 1, 1}, at, torch::kFloat32);
        pairs = {at::arange(N), at::arange(N), -s, 1 - s};
    }

    static Tensor packed(const Tensor &luma)
    {
        const Tensor l = at::pixel_unshuffle(luma.clamp(-1, 1), 2);
        return at::cat({l, at::zeros_like(l.slice(1, 0, 2))}, 1);
    }

    Tensor before, after;
    Motion motion;
    Pairs pairs;
};

double furthest(const Tensor &a, const Tensor &b)
{
    return (a - b).abs().max().item<double>();
}

void check_equal(const Scene &s, const Alignment &expected)
{
    const Alignment a = align(s.before, s.after, s.motion, s.pairs);
    // Kernels keep luma to 1/128 code, and tensors a coordinate to 1e-4 samples; a window that is
    // nearly flat makes some hundred times as much of either.
    CHECK(furthest(a.correction, expected.correction) < 2e-2);
    CHECK(furthest(a.residual_before, expected.residual_before) < 1e-3);
    CHECK(furthest(a.residual_after, expected.residual_after) < 1e-3);
}

} // namespace

TEST_CASE("alignment by kernels is that by tensors")
{
    torch::manual_seed(4);
    const struct {
        int64_t N, H, W;
        double at;
    } cases[] = {{2, 96, 160, 0.5}, {1, 64, 352, 0.25}, {1, 288, 32, 0.9}, {1, 32, 32, 0.5}};
    for (const auto &c : cases) {
        INFO(c.W << "x" << c.H << " at " << c.at);
        const Scene s(c.N, c.H, c.W, c.at);
        const Alignment expected = align_by_tensors(s.before, s.after, s.motion, s.pairs);
        CHECK(expected.correction.abs().max().item<double>() >
              0.5); // there is something to compare
        with_each_processor([&] { check_equal(s, expected); });
    }
}

TEST_CASE("frames beyond both given ones, and of sizes that kernels do not take, are as by tensors")
{
    torch::manual_seed(4);
    for (int64_t W : {64, 72}) {
        Scene s(1, 64, W, 0.5);
        if (W == 64)
            s.pairs.distance_before.fill_(1), s.pairs.distance_after.fill_(2);
        check_equal(s, align_by_tensors(s.before, s.after, s.motion, s.pairs));
    }
}

TEST_CASE("frames of a batch are aligned as alone")
{
    torch::manual_seed(4);
    const Scene s(2, 64, 96, 0.5);
    const Alignment both = align(s.before, s.after, s.motion, s.pairs);
    auto second = [](const Tensor &x) { return x.slice(0, 1, 2); };
    const Motion &m = s.motion;
    const Alignment one =
        align(second(s.before), second(s.after),
              {second(m.velocity), second(m.bend), second(m.visibility), second(m.uncertainty)},
              {second(s.pairs.before), second(s.pairs.after), second(s.pairs.distance_before),
               second(s.pairs.distance_after)});
    CHECK(at::equal(second(both.correction), one.correction));
    CHECK(at::equal(second(both.residual_after), one.residual_after));
}

TEST_CASE("static pictures are corrected by exactly nothing")
{
    torch::manual_seed(4);
    Scene s(1, 96, 160, 0.25);
    s.motion.velocity.zero_(), s.motion.bend.zero_();
    with_each_processor([&] {
        const Alignment a = align(s.before, s.before, s.motion, s.pairs);
        CHECK(a.correction.abs().max().item<double>() == 0);
        CHECK(a.residual_before.abs().max().item<double>() == 0);
        CHECK(a.residual_after.abs().max().item<double>() == 0);
    });
}

/// A plane of codes 0 .. 255 (H,W), kept as `kind`.
static Plane plane_of(const Tensor &codes, Kind kind)
{
    const int64_t H = codes.size(0), W = codes.size(1), m = Plane::margin, stride = W + 2 * m + 16,
                  bytes = kind == Kind::U8    ? 1
                          : kind == Kind::U16 ? 2
                                              : 4;
    Plane p{kind,
            H,
            W,
            stride,
            kind == Kind::U8 ? 1 / 128.0f : 1 / 512.0f,
            -1,
            std::shared_ptr<uint8_t[]>(new uint8_t[(H + 2 * m) * stride * bytes + 64]())};
    if (kind == Kind::F32)
        p.scale = 1, p.offset = 0;
    const Tensor values = codes.contiguous();
    const float *code = values.data_ptr<float>();
    for (int64_t y = 0; y < H; y++)
        for (int64_t x = 0; x < W; x++, code++) {
            uint8_t *to = const_cast<uint8_t *>(p.at(y, x));
            if (kind == Kind::U8)
                *to = static_cast<uint8_t>(*code);
            else if (kind == Kind::U16)
                *reinterpret_cast<uint16_t *>(to) = static_cast<uint16_t>(4 * *code);
            else
                *reinterpret_cast<float *>(to) = (*code - 128) / 128;
        }
    return p;
}

/// The same codes as a packed frame's luma: (1,4,H/2,W/2), -1 .. 1.
static Tensor packed_luma(const Tensor &codes)
{
    return at::pixel_unshuffle(((codes - 128) / 128).unsqueeze(0).unsqueeze(0), 2).contiguous();
}

static const Kind kinds[] = {Kind::U8, Kind::U16, Kind::F32};

TEST_CASE("a pyramid of a frame's own samples is that of its packed values")
{
    torch::manual_seed(4);
    const int64_t H = 64, W = 96;
    const Tensor codes = at::randint(0, 256, {H, W}, torch::kFloat32), packed = packed_luma(codes);
    const LumaPyramid expected = make_pyramid(packed.data_ptr<float>(), H / 2, W / 2);
    auto value = [](const Plane &p, int64_t y, int64_t x) {
        const uint8_t *at = p.at(y, x);
        const float sample = p.kind == Kind::U8 ? *at : *reinterpret_cast<const uint16_t *>(at);
        return sample * p.scale + p.offset;
    };
    with_each_processor([&] {
        for (Kind kind : kinds) {
            const LumaPyramid pyramid = make_pyramid(plane_of(codes, kind));
            float most = 0;
            for (int i = 0; i < 3; i++)
                for (int64_t y = 0; y < H >> i; y++)
                    for (int64_t x = 0; x < W >> i; x++)
                        most = std::max(most, std::abs(value(pyramid.levels[i], y, x) -
                                                       value(expected.levels[i], y, x)));
            CHECK(most == 0); // 8-bit codes and their means are whole numbers of 1/128 code
        }
    });
}

/// What restore_detail() of both kinds restores.
struct Composed {
    explicit Composed(const Scene &s)
        : candidates(mardini::candidates(s.before, s.after, s.motion, s.pairs)),
          composed(compose(candidates, candidates.prior))
    {
        auto [da, db] = displacements(s.motion, s.pairs);
        const Tensor ea = fine_energy(s.before), eb = fine_energy(s.after),
                     weights = at::avg_pool2d(candidates.prior, {2, 2}).softmax(1);
        wanted = (at::cat({warp(ea, da / 2), warp(eb, db / 2), ea, eb}, 1) * weights)
                     .sum(1)
                     .contiguous();
        for (int i = 0; i < 2; i++)
            warped[i] = at::pixel_unshuffle(candidates.luma.select(1, i), 2).contiguous();
        composed = composed.contiguous();
    }

    /// Rows begin .. end - 1 by kernels, from copies of what they may read and nothing else.
    Tensor restored(int64_t begin, int64_t end, float strength) const
    {
        const int64_t h = composed.size(2), w = composed.size(3);
        Tensor out = at::empty({1, 4, end - begin, w}), copies[4];
        const Tensor from[4] = {composed, warped[0], warped[1], wanted.unsqueeze(1)};
        PackedRows<const float> rows[4];
        for (int i = 0; i < 4; i++) {
            const int64_t halo = i ? 1 : detail_halo, first = std::max<int64_t>(begin - halo, 0);
            copies[i] = from[i].slice(2, first, std::min(end + halo, h)).contiguous().clone();
            rows[i] = {copies[i].data_ptr<float>(), first, w, copies[i].size(2) * w};
        }
        restore_detail({h,
                        w,
                        rows[0],
                        rows[1],
                        rows[2],
                        rows[3],
                        strength,
                        {out.data_ptr<float>(), begin, w, (end - begin) * w}},
                       begin, end);
        return out;
    }

    Candidates candidates;
    Tensor composed, wanted, warped[2];
};

static Scene grainy(int64_t H, int64_t W)
{
    Scene s(1, H, W, 0.5);
    for (Tensor *x : {&s.before, &s.after})
        *x = *x + 0.06 * torch::randn(x->sizes());
    return s;
}

TEST_CASE("fine energy by kernels is that by tensors")
{
    torch::manual_seed(4);
    for (auto [H, W] : {std::pair{64, 96}, {32, 160}, {160, 32}}) {
        const Tensor codes = at::randint(0, 256, {H, W}, torch::kFloat32),
                     expected = fine_energy(packed_luma(codes))[0][0];
        with_each_processor([&] {
            for (Kind kind : kinds) {
                Tensor energy = at::empty_like(expected);
                fine_energy(plane_of(codes, kind), energy.data_ptr<float>());
                // Sums of floats in another order: to some 1e-6 of the largest.
                CHECK(furthest(energy, expected) < 1e-5 * expected.max().item<double>());
            }
        });
    }
}

TEST_CASE("detail restored by kernels is that by tensors, the frame whole or in bands")
{
    torch::manual_seed(4);
    torch::NoGradGuard no_grad;
    for (auto [H, W] : {std::pair{96, 128}, {32, 160}, {160, 32}}) {
        const Scene s = grainy(H, W);
        const Composed c(s);
        for (float strength : {0.5f, 1.0f}) {
            const Tensor expected = restore_detail(c.composed, s.before, s.after, s.motion, s.pairs,
                                                   c.candidates, c.candidates.prior, strength)
                                        .slice(1, 0, 4);
            CHECK(furthest(expected, c.composed.slice(1, 0, 4)) > 0.01);
            with_each_processor([&] {
                // Values of about 1, sums of floats in another order.
                CHECK(furthest(c.restored(0, H / 2, strength), expected) < 1e-5);
                for (int64_t y = 0; y < H / 2; y += 7) {
                    const int64_t end = std::min<int64_t>(y + 7, H / 2);
                    CHECK(furthest(c.restored(y, end, strength), expected.slice(2, y, end)) < 1e-5);
                }
            });
        }
    }
}

TEST_CASE("milliseconds of alignment and detail", "[.bench]")
{
    torch::NoGradGuard no_grad;
    for (auto [H, W] : {std::pair{736, 1280}, {1088, 1920}}) {
        const Scene s(1, H, W, 0.5);
        const int64_t h = H / 2, w = W / 2;
        auto time = [](const char *what, const auto &run) {
            double least = 1e9;
            for (int i = 0; i < 12; i++) {
                const auto begin = std::chrono::steady_clock::now();
                run();
                const std::chrono::duration<double, std::milli> t =
                    std::chrono::steady_clock::now() - begin;
                least = std::min(least, t.count());
            }
            std::printf("  %-28s %7.2f ms\n", what, least);
        };
        std::printf("%dx%d, %d threads\n", W, H, at::get_num_threads());
        const Tensor packed = s.before.slice(1, 0, 4).contiguous();
        LumaPyramid a, b = make_pyramid(s.after.data_ptr<float>(), h, w);
        time("pyramid of a frame", [&] { a = make_pyramid(packed.data_ptr<float>(), h, w); });
        auto [da, db] = displacements(s.motion, s.pairs);
        da = da.contiguous(), db = db.contiguous();
        Tensor seen = at::ones({h, w}), v = at::empty({2, h, w}), r = at::empty({h, w});
        const float prior[2] = {-0.7f, -0.7f};
        time("both_see", [&] {
            both_see(s.motion.visibility.data_ptr<float>(), prior, h * w, seen.data_ptr<float>());
        });
        time("align_frame", [&] {
            align_frame({&a, &b, da.data_ptr<float>(), db.data_ptr<float>(), seen.data_ptr<float>(),
                         -0.5f, 0.5f, v.data_ptr<float>(), r.data_ptr<float>(),
                         r.data_ptr<float>()});
        });
        time("align() whole", [&] { align(s.before, s.after, s.motion, s.pairs); });
        const Tensor codes = (128 * at::pixel_shuffle(packed, 2) + 128).round().clamp(0, 255)[0][0];
        const Plane plane = plane_of(codes, Kind::U8);
        time("fine_energy", [&] { fine_energy(plane, seen.data_ptr<float>()); });
        const Tensor out = at::empty({4, h, w});
        const PackedRows<const float> rows{packed.data_ptr<float>(), 0, w, h * w};
        time("restore_detail", [&] {
            restore_detail({h,
                            w,
                            rows,
                            rows,
                            rows,
                            {seen.data_ptr<float>(), 0, w, h * w},
                            0.5f,
                            {out.data_ptr<float>(), 0, w, h * w}},
                           0, h);
        });
    }
}
