// The painter of the processor.
#include "paint/cpu_painter.h"

#include "frame/pack.h"
#include "network/checkpoint.h"
#include "simd/precision.h"

#include <algorithm>

namespace mardini {

CpuPainter::CpuPainter(const Geometry &geometry, const PaintTraits &traits, Profile &profile)
    : geometry_(geometry), traits_(traits), profile_(profile)
{
}

void CpuPainter::add(int64_t id, const MardiniFrame &frame)
{
    references_[id] = {frame, {}};
}

void CpuPainter::drop(int64_t id)
{
    references_.erase(id);
}

Tensor CpuPainter::motion_input(int64_t id)
{
    return reduced_frame(geometry_, references_.at(id).frame);
}

void CpuPainter::retain(const std::vector<int64_t> &ids)
{
    for (auto &[id, reference] : references_)
        if (std::find(ids.begin(), ids.end(), id) == ids.end())
            reference.pixels = Pixels();
        else if (reference.pixels.packed.empty())
            reference.pixels = take_pixels(geometry_, reference.frame, traits_);
}

void CpuPainter::paint(const PaintJob &job, const MardiniFrame &out, float *confidence)
{
    const Pixels &before = references_.at(job.before).pixels,
                 &after = references_.at(job.after).pixels;
    for (;;) {
        const int64_t band_bytes = band_bytes_;
        try {
            const float mean =
                mardini::paint(geometry_, job, before, after, band_bytes, out, profile_);
            if (confidence)
                *confidence = mean;
            return;
        } catch (const std::exception &e) {
            std::lock_guard lock(shrinking_);
            // Another thread may have shrunk them since.
            if (!is_out_of_memory(e) || (band_bytes == band_bytes_ && !shrink_bands()))
                throw;
            if (!has_warned_)
                warn("Memory is full: from now on frames are synthesized in smaller bands.");
            has_warned_ = true;
        }
    }
}

bool CpuPainter::multiplies_bf16() const
{
    return cpu_multiplies_bf16();
}

int64_t CpuPainter::bytes_of_reference() const
{
    return bytes_of_pixels(geometry_, traits_);
}

int64_t CpuPainter::bytes_of_bands() const
{
    return mardini::bytes_of_bands(geometry_, traits_, band_bytes_);
}

int64_t CpuPainter::bytes_of_smallest_bands() const
{
    return mardini::bytes_of_bands(geometry_, traits_, 1);
}

bool CpuPainter::shrink_bands()
{
    const int64_t now = bytes_of_bands();
    if (now == bytes_of_smallest_bands())
        return false;
    do
        band_bytes_ = std::max<int64_t>(band_bytes_ ? band_bytes_ / 2 : now / 2, 1);
    while (bytes_of_bands() == now);
    return true;
}

} // namespace mardini
