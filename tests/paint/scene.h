// Two reference frames of any layout, what is painted between them, and the network's result.
#ifndef TESTS_SCENE_H
#define TESTS_SCENE_H

#include "frame/pack.h"
#include "network/network.h"
#include "paint/painter.h"

#include "support/awake.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <vector>

namespace scene {

using namespace mardini;

/// A frame that owns its planes; lines end in bytes that must stay untouched.
struct Picture {
    explicit Picture(const Geometry &g) : geometry(g)
    {
        const MardiniFormat &f = g.format;
        const int64_t bytes = f.depth > 8 ? 2 : 1;
        const int num_stored = f.interleaved ? 2 : g.num_planes;
        for (int p = 0; p < num_stored; p++) {
            width.push_back(g.plane_width(p) * bytes * (f.interleaved && p == 1 ? 2 : 1));
            frame.stride[p] = width[p] + 6;
            planes.emplace_back(frame.stride[p] * g.plane_height(p), uint8_t{0xa5});
        }
        for (int p = 0; p < num_stored; p++)
            frame.data[p] = planes[p].data();
    }
    Picture(const Picture &) = delete;

    uint8_t *at(int p, int64_t y, int64_t x) const
    {
        const bool shared = geometry.format.interleaved && geometry.is_chroma(p);
        const int64_t bytes = geometry.format.depth > 8 ? 2 : 1;
        return frame.data[shared ? 1 : p] + y * frame.stride[shared ? 1 : p] +
               (shared ? 2 * x + p - 1 : x) * bytes;
    }
    int word(int p, int64_t y, int64_t x) const
    {
        return geometry.format.depth > 8 ? *reinterpret_cast<uint16_t *>(at(p, y, x))
                                         : *at(p, y, x);
    }
    int code(int p, int64_t y, int64_t x) const { return word(p, y, x) >> geometry.format.shift; }
    void set(int p, int64_t y, int64_t x, int code)
    {
        if (geometry.format.depth > 8)
            *reinterpret_cast<uint16_t *>(at(p, y, x)) =
                static_cast<uint16_t>(code << geometry.format.shift);
        else
            *at(p, y, x) = static_cast<uint8_t>(code);
    }
    template <class Body>
    void each(const Body &body) const
    {
        for (int p = 0; p < geometry.num_planes; p++)
            for (int64_t y = 0; y < geometry.plane_height(p); y++)
                for (int64_t x = 0; x < geometry.plane_width(p); x++)
                    body(p, y, x);
    }
    bool borders_are_untouched() const
    {
        for (size_t p = 0; p < planes.size(); p++)
            for (size_t at = 0; at < planes[p].size(); at++)
                if (static_cast<int64_t>(at) % frame.stride[p] >= width[p] && planes[p][at] != 0xa5)
                    return false;
        return true;
    }

    const Geometry &geometry;
    MardiniFrame frame{};
    std::vector<int64_t> width; // bytes
    std::vector<std::vector<uint8_t>> planes;
};

/// Largest difference in codes; the layouts may differ.
inline int difference(const Picture &a, const Picture &b)
{
    int most = 0;
    a.each([&](int p, int64_t y, int64_t x) {
        most = std::max(most, std::abs(a.code(p, y, x) - b.code(p, y, x)));
    });
    return most;
}

/// Smooth noise with edges, -1 .. 1. (h,w)
inline Tensor texture(int64_t h, int64_t w)
{
    const Tensor smooth = resize(torch::randn({1, 1, h / 6 + 1, w / 6 + 1}), h, w)[0][0];
    return (smooth + 0.05 * torch::randn({h, w})).clamp(-1.2, 1.2) / 1.2;
}

constexpr int64_t before_id = 1, after_id = 2;

/// The left half of both frames is equal.
struct Scene {
    explicit Scene(const MardiniFormat &format, int side = motion_side)
        : g(format, side), before(g), after(g)
    {
        torch::manual_seed(5);
        for (int p = 0; p < g.num_planes; p++) {
            const Tensor a = texture(g.plane_height(p), g.plane_width(p)),
                         b = texture(g.plane_height(p), g.plane_width(p));
            draw(before, p, a, a);
            draw(after, p, a, b);
        }
        const int64_t h = g.height / 2 / g.reduction, w = g.width / 2 / g.reduction;
        auto field = [&](int64_t channels, double size) {
            return size * resize(torch::randn({1, channels, h / 4, w / 4}), h, w);
        };
        job.before = before_id;
        job.after = after_id;
        job.motion = {field(2, 9), field(4, 2), field(4, 1), field(1, 2)};
        job.hidden = torch::randn({1, network->generator->hidden_channels(), h / 2, w / 2});
        job.head = [this](const Tensor &x) { return network->generator->head(x); };
        job.head_type = torch::kFloat32;
        set_time(0.3f);
    }
    Scene(const Scene &) = delete;

    void set_time(float part)
    {
        job.distance_before = -part;
        job.distance_after = 1 - part;
        job.residual_gate = residual_gate(job.distance_before, job.distance_after);
    }

    Tensor packed(const Picture &picture) const
    {
        std::vector<Tensor> planes;
        for (int p = 0; p < g.num_planes; p++)
            planes.push_back(load_plane(g, picture.frame, p));
        return pack(g, planes);
    }

