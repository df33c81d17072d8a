// Windows of synthetic motion, with exact flow and visibility.
//   in   positions, a source of textures, a random generator
//   out  Window
#include "train/data/synthetic.h"

#include "base/random.h"
#include "train/data/degradation.h"
#include "train/data/shapes.h"

#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace mardini::train {

using torch::Tensor;

namespace {

constexpr double pi = 3.14159265358979323846;

// Plane homography, row by row. Coordinates are pixels from the middle of a picture.
struct Map {
    double m[9];

    void apply(double x, double y, double *to_x, double *to_y, double *w) const
    {
        *w = m[6] * x + m[7] * y + m[8];
        *to_x = (m[0] * x + m[1] * y + m[2]) / *w;
        *to_y = (m[3] * x + m[4] * y + m[5]) / *w;
    }

    Map operator*(const Map &b) const
    {
        Map out;
        for (int i = 0; i < 3; i++)
            for (int j = 0; j < 3; j++)
                out.m[i * 3 + j] =
                    m[i * 3] * b.m[j] + m[i * 3 + 1] * b.m[3 + j] + m[i * 3 + 2] * b.m[6 + j];
        return out;
    }

    // Up to a factor that keeps the sign of w.
    Map inverse() const
    {
        const double *a = m;
        Map out{{a[4] * a[8] - a[5] * a[7], a[2] * a[7] - a[1] * a[8], a[1] * a[5] - a[2] * a[4],
                 a[5] * a[6] - a[3] * a[8], a[0] * a[8] - a[2] * a[6], a[2] * a[3] - a[0] * a[5],
                 a[3] * a[7] - a[4] * a[6], a[1] * a[6] - a[0] * a[7], a[0] * a[4] - a[1] * a[3]}};
        double det = a[0] * out.m[0] + a[1] * out.m[3] + a[2] * out.m[6];
        for (double &value : out.m)
            value /= det;
        return out;
    }
};

Map similarity(double angle, double scale, double x, double y)
{
    double c = scale * std::cos(angle), s = scale * std::sin(angle);
    return {{c, -s, x, s, c, y, 0, 0, 1}};
}

// Where a layer is at each time. Times are in gaps, zero in the middle of the window's
// first masked gap.
struct Path {
    double x = 0, y = 0, angle = 0;        // at time zero
    double vx = 0, vy = 0, ax = 0, ay = 0; // pixels per gap, per gap squared
    double spin = 0, growth = 0;           // per gap
    double swing_x = 0, swing_y = 0, swing_rate = 0, swing_phase = 0;

    Map at(double time) const
    {
        double swing = std::sin(swing_rate * time + swing_phase);
        return similarity(angle + spin * time, std::exp(growth * time),
                          x + vx * time + ax * time * time + swing_x * swing,
                          y + vy * time + ay * time * time + swing_y * swing);
    }
};

// One camera for all layers; near ones (parallax above 1) move more.
struct Camera {
    double vx = 0, vy = 0, roll = 0, zoom = 0, tilt_x = 0, tilt_y = 0;

    Map at(double time, double parallax) const
    {
        Map tilt{{1, 0, 0, 0, 1, 0, tilt_x * time, tilt_y * time, 1}};
        return tilt * similarity(roll * time, std::exp(zoom * parallax * time),
                                 vx * parallax * time, vy * parallax * time);
    }
};

// A surface that bends: the point of the texture seen at a place u of the flat layer is
// u + strength(time) * bend(u).
struct Elastic {
    int side = 0;               // of the grid; 0: stiff
    float step = 1;             // pixels between its points
    std::vector<float> dx, dy;  // amplitude times smooth noise
    double rate = 0, phase = 0; // rate 0: in proportion to time

    float strength(double time) const
    {
        return float(rate > 0 ? std::sin(rate * time + phase) : std::clamp(time, -2., 2.));
    }

