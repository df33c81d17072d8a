// `mardini eval --ahead`, `--chain`, `--join` and `--levels`: a clip gone on with against what
// really followed, and far beyond it; the speed across a loop's join; frames far from given ones,
// made at once or by levels.
#include "eval/eval.h"
#include "eval/motion.h"

#include <cmath>
#include <stdexcept>

namespace mardini::eval {

namespace {

/// Through the filter, with the options of a job.
std::vector<Frame> by_filter(const std::vector<Frame> &given, AVRational rate,
                             const FilterOptions &o,
                             std::vector<std::pair<std::string, std::string>> job)
{
    return run(given, rate, {filter_step(std::move(job), o)}, o.threads);
}

/// Mean and standard deviation, codes.
std::pair<double, double> moments(const Plane &p)
{
    double sum = 0, squares = 0;
    for (int y = 0; y < p.height; y++)
        for (int x = 0; x < p.width; x++) {
            const double code = p.data[y * p.stride + x];
            sum += code, squares += code * code;
        }
    const double n = static_cast<double>(p.width) * p.height, mean = sum / n;
    return {mean, std::sqrt(std::max(0.0, squares / n - mean * mean))};
}

/// Mean size of the third difference in time, codes: 0 for what moves evenly, and for what stands.
double jerk(const std::vector<Frame> &frames)
{
    double sum = 0;
    int64_t count = 0;
    for (size_t k = 3; k < frames.size(); k++) {
        Plane p[4];
        for (size_t i = 0; i < 4; i++)
            p[i] = plane_of(frames[k - 3 + i], 0);
        for (int y = 0; y < p[0].height; y++)
            for (int x = 0; x < p[0].width; x++) {
                auto code = [&](int i) { return int{p[i].data[y * p[i].stride + x]}; };
                sum += std::abs(code(3) - 3 * code(2) + 3 * code(1) - code(0));
            }
        count += static_cast<int64_t>(p[0].width) * p[0].height;
    }
    return sum / static_cast<double>(std::max<int64_t>(count, 1));
}

struct Sum {
    double psnr_y = 0, ssim_y = 0, gradient = 0, true_gradient = 0, brightness = 0,
           true_brightness = 0;
    int count = 0;

