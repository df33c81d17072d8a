// Alignment on the processor: what align() of network/align.h computes by tensors, in loops of our
// own.
#include "simd/align.h"

#include "simd/bilinear_table.h"
#include "simd/dispatch.h"
#include "simd/row_ring.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <utility>

namespace mardini {

namespace {

constexpr int64_t margin = RowRing<1>::margin;

/// Rows that a thread takes at least: each of its parts warps two rows that the next one warps too.
constexpr int64_t grain = 8;

/// A row of one component of displacement and of the correction of velocity.
struct MovedRow {
    const float *displacement, *correction;
};

/// What a row of both warped frames is sampled from. [x or y][columns of even or of odd place]
struct WarpRow {
    const Plane *before, *after;
    int64_t y;
    float *to_before[2][2], *to_after[2][2];
    float distance_before, distance_after;
};

/// Rows of warped frames around a row of cells. [row][columns of even or of odd place]
struct CellRows {
    const float *difference[2][2]; ///< e, the cells' own two rows
    const float *sum[4][2];        ///< of which g is the slope, one more row on either side
};

struct AlignKernel {
    void (*halve_plane_row)(const Plane &plane, int64_t y, uint8_t *to);
    void (*level_row)(const float *from, int64_t n, uint8_t *to);
    void (*level_row_of_two)(const float *even, const float *odd, int64_t n, uint8_t *to);
    void (*mix_rows)(const MovedRow &near, const MovedRow &far, float share, float far_share,
                     float distance, int64_t n, float *out);
    void (*double_row)(const float *row, int64_t n, float *even, float *odd);
    void (*split_row)(const float *row, int64_t n, float *even, float *odd);
    void (*halve_row)(const float *row, int64_t n, float *out);
    void (*sum_rows)(const float *const *rows, int count, float share, bool add, int64_t n,
                     float *out);
    void (*add_resized)(const float *row, const BilinearTable &taps, int64_t n, float *out);
    void (*both_see_row)(const float *visibility, const float prior[2], int64_t plane, int64_t n,
                         float *out);
    void (*warp_row)(const WarpRow &row, int64_t n, float *difference[2], float *sum[2]);
    void (*cell_row)(const CellRows &rows, int64_t n, int64_t line, float *out);
    void (*square_row)(const CellRows &rows, int64_t n, float *out);
    void (*box_row)(const float *row, int radius, const float *share, int64_t n, float *out);
    void (*weigh_row)(const float *const *means, int count, const float *cells, int64_t line,
                      const float *seen, int64_t n, float *out, int64_t out_line);
    void (*solve_row)(const float *const *rows, int count, int64_t line, int64_t n, float *out_x,
                      float *out_y);
    void (*residual_row)(const float *const *rows, int count, int64_t n, float *out);
};

#define KERNELS "simd/align_kernel.h"
#include "simd/per_isa.inc"

const AlignKernel &kernel()
{
    return choose(plain::kernel, avx2::kernel, avx512::kernel);
}

// ---- the pyramid -------------------------------------------------------------------

/// A level, its lines filled by fill(y, first sample), then its margins.
template <class Fill>
Plane make_level(int64_t height, int64_t width, const Fill &fill)
{
    constexpr int64_t m = Plane::margin;
    Plane p;
    p.kind = Kind::U16;
    p.height = height;
    p.width = width;
    p.stride = width + 2 * m + margin; // vectors write past the end of a line
    p.scale = 1 / 128.0f;
    p.offset = -256;
    p.data = std::shared_ptr<uint8_t[]>(new uint8_t[(height + 2 * m) * p.stride * 2 + 64]);
    auto line = [&](int64_t y) { // of a margin's row as well
        return reinterpret_cast<uint16_t *>(p.data.get()) + (y + m) * p.stride;
    };
    at::parallel_for(0, height, 32, [&](int64_t begin, int64_t end) {
        for (int64_t y = begin; y < end; y++) {
            uint16_t *row = line(y) + m;
            fill(y, reinterpret_cast<uint8_t *>(row));
            std::fill(row - m, row, row[0]);
            std::fill(row + width, row - m + p.stride, row[width - 1]);
        }
    });
    for (int64_t i = 1; i <= m; i++) {
        std::copy_n(line(0), p.stride, line(-i));
        std::copy_n(line(height - 1), p.stride, line(height - 1 + i));
    }
    return p;
}

LumaPyramid with_smaller_levels(const Plane &whole)
{
    LumaPyramid pyramid;
    pyramid.levels[0] = whole;
    for (int i = 1; i < 3; i++) {
        const Plane &larger = pyramid.levels[i - 1];
        pyramid.levels[i] =
            make_level(larger.height / 2, larger.width / 2,
                       [&](int64_t y, uint8_t *to) { kernel().halve_plane_row(larger, y, to); });
    }
    return pyramid;
}

// ---- rows of warped frames ---------------------------------------------------------

/// Rows of both frames at one scale, warped, each once as it is wanted from the top down.
class WarpedRows {
public:
    WarpedRows(const AlignmentJob &job, int scale)
        : job_(job), scale_(scale), plane_(scale == 4 ? 2 : scale - 1),
          w_(job.before->levels[0].width / 2), h_(job.before->levels[0].height / 2), n_(w_ / scale),
          height_(2 * h_ / scale), rows_(4, n_), moved_(1, w_), split_(8, n_)
    {
    }