    void bend(float x, float y, float half, float *bx, float *by) const
    {
        float gx = std::clamp((x + half) / step, 0.f, side - 1.001f);
        float gy = std::clamp((y + half) / step, 0.f, side - 1.001f);
        int ix = int(gx), iy = int(gy);
        float px = gx - ix, py = gy - iy;
        size_t at = size_t(iy) * side + ix;
        auto mix = [&](const std::vector<float> &v) {
            float upper = v[at] + (v[at + 1] - v[at]) * px;
            float lower = v[at + side] + (v[at + side + 1] - v[at + side]) * px;
            return upper + (lower - upper) * py;
        };
        *bx = mix(dx);
        *by = mix(dy);
    }
};

struct Layer {
    int size = 0;
    std::vector<Pixel> texture; // size x size
    bool background = false;    // fills the frame, mirrored beyond its texture
    bool overlay = false;       // no motion, no camera
    double parallax = 1;
    Path path;
    Elastic elastic;

    Map at(double time, const Camera &camera) const
    {
        return overlay ? similarity(0, 1, 0, 0) : camera.at(time, parallax) * path.at(time);
    }
};

struct Scene {
    std::vector<Layer> layers; // back to front
    Camera camera;
    double top_speed = 0; // pixels per gap
};

// Which layer each pixel of a rendered instant shows, and which point of it.
struct Trace {
    std::vector<uint8_t> layer; // per pixel, the front layer that is opaque there
    std::vector<float> x, y;    // the point of its texture, from the texture's middle
};

// ---- scene -----------------------------------------------------------------

// Side by side: three planes and an opacity (1 where there is none).
std::vector<Pixel> interleave(const float *planes, const std::vector<float> &opacity, int size)
{
    size_t area = size_t(size) * size;
    std::vector<Pixel> texture(area);
    for (size_t i = 0; i < area; i++)
        texture[i] = Pixel{planes[i], planes[area + i], planes[2 * area + i],
                           opacity.empty() ? 1.f : opacity[i]};
    return texture;
}

std::vector<Pixel> random_texture(int size, const std::vector<float> &opacity,
                                  const TextureSource &source, std::mt19937_64 &rng)
{
    double kind = uniform(rng, 0, 1);
    if (kind < 0.05)
        return interleave(flat_texture(size, rng).data(), opacity, size);
    if (kind < 0.20 || !source)
        return interleave(procedural_texture(size, rng).data(), opacity, size);
    Tensor picture = source(size, rng).contiguous();
    TORCH_CHECK(picture.sizes() == torch::IntArrayRef({3, size, size}) &&
                    picture.scalar_type() == torch::kFloat,
                "a texture must be float32 (3,", size, ",", size, "), got ", picture.sizes());
    return interleave(picture.data_ptr<float>(), opacity, size);
}

// A random direction at a random speed.
double random_velocity(double max_speed, std::mt19937_64 &rng, double *x, double *y)
{
    double angle = uniform(rng, 0, 2 * pi);
    double speed = log_uniform(rng, std::min(0.5, max_speed), max_speed);
    *x = speed * std::cos(angle);
    *y = speed * std::sin(angle);
    return speed;
}

Elastic random_elastic(int size, std::mt19937_64 &rng)
{
    Elastic elastic;
    elastic.side = std::max(4, size / 4);
    elastic.step = float(size) / (elastic.side - 1);
    int cells = std::clamp(size / 24, 2, 8);
    elastic.dx = smooth_noise(elastic.side, cells, rng);
    elastic.dy = smooth_noise(elastic.side, cells, rng);
    // the slope of the field stays below about .4, so that no surface folds over
    float amplitude = float(uniform(rng, 0.3, 1) * std::min(6., 0.13 * size / cells));
    if (chance(rng, 0.5)) {
        elastic.rate = uniform(rng, 0.5, 3);
        elastic.phase = uniform(rng, 0, 2 * pi);
    } else {
        amplitude /= 2; // strength() reaches 2
    }
    for (size_t i = 0; i < elastic.dx.size(); i++) {
        elastic.dx[i] *= amplitude;
        elastic.dy[i] *= amplitude;
    }
    return elastic;
}

Path random_path(bool background, int crop, double max_speed, double reach, std::mt19937_64 &rng,
                 double *speed)
{
    Path path;
    *speed = 0;
    if (!background) {
        path.x = uniform(rng, -0.45, 0.45) * crop;
        path.y = uniform(rng, -0.45, 0.45) * crop;
        path.angle = chance(rng, 0.5) ? uniform(rng, 0, 2 * pi) : 0;
        if (chance(rng, 0.8)) {
            *speed = random_velocity(max_speed, rng, &path.vx, &path.vy);
            // over more than two gaps a smaller acceleration, or the path would be a leap
            double bend = 0.15 * *speed / std::max(1., reach * reach / 4);
            path.ax = normal(rng, bend);
            path.ay = normal(rng, bend);
        }
        if (chance(rng, 0.1)) {
            double size = uniform(rng, 0.5, std::max(1., max_speed / 3)), way = uniform(rng, 0, pi);
            path.swing_x = size * std::cos(way);
            path.swing_y = size * std::sin(way);
            path.swing_rate = uniform(rng, 1, 4);
            path.swing_phase = uniform(rng, 0, 2 * pi);
        }
        // a point half a layer from its middle should not outrun max_speed
        double turning = std::min(0.12, 2 * max_speed / crop);
        if (chance(rng, 0.6)) {
            path.spin = normal(rng, turning);
            path.growth = normal(rng, turning * 0.8) / std::max(1., reach);
        }
    }
    return path;
}

// Everything that the layers of a scene are drawn from.
struct SceneSource {
    int crop;
    double max_speed, reach;
    const TextureSource &texture;
    const SyntheticOptions &options;

