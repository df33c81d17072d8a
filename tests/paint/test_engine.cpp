// The engine: its frames against the network's, and how many frames run at once.
#include "engine/memory.h"
#include "engine_abi.h"
#include "network/checkpoint.h"

#include "support/catch.h"
#include "support/files.h"
#include "support/formats.h"

#include "scene.h"

#include <atomic>
#include <mutex>
#include <new>
#include <set>
#include <string>

using namespace mardini;
using namespace scene;

TEST_CASE("frames run beside each other unless all threads are sooner done one by one")
{
    CHECK(frames_beside(13, 26) == 13);
    CHECK(frames_beside(13, 64) == 13);
    CHECK(frames_beside(5, 64) == 5);
    CHECK(frames_beside(100, 26) == 26);
    for (int64_t left : {1, 2, 7, 100}) { // one thread, or memory for one frame
        INFO(left);
        CHECK(frames_beside(left, 1) == 1);
    }
    CHECK(frames_beside(1, 2) == 1); // the last one: all threads share its layers
    CHECK(frames_beside(2, 2) == 2);
    CHECK(frames_beside(2, 4) == 1);
    CHECK(frames_beside(3, 4) == 3);
    CHECK(frames_beside(4, 8) == 1);
}

TEST_CASE("every frame runs once, also when memory runs out")
{
    FramesAtATime frames(/*is_concurrent=*/true, torch::kCPU, /*bf16=*/false);
    std::string said;
    frames.warn = [&](const std::string &line) { said += line; };
    std::mutex adding;
    std::multiset<int64_t> run;
    const int threads = at::get_num_threads();
    at::set_num_threads(4);
    std::atomic<bool> is_full = true;
    frames.run(9, [&](int64_t i) {
        if (i == 2 && is_full.exchange(false))
            throw std::bad_alloc();
        std::lock_guard lock(adding);
        run.insert(i);
    });
    at::set_num_threads(threads);
    for (int64_t i = 0; i < 9; i++)
        CHECK(run.count(i) >= 1); // a group that failed runs again
    CHECK(said.find("one by one") != std::string::npos);
    CHECK(frames.most() == 1);
}

namespace {

struct OpenEngine {
    OpenEngine(const std::string &checkpoint, const MardiniFormat &format)
    {
        MardiniSettings settings{};
        settings.precision = MARDINI_PRECISION_FP32;
        settings.device = "cpu";
        settings.log = [](void *opaque, int level, const char *line) {
            if (level <= MARDINI_LOG_WARNING)
                static_cast<OpenEngine *>(opaque)->said += line;
        };
        settings.log_opaque = this;
        REQUIRE(functions->open(&engine, &settings, checkpoint.c_str(), &format) == 0);
    }
    ~OpenEngine() { functions->close(engine); }

    const MardiniEngineFunctions *functions = mardini_engine();
    MardiniEngine *engine = nullptr;
    std::string said;
};

} // namespace

TEST_CASE("the engine's frames are the network's")
{
    torch::NoGradGuard no_grad;
    const std::string path = files::scratch("parity.safetensors");
    Network network = awake();
    save_network(path, network, torch::kFloat32);
    const MardiniFormat f = format(128, 96, MARDINI_COLOR_YUV, 0, 8, 1, 1);
    const Scene scene(f);

    OpenEngine e(path, f);
    REQUIRE(e.functions->add_frame(e.engine, 1, &scene.before.frame) == 0);
    REQUIRE(e.functions->add_frame(e.engine, 2, &scene.after.frame) == 0);
    Picture out(scene.g), expected(scene.g);
    const int64_t ids[] = {1, 2}, keys[] = {0};
    const double times[] = {0, 1}, masked[] = {0.375};
    const MardiniWindow window = {2, ids, times, 1, masked, keys, &out.frame, nullptr};
    REQUIRE(e.functions->make(e.engine, &window, 1) == 0);

    const Tensor frame =
        network
            ->forward(at::stack({scene.packed(scene.before), scene.packed(scene.after)}, 1),
                      torch::tensor({0.0f, 8.0f}).view({1, 2}), torch::tensor({3.0f}).view({1, 1}))
            .frames;
    for (int p = 0; p < 3; p++)
        store_plane(scene.g, unpack_change(scene.g, frame, p), 0, expected.frame, p);
    CHECK(difference(out, expected) <= 1);
    CHECK(difference(out, scene.before) > 8);
}

TEST_CASE("a frame that is added twice or not at all is refused, and the engine goes on")
{
    torch::NoGradGuard no_grad;
    const std::string path = files::scratch("twice.safetensors");
    save_network(path, awake(), torch::kFloat32);
    const MardiniFormat f = format(64, 64, MARDINI_COLOR_YUV, 0, 8, 1, 1);
    const Scene scene(f);
    OpenEngine e(path, f);
    REQUIRE(e.functions->add_frame(e.engine, 1, &scene.before.frame) == 0);
    CHECK(e.functions->add_frame(e.engine, 1, &scene.after.frame) == MARDINI_ERR(EINVAL));
    CHECK(e.said.find("Frame 1 was added twice") != std::string::npos);
    double score = -1;
    CHECK(e.functions->compare(e.engine, 1, 2, &score) == MARDINI_ERR(EINVAL));
    CHECK(e.said.find("Frame 2 is not known") != std::string::npos);
    CHECK(e.functions->compare(e.engine, 1, 1, &score) == 0);
    CHECK(score == Approx(0).margin(1e-3));
    e.functions->drop_frame(e.engine, 1);
    CHECK(e.functions->add_frame(e.engine, 1, &scene.after.frame) == 0);
}
