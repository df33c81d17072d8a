// Sampling steps through the engine and the filter: what they change, and what they leave alone.
#include "engine_abi.h"
#include "network/checkpoint.h"
#include "support/ffmpeg.h"

#include "support/catch.h"

using namespace mardini;

namespace {

/// A checkpoint of a nano whose zero-initialised parts are woken, the denoiser too unless it is to
/// be left out.
std::string checkpoint(bool denoiser)
{
    torch::manual_seed(7);
    Network network(preset("nano"));
    torch::NoGradGuard no_grad;
    for (auto &p : network->named_parameters())
        if (denoiser || p.key().rfind("denoiser.", 0) != 0)
            p.value().add_(0.02 * torch::randn_like(p.value()));
    network->generator->head3->bias.slice(0, -1) += 2; // unsure by some sixteen codes
    const std::string path =
        ffmpeg::scratch(denoiser ? "sampling.safetensors" : "no-denoiser.safetensors");
    save_network(path, network, torch::kFloat32);
    return path;
}

/// 4:2:0 of 8 bits. The left half is the same at every shift.
struct Picture {
    static constexpr int w = 160, h = 96;

    explicit Picture(int shift = 0)
    {
        for (int p = 0; p < 3; p++) {
            const int width = p ? w / 2 : w, height = p ? h / 2 : h;
            for (int y = 0; y < height; y++)
                for (int x = 0; x < width; x++) {
                    const int u = x < width / 2 ? x : x + (p ? shift / 2 : shift);
                    planes[p].push_back(static_cast<uint8_t>(
                        90 + 60 * std::sin(0.21 * u) * std::cos(0.13 * y) + u * 7 % 11));
                }
            frame.data[p] = planes[p].data();
            frame.stride[p] = width;
        }
    }
    Picture(const Picture &) = delete;
    bool operator==(const Picture &o) const { return std::equal(planes, planes + 3, o.planes); }

    /// Largest difference of luma in columns [from, to), in codes.
    int difference(const Picture &o, int from, int to) const
    {
        int most = 0;
        for (int i = 0; i < w * h; i++)
            if (i % w >= from && i % w < to)
                most = std::max(most, std::abs(planes[0][i] - o.planes[0][i]));
        return most;
    }

    std::vector<uint8_t> planes[3];
    MardiniFrame frame{};
};

const MardiniFormat format = {Picture::w, Picture::h, MARDINI_COLOR_YUV, 0, 8, 1, 1, 0, 0, 0};

/// An engine with two frames that it was shown.
class Run {
public:
    Run(const std::string &path, int steps, int64_t seed)
    {
        MardiniSettings settings{};
        settings.device = "cpu";
        settings.precision = MARDINI_PRECISION_FP32;
        settings.steps = steps;
        settings.seed = seed;
        settings.log = [](void *opaque, int, const char *line) {
            static_cast<Run *>(opaque)->said += line + std::string("\n");
        };
        settings.log_opaque = this;
        code = functions->open(&engine, &settings, path.c_str(), &format);
        if (code == 0) {
            functions->add_frame(engine, 1, &before.frame);
            functions->add_frame(engine, 2, &after.frame);
        }
    }
    ~Run() { close(); }
    Run(const Run &) = delete;

    int make(const std::vector<double> &masked, std::vector<Picture> &out, int64_t key = 40)
    {
        const int64_t ids[] = {1, 2};
        const double times[] = {0, 1};
        const std::vector<int64_t> keys(masked.size(), key);
        std::vector<MardiniFrame> frames;
        for (const Picture &picture : out)
            frames.push_back(picture.frame);
        const MardiniWindow window = {
            2,           ids,           times,  static_cast<int>(masked.size()), masked.data(),
            keys.data(), frames.data(), nullptr};
        return functions->make(engine, &window, 1);
    }
    void close()
    {
        if (engine)
            functions->close(engine);
        engine = nullptr;
    }

    const MardiniEngineFunctions *functions = mardini_engine();
    MardiniEngine *engine = nullptr;
    int code;
    const Picture before{0}, after{6};
    std::string said;
};

} // namespace

TEST_CASE("noise shows where the network is unsure, and nowhere else")
{
    const std::string path = checkpoint(true);
    std::vector<Picture> plain(1), one(1), again(1), other(1), key(1);
    REQUIRE(Run(path, 0, 1).make({0.5}, plain) == 0);
    REQUIRE(Run(path, 1, 1).make({0.5}, one) == 0);
    REQUIRE(Run(path, 1, 1).make({0.5}, again) == 0);
    REQUIRE(Run(path, 1, 2).make({0.5}, other) == 0);
    REQUIRE(Run(path, 1, 1).make({0.5}, key, 41) == 0);
    CHECK(one[0] == again[0]);
    const Picture given;
    for (const Picture *made : {&plain[0], &one[0], &other[0], &key[0]}) // far from all that moves
        CHECK(made->difference(given, 0, Picture::w / 2 - 16) == 0);
    CHECK(one[0].difference(plain[0], Picture::w / 2, Picture::w) > 2);
    CHECK(one[0].difference(other[0], Picture::w / 2, Picture::w) > 2);
    CHECK(one[0].difference(key[0], Picture::w / 2, Picture::w) > 2);
    // Towards a given frame noise vanishes with all else.
    std::vector<Picture> near(1);
    REQUIRE(Run(path, 1, 1).make({1e-5}, near) == 0);
    CHECK(near[0].difference(given, 0, Picture::w) <= 1);
}

