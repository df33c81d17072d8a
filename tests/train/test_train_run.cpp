// Batches and whole runs of the trainer: resumed, distilled, each stage with its own loss.
#include "network/checkpoint.h"
#include "train/loader.h"
#include "train/loop.h"
#include "train/losses.h"
#include "train/optimizer.h"
#include "train/report/curves.h"
#include "train/report/report.h"
#include "train/stage_loss.h"

#include <torch/torch.h>

#include "small_run.h"
#include "support/catch.h"

using namespace mardini;
using namespace mardini::train;
namespace fs = std::filesystem;

namespace {

double half_way(int64_t)
{
    return 0.3;
}

double largest_difference(const std::string &a, const std::string &b, const std::string &part)
{
    SafeTensors x = read_safetensors(a), y = read_safetensors(b);
    double largest = 0;
    for (auto &[name, tensor] : x.tensors)
        if (name.rfind(part, 0) == 0)
            largest = std::max(largest, (tensor - y.tensors.at(name)).abs().max().item<double>());
    return largest;
}

} // namespace

TEST_CASE("a time is understood in words")
{
    CHECK(minutes_from("2h") == 120);
    CHECK(minutes_from("1h30m") == 90);
    CHECK(minutes_from("45s") == Approx(0.75));
    CHECK(minutes_from("20") == 20);
    for (const char *wrong : {"", "h", "2x", "-3m", "0", "1h-5m"})
        CHECK_THROWS_WITH(minutes_from(wrong), Catch::Contains("is not understood"));
    CHECK(duration(3 * 3600 + 5 * 60) == "3h05m");
}

TEST_CASE("a batch is a function of seed and step; two shares are the whole")
{
    TrainOptions o = small_run("batches");
    Clips clips(o.data);
    Loader one(o, &clips, nullptr, 0, {}, half_way);
    TrainOptions many = o;
    many.loaders = 3;
    Loader three(many, &clips, nullptr, 0, {}, half_way);
    TrainOptions twice = o;
    twice.batch = 4;
    Loader whole(twice, &clips, nullptr, 5, {}, half_way),
        second(o, &clips, nullptr, 5, {1, 2}, half_way);
    for (int step = 0; step < 6; step++) {
        Batch a = one.next(), b = three.next();
        CHECK(torch::equal(a.references, b.references));
        CHECK(torch::equal(a.masked, b.masked));
        if (step == 5) {
            Batch all = whole.next();
            CHECK(torch::equal(all.masked.slice(0, 0, 2), a.masked));
            CHECK(torch::equal(all.masked.slice(0, 2, 4), second.next().masked));
        }
    }
}

TEST_CASE("what a run may learn from is what its batches hold")
{
    TrainOptions o = small_run("sources");
    o.loaders = 1;
    Clips clips(o.data);
    auto synthetic = [&](double share, double progress) {
        o.synthetic = share;
        Loader loader(o, &clips, nullptr, 0, {}, half_way);
        int count = 0;
        for (int i = 0; i < 8; i++)
            count += loader.make(i, progress).flow.defined();
        return count;
    };
    CHECK(synthetic(0, 0.0) == 0);
    CHECK(synthetic(0, 0.5) == 0);
    CHECK(synthetic(1, 0.5) == 8);
    CHECK(synthetic(0.3, 0.0) == 8); // the first stage starts on exact motion
    o.references = 4;
    Loader loader(o, &clips, nullptr, 0, {}, half_way);
    CHECK(loader.make(1, 0.3).references.size(1) == 4);
}

TEST_CASE("the loader decides a batch's stage once, for its windows and for its loss")
{
    TrainOptions o = small_run("borders");
    o.batch = 1;
    o.large = 0;
    Clips clips(o.data);
    // The curriculum passes a border while batches wait for their steps, as in a run by time.
    double progress = 0.05;
    Loader loader(o, &clips, nullptr, 0, {}, [&](int64_t) { return progress; });
    torch::manual_seed(1);
    Network network(preset("nano"));
    StageLoss stage_loss(o, {}, network, Network{nullptr}, false);
    std::vector<Stage> stages;
    for (int step = 0; step < 6; step++) {
        const Batch batch = loader.next();
        CHECK(loader.make(step, batch.stage == Stage::Motion ? 0.05 : 0.55)
                  .references.equal(batch.references));
        stages.push_back(batch.stage);
        progress = 0.55; // the stage in which the denoiser alone learns
        if (step != 0 && step != 5)
            continue;
        Metrics metrics;
        network->zero_grad();
        stage_loss.loss(batch, metrics).backward();
        CHECK(network->generator->head3->weight.grad().defined() == (step == 0));
        CHECK(metrics.take().contains("diffusion") == (step == 5));
    }
    // Four batches are ahead of the step that moved on, the first of them taken.
    CHECK(std::count(stages.begin(), stages.end(), Stage::Motion) == 5);
    CHECK(stages.back() == Stage::Denoise);
}

TEST_CASE("a shot too short for a stage's windows is a sentence")
{
    TrainOptions o = small_run("short");
    o.data = {sliding_pack(5)};
    o.synthetic = 0;
    o.steps = 50;
    o.stage = "joint";
    o.references = 5;
    CHECK_THROWS_WITH(train::train(o), Catch::Contains("shot long enough for windows of 17"));
}

