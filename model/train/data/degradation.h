// Degradation of a synthetic scene by camera and codec: light, shutter, noise, compression.
#pragma once

#include "train/data/synthetic.h"

#include <random>
#include <vector>

namespace mardini::train {

typedef float Pixel __attribute__((vector_size(16))); ///< Y, Cb, Cr, opacity

/// Of a whole window.
struct Degradation {
    double fade = 0, lift = 0; ///< of gain and offset, per gap
    float noise = 0;           ///< standard deviation in values
    float quantiser = 0;       ///< of the lowest frequency, in values; 0: none
    double shutter = 0;        ///< gaps
    int num_times = 1;
};

/// A random degradation. top_speed: of the fastest layer, pixels per gap
Degradation random_degradation(double top_speed, std::mt19937_64 &rng,
                               const SyntheticOptions &options);

/// A rendered picture, crop x crop, with a degradation, as one packed frame. `time` in gaps.
void degrade(const std::vector<Pixel> &picture, int crop, double time,
             const Degradation &degradation, std::mt19937_64 &rng, float *packed);

} // namespace mardini::train
