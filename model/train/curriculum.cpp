// Which positions of a window are given and which are masked, stage by stage.
#include "train/curriculum.h"

#include "base/random.h"
#include "network/motion_sampler.h"

#include <torch/torch.h>

#include <algorithm>
#include <numeric>
#include <stdexcept>

namespace mardini::train {

using torch::Tensor;

static constexpr std::pair<Stage, const char *> names[] = {
    {Stage::Motion, "motion"},   {Stage::Interpolation, "interpolate"},
    {Stage::Any, "any"},         {Stage::Denoise, "denoise"},
    {Stage::Joint, "joint"},     {Stage::Decay, "decay"},
    {Stage::Animate, "animate"},
};

Stage stage_from_name(const std::string &name)
{
    for (auto [stage, known] : names)
        if (name == known)
            return stage;
    throw std::runtime_error(
        "There is no stage \"" + name +
        "\": motion, interpolate, any, denoise, joint, decay, animate and auto exist.");
}

const char *stage_name(Stage stage)
{
    return names[static_cast<int>(stage)].second;
}

Stage stage_at(double progress)
{
    if (progress < motion_end)
        return Stage::Motion;
    if (progress < 0.45)
        return Stage::Interpolation;
    if (progress < 0.53)
        return Stage::Any;
    if (progress < 0.60)
        return Stage::Denoise;
    return progress < 0.80 ? Stage::Joint : Stage::Decay;
}

/// Frames that a window of several gaps may span: what the filter looks at for a gap of 8.
constexpr int longest = 24;

static int pick(std::mt19937_64 &random, std::initializer_list<int> values)
{
    return values.begin()[integer(random, 0, static_cast<int>(values.size()) - 1)];
}

/// How many of `positions` may be given: MarDini's shares, 35 to 100, 15 to 60 and 6 to 30 percent.
static std::pair<int, int> given_range(int positions)
{
    return positions == 4 ? std::pair(2, 3) : positions == 9 ? std::pair(2, 5) : std::pair(1, 5);
}

WindowSize sample_window_size(Stage stage, std::mt19937_64 &random, int references)
{
    WindowSize size;
    switch (stage) {
    case Stage::Animate:
        return {17, 1, 4};
    case Stage::Motion:
        size = {4, pick(random, {2, 2, 3}), pick(random, {1, 2})};
        break;
    case Stage::Decay: // what both stages before it learned
    case Stage::Interpolation:
        if (stage == Stage::Interpolation || chance(random, 0.7)) {
            size = {9, pick(random, {2, 2, 3, 4}), pick(random, {2, 2, 3})};
            break;
        }
        [[fallthrough]];
    default:
        size = {17, pick(random, {1, 2, 2, 3, 4, 5}), pick(random, {2, 3})};
        if (stage == Stage::Denoise && chance(random, 0.25))
            size.given = 1; // what comes into the picture is the denoiser's alone
    }
    if (references > 0) {
        auto [low, high] = given_range(size.positions);
        size.given = std::clamp(references, low, high);
    }
    // Given frames are as far apart as the filter has them: at 8x its window holds four that are
    // eight apart.
    std::vector<int> gaps;
    for (int gap : {2, 3, 4, 8, 16})
        if ((gap != 3 || size.positions == 4) && gap < size.positions &&
            (size.given == 2 || (size.given - 1) * gap <= longest))
            gaps.push_back(gap);
    size.gap = gaps[integer(random, 0, static_cast<int>(gaps.size()) - 1)];
    const int between = size.given == 1 ? size.masked : (size.given - 1) * (size.gap - 1);
    size.masked = std::min({size.masked, size.positions - size.given, between});
    return size;
}

/// `count` of the whole positions between a and b, in any order.
static void put_between(double a, double b, int count, std::mt19937_64 &random,
                        std::vector<double> *out)
{
    std::vector<double> room(static_cast<size_t>(b - a) - 1);
    std::iota(room.begin(), room.end(), a + 1);
    std::shuffle(room.begin(), room.end(), random);
    out->insert(out->end(), room.begin(),
                room.begin() + std::min<int64_t>(count, static_cast<int64_t>(room.size())));
}

/// Given frames `gap` apart, masked ones between them: in the middle gap as long as it has room,
/// then in those around it.
static Positions between(WindowSize size, std::mt19937_64 &random)
{
    Positions p;
    for (int i = 0; i < size.given; i++)
        p.given.push_back(i * size.gap);
    const int middle = size.given / 2 - 1;
    std::vector<int> gaps(size.given - 1);
    std::iota(gaps.begin(), gaps.end(), 0);
    std::stable_sort(gaps.begin(), gaps.end(),
                     [&](int a, int b) { return std::abs(a - middle) < std::abs(b - middle); });
    for (int g : gaps)
        put_between(p.given[g], p.given[g + 1], size.masked - static_cast<int>(p.masked.size()),
                    random, &p.masked);
    return p;
}

/// Given frames anywhere, masked ones between two of them, which they all are made from: the filter
/// plans each pair by itself.
static Positions anywhere(WindowSize size, std::mt19937_64 &random)
{
    std::vector<double> all(size.positions);
    std::iota(all.begin(), all.end(), 0);
    std::shuffle(all.begin(), all.end(), random);
    Positions p;
    p.given.assign(all.begin(), all.begin() + size.given);
    std::sort(p.given.begin(), p.given.end());
    std::vector<int> wide;
    for (int g = 0; g + 1 < size.given; g++)
        if (p.given[g + 1] - p.given[g] > size.masked)
            wide.push_back(g);
    if (wide.empty())
        return between(size, random);
    const int g = wide[integer(random, 0, static_cast<int>(wide.size()) - 1)];
    put_between(p.given[g], p.given[g + 1], size.masked, random, &p.masked);
    return p;
}

/// Given frames in a row, masked ones after them (extension) or before; of one given frame: what is
/// near in time.
static Positions beyond(WindowSize size, std::mt19937_64 &random)
{
    const int step = size.given > 1 ? pick(random, {1, 2}) : 1;
    Positions p;
    for (int i = 0; i < size.given; i++)
        p.given.push_back(i * step);
    const int last = static_cast<int>(p.given.back());
    for (int i = 0; i < size.masked; i++)
        p.masked.push_back(last + integer(random, 1, std::min(8, size.positions - 1 - last)));
    if (chance(random, 0.5)) {
        for (std::vector<double> *times : {&p.given, &p.masked})
            for (double &t : *times)
                t = size.positions - 1 - t;
        std::reverse(p.given.begin(), p.given.end());
    }
    return p;
}

/// Two runs of given frames, the join between them masked: a loop's ends, two shots of one place.
static Positions join(WindowSize size, std::mt19937_64 &random)
{
    const int left = size.given / 2, right = size.given - left, last = size.positions - 1;
    Positions p;
    for (int i = 0; i < left; i++)
        p.given.push_back(i);
    for (int i = right; i > 0; i--)
        p.given.push_back(last + 1 - i);
    for (int i = 0; i < size.masked; i++)
        p.masked.push_back(integer(random, left, last - right));
    return p;
}

Positions sample_positions(Stage stage, WindowSize size, std::mt19937_64 &random)
{
    Positions p;
    if (stage == Stage::Animate) {
        p.given = {static_cast<double>(
            pick(random, {0, 0, 4, 8, 8, 8, 12, 16}))}; // the ends and the middle above all
        p.masked = key_positions(p.given[0]);
        p.pair = choose_pairs(p.given, p.masked);
        return p;
    }
    const double draw = uniform(random, 0, 1);
    if (size.given == 1)
        p = beyond(size, random);
    else if (size.positions == 17 && draw < 0.2)
        p = beyond(size, random);
    else if (size.positions == 17 && draw < 0.3)
        p = join(size, random);
    else if (size.positions >= 9 && draw < 0.45 && size.given > 2)
        p = anywhere(size, random);
    else
        p = between(size, random);
    p.pair = choose_pairs(p.given, p.masked);
    return p;
}

void to_filter_times(Batch &batch)
{
    if (batch.given_times.size(1) < 2)
        return;
    // (B,1) each: the references of the window's first masked frame
    Tensor first = batch.given_times.gather(1, batch.pair.select(1, 0).slice(1, 0, 1));
    Tensor second = batch.given_times.gather(1, batch.pair.select(1, 0).slice(1, 1, 2));
    Tensor scale = gap_length / (second - first);
    batch.given_times = (batch.given_times - first) * scale;
    batch.masked_times = (batch.masked_times - first) * scale;
}

} // namespace mardini::train