    float softness(std::mt19937_64 &rng) const
    {
        return options.soft_edges ? float(uniform(rng, 0.7, 2.5)) : 0.01f;
    }
};

Camera random_camera(const SceneSource &source, std::mt19937_64 &rng, double *speed)
{
    Camera camera;
    *speed = random_velocity(source.max_speed, rng, &camera.vx, &camera.vy);
    double turning = std::min(0.05, source.max_speed / source.crop) / std::max(1., source.reach);
    camera.roll = chance(rng, 0.4) ? normal(rng, turning) : 0;
    camera.zoom = chance(rng, 0.5) ? normal(rng, turning) : 0;
    if (chance(rng, 0.3)) {
        camera.tilt_x = std::clamp(normal(rng, turning), -0.1, 0.1) / source.crop;
        camera.tilt_y = std::clamp(normal(rng, turning), -0.1, 0.1) / source.crop;
    }
    return camera;
}

// The background, or a layer before it. A still layer stays where it is at time zero.
Layer random_layer(const SceneSource &source, bool background, bool still, std::mt19937_64 &rng,
                   double *speed)
{
    const SyntheticOptions &options = source.options;
    Layer layer;
    layer.background = background;
    double size = background ? 1.5 : log_uniform(rng, 0.2, 1.3);
    // Balls, birds and hands are smaller than their motion in a gap.
    bool small = !background && options.small && chance(rng, 0.2);
    layer.size = small ? 2 * integer(rng, 5, 16) : std::max(16, int(size * source.crop) / 2 * 2);
    std::vector<float> opacity;
    if (!background) {
        opacity = random_shape(layer.size, source.softness(rng), rng);
        if (options.transparency && chance(rng, 0.08)) {
            float part = float(uniform(rng, 0.4, 0.9));
            for (float &value : opacity)
                value *= part;
        }
        layer.parallax = log_uniform(rng, 0.7, 2.2);
    }
    layer.texture = random_texture(layer.size, opacity, source.texture, rng);
    layer.path = random_path(background, source.crop, source.max_speed, source.reach, rng, speed);
    if (options.elastic && !still && chance(rng, 0.15))
        layer.elastic = random_elastic(layer.size, rng);
    if (still) {
        Path path;
        path.x = layer.path.x;
        path.y = layer.path.y;
        path.angle = layer.path.angle;
        layer.path = path;
    }
    return layer;
}

Layer random_overlay_layer(const SceneSource &source, std::mt19937_64 &rng)
{
    Layer layer;
    layer.overlay = true;
    layer.size = source.crop + 2;
    std::vector<float> opacity = random_overlay(layer.size, source.softness(rng), rng);
    layer.texture = chance(rng, 0.7)
                        ? interleave(flat_texture(layer.size, rng).data(), opacity, layer.size)
                        : random_texture(layer.size, opacity, source.texture, rng);
    return layer;
}

Scene random_scene(const SceneSource &source, std::mt19937_64 &rng)
{
    const SyntheticOptions &options = source.options;
    Scene scene;
    bool still = options.still && chance(rng, 0.05);
    if (chance(rng, 0.7))
        scene.camera = random_camera(source, rng, &scene.top_speed);
    int num_layers = std::min(6, std::poisson_distribution<int>(2.5)(rng));
    for (int i = 0; i <= num_layers; i++) {
        double speed;
        scene.layers.push_back(random_layer(source, i == 0, still, rng, &speed));
        scene.top_speed = std::max(scene.top_speed, speed);
    }
    if (options.overlays && chance(rng, 0.15))
        scene.layers.push_back(random_overlay_layer(source, rng));
    if (still) {
        scene.camera = {};
        scene.top_speed = 0;
    }
    return scene;
}

// ---- rendering -------------------------------------------------------------

Pixel bilinear(const Pixel *texture, int size, float x, float y)
{
    int ix = int(x), iy = int(y);
    float px = x - ix, py = y - iy;
    const Pixel *at = texture + size_t(iy) * size + ix;
    Pixel upper = at[0] + (at[1] - at[0]) * px;
    Pixel lower = at[size] + (at[size + 1] - at[size]) * px;
    return upper + (lower - upper) * py;
}

// Into 0..size-1 by mirrors at both ends.
float mirror(float at, int size)
{
    if (at >= 0 && at < size - 1)
        return at;
    float period = 2.f * (size - 1);
    at = std::fabs(at);
    at -= period * std::floor(at / period);
    at = at > size - 1 ? period - at : at;
    return std::min(at, size - 1.001f);
}

// The part of the frame that a layer may touch.
struct Box {
    int left, top, right, bottom; // the last two not included
};

Box touched(const Layer &layer, const Map &map, int crop)
{
    Box all{0, 0, crop, crop};
    if (layer.background || layer.overlay)
        return all;
    double half = layer.size / 2. + (layer.elastic.side ? 8 : 1);
    double low_x = 1e9, low_y = 1e9, high_x = -1e9, high_y = -1e9;
    for (int corner = 0; corner < 4; corner++) {
        double x, y, w;
        map.apply(corner & 1 ? half : -half, corner & 2 ? half : -half, &x, &y, &w);
        if (w < 0.05)
            return all;
        low_x = std::min(low_x, x);
        high_x = std::max(high_x, x);
        low_y = std::min(low_y, y);
        high_y = std::max(high_y, y);
    }
    auto pixel = [&](double at) { return int(std::clamp(at + crop / 2., 0., double(crop))); };
    return {pixel(low_x), pixel(low_y), std::min(crop, pixel(high_x) + 1),
            std::min(crop, pixel(high_y) + 1)};
}

void draw(const Layer &layer, int index, double time, const Camera &camera, int crop,
          Pixel *picture, Trace *trace)
{
    Map map = layer.at(time, camera);
    Map back = map.inverse();
    Box box = touched(layer, map, crop);
    const float half = layer.size / 2.f, last = layer.size - 1.f;
    const float m0 = float(back.m[0]), m3 = float(back.m[3]), m6 = float(back.m[6]);
    const bool flat = back.m[6] == 0 && back.m[7] == 0, bends = layer.elastic.side > 0;
    const float strength = bends ? layer.elastic.strength(time) : 0;
    const float over = flat ? float(1 / back.m[8]) : 0;
    for (int y = box.top; y < box.bottom; y++) {
        double py = y + 0.5 - crop / 2.;
        const float bx = float(back.m[1] * py + back.m[2]), by = float(back.m[4] * py + back.m[5]);
        const float bw = float(back.m[7] * py + back.m[8]);
        for (int x = box.left; x < box.right; x++) {
            float px = x + 0.5f - crop / 2.f;
            float scale = over;
            if (!flat) {
                float w = m6 * px + bw;
                if (w < 0.05f)
                    w = 0.05f; // behind the camera; maps this strong are not drawn at random
                scale = 1 / w;
            }
            float u = (m0 * px + bx) * scale, v = (m3 * px + by) * scale;
            if (bends) {
                float du, dv;
                layer.elastic.bend(u, v, half, &du, &dv);
                u += strength * du;
                v += strength * dv;
            }
            float tx = u + half - 0.5f, ty = v + half - 0.5f;
            size_t at = size_t(y) * crop + x;
            if (layer.background) {
                picture[at] = bilinear(layer.texture.data(), layer.size, mirror(tx, layer.size),
                                       mirror(ty, layer.size));
            } else {
                if (!(tx >= 0 && ty >= 0 && tx < last && ty < last))
                    continue;
                Pixel colour = bilinear(layer.texture.data(), layer.size, tx, ty);
                float opacity = colour[3];
                if (opacity <= 0)
                    continue;
                picture[at] += (colour - picture[at]) * opacity;
                if (opacity <= 0.5f)
                    continue;
            }
            if (trace) {
                trace->layer[at] = uint8_t(index);
                trace->x[at] = u;
                trace->y[at] = v;
            }
        }
    }
}

// One instant, or the mean over an open shutter; the trace is of the middle.
void render(const Scene &scene, double time, int crop, double shutter, int num_times,
            std::vector<Pixel> &picture, Trace &trace)
{
    size_t area = size_t(crop) * crop;
    trace.layer.resize(area);
    trace.x.resize(area);
    trace.y.resize(area);
    picture.resize(area);
    std::vector<Pixel> sum(num_times > 1 ? area : 0);
    for (int i = 0; i < num_times; i++) {
        double offset = num_times > 1 ? shutter * (double(i) / (num_times - 1) - 0.5) : 0;
        Trace *traced = i == num_times / 2 ? &trace : nullptr;
        for (size_t l = 0; l < scene.layers.size(); l++)
            draw(scene.layers[l], int(l), time + offset, scene.camera, crop, picture.data(),
                 traced);
        for (size_t p = 0; p < sum.size(); p++)
            sum[p] += picture[p];
    }
    for (size_t p = 0; p < sum.size(); p++)
        picture[p] = sum[p] / float(num_times);
}

// ---- flow ------------------------------------------------------------------

void follow(const Scene &scene, const Trace &from, const Trace &to, double to_time, int crop,
            float *flow, float *visible)
{
    std::vector<Map> maps;
    std::vector<float> strengths;
    for (const Layer &layer : scene.layers) {
        maps.push_back(layer.at(to_time, scene.camera));
        strengths.push_back(layer.elastic.strength(to_time));
    }
    size_t area = size_t(crop) * crop;
    for (int y = 0; y < crop; y++) {
        for (int x = 0; x < crop; x++) {
            size_t at = size_t(y) * crop + x;
            int index = from.layer[at];
            const Layer &layer = scene.layers[index];
            float u = from.x[at], v = from.y[at];
            if (layer.elastic.side) { // undo the bend at the other time: a fixed point
                float half = layer.size / 2.f, s = strengths[index], du, dv;
                for (int i = 0; i < 10; i++) {
                    layer.elastic.bend(u, v, half, &du, &dv);
                    u = from.x[at] - s * du;
                    v = from.y[at] - s * dv;
                }
            }
            double qx, qy, w;
            maps[index].apply(u, v, &qx, &qy, &w);
            qx += crop / 2. - 0.5;
            qy += crop / 2. - 0.5;
            flow[at] = w > 0.05 ? float(qx - x) : 0;
            flow[area + at] = w > 0.05 ? float(qy - y) : 0;
            bool inside =
                w > 0.05 && qx >= -0.5 && qy >= -0.5 && qx < crop - 0.5 && qy < crop - 0.5;
            visible[at] =
                inside && to.layer[size_t(std::lround(qy)) * crop + std::lround(qx)] == index;
        }
    }
}

// Times of references and masked frames, in gaps, zero between the references of the first masked
// frame.
std::vector<double> times_in_gaps(const Positions &positions)
{
    double gap = 1, zero = positions.references[0];
    if (!positions.masked.empty()) {
        double a = positions.references.at(positions.pair[0][0]),
               b = positions.references.at(positions.pair[0][1]);
        if (a == b)
            b = positions.masked[0];
        gap = a == b ? 1 : std::fabs(b - a);
        zero = (a + b) / 2;
    }
    std::vector<double> times;
    for (double at : positions.references)
        times.push_back((at - zero) / gap);
    for (double at : positions.masked)
        times.push_back((at - zero) / gap);
    return times;
}

} // namespace