    /// Around the cells of row c.
    CellRows around(int64_t c)
    {
        CellRows r;
        for (int64_t i = 0; i < 4; i++) {
            const float *row = get(std::clamp<int64_t>(2 * c - 1 + i, 0, height_ - 1));
            for (int p = 0; p < 2; p++) {
                r.sum[i][p] = row + (2 + p) * rows_.line();
                if (i == 1 || i == 2)
                    r.difference[i - 1][p] = row + p * rows_.line();
            }
        }
        return r;
    }

    /// The cells' own rows alone: their `difference`.
    CellRows differences(int64_t c)
    {
        CellRows r;
        for (int64_t i = 0; i < 2; i++)
            for (int p = 0; p < 2; p++)
                r.difference[i][p] = get(2 * c + i) + p * rows_.line();
        return r;
    }

private:
    const float *get(int64_t y)
    {
        bool is_new;
        float *row = rows_.row(y, &is_new);
        if (!is_new)
            return row;
        const int64_t line = rows_.line();
        float *difference[2] = {row, row + line}, *sum[2] = {row + 2 * line, row + 3 * line};
        WarpRow from{&job_.before->levels[plane_], &job_.after->levels[plane_], y, {}, {},
                     job_.distance_before,         job_.distance_after};
        find_displacement(job_.to_before, job_.distance_before, y, 0, from.to_before);
        find_displacement(job_.to_after, job_.distance_after, y, 4, from.to_after);
        kernel().warp_row(from, n_, difference, sum);
        sum[1][-1] = sum[0][0]; // the border repeated
        sum[0][n_] = sum[1][n_ - 1];
        return row;
    }

    /// Displacement to one frame of row y, in samples of the scale.
    void find_displacement(const float *displacement, float distance, int64_t y, int64_t first,
                           float *to[2][2])
    {
        // Rows of the grid of half the luma size that the row lies between, and their shares.
        int64_t near = y, far = y;
        float share = 0.5f, far_share = 0;
        if (scale_ == 1) {
            near = y / 2;
            far = std::clamp<int64_t>(y % 2 ? near + 1 : near - 1, 0, h_ - 1);
            share = 0.75f, far_share = 0.25f;
        } else if (scale_ == 4) {
            near = 2 * y, far = 2 * y + 1;
            share = far_share = 0.125f;
        }
        bool is_new;
        float *moved = moved_.row(0, &is_new), *split = split_.row(0, &is_new);
        for (int axis = 0; axis < 2; axis++) {
            auto at = [&](int64_t row) {
                const int64_t first_of_row = (axis * h_ + row) * w_;
                return MovedRow{displacement + first_of_row, job_.correction + first_of_row};
            };
            kernel().mix_rows(at(near), at(far), share, far_share, distance, w_, moved);
            for (int p = 0; p < 2; p++)
                to[axis][p] = split + (first + 2 * axis + p) * split_.line();
            if (scale_ == 1) {
                moved[-1] = moved[0];
                moved[w_] = moved[w_ - 1];
                kernel().double_row(moved, n_, to[axis][0], to[axis][1]);
                continue;
            }
            if (scale_ == 4)
                kernel().halve_row(moved, w_ / 2, moved);
            kernel().split_row(moved, n_, to[axis][0], to[axis][1]);
        }
    }

