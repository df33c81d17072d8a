// Cut-outs and procedural textures for synthetic layers.
//   in   a size, a random generator
//   out  planes of float
#include "train/data/shapes.h"

#include "base/random.h"

#include <algorithm>
#include <array>

namespace mardini::train {

namespace {

constexpr double pi = 3.14159265358979323846;

struct Point {
    float x, y;
};

float coverage(float inside, float softness)
{
    return std::clamp(0.5f + inside / softness, 0.f, 1.f);
}

float distance_to_segment(float x, float y, Point a, Point b)
{
    float dx = b.x - a.x, dy = b.y - a.y;
    float along = ((x - a.x) * dx + (y - a.y) * dy) / std::max(dx * dx + dy * dy, 1e-6f);
    along = std::clamp(along, 0.f, 1.f);
    return std::hypot(x - a.x - along * dx, y - a.y - along * dy);
}

void draw_segment(std::vector<float> &plane, int size, Point a, Point b, float width,
                  float softness)
{
    float reach = width / 2 + softness;
    int left = std::max(0, int(std::min(a.x, b.x) - reach));
    int right = std::min(size - 1, int(std::max(a.x, b.x) + reach) + 1);
    int top = std::max(0, int(std::min(a.y, b.y) - reach));
    int bottom = std::min(size - 1, int(std::max(a.y, b.y) + reach) + 1);
    for (int y = top; y <= bottom; y++)
        for (int x = left; x <= right; x++) {
            float &value = plane[size_t(y) * size + x];
            float inside = width / 2 - distance_to_segment(x + 0.5f, y + 0.5f, a, b);
            value = std::max(value, coverage(inside, softness));
        }
}

// Cells of a few strokes each, in a line: writing, as far as motion is concerned.
void draw_text(std::vector<float> &plane, int size, float left, float top, float right,
               float height, float softness, std::mt19937_64 &rng)
{
    float width = height * float(uniform(rng, 0.5, 0.8));
    float stroke = std::max(1.f, height * float(uniform(rng, 0.1, 0.2)));
    for (float x = left; x + width <= right; x += width * 1.25f) {
        if (chance(rng, 0.15))
            continue; // between words
        int num_strokes = integer(rng, 2, 4);
        Point from{x + width * integer(rng, 0, 1), top + height * integer(rng, 0, 2) / 2};
        for (int i = 0; i < num_strokes; i++) {
            Point to{x + width * integer(rng, 0, 1), top + height * integer(rng, 0, 2) / 2};
            draw_segment(plane, size, from, to, stroke, softness);
            if (chance(rng, 0.8))
                from = to;
        }
    }
}

void draw_strokes(std::vector<float> &plane, int size, float softness, std::mt19937_64 &rng)
{
    int num_lines = integer(rng, 1, 4);
    for (int i = 0; i < num_lines; i++) {
        float width = float(log_uniform(rng, 1, 6));
        auto random_point = [&] {
            return Point{float(uniform(rng, 0.05, 0.95) * size),
                         float(uniform(rng, 0.05, 0.95) * size)};
        };
        Point from = random_point();
        for (int num = integer(rng, 1, 4); num > 0; num--) {
            Point to = random_point();
            draw_segment(plane, size, from, to, width, softness);
            from = to;
        }
    }
}

void draw_polygon(std::vector<float> &plane, int size, float softness, std::mt19937_64 &rng)
{
    int num = integer(rng, 3, 7);
    std::vector<Point> corners;
    double rotation = uniform(rng, 0, 2 * pi);
    for (int i = 0; i < num; i++) {
        double radius = uniform(rng, 0.2, 0.48) * size, angle = rotation + 2 * pi * i / num;
        corners.push_back({float(size / 2. + radius * std::cos(angle)),
                           float(size / 2. + radius * std::sin(angle))});
    }
    for (int y = 0; y < size; y++)
        for (int x = 0; x < size; x++) {
            float px = x + 0.5f, py = y + 0.5f, nearest = 1e9f;
            bool inside = false;
            for (int i = 0; i < num; i++) {
                Point a = corners[i], b = corners[(i + 1) % num];
                nearest = std::min(nearest, distance_to_segment(px, py, a, b));
                if ((a.y > py) != (b.y > py) && px < (b.x - a.x) * (py - a.y) / (b.y - a.y) + a.x)
                    inside = !inside;
            }
            plane[size_t(y) * size + x] = coverage(inside ? nearest : -nearest, softness);
        }
}

void draw_blob(std::vector<float> &plane, int size, float softness, std::mt19937_64 &rng)
{
    std::vector<float> bumps = smooth_noise(size, integer(rng, 3, 9), rng);
    float level = float(uniform(rng, 0.3, 0.75)), roughness = float(uniform(rng, 0.05, 0.4));
    for (int y = 0; y < size; y++)
        for (int x = 0; x < size; x++) {
            float dx = (2 * x + 1.f) / size - 1, dy = (2 * y + 1.f) / size - 1;
            float inside = bumps[size_t(y) * size + x] * roughness + level - std::hypot(dx, dy);
            plane[size_t(y) * size + x] = coverage(inside * size / 2, softness);
        }
}

void draw_box(std::vector<float> &plane, int size, float softness, std::mt19937_64 &rng)
{
    float across = float(uniform(rng, 0.05, 0.95) * size / 2);
    float down = float(uniform(rng, 0.05, 0.95) * size / 2);
    for (int y = 0; y < size; y++)
        for (int x = 0; x < size; x++) {
            float dx = std::fabs(x + 0.5f - size / 2.f), dy = std::fabs(y + 0.5f - size / 2.f);
            plane[size_t(y) * size + x] = coverage(std::min(across - dx, down - dy), softness);
        }
}

void draw_lattice(std::vector<float> &plane, int size, float softness, std::mt19937_64 &rng)
{
    float period = float(uniform(rng, 8, 28)), width = float(uniform(rng, 1.5, period * 0.35));
    bool crossed = chance(rng, 0.5);
    auto bar = [&](float at) {
        float from_middle = std::fabs(std::remainder(at, period));
        return coverage(width / 2 - from_middle, softness);
    };
    for (int y = 0; y < size; y++)
        for (int x = 0; x < size; x++)
            plane[size_t(y) * size + x] = std::max(bar(x + 0.5f), crossed ? bar(y + 0.5f) : 0.f);
}

void clear_border(std::vector<float> &plane, int size)
{
    for (int i = 0; i < size; i++)
        plane[i] = plane[size_t(size - 1) * size + i] = plane[size_t(i) * size] =
            plane[size_t(i) * size + size - 1] = 0;
}

struct Colour {
    float value[3];
    explicit Colour(std::mt19937_64 &rng)
        : value{float(uniform(rng, -0.875, 0.836)), float(uniform(rng, -0.5, 0.5)),
                float(uniform(rng, -0.5, 0.5))}
    {
        if (chance(rng, 0.5)) // most things have little colour
            value[1] *= 0.2f, value[2] *= 0.2f;
    }
};

// Between two colours by a mix of 0..1 per pixel.
std::vector<float> coloured(const std::vector<float> &mix, const Colour &a, const Colour &b)
{
    std::vector<float> planes(mix.size() * 3);
    for (int p = 0; p < 3; p++)
        for (size_t i = 0; i < mix.size(); i++)
            planes[p * mix.size() + i] = a.value[p] + (b.value[p] - a.value[p]) * mix[i];
    return planes;
}

} // namespace

std::vector<float> smooth_noise(int size, int cells, std::mt19937_64 &rng)
{
    cells = std::clamp(cells, 1, size);
    int side = cells + 2;
    std::vector<float> grid(size_t(side) * side);
    for (float &value : grid)
        value = float(uniform(rng, -1, 1));
    struct Tap {
        int at;
        float mix;
    };
    std::vector<Tap> taps(size);
    for (int i = 0; i < size; i++) {
        float at = (i + 0.5f) * cells / size;
        int whole = std::min(int(at), cells);
        float part = at - whole;
        taps[i] = {whole, part * part * (3 - 2 * part)};
    }
    std::vector<float> plane(size_t(size) * size), line(side);
    for (int y = 0; y < size; y++) {
        const float *row = grid.data() + size_t(taps[y].at) * side;
        for (int x = 0; x < side; x++)
            line[x] = row[x] + (row[x + side] - row[x]) * taps[y].mix;
        for (int x = 0; x < size; x++)
            plane[size_t(y) * size + x] =
                line[taps[x].at] + (line[taps[x].at + 1] - line[taps[x].at]) * taps[x].mix;
    }
    return plane;
}

std::vector<float> random_shape(int size, float softness, std::mt19937_64 &rng)
{
    std::vector<float> plane(size_t(size) * size);
    double kind = uniform(rng, 0, 1);
    if (kind < 0.45)
        draw_blob(plane, size, softness, rng);
    else if (kind < 0.6)
        draw_box(plane, size, softness, rng);
    else if (kind < 0.75)
        draw_polygon(plane, size, softness, rng);
    else if (kind < 0.87)
        draw_strokes(plane, size, softness, rng);
    else if (kind < 0.95) {
        float height = float(uniform(rng, 6, std::max(8., size * 0.4)));
        for (float top = 2; top + height < size - 2; top += height * 1.5f)
            draw_text(plane, size, 2, top, size - 2.f, height, softness, rng);
    } else
        draw_lattice(plane, size, softness, rng);
    clear_border(plane, size);
    return plane;
}

std::vector<float> random_overlay(int size, float softness, std::mt19937_64 &rng)
{
    std::vector<float> plane(size_t(size) * size);
    double kind = uniform(rng, 0, 1);
    if (kind < 0.4) { // subtitles
        float height = float(uniform(rng, 6, 16)), left = float(uniform(rng, 0.02, 0.2) * size);
        int num_lines = integer(rng, 1, 2);
        float top = float(uniform(rng, 0.05, 0.95) * size) - num_lines * height * 1.4f;
        for (int i = 0; i < num_lines; i++)
            draw_text(plane, size, left, top + i * height * 1.4f, size - left, height, softness,
                      rng);
    } else if (kind < 0.7) { // logo
        int side = int(uniform(rng, 0.15, 0.35) * size);
        std::vector<float> logo(size_t(side) * side);
        if (chance(rng, 0.5))
            draw_blob(logo, side, softness, rng);
        else
            draw_polygon(logo, side, softness, rng);
        int left = integer(rng, 0, size - side), top = integer(rng, 0, size - side);
        for (int y = 0; y < side; y++)
            for (int x = 0; x < side; x++)
                plane[size_t(top + y) * size + left + x] = logo[size_t(y) * side + x];
    } else { // letterbox
        int bar = integer(rng, 2, std::max(2, size / 5));
        bool upright = chance(rng, 0.3), first = chance(rng, 0.7),
             last = !first || chance(rng, 0.6);
        for (int y = 0; y < size; y++)
            for (int x = 0; x < size; x++) {
                int at = upright ? x : y;
                if ((first && at < bar) || (last && at >= size - bar))
                    plane[size_t(y) * size + x] = 1;
            }
    }
    return plane;
}

std::vector<float> procedural_texture(int size, std::mt19937_64 &rng)
{
    size_t area = size_t(size) * size;
    Colour a(rng), b(rng);
    std::vector<float> mix(area);
    if (chance(rng, 0.4)) { // 1/f noise
        float amplitude = 0.5f, fall = float(uniform(rng, 0.4, 0.85));
        for (int cells = integer(rng, 2, 4); cells <= size; cells *= 2) {
            std::vector<float> octave = smooth_noise(size, cells, rng);
            for (size_t i = 0; i < area; i++)
                mix[i] += amplitude * octave[i];
            amplitude *= fall;
        }
        for (float &value : mix)
            value = std::clamp(value + 0.5f, 0.f, 1.f);
        return coloured(mix, a, b);
    }
    double angle = uniform(rng, 0, pi), period = log_uniform(rng, 4, 48);
    float across = float(std::cos(angle) / period), down = float(std::sin(angle) / period);
    int kind = integer(rng, 0, 2); // stripes, checks, dots
    float width = float(uniform(rng, 0.2, 0.8));
    auto wave = [](float at) { return std::fabs(at - std::nearbyint(at)) * 2; }; // 0..1
    float sharpness = float(period / 2 / log_uniform(rng, 1, 4)); // of the edges, per period
    for (int y = 0; y < size; y++)
        for (int x = 0; x < size; x++) {
            float u = wave(x * across + y * down), v = wave(y * across - x * down);
            float inside = kind == 0   ? width - u
                           : kind == 1 ? (u - 0.5f) * (v - 0.5f) * 4
                                       : width - std::hypot(u, v);
            mix[size_t(y) * size + x] = std::clamp(0.5f + inside * sharpness, 0.f, 1.f);
        }
    return coloured(mix, a, b);
}

std::vector<float> flat_texture(int size, std::mt19937_64 &rng)
{
    Colour a(rng), b(rng);
    std::vector<float> mix(size_t(size) * size);
    if (chance(rng, 0.5)) {
        double angle = uniform(rng, 0, 2 * pi);
        for (int y = 0; y < size; y++)
            for (int x = 0; x < size; x++) {
                double along =
                    (x - size / 2.) * std::cos(angle) + (y - size / 2.) * std::sin(angle);
                mix[size_t(y) * size + x] = float(std::clamp(0.5 + along / size, 0., 1.));
            }
    }
    return coloured(mix, a, b);
}

} // namespace mardini::train
