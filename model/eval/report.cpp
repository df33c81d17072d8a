// An evaluation as a table and as JSON; report_html.cpp has the page.
#include "eval/report.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <set>
#include <stdexcept>

namespace mardini::eval {

using nlohmann::ordered_json;

static std::string group_of(const Groups &groups, const std::string &clip)
{
    for (const auto &[name, starts] : groups)
        for (const std::string &start : starts)
            if (clip.compare(0, start.size(), start) == 0)
                return name;
    return "the rest";
}

std::vector<MeanRow> means(const Evaluation &e)
{
    std::vector<std::string> methods, names{"all clips"};
    std::set<int> factors;
    bool grouped = false;
    for (const Score &s : e.scores) {
        if (std::find(methods.begin(), methods.end(), s.method) == methods.end())
            methods.push_back(s.method);
        factors.insert(s.factor);
        grouped |= group_of(e.groups, s.clip) != "the rest";
    }
    for (const auto &group : e.groups)
        names.push_back(group.first);
    if (grouped)
        names.push_back("the rest");
    std::vector<MeanRow> rows;
    for (const std::string &name : names)
        for (int factor : factors)
            for (const std::string &method : methods) {
                std::vector<Figures> figures;
                for (const Score &s : e.scores)
                    if (s.method == method && s.factor == factor &&
                        (name == "all clips" || group_of(e.groups, s.clip) == name))
                        figures.push_back(s.figures);
                if (!figures.empty())
                    rows.push_back({name, method, factor, figures.size(), mean(figures)});
            }
    return rows;
}

double confidence_correlation(const Evaluation &e, int factor)
{
    std::vector<double> confidence, quality;
    for (const Score &s : e.scores)
        if (s.method == e.scores.front().method && (!factor || s.factor == factor))
            for (const FrameScore &f : s.frames)
                if (!f.held) {
                    confidence.push_back(f.confidence);
                    quality.push_back(f.psnr_y);
                }
    return rank_correlation(confidence, quality);
}

void print_heading(std::FILE *out)
{
    std::fprintf(out, "%-24s %-26s %4s %6s  %6s %6s  %5s %6s\n", "clip", "method", "", "frames",
                 "PSNR-Y", "SSIM-Y", "sharp", "dt err");
}

static void print(std::FILE *out, const std::string &name, const std::string &method, int factor,
                  size_t count, const Figures &f)
{
    std::fprintf(out, "%-24s %-26s %3dx %6zu  %6.2f %6.4f  %5.3f %6.2f\n", name.c_str(),
                 method.c_str(), factor, count, f.psnr_y, f.ssim_y, f.sharpness, f.temporal);
}

void print_row(std::FILE *out, const Score &s)
{
    print(out, s.clip, s.method, s.factor, s.frames.size(), s.figures);
    if (s.held)
        std::fprintf(out, "%-24s   %d of these held at a cut\n", "", s.held);
    std::fflush(out);
}

void print_summary(std::FILE *out, const Evaluation &e)
{
    std::fprintf(out, "\n%-24s %-26s %4s %6s  %6s %6s  %5s %6s\n", "mean of", "method", "", "clips",
                 "PSNR-Y", "SSIM-Y", "sharp", "dt err");
    for (const MeanRow &row : means(e))
        print(out, row.group, row.method, row.factor, row.clips, row.figures);
    std::fprintf(out, "\nrank correlation of confidence with PSNR-Y, all made frames: %.3f (",
                 confidence_correlation(e));
    std::set<int> factors;
    for (const Score &s : e.scores)
        factors.insert(s.factor);
    const char *between = "";
    for (int factor : factors) {
        std::fprintf(out, "%s%dx %.3f", between, factor, confidence_correlation(e, factor));
        between = ", ";
    }
    std::fprintf(out, ")\n");
}

static ordered_json number(double value)
{
    if (std::isinf(value))
        return value > 0 ? "inf" : "-inf";
    return std::isnan(value) ? ordered_json() : ordered_json(value);
}

static ordered_json to_json(const Figures &f)
{
    return {{"psnr_y", number(f.psnr_y)},
            {"ssim_y", number(f.ssim_y)},
            {"sharpness", number(f.sharpness)},
            {"temporal_error", number(f.temporal)}};
}

static ordered_json to_json(const Score &s)
{
    ordered_json j = {{"clip", s.clip},   {"method", s.method}, {"factor", s.factor},
                      {"width", s.width}, {"height", s.height}, {"frames", s.frames.size()},
                      {"held", s.held}};
    j.update(to_json(s.figures));
    for (const FrameScore &f : s.frames) {
        ordered_json frame = {{"index", f.index},
                              {"psnr_y", number(f.psnr_y)},
                              {"ssim_y", number(f.ssim_y)},
                              {"gradient", f.gradient},
                              {"true_gradient", f.true_gradient},
                              {"temporal_error", f.temporal},
                              {"confidence", f.confidence}};
        j["per_frame"].push_back(std::move(frame));
    }
    return j;
}

void write_json(const std::string &path, const Evaluation &e)
{
    ordered_json root;
    root["settings"] = e.settings;
    for (const MeanRow &row : means(e)) {
        ordered_json j = {{"group", row.group},
                          {"method", row.method},
                          {"factor", row.factor},
                          {"clips", row.clips}};
        j.update(to_json(row.figures));
        root["means"].push_back(std::move(j));
    }
    root["confidence_rank_correlation"] = number(confidence_correlation(e));
    for (const Score &s : e.scores)
        root["scores"].push_back(to_json(s));
    std::ofstream out(path);
    out << root.dump(1) << "\n";
    if (!out.flush())
        throw std::runtime_error("\"" + path + "\" cannot be written.");
}

} // namespace mardini::eval
