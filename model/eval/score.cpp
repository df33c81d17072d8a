// Metrics of synthesized frames: of a frame, of a clip, means over clips.
#include "eval/score.h"

#include <algorithm>

namespace mardini::eval {

const std::vector<MetricColumn> metric_columns = {
    {"psnr_y", "PSNR-Y", "PSNR-Y", 6, 2, &QualityMetrics::psnr_y},
    {"ssim_y", "SSIM-Y", "SSIM-Y", 6, 4, &QualityMetrics::ssim_y},
    {"sharpness", "sharp", "sharpness", 6, 3, &QualityMetrics::sharpness},
    {"stipple", "stipple", "stipple", 7, 3, &QualityMetrics::stipple},
    {"temporal_error", "dt err", "temporal error", 6, 2, &QualityMetrics::temporal},
    {"vmaf", "VMAF", "VMAF", 6, 2, &QualityMetrics::vmaf},
    {"vmaf_neg", "NEG", "VMAF NEG", 6, 2, &QualityMetrics::vmaf_neg},
};

static FrameScore score_frame(const std::vector<Frame> &truth,
                              const std::vector<OutputFrame> &frames, size_t i, int factor)
{
    auto luma = [](const Frame &frame) { return plane_of(frame, 0); };
    auto change_error = [&](size_t k) {
        return temporal_error(luma(frames[k].frame), luma(frames[k + 1].frame), luma(truth[k]),
                              luma(truth[k + 1]));
    };
    const PlaneView plane = luma(frames.at(i).frame), t = luma(truth[i]);
    FrameScore f = {};
    f.index = static_cast<int>(i);
    f.psnr_y = psnr(mean_squared_error(plane, t));
    f.ssim_y = ssim(plane, t);
    f.gradient = gradient(plane);
    f.true_gradient = gradient(t);
    f.checkerboard = checkerboard(plane);
    f.true_checkerboard = checkerboard(t);
    f.temporal = {change_error(i - 1)};
    if (static_cast<int>(i % factor) == factor - 1)
        f.temporal.push_back(change_error(i));
    f.confidence = frames[i].confidence;
    f.repeated_at_cut = frames[i].repeated_at_cut;
    return f;
}

static QualityMetrics mean_over_frames(const std::vector<FrameScore> &frames)
{
    QualityMetrics m;
    m.vmaf = m.vmaf_neg = 0;
    double gradients = 0, true_gradients = 0, patterns = 0, true_patterns = 0;
    size_t changes = 0;
    for (const FrameScore &f : frames) {
        m.psnr_y += std::min(f.psnr_y, 100.0); // a frame equal to the truth counts 100 dB
        m.ssim_y += f.ssim_y;
        m.vmaf += f.vmaf.vmaf;
        m.vmaf_neg += f.vmaf.neg;
        gradients += f.gradient;
        true_gradients += f.true_gradient;
        patterns += f.checkerboard;
        true_patterns += f.true_checkerboard;
        for (double error : f.temporal)
            m.temporal += error;
        changes += f.temporal.size();
    }
    const double n = static_cast<double>(frames.size());
    m.psnr_y /= n;
    m.ssim_y /= n;
    m.vmaf /= n;
    m.vmaf_neg /= n;
    m.sharpness = gradients / std::max(1e-12, true_gradients);
    m.stipple = patterns / std::max(1e-12, true_patterns);
    m.temporal /= static_cast<double>(changes);
    return m;
}

Score score(const std::vector<Frame> &truth, const std::vector<OutputFrame> &frames, int factor,
            const std::vector<VmafScore> &vmaf)
{
    Score out;
    out.factor = factor;
    out.width = truth.at(0)->width;
    out.height = truth[0]->height;
    for (size_t i = 0; i + 1 < truth.size(); i++) {
        if (i % factor == 0)
            continue;
        FrameScore f = score_frame(truth, frames, i, factor);
        if (!vmaf.empty())
            f.vmaf = vmaf.at(i);
        out.repeated_at_cut += f.repeated_at_cut;
        out.frames.push_back(std::move(f));
    }
    out.metrics = mean_over_frames(out.frames);
    return out;
}

QualityMetrics mean(const std::vector<QualityMetrics> &metrics)
{
    QualityMetrics out;
    for (const MetricColumn &column : metric_columns) {
        double sum = 0;
        for (const QualityMetrics &m : metrics)
            sum += m.*column.field;
        out.*column.field = sum / static_cast<double>(metrics.size());
    }
    return out;
}

} // namespace mardini::eval
