// Sums of luma's metrics over frames.
#pragma once

#include "eval/clip.h"

namespace mardini::eval {

class LumaSum {
public:
    void add(const Frame &frame, const Frame &truth);

    // Means over the frames; at least one was added.
    double psnr_y() const { return psnr_ / count_; } ///< dB, at most 100 a frame
    double ssim_y() const { return ssim_ / count_; }
    double sharpness() const;  ///< gradient over the true frames'
    double brightness() const; ///< mean of luma over the true frames'

private:
    double psnr_ = 0, ssim_ = 0, gradient_ = 0, true_gradient_ = 0, mean_ = 0, true_mean_ = 0;
    int count_ = 0;
};

} // namespace mardini::eval
