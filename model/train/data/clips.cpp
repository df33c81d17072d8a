// Windows of real video, and textures for synthetic motion.
//   in   Footage, a window's positions, a random generator
//   out  Window, or a square picture
#include "train/data/clips.h"

#include "base/random.h"

#include <torch/torch.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

namespace mardini::train {

using torch::Tensor;

namespace {

using Table = std::array<float, 256>; // from an 8-bit code to a value

Table plain_table()
{
    Table table;
    for (int code = 0; code < 256; code++)
        table[code] = (code - 128) / 128.f;
    return table;
}

// One line of weights per output pixel: a triangle as wide as an input or an output
// pixel, whichever is wider (bilinear with antialiasing).
struct Taps {
    int num = 0; // per output
    std::vector<int> first;
    std::vector<float> weights;

    Taps(int in, int out)
    {
        double scale = double(in) / out, reach = std::max(1.0, scale);
        num = std::min(in, int(std::ceil(reach)) * 2 + 1);
        for (int i = 0; i < out; i++) {
            double centre = (i + 0.5) * scale;
            int start = std::clamp(int(std::floor(centre - reach)), 0, in - num);
            first.push_back(start);
            double sum = 0;
            std::vector<double> line(num);
            for (int k = 0; k < num; k++)
                sum += line[k] = std::max(0.0, 1 - std::fabs(start + k + 0.5 - centre) / reach);
            for (double weight : line)
                weights.push_back(float(weight / sum));
        }
    }
};

// A square of a plane, through a table, resized.
void resample(const uint8_t *plane, int stride, int in, const Table &table, const Taps &taps,
              float *out, int size)
{
    std::vector<float> line(in), narrow(size_t(in) * size);
    for (int y = 0; y < in; y++) {
        const uint8_t *row = plane + size_t(y) * stride;
        for (int x = 0; x < in; x++)
            line[x] = table[row[x]];
        float *to = narrow.data() + size_t(y) * size;
        if (in == size) {
            std::copy(line.begin(), line.end(), to);
            continue;
        }
        for (int x = 0; x < size; x++) {
            const float *weight = taps.weights.data() + size_t(x) * taps.num;
            const float *from = line.data() + taps.first[x];
            float sum = 0;
            for (int k = 0; k < taps.num; k++)
                sum += weight[k] * from[k];
            to[x] = sum;
        }
    }
    if (in == size) {
        std::copy(narrow.begin(), narrow.end(), out);
        return;
    }
    for (int y = 0; y < size; y++) {
        float *to = out + size_t(y) * size;
        std::fill(to, to + size, 0.f);
        for (int k = 0; k < taps.num; k++) {
            float weight = taps.weights[size_t(y) * taps.num + k];
            const float *from = narrow.data() + size_t(taps.first[y] + k) * size;
            for (int x = 0; x < size; x++)
                to[x] += weight * from[x];
        }
    }
}

// Brightness and colour of a whole window.
struct Jitter {
    Table luma = plain_table(), cb = plain_table(), cr = plain_table();
    bool swap = false;

