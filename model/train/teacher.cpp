// The privileged teacher and its gated distillation.
#include "train/teacher.h"

#include "train/losses.h"

namespace mardini::train {

static constexpr int width = 32; ///< channels at 1/4
static constexpr int motion_channels = 2 + 4 + num_candidates + 1;
static constexpr int reach = 2;        ///< of its cost volumes, cells of 4 pixels
static constexpr double own = 0.25;    ///< weight of its own distance
static constexpr double lesson = 0.01; ///< of the difference in motion, pixels a gap

TeacherImpl::TeacherImpl(const NetworkConfig &)
{
    feature1 = register_module("feature1", conv(packed_channels, width, 2));
    feature2 = register_module("feature2", conv(width, width));
    in = register_module(
        "in", conv(3 * width + 2 * (2 * reach + 1) * (2 * reach + 1) + motion_channels + 2, width));
    block = register_module("block", ResBlock(width));
    out = register_module("out", zero_conv(width, 4 * motion_channels));
}

Motion TeacherImpl::forward(const Tensor &given, const Output &o, const Tensor &target)
{
    auto features = [&](const Tensor &x) {
        return feature2(act(feature1(x)));
    }; // (.,width,H/4,W/4)
    auto quarter = [](const Tensor &x) { return at::avg_pool2d(x, {2, 2}); };
    const Motion &half = o.refined.half;
    // What it starts from is the network's word and stays so: it teaches, it does not steer.
    Motion m{quarter(half.velocity.detach()), quarter(half.bend.detach()),
             quarter(half.visibility.detach()), quarter(half.uncertainty.detach())};
    Tensor known = features(given), truth = features(target);
    auto [da, db] = displacements(m, o.pairs);
    Tensor a = warp(known.index_select(0, o.pairs.before), da / 4),
           b = warp(known.index_select(0, o.pairs.after), db / 4);
    Tensor distances = at::cat({o.pairs.distance_before, o.pairs.distance_after}, 1)
                           .expand({a.size(0), 2, a.size(2), a.size(3)});
    Tensor x = in(at::cat({a, b, truth, cost_volume(truth, a, reach), cost_volume(truth, b, reach),
                           m.velocity / 4, m.bend / 4, m.visibility, m.uncertainty, distances},
                          1)); // (N,width,H/4,W/4)
    auto delta = at::pixel_shuffle(out(act(block(x))), 2)
                     .to(torch::kFloat32)
                     .split_with_sizes({2, 4, num_candidates, 1}, 1); // 1/2
    return {half.velocity.detach() + 2 * delta[0], half.bend.detach() + 2 * delta[1],
            half.visibility.detach() + delta[2], half.uncertainty.detach()};
}

Lesson teach(Teacher &teacher, const Tensor &given, const Output &o, const Tensor &target)
{
    Lesson l;
    Motion better = teacher->forward(given, o, target);
    Candidates c =
        candidates(given.index_select(0, o.pairs.before), given.index_select(0, o.pairs.after),
                   better, o.pairs, Sampling::Bicubic);
    Tensor made = compose(c, c.prior);
    l.loss = own * frame_distance(made, target) + 1e-3 * (better.bend / 8).square().mean();

    auto error = [&](const Tensor &x) { // smoothed, so that the gate has no speckles
        return at::avg_pool2d((x - target).slice(1, 0, 4).abs().mean(1, true).detach(), {5, 5},
                              {1, 1}, {2, 2});
    };
    Tensor gate = (error(made) < 0.95 * error(o.composite)).to(torch::kFloat32); // (N,1,h,w)
    auto apart = [&](const Motion &m) {
        auto [ma, mb] = displacements(m, o.pairs);
        auto [ta, tb] = displacements(better, o.pairs);
        auto distance = [](const Tensor &x, const Tensor &y) {
            return ((x - y.detach()).square().sum(1, true) + 0.01).sqrt();
        };
        return distance(ma, ta) + distance(mb, tb);
    };
    l.loss = l.loss + lesson * (apart(o.refined.half) * gate).mean();
    l.gain = psnr(made, target) - psnr(o.composite, target);
    l.share = gate.mean().item<double>();
    return l;
}

} // namespace mardini::train
