// Validation: clips that are never trained on, scored while a run goes, and their contact sheet.
#pragma once

#include "network/network.h"
#include "train/data/load.h"

#include <nlohmann/json.hpp>

namespace mardini::train {

class Validation {
public:
    /// The first 17 frames of at most sixteen shots, of as many sources as there are. Throws what
    /// load_videos() throws.
    Validation(const std::vector<std::string> &places, const LoadOptions &options);

    /// PSNR of the middle frames of gaps of 2, 4 and 8, how far above a cross-fade they are, and
    /// the ratio of their mean gradient to the truth's: "check_psnr_2x", "check_gain_2x",
    /// "check_sharpness_2x" and so on. Writes the contact sheet as PNG unless `sheet` is empty: for
    /// each clip, at a gap of 8, the frame before, the synthesized, the true, the frame after, and
    /// four times the difference; half size. without: as in training
    nlohmann::ordered_json score(Network &network, const std::string &sheet,
                                 const Ablation &without = {}) const;

private:
    std::vector<Tensor> clips_; ///< (17,6,h,w) packed each
};

} // namespace mardini::train
