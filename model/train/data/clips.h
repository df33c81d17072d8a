// Windows of real video, and textures for synthetic motion.
//   in   Footage, a window's positions, a random generator
//   out  Window, or a square picture
//
// All functions are const and may run in several threads, each with its own generator.
#pragma once

#include "train/batch.h"
#include "train/data/load.h"

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
    /// cross-fade fails, mirrored, zoomed and jittered at random. Time runs either way; the times
    /// of the window are those of `positions`, mirrored if time runs backwards.
    ///   positions  whole numbers; one step is a random stride of 1 to 4 frames
    ///   crop       side of the square in pixels, even
    /// False if a position is no whole number or no shot is long enough.
    bool draw(const Positions &positions, int crop, std::mt19937_64 &rng, Window *window) const;

    /// A random square of a random frame, Y'CbCr with chroma at full size, zoomed by .5
    /// to 3 and perhaps flipped: (3,size,size) float32 in the values of packed frames.
    torch::Tensor texture(int size, std::mt19937_64 &rng) const;

    const std::vector<Shot> &shots() const { return footage_.shots; }
    int64_t num_frames() const;

    /// Windows whose motion lies below this are mostly skipped (unit of MotionMeter::motion).
    double still_below() const { return still_threshold_; }

private:
    struct Source {
        std::vector<int> shots;
        std::vector<double> frames; ///< running sum of their frames
    };
    struct Square {
        const Shot *shot;
        int first; ///< frame at the window's smallest position
        int x, y, side;
    };
    const Shot &random_shot(std::mt19937_64 &rng) const;
    bool choose(int span, int crop, bool real_strides, std::mt19937_64 &rng, Square *square,
                int *stride) const;
    double motion(const Square &square, int num_frames) const;
    double fade_error(const Square &square, const Positions &positions, double low,
                      int stride) const;
    bool choose_place(const Positions &positions, double low, int span, int crop,
                      std::mt19937_64 &rng, Square *square, int *stride) const;

    Footage footage_;
    std::vector<Source> sources_;
    std::vector<double> source_weights_; ///< running sum
    double still_threshold_ = 0;
};

/// Still pictures.
class Stills {
public:
    explicit Stills(const std::vector<std::string> &places, const LoadOptions &options = {});
    explicit Stills(Footage footage);

    /// As Clips::texture().
    torch::Tensor texture(int size, std::mt19937_64 &rng) const;

    size_t size() const { return footage_.stills.size(); }

private:
    Footage footage_;
};

} // namespace mardini::train
