// Several processes that train one network, each on its share of every batch.
#pragma once

#include <torch/types.h>

#include <memory>
#include <vector>

namespace mardini::train {

/// The processes of this run as torchrun (RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR, MASTER_PORT)
/// or Slurm (SLURM_PROCID, SLURM_STEP_NUM_TASKS, SLURM_LOCALID, and SLURM_LAUNCH_NODE_IPADDR where
/// MASTER_ADDR is not set) names them; one where neither does. Sums go through LibTorch's TCP
/// store, which needs no further library: every process fetches the values of the others and adds
/// them in the order of ranks, so that all hold the same bits.
class Processes {
public:
    /// Waits for the others. Throws std::runtime_error if they do not come or the environment is
    /// incomplete.
    Processes();
    ~Processes();

    int rank() const { return rank_; }
    int world() const { return world_; }
    int local_rank() const { return local_rank_; } ///< index of our GPU on this machine
    bool is_first() const { return rank_ == 0; }

    /// Replace float32 tensors by their mean over the processes. All call it with the same shapes.
    void average(const std::vector<torch::Tensor> &tensors);

    /// The first process's value, or a negative one if any process has one.
    double agree(double value);

private:
    struct Store;
    std::unique_ptr<Store> store_; ///< null: a single process
    int rank_ = 0, world_ = 1, local_rank_ = 0;
};

} // namespace mardini::train
