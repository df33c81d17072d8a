// `mardini eval`: drop frames of clips, make them again, score them.
#include "eval/eval.h"

#include "network/checkpoint.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <stdexcept>

namespace mardini::eval {

const std::vector<std::string> video_endings = {".mp4", ".mkv", ".webm", ".y4m", ".mov", ".avi",
                                                ".nut", ".ivf", ".m4v",  ".mpg", ".ts",  ".wmv"};

std::string find_model(const std::string &model)
{
    namespace fs = std::filesystem;
    std::error_code error;
    const std::string name = model.empty() ? "nano" : model;
    if (fs::is_regular_file(name, error))
        return name;
    std::vector<fs::path> folders;
    const char *list = getenv("MARDINI_MODEL_PATH");
    for (std::string rest = list ? list : ""; !rest.empty();) {
        const size_t colon = std::min(rest.find(':'), rest.size());
        folders.emplace_back(rest.substr(0, colon));
        rest.erase(0, colon + 1);
    }
    const fs::path here = fs::read_symlink("/proc/self/exe", error).parent_path();
    folders.push_back(here / "weights");
    folders.push_back(here / "../share/mardini");
    for (const fs::path &folder : folders)
        if (fs::is_regular_file(folder / (name + ".safetensors"), error))
            return (folder / (name + ".safetensors")).string();
    return name;
}

static std::map<std::string, std::string> settings(const EvalOptions &o)
{
    auto or_auto = [](const std::string &value) { return value.empty() ? "auto" : value; };
    return {
        {"model", std::filesystem::path(o.filter.model).filename().string()},
        {"model sha-256", sha256(o.filter.model)},
        {"precision", or_auto(o.filter.precision)},
        {"device", or_auto(o.filter.device)},
        {"steps", o.filter.steps < 0 ? "the library's default" : std::to_string(o.filter.steps)},
        {"frames of a clip", std::to_string(o.frames)},
        {"height at most", std::to_string(o.max_height)}};
}

namespace {

class Run {
public:
    explicit Run(const EvalOptions &options) : options_(options)
    {
        results_.settings = settings(options_);
        results_.groups = options.groups;
        if (!options.without.empty()) {
            network_ = load_network(options_.filter.model);
            if (options.filter.threads > 0)
                at::set_num_threads(options.filter.threads);
        }
    }

    void add(const Clip &clip)
    {
        for (int factor : options_.factors) {
            if (std::min(clip.width(), clip.height()) < 16) {
                std::fprintf(stderr, "mardini: %s is %dx%d; figures take 16x16 at least\n",
                             clip.name.c_str(), clip.width(), clip.height());
                return;
            }
            const size_t gaps = (clip.frames.size() - 1) / factor;
            if (gaps < 1) {
                std::fprintf(stderr, "mardini: %s has %zu frames, too few to drop %d of %d\n",
                             clip.name.c_str(), clip.frames.size(), factor - 1, factor);
                continue;
            }
            add(clip,
                std::vector<Frame>(clip.frames.begin(), clip.frames.begin() + gaps * factor + 1),
                factor);
        }
    }

    const Evaluation &results() const { return results_; }

private:
    void add(const Clip &clip, const std::vector<Frame> &truth, int factor)
    {
        std::vector<Frame> given;
        for (size_t i = 0; i < truth.size(); i += factor)
            given.push_back(truth[i]);
        const AVRational rate = av_div_q(clip.rate, {factor, 1});
        const std::vector<Made> made = make_by_filter(given, rate, factor, options_.filter);
        add(clip, "mardini", truth, made, factor);
        if (!options_.html.empty())
            results_.samples.push_back(make_sample(results_.scores.back(), truth, made));
        if (!options_.without.empty()) {
            const Ablation ablation{options_.without == "match", options_.without == "planner"};
            add(clip, "mardini without " + options_.without, truth,
                make_by_network(*network_, given, factor, ablation), factor);
        }
        if (options_.against == "blend")
            add(clip, "blend", truth, make_by_blend(given, factor), factor);
    }

    void add(const Clip &clip, const std::string &method, const std::vector<Frame> &truth,
             const std::vector<Made> &made, int factor)
    {
        Score s = score(truth, made, factor);
        s.clip = clip.name;
        s.method = method;
        print_row(stdout, s);
        results_.scores.push_back(std::move(s));
    }

    EvalOptions options_;
    std::optional<Network> network_;
    Evaluation results_;
};

} // namespace

std::vector<Step> scaled_down(const EvalOptions &options)
{
    return {{"scale", {{"w", "-2"}, {"h", "min(" + std::to_string(options.max_height) + ",ih)"}}},
            {"format", {{"pix_fmts", "yuv420p"}}}};
}

int evaluate(const EvalOptions &options)
{
    const std::vector<std::string> files = list_files(options.data, video_endings);
    if (files.empty())
        throw std::runtime_error("The folder \"" + options.data + "\" has no video in it.");
    const std::vector<Step> chain = scaled_down(options);
    Run run(options);
    print_heading(stdout);
    int left_out = 0;
    for (const std::string &file : files) {
        try {
            run.add(read_clip(file, options.frames, chain));
        } catch (const std::runtime_error &e) {
            if (files.size() == 1)
                throw;
            std::fprintf(stderr, "mardini: left out: %s\n", e.what());
            left_out++;
        }
    }
    if (run.results().scores.empty())
        throw std::runtime_error(
            "Nothing could be scored: no clip has a given frame on either side of a dropped one.");
    print_summary(stdout, run.results());
    if (!options.json.empty())
        write_json(options.json, run.results());
    if (!options.html.empty())
        write_html(options.html, run.results());
    return left_out;
}

} // namespace mardini::eval
