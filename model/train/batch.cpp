// Windows of frames: stacked, mirrored, packed.
#include "train/batch.h"

#include <torch/torch.h>

#include <algorithm>
#include <cmath>

namespace mardini::train {

using torch::Tensor;

Window make_window(const Positions &positions, const Tensor &frames)
{
    const auto num_references = static_cast<int64_t>(positions.references.size()),
               num_masked = static_cast<int64_t>(positions.masked.size());
    Window window;
    window.references = frames.narrow(0, 0, num_references);
    window.masked = frames.narrow(0, num_references, num_masked);
    window.reference_times = torch::tensor(positions.references, torch::kFloat);
    window.masked_times = torch::tensor(positions.masked, torch::kFloat);
    window.pair = torch::empty({num_masked, 2}, torch::kLong);
    for (int64_t m = 0; m < num_masked; m++)
        for (int k = 0; k < 2; k++)
            window.pair.data_ptr<int64_t>()[m * 2 + k] = positions.pair[m][k];
    return window;
}

Batch collate(const std::vector<Window> &windows)
{
    TORCH_CHECK(!windows.empty(), "a batch needs at least one window, got none");
    auto stack = [&](Tensor Window::*field) {
        std::vector<Tensor> parts;
        for (const Window &window : windows) {
            if (!(window.*field).defined())
                return Tensor();
            parts.push_back(window.*field);
        }
        return torch::stack(parts);
    };
    return {stack(&Window::references), stack(&Window::reference_times),
            stack(&Window::masked),     stack(&Window::masked_times),
            stack(&Window::pair),       stack(&Window::flow),
            stack(&Window::visible)};
}

// The four luma channels of a packed frame change places with the pixels.
static Tensor orient_packed(Tensor frames, const Orientation &o)
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
static Tensor orient_field(Tensor field, bool is_flow, const Orientation &o)
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

Window orient(const Window &window, const Orientation &o)
{
    TORCH_CHECK(!o.transpose || window.references.size(-1) == window.references.size(-2),
                "only square frames can be transposed");
    Window out = window;
    out.references = orient_packed(window.references, o).contiguous();
    out.masked = orient_packed(window.masked, o).contiguous();
    if (o.reverse) {
        Tensor all = torch::cat({window.reference_times, window.masked_times});
        Tensor sum = all.min() + all.max();
        out.reference_times = (sum - window.reference_times).flip(0).contiguous();
        out.masked_times = (sum - window.masked_times).flip(0).contiguous();
        out.pair = (window.references.size(0) - 1 - window.pair).flip({0, 1}).contiguous();
    }
    if (window.flow.defined())
        out.flow = orient_field(window.flow, true, o).contiguous();
    if (window.visible.defined())
        out.visible = orient_field(window.visible, false, o).contiguous();
    return out;
}

void to_filter_times(Batch &batch)
{
    if (batch.reference_times.size(1) < 2)
        return;
    // (B,1) each: the references of the window's first masked frame
    Tensor first = batch.reference_times.gather(1, batch.pair.select(1, 0).slice(1, 0, 1));
    Tensor second = batch.reference_times.gather(1, batch.pair.select(1, 0).slice(1, 1, 2));
    Tensor scale = gap_positions / (second - first);
    batch.reference_times = (batch.reference_times - first) * scale;
    batch.masked_times = (batch.masked_times - first) * scale;
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
