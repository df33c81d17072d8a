// Muon and AdamW, gradient clipping and the running average of the weights.
#pragma once

#include "network/checkpoint.h"

namespace mardini::train {

/// Matrices with the same singular vectors as those of `m` (...,rows,columns) and singular values
/// near 1 (.7 to 1.2), by five steps of the quintic Newton-Schulz iteration of Muon (Jordan and
/// others 2024). A matrix of zeros stays zero.
Tensor orthogonalized(const Tensor &m);

/// Muon over a module's matrices, decoupled weight decay Adam (Loshchilov and Hutter 2019,
/// algorithm 2) over its vectors and small matrices, and an exponential moving average of all. A
/// convolution's weight counts as a matrix, a row an output channel. One rate serves both: Muon's
/// steps have a root mean square in proportion to it, as Adam's have (Liu and others 2025, "Muon is
/// scalable for LLM training"). The planner has a smaller rate and a larger decay than the
/// convolutions: its tokens otherwise grow without bound (doc/training.md).
class Optimizer {
public:
    Optimizer(torch::nn::Module &module, double average_decay = 0.999);

    /// Every defined gradient, in the same order on every call.
    std::vector<Tensor> gradients() const;

    /// Clip the gradients' norm to `limit`, step, average. Returns the norm before clipping; if it
    /// is not finite nothing is changed and skipped() goes up by one.
    double step(double rate, double limit = 1.0);

    int64_t steps() const { return steps_; }
    int64_t skipped() const { return skipped_; }

    /// Put the averaged weights into `module`, which has the same parameters.
    void copy_average(torch::nn::Module &module) const;

    /// Weights, average, moments and counters as named tensors: "weight/NAME", "average/NAME",
    /// "first/NAME", "second/NAME", "count/NAME".
    void save(SafeTensors &file) const;
    /// The reverse; names that hold one of `optional` may be missing. A file of plain weights (no
    /// "weight/") fills weights and average, moments start anew.
    void load(const SafeTensors &file, const std::vector<std::string> &optional);

private:
    /// Parameters of one rate and decay. `second` and `counts` are undefined for matrices.
    struct Group {
        double rate, decay;
        std::vector<std::string> names;
        std::vector<Tensor> parameters, first, second, counts, average;

        Group(double rate, double decay) : rate(rate), decay(decay) {}
        void add(const std::string &name, const Tensor &parameter);
        void step_muon(double rate);
        void step_adam(double rate);
    };
    std::vector<Group> groups_;
    double average_decay_;
    int64_t steps_ = 0, skipped_ = 0;
};

} // namespace mardini::train
