// Windows of real video, and textures for synthetic motion.
//   in   Footage (pack.h), a window's positions, a random generator
//   out  Sample (sample.h), or a square picture
//
// All functions are const and may run in several threads, each with its own generator.
#pragma once

#include "train/data/pack.h"
#include "train/batch.h"

#include <random>
#include <string>
#include <vector>

namespace mardini::train {

/// Shots of real video.
class Clips {
public:
    /// From folders, files and pack files; throws std::runtime_error (one sentence).
    explicit Clips(const std::vector<std::string> &places, const LoadOptions &options = {});
    explicit Clips(Footage footage);

    /// A random window of a random shot: never across a cut, mostly where something moves and a
    /// cross-fade fails, turned, zoomed and jittered at random. Time runs either way; the times of
    /// the sample are those of `positions`, mirrored if it runs backwards.
    ///   positions  whole numbers; one step is a random stride of 1 to 4 frames
    ///   crop       side of the square in pixels, even
    /// False if a position is no whole number or no shot is long enough.
    bool sample(const Positions &positions, int crop, std::mt19937_64 &rng, Sample *sample) const;

    /// A random square of a random frame, Y'CbCr with chroma at full size, zoomed by .5
    /// to 3 and perhaps flipped: (3,size,size) float32 in the values of packed frames.
    torch::Tensor texture(int size, std::mt19937_64 &rng) const;

    const std::vector<Shot> &shots() const { return footage.shots; }
    int64_t num_frames() const;

    /// Windows whose motion lies below this are mostly passed over (pack.h's unit).
    double still_below() const { return still_threshold; }

private:
    struct Source {
        std::vector<int> shots;
        std::vector<double> frames; // running sum of their frames
    };
    struct Square {
        const Shot *shot;
        int first; // frame at the window's smallest position
        int x, y, side;
    };
    const Shot &random_shot(std::mt19937_64 &rng) const;
    bool choose(int span, int crop, bool real_strides, std::mt19937_64 &rng, Square *square,
                int *stride) const;
    double motion(const Square &square, int num_frames) const;
    double fade_error(const Square &square, const Positions &positions, double low,
                      int stride) const;

    Footage footage;
    std::vector<Source> sources;
    std::vector<double> source_weights; // running sum
    double still_threshold = 0;
};

/// Still pictures.
class Stills {
public:
    explicit Stills(const std::vector<std::string> &places, const LoadOptions &options = {});
    explicit Stills(Footage footage);

    /// As Clips::texture().
    torch::Tensor texture(int size, std::mt19937_64 &rng) const;

    size_t size() const { return footage.stills.size(); }

private:
    Footage footage;
};

} // namespace mardini::train
