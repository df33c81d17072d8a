// Sums of luma's metrics over frames.
#include "eval/luma_sum.h"

#include <algorithm>

namespace mardini::eval {

void LumaSum::add(const Frame &frame, const Frame &truth)
{
    const PlaneView plane = plane_of(frame, 0), t = plane_of(truth, 0);
    psnr_ += bounded_psnr(mean_squared_error(plane, t));
    ssim_ += ssim(plane, t);
    gradient_ += gradient(plane);
    true_gradient_ += gradient(t);
    mean_ += mean_and_contrast(plane).first;
    true_mean_ += mean_and_contrast(t).first;
    count_++;
}

double LumaSum::sharpness() const
{
    return gradient_ / std::max(1e-12, true_gradient_);
}

double LumaSum::brightness() const
{
    return mean_ / std::max(1e-12, true_mean_);
}

} // namespace mardini::eval
