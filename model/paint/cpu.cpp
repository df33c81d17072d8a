// From motion to pixels in one pass over bands of rows.
#include "paint/cpu.h"

#include "frame/pack.h"
#include "simd/bilinear_table.h"
#include "simd/detail.h"
#include "simd/dispatch.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <cstring>

namespace mardini {

/// Channels of the head's input at most.
static constexpr int max_input = 96;

/// Bytes that the buffers of a band may take: they are to stay in the processor's caches.
static constexpr int64_t cache_bytes = 16 << 20;

namespace {

/// Buffers and constants of one band. Rows count from the band's first.
struct Band {
    int64_t h, w, pitch; // packed size of the frame; floats from a row of a buffer to the next
    int64_t begin, rows;
    Kind kind;
    const std::vector<Plane> *packed[2];
    float prior[2], gate, fade, middle;
    int64_t input_channels;
    bool bf16, has_sampled, single_reference;
    float detail;
    const float *energy[2]; ///< (h,w) of both reference frames, where detail is restored
    void *input;
    const void *output;
    // Rows -1 .. rows of fields, -4 .. rows + 3 of differences; the first float of a row's margin
    // comes first.
    std::vector<float> fields, differences, hidden, samples, logits, changes, mask, sampled;
    std::vector<float> composed, restored, wanted; // where detail is restored

    static constexpr int64_t margin = 16;

    static const float *row_of(const std::vector<float> &v, int64_t row, int64_t channels,
                               int64_t pitch)
    {
        return v.data() + row * channels * pitch + margin;
    }
    float *at(const std::vector<float> &v, int64_t row, int64_t channels) const
    {
        return const_cast<float *>(row_of(v, row, channels, pitch));
    }
    float *field(int64_t row) const { return at(fields, row + 1, num_fields); }
    float *difference(int64_t row) const { return at(differences, row + 4, 1); }
    float *hidden_row(int64_t row) const { return at(hidden, row, input_channels - head_hidden); }
    float *sample(int64_t row) const { return at(samples, row, 12); }
    float *logit(int64_t row) const { return at(logits, row, 16); }
    float *change(int64_t row) const { return at(changes, row, 6); }
    float *mask_row(int64_t row) const { return at(mask, row, 1); }
    float *sampled_row(int64_t row) const { return has_sampled ? at(sampled, row, 6) : nullptr; }
    float *composed_row(int64_t row) const { return at(composed, row, luma_channels); }
    float *restored_row(int64_t row) const { return at(restored, row, luma_channels); }
    float *wanted_row(int64_t row) const { return at(wanted, row, 1); }
};

/// Where a packed row's codes go before they are cut to the picture: two lines of luma, Cb, Cr.
struct Lines {
    uint8_t *at[4];
};

/// One line of a plane with all that decides it, at the plane's own size.
struct PlaneLine {
    const Plane *a, *b;
    int64_t y, width;
    float fade, middle;
    const float *field[10]; // displacement to a: x y, to b: x y, logits 4, change, mask
};

struct Kernel {
    void (*mix_rows)(const float *above, const float *below, float down, int64_t w, float *out);
    void (*resize_row)(const float *row, const BilinearTable &steps, int64_t w, float *out);
    void (*difference_row)(const Band &band, int64_t y, float *out);
    void (*find_mask)(const float *const rows[9], int64_t w, float *tmp, float *out);
    void (*sample_row)(const Band &band, int64_t row);
    double (*apply_head)(const Band &band, int64_t row);
    void (*compose_row)(const Band &band, int64_t row);
    void (*add_detail)(const Band &band, int64_t row);
    void (*store_row)(const Band &band, int64_t row, const Lines &lines);
    void (*plane_row)(const PlaneLine &line, uint8_t *out);
};

#define KERNELS "paint/cpu_kernel.h"
#include "simd/per_isa.inc"

const Kernel &kernel()
{
    return choose(plain::kernel, avx2::kernel, avx512::kernel);
}

} // namespace

// ---- the band ----------------------------------------------------------------------

/// The rows of a field need not have room for vectors at their end: the last few are done one by
/// one.
static void mix(const float *above, const float *below, float down, int64_t w, float *out)
{
    const int64_t whole = w / 16 * 16;
    kernel().mix_rows(above, below, down, whole, out);
    for (int64_t x = whole; x < w; x++)
        out[x] = (1 - down) * above[x] + down * below[x];
}

/// A field of low resolution, read row by row at that of the packed frame.
struct Source {
    Source(const Tensor &t, int64_t h, int64_t w)
        : values(t.to(torch::kFloat32).contiguous()), rows(values.size(2), h),
          columns(values.size(3), w), w(w)
    {
    }

