// The inner loops of matching and refinement on the processor, where no gradient is wanted.
#include "simd/matching.h"

#include "simd/dispatch.h"

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace mardini {

namespace {

struct SearchKernel {
    void (*normalize_row)(const float *from, int64_t C, int64_t from_plane, int64_t w, float *to,
                          int64_t plane);
    void (*correlate_row)(const float *a, int64_t a_plane, const float *b, int64_t b_plane,
                          int64_t C, int64_t w, int n, float *out, int64_t out_plane);
    void (*bilinear_row)(const float *from, int64_t C, int64_t H, int64_t W, const float *flow_x,
                         const float *flow_y, int64_t y, float *to);
    void (*distance_row)(const float *a, const float *b, int64_t C, int64_t plane, int64_t w,
                         float *out);
    void (*interleave_row)(const float *const *channels, int64_t C, int64_t w, bool bf16,
                           void *out);
    void (*widen_row)(const void *products, bool bf16, int64_t n, float *out);
    void (*sum_rows)(const float *const *rows, int64_t count, int64_t n, float *sum);
    void (*narrow_row)(const float *sum, const float *share, float rows, int64_t n, bool bf16,
                       void *products);
    float (*logits_row)(const void *products, bool bf16, const float *cost, int64_t n, float *out,
                        int32_t *where);
    void (*best_of_columns)(const float *logits, int32_t row, int64_t n, float *most,
                            int32_t *where);
    float (*sum_row)(const float *logits, float most, int64_t n);
    void (*sum_columns)(const float *logits, const float *most, int64_t n, float *sums);
    void (*rescale_columns)(const float *before, const float *after, int64_t n, float *sums);
    float (*agree_row)(const void *products, bool bf16, const float *cost, float row,
                       const float *column, int64_t n, float *sums);
};

#define KERNELS "simd/matching_kernel.h"
#include "simd/per_isa.inc"

const SearchKernel &kernel()
{
    return choose(plain::kernel, avx2::kernel, avx512::kernel);
}

/// Vectors read and write up to this many floats past the end of a row.
constexpr int64_t slack = 16;

int64_t padded(int64_t n)
{
    return (n + slack - 1) / slack * slack;
}

} // namespace

bool search_is_possible(const at::Tensor &x)
{
    return x.is_cpu() && !at::GradMode::is_enabled();
}

at::Tensor correlate(const at::Tensor &a, const at::Tensor &b, int radius)
{
    const int64_t N = a.size(0), C = a.size(1), h = a.size(2), w = a.size(3);
    const int n = 2 * radius + 1;
    at::Tensor left = a.to(at::kFloat).contiguous(), right = b.to(at::kFloat).contiguous();
    at::Tensor out = at::empty({N, n * n, h, w}, left.options());
    const int64_t pitch = padded(w), plane = h * pitch;
    const int64_t wide = padded(w) + 2 * radius + slack, tall = h + 2 * radius,
                  wide_plane = tall * wide;
    std::vector<float> na(C * plane + slack), nb(C * wide_plane + slack); // nb has zeros around
    const SearchKernel &k = kernel();
    for (int64_t i = 0; i < N; i++) {
        const float *fa = left.data_ptr<float>() + i * C * h * w,
                    *fb = right.data_ptr<float>() + i * C * h * w;
        float *to = out.data_ptr<float>() + i * n * n * h * w;
        at::parallel_for(0, h, 4, [&](int64_t begin, int64_t end) {
            for (int64_t y = begin; y < end; y++) {
                k.normalize_row(fa + y * w, C, h * w, w, na.data() + y * pitch, plane);
                k.normalize_row(fb + y * w, C, h * w, w, nb.data() + (y + radius) * wide + radius,
                                wide_plane);
            }
        });
        at::parallel_for(0, h, 4, [&](int64_t begin, int64_t end) {
            for (int64_t y = begin; y < end; y++)
                for (int dy = 0; dy < n; dy++)
                    k.correlate_row(na.data() + y * pitch, plane, nb.data() + (y + dy) * wide,
                                    wide_plane, C, w, n, to + (dy * n * h + y) * w, h * w);
        });
    }
    return out;
}

at::Tensor warp_bilinear(const at::Tensor &x, const at::Tensor &flow)
{
    const int64_t N = x.size(0), C = x.size(1), H = x.size(2), W = x.size(3);
    at::Tensor from = x.to(at::kFloat).contiguous(), where = flow.to(at::kFloat).contiguous();
    at::Tensor out = at::empty({N, C, H, W}, from.options());
    const SearchKernel &k = kernel();
    for (int64_t i = 0; i < N; i++) {
        const float *source = from.data_ptr<float>() + i * C * H * W;
        const float *f = where.data_ptr<float>() + i * 2 * H * W;
        float *to = out.data_ptr<float>() + i * C * H * W;
        at::parallel_for(0, H, 4, [&](int64_t begin, int64_t end) {
            for (int64_t y = begin; y < end; y++)
                k.bilinear_row(source, C, H, W, f + y * W, f + (H + y) * W, y, to + y * W);
        });
    }
    return out;
}

at::Tensor mean_distance(const at::Tensor &a, const at::Tensor &b)
{
    const int64_t N = a.size(0), C = a.size(1), h = a.size(2), w = a.size(3);
    at::Tensor left = a.to(at::kFloat).contiguous(), right = b.to(at::kFloat).contiguous();
    at::Tensor out = at::empty({N, 1, h, w}, left.options());
    const float *fa = left.data_ptr<float>(), *fb = right.data_ptr<float>();
    float *to = out.data_ptr<float>();
    at::parallel_for(0, N * h, 8, [&](int64_t begin, int64_t end) {
        for (int64_t y = begin; y < end; y++) {
            const int64_t first = y / h * C * h * w + y % h * w;
            kernel().distance_row(fa + first, fb + first, C, h * w, w, to + y * w);
        }
    });
    return out;
}

at::Tensor join_channels(const std::vector<at::Tensor> &parts, at::ScalarType type)
{
    const int64_t h = parts[0].size(2), w = parts[0].size(3);
    std::vector<at::Tensor> floats; // keeps what the pointers point into
    std::vector<const float *> channels;
    for (const at::Tensor &part : parts) {
        floats.push_back(part.to(at::kFloat).contiguous());
        for (int64_t c = 0; c < part.size(1); c++)
            channels.push_back(floats.back().data_ptr<float>() + c * h * w);
    }
    const int64_t C = static_cast<int64_t>(channels.size());
    at::Tensor out =
        at::empty({1, C, h, w}, floats[0].options().dtype(type), at::MemoryFormat::ChannelsLast);
    char *to = static_cast<char *>(out.data_ptr());
    at::parallel_for(0, h, 4, [&](int64_t begin, int64_t end) {
        std::vector<const float *> rows(channels.size());
        for (int64_t y = begin; y < end; y++) {
            for (int64_t c = 0; c < C; c++)
                rows[c] = channels[c] + y * w;
            kernel().interleave_row(rows.data(), C, w, type == at::kBFloat16,
                                    to + y * w * C * out.element_size());
        }
    });
    return out;
}

// ---- all pairs -----------------------------------------------------------------------

namespace {

/// The rows of the matrix of all pairs are made in slices, whatever the threads: the same sums in
/// the same order.
constexpr int64_t num_slices = 8, block_rows = 32;

/// Logits that cells beyond `rows` cost: as good as none.
constexpr float too_far = 1e4f;

/// What one slice knows of every column.
struct Columns {
    std::vector<float> most, sum;
    std::vector<int32_t> where;
};

class Search {
public:
    Search(const at::Tensor &left, const at::Tensor &right, int64_t h, int64_t w, int support,
           double penalty, int rows, int reach)
        : left_(left.contiguous()), right_(right.contiguous()), h_(h), w_(w), n_(h * w),
          support_(support), rows_(rows), reach_(reach), bf16_(left.scalar_type() == at::kBFloat16),
          cost_(h * (2 * w - 1)), row_most_(n_), row_sum_(n_), row_best_(n_)
    {
        for (int64_t y = 0; y < h; y++)
            for (int64_t x = 0; x < 2 * w - 1; x++)
                cost_[y * (2 * w - 1) + x] =
                    y > rows ? too_far : static_cast<float>(penalty * std::hypot(y, x - (w - 1)));
        each_block([&](const Block &b) {
            for (int64_t i = b.first; i < b.last; i++) {
                product_at_.push_back(num_products_ - b.begin);
                num_products_ += b.end - b.begin;
            }
        });
    }

    Searched run()
    {
        const bool all = reach_ >= 0;
        Searched found;
        auto floats = at::TensorOptions().dtype(at::kFloat);
        found.there = at::empty({n_}, floats.dtype(at::kLong));
        found.back = at::empty({n_}, floats.dtype(at::kLong));
        if (all) {
            products_ = at::empty({num_products_ + slack}, left_.options());
            each_slice([&](int64_t s) {
                each_block(s, [&](const Block &b) {
                    multiply(b, products_.narrow(0, product_at_[b.first] + b.begin, size(b)));
                });
            });
            if (support_ > 0)
                average();
            found.forward = at::empty({2, n_}, floats);
            found.backward = at::empty({2, n_}, floats);
            found.sure_there = at::empty({n_}, floats);
            found.sure_back = at::empty({n_}, floats);
        }
        columns_.resize(num_slices);
        each_slice([&](int64_t s) { first_pass(s, found); });
        merge();
        std::copy(row_best_.begin(), row_best_.end(), found.there.data_ptr<int64_t>());
        std::copy(columns_[0].where.begin(), columns_[0].where.begin() + n_,
                  found.back.data_ptr<int64_t>());
        if (!all)
            return found;
        for (int64_t i = 0; i < n_; i++)
            row_most_[i] += std::log(row_sum_[i]);
        for (int64_t j = 0; j < n_; j++)
            columns_[0].most[j] += std::log(columns_[0].sum[j]);
        std::vector<std::vector<float>> sums(num_slices);
        each_slice([&](int64_t s) { second_pass(s, found, sums[s]); });
        float *back = found.sure_back.data_ptr<float>();
        std::fill(back, back + n_, 0.0f);
        for (const auto &sum : sums)
            for (int64_t j = 0; j < n_ && !sum.empty(); j++)
                back[j] += sum[j];
        return found;
    }

private:
    template <class Body>
    void each_slice(const Body &body)
    {
        at::parallel_for(0, num_slices, 1, [&](int64_t begin, int64_t end) {
            c10::InferenceMode inference; // a thread's own: it is not handed down
            for (int64_t s = begin; s < end; s++)
                body(s);
        });
    }

    int64_t slice_begin(int64_t s) const
    {
        return std::min(n_, (n_ + num_slices - 1) / num_slices * s);
    }

    /// Cells first .. last - 1 of the one map, and those of the other that any of them may match or
    /// refine() may read.
    struct Block {
        int64_t first, last, begin, end;
    };

    template <class Body>
    void each_block(int64_t s, const Body &body) const
    {
        const int64_t far = rows_ + std::max(reach_, 0), end = slice_begin(s + 1);
        for (int64_t first = slice_begin(s); first < end; first += block_rows) {
            const int64_t last = std::min(first + block_rows, end);
            const int64_t top = std::max<int64_t>(first / w_ - far, 0),
                          bottom = std::min((last - 1) / w_ + far + 1, h_);
            body(Block{first, last, top * w_ / slack * slack,
                       padded(bottom * w_)}); // n_ is a multiple of slack
        }
    }

    template <class Body>
    void each_block(const Body &body) const
    {
        for (int64_t s = 0; s < num_slices; s++)
            each_block(s, body);
    }

    static int64_t size(const Block &b) { return (b.last - b.first) * (b.end - b.begin); }

    void multiply(const Block &b, const at::Tensor &out) const
    {
        const int64_t rows = b.last - b.first, width = b.end - b.begin;
        at::Tensor products = out.view({rows, width});
        at::mm_out(products, left_.narrow(0, b.first, rows), right_.narrow(0, b.begin, width).t());
    }

    /// Each product becomes the mean of those around it that lie alike, along rows first and then
    /// along columns, for one vertical displacement after the other. What no match may reach stays
    /// as it is.
    void average()
    {
        const SearchKernel &k = kernel();
        const int64_t far = std::min<int64_t>(rows_ + std::max(reach_, 0), h_ - 1),
                      ring = 2 * support_ + 1;
        const int64_t pitch = padded(w_), tile = w_ * pitch, wide = pitch + 2 * support_;
        // How many of the neighbours lie within both maps: their inverse, by the two columns.
        std::vector<float> share(tile);
        for (int64_t x = 0; x < w_; x++)
            for (int64_t u = 0; u < w_; u++)
                share[x * pitch + u] =
                    1.0f / static_cast<float>(1 + std::min<int64_t>(support_, std::min(x, u)) +
                                              std::min<int64_t>(support_, w_ - 1 - std::max(x, u)));
        const int64_t bytes = left_.element_size();
        char *products = static_cast<char *>(
            products_.data_ptr()); // each is read before its mean takes its place
        at::parallel_for(-far, far + 1, 1, [&](int64_t begin, int64_t end) {
            std::vector<float> raw((w_ + 2 * support_) * wide); // zeros around
            std::vector<float> rows(ring * tile), sum(pitch);
            std::vector<const float *> alike(ring);
            for (int64_t apart = begin; apart < end; apart++) {
                const int64_t first = std::max<int64_t>(0, -apart),
                              last = std::min(h_, h_ - apart); // rows of the left map
                for (int64_t y = first; y < last + support_; y++) {
                    if (y < last) {
                        for (int64_t x = 0; x < w_; x++)
                            k.widen_row(products +
                                            (product_at_[y * w_ + x] + (y + apart) * w_) * bytes,
                                        bf16_, w_, &raw[(x + support_) * wide + support_]);
                        for (int64_t x = 0; x < w_; x++) {
                            for (int64_t d = 0; d < ring; d++)
                                alike[d] = &raw[(x + d) * wide + d];
                            k.sum_rows(alike.data(), ring, w_, &rows[y % ring * tile + x * pitch]);
                        }
                    }
                    const int64_t middle = y - support_;
                    if (middle < first)
                        continue;
                    const int64_t top = std::max(middle - support_, first),
                                  bottom = std::min(middle + support_, last - 1);
                    for (int64_t x = 0; x < w_; x++) {
                        for (int64_t at = top; at <= bottom; at++)
                            alike[at - top] = &rows[at % ring * tile + x * pitch];
                        k.sum_rows(alike.data(), bottom - top + 1, w_, sum.data());
                        k.narrow_row(sum.data(), &share[x * pitch],
                                     static_cast<float>(bottom - top + 1), w_, bf16_,
                                     products +
                                         (product_at_[middle * w_ + x] + (middle + apart) * w_) *
                                             bytes);
                    }
                }
            }
        });
    }

    /// The distance's cost from cell i to every cell of the block.
    void cost_row(int64_t i, const Block &b, float *out) const
    {
        const int64_t y = i / w_, x = i % w_;
        for (int64_t v = b.begin / w_; v * w_ < b.end; v++)
            std::memcpy(out + v * w_, &cost_[std::abs(v - y) * (2 * w_ - 1) + w_ - 1 - x],
                        w_ * sizeof(float));
    }

    /// Softmax mean of the cells within reach of `best`. logit: of a cell
    template <class Logit>
    void refine(int64_t best, const Logit &logit, float *x, float *y) const
    {
        const int64_t by = best / w_, bx = best % w_;
        const float most = logit(best);
        float sum = 0, sx = 0, sy = 0;
        for (int64_t v = std::max<int64_t>(by - reach_, 0); v <= std::min(by + reach_, h_ - 1);
             v++) {
            for (int64_t u = std::max<int64_t>(bx - reach_, 0); u <= std::min(bx + reach_, w_ - 1);
                 u++) {
                const float e = std::exp(logit(v * w_ + u) - most);
                sum += e;
                sx += e * static_cast<float>(u);
                sy += e * static_cast<float>(v);
            }
        }
        *x = sx / sum;
        *y = sy / sum;
    }

    /// Products of the slice, best cells, sums of both directions' softmax.
    void first_pass(int64_t s, const Searched &found)
    {
        const SearchKernel &k = kernel();
        Columns &c = columns_[s];
        c.most.assign(n_, -3e38f);
        c.sum.assign(n_, 0);
        c.where.assign(n_, 0);
        std::vector<float> logits(block_rows * n_), cost(n_), before(n_);
        at::Tensor scratch =
            reach_ < 0 ? at::empty({block_rows * n_}, left_.options()) : at::Tensor();
        each_block(s, [&](const Block &b) {
            const int64_t rows = b.last - b.first, width = b.end - b.begin;
            if (reach_ < 0)
                multiply(b, scratch.narrow(0, 0, size(b)));
            const char *products =
                reach_ < 0 ? static_cast<const char *>(scratch.data_ptr())
                           : static_cast<const char *>(products_.data_ptr()) +
                                 (product_at_[b.first] + b.begin) * left_.element_size();
            before = c.most;
            for (int64_t r = 0; r < rows; r++) {
                const int64_t i = b.first + r;
                float *l = &logits[r * n_];
                cost_row(i, b, cost.data());
                row_most_[i] = k.logits_row(products + r * width * left_.element_size(), bf16_,
                                            &cost[b.begin], width, l + b.begin, &row_best_[i]);
                row_best_[i] += static_cast<int32_t>(b.begin);
                k.best_of_columns(l + b.begin, static_cast<int32_t>(i), width, &c.most[b.begin],
                                  &c.where[b.begin]);
                if (reach_ < 0)
                    continue;
                row_sum_[i] = k.sum_row(l + b.begin, row_most_[i], width);
                float *x = found.forward.data_ptr<float>() + i;
                refine(
                    row_best_[i], [&](int64_t j) { return l[j]; }, x, x + n_);
            }
            if (reach_ < 0)
                return;
            k.rescale_columns(&before[b.begin], &c.most[b.begin], width, &c.sum[b.begin]);
            for (int64_t r = 0; r < rows; r++)
                k.sum_columns(&logits[r * n_ + b.begin], &c.most[b.begin], width, &c.sum[b.begin]);
        });
    }

    /// Bring what the slices know of the columns into the first.
    void merge()
    {
        Columns &all = columns_[0];
        for (int64_t s = 1; s < num_slices; s++) {
            const Columns &c = columns_[s];
            for (int64_t j = 0; j < n_; j++) {
                const float most = std::max(all.most[j], c.most[j]);
                if (reach_ >= 0)
                    all.sum[j] = all.sum[j] * std::exp(all.most[j] - most) +
                                 c.sum[j] * std::exp(c.most[j] - most);
                if (c.most[j] > all.most[j])
                    all.where[j] = c.where[j];
                all.most[j] = most;
            }
        }
    }

    float logit(int64_t i, int64_t j) const
    {
        const int64_t at = product_at_[i] + j;
        const float product = bf16_
                                  ? static_cast<float>(products_.const_data_ptr<at::BFloat16>()[at])
                                  : products_.const_data_ptr<float>()[at];
        return product - cost_[std::abs(i / w_ - j / w_) * (2 * w_ - 1) + w_ - 1 + j % w_ - i % w_];
    }

    /// Both directions multiplied, and the columns' best places.
    void second_pass(int64_t s, const Searched &found, std::vector<float> &sums)
    {
        std::vector<float> cost(n_);
        sums.assign(n_, 0);
        const Columns &c = columns_[0];
        each_block(s, [&](const Block &b) {
            for (int64_t i = b.first; i < b.last; i++) {
                cost_row(i, b, cost.data());
                const char *row = static_cast<const char *>(products_.data_ptr()) +
                                  (product_at_[i] + b.begin) * left_.element_size();
                found.sure_there.data_ptr<float>()[i] =
                    kernel().agree_row(row, bf16_, &cost[b.begin], row_most_[i], &c.most[b.begin],
                                       b.end - b.begin, &sums[b.begin]);
                float *x = found.backward.data_ptr<float>() + i;
                refine(
                    c.where[i], [&](int64_t from) { return logit(from, i); }, x, x + n_);
            }
        });
    }

    at::Tensor left_, right_, products_;
    int64_t h_, w_, n_;
    int support_, rows_, reach_;
    bool bf16_;
    std::vector<int64_t> product_at_; // of each row: where its product with column 0 would lie
    int64_t num_products_ = 0;
    std::vector<float> cost_; // by |rows| apart and columns apart
    std::vector<float> row_most_, row_sum_;
    std::vector<int32_t> row_best_;
    std::vector<Columns> columns_;
};

} // namespace

Searched search_cells(const at::Tensor &left, const at::Tensor &right, int64_t h, int64_t w,
                      int support, double penalty, int rows, int reach)
{
    TORCH_CHECK(h * w % slack == 0, "A map of ", h, "x", w,
                " cells: their number must be a multiple of ", slack, ".");
    return Search(left, right, h, w, support, penalty, rows, reach).run();
}

} // namespace mardini
