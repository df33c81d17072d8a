// The painter of the processor: cpu.h's pass over pixels that it copies of each reference frame.
#pragma once

#include "paint/cpu.h"

#include <atomic>
#include <map>
#include <mutex>

namespace mardini {

class CpuPainter : public Painter {
public:
    CpuPainter(const Geometry &geometry, const PaintTraits &traits, Profile &profile);

    void add(int64_t id, const MardiniFrame &frame) override;
    void drop(int64_t id) override;
    Tensor motion_input(int64_t id) override;
    void retain(const std::vector<int64_t> &ids) override;
    /// If memory runs out, again in smaller bands.
    void paint(const PaintJob &job, const MardiniFrame &out, float *confidence) override;
    bool multiplies_bf16() const override;
    bool is_concurrent() const override { return true; }
    int64_t bytes_of_reference() const override;
    int64_t bytes_of_bands() const override;
    int64_t bytes_of_smallest_bands() const override;
    bool shrink_bands() override;

private:
    struct Reference {
        MardiniFrame frame; ///< the caller's planes
        Pixels pixels;      ///< empty until retain() names the frame
    };

    const Geometry geometry_;
    const PaintTraits traits_;
    Profile &profile_;
    std::map<int64_t, Reference> references_;
    std::atomic<int64_t> band_bytes_ = 0; ///< of cpu.h's paint()
    std::mutex shrinking_;
    bool has_warned_ = false;
};

} // namespace mardini
