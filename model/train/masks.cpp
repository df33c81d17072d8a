// Which positions of a window are given and which are masked, stage by stage.
#include "masks.h"

#include "../sampler.h"
#include "random.h"

#include <torch/torch.h>

#include <algorithm>
#include <numeric>
#include <stdexcept>

namespace mardini::train {

using torch::Tensor;

static constexpr std::pair<Stage, const char *> names[] = {
    {Stage::Motion, "motion"},   {Stage::Interpolation, "interpolate"}, {Stage::Any, "any"},
    {Stage::Denoise, "denoise"}, {Stage::Joint, "joint"},               {Stage::Decay, "decay"},
    {Stage::Animate, "animate"},
};

Stage stage_from_name(const std::string &name)
{
    for (auto [stage, known] : names)
        if (name == known)
            return stage;
    throw std::runtime_error("There is no stage \"" + name +
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
    size.masked = std::min(size.masked, size.positions - size.given);
    return size;
}

/// Given frames `gap` apart, masked ones within one of the gaps, the middle one if there are several.
static Positions between(WindowSize size, std::mt19937_64 &random)
{
    std::vector<int> gaps;
    for (int gap : {2, 3, 4, 8, 16})
        if ((gap != 3 || size.positions == 4) && (size.given - 1) * gap < size.positions)
            gaps.push_back(gap);
    Positions p;
    if (gaps.empty()) { // three of four: two of them are neighbours
        const int hole = integer(random, 1, size.positions - 2);
        for (int i = 0; i < size.positions; i++)
            (i == hole ? p.masked : p.given).push_back(i);
        p.masked.resize(size.masked, hole);
        return p;
    }
    const int gap = gaps[integer(random, 0, static_cast<int>(gaps.size()) - 1)];
    for (int i = 0; i < size.given; i++)
        p.given.push_back(i * gap);
    const int start = (size.given / 2 - 1) * gap;
    for (int i = 0; i < size.masked; i++)
        p.masked.push_back(start + integer(random, 1, gap - 1));
    return p;
}

/// Distinct positions, given anywhere, masked anywhere else.
static Positions anywhere(WindowSize size, std::mt19937_64 &random)
{
    std::vector<int> all(size.positions);
    std::iota(all.begin(), all.end(), 0);
    std::shuffle(all.begin(), all.end(), random);
    Positions p;
    p.given.assign(all.begin(), all.begin() + size.given);
    p.masked.assign(all.begin() + size.given, all.begin() + size.given + size.masked);
    std::sort(p.given.begin(), p.given.end());
    return p;
}

/// Given frames in a row, masked ones after them (extension) or before; of one given frame: what is near in time.
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
        p.given = {static_cast<double>(pick(random, {0, 0, 4, 8, 8, 8, 12, 16}))}; // the ends and the middle above all
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
