// Windows of frames: pairs, batches, turning, packing.
//   in   samples or planes
//   out  the same, stacked, turned or rearranged
#include "train/batch.h"

#include "timeline/references.h"

#include <torch/torch.h>

#include <algorithm>
#include <cmath>

namespace mardini::train {

using torch::Tensor;

std::vector<std::array<int, 2>> choose_pairs(const std::vector<double> &given,
                                             const std::vector<double> &masked)
{
    TORCH_CHECK(!given.empty(), "a window needs at least one given frame, got none");
    TORCH_CHECK(std::is_sorted(given.begin(), given.end()), "the given times must rise");
    std::vector<std::array<int, 2>> pairs;
    for (double at : masked)
        pairs.push_back(choose_references(given, at).index);
    return pairs;
}

Batch collate(const std::vector<Sample> &samples)
{
    TORCH_CHECK(!samples.empty(), "a batch needs at least one sample, got none");
    auto stack = [&](Tensor Sample::*field) {
        std::vector<Tensor> parts;
        for (const Sample &sample : samples) {
            if (!(sample.*field).defined())
                return Tensor();
            parts.push_back(sample.*field);
        }
        return torch::stack(parts);
    };
    return {stack(&Sample::given),        stack(&Sample::given_times), stack(&Sample::masked),
            stack(&Sample::masked_times), stack(&Sample::pair),        stack(&Sample::flow),
            stack(&Sample::visible)};
}

// The four luma channels of a packed frame change places with the pixels.
static Tensor turn_packed(Tensor frames, const Orientation &o)
{
    auto order = [&](std::array<int64_t, 6> channels) {
        return frames.index_select(1, torch::tensor(at::ArrayRef<int64_t>(channels), torch::kLong));
    };
    if (o.flip_x) {
        frames = frames.flip(-1);
        frames = order({1, 0, 3, 2, 4, 5});
    }
    if (o.flip_y) {
        frames = frames.flip(-2);
        frames = order({2, 3, 0, 1, 4, 5});
    }
    if (o.transpose) {
        frames = frames.transpose(-1, -2);
        frames = order({0, 2, 1, 3, 4, 5});
    }
    return o.reverse ? frames.flip(0) : frames;
}

// flow and visible, whose third dimension from the end is (x,y) in the first
static Tensor turn_field(Tensor field, bool is_flow, const Orientation &o)
{
    auto scale = [&](double x, double y) {
        if (is_flow)
            field = field * torch::tensor({x, y}, torch::kFloat).view({2, 1, 1});
    };
    if (o.flip_x) {
        field = field.flip(-1);
        scale(-1, 1);
    }
    if (o.flip_y) {
        field = field.flip(-2);
        scale(1, -1);
    }
    if (o.transpose) {
        field = field.transpose(-1, -2);
        if (is_flow)
            field = field.flip(2);
    }
    return o.reverse ? field.flip({0, 1}) : field; // the two references change places
}

Sample orient(const Sample &sample, const Orientation &o)
{
    TORCH_CHECK(!o.transpose || sample.given.size(-1) == sample.given.size(-2),
                "only square frames can be transposed");
    Sample out = sample;
    out.given = turn_packed(sample.given, o).contiguous();
    out.masked = turn_packed(sample.masked, o).contiguous();
    if (o.reverse) {
        Tensor all = torch::cat({sample.given_times, sample.masked_times});
        Tensor sum = all.min() + all.max();
        out.given_times = (sum - sample.given_times).flip(0).contiguous();
        out.masked_times = (sum - sample.masked_times).flip(0).contiguous();
        out.pair = (sample.given.size(0) - 1 - sample.pair).flip({0, 1}).contiguous();
    }
    if (sample.flow.defined())
        out.flow = turn_field(sample.flow, true, o).contiguous();
    if (sample.visible.defined())
        out.visible = turn_field(sample.visible, false, o).contiguous();
    return out;
}

Tensor pack_planes(const Tensor &picture)
{
    auto luma = torch::pixel_unshuffle(picture.narrow(-3, 0, 1), 2);
    auto chroma = picture.narrow(-3, 1, 2);
    auto mean = torch::pixel_unshuffle(chroma.unsqueeze(-3), 2).mean(-3);
    return torch::cat({luma, mean}, -3);
}

Tensor unpack_planes(const Tensor &packed)
{
    auto luma = torch::pixel_shuffle(packed.narrow(-3, 0, 4), 2);
    auto chroma = packed.narrow(-3, 4, 2).repeat_interleave(2, -1).repeat_interleave(2, -2);
    return torch::cat({luma, chroma}, -3);
}

} // namespace mardini::train