    void add(const Plane &made, const Plane &truth)
    {
        const auto mean = [](const Plane &p) { return moments(p).first; };
        psnr_y += bounded_psnr(mean_squared_error(made, truth));
        ssim_y += ssim(made, truth);
        gradient += eval::gradient(made);
        true_gradient += eval::gradient(truth);
        brightness += mean(made);
        true_brightness += mean(truth);
        count++;
    }
};

/// Every clip of the folder that has so many frames, scaled down as for the other tables. Returns
/// how many could not be read or scored, which is said.
template <class Body>
int for_each_clip(const EvalOptions &options, int frames, const Body &body)
{
    const std::vector<Step> chain = scaled_down(options);
    const std::vector<std::string> files = list_files(options.data, video_endings);
    int num = 0, left_out = 0;
    for (const std::string &file : files) {
        try {
            const Clip clip = read_clip(file, frames, chain);
            if (static_cast<int>(clip.frames.size()) < frames) {
                std::fprintf(stderr, "mardini: %s has %zu frames, %d are wanted\n",
                             clip.name.c_str(), clip.frames.size(), frames);
                continue;
            }
            body(clip);
            num++;
        } catch (const std::runtime_error &e) {
            if (files.size() == 1)
                throw;
            std::fprintf(stderr, "mardini: left out: %s\n", e.what());
            left_out++;
        }
    }
    if (!num)
        throw std::runtime_error("No clip in \"" + options.data + "\" has " +
                                 std::to_string(frames) + " frames that can be read.");
    return left_out;
}

} // namespace

int evaluate_ahead(const EvalOptions &options)
{
    const char *const methods[] = {"mardini", "last frame", "linear motion"};
    std::vector<std::vector<Sum>> sums(3, std::vector<Sum>(static_cast<size_t>(options.ahead)));
    const int left_out =
        for_each_clip(options, options.frames + options.ahead, [&](const Clip &clip) {
            const size_t n = static_cast<size_t>(options.frames);
            const std::vector<Frame> given(clip.frames.begin(),
                                           clip.frames.begin() + options.frames);
            const std::vector<Frame> made =
                by_filter(given, clip.rate, options.filter,
                          {{"mode", "extend"}, {"frames", std::to_string(options.ahead)}});
            const Blocks blocks =
                match_blocks(plane_of(given[n - 2], 0), plane_of(given[n - 1], 0));
            std::printf("%-20s", clip.name.c_str());
            for (size_t k = 0; k < sums[0].size(); k++) {
                const Plane truth = plane_of(clip.frames[n + k], 0);
                const Frame linear = carry_on(given[n - 1], blocks, static_cast<int>(k) + 1);
                sums[0][k].add(plane_of(made.at(n + k), 0), truth);
                sums[1][k].add(plane_of(given[n - 1], 0), truth);
                sums[2][k].add(plane_of(linear, 0), truth);
                std::printf(" %6.2f", psnr(mean_squared_error(plane_of(made[n + k], 0), truth)));
            }
            std::printf("\n");
            std::fflush(stdout);
        });
    for (size_t m = 0; m < 3; m++) {
        std::printf("\n%s\n%-8s %8s %8s %10s %12s\n", methods[m], "ahead", "PSNR-Y", "SSIM-Y",
                    "sharpness", "mean of luma");
        for (size_t k = 0; k < sums[m].size(); k++) {
            const Sum &s = sums[m][k];
            std::printf("%-8zu %8.2f %8.4f %10.3f %12.4f\n", k + 1, s.psnr_y / s.count,
                        s.ssim_y / s.count, s.gradient / std::max(1e-12, s.true_gradient),
                        s.brightness / std::max(1e-12, s.true_brightness));
        }
    }
    return left_out;
}

int evaluate_chain(const EvalOptions &options)
{
    constexpr int window = 12; // frames that the filter makes from its usual five
    std::vector<int> told;
    for (int n : {1, 2, 5, 10, 20, 50, 100})
        if (n < options.chain)
            told.push_back(n);
    told.push_back(options.chain);
    struct Drifted {
        double mean = 0, contrast = 0, sharpness = 0;
    };
    std::vector<Drifted> sums(told.size());
    int clips = 0;
    auto print = [&](const std::string &name, int windows, const Drifted &d) {
        std::printf("%-20s %8d %8d %8.4f %9.4f %10.3f\n", name.c_str(), windows, windows * window,
                    d.mean, d.contrast, d.sharpness);
    };
    std::printf("%-20s %8s %8s %8s %9s %10s\n", "of the last given", "windows", "frames", "mean",
                "contrast", "sharpness");
    const int left_out = for_each_clip(options, options.frames, [&](const Clip &clip) {
        const std::vector<Frame> made =
            by_filter(clip.frames, clip.rate, options.filter,
                      {{"mode", "extend"}, {"frames", std::to_string(options.chain * window)}});
        const Plane last = plane_of(clip.frames.back(), 0);
        const auto [mean, contrast] = moments(last);
        for (size_t k = 0; k < told.size(); k++) {
            const Plane far = plane_of(
                made.at(clip.frames.size() + static_cast<size_t>(told[k] * window) - 1), 0);
            const auto [far_mean, far_contrast] = moments(far);
            const Drifted d{far_mean / std::max(1e-12, mean),
                            far_contrast / std::max(1e-12, contrast),
                            gradient(far) / std::max(1e-12, gradient(last))};
            print(clip.name, told[k], d);
            for (auto field : {&Drifted::mean, &Drifted::contrast, &Drifted::sharpness})
                sums[k].*field += d.*field;
        }
        clips++;
        std::fflush(stdout);
    });
    for (size_t k = 0; k < told.size(); k++) {
        for (auto field : {&Drifted::mean, &Drifted::contrast, &Drifted::sharpness})
            sums[k].*field /= clips;
        print("mean", told[k], sums[k]);
    }
    return left_out;
}

int evaluate_levels(const EvalOptions &options)
{
    FilterOptions filter = options.filter;
    filter.cuts = false;
    int factor = 1;
    std::string levels;
    std::vector<Step> by_levels;
    auto slower = [&](int times) {
        return filter_step({{"mode", "slowmo"}, {"factor", std::to_string(times)}}, filter);
    };
    for (int level : options.levels) {
        factor *= level;
        levels += (levels.empty() ? "" : ", then ") + std::to_string(level) + "x";
        by_levels.push_back(slower(level));
    }
    const std::pair<std::string, std::vector<Step>> ways[] = {
        {std::to_string(factor) + "x at once", {slower(factor)}}, {levels, by_levels}};
    std::vector<Sum> sums(2);
    double jerks[3] = {};
    int clips = 0;
    const int left_out = for_each_clip(options, factor + 1, [&](const Clip &clip) {
        const std::vector<Frame> given = {clip.frames.front(), clip.frames.back()};
        jerks[2] += jerk(clip.frames);
        for (size_t m = 0; m < 2; m++) {
            const std::vector<Frame> made = run(given, clip.rate, ways[m].second, filter.threads);
            if (made.size() != clip.frames.size())
                throw std::runtime_error("Of " + clip.name + " " + std::to_string(made.size()) +
                                         " frames were made, " +
                                         std::to_string(clip.frames.size()) + " are wanted.");
            for (size_t k = 1; k + 1 < made.size(); k++)
                sums[m].add(plane_of(made[k], 0), plane_of(clip.frames[k], 0));
            jerks[m] += jerk(made);
        }
        clips++;
    });
    std::printf("%-20s %8s %8s %10s %8s\n", "mean of all clips", "PSNR-Y", "SSIM-Y", "sharpness",
                "jerk");
    for (size_t m = 0; m < 2; m++) {
        const Sum &s = sums[m];
        std::printf("%-20s %8.2f %8.4f %10.3f %8.2f\n", ways[m].first.c_str(), s.psnr_y / s.count,
                    s.ssim_y / s.count, s.gradient / std::max(1e-12, s.true_gradient),
                    jerks[m] / clips);
    }
    std::printf("%-20s %8s %8s %10s %8.2f\n", "the truth", "", "", "", jerks[2] / clips);
    return left_out;
}

int evaluate_join(const EvalOptions &options)
{
    std::printf("%-20s %10s %10s %10s %10s\n", "clip", "inside", "varies by", "join",
                "join/inside");
    const int left_out = for_each_clip(options, options.frames, [&](const Clip &clip) {
        const std::vector<Frame> &given = clip.frames;
        std::vector<Frame> loop =
            by_filter(given, clip.rate, options.filter,
                      {{"mode", "loop"}, {"frames", std::to_string(options.join)}});
        if (loop.size() != given.size() + static_cast<size_t>(options.join))
            throw std::runtime_error("The loop of " + clip.name + " has " +
                                     std::to_string(loop.size()) + " frames.");
        loop.push_back(given[0]);
        double inside = 0, squares = 0, join = 0;
        for (size_t k = 0; k + 1 < loop.size(); k++) {
            const double v = speed(match_blocks(plane_of(loop[k], 0), plane_of(loop[k + 1], 0)));
            if (k + 1 < given.size())
                inside += v, squares += v * v;
            else
                join += v;
        }
        const double n = static_cast<double>(given.size() - 1);
        inside /= n;
        join /= options.join + 1;
        std::printf("%-20s %10.2f %9.0f%% %10.2f %10.2f\n", clip.name.c_str(), inside,
                    100 * std::sqrt(std::max(0.0, squares / n - inside * inside)) /
                        std::max(1e-12, inside),
                    join, join / std::max(1e-12, inside));
        std::fflush(stdout);
    });
    return left_out;
}

} // namespace mardini::eval