    /// All channels of row y, `pitch` floats apart, one column repeated on either side.
    void read(int64_t y, float *out, int64_t pitch) const
    {
        const int64_t hs = values.size(2), ws = values.size(3);
        std::vector<float> tmp(ws + 16);
        const float *data = values.data_ptr<float>();
        for (int64_t c = 0; c < values.size(1); c++, data += hs * ws, out += pitch) {
            mix(data + rows.left[y] * ws, data + rows.right[y] * ws, rows.part[y], ws, tmp.data());
            if (ws == w)
                std::memcpy(out, tmp.data(), w * sizeof(float));
            else
                kernel().resize_row(tmp.data(), columns, w, out);
            out[-1] = out[0];
            out[w] = out[w - 1];
        }
    }

    Tensor values;
    BilinearTable rows, columns;
    int64_t w;
};

static Band make_band(const Geometry &g, const PaintJob &p, const Pixels &before,
                      const Pixels &after, int64_t most_rows)
{
    Band b;
    b.h = g.height / 2;
    b.w = g.width / 2;
    b.pitch = b.w + 2 * Band::margin;
    b.kind = before.packed[0].kind;
    b.packed[0] = &before.packed;
    b.packed[1] = &after.packed;
    b.prior[0] = prior_logit(p.distance_before);
    b.prior[1] = prior_logit(p.distance_after);
    b.gate = p.residual_gate;
    b.fade = fade(p);
    b.middle = static_cast<float>(1 << (g.format.depth - 1));
    b.input_channels = head_hidden + p.hidden.size(1);
    b.bf16 = p.head_type == torch::kBFloat16;
    b.has_sampled = p.sampled_residual.defined();
    b.single_reference = p.single_reference;
    b.detail = p.detail;
    b.energy[0] = before.energy.data();
    b.energy[1] = after.energy.data();
    TORCH_CHECK(b.input_channels <= max_input, "The output head takes ", b.input_channels,
                " channels; at most ", max_input, " are possible.");
    auto buffer = [&](std::vector<float> &v, int64_t rows, int64_t channels) {
        v.resize(rows * channels * b.pitch);
    };
    buffer(b.fields, most_rows + 2, num_fields);
    buffer(b.differences, most_rows + 8, 1);
    buffer(b.hidden, most_rows, b.input_channels - head_hidden);
    buffer(b.samples, most_rows, 12);
    buffer(b.logits, most_rows, 16);
    buffer(b.changes, most_rows, 6);
    buffer(b.mask, most_rows, 1);
    if (b.has_sampled)
        buffer(b.sampled, most_rows, 6);
    if (b.detail > 0) {
        buffer(b.composed, most_rows, luma_channels);
        buffer(b.restored, most_rows, luma_channels);
        buffer(b.wanted, most_rows, 1);
    }
    return b;
}

/// Enlarge the fields, find the change mask, then sample both frames: the head's input.
static void sample_band(Band &b, const Source &fields, const Source &hidden, const Source *sampled)
{
    at::parallel_for(-4, b.rows + 4, 8, [&](int64_t from, int64_t to) {
        for (int64_t row = from; row < to; row++) {
            const int64_t y = b.begin + row;
            float *d = b.difference(row);
            if (y < 0 || y >= b.h) {
                std::fill(d - Band::margin, d + b.w + Band::margin, 0.0f);
            } else {
                kernel().difference_row(b, y, d);
                std::fill(d - Band::margin, d, 0.0f);
                std::fill(d + b.w, d + b.w + Band::margin, 0.0f);
            }
            if (row >= -1 && row <= b.rows)
                fields.read(std::clamp<int64_t>(y, 0, b.h - 1), b.field(row), b.pitch);
            if (row < 0 || row >= b.rows)
                continue;
            hidden.read(y, b.hidden_row(row), b.pitch);
            if (sampled)
                sampled->read(y, b.sampled_row(row), b.pitch);
        }
    });
    at::parallel_for(0, b.rows, 4, [&](int64_t from, int64_t to) {
        std::vector<float> tmp(b.pitch);
        for (int64_t row = from; row < to; row++) {
            const float *rows[9];
            for (int i = 0; i < 9; i++)
                rows[i] = b.difference(row + i - 4);
            if (b.single_reference)
                std::fill_n(b.mask_row(row), b.w, 1.0f);
            else
                kernel().find_mask(rows, b.w, tmp.data() + Band::margin, b.mask_row(row));
            kernel().sample_row(b, row);
        }
    });
}

/// Restore detail in packed rows [first, first + count) of the frame: their change takes it up.
static void restore_band(const Band &b, int64_t first, int64_t count)
{
    at::parallel_for(0, b.rows, 4, [&](int64_t from, int64_t to) {
        for (int64_t row = from; row < to; row++)
            kernel().compose_row(b, row);
    });
    auto rows_of = [&](float *row, int64_t channels) {
        return PackedRows<const float>{row, b.begin, channels * b.pitch, b.pitch};
    };
    const DetailJob job{b.h,
                        b.w,
                        rows_of(b.composed_row(0), luma_channels),
                        rows_of(b.sample(0), 12),
                        rows_of(b.sample(0) + luma_channels * b.pitch, 12),
                        rows_of(b.wanted_row(0), 1),
                        b.detail,
                        {b.restored_row(0), b.begin, luma_channels * b.pitch, b.pitch}};
    at::parallel_for(first, first + count, 16,
                     [&](int64_t from, int64_t to) { restore_detail(job, from, to); });
    at::parallel_for(first - b.begin, first - b.begin + count, 16, [&](int64_t from, int64_t to) {
        for (int64_t row = from; row < to; row++)
            kernel().add_detail(b, row);
    });
}

/// The displacement fields at the size of the packed frame, aligned. (1,9,h,w) float32
static Tensor aligned_fields(const Geometry &g, const PaintJob &p, const Pixels &before,
                             const Pixels &after)
{
    const int64_t h = g.height / 2, w = g.width / 2;
    Tensor fields =
        resize(displacement_fields(p, g.reduction).to(torch::kFloat32), h, w).contiguous();
    const Tensor visibility = fields.slice(1, 4, 4 + num_candidates);
    const float prior[] = {prior_logit(p.distance_before), prior_logit(p.distance_after)};
    const Tensor seen = at::empty({h, w}, fields.options());
    both_see(visibility.data_ptr<float>(), prior, h * w, seen.data_ptr<float>());
    const Alignment a{at::empty({1, 2, h, w}, fields.options()),
                      at::empty({1, 1, h / 2, w / 2}, fields.options()),
                      at::empty({1, 1, h / 2, w / 2}, fields.options())};
    const float *data = fields.data_ptr<float>();
    align_frame({&before.pyramid, &after.pyramid, data, data + 2 * h * w, seen.data_ptr<float>(),
                 p.distance_before, p.distance_after, a.correction.data_ptr<float>(),
                 a.residual_before.data_ptr<float>(), a.residual_after.data_ptr<float>()});
    const Tensor trusted = trusted_correction(a, p.trust(a, visibility));
    fields.slice(1, 0, 2).add_(trusted, p.distance_before);
    fields.slice(1, 2, 4).add_(trusted, p.distance_after);
    return fields;
}

// ---- planes that the packed frame does not hold ------------------------------------

/// What decides a line of one plane, gathered at that plane's size from the band's packed rows.
class PlaneReader {
public:
    PlaneReader(const Geometry &g, const Band &b, int plane)
        : g_(g), b_(b), plane_(plane), H_(g.padded_height(plane)), W_(g.padded_width(plane)),
          rows_(b.h, H_), columns_(b.w, W_), pitch_(W_ + 32)
    {
    }