TEST_CASE("a run that was stopped and resumed equals the unbroken one, losses and weights")
{
    TrainOptions whole = small_run("whole");
    whole.steps = 4;
    train::train(whole);
    TrainOptions first = small_run("first"), second = small_run("second");
    first.steps = second.steps = 2;
    first.end = 0.5;
    train::train(first);
    second.resume = first.out + ".state";
    train::train(second);
    // The same operations in the same order.
    CHECK(largest_difference(whole.out + ".state", second.out + ".state", "weight/") < 1e-6);
    CHECK(largest_difference(whole.out + ".state", second.out + ".state", "average/") < 1e-6);
    auto last_distance = [](const std::string &path) {
        std::string log = ffmpeg::read(path + ".log");
        return nlohmann::json::parse(log.substr(log.rfind('{')))["distance"].get<double>();
    };
    CHECK(last_distance(whole.out) == Approx(last_distance(second.out)).epsilon(1e-3));
}

TEST_CASE("a run leaves its log, its curves and a contact sheet")
{
    TrainOptions o = small_run("pictures");
    o.check = o.data;
    o.steps = 4;
    o.stage = "joint";
    train::train(o);
    const std::string log = ffmpeg::read(o.out + ".log");
    for (const char *name :
         {"loss_without_planner", "loss_without_match", "plan_share", "token_magnitude",
          "unwarped_weight", "diffusion_planner", "diffusion_generator", "check_gain_2x"}) {
        INFO(name);
        CHECK(ffmpeg::count(log, std::string("\"") + name + "\":") >= 1);
    }
    const std::string svg = ffmpeg::read(o.out + ".svg");
    CHECK(ffmpeg::count(svg, "<polyline") >= 5);
    CHECK_THAT(svg, Catch::EndsWith("</svg>\n"));
    // Five pictures of half of 128x96 side by side, as any decoder sees them.
    ffmpeg::Output size =
        ffmpeg::shell("FFMPEG -i " + o.out + ".png -vf format=gray -f rawvideo - | wc -c");
    CHECK(size.err == "");
    CHECK(std::stoi(size.out) == 5 * 64 * 48);
    CHECK(!draw_curves(ffmpeg::scratch("no-such-log"), ffmpeg::scratch("x.svg")));
}

TEST_CASE("the denoiser learns from one reference frame as well, and nothing else learns beside it")
{
    TrainOptions o = small_run("denoiser");
    o.steps = 1;
    o.stage = "interpolate";
    o.rate = 1e-6; // a start
    train::train(o);
    const std::string start = o.out + ".state";
    for (int references : {1, 2}) {
        TrainOptions next = small_run("denoised");
        next.resume = start;
        next.stage = "denoise";
        next.start = 0.6;
        next.synthetic = 0;
        next.steps = 2;
        next.references = references;
        train::train(next);
        CHECK(largest_difference(start, next.out + ".state", "weight/denoiser.") > 1e-6);
        for (const char *part : {"weight/encoder.", "weight/planner.", "weight/generator."})
            CHECK(largest_difference(start, next.out + ".state", part) == 0);
        CHECK_THAT(ffmpeg::read(next.out + ".log"), Catch::Contains("\"sample_spread\":"));
    }
}

TEST_CASE("a larger network to learn from is learned from")
{
    // A larger network whose frames are too bright: a network that learns from it follows.
    torch::manual_seed(5);
    Network bright(preset("small"));
    {
        torch::NoGradGuard no_grad;
        bright->generator->head3->bias.slice(0, 0, packed_channels).fill_(0.5);
    }
    TrainOptions o = small_run("distilled");
    o.synthetic = 0;
    o.batch = 1;
    o.large = 0;
    o.stage = "interpolate";
    Clips clips(o.data);
    const Batch batch = Loader(o, &clips, nullptr, 0, {}, half_way).make(0, 0.3);
    // The gradient by the luma of the output head's residual: negative asks for brighter frames.
    auto gradient = [&](const Network &larger) {
        torch::manual_seed(1);
        Network network(preset("nano"));
        Metrics metrics;
        StageLoss(o, {}, network, larger, false).loss(batch, metrics).backward();
        return network->generator->head3->bias.grad().slice(0, 0, 4).sum().item<double>();
    };
    const double by_itself = gradient(Network{nullptr}), distilled = gradient(bright);
    INFO(by_itself << " by itself, " << distilled << " distilled");
    CHECK(distilled < by_itself - 1e-3);

    // The option names its checkpoint.
    o.distil = ffmpeg::scratch("larger");
    o.steps = 1;
    save_network(o.distil, bright, torch::kFloat32, {});
    CHECK_NOTHROW(train::train(o));
    o.distil = ffmpeg::scratch("no-such-file");
    CHECK_THROWS(train::train(o));
}

TEST_CASE("one clip is memorized", "[slow]")
{
    TrainOptions o = small_run("heart");
    o.batch = 1;
    o.large = 0;
    Clips clips({ffmpeg::source_file("demo/walk.mp4")});
    o.synthetic = 0;
    Loader loader(o, &clips, nullptr, 0, {}, half_way);
    Batch batch = loader.make(0, 0.3);
    Tensor target = batch.masked.flatten(0, 1);
    torch::manual_seed(1);
    Network network(preset("nano"));
    Optimizer optimizer(*network);
    double quality = 0;
    int step = 0;
    for (; step < 3000 && quality < 40.5; step++) {
        network->zero_grad();
        Output out = network->forward(batch.references, batch.reference_times, batch.masked_times);
        losses(out, target, {}, {}).total.backward();
        optimizer.step(step < 1500 ? 2e-3 : 1e-3);
        quality = psnr(out.frames, target).item<double>();
        if (step % 100 == 0)
            std::printf("step %d: %.2f dB\n", step, quality);
    }
    INFO(step << " steps: " << quality << " dB");
    CHECK(quality > 40);
}
