// The painter for a CUDA device that our kernels cannot be used on: the rule in LibTorch's
// operations, band by band. It runs on any device of LibTorch's.
#pragma once

#include "base/profile.h"
#include "frame/geometry.h"
#include "network/compose.h"
#include "paint/painter.h"

#include <map>

namespace mardini {

class TorchPainter : public Painter {
public:
    /// @param device  where tensors live; frames lie in host memory
    TorchPainter(const Geometry &geometry, const torch::Device &device, Profile &profile);

    void add(int64_t id, const MardiniFrame &frame) override;
    void drop(int64_t id) override;
    Tensor motion_input(int64_t id) override;
    void retain(const std::vector<int64_t> &ids) override;
    void paint(const PaintJob &job, const MardiniFrame &out, float *confidence) override;
    bool multiplies_bf16() const override { return true; }

    /// Packed rows that are composed at once.
    static constexpr int64_t band_rows = 192;

private:
    struct Reference {
        MardiniFrame frame;         ///< the caller's planes
        Tensor packed;              ///< (1,6,h,w), undefined until retain() names the frame
        std::vector<Tensor> planes; ///< likewise; empty where `packed` holds all planes
    };
    struct Scene;
    struct Band;

    Tensor load(const Reference &reference, int plane) const;
    Tensor pack_frame(const Reference &reference) const;
    Scene scene_of(const PaintJob &job) const;
    Band compose_band(const Scene &scene, int64_t start, int64_t end);
    void store_band(const Scene &scene, const Band &band, const MardiniFrame &out) const;
    void store_plane_band(const Scene &scene, const Band &band, int plane,
                          const MardiniFrame &out) const;

    const Geometry geometry_;
    const torch::Device device_;
    Profile &profile_;
    std::map<int64_t, Reference> references_;
};

} // namespace mardini