    int64_t height() const { return H_; }
    int64_t width() const { return W_; }

    /// @param values  10 * pitch() floats that the line will point into
    PlaneLine read(const Plane &a, const Plane &b, int64_t y, float *values) const
    {
        PlaneLine line{&a, &b, y, W_, b_.fade, b_.middle, {}};
        for (int k = 0; k < 10; k++)
            line.field[k] = values + k * pitch_;
        for (int k = 0; k < 4; k++) {
            float *out = values + k * pitch_;
            resize(&Band::field, k, y, out);
            const float scale = 0.5f * static_cast<float>(k % 2 ? H_ : W_) /
                                static_cast<float>(k % 2 ? b_.h : b_.w);
            for (int64_t x = 0; x < W_; x++)
                out[x] *= scale;
        }
        for (int k = 0; k < 4; k++)
            pool_luma(b_.logits, 16, 4 * k, y, values + (4 + k) * pitch_);
        change(y, values + 8 * pitch_, values + 9 * pitch_);
        resize(&Band::mask_row, 0, y, values + 9 * pitch_);
        return line;
    }

    int64_t pitch() const { return pitch_; }

private:
    void resize(float *(Band::*row)(int64_t) const, int channel, int64_t y, float *out) const
    {
        const float *above = (b_.*row)(rows_.left[y] - b_.begin) + channel * b_.pitch;
        const float *below = (b_.*row)(rows_.right[y] - b_.begin) + channel * b_.pitch;
        std::vector<float> tmp(b_.w + 16);
        mix(above, below, rows_.part[y], b_.w, tmp.data());
        kernel().resize_row(tmp.data(), columns_, W_, out);
    }

