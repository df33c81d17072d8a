// The painting rule in LibTorch's operations.
#include "paint/torch.h"

#include "frame/pack.h"
#include "network/detail.h"

#include <algorithm>

namespace mardini {

/// One synthesized frame, whole. h, w: packed size.
struct TorchPainter::Scene {
    const PaintJob &job;
    const Reference &before, &after;
    Pairs pairs;
    Motion motion;            // (1,.,h,w)
    Tensor hidden, mask;      // (1,C,h,w), (1,1,h,w)
    Tensor sampled_residual;  // (1,6,h,w) or undefined
    bool packed_holds_colors; // planes but alpha
};

/// Packed rows [begin, begin + motion's rows) of it, of which the first `skip` are halo and the
/// next `rows` are stored.
struct TorchPainter::Band {
    int64_t begin, skip, rows;
    Motion motion;
    Candidates candidates;
    Tensor logits, change; // (1,4,2 rows,W), (1,6,rows,w)
    Tensor mask;           // (1,1,rows,w)
    Tensor confidence;     // (1,1,rows stored,w)
};

static Motion rows_of(const Motion &m, int64_t begin, int64_t end)
{
    return {m.velocity.slice(2, begin, end), m.bend.slice(2, begin, end),
            m.visibility.slice(2, begin, end), m.uncertainty.slice(2, begin, end)};
}

TorchPainter::TorchPainter(const Geometry &geometry, const torch::Device &device, Profile &profile)
    : geometry_(geometry), device_(device), profile_(profile)
{
}

void TorchPainter::add(int64_t id, const MardiniFrame &frame)
{
    references_[id] = {frame, {}, {}};
}

void TorchPainter::drop(int64_t id)
{
    references_.erase(id);
}

Tensor TorchPainter::load(const Reference &reference, int plane) const
{
    return load_plane(geometry_, reference.frame, plane).to(device_);
}

Tensor TorchPainter::pack_frame(const Reference &reference) const
{
    std::vector<Tensor> planes;
    for (int p = 0; p < geometry_.num_planes; p++)
        planes.push_back(load(reference, p));
    return pack(geometry_, planes);
}

Tensor TorchPainter::motion_input(int64_t id)
{
    return reduce(pack_frame(references_.at(id)), geometry_.reduction);
}

void TorchPainter::retain(const std::vector<int64_t> &ids)
{
    const bool needs_planes = !packed_is_whole(geometry_.format) || geometry_.format.alpha;
    for (auto &[id, reference] : references_) {
        if (std::find(ids.begin(), ids.end(), id) == ids.end()) {
            reference.packed = Tensor();
            reference.planes.clear();
        } else if (!reference.packed.defined()) {
            reference.packed = pack_frame(reference);
            for (int p = 0; needs_planes && p < geometry_.num_planes; p++)
                reference.planes.push_back(load(reference, p));
        }
    }
}

TorchPainter::Scene TorchPainter::scene_of(const PaintJob &job) const
{
    const int64_t h = geometry_.height / 2, w = geometry_.width / 2;
    const Reference &before = references_.at(job.before), &after = references_.at(job.after);
    Scene s{job, before, after, {}, {}, {}, {}, {}, packed_is_whole(geometry_.format)};
    const auto floats = torch::TensorOptions(device_).dtype(torch::kFloat32);
    s.pairs.distance_before = at::full({1, 1, 1, 1}, job.distance_before, floats);
    s.pairs.distance_after = at::full({1, 1, 1, 1}, job.distance_after, floats);
    s.motion = enlarged(job.motion, h, w);
    if (job.trust) {
        Profile::Timer timer(profile_, Stage::Align);
        const Alignment a = align(before.packed, after.packed, s.motion, s.pairs);
        s.motion.velocity =
            s.motion.velocity + trusted_correction(a, job.trust(a, s.motion.visibility));
    }
    s.hidden = resize(job.hidden.to(torch::kFloat32), h, w);
    s.mask = change_mask(before.packed, after.packed);
    if (job.single_reference)
        s.mask.fill_(1);
    if (job.sampled_residual.defined())
        s.sampled_residual = resize(job.sampled_residual, h, w);
    return s;
}

/// Rows [start, end) of the packed frame, with a halo.
TorchPainter::Band TorchPainter::compose_band(const Scene &s, int64_t start, int64_t end)
{
    // Even: a line of 4:1:0's chroma takes two packed rows.
    constexpr int64_t halo = head_halo + head_halo % 2;
    const int64_t begin = std::max<int64_t>(start - halo, 0),
                  last = std::min(end + halo, geometry_.height / 2);
    auto band = [&](const Tensor &x) { return x.slice(2, begin, last); };
    Profile::Timer sample_timer(profile_, Stage::Sample);
    Band b{begin, start - begin, end - start, rows_of(s.motion, begin, last), {}, {}, {}, {}, {}};
    b.candidates = candidates(s.before.packed, s.after.packed, b.motion, s.pairs, begin);
    const Candidates &c = b.candidates;
    const Tensor composite = compose(c, c.prior);
    const Tensor difference =
        at::cat({at::pixel_unshuffle(c.luma.select(1, 0) - c.luma.select(1, 1), 2),
                 c.chroma.select(1, 0) - c.chroma.select(1, 1)},
                1);
    auto luma = [&](const Reference &r) { return band(r.packed).slice(1, 0, luma_channels); };
    const Tensor still = (luma(s.before) - luma(s.after)).abs();
    sample_timer.stop();

    Profile::Timer head_timer(profile_, Stage::Head);
    const auto head =
        s.job.head(at::cat({composite, difference, still, band(s.hidden)}, 1).to(s.job.head_type))
            .to(torch::kFloat32)
            .split_with_sizes({packed_channels, num_candidates * luma_channels, 1}, 1);
    head_timer.stop();

    Profile::Timer store_timer(profile_, Stage::Store);
    const double gate = s.job.residual_gate;
    b.mask = band(s.mask);
    b.logits = c.prior + unpack_logits(head[1]);
    b.change = gate * head[0];
    if (s.sampled_residual.defined())
        b.change = b.change + band(s.sampled_residual);
    if (s.job.detail > 0) { // of the whole frame: paint() has made one band of it
        const Tensor composed = compose(c, b.logits) + b.change;
        b.change = b.change +
                   restore_detail(composed, s.before.packed, s.after.packed, b.motion, s.pairs, c,
                                  b.logits, s.job.detail) -
                   composed;
    }
    const Tensor uncertainty =
        gate * at::softplus(b.motion.uncertainty + head[2] - uncertainty_shift) * b.mask;
    b.confidence = 1 / (1 + confidence_scale * uncertainty.slice(2, b.skip, b.skip + b.rows));
    return b;
}

void TorchPainter::store_band(const Scene &s, const Band &b, const MardiniFrame &out) const
{
    const int64_t end = b.begin + b.motion.velocity.size(2);
    if (s.packed_holds_colors) {
        const Tensor blend = cross_fade(s.before.packed.slice(2, b.begin, end),
                                        s.after.packed.slice(2, b.begin, end), s.pairs);
        const Tensor synthesized =
            (blend + b.mask * (compose(b.candidates, b.logits) + b.change - blend))
                .slice(2, b.skip, b.skip + b.rows);
        const int64_t start = b.begin + b.skip;
        for (int p = 0; p < geometry_.num_planes; p++)
            if (p == 0 || geometry_.is_chroma(p))
                store_plane(geometry_, unpack_change(geometry_, synthesized, p).cpu(),
                            p == 0 ? 2 * start : start, out, p);
    }
    for (int p = 0; p < geometry_.num_planes; p++)
        if (!s.packed_holds_colors || (p > 0 && !geometry_.is_chroma(p)))
            store_plane_band(s, b, p, out);
}

/// A plane that the packed frame does not hold as stored: another subsampling, GBR or alpha.
void TorchPainter::store_plane_band(const Scene &s, const Band &b, int plane,
                                    const MardiniFrame &out) const
{
    const Tensor &before = s.before.planes[plane], &after = s.after.planes[plane];
    const int64_t H = before.size(2), W = before.size(3);
    const int64_t h = geometry_.height / 2, w = geometry_.width / 2;
    // Rows of this plane that the band covers.
    const int64_t begin = b.begin * H / h, count = b.motion.velocity.size(2) * H / h;
    auto [to_before, to_after] = displacements(b.motion, s.pairs);
    const Tensor scale =
        at::tensor({0.5 * W / w, 0.5 * H / h}, to_before.options()).view({1, 2, 1, 1});
    to_before = resize(to_before, count, W) * scale;
    to_after = resize(to_after, count, W) * scale;
    auto band = [&](const Tensor &x) { return x.slice(2, begin, begin + count); };
    const Tensor all =
        at::cat({warp(before, to_before, Sampling::Bicubic, begin),
                 warp(after, to_after, Sampling::Bicubic, begin), band(before), band(after)},
                1);
    const bool is_smaller = count < b.logits.size(2) || W < b.logits.size(3);
    const Tensor logits = is_smaller ? at::adaptive_avg_pool2d(b.logits, {count, W}) : b.logits;
    const Tensor composed =
        (all * logits.softmax(1)).sum(1, true) + unpack_change(geometry_, b.change, plane);
    const Tensor blend = cross_fade(band(before), band(after), s.pairs);
    const Tensor synthesized = blend + resize(b.mask, count, W) * (composed - blend);
    const int64_t skip = b.skip * H / h;
    store_plane(geometry_, synthesized.slice(2, skip, (b.skip + b.rows) * H / h).cpu(),
                begin + skip, out, plane);
}

void TorchPainter::paint(const PaintJob &job, const MardiniFrame &out, float *confidence)
{
    const Scene scene = scene_of(job);
    const int64_t h = geometry_.height / 2, visible = (geometry_.format.height + 1) / 2;
    // Whole lines of 4:1:0's chroma take two packed rows each.
    const int64_t unit = geometry_.format.log2_chroma_height == 2 ? 2 : 1;
    double total = 0;
    int64_t count = 0;
    const int64_t rows_at_once = job.detail > 0 ? h : band_rows;
    for (int64_t start = 0; start < visible; start += rows_at_once) {
        const int64_t end = std::min({start + rows_at_once, (visible + unit - 1) / unit * unit, h});
        const Band band = compose_band(scene, start, end);
        const Tensor shown = band.confidence.slice(2, 0, std::min(end, visible) - start);
        total += shown.sum().item<double>();
        count += shown.numel();
        store_band(scene, band, out);
    }
    if (confidence)
        *confidence = static_cast<float>(total / static_cast<double>(count));
}

} // namespace mardini