Window synthesize(const Positions &positions, int crop, double max_speed,
                  const TextureSource &texture, std::mt19937_64 &rng,
                  const SyntheticOptions &options)
{
    const int num_references = int(positions.references.size()),
              num_masked = int(positions.masked.size());
    TORCH_CHECK(crop >= 16 && crop % 2 == 0, "the crop must be even and at least 16, got ", crop);
    TORCH_CHECK(max_speed > 0, "the top speed must be above 0 pixels a gap, got ", max_speed);
    TORCH_CHECK(num_references, "a window needs at least one reference frame, got none");
    TORCH_CHECK(positions.pair.size() == positions.masked.size(), "got ", positions.pair.size(),
                " pairs for ", num_masked, " masked frames");
    for (auto pair : positions.pair)
        for (int reference : pair)
            TORCH_CHECK(reference >= 0 && reference < num_references,
                        "a pair names reference frame ", reference, " of ", num_references);
    const std::vector<double> times = times_in_gaps(positions);
    double reach = 0.5;
    for (double time : times)
        reach = std::max(reach, std::fabs(time));

    const Scene scene = random_scene({crop, max_speed, reach, texture, options}, rng);
    const Degradation degradation = random_degradation(scene.top_speed, rng, options);
    const int half = crop / 2;
    Tensor frames = torch::empty({int64_t(times.size()), 6, half, half});
    std::vector<Trace> traces(times.size());
    std::vector<Pixel> picture;
    for (size_t i = 0; i < times.size(); i++) {
        render(scene, times[i], crop, degradation.shutter, degradation.num_times, picture,
               traces[i]);
        degrade(picture, crop, times[i], degradation, rng,
                frames.data_ptr<float>() + i * 6 * half * half);
    }

    Window window = make_window(positions, frames);
    window.flow = torch::empty({num_masked, 2, 2, crop, crop});
    window.visible = torch::empty({num_masked, 2, crop, crop});
    const size_t area = size_t(crop) * crop;
    for (int m = 0; m < num_masked; m++)
        for (int k = 0; k < 2; k++) {
            const int reference = positions.pair[m][k];
            follow(scene, traces[num_references + m], traces[reference], times[reference], crop,
                   window.flow.data_ptr<float>() + size_t(m * 2 + k) * 2 * area,
                   window.visible.data_ptr<float>() + size_t(m * 2 + k) * area);
        }
    return window;
}

} // namespace mardini::train
