// Windows -> plans.
#include "engine/plan.h"

#include "base/error.h"

#include <algorithm>
#include <cerrno>

namespace mardini {

References references_of(const MardiniWindow &w, int masked)
{
    return choose_references({w.times, w.times + w.num_given}, w.masked[masked]);
}

std::vector<MardiniWindow> split_by_pair(const MardiniWindow *windows, int num_windows)
{
    std::vector<MardiniWindow> parts;
    for (int n = 0; n < num_windows; n++) {
        const MardiniWindow &w = windows[n];
        for (int i = 0; i < w.num_masked; i++) {
            if (i == 0 || references_of(w, i).index != references_of(w, i - 1).index) {
                parts.push_back(w);
                MardiniWindow &part = parts.back();
                part.num_masked = 0;
                part.masked += i;
                part.keys += i;
                part.out += i;
                part.confidence += part.confidence ? i : 0;
            }
            parts.back().num_masked++;
        }
    }
    return parts;
}

PlannedFrame frame_of(const PlannedWindow &planned, int64_t i)
{
    const MardiniWindow &w = *planned.window;
    const auto [first, second] = planned.references[i].index;
    // Of the processor's copy: a value read from the device would wait for all that is queued.
    const Pairs known = make_pairs({planned.references[i]}, torch::kCPU);
    auto row = [i](const Tensor &t) { return t.slice(0, i, i + 1); };
    PlannedFrame f;
    f.single_reference = w.num_given == 1;
    f.before = w.ids[first];
    f.after = w.ids[second];
    f.distance_before = known.distance_before.item<float>();
    f.distance_after = known.distance_after.item<float>();
    f.time = w.masked[i] - w.times[0];
    f.key = w.keys[i];
    f.pair = {row(planned.pairs.before), row(planned.pairs.after),
              row(planned.pairs.distance_before), row(planned.pairs.distance_after)};
    return f;
}

Plan plan_of_frame(const Plan &plan, int64_t i)
{
    auto row = [i](const Tensor &t) { return t.slice(0, i, i + 1); };
    const Motion &m = plan.motion;
    return {{row(m.velocity), row(m.bend), row(m.visibility), row(m.uncertainty)},
            row(plan.features),
            row(plan.match_velocity),
            row(plan.tokens)};
}

WindowPlanner::WindowPlanner(Network network, ReferenceStore &references, const Geometry &geometry,
                             const torch::Device &device, const MotionRequest &request,
                             Profile &profile)
    : network_(std::move(network)), references_(references), geometry_(geometry), device_(device),
      request_(request), profile_(profile)
{
}

std::vector<PlannedWindow> WindowPlanner::plan(const std::vector<MardiniWindow> &parts,
                                               FramesAtATime &frames)
{
    encode_references(parts, frames);
    std::vector<PlannedWindow> planned(parts.size());
    frames.run(static_cast<int64_t>(parts.size()), [&](int64_t n) {
        if (parts[n].num_given > 1)
            planned[n] = plan_window(parts[n]);
    });
    for (size_t n = 0; n < parts.size(); n++) // in order: sampled motion is kept with the frame
        if (parts[n].num_given == 1)
            planned[n] = plan_single(parts[n]);
    return planned;
}

/// A reference frame attends to itself alone: its keys and values are the same in every window.
void WindowPlanner::encode_references(const std::vector<MardiniWindow> &parts,
                                      FramesAtATime &frames)
{
    Profile::Timer timer(profile_, Stage::Planner);
    std::vector<Reference *> missing;
    for (const MardiniWindow &w : parts)
        for (int i = 0; w.num_given > 1 && i < w.num_given; i++) {
            Reference *r = &references_.find(w.ids[i]);
            if (r->cache.empty() && std::find(missing.begin(), missing.end(), r) == missing.end())
                missing.push_back(r);
        }
    frames.run(static_cast<int64_t>(missing.size()), [&](int64_t i) {
        Reference &r = *missing[i];
        r.cache = network_->planner->encode_references(r.tokens, r.features.eighth.size(2) / 4);
    });
}

/// Times from `origin` on, a gap of the caller's unit being `length` long.
PlannedWindow WindowPlanner::place(const MardiniWindow &w, double origin, double gap,
                                   double length) const
{
    auto placed = [&](const double *times, int count) {
        Tensor t = at::empty({1, count}, torch::kFloat32);
        for (int i = 0; i < count; i++)
            t[0][i] = static_cast<float>((times[i] - origin) * length / gap);
        return t;
    };
    PlannedWindow p;
    p.window = &w;
    for (int i = 0; i < w.num_masked; i++)
        p.references.push_back(references_of(w, i));
    p.given_times = placed(w.times, w.num_given);
    p.masked_times = placed(w.masked, w.num_masked);
    p.pairs = make_pairs(p.references, device_);
    return p;
}

/// One reference frame does not tell the motion: it is sampled, once for all of its window.
PlannedWindow WindowPlanner::plan_single(const MardiniWindow &w)
{
    if (!network_->sampler || !network_->sampler->is_trained())
        throw Error(ENOSYS, "A window has a single reference frame, and the checkpoint has no "
                            "trained motion sampler; use a checkpoint with one.");
    Profile::Timer timer(profile_, Stage::Planner);
    Reference &r = references_.find(w.ids[0]);
    const std::pair<double, int64_t> place_and_key(w.times[0], w.keys[0]);
    if (r.sampled_for != place_and_key) {
        MotionRequest request = request_;
        request.key = w.keys[0];
        r.sampled =
            sample_motion(network_, references_.motion_input(w.ids[0]),
                          geometry_.format.height / geometry_.reduction,
                          geometry_.format.width / geometry_.reduction, w.times[0], request);
    }
    r.sampled_for = place_and_key;
    PlannedWindow p = place(w, 0, 1, 1);
    p.sampled = r.sampled;
    return p;
}

PlannedWindow WindowPlanner::plan_window(const MardiniWindow &w)
{
    // One unit for all pairs: the result does not depend on the caller's.
    const auto [before, after] = references_of(w, 0).index;
    PlannedWindow p = place(w, w.times[before], w.times[after] - w.times[before], gap_positions);

    Profile::Timer match_timer(profile_, Stage::Match);
    const Match &of_pair = references_.match(w.ids[before], w.ids[after]);
    auto for_each = [&](const Tensor &field) {
        return at::cat(std::vector<Tensor>(w.num_masked, field));
    };
    const Match matches = {for_each(of_pair.forward), for_each(of_pair.backward),
                           for_each(of_pair.confidence_forward),
                           for_each(of_pair.confidence_backward)};
    match_timer.stop();

    Profile::Timer planner_timer(profile_, Stage::Planner);
    std::vector<Reference *> given;
    std::vector<Tensor> tokens;
    for (int i = 0; i < w.num_given; i++) {
        given.push_back(&references_.find(w.ids[i]));
        tokens.push_back(given[i]->tokens);
    }
    PlannerImpl::ReferenceCache cache(given[0]->cache.size());
    for (size_t layer = 0; layer < cache.size(); layer++) {
        std::vector<Tensor> keys, values;
        for (const Reference *r : given) {
            keys.push_back(r->cache[layer].k);
            values.push_back(r->cache[layer].v);
        }
        cache[layer] = {at::cat(keys), at::cat(values)};
    }
    p.plan = network_->planner->forward(at::cat(tokens), &cache, matches, p.pairs,
                                        p.given_times.to(device_), p.masked_times.to(device_),
                                        given[0]->features.eighth.size(2) / 4);
    return p;
}

} // namespace mardini
