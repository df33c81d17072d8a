// Results of the networks that are kept of each reference frame, and of each pair of them, until
// the frame is dropped.
#pragma once

#include "base/profile.h"
#include "engine/single_image.h"
#include "network/network.h"
#include "paint/painter.h"

#include <map>
#include <mutex>
#include <utility>
#include <vector>

namespace mardini {

struct Reference {
    Features features;                 ///< (1,...) at the motion resolution
    Tensor tokens;                     ///< (1,tokens,D)
    PlannerImpl::ReferenceCache cache; ///< keys and values; empty before its first window
    SampledMotion sampled;             ///< motion of the window in which it is the only one
    std::pair<double, int64_t> sampled_for = {-1, 0}; ///< its place there, and the noise's key
};

/// match() and motion_input() may be called by several threads at once, the others by one.
class ReferenceStore {
public:
    ReferenceStore(Network network, Painter &painter, Profile &profile)
        : network_(std::move(network)), painter_(painter), profile_(profile)
    {
    }

    /// Encode a frame that the painter has. Throws Error(EINVAL) if it is known already.
    void add(int64_t id, const MardiniFrame &frame);
    void drop(int64_t id);

    /// Throws Error(EINVAL) for a frame that was not added.
    Reference &find(int64_t id);

    const Match &match(int64_t before, int64_t after);

    /// Painter::motion_input(), kept.
    const Tensor &motion_input(int64_t id);

private:
    Network network_;
    Painter &painter_;
    Profile &profile_;
    std::map<int64_t, Reference> references_;
    std::map<std::pair<int64_t, int64_t>, Match> matches_;
    std::map<int64_t, Tensor> motion_inputs_;
    std::mutex matching_, reducing_;
};

} // namespace mardini
