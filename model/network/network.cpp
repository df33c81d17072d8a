// The whole network: given frames and times in, masked frames out.
#include "network/network.h"

#include "network/detail.h"

#include <algorithm>
#include <cmath>
#include <map>

namespace mardini {

Pairs make_pairs(const std::vector<References> &references, const torch::Device &device)
{
    std::vector<int64_t> before, after;
    std::vector<float> distance_before, distance_after;
    const float whole = std::nextafter(1.0f, 0.0f);
    for (const References &r : references) {
        const bool between = r.distance[0] < 0 && r.distance[1] > 0;
        auto rounded = [&](double distance) { // between two frames is not at one of them
            const float d = static_cast<float>(distance);
            return between ? std::clamp(d, -whole, whole) : d;
        };
        before.push_back(r.index[0]);
        after.push_back(r.index[1]);
        distance_before.push_back(rounded(r.distance[0]));
        distance_after.push_back(rounded(r.distance[1]));
    }
    auto index = [&](const std::vector<int64_t> &v) {
        return torch::tensor(v, torch::kInt64).to(device);
    };
    auto distance = [&](const std::vector<float> &v) {
        return torch::tensor(v).view({-1, 1, 1, 1}).to(device);
    };
    return {index(before), index(after), distance(distance_before), distance(distance_after)};
}

Pairs make_pairs(const Tensor &given_times, const Tensor &masked_times, const torch::Device &device)
{
    const int64_t B = given_times.size(0), R = given_times.size(1), M = masked_times.size(1);
    auto given = given_times.accessor<float, 2>();
    auto masked = masked_times.accessor<float, 2>();
    std::vector<References> references;
    for (int64_t i = 0; i < B; i++) {
        const std::vector<double> times(given[i].data(), given[i].data() + R);
        for (int64_t f = 0; f < M; f++) {
            References r = choose_references(times, masked[i][f]);
            for (int &index : r.index)
                index += static_cast<int>(i * R);
            references.push_back(r);
        }
    }
    return make_pairs(references, device);
}

NetworkImpl::NetworkImpl(const NetworkConfig &config)
    : detail(config.generator.detail), config_(config)
{
    encoder = register_module("encoder", Encoder(config.encoder));
    planner = register_module("planner", Planner(config.encoder, config.planner));
    generator =
        register_module("generator", Generator(config.encoder, config.planner, config.generator));
    if (config.denoiser.channels4 > 0)
        denoiser =
            register_module("denoiser", Denoiser(generator->hidden_channels(), config.denoiser));
    if (config.sampler.layers > 0)
        sampler = register_module("sampler", Sampler(config.planner, config.sampler));
}

/// Match each distinct pair once. (N,...) one match for each masked frame.
static Match match_pairs(Encoder &encoder, const Features &features, const Pairs &pairs)
{
    Tensor before = pairs.before.cpu(), after = pairs.after.cpu();
    std::map<std::pair<int64_t, int64_t>, int64_t> known;
    std::vector<int64_t> a, b, which;
    for (int64_t i = 0; i < before.size(0); i++) {
        auto key = std::make_pair(before[i].item<int64_t>(), after[i].item<int64_t>());
        auto [it, is_new] = known.emplace(key, static_cast<int64_t>(a.size()));
        if (is_new) {
            a.push_back(key.first);
            b.push_back(key.second);
        }
        which.push_back(it->second);
    }
    auto index = [&](const std::vector<int64_t> &v) {
        return torch::tensor(v, torch::kInt64).to(pairs.before.device());
    };
    Match m = encoder->match(select(features, index(a)), select(features, index(b)));
    Tensor w = index(which);
    return {m.forward.index_select(0, w), m.backward.index_select(0, w),
            m.confidence_forward.index_select(0, w), m.confidence_backward.index_select(0, w)};
}

Output NetworkImpl::forward(const Tensor &given, const Tensor &given_times,
                            const Tensor &masked_times, const ForwardOptions &options)
{
    Output o;
    Tensor x = given.flatten(0, 1); // (B*R,6,h,w)
    o.pairs = make_pairs(given_times, masked_times, given.device());
    Features features = encoder(reduce(x, options.reduction));
    Match match = match_pairs(encoder, features, o.pairs);
    o.plan = planner->forward(planner->tokenize(features.eighth), nullptr, match, o.pairs,
                              given_times.to(given.device()), masked_times.to(given.device()),
                              features.eighth.size(2) / 4, options.ablation);
    o.refined = generator->refine(o.plan, select(features, o.pairs.before),
                                  select(features, o.pairs.after), o.pairs);

    const Tensor before = x.index_select(0, o.pairs.before),
                 after = x.index_select(0, o.pairs.after);
    o.motion = aligned(o.refined, before, after, o.pairs, &o.trust);
    finish(o, before, after);
    return o;
}

Motion NetworkImpl::aligned(const Refined &refined, const Tensor &before, const Tensor &after,
                            const Pairs &pairs, Tensor *trusted)
{
    const int64_t h = before.size(2), w = before.size(3);
    Motion motion = enlarged(refined.half, h, w);
    if (!generator->aligns())
        return motion;
    const Alignment alignment = align(before, after, motion, pairs);
    const Tensor trust = generator->trust(refined.hidden, alignment, motion.visibility);
    if (trusted)
        *trusted = trust;
    motion.velocity = motion.velocity + trusted_correction(alignment, trust);
    return motion;
}

void NetworkImpl::finish(Output &o, const Tensor &before, const Tensor &after)
{
    Candidates c = candidates(before, after, o.motion, o.pairs);
    o.composite = compose(c, c.prior);
    Tensor difference = at::cat({at::pixel_unshuffle(c.luma.select(1, 0) - c.luma.select(1, 1), 2),
                                 c.chroma.select(1, 0) - c.chroma.select(1, 1)},
                                1);
    Tensor still = (before.slice(1, 0, 4) - after.slice(1, 0, 4)).abs();
    const int64_t h = before.size(2), w = before.size(3);
    Finish f = generator->finish(o.composite, difference, still, resize(o.refined.hidden, h, w));
    Tensor logits = c.prior + unpack_logits(f.visibility), gate = residual_gate(o.pairs);
    o.weights = logits.softmax(1);
    Tensor blend = cross_fade(before, after, o.pairs), mask = change_mask(before, after);
    Tensor made = restore_detail(compose(c, logits) + gate * f.residual, before, after, o.motion,
                                 o.pairs, c, logits, detail);
    o.frames = blend + mask * (made - blend);
    o.uncertainty =
        mask * gate * at::softplus(o.motion.uncertainty + f.uncertainty - uncertainty_shift);
}

} // namespace mardini
