// Motion around a single reference frame.
#include "engine/single_image.h"

#include "frame/pack.h"
#include "mardini.h"

#include <cmath>

namespace mardini {

/// Shorter side that motion is sampled at, as in training.
static constexpr int64_t side = 192;

/// Root mean square of motion at amount 1: part of the shorter side, a position.
static constexpr double usual_speed = 0.01;

static constexpr int sampling_steps = 8; ///< for the far key positions, and again for the near ones

/// Uncertainty of sampled motion before softplus: a confidence of a half.
static constexpr double sampled_uncertainty = 1.26;

/// Expected error where the reference frame shows nothing, 13 codes of 8 bits; distance from the
/// border at which it is reached, luma pixels; area in the reference frame, of a pixel's, below
/// which the uncertainty rises.
static constexpr double unseen_error = 0.1, certain_border = 8, least_area = 0.4;

/// Motion of the picture, opposite to the camera's.
struct Camera {
    double right, down, zoom, roll;
};
static constexpr Camera cameras[] = {
    {0, 0, 0, 0},                // sampled
    {0, 0, 0, 0},                // still
    {1, 0, 0, 0}, {-1, 0, 0, 0}, // pan left, right
    {0, 1, 0, 0}, {0, -1, 0, 0}, // tilt up, down
    {0, 0, 1, 0}, {0, 0, -1, 0}, // zoom in, out
    {0, 0, 0, 1}, {0, 0, 0, -1}, // roll left, right
};
static_assert(sizeof(cameras) / sizeof(*cameras) == MARDINI_CAMERA_ROLL_RIGHT + 1,
              "one for each MardiniCamera");

/// packed (1,6,h,w) -> luma H x W smaller by area
static Tensor reduced(const Tensor &packed, int64_t H, int64_t W)
{
    Tensor luma = at::adaptive_avg_pool2d(at::pixel_shuffle(packed.slice(1, 0, 4), 2), {H, W});
    return at::cat({at::pixel_unshuffle(luma, 2),
                    at::adaptive_avg_pool2d(packed.slice(1, 4, 6), {H / 2, W / 2})},
                   1);
}

/// Velocity fields less their pan, zoom and roll, by least squares. (K,2,h,w)
static Tensor without_camera(const Tensor &velocity)
{
    const int64_t h = velocity.size(2), w = velocity.size(3);
    auto options = velocity.options();
    Tensor x = (at::arange(w, options) - (w - 1) / 2.0).view({1, 1, 1, w}).expand({1, 1, h, w});
    Tensor y = (at::arange(h, options) - (h - 1) / 2.0).view({1, 1, h, 1}).expand({1, 1, h, w});
    Tensor rest = velocity - velocity.mean({2, 3}, true);
    for (const Tensor &slope : {x, y}) // orthogonal to each other and to a constant
        rest = rest -
               (rest * slope).mean({2, 3}, true) / slope.square().mean().clamp_min(1e-6) * slope;
    return rest;
}

/// Limit cells that move far from their neighbours and would tear the picture: half of a cell's own
/// motion is spread over its neighbours, and it is at most 1.5 root mean squares of the whole.
static Tensor limit_outliers(const Tensor &units)
{
    const Tensor rest = without_camera(units);
    Tensor own = 0.5 * (rest + at::avg_pool2d(rest, {3, 3}, {1, 1}, {1, 1}, false,
                                              /*count_include_pad=*/false));
    own = own / (own.norm(2, {1}, true) / 1.5).clamp_min(1);
    return units - rest + own;
}

void set_camera(SampledMotion &d, int camera, double speed, int64_t height, int64_t width)
{
    if (camera == MARDINI_CAMERA_SAMPLED)
        return;
    const int64_t h = d.velocity.size(2), w = d.velocity.size(3);
    auto options = d.velocity.options();
    auto places = [&](int64_t cells, double cell) {
        return cell * (at::arange(cells, options) + 0.5);
    };
    const Tensor right = places(w, d.cell[0]).view({1, 1, 1, w}).expand({1, 1, h, w});
    const Tensor below = places(h, d.cell[1]).view({1, 1, h, 1}).expand({1, 1, h, w});
    const Tensor rest = without_camera(d.velocity);
    const Tensor x = right - 0.5 * static_cast<double>(width),
                 y = below - 0.5 * static_cast<double>(height);
    const double radius = std::sqrt(static_cast<double>(height * height + width * width) /
                                    12); // RMS of a rectangle's
    const double turn = speed / radius;
    const Camera &c = cameras[camera];
    std::vector<Tensor> parts;
    for (double t : d.times) { // a pixel is shown from its place less t times its velocity
        const double zoom = (1 - std::exp(-c.zoom * turn * t)) / t;
        const double cosine = (1 - std::cos(c.roll * turn * t)) / t,
                     sine = std::sin(c.roll * turn * t) / t;
        parts.push_back(at::cat({c.right * speed + (zoom + cosine) * x - sine * y,
                                 c.down * speed + sine * x + (zoom + cosine) * y},
                                1));
    }
    d.velocity = rest + at::cat(parts);
}

SampledMotion sample_motion(Network &network, const Tensor &packed, int64_t height, int64_t width,
                            double anchor, const MotionRequest &request)
{
    const int64_t H = 2 * packed.size(2), W = 2 * packed.size(3);
    const double scale = std::min(1.0, static_cast<double>(side) / std::min(H, W));
    auto whole = [&](int64_t n) {
        return std::max<int64_t>(32, 32 * std::llround(n * scale / 32));
    };
    const int64_t Hs = scale < 1 ? whole(H) : H, Ws = scale < 1 ? whole(W) : W;
    Features features = network->encoder(scale < 1 ? reduced(packed, Hs, Ws) : packed);
    Tensor tokens = network->planner->tokenize(features.eighth);
    SampledMotion d;
    for (double key : key_positions(anchor))
        d.times.push_back(key - anchor);
    const int64_t K = static_cast<int64_t>(d.times.size()), h = Hs / 16, w = Ws / 16;
    const auto floats = packed.options().dtype(torch::kFloat32);
    Tensor times =
        at::tensor(at::ArrayRef<double>(d.times), torch::kFloat32).to(packed.device()).unsqueeze(0);
    Tensor noise =
        gap_noise(request.seed, request.key, 2 * K, h, w).view({1, K, 2, h, w}).to(floats);
    const double shrunk =
        static_cast<double>(std::min(H, W)) / static_cast<double>(std::min(Hs, Ws));
    const double speed = request.amount * usual_speed *
                         static_cast<double>(std::min(height, width)); // pixels of `packed`
    Tensor units =
        network->sampler->sample(tokens.to(torch::kFloat32), Hs / 32, times, noise,
                                 std::log(std::max(speed / shrunk, 1e-3)), sampling_steps)[0];
    units = limit_outliers(units);
    units = units / units.square().sum(1).mean().sqrt().clamp_min(1e-3);
    d.cell = {static_cast<double>(W) / static_cast<double>(w),
              static_cast<double>(H) / static_cast<double>(h)};
    d.velocity = units * speed;
    set_camera(d, request.camera, speed, height, width);
    return d;
}

Motion motion_at(const SampledMotion &d, double time, int64_t h, int64_t w)
{
    size_t after = 0;
    while (after < d.times.size() && d.times[after] < time)
        after++;
    const size_t before = after > 0 ? after - 1 : 0;
    after = std::min(after, d.times.size() - 1);
    const double gap = d.times[after] - d.times[before];
    const double part = gap > 0 ? (time - d.times[before]) / gap : 0;
    auto key = [&](size_t i) {
        return d.velocity.slice(0, static_cast<int64_t>(i), static_cast<int64_t>(i) + 1);
    };
    return motion_of_velocity(resize((1 - part) * key(before) + part * key(after), h, w));
}

Motion motion_of_velocity(const Tensor &velocity)
{
    const int64_t N = velocity.size(0), h = velocity.size(2), w = velocity.size(3);
    Motion m;
    m.velocity = velocity;
    m.bend = at::zeros({N, 4, h, w}, velocity.options());
    m.visibility = at::zeros({N, num_candidates, h, w}, velocity.options());
    m.visibility.slice(1, 2).fill_(-20); // the unwarped candidates
    m.uncertainty = at::full({N, 1, h, w}, sampled_uncertainty, velocity.options());
    return m;
}

Bridge bridge_of_single_reference(const Tensor &given, int64_t height, int64_t width,
                                  const Motion &motion, const Pairs &pairs, int64_t hidden)
{
    const int64_t N = given.size(0), h = given.size(2), w = given.size(3);
    const Tensor from = displacements(motion, pairs).first; // luma pixels, twice those of `given`
    auto places = [&](int64_t cells) { return 2 * at::arange(cells, from.options()) + 0.5; };
    const Tensor own_x = places(w).view({1, 1, 1, w}), own_y = places(h).view({1, 1, h, 1});
    const Tensor x = from.slice(1, 0, 1) + own_x, y = from.slice(1, 1, 2) + own_y;
    auto beyond = [](const Tensor &place, int64_t end) {
        return (-place).clamp_min(0) + (place - (end - 1)).clamp_min(0);
    };
    // By the motion, not because the pixel is padding.
    auto led_beyond = [&](const Tensor &place, const Tensor &own, int64_t end) {
        return (beyond(place, end) - beyond(own, end)).clamp_min(0);
    };
    const Tensor outside =
        (led_beyond(x, own_x, width) + led_beyond(y, own_y, height)) / certain_border;

    // Area in the reference frame that a pixel comes from: central differences over four luma
    // pixels.
    auto across = [](const Tensor &t) {
        return (t.slice(3, 2) - t.slice(3, 0, -2)).slice(2, 1, -1) / 4;
    };
    auto down = [](const Tensor &t) {
        return (t.slice(2, 2) - t.slice(2, 0, -2)).slice(3, 1, -1) / 4;
    };
    const Tensor area =
        at::replication_pad2d(across(x) * down(y) - across(y) * down(x), {1, 1, 1, 1});
    const Tensor torn = 1 - area / least_area;

    const Tensor luma = at::pixel_shuffle(given.slice(1, 0, 4), 2);
    const Tensor shown =
        at::cat({at::pixel_unshuffle(warp(luma, resize(from, 2 * h, 2 * w), Sampling::Bicubic), 2),
                 warp(given.slice(1, 4, 6), from / 2, Sampling::Bicubic)},
                1);
    return {shown, unseen_error * at::maximum(outside, torn).clamp(0, 1),
            at::zeros({N, hidden, h / 2, w / 2}, from.options())};
}

} // namespace mardini
