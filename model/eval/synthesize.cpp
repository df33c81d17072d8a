// Frames between reference frames by the filter or by a cross-fade.
#include "eval/synthesize.h"

#include <cmath>
#include <stdexcept>

namespace mardini::eval {

FilterSpec filter_spec(std::vector<std::pair<std::string, std::string>> job,
                       const FilterOptions &options)
{
    FilterSpec spec{"mardini", std::move(job)};
    auto set = [&](const char *name, const std::string &value) {
        if (!value.empty() && value != "-1")
            spec.options.emplace_back(name, value);
    };
    set("model", options.model);
    set("device", options.device);
    set("precision", options.precision);
    set("steps", std::to_string(options.steps));
    set("seed", std::to_string(options.seed));
    set("scd", options.cuts ? "" : "none");
    return spec;
}

std::vector<OutputFrame> synthesize_by_filter(const std::vector<Frame> &references, AVRational rate,
                                              int factor, const FilterOptions &options)
{
    const AVRational finer = av_mul_q(rate, {factor, 1});
    const FilterSpec spec = filter_spec(
        {{"fps", std::to_string(finer.num) + "/" + std::to_string(finer.den)}}, options);
    std::vector<OutputFrame> out((references.size() - 1) * factor + 1);
    run_filters(references, rate, {spec}, options.threads, [&](const Frame &frame, double time) {
        const double position = time * av_q2d(finer);
        const size_t i = static_cast<size_t>(std::lround(position));
        // The last reference frame lasts as long as the others; its repetitions are not wanted.
        if (i >= out.size())
            return;
        if (std::abs(position - static_cast<double>(i)) > 0.05 || out[i].frame)
            throw std::runtime_error("The filter sent a frame at " + std::to_string(time) +
                                     " s, which is not a multiple of the frame interval.");
        const AVDictionaryEntry *confidence =
            av_dict_get(frame->metadata, "lavfi.mardini.confidence", nullptr, 0);
        out[i].frame = frame;
        out[i].confidence = confidence ? std::atof(confidence->value) : 1;
        out[i].repeated_at_cut =
            av_dict_get(frame->metadata, "lavfi.mardini.cut", nullptr, 0) != nullptr;
    });
    for (size_t i = 0; i < out.size(); i++)
        if (!out[i].frame)
            throw std::runtime_error("The filter sent no frame " + std::to_string(i) + " of " +
                                     std::to_string(out.size()) + ".");
    return out;
}

static Frame cross_fade(const Frame &before, const Frame &after, double part)
{
    Frame out = frame_like(before);
    for (int p = 0; p < 3; p++) {
        const PlaneView a = plane_of(before, p), b = plane_of(after, p);
        for (int y = 0; y < a.height; y++) {
            const uint8_t *from = a.data + y * a.stride, *to = b.data + y * b.stride;
            uint8_t *row = out->data[p] + static_cast<ptrdiff_t>(y) * out->linesize[p];
            for (int x = 0; x < a.width; x++)
                row[x] =
                    static_cast<uint8_t>(std::floor((1 - part) * from[x] + part * to[x] + 0.5));
        }
    }
    return out;
}

std::vector<OutputFrame> synthesize_by_blend(const std::vector<Frame> &references, int factor)
{
    std::vector<OutputFrame> out;
    for (size_t i = 0; i + 1 < references.size(); i++) {
        out.push_back({references[i]});
        for (int k = 1; k < factor; k++)
            out.push_back(
                {cross_fade(references[i], references[i + 1], static_cast<double>(k) / factor)});
    }
    out.push_back({references.back()});
    return out;
}

} // namespace mardini::eval
