// The results of an evaluation and their means.
#include "eval/summary.h"

#include "eval/rank_correlation.h"

#include <algorithm>
#include <set>
#include <stdexcept>

namespace mardini::eval {

static const char *const all_clips = "all clips", *const rest = "the rest";

Groups parse_groups(const std::vector<std::string> &options)
{
    Groups groups;
    for (const std::string &option : options) {
        const size_t equals = option.find('=');
        if (equals == std::string::npos || equals == 0)
            throw std::runtime_error("--group " + option + ": NAME=CLIP,CLIP is wanted.");
        std::vector<std::string> starts;
        for (size_t from = equals + 1; from <= option.size();) {
            const size_t comma = std::min(option.find(',', from), option.size());
            if (comma > from)
                starts.push_back(option.substr(from, comma - from));
            from = comma + 1;
        }
        groups.emplace_back(option.substr(0, equals), std::move(starts));
    }
    return groups;
}

static std::string group_of(const Groups &groups, const std::string &clip)
{
    for (const auto &[name, starts] : groups)
        for (const std::string &start : starts)
            if (clip.compare(0, start.size(), start) == 0)
                return name;
    return rest;
}

std::vector<int> factors_of(const Evaluation &e)
{
    std::set<int> factors;
    for (const Score &s : e.scores)
        factors.insert(s.factor);
    return {factors.begin(), factors.end()};
}

/// "all clips", the groups and, if a clip belongs to a group, "the rest".
static std::vector<std::string> group_names(const Evaluation &e)
{
    std::vector<std::string> names{all_clips};
    for (const auto &group : e.groups)
        names.push_back(group.first);
    for (const Score &s : e.scores)
        if (group_of(e.groups, s.clip) != rest) {
            names.push_back(rest);
            break;
        }
    return names;
}

std::vector<MeanRow> means(const Evaluation &e)
{
    std::vector<std::string> methods;
    for (const Score &s : e.scores)
        if (std::find(methods.begin(), methods.end(), s.method) == methods.end())
            methods.push_back(s.method);
    std::vector<MeanRow> rows;
    for (const std::string &name : group_names(e))
        for (int factor : factors_of(e))
            for (const std::string &method : methods) {
                std::vector<QualityMetrics> metrics;
                for (const Score &s : e.scores)
                    if (s.method == method && s.factor == factor &&
                        (name == all_clips || group_of(e.groups, s.clip) == name))
                        metrics.push_back(s.metrics);
                if (!metrics.empty())
                    rows.push_back({name, method, factor, metrics.size(), mean(metrics)});
            }
    return rows;
}

double confidence_correlation(const Evaluation &e, int factor)
{
    std::vector<double> confidence, quality;
    for (const Score &s : e.scores)
        if (s.method == e.scores.front().method && (!factor || s.factor == factor))
            for (const FrameScore &f : s.frames)
                if (!f.repeated_at_cut) {
                    confidence.push_back(f.confidence);
                    quality.push_back(f.psnr_y);
                }
    return rank_correlation(confidence, quality);
}

} // namespace mardini::eval
