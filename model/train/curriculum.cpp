// The curriculum: the stages of a run, the windows of each stage and the learning rate.
#include "train/curriculum.h"

#include "base/random.h"
#include "network/motion_sampler.h"
#include "timeline/references.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <stdexcept>

namespace mardini::train {

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

double learning_rate(double peak, int64_t step, double progress)
{
    const double warm = std::min(1.0, static_cast<double>(step + 1) / 200.0);
    const double decay = progress < 0.8 ? 1.0 : std::max(0.02, (1 - progress) / 0.2);
    return peak * warm * decay;
}

/// Frames that a window of several gaps may span: the filter's window at a gap of 8.
static constexpr int longest = 24;

static int pick(std::mt19937_64 &random, std::initializer_list<int> values)
{
    return values.begin()[integer(random, 0, static_cast<int>(values.size()) - 1)];
}

/// How many of `positions` may be references: MarDini's shares, 35 to 100, 15 to 60 and 6 to 30
/// percent.
static std::pair<int, int> reference_range(int positions)
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
    case Stage::Decay: // windows of Interpolation and of Any
    case Stage::Interpolation:
        if (stage == Stage::Interpolation || chance(random, 0.7)) {
            size = {9, pick(random, {2, 2, 3, 4}), pick(random, {2, 2, 3})};
            break;
        }
        [[fallthrough]];
    default:
        size = {17, pick(random, {1, 2, 2, 3, 4, 5}), pick(random, {2, 3})};
        if (stage == Stage::Denoise && chance(random, 0.25))
            size.references = 1; // only the denoiser can fill in what enters the picture
    }
    if (references > 0) {
        auto [low, high] = reference_range(size.positions);
        size.references = std::clamp(references, low, high);
    }
    // Reference frames are as far apart as in the filter: at 8x its window holds four that are
    // eight apart.
    std::vector<int> gaps;
    for (int gap : {2, 3, 4, 8, 16})
        if ((gap != 3 || size.positions == 4) && gap < size.positions &&
            (size.references == 2 || (size.references - 1) * gap <= longest))
            gaps.push_back(gap);
    size.gap = gaps[integer(random, 0, static_cast<int>(gaps.size()) - 1)];
    const int between = size.references == 1 ? size.masked : (size.references - 1) * (size.gap - 1);
    size.masked = std::min({size.masked, size.positions - size.references, between});
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

/// Reference frames `gap` apart, masked ones between them: in the middle gap as long as it has
/// room, then in those around it.
static Positions between(WindowSize size, std::mt19937_64 &random)
{
    Positions p;
    for (int i = 0; i < size.references; i++)
        p.references.push_back(i * size.gap);
    const int middle = size.references / 2 - 1;
    std::vector<int> gaps(size.references - 1);
    std::iota(gaps.begin(), gaps.end(), 0);
    std::stable_sort(gaps.begin(), gaps.end(),
                     [&](int a, int b) { return std::abs(a - middle) < std::abs(b - middle); });
    for (int g : gaps)
        put_between(p.references[g], p.references[g + 1],
                    size.masked - static_cast<int>(p.masked.size()), random, &p.masked);
    return p;
}

/// Reference frames anywhere, masked ones between two of them, which they are all synthesized from:
/// the filter plans each pair by itself.
static Positions anywhere(WindowSize size, std::mt19937_64 &random)
{
    std::vector<double> all(size.positions);
    std::iota(all.begin(), all.end(), 0);
    std::shuffle(all.begin(), all.end(), random);
    Positions p;
    p.references.assign(all.begin(), all.begin() + size.references);
    std::sort(p.references.begin(), p.references.end());
    std::vector<int> wide;
    for (int g = 0; g + 1 < size.references; g++)
        if (p.references[g + 1] - p.references[g] > size.masked)
            wide.push_back(g);
    if (wide.empty())
        return between(size, random);
    const int g = wide[integer(random, 0, static_cast<int>(wide.size()) - 1)];
    put_between(p.references[g], p.references[g + 1], size.masked, random, &p.masked);
    return p;
}

/// Reference frames in a row, masked ones after them (extension) or before; of a single reference
/// frame: masked ones near it in time.
static Positions beyond(WindowSize size, std::mt19937_64 &random)
{
    const int step = size.references > 1 ? pick(random, {1, 2}) : 1;
    Positions p;
    for (int i = 0; i < size.references; i++)
        p.references.push_back(i * step);
    const int last = static_cast<int>(p.references.back());
    for (int i = 0; i < size.masked; i++)
        p.masked.push_back(last + integer(random, 1, std::min(8, size.positions - 1 - last)));
    if (chance(random, 0.5)) {
        for (std::vector<double> *times : {&p.references, &p.masked})
            for (double &t : *times)
                t = size.positions - 1 - t;
        std::reverse(p.references.begin(), p.references.end());
    }
    return p;
}

/// Two runs of reference frames, the join between them masked: a loop's ends, two shots of one
/// place.
static Positions join(WindowSize size, std::mt19937_64 &random)
{
    const int left = size.references / 2, right = size.references - left, last = size.positions - 1;
    Positions p;
    for (int i = 0; i < left; i++)
        p.references.push_back(i);
    for (int i = right; i > 0; i--)
        p.references.push_back(last + 1 - i);
    for (int i = 0; i < size.masked; i++)
        p.masked.push_back(integer(random, left, last - right));
    return p;
}

std::vector<std::array<int, 2>> choose_pairs(const std::vector<double> &references,
                                             const std::vector<double> &masked)
{
    if (references.empty())
        throw std::invalid_argument("A window needs at least one reference frame, got none.");
    if (!std::is_sorted(references.begin(), references.end()))
        throw std::invalid_argument("The times of reference frames must rise.");
    std::vector<std::array<int, 2>> pairs;
    for (double time : masked)
        pairs.push_back(choose_references(references, time).index);
    return pairs;
}

Positions sample_positions(Stage stage, WindowSize size, std::mt19937_64 &random)
{
    Positions p;
    if (stage == Stage::Animate) {
        p.references = {static_cast<double>(
            pick(random, {0, 0, 4, 8, 8, 8, 12, 16}))}; // the ends and the middle above all
        p.masked = key_positions(p.references[0]);
        p.pair = choose_pairs(p.references, p.masked);
        return p;
    }
    const double draw = uniform(random, 0, 1);
    if (size.references == 1)
        p = beyond(size, random);
    else if (size.positions == 17 && draw < 0.2)
        p = beyond(size, random);
    else if (size.positions == 17 && draw < 0.3)
        p = join(size, random);
    else if (size.positions >= 9 && draw < 0.45 && size.references > 2)
        p = anywhere(size, random);
    else
        p = between(size, random);
    p.pair = choose_pairs(p.references, p.masked);
    return p;
}

} // namespace mardini::train