    /// Mean of the luma samples that lie on one of this plane's. `first`: of four channels, one a
    /// luma sample.
    void pool_luma(const std::vector<float> &v, int channels, int first, int64_t y,
                   float *out) const
    {
        const int64_t fy = 2 * b_.h / H_, fx = 2 * b_.w / W_;
        std::fill(out, out + W_, 0.0f);
        for (int64_t line = y * fy; line < (y + 1) * fy; line++) {
            const float *row =
                b_.at(v, line / 2 - b_.begin, channels) + (first + 2 * (line % 2)) * b_.pitch;
            for (int64_t x = 0; x < 2 * b_.w; x++)
                out[x / fx] += row[(x % 2) * b_.pitch + x / 2];
        }
        for (int64_t x = 0; x < W_; x++)
            out[x] /= static_cast<float>(fx * fy);
    }

    /// Mean of the packed cells that touch one of this plane's samples.
    void pool_chroma(int channel, int64_t y, float *out) const
    {
        const int64_t top = y * b_.h / H_, bottom = ((y + 1) * b_.h + H_ - 1) / H_;
        for (int64_t x = 0; x < W_; x++) {
            const int64_t left = x * b_.w / W_, right = ((x + 1) * b_.w + W_ - 1) / W_;
            float sum = 0;
            for (int64_t i = top; i < bottom; i++)
                for (int64_t j = left; j < right; j++)
                    sum += b_.change(i - b_.begin)[channel * b_.pitch + j];
            out[x] = sum / static_cast<float>((bottom - top) * (right - left));
        }
    }

