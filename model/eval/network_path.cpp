// Frames between reference frames by the network's reference path.
#include "eval/network_path.h"

#include "base/constants.h"

#include <stdexcept>

namespace mardini::eval {

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
    if (frame->format != AV_PIX_FMT_YUV420P)
        throw std::runtime_error(
            "The network's reference path takes frames in yuv420p; convert them first.");
    return Geometry({frame->width, frame->height, MARDINI_COLOR_YUV, 0, 8, 1, 1, 0, 0, 0});
}

Tensor packed_of(const Geometry &geometry, const Frame &frame)
{
    std::vector<Tensor> planes;
    for (int p = 0; p < 3; p++)
        planes.push_back(load_plane(geometry, planes_of(frame), p));
    return pack(geometry, planes);
}

namespace {

/// Reference frames as the network receives them, and the scene cuts between them.
struct PackedReferences {
    Geometry geometry;
    std::vector<Tensor> packed;   ///< (1,6,h,w)
    std::vector<bool> cut_before; ///< a new scene starts with the frame

    PackedReferences(Network &network, const std::vector<Frame> &references)
        : geometry(geometry_of(references.at(0)))
    {
        Features before;
        for (const Frame &frame : references) {
            packed.push_back(packed_of(geometry, frame));
            Features features = network->encoder(reduce(packed.back(), geometry.reduction));
            cut_before.push_back(packed.size() > 1 && unlikeness(before, features) > cut_threshold);
            before = features;
        }
    }

    /// First and last of the references of the gap after `i`: as in the filter two on either side,
    /// none beyond a cut.
    std::pair<int, int> window(int i) const
    {
        const int last = static_cast<int>(packed.size()) - 1;
        return {i > 0 && !cut_before[i] ? i - 1 : i,
                i + 2 <= last && !cut_before[i + 2] ? i + 2 : i + 1};
    }
};

} // namespace

/// The frame `part` of a gap (0 .. 1) after reference frame `i`.
static OutputFrame synthesize_one(Network &network, const PackedReferences &references, int i,
                                  float part, const Ablation &ablation, const Frame &format)
{
    const Geometry &g = references.geometry;
    const auto [from, to] = references.window(i);
    const std::vector<Tensor> window(references.packed.begin() + from,
                                     references.packed.begin() + to + 1);
    const Tensor times = at::arange(from - i, to - i + 1, at::kFloat).view({1, -1}) * gap_positions;
    const Output o =
        network->forward(at::cat(window).unsqueeze(0), times,
                         at::full({1, 1}, part * gap_positions), {g.reduction, ablation});
    OutputFrame out{frame_like(format)};
    for (int p = 0; p < 3; p++)
        store_plane(g, unpack_change(g, o.frames, p), 0, planes_of(out.frame), p);
    const Tensor visible = o.uncertainty.slice(2, 0, (g.format.height + 1) / 2);
    out.confidence = (1 / (1 + confidence_scale * visible)).mean().item<double>();
    return out;
}

std::vector<OutputFrame> synthesize_by_network(Network &network,
                                               const std::vector<Frame> &references, int factor,
                                               const Ablation &ablation)
{
    c10::InferenceMode inference;
    const PackedReferences packed(network, references);
    std::vector<OutputFrame> out;
    for (int i = 0; i + 1 < static_cast<int>(references.size()); i++) {
        out.push_back({references[i]});
        for (int k = 1; k < factor; k++) {
            if (packed.cut_before[i + 1])
                out.push_back({references[2 * k >= factor ? i + 1 : i], 1, true});
            else
                out.push_back(synthesize_one(network, packed, i,
                                             static_cast<float>(k) / static_cast<float>(factor),
                                             ablation, references[i]));
        }
    }
    out.push_back({references.back()});
    return out;
}

} // namespace mardini::eval
