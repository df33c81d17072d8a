// Validation: clips that are never trained on, scored while a run goes, and their contact sheet.
#include "train/report/validation.h"

#include "frame/pack.h"
#include "train/losses.h"
#include "train/report/png.h"

#include <torch/torch.h>

#include <cmath>
#include <set>

namespace mardini::train {

static constexpr int num_frames = 17, max_clips = 16;

/// The first frames of a shot, packed, its sides cropped to multiples of the network's unit.
/// (17,6,h,w); undefined if the shot is too short or too small
static Tensor first_frames(const Shot &shot)
{
    const int unit = 32 * reduction_of(shot.width, shot.height);
    const int W = shot.width / unit * unit, H = shot.height / unit * unit;
    if (shot.num_frames < num_frames || std::min(W, H) < 64)
        return {};
    auto plane = [&](int64_t at, int width, int height) {
        std::vector<Tensor> frames;
        for (int f = 0; f < num_frames; f++)
            frames.push_back(torch::from_blob(
                const_cast<uint8_t *>(shot.frames.get() + f * shot.frame_bytes() + at),
                {height, width}, torch::kUInt8));
        return ((at::stack(frames).to(torch::kFloat32) - 128) / 128)
            .unsqueeze(1); // (17,1,height,width)
    };
    const int64_t area = int64_t(shot.width) * shot.height;
    auto chroma = [&](int64_t at) {
        return plane(at, shot.width / 2, shot.height / 2).slice(2, 0, H / 2).slice(3, 0, W / 2);
    };
    const Tensor luma = plane(0, shot.width, shot.height).slice(2, 0, H).slice(3, 0, W);
    return at::cat({at::pixel_unshuffle(luma, 2), chroma(area), chroma(area + area / 4)}, 1);
}

Validation::Validation(const std::vector<std::string> &places, const LoadOptions &options)
{
    const Footage footage = load_videos(places, options);
    std::set<std::string> sources;
    std::set<const Shot *> taken;
    for (bool again : {false, true}) // one of each source first
        for (const Shot &shot : footage.shots) {
            if (static_cast<int>(clips_.size()) == max_clips || taken.count(&shot))
                continue;
            const Tensor clip = first_frames(shot);
            if (!clip.defined() || (!again && !sources.insert(shot.source).second))
                continue;
            taken.insert(&shot);
            clips_.push_back(clip);
        }
    if (clips_.empty())
        throw std::runtime_error("No clip to check has a shot of 17 frames.");
}

/// Mean gradient of luma over the truth's.
static double sharpness(const Tensor &synthesized, const Tensor &truth)
{
    auto edges = [](const Tensor &packed) {
        Tensor y = at::pixel_shuffle(packed.slice(1, 0, 4), 2);
        return ((y.slice(3, 1) - y.slice(3, 0, -1)).abs().mean() +
                (y.slice(2, 1) - y.slice(2, 0, -1)).abs().mean())
            .item<double>();
    };
    return edges(synthesized) / edges(truth);
}

/// packed (6,h,w) -> (h,w,3) uint8, BT.601 of limited range
static Tensor to_rgb(const Tensor &packed)
{
    Tensor y = 1.164 * (packed.slice(0, 0, 4).mean(0) * 128 + 112), u = packed[4] * 128,
           v = packed[5] * 128;
    return at::stack({y + 1.596 * v, y - 0.392 * u - 0.813 * v, y + 2.017 * u}, 2)
        .clamp(0, 255)
        .to(torch::kUInt8);
}

namespace {

/// The middle of one gap of one clip.
struct Scored {
    Tensor before, after, truth, synthesized; ///< (1,6,h,w)

    /// A row of the contact sheet, (h,5w,3) uint8.
    Tensor row() const
    {
        Tensor difference = 4 * (synthesized - truth)[0];
        difference.slice(0, 4, 6).zero_();
        return at::cat({to_rgb(before[0]), to_rgb(synthesized[0]), to_rgb(truth[0]),
                        to_rgb(after[0]), to_rgb(difference)},
                       1);
    }
};

} // namespace

/// The middle frame of the gap from frame 8 on, references two gaps around it where the clip holds
/// them.
static Scored synthesize_middle(Network &network, const Tensor &clip, int gap,
                                const Ablation &without)
{
    std::vector<int64_t> frames;
    for (int64_t f = 8 - gap; f <= 8 + gap; f += gap)
        frames.push_back(f);
    const Tensor references = clip.index_select(0, torch::tensor(frames));
    const Tensor times =
        torch::arange(static_cast<int64_t>(frames.size())).to(torch::kFloat32).unsqueeze(0) * 8;
    const torch::Device device = network->parameters()[0].device();
    const Output o =
        network->forward(references.unsqueeze(0).to(device), times, torch::full({1, 1}, 12.f),
                         {reduction_of(2 * clip.size(3), 2 * clip.size(2)), without});
    return {references.slice(0, 1, 2), references.slice(0, 2, 3),
            clip.slice(0, 8 + gap / 2, 8 + gap / 2 + 1), o.frames.to(torch::kCPU)};
}

nlohmann::ordered_json Validation::score(Network &network, const std::string &sheet,
                                         const Ablation &without) const
{
    torch::NoGradGuard no_grad;
    nlohmann::ordered_json metrics;
    std::vector<Tensor> rows;
    int64_t widest = 0;
    for (const Tensor &clip : clips_)
        widest = std::max(widest, clip.size(3));
    for (int gap : {2, 4, 8}) {
        double quality = 0, blend = 0, sharp = 0;
        for (const Tensor &clip : clips_) {
            const Scored s = synthesize_middle(network, clip, gap, without);
            const auto count = static_cast<double>(clips_.size());
            quality += psnr(s.synthesized, s.truth).item<double>() / count;
            blend += psnr((s.before + s.after) / 2, s.truth).item<double>() / count;
            sharp += sharpness(s.synthesized, s.truth) / count;
            if (gap == 8 && !sheet.empty())
                rows.push_back(
                    at::constant_pad_nd(s.row(), {0, 0, 0, 5 * (widest - clip.size(3))}, 0));
        }
        const std::string factor = std::to_string(gap) + "x";
        metrics["check_psnr_" + factor] = std::round(1000 * quality) / 1000;
        metrics["check_gain_" + factor] = std::round(1000 * (quality - blend)) / 1000;
        metrics["check_sharpness_" + factor] = std::round(1000 * sharp) / 1000;
    }
    if (!sheet.empty())
        write_png(sheet, at::cat(rows));
    return metrics;
}

} // namespace mardini::train
