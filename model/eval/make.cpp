// The ways to make the frames between given ones that are scored.
#include "eval/make.h"

#include <cmath>
#include <stdexcept>

namespace mardini::eval {

/// The filter's own numbers, for the network alone.
static constexpr double cut_threshold = 0.74; ///< of unlikeness()
static constexpr int positions = 8;           ///< a gap is so many positions of the window

Step filter_step(std::vector<std::pair<std::string, std::string>> job, const FilterOptions &options)
{
    Step step{"mardini", std::move(job)};
    auto set = [&](const char *name, const std::string &value) {
        if (!value.empty() && value != "-1")
            step.options.emplace_back(name, value);
    };
    set("model", options.model);
    set("device", options.device);
    set("precision", options.precision);
    set("steps", std::to_string(options.steps));
    set("seed", std::to_string(options.seed));
    set("scd", options.cuts ? "" : "none");
    return step;
}

std::vector<Made> make_by_filter(const std::vector<Frame> &given, AVRational rate, int factor,
                                 const FilterOptions &options)
{
    const AVRational finer = av_mul_q(rate, {factor, 1});
    const Step step = filter_step(
        {{"fps", std::to_string(finer.num) + "/" + std::to_string(finer.den)}}, options);
    std::vector<Made> out((given.size() - 1) * factor + 1);
    run(given, rate, {step}, options.threads, [&](const Frame &frame, double time) {
        const double position = time * av_q2d(finer);
        const size_t i = static_cast<size_t>(std::lround(position));
        // The last given frame lasts as long as the others and is repeated: those lie past the end.
        if (i >= out.size())
            return;
        if (std::abs(position - static_cast<double>(i)) > 0.05 || out[i].frame)
            throw std::runtime_error("The filter's frame at " + std::to_string(time) +
                                     " s is none of those asked for.");
        const AVDictionaryEntry *confidence =
            av_dict_get(frame->metadata, "lavfi.mardini.confidence", nullptr, 0);
        out[i].frame = frame;
        out[i].confidence = confidence ? std::atof(confidence->value) : 1;
        out[i].held = av_dict_get(frame->metadata, "lavfi.mardini.cut", nullptr, 0) != nullptr;
    });
    for (size_t i = 0; i < out.size(); i++)
        if (!out[i].frame)
            throw std::runtime_error("The filter left frame " + std::to_string(i) + " out.");
    return out;
}

static MardiniFrame planes_of(const Frame &frame)
{
    MardiniFrame f = {};
    for (int p = 0; p < 3; p++) {
        f.data[p] = frame->data[p];
        f.stride[p] = frame->linesize[p];
    }
    return f;
}

Geometry geometry_of(const Frame &frame)
{
    const Geometry g({frame->width, frame->height, MARDINI_COLOR_YUV, 0, 8, 1, 1, 0, 0, 0});
    if (g.reduction > 1 || frame->format != AV_PIX_FMT_YUV420P)
        throw std::runtime_error(
            "For the network alone, frames must be yuv420p with a shorter side of at most " +
            std::to_string(motion_side) + "; use --max-height " + std::to_string(motion_side) +
            ".");
    return g;
}

Tensor packed_of(const Geometry &geometry, const Frame &frame)
{
    std::vector<Tensor> planes;
    for (int p = 0; p < 3; p++)
        planes.push_back(load_plane(geometry, planes_of(frame), p));
    return pack(geometry, planes);
}

namespace {

/// Given frames as the network sees them, and where scenes change.
struct Prepared {
    Geometry geometry;
    std::vector<Tensor> packed;   ///< (1,6,h,w)
    std::vector<bool> cut_before; ///< a new scene starts with the frame

    Prepared(Network &network, const std::vector<Frame> &given) : geometry(geometry_of(given.at(0)))
    {
        Features before;
        for (const Frame &frame : given) {
            packed.push_back(packed_of(geometry, frame));
            Features features = network->encoder(packed.back());
            cut_before.push_back(packed.size() > 1 && unlikeness(before, features) > cut_threshold);
            before = features;
        }
    }
};

} // namespace

std::vector<Made> make_by_network(Network &network, const std::vector<Frame> &given, int factor,
                                  const Ablation &ablation)
{
    c10::InferenceMode inference;
    const Prepared prepared(network, given);
    const Geometry &g = prepared.geometry;
    const int last = static_cast<int>(given.size()) - 1;
    std::vector<Made> out;
    for (int i = 0; i < last; i++) {
        out.push_back({given[i]});
        if (prepared.cut_before[i + 1]) {
            for (int k = 1; k < factor; k++)
                out.push_back({given[2 * k >= factor ? i + 1 : i], 1, true});
            continue;
        }
        // As in the filter: two given frames on either side, none beyond a cut.
        const int from = i > 0 && !prepared.cut_before[i] ? i - 1 : i;
        const int to = i + 2 <= last && !prepared.cut_before[i + 2] ? i + 2 : i + 1;
        std::vector<Tensor> window(prepared.packed.begin() + from,
                                   prepared.packed.begin() + to + 1);
        Tensor times = at::arange(from - i, to - i + 1, at::kFloat).view({1, -1}) * positions;
        for (int k = 1; k < factor; k++) {
            Tensor time =
                at::full({1, 1}, static_cast<float>(k) * positions / static_cast<float>(factor));
            Output o = network->forward(at::cat(window).unsqueeze(0), times, time, {1, ablation});
            Made made{like(given[i])};
            for (int p = 0; p < 3; p++)
                store_plane(g, unpack_change(g, o.frames, p), 0, planes_of(made.frame), p);
            Tensor visible = o.uncertainty.slice(2, 0, (g.format.height + 1) / 2);
            made.confidence = (1 / (1 + 16 * visible)).mean().item<double>();
            out.push_back(std::move(made));
        }
    }
    out.push_back({given[last]});
    return out;
}

std::vector<Made> make_by_blend(const std::vector<Frame> &given, int factor)
{
    std::vector<Made> out;
    for (size_t i = 0; i + 1 < given.size(); i++) {
        out.push_back({given[i]});
        for (int k = 1; k < factor; k++) {
            const double t = static_cast<double>(k) / factor;
            Made made{like(given[i])};
            for (int p = 0; p < 3; p++) {
                const Plane a = plane_of(given[i], p), b = plane_of(given[i + 1], p);
                for (int y = 0; y < a.height; y++) {
                    const uint8_t *from = a.data + y * a.stride, *to = b.data + y * b.stride;
                    uint8_t *row =
                        made.frame->data[p] + static_cast<ptrdiff_t>(y) * made.frame->linesize[p];
                    for (int x = 0; x < a.width; x++)
                        row[x] =
                            static_cast<uint8_t>(std::floor((1 - t) * from[x] + t * to[x] + 0.5));
                }
            }
            out.push_back(std::move(made));
        }
    }
    out.push_back({given.back()});
    return out;
}

} // namespace mardini::eval
