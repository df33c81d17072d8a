// Random numbers from the caller's generator. The same generator state gives the same numbers.
#pragma once

#include <cmath>
#include <random>

namespace mardini::train {

/// low <= x < high, 53 random bits.
inline double uniform(std::mt19937_64 &rng, double low, double high)
{
    return low + (high - low) * ((rng() >> 11) * 0x1p-53);
}

/// low <= x <= high.
inline int integer(std::mt19937_64 &rng, int low, int high)
{
    return low + int(rng() % uint64_t(high - low + 1));
}

/// True with the given probability, 0 to 1.
inline bool chance(std::mt19937_64 &rng, double probability)
{
    return uniform(rng, 0, 1) < probability;
}

/// low <= x < high, uniform in log(x); low > 0.
inline double log_uniform(std::mt19937_64 &rng, double low, double high)
{
    return std::exp(uniform(rng, std::log(low), std::log(high)));
}

/// Mean 0, standard deviation sigma.
inline double normal(std::mt19937_64 &rng, double sigma)
{
    return std::normal_distribution<double>(0, sigma)(rng);
}

} // namespace mardini::train
