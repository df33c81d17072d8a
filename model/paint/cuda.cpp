// The painter for a CUDA device by our own kernels.
#include "paint/cuda.h"

#include "base/constants.h"

#include "config.h"

#include <algorithm>
#include <cstring>

namespace mardini {

/// Least packed rows of a band when memory is short: below, the halo would be most of the work.
static constexpr int64_t smallest_band = 32;

/// Alignment of the lines of our own copies, bytes: a warp's loads are whole.
static constexpr int64_t line_alignment = 256;

/// Frames that may be on their way back to the host, and to the device.
static constexpr int num_down = 3, num_up = 2;
static_assert(num_down + num_up <= Device::num_slots);

CudaPainter::CudaPainter(const Geometry &geometry, std::unique_ptr<Device> device,
                         const torch::Device &place)
    : geometry_(geometry), device_(std::move(device)), place_(place),
      band_rows_(geometry.height / 2), up_(num_up), down_(num_down)
{
    int number = 0;
    for (Slot &slot : up_)
        slot.number = number++;
    for (Slot &slot : down_)
        slot.number = number++;
}

CudaPainter::~CudaPainter()
{
    abandon();
    for (const Slot &slot : up_) // a pinned buffer must outlive the copy from it
        wait_for(slot);
}

class CudaPainter::Order : public StreamOrder {
public:
    explicit Order(CudaPainter &painter) : painter_(painter)
    {
        painter_.abandon();
        painter_.device_->begin();
    }
    ~Order() override
    {
        try {
            painter_.device_->end();
        } catch (const std::exception &) {
            // The next call meets the same error and reports it.
        }
    }

private:
    CudaPainter &painter_;
};

std::unique_ptr<Painter::StreamOrder> CudaPainter::order_streams()
{
    return std::make_unique<Order>(*this);
}

// ---- planes in memory --------------------------------------------------------------

/// Planes in the caller's memory: interleaved chroma is one.
int CudaPainter::num_stored() const
{
    return geometry_.format.interleaved ? 2 : geometry_.num_planes;
}

int64_t CudaPainter::line_bytes(int stored) const
{
    const MardiniFormat &f = geometry_.format;
    return geometry_.plane_width(stored) * (f.depth > 8 ? 2 : 1) *
           (f.interleaved && stored == 1 ? 2 : 1);
}

/// From the first to the last byte of frames that arrange() laid out.
int64_t CudaPainter::num_bytes(const MardiniFrame &frame) const
{
    const int last = num_stored() - 1;
    return frame.data[last] - frame.data[0] + frame.stride[last] * geometry_.plane_height(last);
}

Lines CudaPainter::lines(const MardiniFrame &frame, int stored) const
{
    return {frame.data[stored], static_cast<size_t>(frame.stride[stored]),
            static_cast<size_t>(line_bytes(stored)),
            static_cast<size_t>(geometry_.plane_height(stored))};
}

/// Memory for a frame on the device.
MardiniFrame CudaPainter::arrange(Tensor *memory) const
{
    MardiniFrame frame{};
    int64_t size = 0, start[4];
    for (int i = 0; i < num_stored(); i++) {
        frame.stride[i] = (line_bytes(i) + line_alignment - 1) / line_alignment * line_alignment;
        start[i] = size;
        size += frame.stride[i] * geometry_.plane_height(i);
    }
    *memory = at::empty({size}, torch::TensorOptions(place_).dtype(torch::kUInt8));
    for (int i = 0; i < num_stored(); i++)
        frame.data[i] = memory->data_ptr<uint8_t>() + start[i];
    return frame;
}

static View view_of_values(const Tensor &plane)
{
    const int64_t height = plane.size(0), width = plane.size(1);
    return {reinterpret_cast<uint8_t *>(plane.data_ptr<float>()),
            4 * width,
            4,
            4,
            0,
            static_cast<int32_t>(height),
            static_cast<int32_t>(width),
            1};
}

std::vector<View> CudaPainter::views_of(const MardiniFrame &frame) const
{
    const MardiniFormat &f = geometry_.format;
    const int32_t bytes = f.depth > 8 ? 2 : 1;
    std::vector<View> views;
    for (int p = 0; p < geometry_.num_planes; p++) {
        const bool shared = f.interleaved && geometry_.is_chroma(p);
        views.push_back({frame.data[shared ? 1 : p] + (shared ? (p - 1) * bytes : 0),
                         frame.stride[shared ? 1 : p], shared ? 2 * bytes : bytes, bytes, f.shift,
                         static_cast<int32_t>(geometry_.plane_height(p)),
                         static_cast<int32_t>(geometry_.plane_width(p)),
                         static_cast<float>(1 << (f.depth - 1))});
    }
    return views;
}

std::shared_ptr<uint8_t> CudaPainter::pinned(int64_t bytes) const
{
    Device *device = device_.get();
    return {static_cast<uint8_t *>(device->allocate_pinned(bytes)),
            [device](uint8_t *p) { device->free_pinned(p); }};
}

// ---- frames in -----------------------------------------------------------------------

void CudaPainter::add(int64_t id, const MardiniFrame &frame)
{
    Reference taken;
    if (geometry_.format.on_cuda && device_->shares_memory()) {
        references_[id] = {{}, views_of(frame), {}, {}};
        return;
    }
    const MardiniFrame own = arrange(&taken.memory);
    taken.planes = views_of(own);
    if (geometry_.format.on_cuda) {
        for (int i = 0; i < num_stored(); i++)
            device_->copy_in(lines(own, i), lines(frame, i));
        references_[id] = std::move(taken);
        return;
    }
    Slot &slot = up_[next_up_++ % up_.size()];
    if (!slot.pinned)
        slot.pinned = pinned(num_bytes(own));
    device_->wait(slot.number);
    for (int i = 0; i < num_stored(); i++)
        for (int64_t y = 0; y < geometry_.plane_height(i); y++)
            std::memcpy(slot.pinned.get() + (own.data[i] - own.data[0]) + y * own.stride[i],
                        frame.data[i] + y * frame.stride[i], line_bytes(i));
    device_->upload(slot.number, own.data[0], slot.pinned.get(), num_bytes(own));
    references_[id] = std::move(taken);
}

void CudaPainter::drop(int64_t id)
{
    references_.erase(id);
}

void CudaPainter::retain(const std::vector<int64_t> &ids)
{
    for (auto &[id, reference] : references_)
        if (std::find(ids.begin(), ids.end(), id) == ids.end())
            reference.luma = reference.chroma = Tensor();
}

Tensor CudaPainter::packed(const Reference &reference, int reduction) const
{
    const MardiniFormat &f = geometry_.format;
    const int64_t h = geometry_.height / 2 / reduction, w = geometry_.width / 2 / reduction;
    Tensor out =
        at::empty({1, packed_channels, h, w}, torch::TensorOptions(place_).dtype(torch::kFloat32));
    Packing p{};
    for (int i = 0; i < (f.color == MARDINI_COLOR_GRAY ? 1 : 3); i++)
        p.plane[i] = reference.planes[i];
    p.is_gbr = f.color == MARDINI_COLOR_GBR;
    p.log2_chroma_width = f.log2_chroma_width;
    p.log2_chroma_height = f.log2_chroma_height;
    p.reduction = reduction;
    p.h = static_cast<int32_t>(h);
    p.w = static_cast<int32_t>(w);
    p.out = out.data_ptr<float>();
    device_->pack(p);
    return out;
}

Tensor CudaPainter::motion_input(int64_t id)
{
    return packed(references_.at(id), geometry_.reduction);
}

// ---- frames out ----------------------------------------------------------------------

/// The planes that pixels are sampled from: the frame's own if 4:2:0 or gray, else the packed
/// frame's.
void CudaPainter::find_sources(Reference &reference, View sources[3]) const
{
    if (packed_is_whole(geometry_.format)) {
        sources[0] = reference.planes[0];
        for (int c = 1; c < 3; c++) // gray has none
            sources[c] =
                geometry_.format.color == MARDINI_COLOR_GRAY ? View{} : reference.planes[c];
        return;
    }
    if (!reference.luma.defined()) {
        Tensor whole = packed(reference, 1);
        reference.luma = at::pixel_shuffle(whole.slice(1, 0, 4), 2).contiguous()[0][0];
        reference.chroma = whole.slice(1, 4, 6).contiguous()[0];
    }
    sources[0] = view_of_values(reference.luma);
    for (int c = 1; c < 3; c++)
        sources[c] = view_of_values(reference.chroma[c - 1]);
}

/// Lines that packed rows [start, end) cover, of the planes that the packed frame does not hold.
void CudaPainter::paint_planes(const CudaPaintJob &s, const Reference &before,
                               const Reference &after, const std::vector<View> &out, int64_t start,
                               int64_t end) const
{
    using namespace luma_weights;
    const MardiniFormat &f = geometry_.format;
    const double of_cb[] = {-blue / green, 1, 0}, of_cr[] = {-red / green, 0, 1};
    const int num_colors = geometry_.num_planes - f.alpha;
    for (int plane = packed_is_whole(f) ? num_colors : 0; plane < geometry_.num_planes; plane++) {
        CudaPlaneJob p{};
        p.job = s;
        p.before = before.planes[plane];
        p.after = after.planes[plane];
        p.out = out[plane];
        p.height = static_cast<int32_t>(geometry_.padded_height(plane));
        p.width = static_cast<int32_t>(geometry_.padded_width(plane));
        p.begin = static_cast<int32_t>(start * p.height / s.h);
        p.end = static_cast<int32_t>(std::min(end * p.height / s.h, geometry_.plane_height(plane)));
        p.chroma = geometry_.is_chroma(plane) ? plane : 0;
        p.is_alpha = plane >= num_colors;
        if (f.color == MARDINI_COLOR_GBR && !p.is_alpha) {
            p.share[0] = static_cast<float>(of_cb[plane] / cb_scale);
            p.share[1] = static_cast<float>(of_cr[plane] / cr_scale);
        }
        device_->plane(p);
    }
}

/// The bands of one frame, whose maps of the whole frame are known.
void CudaPainter::paint_bands(const PaintJob &job, CudaPaintJob s, const std::vector<View> &out,
                              int64_t visible) const
{
    const Reference &before = references_.at(job.before), &after = references_.at(job.after);
    const auto floats = torch::TensorOptions(place_).dtype(torch::kFloat32);
    const bool needs_changes = !packed_is_whole(geometry_.format) || geometry_.format.alpha;
    auto data = [](const Tensor &t) { return t.defined() ? t.data_ptr<float>() : nullptr; };
    const int64_t h = s.h, w = s.w;
    for (int64_t start = 0; start < visible; start += band_rows_) {
        const int64_t end = std::min(start + band_rows_, visible),
                      begin = std::max<int64_t>(start - head_halo, 0);
        const int64_t rows = std::min(end + head_halo, h) - begin;
        const Tensor samples = at::empty({12, rows, w}, floats),
                     logits = at::empty({16, rows, w}, floats);
        const Tensor changes = needs_changes ? at::empty({6, rows, w}, floats) : Tensor();
        const Tensor input = at::empty({1, head_hidden + s.hidden_channels, rows, w},
                                       floats.dtype(job.head_type), at::MemoryFormat::ChannelsLast);
        s.begin = static_cast<int32_t>(begin);
        s.rows = static_cast<int32_t>(rows);
        s.first = static_cast<int32_t>(start);
        s.last = static_cast<int32_t>(end);
        s.samples = data(samples);
        s.logits = data(logits);
        s.changes = data(changes);
        s.input = input.data_ptr();
        device_->sample(s);
        const Tensor output =
            job.head(input).to(job.head_type).contiguous(at::MemoryFormat::ChannelsLast);
        s.output = output.data_ptr();
        device_->finish(s);
        if (needs_changes)
            paint_planes(s, before, after, out, start, end);
    }
}

/// @return the frame's confidence, a number on the device
Tensor CudaPainter::paint_frame(const PaintJob &job, const std::vector<View> &out)
{
    const MardiniFormat &f = geometry_.format;
    const int64_t h = geometry_.height / 2, w = geometry_.width / 2;
    // Whole lines of 4:1:0's chroma, which take two packed rows each.
    const int64_t unit = f.log2_chroma_height == 2 ? 2 : 1,
                  visible = (f.height + 2 * unit - 1) / (2 * unit) * unit;
    const auto floats = torch::TensorOptions(place_).dtype(torch::kFloat32);
    const bool whole = packed_is_whole(f);
    auto data = [](const Tensor &t) { return t.defined() ? t.data_ptr<float>() : nullptr; };
    auto enlarged = [&](const Tensor &t) {
        return resize(t.to(torch::kFloat32), h, w).contiguous();
    };

    CudaPaintJob s{};
    find_sources(references_.at(job.before), s.before);
    find_sources(references_.at(job.after), s.after);
    for (int c = 0; whole && c < (f.color == MARDINI_COLOR_GRAY ? 1 : 3); c++)
        s.out[c] = out[c];
    s.h = static_cast<int32_t>(h);
    s.w = static_cast<int32_t>(w);
    s.hidden_channels = static_cast<int32_t>(job.hidden.size(1));
    s.is_bf16 = job.head_type == torch::kBFloat16;
    s.prior[0] = prior_logit(job.distance_before);
    s.prior[1] = prior_logit(job.distance_after);
    s.residual_gate = job.residual_gate;
    s.fade = fade(job);
    const Tensor fields = enlarged(displacement_fields(job, geometry_.reduction)),
                 hidden = enlarged(job.hidden);
    const Tensor sampled =
        job.sampled_residual.defined() ? enlarged(job.sampled_residual) : Tensor();
    const Tensor difference = at::empty({1, 1, h, w}, floats),
                 confidence = at::empty({visible, w}, floats);
    device_->difference(s, data(difference));
    constexpr int r = change_mask_radius, side = 2 * r + 1;
    const Tensor mask = job.single_reference
                            ? at::ones_like(difference)
                            : at::max_pool2d(at::max_pool2d(difference, {side, 1}, {1, 1}, {r, 0}),
                                             {1, side}, {1, 1}, {0, r})
                                  .clamp_max(1);
    s.fields = data(fields);
    s.hidden = data(hidden);
    s.sampled_residual = data(sampled);
    s.mask = data(mask);
    s.confidence = data(confidence);
    paint_bands(job, s, out, visible);
    return confidence.slice(0, 0, (f.height + 1) / 2).mean();
}

Tensor CudaPainter::paint_or_shrink(const PaintJob &job, const std::vector<View> &out)
{
    const int64_t rows_before = band_rows_;
    Tensor confidence;
    while (!confidence.defined()) {
        try {
            confidence = paint_frame(job, out);
        } catch (const c10::OutOfMemoryError &) {
            if (band_rows_ <= smallest_band)
                throw;
            band_rows_ = std::max(smallest_band, band_rows_ / 2 / 4 * 4);
        }
    }
    if (band_rows_ < rows_before && !has_warned_) {
        has_warned_ = true;
        warn("The device's memory is short: frames are synthesized in bands of " +
             std::to_string(2 * band_rows_) + " lines, which takes longer.");
    }
    return confidence;
}

void CudaPainter::paint(const PaintJob &job, const MardiniFrame &out, float *confidence)
{
    const bool in_place = geometry_.format.on_cuda && device_->shares_memory();
    Slot &slot = down_[in_place ? 0 : next_down_++ % down_.size()];
    MardiniFrame target = out;
    if (!in_place) {
        collect(slot);
        slot.staging = arrange(&slot.memory);
        target = slot.staging;
    }
    confidence_.push_back(paint_or_shrink(job, views_of(target)));
    confidence_to_.push_back(confidence);
    if (in_place)
        return;
    if (geometry_.format.on_cuda) {
        for (int i = 0; i < num_stored(); i++)
            device_->copy_out(lines(out, i), lines(target, i));
        return;
    }
    if (!slot.pinned)
        slot.pinned = pinned(num_bytes(target));
    device_->download(slot.number, slot.pinned.get(), target.data[0], num_bytes(target));
    slot.out = out;
    slot.is_busy = true;
}

/// Copy a finished download to the caller's planes.
void CudaPainter::collect(Slot &slot)
{
    if (!slot.is_busy)
        return;
    device_->wait(slot.number);
    for (int i = 0; i < num_stored(); i++)
        for (int64_t y = 0; y < geometry_.plane_height(i); y++)
            std::memcpy(slot.out.data[i] + y * slot.out.stride[i],
                        slot.pinned.get() + (slot.staging.data[i] - slot.staging.data[0]) +
                            y * slot.staging.stride[i],
                        line_bytes(i));
    slot.is_busy = false;
}

void CudaPainter::finish()
{
    for (size_t i = 0; i < down_.size(); i++) // the oldest first
        collect(down_[(next_down_ + i) % down_.size()]);
    if (!confidence_.empty()) {
        const Tensor all = at::stack(confidence_).cpu();
        for (size_t i = 0; i < confidence_to_.size(); i++)
            if (confidence_to_[i])
                *confidence_to_[i] = all.data_ptr<float>()[i];
    }
    confidence_.clear();
    confidence_to_.clear();
}

void CudaPainter::wait_for(const Slot &slot) noexcept
{
    try {
        device_->wait(slot.number);
    } catch (const std::exception &) {
        // The device is lost: nothing is under way either.
    }
}

void CudaPainter::abandon() noexcept
{
    for (Slot &slot : down_) {
        if (slot.is_busy)
            wait_for(slot);
        slot.is_busy = false;
    }
    confidence_.clear();
    confidence_to_.clear();
}

int cuda_index_of(void *context)
{
#if MARDINI_HAVE_KERNELS
    return device_of(context);
#else
    (void)context;
    return -1;
#endif
}

std::unique_ptr<CudaPainter> open_cuda_painter(const Geometry &geometry, const torch::Device &place,
                                               void *context, void *stream, std::string *why)
{
#if MARDINI_HAVE_KERNELS
    if (std::unique_ptr<Device> device = open_device(place.index(), context, stream, why))
        return std::make_unique<CudaPainter>(geometry, std::move(device), place);
    return nullptr;
#else
    (void)geometry, (void)place, (void)context, (void)stream;
    *why = "this library was built without nvcc";
    return nullptr;
#endif
}

} // namespace mardini
