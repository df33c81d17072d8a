// Results of the networks that are kept of each reference frame and pair.
#include "engine/references.h"

#include "base/error.h"
#include "simd/matching.h"

#include <cerrno>

namespace mardini {

void ReferenceStore::add(int64_t id, const MardiniFrame &frame)
{
    if (references_.count(id))
        throw Error(EINVAL, "Frame " + std::to_string(id) +
                                " was added twice; drop it first, or use another id.");
    Profile::Timer load(profile_, Stage::Load);
    painter_.add(id, frame);
    try {
        const Tensor input = painter_.motion_input(id);
        load.stop();
        Profile::Timer encoder(profile_, Stage::Encoder);
        Reference r;
        r.features = network_->encoder(input);
        r.tokens = network_->planner->tokenize(r.features.eighth);
        for (Tensor *t : {&r.features.quarter, &r.features.eighth})
            if (search_is_possible(*t)) // in the layout that matching.h reads, converted once
                *t = t->to(torch::kFloat32).contiguous();
        references_.emplace(id, std::move(r));
    } catch (...) {
        painter_.drop(id);
        throw;
    }
}

void ReferenceStore::drop(int64_t id)
{
    references_.erase(id);
    motion_inputs_.erase(id);
    painter_.drop(id);
    std::erase_if(matches_, [id](const auto &match) {
        return match.first.first == id || match.first.second == id;
    });
}

Reference &ReferenceStore::find(int64_t id)
{
    auto it = references_.find(id);
    if (it == references_.end())
        throw Error(EINVAL, "Frame " + std::to_string(id) + " is not known; add it first.");
    return it->second;
}

const Match &ReferenceStore::match(int64_t before, int64_t after)
{
    {
        std::lock_guard lock(matching_);
        auto it = matches_.find({before, after});
        if (it != matches_.end())
            return it->second;
    }
    Match found = network_->encoder->match(find(before).features, find(after).features);
    std::lock_guard lock(matching_);
    return matches_.emplace(std::pair(before, after), std::move(found)).first->second;
}

const Tensor &ReferenceStore::motion_input(int64_t id)
{
    std::lock_guard lock(reducing_);
    Tensor &input = motion_inputs_[id];
    if (!input.defined())
        input = painter_.motion_input(id);
    return input;
}

} // namespace mardini
