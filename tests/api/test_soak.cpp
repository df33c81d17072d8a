// Long runs: memory does not grow with frames or with graphs, and stays within the budget for large
// frames. Hidden: make check-slow.

#include "support/ffmpeg.h"

#include "support/catch.h"

#include <sys/resource.h>

using namespace ffmpeg;

namespace {

/// Largest resident size of any child process so far, MB. Run the smaller job first.
double peak()
{
    rusage usage;
    getrusage(RUSAGE_CHILDREN, &usage);
    return static_cast<double>(usage.ru_maxrss) / 1024;
}

} // namespace

TEST_CASE("10,000 frames take no more memory than 500", "[.][slow]")
{
    const auto run = [](int frames) {
        const Output out =
            shell("exec '" + program() +
                  "' -hide_banner -nostdin -v info -filter_complex "
                  "\"testsrc2=s=32x32:r=24,trim=end_frame=" +
                  std::to_string(frames) +
                  ",format=yuv420p,mardini=mode=slowmo:factor=2:scd=none\" -f null -");
        INFO(out.err);
        REQUIRE(out.status == 0);
        CHECK(count(out.err, std::to_string(frames - 1) + " made") == 1);
        return peak();
    };
    const double short_run = run(500), long_run = run(10000);
    WARN("500 frames: " << short_run << " MB, 10,000: " << long_run << " MB");
    CHECK(long_run < short_run + 8);
}

TEST_CASE("200 graphs opened and closed in one process take no more memory than 20", "[.][slow]")
{
    // ffmpeg builds a new graph whenever the size of the pictures changes.
    const std::string folder = scratch("graphs");
    const auto run = [&](int graphs) {
        const std::string make =
            "mkdir -p '" + folder + "' && cd '" + folder + "' && for i in $(seq 1 " +
            std::to_string(graphs) + "); do s=$((32 + i % 2 * 16)); for j in 0 1; do ln -sf ../" +
            folder.substr(folder.rfind('/') + 1) + "-$s.png f$((2 * i - 1 + j)).png; done; done";
        for (int size : {32, 48})
            REQUIRE(shell("FFMPEG -filter_complex \"testsrc2=s=64x64,crop=" + std::to_string(size) +
                          ":32,format=rgb24,trim=end_frame=1\" -y '" + folder + "-" +
                          std::to_string(size) + ".png'")
                        .status == 0);
        REQUIRE(shell(make).status == 0);
        const Output out = shell("exec '" + program() + "' -hide_banner -nostdin -v info -i '" +
                                 folder + "/f%d.png' -vf mardini=mode=slowmo:factor=2 -f null -");
        INFO(out.err.substr(out.err.size() > 2000 ? out.err.size() - 2000 : 0));
        CHECK(out.status == 0);
        CHECK(count(out.err, " frames in, ") >= static_cast<size_t>(graphs));
        return peak();
    };
    const double few = run(20), many = run(200);
    WARN("20 graphs: " << few << " MB, 200: " << many << " MB");
    CHECK(many < few + 8);
    shell("rm -rf '" + folder + "' '" + folder + "'-*.png");
}

TEST_CASE("4K and 8K take what was asked for and the frames of a gap", "[.][slow]")
{
    const struct {
        const char *size;
        int given, memory, most; ///< memory: asked for; most: of the whole process, ffmpeg's own
                                 ///< frames and all, MB
    } cases[] = {{"3840x2160", 4, 340, 650}, {"7680x4320", 2, 520, 1550}};
    for (const auto &c : cases) {
        const Output out =
            shell(std::string("exec '") + program() +
                  "' -hide_banner -nostdin -v error -filter_complex \"testsrc2=s=" + c.size +
                  ":r=24,format=yuv420p,trim=end_frame=" + std::to_string(c.given) +
                  ",mardini=mode=slowmo:factor=14:scd=none:memory=" + std::to_string(c.memory) +
                  "\" -f null -");
        INFO(c.size << "\n" << out.err);
        CHECK(out.status == 0);
        WARN(c.size << ": " << peak() << " MB");
        CHECK(peak() < c.most);
    }
}
