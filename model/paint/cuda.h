// The painter for a CUDA device by our own kernels. Frames come from host memory and go back to it
// through pinned buffers, or stay on the device.
#pragma once

#include "frame/geometry.h"
#include "paint/cuda/device.h"
#include "paint/painter.h"

#include <map>

namespace mardini {

/// All work is queued; only finish() and a full queue of downloads wait for it.
class CudaPainter : public Painter {
public:
    /// @param place  where tensors live: `device` as LibTorch calls it
    CudaPainter(const Geometry &geometry, std::unique_ptr<Device> device,
                const torch::Device &place);
    ~CudaPainter() override;

    /// Discards what an earlier order left unfinished.
    std::unique_ptr<StreamOrder> order_streams() override;
    /// Planes in host memory are copied; those on the device are read in place where possible.
    void add(int64_t id, const MardiniFrame &frame) override;
    void drop(int64_t id) override;
    Tensor motion_input(int64_t id) override;
    void retain(const std::vector<int64_t> &ids) override;
    /// If the device's memory runs out, again in smaller bands.
    void paint(const PaintJob &job, const MardiniFrame &out, float *confidence) override;
    void finish() override;
    bool multiplies_bf16() const override { return device_->multiplies_bf16(); }

    /// Whether frames on the device are copied there, since they belong to another context.
    bool copies_frames() const { return geometry_.format.on_cuda && !device_->shares_memory(); }

    /// Packed rows painted at once: halved when the device's memory is full.
    int64_t band_rows() const { return band_rows_; }

private:
    class Order;
    struct Reference {
        Tensor memory; ///< our own copy; undefined where the caller's planes are read in place
        std::vector<View> planes; ///< of the format, as stored
        /// (h,w), (2,h/2,w/2) float32: the packed frame's planes where they are not the frame's
        /// own; undefined until it is first painted from.
        Tensor luma, chroma;
    };

    /// A pinned buffer and the copy that may be under way in it.
    struct Slot {
        int number = 0;
        std::shared_ptr<uint8_t> pinned;
        MardiniFrame staging{}; ///< on the device
        Tensor memory;          ///< of it
        MardiniFrame out{};
        bool is_busy = false;
    };

    int num_stored() const;
    int64_t line_bytes(int stored) const;
    int64_t num_bytes(const MardiniFrame &frame) const;
    Lines lines(const MardiniFrame &frame, int stored) const;
    MardiniFrame arrange(Tensor *memory) const;
    std::vector<View> views_of(const MardiniFrame &frame) const;
    std::shared_ptr<uint8_t> pinned(int64_t bytes) const;
    Tensor packed(const Reference &reference, int reduction) const;
    void find_sources(Reference &reference, View sources[3]) const;
    Tensor paint_or_shrink(const PaintJob &job, const std::vector<View> &out);
    Tensor paint_frame(const PaintJob &job, const std::vector<View> &out);
    void paint_bands(const PaintJob &job, CudaPaintJob s, const std::vector<View> &out,
                     int64_t visible) const;
    void paint_planes(const CudaPaintJob &s, const Reference &before, const Reference &after,
                      const std::vector<View> &out, int64_t start, int64_t end) const;
    void collect(Slot &slot);
    void wait_for(const Slot &slot) noexcept;
    void abandon() noexcept;

    const Geometry geometry_;
    std::unique_ptr<Device> device_;
    torch::Device place_;
    int64_t band_rows_;
    bool has_warned_ = false;
    std::vector<Slot> up_, down_;
    size_t next_up_ = 0, next_down_ = 0;
    std::map<int64_t, Reference> references_;
    std::vector<Tensor> confidence_; ///< of the frames since finish(), numbers on the device
    std::vector<float *> confidence_to_;
};

/// Index of the device that a CUcontext of the caller's is on; -1 if this library has no kernels.
int cuda_index_of(void *context);

/// The painter for device `place`, or NULL and the reason why its kernels cannot be used.
std::unique_ptr<CudaPainter> open_cuda_painter(const Geometry &geometry, const torch::Device &place,
                                               void *context, void *stream, std::string *why);

} // namespace mardini
