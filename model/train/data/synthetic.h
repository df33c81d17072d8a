// Windows of synthetic motion, with exact flow and visibility.
//   in   positions, a source of textures, a random generator
//   out  Window
//
// A scene is a background and some layers before it, cut out of textures by shapes, each
// on its own path, all seen by one moving camera with parallax. One core; several threads
// may work at once.
#pragma once

#include "train/batch.h"

#include <functional>
#include <random>

namespace mardini::train {

/// A square picture, Y'CbCr with chroma at full size: (3,size,size) float32.
using TextureSource = std::function<torch::Tensor(int size, std::mt19937_64 &rng)>;

/// Effects in a scene, each at its own probability.
struct SyntheticOptions {
    bool fades = true;        ///< light changes with time
    bool noise = true;        ///< 0 to 4 codes, new in every frame
    bool blur = true;         ///< open shutter
    bool compression = true;  ///< 8x8 DCT, quantised
    bool soft_edges = true;   ///< of the layers' shapes
    bool transparency = true; ///< some layers let others through
    bool overlays = true;     ///< logos, subtitles, letterbox: no motion at all
    bool elastic = true;      ///< surfaces that bend
    bool still = true;        ///< scenes without any motion
    bool small = true;        ///< layers of 10 to 32 pixels
};

/// One window of a new scene.
///   crop       side in luma pixels, even
///   max_speed  pixels of the fastest layer per gap, the distance between the two
///              references of a masked frame; speeds are log-uniform from 0.5
///   texture    used for four textures in five; the rest is procedural
/// Reentrant as far as `texture` is.
Window synthesize(const Positions &positions, int crop, double max_speed,
                  const TextureSource &texture, std::mt19937_64 &rng,
                  const SyntheticOptions &options = {});

} // namespace mardini::train
