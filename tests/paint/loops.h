// A CUDA device that is the processor: our kernels' arithmetic in loops.
#ifndef TESTS_LOOPS_H
#define TESTS_LOOPS_H

#include "paint/cuda.h"

#include "support/catch.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <map>
#include <utility>
#include <vector>

namespace mardini {

/// The kernels as loops. Downloads arrive when they are waited for, as late as a device may deliver
/// them; the caller's memory may be of another context, which only copies reach.
class Loops : public Device {
public:
    bool multiplies_bf16() const override { return false; }

    void pack(const Packing &p) override
    {
        for (int c = 0; c < 6; c++)
            each(p.h, p.w, [&](int y, int x) { pack_sample(p, c, y, x); });
    }
    void difference(const CudaPaintJob &s, float *out) override
    {
        each(s.h, s.w, [&](int y, int x) { difference_cell(s, y, x, out); });
    }
    void sample(const CudaPaintJob &s) override
    {
        each(s.rows, s.w, [&](int y, int x) { sample_cell(s, y, x); });
    }
    void finish(const CudaPaintJob &s) override
    {
        each(s.rows, s.w, [&](int y, int x) { finish_cell(s, y, x); });
    }
    void plane(const CudaPlaneJob &p) override
    {
        each(std::max(p.end - p.begin, 0), p.out.width,
             [&](int y, int x) { plane_sample(p, p.begin + y, x); });
    }

    void *allocate_pinned(size_t bytes) override
    {
        num_pinned++;
        return std::malloc(bytes);
    }
    void free_pinned(void *memory) override
    {
        num_pinned--;
        std::free(memory);
    }
    void upload(int slot, void *to, const void *pinned, size_t bytes) override
    {
        put_off(slot, to, pinned, bytes);
        deliver(slot);
    }
    void download(int slot, void *pinned, const void *from, size_t bytes) override
    {
        put_off(slot, pinned, from, bytes);
    }
    void wait(int slot) override { deliver(slot); }

    bool shares_memory() const override { return is_own_context; }
    void copy_in(const Lines &to, const Lines &callers) override { copy(to, callers); }
    void copy_out(const Lines &callers, const Lines &from) override { copy(callers, from); }
    void begin() override { CHECK(++depth == 1); }
    void end() override { CHECK(--depth == 0); }

    bool is_own_context = true;
    int num_copies = 0, depth = 0;
    inline static int num_pinned = 0;

private:
    template <class Body>
    static void each(int rows, int columns, const Body &body)
    {
        for (int y = 0; y < rows; y++)
            for (int x = 0; x < columns; x++)
                body(y, x);
    }
    void copy(const Lines &to, const Lines &from)
    {
        num_copies++;
        CHECK(to.width == from.width);
        CHECK(to.height == from.height);
        for (size_t y = 0; y < to.height; y++)
            std::memcpy(to.data + y * to.stride, from.data + y * from.stride, to.width);
    }
    void put_off(int slot, void *to, const void *from, size_t bytes)
    {
        const auto *p = static_cast<const uint8_t *>(from);
        CHECK(under_way.count(slot) == 0); // the buffer of a copy that is under way
        under_way[slot] = {to, std::vector<uint8_t>(p, p + bytes)};
    }
    void deliver(int slot)
    {
        auto it = under_way.find(slot);
        if (it == under_way.end())
            return;
        std::memcpy(it->second.first, it->second.second.data(), it->second.second.size());
        under_way.erase(it);
    }
    std::map<int, std::pair<void *, std::vector<uint8_t>>> under_way;
};

/// The CUDA painter on it.
inline std::unique_ptr<CudaPainter> loops_painter(const Geometry &geometry,
                                                  bool is_own_context = true,
                                                  Loops **device = nullptr)
{
    auto loops = std::make_unique<Loops>();
    loops->is_own_context = is_own_context;
    if (device)
        *device = loops.get();
    return std::make_unique<CudaPainter>(geometry, std::move(loops), torch::kCPU);
}

} // namespace mardini

#endif
