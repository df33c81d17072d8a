// Clips that are never trained on, scored while a run goes, and a contact sheet of them.
#pragma once

#include "network/network.h"
#include "train/data/pack.h"
#include "train/report/report.h"

namespace mardini::train {

class HeldOut {
public:
    /// The first 17 frames of at most sixteen shots, of as many sources as there are. Throws what
    /// load_videos() throws.
    HeldOut(const std::vector<std::string> &places, const LoadOptions &options);

    /// PSNR of the middle frames of gaps of 2, 4 and 8, and how far above a cross-fade it is:
    /// "check_psnr_2x", "check_gain_2x" and so on. If `sheet` is not empty a PNG goes there: for
    /// each clip, at a gap of 8, the frame before, the made, the true, the frame after, and four
    /// times the difference; half size. `without` as in training.
    nlohmann::ordered_json score(Network &network, const std::string &sheet,
                                 const Ablation &without = {}) const;

private:
    std::vector<Tensor> clips_; // (17,6,h,w) packed each
};

/// Write 8-bit RGB, (h,w,3) uint8, as PNG without compression. False if the disk does not take it.
bool write_png(const std::string &path, const Tensor &picture);

} // namespace mardini::train