    /// What the packed change means here, as unpack_change().
    void change(int64_t y, float *out, float *tmp) const
    {
        using namespace luma_weights;
        const int color_planes = g_.format.color == MARDINI_COLOR_GRAY ? 1 : 3;
        if (plane_ >= color_planes) { // alpha
            std::fill(out, out + W_, 0.0f);
        } else if (g_.is_chroma(plane_)) {
            if (H_ < b_.h || W_ < b_.w)
                pool_chroma(3 + plane_, y, out);
            else
                resize(&Band::change, 3 + plane_, y, out);
        } else {
            pool_luma(b_.changes, 6, 0, y, out);
            if (g_.format.color != MARDINI_COLOR_GBR)
                return;
            const double cb[] = {-blue / green, 1, 0}, cr[] = {-red / green, 0, 1};
            for (int c = 0; c < 2; c++) {
                const float share =
                    static_cast<float>(c ? cr[plane_] / cr_scale : cb[plane_] / cb_scale);
                if (share == 0)
                    continue;
                resize(&Band::change, 4 + c, y, tmp);
                for (int64_t x = 0; x < W_; x++)
                    out[x] += share * tmp[x];
            }
        }
    }

    const Geometry &g_;
    const Band &b_;
    int plane_;
    int64_t H_, W_;
    BilinearTable rows_, columns_;
    int64_t pitch_;
};

/// Lines of plane `plane` that packed rows [first, first + count) of the frame cover.
static void store_plane_lines(const Geometry &g, const Band &b, const Plane &before,
                              const Plane &after, int plane, int64_t first, int64_t count,
                              const MardiniFrame &out)
{
    const PlaneReader reader(g, b, plane);
    const int64_t begin = first * reader.height() / b.h;
    const int64_t end = std::min((first + count) * reader.height() / b.h, g.plane_height(plane));
    const int64_t bytes = g.format.depth > 8 ? 2 : 1, width = g.plane_width(plane) * bytes;
    at::parallel_for(begin, std::max(begin, end), 8, [&](int64_t from, int64_t to) {
        std::vector<float> values(10 * reader.pitch());
        std::vector<uint8_t> codes((reader.width() + 32) * bytes);
        for (int64_t y = from; y < to; y++) {
            const PlaneLine line = reader.read(before, after, y, values.data());
            kernel().plane_row(line, codes.data());
            std::memcpy(out.data[plane] + y * out.stride[plane], codes.data(), width);
        }
    });
}

// ---- the frame ---------------------------------------------------------------------

/// Packed rows [first, first + count) of the frame, straight from the kept samples.
static void store_packed_rows(const Geometry &g, const Band &b, int64_t first, int64_t count,
                              const MardiniFrame &out)
{
    const bool gray = g.format.color == MARDINI_COLOR_GRAY;
    const int64_t bytes = g.format.depth > 8 ? 2 : 1;
    at::parallel_for(first, first + count, 4, [&](int64_t from, int64_t to) {
        const int64_t line = 2 * b.w * bytes + 64;
        std::vector<uint8_t> codes(4 * line);
        const Lines lines{{&codes[0], &codes[line], &codes[2 * line], &codes[3 * line]}};
        for (int64_t y = from; y < to; y++) {
            kernel().store_row(b, y - b.begin, lines);
            for (int i = 0; i < (gray ? 2 : 4); i++) {
                const int plane = i < 2 ? 0 : i - 1;
                const int64_t at = i < 2 ? 2 * y + i : y;
                if (at < g.plane_height(plane))
                    std::memcpy(out.data[plane] + at * out.stride[plane], lines.at[i],
                                g.plane_width(plane) * bytes);
            }
        }
    });
}

static int64_t bytes_of_row(int64_t w, const PaintTraits &traits)
{
    const int64_t detail = traits.restores_detail ? 2 * luma_channels + 1 : 0;
    return w * (4 * (num_fields + 12 + 16 + 6 + 2 + detail + traits.hidden_channels) + 128);
}

/// Packed rows beyond a band that are composed with it.
static int64_t halo(const PaintTraits &traits)
{
    return head_halo + (traits.restores_detail ? detail_halo : 0);
}

static int64_t rows_of_band(int64_t w, const PaintTraits &traits, int64_t bytes)
{
    const int64_t rows = (bytes ? bytes : cache_bytes) / bytes_of_row(w, traits) / 4 * 4;
    return std::clamp<int64_t>(rows, bytes ? 4 : 32, 256);
}

int64_t bytes_of_bands(const Geometry &g, const PaintTraits &traits, int64_t bytes)
{
    const int64_t w = g.width / 2,
                  rows = std::min(rows_of_band(w, traits, bytes) + 2 * halo(traits), g.height / 2);
    // Alignment is of the whole frame: fields, sums and corrections.
    const int64_t alignment = traits.aligns ? 4 * 24 * (g.height / 2) * w : 0;
    return rows * bytes_of_row(w, traits) + alignment;
}

float paint(const Geometry &g, const PaintJob &p, const Pixels &before, const Pixels &after,
            int64_t band_bytes, const MardiniFrame &out, Profile &profile)
{
    const int64_t h = g.height / 2, w = g.width / 2;
    // Whole lines of 4:1:0's chroma, which take two packed rows each.
    const int64_t unit = g.format.log2_chroma_height == 2 ? 2 : 1;
    const int64_t shown = (g.format.height + 1) / 2, visible = (shown + unit - 1) / unit * unit;
    const PaintTraits traits{p.hidden.size(1), p.trust != nullptr, p.detail > 0};
    const int64_t band_rows = rows_of_band(w, traits, band_bytes);
    const bool whole = packed_is_whole(g.format);
    Band b = make_band(g, p, before, after, std::min(band_rows + 2 * halo(traits), h));
    Profile::Timer align_timer(profile, Stage::Align);
    const Source fields(
        p.trust ? aligned_fields(g, p, before, after) : displacement_fields(p, g.reduction), h, w);
    align_timer.stop();
    const Source hidden(p.hidden, h, w);
    std::unique_ptr<Source> sampled;
    if (p.sampled_residual.defined())
        sampled = std::make_unique<Source>(p.sampled_residual, h, w);
    double total = 0;
    for (int64_t start = 0; start < visible; start += band_rows) {
        const int64_t end = std::min(start + band_rows, visible), count = end - start;
        b.begin = std::max<int64_t>(start - halo(traits), 0);
        b.rows = std::min(end + halo(traits), h) - b.begin;
        Profile::Timer sample_timer(profile, Stage::Sample);
        Tensor input = at::empty({1, b.input_channels, b.rows, w},
                                 torch::TensorOptions(p.head_type), at::MemoryFormat::ChannelsLast);
        b.input = input.data_ptr();
        sample_band(b, fields, hidden, sampled.get());
        sample_timer.stop();

        Profile::Timer head_timer(profile, Stage::Head);
        Tensor output = p.head(input).to(p.head_type).contiguous(at::MemoryFormat::ChannelsLast);
        head_timer.stop();
        b.output = output.data_ptr();

        Profile::Timer store_timer(profile, Stage::Store);
        std::vector<double> confidence(b.rows); // by row: the sum does not depend on the threads
        at::parallel_for(0, b.rows, 4, [&](int64_t from, int64_t to) {
            for (int64_t row = from; row < to; row++)
                confidence[row] = kernel().apply_head(b, row);
        });
        for (int64_t y = start; y < std::min(end, shown); y++)
            total += confidence[y - b.begin];
        if (p.detail > 0)
            restore_band(b, start, count);
        if (whole)
            store_packed_rows(g, b, start, count, out);
        for (int plane = whole ? g.num_planes - g.format.alpha : 0; plane < g.num_planes; plane++)
            store_plane_lines(g, b, before.planes[plane], after.planes[plane], plane, start, count,
                              out);
    }
    return static_cast<float>(total / static_cast<double>(shown * w));
}

} // namespace mardini
