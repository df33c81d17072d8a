// The last few rows of a picture, for loops that go down it.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace mardini {

/// `Count` rows of `channels` lines each. A line has `margin` floats before its first and at least
/// as many after its last one. All start at 0.
template <int Count>
class RowRing {
public:
    static constexpr int64_t margin = 16;

    RowRing(int64_t channels, int64_t width)
        : line_(width + 2 * margin), row_(channels * line_), data_(Count * row_)
    {
        kept_.fill(-1);
    }

    /// Row y >= 0, which takes the place of row y - Count. `is_new`: to be filled by the caller.
    float *row(int64_t y, bool *is_new)
    {
        int64_t &kept = kept_[y % Count];
        *is_new = kept != y;
        kept = y;
        return data_.data() + y % Count * row_ + margin;
    }

    /// Floats from a line to the next.
    int64_t line() const { return line_; }

private:
    int64_t line_, row_;
    std::vector<float> data_;
    std::array<int64_t, Count> kept_;
};

} // namespace mardini