TEST_CASE("any number of steps: the planner once a window, and frames made alone or together agree")
{
    const std::string path = checkpoint(true);
    const std::vector<double> times = {0.25, 0.5, 0.75};
    for (int steps : {1, 3, 8}) {
        Run together(path, steps, 3);
        std::vector<Picture> made(3), alone(1), plain(3);
        REQUIRE(together.make(times, made) == 0);
        together.close();
        INFO(steps << " steps: " << together.said);
        const size_t at = together.said.find(" planner ");
        REQUIRE(at != std::string::npos);
        // The given frames are read, the masked ones planned.
        CHECK(together.said.substr(together.said.find('(', at), 3) == "(2)");
        CHECK(together.said.find("(3)", together.said.find(" denoise ")) != std::string::npos);
        Run by_one(path, steps, 3), without(path, 0, 3);
        REQUIRE(without.make(times, plain) == 0);
        for (int i = 0; i < 3; i++) {
            REQUIRE(by_one.make({times[i]}, alone) == 0);
            CHECK(alone[0].difference(made[i], 0, Picture::w) <=
                  1); // products of other shapes round differently
            CHECK_FALSE(made[i] == plain[i]);
            // What is not a number would be stored as the middle or an end of the range.
            CHECK(made[i].difference(plain[i], 0, Picture::w) < 100);
        }
    }
}

TEST_CASE("the same steps in bf16 and at a reduced motion resolution")
{
    const std::string model = checkpoint(true);
    for (const char *size : {"96x64", "832x832"}) {
        const std::string source = std::string("testsrc2=s=") + size + ":r=24,trim=end_frame=3";
        const std::string filter = ",mardini=mode=slowmo:factor=2:scd=none:model='" + model + "'";
        const ffmpeg::Clip given = ffmpeg::graph(source), plain = ffmpeg::graph(source + filter);
        for (const char *precision : {"fp32", "bf16"}) {
            const std::string sampling = filter + ":steps=2:precision=" + precision;
            const ffmpeg::Clip one = ffmpeg::graph(source + sampling + ":seed=1"),
                               two = ffmpeg::graph(source + sampling + ":seed=2");
            INFO(size << " " << precision << "\n" << one.output.err);
            CHECK(one.output.err == "");
            REQUIRE(one.frames.size() == 5);
            REQUIRE(two.frames.size() == 5);
            for (size_t k = 0; k < 5; k++) {
                if (k % 2 == 0)
                    CHECK(one.frames[k].hash == given.frames[k / 2].hash);
                else
                    CHECK(one.frames[k].hash != two.frames[k].hash);
            }
            CHECK(one.frames[1].hash != plain.frames[1].hash);
        }
    }
}

TEST_CASE("sampled: a piece with its neighbours equals the whole, a still clip its own codes")
{
    const std::string filter =
        ",mardini=mode=slowmo:factor=3:scd=none:steps=2:seed=5:model='" + checkpoint(true) + "'";
    const std::string source = "testsrc2=s=64x48:r=24,trim=end_frame=8";
    const ffmpeg::Clip whole = ffmpeg::graph(source + filter);
    const ffmpeg::Clip piece = ffmpeg::graph(source + ",trim=start_frame=2:end_frame=7" + filter);
    INFO(whole.output.err << piece.output.err);
    REQUIRE(whole.frames.size() == 22);
    REQUIRE(piece.frames.size() == 13);
    for (size_t k = 3; k <= 9; k++)
        CHECK(piece.frames[k].hash == whole.frames[k + 6].hash);
    const std::string still =
        "testsrc2=s=64x48:r=24,trim=end_frame=1,loop=loop=2:size=1:start=0,setpts=N/24/TB";
    const ffmpeg::Clip out = ffmpeg::graph(still + filter);
    REQUIRE(out.frames.size() == 7);
    for (const ffmpeg::Frame &frame : out.frames)
        CHECK(frame.hash == out.frames[0].hash);
}

TEST_CASE("steps without a trained denoiser are refused in one sentence")
{
    const std::string path = checkpoint(false);
    Run run(path, 2, 0);
    CHECK(run.code == MARDINI_ERR(ENOSYS));
    CHECK(run.said ==
          "steps=2 was asked for, but \"" + path + "\" has no trained denoiser; use steps=0.\n");
    std::vector<Picture> made(1);
    Run plain(path, -1, 0);
    CHECK(plain.code == 0);
    CHECK(plain.make({0.5}, made) == 0);
}
