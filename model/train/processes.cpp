// Several processes that train one network, each on its share of every batch.
#include "train/processes.h"

#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#include <torch/torch.h>

#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>

namespace mardini::train {

using torch::Tensor;

struct Processes::Store {
    c10::intrusive_ptr<c10d::Store> keys;
    int64_t round = 0; ///< of exchanges so far: part of every key

    /// The values of all processes, in the order of ranks.
    std::vector<std::vector<uint8_t>> exchange(int rank, int world, const std::vector<uint8_t> &own)
    {
        auto key = [&](int64_t at, int of) {
            return std::to_string(at) + "/" + std::to_string(of);
        };
        std::vector<std::vector<uint8_t>> all(world);
        try {
            keys->set(key(round, rank), own);
            for (int r = 0; r < world; r++)
                all[r] = r == rank ? own : keys->get(key(round, r));
            // Having the last round of everybody, all have read the round before it.
            if (round >= 2)
                keys->deleteKey(key(round - 2, rank));
        } catch (const std::exception &e) {
            throw std::runtime_error(
                "Another process of this run is gone or does not answer: " +
                std::string(e.what()).substr(0, std::string(e.what()).find('\n')));
        }
        round++;
        return all;
    }
};

static const char *variable(std::initializer_list<const char *> names)
{
    for (const char *name : names)
        if (const char *value = std::getenv(name); value && *value)
            return value;
    return nullptr;
}

static int number(std::initializer_list<const char *> names, int otherwise)
{
    const char *value = variable(names);
    return value ? std::atoi(value) : otherwise;
}

Processes::Processes()
{
    const bool torchrun = variable({"WORLD_SIZE"});
    world_ = torchrun ? number({"WORLD_SIZE"}, 1) : number({"SLURM_STEP_NUM_TASKS"}, 1);
    // The shell of a Slurm job has the number of tasks, but no rank.
    if (world_ <= 1 || (!torchrun && !variable({"SLURM_PROCID"}))) {
        world_ = 1;
        return;
    }
    rank_ = torchrun ? number({"RANK"}, -1) : number({"SLURM_PROCID"}, -1);
    local_rank_ = torchrun ? number({"LOCAL_RANK"}, rank_) : number({"SLURM_LOCALID"}, rank_);
    const char *address = variable({"MASTER_ADDR", "SLURM_LAUNCH_NODE_IPADDR"});
    const int port = number({"MASTER_PORT"}, 20000 + number({"SLURM_JOB_ID"}, 9500) % 10000);
    if (rank_ < 0 || rank_ >= world_ || !address)
        throw std::runtime_error(
            "WORLD_SIZE is " + std::to_string(world_) +
            ", but RANK and MASTER_ADDR do not name this process and the first one's machine.");
    c10d::TCPStoreOptions options;
    options.port = static_cast<uint16_t>(port);
    // torchrun's agent may already serve a store on that port.
    const char *agent = variable({"TORCHELASTIC_USE_AGENT_STORE"});
    options.isServer = rank_ == 0 && !(agent && std::strcmp(agent, "True") == 0);
    options.numWorkers = world_;
    options.waitWorkers = false;
    options.timeout =
        std::chrono::minutes(30); // the first process scores and saves while the others wait
    options.useLibUV = false;     // not in every LibTorch
    store_ = std::make_unique<Store>();
    try {
        store_->keys = c10::make_intrusive<c10d::PrefixStore>(
            std::string("mardini/") + (variable({"TORCHELASTIC_RESTART_COUNT"}) ?: "0"),
            c10::make_intrusive<c10d::TCPStore>(address, options));
    } catch (const std::exception &e) {
        throw std::runtime_error("The first process at " + std::string(address) + ":" +
                                 std::to_string(port) + " cannot be reached: " +
                                 std::string(e.what()).substr(0, std::string(e.what()).find('\n')));
    }
    agree(0); // all are there
}

Processes::~Processes()
{
    // The server must outlive the others' last reads.
    try {
        if (store_ && rank_ == 0)
            for (int r = 1; r < world_; r++)
                store_->keys->wait({"end/" + std::to_string(r)}, std::chrono::seconds(20));
        else if (store_)
            store_->keys->set("end/" + std::to_string(rank_), std::vector<uint8_t>{1});
    } catch (const std::exception &) { // a process that ended early needs no store
    }
}

void Processes::average(const std::vector<Tensor> &tensors)
{
    if (!store_ || tensors.empty())
        return;
    torch::NoGradGuard no_grad;
    std::vector<Tensor> flat;
    for (const Tensor &t : tensors)
        flat.push_back(t.detach().flatten());
    Tensor own = at::cat(flat).to(torch::kCPU, torch::kFloat32).contiguous();
    const auto *bytes = static_cast<const uint8_t *>(own.data_ptr());
    Tensor sum = at::zeros_like(own);
    for (auto &other : store_->exchange(rank_, world_, {bytes, bytes + own.nbytes()})) {
        TORCH_CHECK(other.size() == own.nbytes(), "a process of this run trains another network");
        sum += torch::from_blob(other.data(), own.sizes(), torch::kFloat32);
    }
    sum /= world_;
    int64_t at = 0;
    for (const Tensor &t : tensors) {
        t.copy_(sum.slice(0, at, at + t.numel()).view(t.sizes()));
        at += t.numel();
    }
}

double Processes::agree(double value)
{
    if (!store_)
        return value;
    const auto *bytes = reinterpret_cast<const uint8_t *>(&value);
    const auto all = store_->exchange(rank_, world_, {bytes, bytes + sizeof value});
    for (auto bytes_of = all.rbegin(); bytes_of != all.rend() && value >= 0;
         ++bytes_of) // the first process's last
        std::memcpy(&value, bytes_of->data(), sizeof value);
    return value;
}

} // namespace mardini::train
