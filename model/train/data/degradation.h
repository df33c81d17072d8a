// What a camera and a codec do to a made-up scene: light, shutter, noise, compression.
#pragma once

#include "train/data/synthetic.h"

#include <random>
#include <vector>

namespace mardini::train {

typedef float Pixel __attribute__((vector_size(16))); // Y, Cb, Cr, opacity

/// Of a whole window.
struct Look {
    double fade = 0, lift = 0; // of gain and offset, per gap
    float noise = 0;           // standard deviation in values
    float quantiser = 0;       // of the lowest frequency, in values; 0: none
    double shutter = 0;        // gaps
    int num_times = 1;
};

/// A look at random. top_speed: pixels per gap of what moves fastest
Look random_look(double top_speed, std::mt19937_64 &rng, const SyntheticOptions &options);

/// A rendered picture, crop x crop, into one packed frame. `time` in gaps.
void develop(const std::vector<Pixel> &picture, int crop, double time, const Look &look,
             std::mt19937_64 &rng, float *packed);

} // namespace mardini::train
