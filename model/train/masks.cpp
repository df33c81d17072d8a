// Which positions of a window are given and which are masked, stage by stage.
#include "masks.h"

#include "random.h"

#include <algorithm>
#include <numeric>
#include <stdexcept>

namespace mardini::train {

static constexpr std::pair<Stage, const char *> names[] = {
    {Stage::Motion, "motion"},   {Stage::Interpolation, "interpolate"}, {Stage::Any, "any"},
    {Stage::Denoise, "denoise"}, {Stage::Joint, "joint"},               {Stage::Decay, "decay"},
};

Stage stage_from_name(const std::string &name)
{
    for (auto [stage, known] : names)
        if (name == known)
            return stage;
    throw std::runtime_error("There is no stage \"" + name +
                             "\": motion, interpolate, any, denoise, joint, decay and auto exist.");
}

const char *stage_name(Stage stage)
{
    return names[static_cast<int>(stage)].second;
}

Stage stage_at(double progress)
{
    if (progress < 0.12)
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

WindowSize sample_window_size(Stage stage, std::mt19937_64 &random)
{
    switch (stage) {
    case Stage::Motion: // 50 .. 67 % given
        return {2, pick(random, {1, 2})};
    case Stage::Interpolation: // 40 .. 67 %
    case Stage::Decay:
        return {pick(random, {2, 2, 4}), pick(random, {2, 2, 3})};
    case Stage::Any:
    case Stage::Denoise:
    case Stage::Joint: // 17 .. 60 %
        return {pick(random, {1, 2, 2, 3, 4}), pick(random, {2, 3})};
    }
    return {2, 2};
}

/// Given frames `gap` apart, masked ones within one of the gaps, the middle one if there are several.
static Positions between(WindowSize size, int gap, std::mt19937_64 &random)
{
    Positions p;
    for (int i = 0; i < size.given; i++)
        p.given.push_back(i * gap);
    const int start = (size.given / 2 - 1) * gap;
    for (int i = 0; i < size.masked; i++)
        p.masked.push_back(start + integer(random, 1, gap - 1));
    return p;
}

/// Distinct positions of a window of `length`, given anywhere, masked anywhere else.
static Positions anywhere(WindowSize size, int length, std::mt19937_64 &random)
{
    std::vector<int> all(length);
    std::iota(all.begin(), all.end(), 0);
    std::shuffle(all.begin(), all.end(), random);
    Positions p;
    p.given.assign(all.begin(), all.begin() + size.given);
    p.masked.assign(all.begin() + size.given, all.begin() + size.given + size.masked);
    std::sort(p.given.begin(), p.given.end());
    return p;
}

/// Given frames in a row, masked ones after them: extension; before them when time is reversed.
static Positions beyond(WindowSize size, int length, std::mt19937_64 &random)
{
    const int step = std::max(1, length / 6);
    Positions p;
    for (int i = 0; i < size.given; i++)
        p.given.push_back(i * step);
    const int last = static_cast<int>(p.given.back());
    for (int i = 0; i < size.masked; i++)
        p.masked.push_back(last + integer(random, 1, length));
    return p;
}

Positions sample_positions(Stage stage, WindowSize size, std::mt19937_64 &random)
{
    Positions p;
    switch (stage) {
    case Stage::Motion:
        p = between(size, pick(random, {2, 3, 4}), random);
        break;
    case Stage::Interpolation:
    case Stage::Decay:
        if (size.given > 2 && chance(random, 0.25))
            p = anywhere(size, 9, random);
        else
            p = between(size, pick(random, {2, 2, 4, 4, 8, 8, size.given == 2 ? 16 : 8}), random);
        break;
    case Stage::Any:
    case Stage::Denoise:
    case Stage::Joint:
        if (size.given == 1)
            p = beyond(size, 8, random); // one frame: what may follow it
        else if (chance(random, 0.6))
            p = between(size, pick(random, {2, 4, 8, size.given == 2 ? 16 : 8}), random);
        else if (chance(random, 0.5))
            p = anywhere(size, 17, random);
        else
            p = beyond(size, 6, random);
        break;
    }
    p.pair = choose_pairs(p.given, p.masked);
    return p;
}

} // namespace mardini::train
