// An untrained network for tests.
#ifndef TESTS_AWAKE_H
#define TESTS_AWAKE_H

#include "network/network.h"

/// Noise is added to every parameter, so that no path is zero; the same weights on every call.
inline mardini::Network awake(const std::string &name = "nano")
{
    torch::manual_seed(7);
    mardini::Network network(mardini::preset(name));
    torch::NoGradGuard no_grad;
    for (auto &p : network->parameters())
        p.add_(0.02 * torch::randn_like(p));
    network->eval();
    return network;
}

#endif