    explicit Jitter(std::mt19937_64 &rng)
    {
        if (chance(rng, 0.3)) {
            double gain = log_uniform(rng, 0.7, 1.35), gamma = log_uniform(rng, 0.7, 1.4);
            double offset = uniform(rng, -0.1, 0.1);
            for (float &value : luma)
                value = float(2 * (gain * std::pow((value + 1) / 2, gamma) + offset) - 1);
        }
        if (chance(rng, 0.2)) {
            double scale_cb = uniform(rng, 0.3, 1.5), scale_cr = uniform(rng, 0.3, 1.5);
            for (float &value : cb)
                value *= float(scale_cb);
            for (float &value : cr)
                value *= float(scale_cr);
            swap = chance(rng, 0.4);
        }
    }
};

template <class Values>
size_t pick(const Values &running_sum, std::mt19937_64 &rng)
{
    double at = uniform(rng, 0, running_sum.back());
    size_t i = std::upper_bound(running_sum.begin(), running_sum.end(), at) - running_sum.begin();
    return std::min(i, running_sum.size() - 1);
}

// A square of three planes, chroma perhaps at half size, as a texture.
Tensor cut_texture(const uint8_t *planes[3], int width, int height, bool half_chroma, int size,
                   std::mt19937_64 &rng)
{
    static const Table table = plain_table();
    int side = int(size / log_uniform(rng, 0.5, 3));
    side = std::clamp(side, std::min({16, size, width, height}), std::min(width, height)) / 2 * 2;
    int x = integer(rng, 0, (width - side) / 2) * 2, y = integer(rng, 0, (height - side) / 2) * 2;
    Tensor out = torch::empty({3, size, size});
    for (int p = 0; p < 3; p++) {
        int by = p && half_chroma ? 2 : 1, in = side / by, stride = width / by;
        const uint8_t *from = planes[p] + size_t(y / by) * stride + x / by;
        resample(from, stride, in, table, Taps(in, size),
                 out.data_ptr<float>() + size_t(p) * size * size, size);
    }
    return chance(rng, 0.5) ? out.flip(-1) : out;
}

} // namespace

Clips::Clips(const std::vector<std::string> &places, const LoadOptions &options)
    : Clips(load_videos(places, options))
{
}

Clips::Clips(Footage footage) : footage_(std::move(footage))
{
    TORCH_CHECK(!footage_.shots.empty(), "no shots to train on");
    std::map<std::string, Source> by_name;
    for (size_t i = 0; i < footage_.shots.size(); i++) {
        Source &source = by_name[footage_.shots[i].source];
        double before = source.frames.empty() ? 0 : source.frames.back();
        source.shots.push_back(int(i));
        source.frames.push_back(before + footage_.shots[i].num_frames);
    }
    double sum = 0;
    for (auto &[name, source] : by_name) {
        source_weights_.push_back(sum += std::sqrt(source.frames.back()));
        sources_.push_back(std::move(source));
    }
    // still: the 30 % of windows with the least motion, and any that change by less than a quarter
    // of a code
    still_threshold_ = 1;
    std::mt19937_64 rng(0);
    std::vector<double> motions;
    for (int i = 0; i < 2000; i++) {
        Square square;
        int stride;
        if (choose(1, 160, false, rng, &square, &stride))
            motions.push_back(motion(square, 2));
    }
    auto at = motions.begin() + motions.size() * 3 / 10;
    if (!motions.empty()) {
        std::nth_element(motions.begin(), at, motions.end());
        still_threshold_ = std::max(still_threshold_, *at);
    }
}

int64_t Clips::num_frames() const
{
    int64_t sum = 0;
    for (const Shot &shot : footage_.shots)
        sum += shot.num_frames;
    return sum;
}

const Shot &Clips::random_shot(std::mt19937_64 &rng) const
{
    const Source &source = sources_[pick(source_weights_, rng)];
    return footage_.shots[source.shots[pick(source.frames, rng)]];
}

// A place for a window of span + 1 positions; false if this draw led nowhere.
bool Clips::choose(int span, int crop, bool real_strides, std::mt19937_64 &rng, Square *square,
                   int *stride) const
{
    const Shot &shot = random_shot(rng);
    *stride = 1;
    if (real_strides) {
        // The window of slow motion by 8 spans up to 24 frames; in longer spans most of the error
        // cannot be predicted.
        std::array<double, 4> running;
        double sum = 0;
        for (int s = 1; s <= 4; s++) {
            int reach = span * s;
            double weight = (s == 3 ? 0.6 : 1) * (reach <= 8    ? 1
                                                  : reach <= 24 ? 0.6
                                                  : reach <= 32 ? 0.2
                                                                : 0.05);
            running[s - 1] = sum += reach < shot.num_frames ? weight : 0;
        }
        if (sum <= 0)
            return false;
        *stride = int(pick(running, rng)) + 1;
    }
    int reach = span * *stride;
    if (reach >= shot.num_frames)
        return false;
    square->shot = &shot;
    square->first = integer(rng, 0, shot.num_frames - 1 - reach);
    // Half of the windows are not resampled, to keep their detail.
    int side = chance(rng, 0.5) ? crop : int(crop / log_uniform(rng, 0.5, 1.15));
    square->side = std::min({side, shot.width, shot.height}) / 2 * 2;
    square->x = integer(rng, 0, (shot.width - square->side) / 2) * 2;
    square->y = integer(rng, 0, (shot.height - square->side) / 2) * 2;
    return square->side >= 2;
}

// Mean change from frame to frame inside a square.
double Clips::motion(const Square &square, int num_frames) const
{
    const Shot &shot = *square.shot;
    int across = shot.blocks_x(), blocks = across * shot.blocks_y();
    int left = square.x / motion_block, right = (square.x + square.side - 1) / motion_block;
    int top = square.y / motion_block, bottom = (square.y + square.side - 1) / motion_block;
    double sum = 0;
    for (int f = square.first + 1; f < square.first + num_frames; f++)
        for (int y = top; y <= bottom; y++)
            for (int x = left; x <= right; x++)
                sum += shot.motion.get()[size_t(f) * blocks + y * across + x];
    int count = (num_frames - 1) * (right - left + 1) * (bottom - top + 1);
    return count ? sum / count : 0;
}

// Mean luma error of a cross-fade against the first masked frame, codes, over a few thousand
// pixels.
double Clips::fade_error(const Square &square, const Positions &positions, double low,
                         int stride) const
{
    if (positions.masked.empty() || positions.references.size() < 2)
        return 0;
    const Shot &shot = *square.shot;
    const auto [a, b] = positions.pair[0];
    double times[3] = {positions.references[a], positions.references[b], positions.masked[0]};
    const uint8_t *frame[3];
    for (int i = 0; i < 3; i++)
        frame[i] =
            shot.frames.get() + (square.first + int(times[i] - low) * stride) * shot.frame_bytes();
    double share = times[1] == times[0]
                       ? 0
                       : std::clamp((times[2] - times[0]) / (times[1] - times[0]), 0., 1.);
    double sum = 0;
    int step = std::max(1, square.side / 48), count = 0;
    for (int y = square.y; y < square.y + square.side; y += step)
        for (int x = square.x; x < square.x + square.side; x += step, count++) {
            size_t at = size_t(y) * shot.width + x;
            sum += std::fabs(frame[2][at] - frame[0][at] - share * (frame[1][at] - frame[0][at]));
        }
    return sum / count;
}

// Of a few places one, the more probable the worse a cross-fade is there, up to an error that most
// often nothing could predict. False if there is none.
bool Clips::choose_place(const Positions &positions, double low, int span, int crop,
                         std::mt19937_64 &rng, Square *square, int *stride) const
{
    const int places = 3, attempts = 200;
    const double worst = 16;
    int found = 0;
    double sum = 0;
    for (int attempt = 0; attempt < attempts && found < places; attempt++) {
        Square another;
        int its_stride;
        if (!choose(span, crop, true, rng, &another, &its_stride) ||
            !(motion(another, span * its_stride + 1) >= still_threshold_ || chance(rng, 0.1)))
            continue;
        found++;
        double weight = 0.5 + std::min(worst, fade_error(another, positions, low, its_stride));
        sum += weight;
        if (uniform(rng, 0, sum) < weight)
            *square = another, *stride = its_stride;
    }
    return found > 0;
}

// A square of a yuv420p frame, resized and packed: (6,crop/2,crop/2).
static void cut_frame(const uint8_t *frame, int width, int height, int left, int top,
                      const Taps &luma_taps, const Taps &chroma_taps, int side, int crop,
                      const Jitter &jitter, float *out)
{
    const int half = crop / 2, area = width * height;
    std::vector<float> luma(size_t(crop) * crop);
    resample(frame + size_t(top) * width + left, width, side, jitter.luma, luma_taps, luma.data(),
             crop);
    for (int y = 0; y < crop; y++)
        for (int x = 0; x < crop; x++)
            out[((y % 2 * 2 + x % 2) * half + y / 2) * half + x / 2] = luma[y * crop + x];
    const uint8_t *chroma = frame + area + size_t(top / 2) * (width / 2) + left / 2;
    for (int p = 0; p < 2; p++)
        resample(chroma + p * (area / 4), width / 2, side / 2, p ? jitter.cr : jitter.cb,
                 chroma_taps, out + (4 + (p != int(jitter.swap))) * half * half, half);
}

bool Clips::draw(const Positions &positions, int crop, std::mt19937_64 &rng, Window *window) const
{
    TORCH_CHECK(crop >= 2 && crop % 2 == 0, "the crop must be even and at least 2, got ", crop);
    TORCH_CHECK(!positions.references.empty(),
                "a window needs at least one reference frame, got none");
    TORCH_CHECK(positions.pair.size() == positions.masked.size(), "got ", positions.pair.size(),
                " pairs for ", positions.masked.size(), " masked frames");
    std::vector<double> all = positions.references;
    all.insert(all.end(), positions.masked.begin(), positions.masked.end());
    if (std::any_of(all.begin(), all.end(), [](double p) { return p != std::floor(p); }))
        return false;
    const auto [low, high] = std::minmax_element(all.begin(), all.end());
    Square square{};
    int stride = 1;
    if (!choose_place(positions, *low, int(*high - *low), crop, rng, &square, &stride))
        return false;

    const Shot &shot = *square.shot;
    const Jitter jitter(rng);
    const Taps luma_taps(square.side, crop), chroma_taps(square.side / 2, crop / 2);
    Tensor frames = torch::empty({int64_t(all.size()), 6, crop / 2, crop / 2});
    for (size_t i = 0; i < all.size(); i++) {
        const int f = square.first + int(all[i] - *low) * stride;
        cut_frame(shot.frames.get() + f * shot.frame_bytes(), shot.width, shot.height, square.x,
                  square.y, luma_taps, chroma_taps, square.side, crop, jitter,
                  frames[int64_t(i)].data_ptr<float>());
    }
    Orientation orientation;
    orientation.flip_x = chance(rng, 0.5);
    orientation.flip_y = chance(rng, 0.5);
    orientation.transpose = chance(rng, 0.5);
    orientation.reverse = chance(rng, 0.5);
    *window = orient(make_window(positions, frames), orientation);
    return true;
}

Tensor Clips::texture(int size, std::mt19937_64 &rng) const
{
    const Shot &shot = random_shot(rng);
    const uint8_t *from =
        shot.frames.get() + size_t(integer(rng, 0, shot.num_frames - 1)) * shot.frame_bytes();
    size_t area = size_t(shot.width) * shot.height;
    const uint8_t *planes[3] = {from, from + area, from + area * 5 / 4};
    return cut_texture(planes, shot.width, shot.height, true, size, rng);
}

Stills::Stills(const std::vector<std::string> &places, const LoadOptions &options)
    : Stills(load_stills(places, options))
{
}

Stills::Stills(Footage footage) : footage_(std::move(footage))
{
    TORCH_CHECK(!footage_.stills.empty(), "no pictures to train on");
}

Tensor Stills::texture(int size, std::mt19937_64 &rng) const
{
    const Still &still = footage_.stills[rng() % footage_.stills.size()];
    const uint8_t *from = still.data.get();
    size_t area = size_t(still.width) * still.height;
    const uint8_t *planes[3] = {from, from + area, from + 2 * area};
    return cut_texture(planes, still.width, still.height, false, size, rng);
}

} // namespace mardini::train
