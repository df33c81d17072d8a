// The program `mardini train`: several processes, killed, on a full disk, with bad input.
#include "network/checkpoint.h"
#include "train/loop.h"
#include "train/report/png.h"

#include <torch/torch.h>

#include "small_run.h"
#include "support/catch.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <fstream>

using namespace mardini;
using namespace mardini::train;
namespace fs = std::filesystem;

namespace {

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

/// The program with a small run's flags; WORDS stand before it.
ffmpeg::Output program(const std::string &flags, const std::string &words = "")
{
    return ffmpeg::shell(words + " " + ffmpeg::mardini() +
                         " train --crop 64 --threads 1 --bf16 0 " + flags);
}

} // namespace

TEST_CASE("two processes equal one with the doubled batch")
{
    const std::string data = sliding_pack(), one = ffmpeg::scratch("one"),
                      two = ffmpeg::scratch("two");
    // Up to the stages that draw noise, which each process draws for itself.
    const std::string flags =
        "--data " + data + " --steps 2 --large 0 --end 0.4 --start 0.05 --out ";
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
         {"0", ".1", ".4"}) { // seconds after the first save, while it saves after every step
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
    // All places of one run: a sentence for each file, and one that nothing is left.
    auto check = [&](const std::vector<std::string> &places,
                     const std::vector<std::string> &reasons) {
        std::string data;
        for (const std::string &place : places)
            data += " " + (folder / place).string();
        const ffmpeg::Output o =
            program("--steps 1 --out " + (folder / "x").string() + " --data" + data);
        INFO(o.err);
        CHECK(o.status == 1);
        for (const std::string &reason : reasons)
            CHECK_THAT(o.err, Catch::Contains(reason));
        CHECK(ffmpeg::count(o.err, "\n") == reasons.size());
        CHECK(ffmpeg::count(o.err, "mardini: ") == 1);
        CHECK(!fs::exists(folder / "x.part"));
    };
    check({"none"}, {"mardini: no usable video"});
    check({"gone"}, {"no such file"});
    check({"sound.mov", "cut.mp4", "tiny.mkv", "single.mkv"},
          {"no video stream", "cut.mp4: ", "16x16 pixels, the shorter side must have 32",
           "1 frame, at least 3 are needed", "mardini: no usable video"});
}

TEST_CASE("weights of another preset and a file that cannot be written are refused at once")
{
    const fs::path folder = ffmpeg::scratch("refused");
    fs::create_directories(folder);
    std::ofstream(folder / "damaged.mp4") << "not a video";
    TrainOptions nano = small_run("nano");
    nano.steps = 1;
    train::train(nano);
    ffmpeg::Output o = program("--steps 1 --preset small --resume " + nano.out + " --data " +
                               nano.data[0] + " --out " + (folder / "x").string());
    CHECK(o.status == 1);
    CHECK_THAT(o.err, Catch::Contains("is of the preset nano, not small"));
    // Before anything is decoded: the damaged video is not reported.
    o = program("--steps 1000000 --data " + nano.data[0] + " " + (folder / "damaged.mp4").string() +
                    " --out " + (folder / "gone" / "x").string(),
                "timeout 60");
    CHECK(o.status == 1);
    CHECK_THAT(o.err, Catch::Contains("cannot be written"));
    CHECK(ffmpeg::count(o.err, "\n") == 1);
    // What is refused later leaves nothing behind.
    o = program("--steps 1 --start 0.5 --end 0.2 --data " + nano.data[0] + " --out " +
                (folder / "x").string());
    CHECK(o.status == 1);
    CHECK_THAT(o.err, Catch::Contains("--end"));
    CHECK(!fs::exists(folder / "x.part"));
}

TEST_CASE("pictures alone are packed, and trained on")
{
    const fs::path folder = ffmpeg::scratch("pictures");
    fs::create_directories(folder);
    REQUIRE(write_png((folder / "a.png").string(), torch::full({80, 96, 3}, 90, torch::kUInt8)));
    const std::string stills = ffmpeg::scratch("stills.pack");
    ffmpeg::Output o = program("--pack --stills " + folder.string() + " --out " + stills);
    INFO(o.err);
    REQUIRE(o.status == 0);
    o = program("--steps 1 --batch 1 --large 0 --stills " + stills + " --out " +
                ffmpeg::scratch("textures"));
    INFO(o.err);
    CHECK(o.status == 0);
}
