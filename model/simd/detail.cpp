// Detail on the processor: what network/detail.h computes by tensors, in loops of our own.
#include "simd/detail.h"

#include "simd/dispatch.h"
#include "simd/row_ring.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <functional>

namespace mardini {

namespace {

constexpr int64_t margin = RowRing<1>::margin;

/// Packed rows that a thread takes at least: each of its parts smooths some sixteen more of luma.
constexpr int64_t grain = 16;

/// What a row of luma is restored from. [row][columns of even or of odd place]
struct RestoreRows {
    const float *luma[2], *fine[2];
    const float *gain, *far_gain;          ///< rows of cells, their border repeated
    const float *most[3][2], *least[3][2]; ///< of the rows around, their border repeated
    float strength;
    float *out[2];
};

struct DetailKernel {
    void (*plane_row)(const Plane &plane, int64_t y, int64_t n, float *even, float *odd);
    void (*box_columns)(const float *const from[2], const float *const share[2], int64_t n,
                        float *const to[2]);
    void (*mean_rows)(const float *const *rows, int count, const float *of, int64_t n, float *out);
    void (*square_cells)(const float *const fine[4], int64_t n, float *out);
    void (*energy_row)(const float *const *rows, int count, const float *share, int64_t n,
                       float *sum, float *out);
    void (*gain_row)(const float *wanted, const float *had, int64_t n, float *out);
    void (*range_row)(const float *a, const float *b, const float *c, int64_t n, float *most,
                      float *least);
    void (*restore_row)(const RestoreRows &rows, int64_t n);
};

#define KERNELS "simd/detail_kernel.h"
#include "simd/per_isa.inc"

const DetailKernel &kernel()
{
    return choose(plain::kernel, avx2::kernel, avx512::kernel);
}

/// Puts row y of luma, -1 .. 1, split into columns of even and of odd place.
using Luma = std::function<void(int64_t y, float *even, float *odd)>;

/// The fine part of luma, and its energy, each row once as it is wanted from the top down. h, w:
/// cells.
class FineRows {
public:
    FineRows(int64_t h, int64_t w, Luma luma)
        : h_(h), w_(w), read_(std::move(luma)), luma_(4, w), smooth_(2, w), fine_(2, w),
          squares_(1, w), tmp_(2, w), shares_{std::vector<float>(w), std::vector<float>(w)},
          cell_share_(w, 1 / 3.0f)
    {
        for (int64_t x = 0; x < 2 * w; x++)
            shares_[x % 2][x / 2] = 1 / static_cast<float>(std::min(x + 2, 2 * w - 1) -
                                                           std::max<int64_t>(x - 2, 0) + 1);
        cell_share_.front() = cell_share_.back() = 0.5f;
    }

    /// Line of columns of even (p = 0) or odd place.
    const float *luma(int64_t y, int p) { return luma_row(y) + p * luma_.line(); }

    const float *fine(int64_t y, int p)
    {
        bool is_new;
        float *row = fine_.row(y, &is_new);
        for (int i = 0; i < 2 && is_new; i++)
            mean_of_rows(
                y, i, [&](int64_t k) { return smooth_row(k); }, smooth_.line(), luma(y, i),
                row + i * fine_.line());
        return row + p * fine_.line();
    }

    /// Row c of the energy of cells. out (w)
    void energy(int64_t c, float *out)
    {
        const float *rows[3];
        int count = 0;
        for (int64_t i = std::max<int64_t>(c - 1, 0); i <= std::min(c + 1, h_ - 1); i++)
            rows[count++] = squares(i);
        bool is_new;
        float *sum = tmp_.row(0, &is_new);
        clear_margin(sum);
        kernel().energy_row(rows, count, cell_share_.data(), w_, sum, out);
    }

private:
    void clear_margin(float *row) const
    {
        row[-1] = 0;
        std::fill_n(row + w_, margin, 0.0f);
    }

    /// Lines: luma even, odd; their mean over columns even, odd.
    float *luma_row(int64_t y)
    {
        bool is_new;
        float *row = luma_.row(y, &is_new);
        if (is_new) {
            const int64_t line = luma_.line();
            read_(y, row, row + line);
            box(row, line, row + 2 * line, line);
        }
        return row;
    }

    void box(const float *row, int64_t line, float *out, int64_t out_line)
    {
        const float *const from[2] = {row, row + line}, *const share[2] = {shares_[0].data(),
                                                                           shares_[1].data()};
        float *const to[2] = {out, out + out_line};
        kernel().box_columns(from, share, w_, to);
    }

    /// Mean over rows y - 2 .. y + 2 of columns p; `of` less that mean, if there is one.
    template <class Row>
    void mean_of_rows(int64_t y, int p, const Row &row, int64_t line, const float *of, float *out)
    {
        const float *rows[5];
        int count = 0;
        for (int64_t i = std::max<int64_t>(y - 2, 0); i <= std::min(y + 2, 2 * h_ - 1); i++)
            rows[count++] = row(i) + p * line;
        kernel().mean_rows(rows, count, of, w_, out);
    }