    const AlignmentJob &job_;
    int scale_, plane_;
    int64_t w_, h_, n_, height_; ///< n_: cells of a row; height_: rows of samples
    RowRing<4> rows_;            ///< difference even, odd, sum even, odd
    RowRing<1> moved_, split_;
};

// ---- one frame ---------------------------------------------------------------------

/// Lines of floats, all of one length, which are not set at first.
class Lines {
public:
    Lines(int64_t count, int64_t width)
        : line(width + margin), data_(new float[count * line + margin])
    {
    }
    float *at(int64_t i) const { return data_.get() + i * line; }
    const int64_t line;

private:
    std::unique_ptr<float[]> data_;
};

/// One over the number of cells within `radius` that lie in a row of n.
std::vector<float> shares(int64_t n, int radius)
{
    std::vector<float> share(n + margin);
    for (int64_t x = 0; x < n; x++)
        share[x] = 1 / static_cast<float>(std::min<int64_t>(x + radius, n - 1) -
                                          std::max<int64_t>(x - radius, 0) + 1);
    return share;
}

/// Rows within `radius` of row y that lie in the picture. @return how many
template <class Row>
int rows_around(int64_t y, int radius, int64_t rows, const Row &row, const float **out)
{
    int count = 0;
    for (int64_t i = std::max<int64_t>(y - radius, 0); i <= std::min(y + radius, rows - 1); i++)
        out[count++] = row(i);
    return count;
}

/// The cells of one scale, whose rows are w / scale of h / scale.
class Step {
public:
    Step(const AlignmentJob &job, int scale)
        : job_(job), scale_(scale), w_(job.before->levels[0].width / 2),
          h_(job.before->levels[0].height / 2), n_(w_ / scale), rows_(h_ / scale),
          cells_(10 * rows_, n_), steps_(2 * rows_, n_),
          mean_share_(shares(n_, alignment::mean_radius)),
          window_share_(shares(n_, alignment::window_radius)),
          smooth_share_(shares(n_, alignment::smoothing_radius)), columns_(n_, w_)
    {
    }

    /// seen: both_see at this scale
    void run(const Lines &seen)
    {
        at::parallel_for(0, rows_, grain, [&](int64_t b, int64_t e) { find_cells(b, e); });
        at::parallel_for(0, rows_, grain, [&](int64_t b, int64_t e) { solve(seen, b, e); });
        at::parallel_for(0, h_, grain, [&](int64_t b, int64_t e) { add(b, e); });
    }

private:
    float *cells(int64_t c) const { return cells_.at(10 * c); }
    const float *step(int64_t c, int axis) const { return steps_.at(2 * c + axis); }

    void find_cells(int64_t begin, int64_t end)
    {
        WarpedRows warped(job_, scale_);
        RowRing<1> padded(1, n_);
        bool is_new;
        float *row = padded.row(0, &is_new);
        for (int64_t c = begin; c < end; c++) {
            float *to = cells(c);
            kernel().cell_row(warped.around(c), n_, cells_.line, to);
            std::copy_n(to, n_, row);
            kernel().box_row(row, alignment::mean_radius, mean_share_.data(), n_,
                             to + 9 * cells_.line);
        }
    }

    void solve(const Lines &seen, int64_t begin, int64_t end)
    {
        constexpr int window = 2 * alignment::window_radius + 1;
        RowRing<window> weighed(5, n_);
        RowRing<1> padded(5, n_);
        bool is_new;
        float *row = padded.row(0, &is_new);
        const int64_t line = padded.line();
        auto box = [&](int radius, const std::vector<float> &share, int i, float *out) {
            std::fill_n(row + i * line + n_, margin, 0.0f);
            kernel().box_row(row + i * line, radius, share.data(), n_, out);
        };
        auto weighed_row = [&](int64_t c) {
            bool fresh;
            float *to = weighed.row(c, &fresh);
            if (!fresh)
                return to;
            const float *means[2 * alignment::mean_radius + 1];
            const int count = rows_around(
                c, alignment::mean_radius, rows_,
                [&](int64_t i) { return cells(i) + 9 * cells_.line; }, means);
            kernel().weigh_row(means, count, cells(c), cells_.line, seen.at(c), n_, row, line);
            for (int i = 0; i < 5; i++)
                box(alignment::window_radius, window_share_, i, to + i * line);
            return to;
        };
        for (int64_t c = begin; c < end; c++) {
            const float *rows[window];
            const int count = rows_around(c, alignment::window_radius, rows_, weighed_row, rows);
            kernel().solve_row(rows, count, line, n_, row, row + line);
            for (int axis = 0; axis < 2; axis++)
                box(alignment::smoothing_radius, smooth_share_, axis, steps_.at(2 * c + axis));
        }
    }

    /// Add the smoothed steps to rows of the correction.
    void add(int64_t begin, int64_t end)
    {
        constexpr int radius = alignment::smoothing_radius;
        RowRing<1> tmp(1, n_);
        bool is_new;
        float *small = tmp.row(0, &is_new);
        for (int64_t y = begin; y < end; y++) {
            for (int axis = 0; axis < 2; axis++) {
                float *to = job_.correction + (axis * h_ + y) * w_;
                auto smooth = [&](int64_t c, float share, bool added, float *out) {
                    const float *rows[2 * radius + 1];
                    const int count = rows_around(
                        c, radius, rows_, [&](int64_t i) { return step(i, axis); }, rows);
                    kernel().sum_rows(rows, count, share / static_cast<float>(count), added, n_,
                                      out);
                };
                if (scale_ == 1) {
                    smooth(y, 1, true, to);
                    continue;
                }
                const float scale = static_cast<float>(scale_),
                            at = std::max((static_cast<float>(y) + 0.5f) / scale - 0.5f, 0.0f);
                const int64_t above = static_cast<int64_t>(at),
                              below = std::min(above + 1, rows_ - 1);
                const float part = at - static_cast<float>(above);
                smooth(above, scale * (1 - part), false, small);
                smooth(below, scale * part, true, small);
                kernel().add_resized(small, columns_, w_, to);
            }
        }
    }

