// An evaluation as JSON.
#include "eval/json.h"

#include <nlohmann/json.hpp>

#include <cmath>
#include <fstream>
#include <stdexcept>

namespace mardini::eval {

using nlohmann::ordered_json;

static ordered_json number(double value)
{
    if (std::isinf(value))
        return value > 0 ? "inf" : "-inf";
    return std::isnan(value) ? ordered_json() : ordered_json(value);
}

static ordered_json to_json(const QualityMetrics &metrics)
{
    ordered_json j;
    for (const MetricColumn &column : metric_columns)
        j[column.key] = number(metrics.*column.field);
    return j;
}

static ordered_json to_json(const FrameScore &f)
{
    return {{"index", f.index},
            {"psnr_y", number(f.psnr_y)},
            {"ssim_y", number(f.ssim_y)},
            {"gradient", f.gradient},
            {"true_gradient", f.true_gradient},
            {"checkerboard", f.checkerboard},
            {"true_checkerboard", f.true_checkerboard},
            {"temporal_error", f.temporal},
            {"vmaf", number(f.vmaf.vmaf)},
            {"vmaf_neg", number(f.vmaf.neg)},
            {"confidence", f.confidence}};
}

static ordered_json to_json(const Score &s)
{
    ordered_json j = {{"clip", s.clip},
                      {"method", s.method},
                      {"factor", s.factor},
                      {"width", s.width},
                      {"height", s.height},
                      {"frames", s.frames.size()},
                      {"repeated_at_cut", s.repeated_at_cut}};
    j.update(to_json(s.metrics));
    for (const FrameScore &f : s.frames)
        j["per_frame"].push_back(to_json(f));
    return j;
}

void write_json(const std::string &path, const ordered_json &root)
{
    std::ofstream out(path);
    out << root.dump(1) << "\n";
    if (!out.flush())
        throw std::runtime_error("\"" + path + "\" cannot be written.");
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
        j.update(to_json(row.metrics));
        root["means"].push_back(std::move(j));
    }
    root["confidence_rank_correlation"] = number(confidence_correlation(e));
    for (const Score &s : e.scores)
        root["scores"].push_back(to_json(s));
    write_json(path, root);
}

} // namespace mardini::eval
