// Given frames on a CUDA device, and masked frames painted there by our own kernels: what fused.h
// does on the processor. Frames come from host memory and go back to it through pinned buffers, or
// stay on the card.
#pragma once

#include "paint/cpu.h"
#include "paint/cuda/device.h"

#include <functional>
#include <memory>

namespace mardini {

/// A given frame on the card.
struct CudaFrame {
    Tensor memory; ///< our own copy; undefined where the caller's planes are read in place
    std::vector<View> planes; ///< of the format, as stored
    Tensor luma, chroma; ///< (h,w), (2,h/2,w/2) float32: the frame as the network sees it, where
                         ///< its planes are something else; made when it is first painted from
};

/// One thread at a time. All work is queued; only finish() and a full queue of downloads wait for
/// it.
class CudaPainter {
public:
    /// @param place  where tensors live: `device` as LibTorch calls it
    CudaPainter(const Geometry &geometry, std::unique_ptr<Device> device,
                const torch::Device &place);
    ~CudaPainter();
    CudaPainter(const CudaPainter &) = delete;
    CudaPainter &operator=(const CudaPainter &) = delete;

    /// Takes a line that the user should read.
    std::function<void(const std::string &)> warn = [](const std::string &) {};

    bool multiplies_bf16() const { return device_->multiplies_bf16(); }

    /// Whether frames that lie on the card are copied there, since they belong to another context.
    bool copies_frames() const { return geometry_.format.on_cuda && !device_->shares_memory(); }

    /// While it lives, frames may be touched: the caller's stream is ordered before and after.
    class Turn {
    public:
        explicit Turn(CudaPainter &painter);
        ~Turn();
        Turn(const Turn &) = delete;
        Turn &operator=(const Turn &) = delete;

    private:
        CudaPainter &painter_;
    };

    /// Bring a given frame to the card. Planes in host memory are not looked at again; those on the
    /// card are.
    CudaFrame take(const MardiniFrame &frame);

    /// The frame as encoder and planner see it: packed and reduced, (1,6,h/2/r,w/2/r).
    Tensor pack(const CudaFrame &frame);

    /// Make one frame, from what PaintJob says but its given frames. `out` is complete after
    /// finish().
    void paint(CudaFrame &before, CudaFrame &after, const PaintJob &painting,
               const MardiniFrame &out);

    /// Wait for what was painted. @return how sure the network is of each frame since the turn
    /// began
    std::vector<float> finish();

    /// Rows of packed frames painted at once: halved when the card's memory is full.
    int64_t band_rows() const { return band_rows_; }

private:
    /// A pinned buffer and the copy that may be under way in it.
    struct Slot {
        int number = 0;
        std::shared_ptr<uint8_t> pinned;
        MardiniFrame staging{}; ///< on the card
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
    Tensor packed(const CudaFrame &frame, int reduction) const;
    void find_sources(CudaFrame &frame, View sources[3]) const;
    Tensor paint_bands(CudaFrame &before, CudaFrame &after, const PaintJob &painting,
                       const std::vector<View> &out) const;
    void paint_planes(const CudaPaintJob &scene, const CudaFrame &before, const CudaFrame &after,
                      const std::vector<View> &out, int64_t start, int64_t end) const;
    void collect(Slot &slot);
    void wait_for(const Slot &slot) noexcept;
    void abandon() noexcept;

    const Geometry &geometry_;
    std::unique_ptr<Device> device_;
    torch::Device place_;
    int64_t band_rows_;
    bool has_warned_ = false;
    std::vector<Slot> up_, down_;
    size_t next_up_ = 0, next_down_ = 0;
    std::vector<Tensor> sure_; ///< of the frames of this turn, on the card
};

/// Index of the device that a CUcontext of the caller's is on; -1 if there are no kernels to use it
/// with.
int card_of(void *context);

/// The painter for device `place`, or NULL and why its kernels cannot be used: LibTorch's
/// operations must do.
std::unique_ptr<CudaPainter> open_cuda_painter(const Geometry &geometry, const torch::Device &place,
                                               void *context, void *stream, std::string *why);

} // namespace mardini