    const AlignmentJob &job_;
    int scale_;
    int64_t w_, h_, n_, rows_;
    Lines cells_; ///< ten lines a row: those of cell_row(), and e's mean over columns
    Lines steps_; ///< x, y, means over columns
    std::vector<float> mean_share_, window_share_, smooth_share_;
    BilinearTable columns_;
};

void find_residual(const AlignmentJob &job, float *out)
{
    constexpr int radius = alignment::residual_radius;
    const int64_t n = job.before->levels[0].width / 4, rows = job.before->levels[0].height / 4;
    const Lines squares(rows, n);
    const std::vector<float> share = shares(n, radius);
    at::parallel_for(0, rows, grain, [&](int64_t begin, int64_t end) {
        WarpedRows warped(job, 2);
        RowRing<1> padded(1, n);
        bool is_new;
        float *row = padded.row(0, &is_new);
        for (int64_t c = begin; c < end; c++) {
            kernel().square_row(warped.differences(c), n, row);
            std::fill_n(row + n, margin, 0.0f);
            kernel().box_row(row, radius, share.data(), n, squares.at(c));
        }
    });
    at::parallel_for(0, rows, grain, [&](int64_t begin, int64_t end) {
        for (int64_t c = begin; c < end; c++) {
            const float *around[2 * radius + 1];
            const int count = rows_around(
                c, radius, rows, [&](int64_t i) { return squares.at(i); }, around);
            kernel().residual_row(around, count, n, out + c * n);
        }
    });
}

/// (h,w), lines `stride` apart -> means over 2x2
Lines halved(const float *from, int64_t stride, int64_t h, int64_t w)
{
    Lines to(h / 2, w / 2);
    at::parallel_for(0, h / 2, 4 * grain, [&](int64_t begin, int64_t end) {
        RowRing<1> tmp(1, w);
        bool is_new;
        float *row = tmp.row(0, &is_new);
        for (int64_t y = begin; y < end; y++) {
            const float *rows[2] = {from + 2 * y * stride, from + (2 * y + 1) * stride};
            kernel().sum_rows(rows, 2, 0.5f, false, w, row);
            kernel().halve_row(row, w / 2, to.at(y));
        }
    });
    return to;
}

} // namespace

LumaPyramid make_pyramid(const Plane &luma)
{
    Plane whole = luma;
    if (luma.kind == Kind::F32)
        whole = make_level(luma.height, luma.width, [&](int64_t y, uint8_t *to) {
            kernel().level_row(reinterpret_cast<const float *>(luma.at(y, 0)), luma.width, to);
        });
    else
        whole.scale *= 128, whole.offset *= 128;
    return with_smaller_levels(whole);
}

LumaPyramid make_pyramid(const float *packed, int64_t h, int64_t w)
{
    return with_smaller_levels(make_level(2 * h, 2 * w, [&](int64_t y, uint8_t *to) {
        const float *even = packed + (y % 2 * 2 * h + y / 2) * w;
        kernel().level_row_of_two(even, even + h * w, w, to);
    }));
}

void align_frame(const AlignmentJob &job)
{
    const int64_t W = job.before->levels[0].width, H = job.before->levels[0].height, w = W / 2,
                  h = H / 2;
    std::fill_n(job.correction, 2 * h * w, 0.0f);
    find_residual(job, job.residual_before);
    if (job.distance_before >= 0 || job.distance_after <= 0) { // not between the two
        std::copy_n(job.residual_before, h / 2 * (w / 2), job.residual_after);
        return;
    }
    Lines half = halved(job.both_see, w, h, w),
          quarter = halved(half.at(0), half.line, h / 2, w / 2);
    Lines whole(h, w);
    for (int64_t y = 0; y < h; y++)
        std::copy_n(job.both_see + y * w, w, whole.at(y));
    for (const auto &[size, num_steps] : alignment::scales) {
        Step step(job, size);
        for (int i = 0; i < num_steps; i++)
            step.run(size == 4 ? quarter : size == 2 ? half : whole);
    }
    find_residual(job, job.residual_after);
}

void both_see(const float *visibility, const float prior[2], int64_t n, float *out)
{
    at::parallel_for(0, n / 16, 1024, [&](int64_t begin, int64_t end) {
        kernel().both_see_row(visibility + 16 * begin, prior, n, 16 * (end - begin),
                              out + 16 * begin);
    });
}

} // namespace mardini