    /// Mean over 5x5, and then over five columns.
    float *smooth_row(int64_t y)
    {
        bool is_new;
        float *row = smooth_.row(y, &is_new);
        if (!is_new)
            return row;
        float *once = tmp_.row(0, &is_new);
        for (int p = 0; p < 2; p++) {
            mean_of_rows(
                y, p, [&](int64_t k) { return luma_row(k) + 2 * luma_.line(); }, luma_.line(),
                nullptr, once + p * tmp_.line());
            clear_margin(once + p * tmp_.line());
        }
        box(once, tmp_.line(), row, smooth_.line());
        return row;
    }

    const float *squares(int64_t c)
    {
        bool is_new;
        float *row = squares_.row(c, &is_new);
        if (is_new) {
            const float *lines[4];
            for (int i = 0; i < 4; i++)
                lines[i] = fine(2 * c + i / 2, i % 2);
            kernel().square_cells(lines, w_, row);
        }
        return row;
    }

    int64_t h_, w_;
    Luma read_;
    RowRing<16> luma_;
    RowRing<8> smooth_, fine_;
    RowRing<4> squares_;
    RowRing<1> tmp_;
    std::vector<float> shares_[2], cell_share_;
};

/// The composed frame's rows, restored from the top down.
class Restoring {
public:
    explicit Restoring(const DetailJob &job)
        : job_(job),
          fine_(job.h, job.w,
                [this](int64_t y, float *even, float *odd) {
                    for (int p = 0; p < 2; p++)
                        std::copy_n(job_.composed.at(y / 2, y % 2 * 2 + p), job_.w, p ? odd : even);
                }),
          gains_(1, job.w), ranges_(4, job.w), energy_(job.w)
    {
    }

    /// Both rows of luma of packed row c.
    void restore(int64_t c)
    {
        gain(std::max<int64_t>(c - 1, 0)); // rows are found from the top down
        for (int dy = 0; dy < 2; dy++) {
            const int64_t y = 2 * c + dy;
            RestoreRows r;
            r.strength = job_.strength;
            r.gain = gain(c);
            r.far_gain = gain(std::clamp<int64_t>(c + 2 * dy - 1, 0, job_.h - 1));
            for (int i = 0; i < 3; i++) {
                const float *row = range(std::clamp<int64_t>(y + i - 1, 0, 2 * job_.h - 1));
                for (int p = 0; p < 2; p++) {
                    r.most[i][p] = row + p * ranges_.line();
                    r.least[i][p] = row + (2 + p) * ranges_.line();
                }
            }
            for (int p = 0; p < 2; p++) {
                r.fine[p] = fine_.fine(y, p);
                r.luma[p] = fine_.luma(y, p);
                r.out[p] = job_.out.at(c, 2 * dy + p);
            }
            kernel().restore_row(r, job_.w);
        }
    }

private:
    const float *gain(int64_t c)
    {
        bool is_new;
        float *row = gains_.row(c, &is_new);
        if (is_new) {
            fine_.energy(c, energy_.data());
            kernel().gain_row(job_.wanted.at(c, 0), energy_.data(), job_.w, row);
            row[-1] = row[0];
            row[job_.w] = row[job_.w - 1];
        }
        return row;
    }

    /// Lines: most even, odd, least even, odd.
    const float *range(int64_t y)
    {
        bool is_new;
        float *row = ranges_.row(y, &is_new);
        if (!is_new)
            return row;
        const int64_t line = ranges_.line(), w = job_.w;
        for (int p = 0; p < 2; p++) {
            const int64_t channel = y % 2 * 2 + p;
            kernel().range_row(job_.before.at(y / 2, channel), job_.after.at(y / 2, channel),
                               job_.composed.at(y / 2, channel), w, row + p * line,
                               row + (2 + p) * line);
        }
        for (int i = 0; i < 4; i += 2) {
            float *even = row + i * line, *odd = even + line;
            odd[-1] = even[0];
            even[w] = odd[w - 1];
        }
        return row;
    }

    const DetailJob &job_;
    FineRows fine_;
    RowRing<4> gains_, ranges_;
    std::vector<float> energy_;
};

} // namespace

void fine_energy(const Plane &luma, float *out)
{
    const int64_t h = luma.height / 2, w = luma.width / 2;
    at::parallel_for(0, h, grain, [&](int64_t begin, int64_t end) {
        FineRows rows(h, w, [&](int64_t y, float *even, float *odd) {
            kernel().plane_row(luma, y, w, even, odd);
        });
        for (int64_t c = begin; c < end; c++)
            rows.energy(c, out + c * w);
    });
}

void restore_detail(const DetailJob &job, int64_t begin, int64_t end)
{
    at::parallel_for(begin, end, grain, [&](int64_t b, int64_t e) {
        Restoring rows(job);
        for (int64_t c = b; c < e; c++)
            rows.restore(c);
    });
}

} // namespace mardini
