// Whole runs of the trainer: gone on with, killed, on a full disk, in two processes, on one clip.
#include "network/checkpoint.h"
#include "train/data/clips.h"
#include "train/report/curves.h"
#include "train/report/validation.h"
#include "train/loader.h"
#include "train/losses.h"
#include "train/optimizer.h"
#include "train/report/report.h"

#include <torch/torch.h>

#include "support/catch.h"
#include "support/ffmpeg.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>

using namespace mardini;
using namespace mardini::train;
namespace fs = std::filesystem;

namespace {

/// A clip of smooth waves that slide, as a pack: `frames` frames, 3 pixels a frame.
std::string sliding_pack(int frames = 40)
{
    const std::string path = ffmpeg::scratch("sliding.pack");
    constexpr int width = 128, height = 96;
    PackWriter writer(path);
    writer.begin_video("sliding-1.mp4", width, height, 25);
    std::vector<uint8_t> frame(width * height * 3 / 2, 128);
    for (int f = 0; f < frames; f++) {
        for (int y = 0; y < height; y++)
            for (int x = 0; x < width; x++)
                frame[y * width + x] =
                    static_cast<uint8_t>(128 + 50 * std::sin((x + 3 * f) * 0.21 + y * 0.05) +
                                         40 * std::cos(y * 0.17 - (x + 3 * f) * 0.07));
        writer.add_frame(frame.data());
    }
    writer.end_video();
    writer.finish();
    return path;
}

/// A port that nobody listens at.
int free_port()
{
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    socklen_t size = sizeof address;
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const bool bound = bind(fd, reinterpret_cast<sockaddr *>(&address), size) == 0 &&
                       getsockname(fd, reinterpret_cast<sockaddr *>(&address), &size) == 0;
    close(fd);
    REQUIRE(bound);
    return ntohs(address.sin_port);
}

TrainOptions small_run(const std::string &out)
{
    TrainOptions o;
    o.data = {sliding_pack()};
    o.out = ffmpeg::scratch(out);
    o.crop = 64;
    o.batch = 2;
    o.threads = 1;
    o.bf16 = false;
    o.log_every = 2;
    for (const char *ending : {"", ".state", ".log", ".svg", ".png"})
        fs::remove(o.out + ending);
    return o;
}

/// The program with a small run's flags; WORDS stand before it.
ffmpeg::Output program(const std::string &flags, const std::string &words = "")
{
    return ffmpeg::shell(words + " " + ffmpeg::mardini() +
                         " train --crop 64 --threads 1 --bf16 0 " + flags);
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
    auto half_way = [](int64_t) { return 0.3; };
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
        CHECK(torch::equal(a.given, b.given));
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
        Loader loader(o, &clips, nullptr, 0, {}, [=](int64_t) { return progress; });
        int count = 0;
        for (int i = 0; i < 8; i++)
            count += loader.make(i).flow.defined();
        return count;
    };
    CHECK(synthetic(0, 0.0) == 0);
    CHECK(synthetic(0, 0.5) == 0);
    CHECK(synthetic(1, 0.5) == 8);
    CHECK(synthetic(0.3, 0.0) == 8); // the first stage starts on exact motion
    o.references = 4;
    Loader loader(o, &clips, nullptr, 0, {}, [](int64_t) { return 0.3; });
    CHECK(loader.make(1).given.size(1) == 4);
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

TEST_CASE("a run that was stopped and gone on with equals the unbroken one, losses and weights")
{
    TrainOptions whole = small_run("whole");
    whole.steps = 8;
    train::train(whole);
    TrainOptions first = small_run("first"), second = small_run("second");
    first.steps = second.steps = 4;
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

TEST_CASE("two processes equal one with the doubled batch")
{
    const std::string data = sliding_pack(), one = ffmpeg::scratch("one"),
                      two = ffmpeg::scratch("two");
    // Up to the stages that draw noise, which each process draws for itself.
    const std::string flags =
        "--data " + data + " --steps 4 --large 0 --end 0.4 --start 0.05 --out ";
    ffmpeg::Output o = program("--batch 4 " + flags + one);
    INFO(o.err);
    REQUIRE(o.status == 0);
    const std::string world =
        "WORLD_SIZE=2 MASTER_ADDR=127.0.0.1 MASTER_PORT=" + std::to_string(free_port());
    const std::string run =
        " " + ffmpeg::mardini() + " train --crop 64 --threads 1 --bf16 0 --batch 2 " + flags + two;
    o = ffmpeg::shell(world + " RANK=1 timeout 300" + run + " & " + world + " RANK=0 timeout 300" +
                      run + "; status=$?; wait $! && exit $status");
    INFO(o.err);
    REQUIRE(o.status == 0);
    // The first moments are sums of the gradients: the sums' order differs, and float32 has 24
    // bits. The weights follow their sign alone in the first steps, so that they say less.
    SafeTensors a = read_safetensors(one + ".state"), b = read_safetensors(two + ".state");
    double difference = 0, size = 0;
    for (auto &[name, tensor] : a.tensors)
        if (name.rfind("first/", 0) == 0) {
            difference += (tensor - b.tensors.at(name)).square().sum().item<double>();
            size += tensor.square().sum().item<double>();
        }
    CHECK(size > 0);
    CHECK(std::sqrt(difference / size) < 1e-3);
    CHECK(a.metadata["steps"] == b.metadata["steps"]);
}

TEST_CASE("an incomplete environment of processes is a sentence")
{
    ffmpeg::Output o =
        program("--steps 1 --data " + sliding_pack() + " --out " + ffmpeg::scratch("alone"),
                "WORLD_SIZE=2 RANK=0");
    CHECK(o.status == 1);
    CHECK_THAT(o.err, Catch::Contains("MASTER_ADDR"));
}

TEST_CASE("killed at any moment, what was saved is whole")
{
    const std::string out = ffmpeg::scratch("killed"),
                      flags = "--steps 100000 --batch 1 --save-minutes 0 --log-every 1 --data " +
                              sliding_pack() + " --out " + out;
    fs::remove(out + ".state");
    int64_t steps = -1;
    for (const char *moment :
         {"0", ".1", ".25",
          ".6"}) { // seconds after the first save, while it saves after every step
        const std::string resume = fs::exists(out + ".state") ? " --resume " + out + ".state" : "",
                          mark = ffmpeg::scratch("mark");
        const ffmpeg::Output o =
            ffmpeg::shell("touch '" + mark + "'; " + ffmpeg::mardini() +
                          " train --crop 64 --threads 1 --bf16 0 " + flags + resume +
                          " & p=$!; i=0; until [ '" + out + "' -nt '" + mark +
                          "' ] || [ $i -ge 1200 ]; do sleep .1; i=$((i + 1)); done; sleep " +
                          moment + "; kill -KILL $p; wait $p");
        INFO(o.err);
        REQUIRE(o.status == 128 + SIGKILL); // not by itself
        SafeTensors state = read_safetensors(out + ".state");
        CHECK(std::stoll(state.metadata.at("steps")) >= steps); // nothing is lost
        steps = std::stoll(state.metadata.at("steps"));
        CHECK_NOTHROW(load_network(out));
    }
    CHECK(steps > 0);
}

TEST_CASE("a full disk is said, the run goes on, and its end fails in one sentence")
{
    const std::string out = ffmpeg::scratch("full");
    // Files may have 100 kB: enough for the log, too little for a checkpoint.
    ffmpeg::Output o =
        program("--steps 2 --batch 1 --save-minutes 0 --data " + sliding_pack() + " --out " + out,
                "ulimit -f 200;");
    INFO(o.err);
    CHECK(o.status == 1);
    CHECK(ffmpeg::count(o.err, "The run goes on and tries again.") == 2);
    CHECK(ffmpeg::count(o.err, "mardini: ") == 3);
    CHECK(!fs::exists(out));
}

TEST_CASE("bad input is one sentence each, and exit status 1")
{
    const fs::path folder = ffmpeg::scratch("bad");
    fs::remove_all(folder);
    fs::create_directories(folder / "none");
    auto make = [&](const std::string &arguments) {
        ffmpeg::Output o = ffmpeg::shell("FFMPEG -y -f lavfi -i " + arguments);
        INFO(o.err);
        REQUIRE(o.status == 0);
    };
    make("sine=d=1 -c:a pcm_s16le " + (folder / "sound.mov").string());
    make("testsrc2=s=128x96:d=2 -c:v mpeg4 " + (folder / "cut.mp4").string());
    fs::resize_file(folder / "cut.mp4", fs::file_size(folder / "cut.mp4") / 2);
    make("testsrc2=s=16x16:d=1 -c:v ffv1 " + (folder / "tiny.mkv").string());
    make("testsrc2=s=128x96 -frames:v 1 -c:v ffv1 " + (folder / "single.mkv").string());
    for (auto [place, reason] : {std::pair("none", "no usable video"),
                                 {"gone", "no such file"},
                                 {"sound.mov", "no video stream"},
                                 {"cut.mp4", "cut.mp4: "},
                                 {"tiny.mkv", "16x16 pixels, the shorter side must have 32"},
                                 {"single.mkv", "1 frame, at least 3 are needed"}}) {
        ffmpeg::Output o = program("--steps 1 --data " + (folder / place).string() + " --out " +
                                   (folder / "x").string());
        INFO(place << ": " << o.err);
        CHECK(o.status == 1);
        CHECK_THAT(o.err, Catch::Contains(reason));
        CHECK_THAT(o.err, Catch::EndsWith("\n") && Catch::Contains("mardini: "));
        CHECK(ffmpeg::count(o.err, "\n") <= 2); // the file's reason, and that nothing is left
    }
    TrainOptions nano = small_run("nano");
    nano.steps = 1;
    train::train(nano);
    ffmpeg::Output o = program("--steps 1 --preset small --resume " + nano.out + " --data " +
                               nano.data[0] + " --out " + (folder / "x").string());
    CHECK(o.status == 1);
    CHECK_THAT(o.err, Catch::Contains("is of the preset nano, not small"));
    o = program("--steps 1000000 --data " + nano.data[0] + " --out " +
                    (folder / "gone" / "x").string(),
                "timeout 60");
    CHECK(o.status == 1); // before the first step, not after the last
    CHECK_THAT(o.err, Catch::Contains("cannot be written"));
}

TEST_CASE("a run leaves its log, its curves and a contact sheet")
{
    TrainOptions o = small_run("pictures");
    o.check = o.data;
    o.steps = 6;
    o.stage = "joint";
    train::train(o);
    const std::string log = ffmpeg::read(o.out + ".log");
    for (const char *name :
         {"loss_without_planner", "loss_without_match", "plan_share", "token_magnitude", "staying",
          "diffusion_planner", "diffusion_generator", "check_gain_2x"}) {
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

TEST_CASE("the denoiser learns from one given frame as well, and nothing else learns beside it")
{
    TrainOptions o = small_run("painter");
    o.steps = 1;
    o.stage = "interpolate";
    o.rate = 1e-6; // a start
    train::train(o);
    const std::string start = o.out + ".state";
    for (int references : {1, 2}) {
        TrainOptions next = small_run("painted");
        next.resume = start;
        next.stage = "denoise";
        next.start = 0.6;
        next.synthetic = 0;
        next.steps = 3;
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
    auto run = [](const std::string &name, const std::function<void(TrainOptions &)> &change) {
        TrainOptions o = small_run(name);
        o.synthetic = 0;
        o.steps = 4;
        o.stage = "any";
        change(o);
        train::train(o);
        return load_network(o.out);
    };
    // A larger network that makes everything too bright: who learns from it does too.
    NetworkConfig config = preset("small");
    torch::manual_seed(5);
    Network bright(config);
    {
        torch::NoGradGuard no_grad;
        bright->generator->head3->bias.slice(0, 0, packed_channels).fill_(0.5);
    }
    const std::string larger = ffmpeg::scratch("larger");
    save_network(larger, bright, torch::kFloat32, {});
    auto longer = [](TrainOptions &o) { o.steps = 30; };
    Network alone = run("alone", longer);
    Network taught = run("taught", [&](TrainOptions &o) { longer(o), o.distil = larger; });
    TrainOptions o = small_run("batch");
    Clips clips(o.data);
    Batch batch = Loader(o, &clips, nullptr, 0, {}, [](int64_t) { return 0.3; }).make(1000);
    torch::NoGradGuard no_grad;
    auto brightness = [&](Network &network) {
        return network->forward(batch.given, batch.given_times, batch.masked_times)
            .frames.slice(1, 0, 4)
            .mean()
            .item<double>();
    };
    const double by_itself = brightness(alone), by_lesson = brightness(taught);
    INFO(by_itself << " by itself, " << by_lesson << " taught by " << brightness(bright));
    CHECK(by_lesson > by_itself + 0.005);
}

TEST_CASE("one clip is learned by heart", "[slow]")
{
    TrainOptions o = small_run("heart");
    o.batch = 4;
    Clips clips({ffmpeg::source_file("demo/walk.mp4")});
    o.synthetic = 0;
    Loader loader(o, &clips, nullptr, 0, {}, [](int64_t) { return 0.3; });
    Batch batch = loader.make(0);
    Tensor target = batch.masked.flatten(0, 1);
    torch::manual_seed(1);
    Network network(preset("nano"));
    Optimizer optimizer(*network);
    double made = 0;
    int step = 0;
    for (; step < 3000 && made < 40.5; step++) {
        network->zero_grad();
        Output out = network->forward(batch.given, batch.given_times, batch.masked_times);
        losses(out, target, {}, {}).total.backward();
        optimizer.step(step < 1500 ? 2e-3 : 1e-3);
        made = psnr(out.frames, target);
        if (step % 100 == 0)
            std::printf("step %d: %.2f dB\n", step, made);
    }
    INFO(step << " steps: " << made << " dB");
    CHECK(made > 40);
}
