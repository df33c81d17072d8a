// Short names for draws from the generator that is handed down.
#pragma once

#include <cmath>
#include <random>

namespace mardini::train {

inline double uniform(std::mt19937_64 &rng, double low, double high)
{
    return low + (high - low) * ((rng() >> 11) * 0x1p-53);
}

/// low..high, both included
inline int integer(std::mt19937_64 &rng, int low, int high)
{
    return low + int(rng() % uint64_t(high - low + 1));
}

inline bool chance(std::mt19937_64 &rng, double probability)
{
    return uniform(rng, 0, 1) < probability;
}

inline double log_uniform(std::mt19937_64 &rng, double low, double high)
{
    return std::exp(uniform(rng, std::log(low), std::log(high)));
}

inline double normal(std::mt19937_64 &rng, double sigma)
{
    return std::normal_distribution<double>(0, sigma)(rng);
}

} // namespace mardini::train
