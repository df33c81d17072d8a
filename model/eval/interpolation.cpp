// `mardini eval`: drop frames of clips, synthesize them again, score them.
#include "eval/interpolation.h"

#include "eval/dataset.h"
#include "eval/json.h"
#include "eval/network_path.h"
#include "eval/page.h"
#include "eval/sha256.h"
#include "eval/table.h"
#include "network/checkpoint.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <stdexcept>

namespace mardini::eval {

static std::map<std::string, std::string> settings_of(const EvalOptions &o, const VmafProgram &vmaf)
{
    auto or_auto = [](const std::string &value) { return value.empty() ? "auto" : value; };
    return {
        {"model", std::filesystem::path(o.filter.model).filename().string()},
        {"model sha-256", sha256(o.filter.model)},
        {"precision", or_auto(o.filter.precision)},
        {"device", or_auto(o.filter.device)},
        {"steps", o.filter.steps < 0 ? "the library's default" : std::to_string(o.filter.steps)},
        {"frames of a clip", std::to_string(o.frames)},
        {"height at most", o.max_height ? std::to_string(o.max_height) : "native"},
        {"VMAF by", vmaf.path.empty() ? "none" : vmaf.path}};
}

namespace {

/// Scores clip after clip.
class Scorer {
public:
    explicit Scorer(const EvalOptions &options) : options_(options), vmaf_(find_vmaf(options.vmaf))
    {
        results_.settings = settings_of(options, vmaf_);
        results_.groups = parse_groups(options.groups);
        results_.without_vmaf = vmaf_.reason;
        if (!options.without.empty()) {
            network_ = load_network(options_.filter.model);
            if (options.filter.threads > 0)
                at::set_num_threads(options.filter.threads);
        }
    }

    void add(const Clip &clip)
    {
        if (std::min(clip.width(), clip.height()) < 16) {
            std::fprintf(stderr, "mardini: %s is %dx%d; metrics take 16x16 at least\n",
                         clip.name.c_str(), clip.width(), clip.height());
            return;
        }
        for (int factor : options_.factors) {
            const size_t gaps = (clip.frames.size() - 1) / factor;
            if (gaps < 1) {
                std::fprintf(stderr, "mardini: %s has %zu frames, too few to drop %d of %d\n",
                             clip.name.c_str(), clip.frames.size(), factor - 1, factor);
                continue;
            }
            add(clip, {clip.frames.begin(), clip.frames.begin() + gaps * factor + 1}, factor);
        }
    }

    const Evaluation &results() const { return results_; }

private:
    void add(const Clip &clip, const std::vector<Frame> &truth, int factor)
    {
        std::vector<Frame> references;
        for (size_t i = 0; i < truth.size(); i += factor)
            references.push_back(truth[i]);
        const AVRational rate = av_div_q(clip.rate, {factor, 1});
        const std::vector<OutputFrame> frames =
            synthesize_by_filter(references, rate, factor, options_.filter);
        add(clip, "mardini", truth, frames, factor);
        if (!options_.html.empty())
            results_.samples.push_back(page_sample(results_.scores.back(), truth, frames));
        if (!options_.without.empty()) {
            const Ablation ablation{options_.without == "match", options_.without == "planner"};
            add(clip, "mardini without " + options_.without, truth,
                synthesize_by_network(*network_, references, factor, ablation), factor);
        }
        if (options_.against == "blend")
            add(clip, "blend", truth, synthesize_by_blend(references, factor), factor);
    }

    void add(const Clip &clip, const std::string &method, const std::vector<Frame> &truth,
             const std::vector<OutputFrame> &frames, int factor)
    {
        Score s = score(truth, frames, factor, vmaf_of(truth, frames));
        s.clip = clip.name;
        s.method = method;
        print_row(stdout, s);
        results_.scores.push_back(std::move(s));
    }

    /// Empty if there is no program or it fails, whose first reason is kept.
    std::vector<VmafScore> vmaf_of(const std::vector<Frame> &truth,
                                   const std::vector<OutputFrame> &frames)
    {
        if (vmaf_.path.empty())
            return {};
        std::vector<Frame> pictures;
        for (const OutputFrame &frame : frames)
            pictures.push_back(frame.frame);
        try {
            return vmaf_scores(vmaf_, truth, pictures, options_.filter.threads);
        } catch (const std::runtime_error &e) {
            if (results_.without_vmaf.empty())
                results_.without_vmaf = e.what();
            return {};
        }
    }

    EvalOptions options_;
    VmafProgram vmaf_;
    std::optional<Network> network_;
    Evaluation results_;
};

} // namespace

int evaluate_interpolation(const EvalOptions &options)
{
    Scorer scorer(options);
    print_heading(stdout);
    const int left_out = for_each_file(options, video_endings, options.frames,
                                       [&](const Clip &clip) { scorer.add(clip); });
    const Evaluation &results = scorer.results();
    if (results.scores.empty())
        throw std::runtime_error("Nothing could be scored: no clip has a reference frame on either "
                                 "side of a dropped one.");
    print_summary(stdout, results);
    if (!options.json.empty())
        write_json(options.json, results);
    if (!options.html.empty())
        write_page(options.html, results);
    return left_out;
}

} // namespace mardini::eval
