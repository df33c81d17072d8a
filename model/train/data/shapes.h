// Cut-outs and procedural textures for synthetic layers.
#pragma once

#include <random>
#include <vector>

namespace mardini::train {

/// Opacity of a layer, size x size, 0..1, zero along the border.
///   softness  width in pixels over which an edge passes from 0 to 1
std::vector<float> random_shape(int size, float softness, std::mt19937_64 &rng);

/// What stays in place over a picture: a logo, lines of text or letterbox bars.
std::vector<float> random_overlay(int size, float softness, std::mt19937_64 &rng);

/// Y'CbCr planes, 3 x size x size: 1/f noise, checks, stripes or dots.
std::vector<float> procedural_texture(int size, std::mt19937_64 &rng);

/// Y'CbCr planes, 3 x size x size: one colour, or one passing into another.
std::vector<float> flat_texture(int size, std::mt19937_64 &rng);

/// Smooth random field of about -1..1 with `cells` hills across, size x size.
std::vector<float> smooth_noise(int size, int cells, std::mt19937_64 &rng);

} // namespace mardini::train
