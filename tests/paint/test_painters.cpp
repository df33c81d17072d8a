// Every painter against the network: frames of all formats, and what each of them promises.
#include "paint/cpu_painter.h"
#include "paint/torch.h"

#include "support/catch.h"
#include "support/formats.h"

#include "instructions.h"
#include "loops.h"
#include "scene.h"

#include <functional>
#include <string>

using namespace mardini;
using namespace scene;

namespace {

/// body(name, painter) for each of them, which knows the scene's frames.
void with_each_painter(const Scene &scene,
                       const std::function<void(const std::string &, Painter &)> &body)
{
    Restore restore;
    Profile profile;
    auto run = [&](const std::string &name, Painter &painter) {
        prepare(painter, scene);
        INFO(name << ": " << name_of(scene.g.format) << ", motion at 1/" << scene.g.reduction);
        body(name, painter);
    };
    for (auto i : {Instructions::Plain, Instructions::Avx2, Instructions::Avx512}) {
        if (!tried(i))
            continue;
        CpuPainter cpu(scene.g, {scene.network->generator->hidden_channels(), false, false},
                       profile);
        run(std::string("cpu, ") + name_of(i), cpu);
    }
    TorchPainter torch(scene.g, torch::kCPU, profile);
    run("torch", torch);
    run("cuda, in loops", *loops_painter(scene.g));
}

} // namespace

TEST_CASE("every painter's frames are the network's, in every format")
{
    torch::NoGradGuard no_grad;
    for (const MardiniFormat &f : formats) {
        for (int side : {400, 40}) { // motion at full size; reduced by 2 and more
            Scene scene(f, side);
            for (bool is_sampled : {false, true}) {
                if (is_sampled)
                    scene.job.sampled_residual =
                        0.3 * torch::randn({1, 6, scene.g.height / 8, scene.g.width / 8});
                Picture expected(scene.g);
                const float confidence = scene.reference(expected);
                with_each_painter(scene, [&](const std::string &, Painter &painter) {
                    Picture out(scene.g);
                    INFO("sampled " << is_sampled);
                    CHECK(paint(painter, scene.job, out) == Approx(confidence).epsilon(1e-4));
                    CHECK(difference(out, expected) <= tolerance(f));
                    CHECK(difference(out, scene.before) > 8 * tolerance(f));
                    CHECK(scene.equal_part_differs(out) == 0);
                    CHECK(out.borders_are_untouched());
                });
            }
        }
    }
    CHECK(Loops::num_pinned == 0);
}

TEST_CASE("a sampled residual shows")
{
    torch::NoGradGuard no_grad;
    Scene scene(formats[0]);
    PaintJob sampled = scene.job;
    sampled.sampled_residual = 0.3 * torch::randn({1, 6, scene.g.height / 8, scene.g.width / 8});
    with_each_painter(scene, [&](const std::string &, Painter &painter) {
        Picture without(scene.g), with(scene.g);
        paint(painter, scene.job, without);
        paint(painter, sampled, with);
        CHECK(difference(with, without) > 4);
    });
}

TEST_CASE("a single reference frame is moved whole, where nothing changes too")
{
    torch::NoGradGuard no_grad;
    for (const MardiniFormat &f : {formats[0], formats[1], formats[5], formats[10]}) {
        Scene scene(f);
        PaintJob &job = scene.job;
        job.after = before_id;
        job.single_reference = true;
        job.residual_gate = 1;
        job.head = [](const Tensor &x) {
            return at::zeros({1, num_head_outputs, x.size(2), x.size(3)}, x.options());
        };
        Profile profile;
        TorchPainter torch(scene.g, torch::kCPU, profile);
        prepare(torch, scene);
        Picture expected(scene.g);
        const float confidence = paint(torch, job, expected);
        CHECK(scene.equal_part_differs(expected) > 8 * tolerance(f));
        with_each_painter(scene, [&](const std::string &, Painter &painter) {
            Picture out(scene.g);
            CHECK(paint(painter, job, out) == Approx(confidence).epsilon(1e-4));
            CHECK(difference(out, expected) <= tolerance(f));
        });
    }
}

TEST_CASE("a motion that is not a number stays within the frame")
{
    torch::NoGradGuard no_grad;
    Scene scene(formats[0]);
    for (float bad : {NAN, INFINITY, -1e30f}) {
        scene.job.motion.velocity.fill_(bad);
        with_each_painter(scene, [&](const std::string &name, Painter &painter) {
            if (name == "torch") // LibTorch's sampling has no such promise
                return;
            Picture out(scene.g);
            paint(painter, scene.job, out);
            INFO(bad);
            CHECK(out.borders_are_untouched());
            CHECK(scene.equal_part_differs(out) == 0);
        });
    }
}

TEST_CASE("every painter packs frames alike")
{
    torch::NoGradGuard no_grad;
    for (const MardiniFormat &f : formats) {
        for (int side : {400, 40}) {
            const Scene scene(f, side);
            const Tensor expected = reduce(scene.packed(scene.before), scene.g.reduction);
            with_each_painter(scene, [&](const std::string &, Painter &painter) {
                const Tensor input = painter.motion_input(before_id);
                REQUIRE(input.sizes() == expected.sizes());
                CHECK((input - expected).abs().max().item<float>() < 1e-5); // sums in other orders
            });
        }
    }
}

TEST_CASE("a dropped frame is forgotten, and one that is not retained can be painted from again")
{
    torch::NoGradGuard no_grad;
    const Scene scene(formats[10]);
    with_each_painter(scene, [&](const std::string &, Painter &painter) {
        Picture first(scene.g), again(scene.g);
        paint(painter, scene.job, first);
        painter.retain({});
        painter.retain({before_id, after_id});
        paint(painter, scene.job, again);
        CHECK(difference(first, again) == 0);
        painter.drop(before_id);
        CHECK_THROWS(painter.motion_input(before_id));
    });
}