    /// The frame by NetworkImpl::finish(), and its planes that the packed frame does not hold by
    /// whole pictures. @return mean confidence
    float reference(Picture &out) const
    {
        const int64_t h = g.height / 2, w = g.width / 2;
        const Tensor a = packed(before), b = packed(after);
        Output o;
        o.refined.hidden = job.hidden;
        o.motion = enlarged(job.motion, h, w);
        o.pairs = {torch::tensor({int64_t{0}}), torch::tensor({int64_t{1}}),
                   torch::full({1, 1, 1, 1}, job.distance_before),
                   torch::full({1, 1, 1, 1}, job.distance_after)};
        network->finish(o, a, b);
        Tensor sampled = at::zeros_like(o.frames);
        if (job.sampled_residual.defined())
            sampled = resize(job.sampled_residual, h, w);
        const Tensor mask = change_mask(a, b);
        for (int p = 0; p < g.num_planes; p++)
            if (packed_is_whole(g.format) && (p == 0 || g.is_chroma(p)))
                store_plane(g, unpack_change(g, o.frames + mask * sampled, p), 0, out.frame, p);
            else
                store_plane(g, plane(o, a, b, sampled, mask, p), 0, out.frame, p);
        const Tensor shown = o.uncertainty.slice(2, 0, (g.format.height + 1) / 2);
        return (1 / (1 + 16 * shown)).mean().item<float>();
    }

    /// How far a frame is from the reference frames where both are equal, the left quarter, at
    /// most, in codes.
    int equal_part_differs(const Picture &synthesized) const
    {
        int most = 0;
        synthesized.each([&](int p, int64_t y, int64_t x) {
            if (x < g.padded_width(p) / 4)
                most = std::max(most, std::abs(synthesized.code(p, y, x) - before.code(p, y, x)));
        });
        return most;
    }

    Geometry g;
    Picture before, after;
    PaintJob job{};
    mutable Network network = awake();

private:
    /// `left` in the left half of the padded plane, `right` beyond.
    void draw(Picture &picture, int p, const Tensor &left, const Tensor &right)
    {
        const auto l = left.accessor<float, 2>(), r = right.accessor<float, 2>();
        const float middle = static_cast<float>(1 << (g.format.depth - 1));
        for (int64_t y = 0; y < left.size(0); y++)
            for (int64_t x = 0; x < left.size(1); x++) {
                const float v = x < g.padded_width(p) / 2 ? l[y][x] : r[y][x];
                picture.set(p, y, x,
                            static_cast<int>(std::min(v * middle + middle, 2 * middle - 1)));
            }
    }

    /// A plane of its own size. o: after finish(); a, b: packed
    Tensor plane(const Output &o, const Tensor &a, const Tensor &b, const Tensor &sampled,
                 const Tensor &mask, int p) const
    {
        const int64_t h = g.height / 2, w = g.width / 2;
        const Candidates c = candidates(a, b, o.motion, o.pairs);
        const Tensor difference =
            at::cat({at::pixel_unshuffle(c.luma.select(1, 0) - c.luma.select(1, 1), 2),
                     c.chroma.select(1, 0) - c.chroma.select(1, 1)},
                    1);
        const Tensor still = (a.slice(1, 0, 4) - b.slice(1, 0, 4)).abs();
        const Finish f =
            network->generator->finish(o.composite, difference, still, resize(job.hidden, h, w));
        const Tensor change = residual_gate(o.pairs) * f.residual + sampled;
        const Tensor before_plane = load_plane(g, before.frame, p),
                     after_plane = load_plane(g, after.frame, p);
        const int64_t H = before_plane.size(2), W = before_plane.size(3);
        const auto [to_before, to_after] = displacements(o.motion, o.pairs);
        const Tensor scale =
            at::tensor({0.5 * W / w, 0.5 * H / h}).view({1, 2, 1, 1}).to(torch::kFloat32);
        const Tensor all =
            at::cat({warp(before_plane, resize(to_before, H, W) * scale, Sampling::Bicubic),
                     warp(after_plane, resize(to_after, H, W) * scale, Sampling::Bicubic),
                     before_plane, after_plane},
                    1);
        // Logits up to a number that the candidates share.
        const Tensor weights = at::adaptive_avg_pool2d(o.weights.log(), {H, W}).softmax(1);
        const Tensor blend = cross_fade(before_plane, after_plane, o.pairs);
        const Tensor composed = (all * weights).sum(1, true) + unpack_change(g, change, p);
        return blend + resize(mask, H, W) * (composed - blend);
    }
};

/// Show a painter both frames.
inline void prepare(Painter &painter, const Scene &scene)
{
    const auto order = painter.order_streams();
    painter.add(before_id, scene.before.frame);
    painter.add(after_id, scene.after.frame);
    painter.retain({before_id, after_id});
}

/// @return mean confidence
inline float paint(Painter &painter, const PaintJob &job, Picture &out)
{
    const auto order = painter.order_streams();
    float confidence = -1;
    painter.paint(job, out.frame, &confidence);
    painter.finish();
    return confidence;
}

} // namespace scene

#endif
