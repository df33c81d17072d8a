// Multiply-accumulates of the network by part.

// at::RecordFunction has one member more without it, and LibTorch is built with it (seen in 2.13).
#ifndef NDEBUG
#define NDEBUG
#endif
#include "eval/costs.h"

#include "frame/pack.h"

#include <ATen/Parallel.h>
#include <ATen/record_function.h>

#include <functional>

#include <map>
#include <memory>

namespace mardini::eval {

namespace {

constexpr int num_references = costs_num_references, num_masked = costs_num_masked;

/// Multiply-accumulates of each number that an operator puts out.
struct MacsPerOutput : at::ObserverContext {
    explicit MacsPerOutput(int64_t macs) : macs(macs) {}
    int64_t macs;
};

/// From an operator's arguments, which are gone when it ends. Null but for the operators that all
/// others are composed of, so that nothing is counted twice.
std::unique_ptr<at::ObserverContext> macs_per_output(const at::RecordFunction &f)
{
    static const std::map<std::string, size_t> products = {
        // operator -> its left factor among the arguments
        {"aten::mm", 0},
        {"aten::bmm", 0},
        {"aten::mv", 0},
        {"aten::addmm", 1},
        {"aten::baddbmm", 1}};
    const std::string name = f.name();
    auto argument = [&](size_t i) { return f.inputs()[i].toTensor(); };
    if (name == "aten::convolution")
        return std::make_unique<MacsPerOutput>(argument(1).numel() / argument(1).size(0));
    if (name == "aten::_scaled_dot_product_flash_attention_for_cpu")
        return std::make_unique<MacsPerOutput>(
            2 * argument(1).size(2)); // the scores, and their product with the values
    auto product = products.find(name);
    return product == products.end()
               ? nullptr
               : std::make_unique<MacsPerOutput>(argument(product->second).sizes().back());
}

/// Multiply-accumulates that `body` has LibTorch compute in this thread.
int64_t count(const std::function<void()> &body)
{
    static thread_local int64_t macs;
    macs = 0;
    auto add = [](const at::RecordFunction &f, at::ObserverContext *context) {
        if (context)
            macs += f.outputs()[0].toTensor().numel() * static_cast<MacsPerOutput *>(context)->macs;
    };
    const auto handle = at::addThreadLocalCallback(at::RecordFunctionCallback(macs_per_output, add)
                                                       .needsInputs(true)
                                                       .needsOutputs(true)
                                                       .scopes({at::RecordScope::FUNCTION}));
    // The callback sees one thread alone.
    const int threads = at::get_num_threads();
    at::set_num_threads(1);
    body();
    at::set_num_threads(threads);
    at::removeCallback(handle);
    return macs;
}

class CostCounter {
public:
    CostCounter(Network &network, int width, int height)
        : network_(network), geometry_({width, height, MARDINI_COLOR_YUV, 0, 8, 1, 1, 0, 0, 0}),
          reference_times_(at::empty({1, num_references})),
          masked_times_(at::empty({1, num_masked}))
    {
        for (int i = 0; i < num_references; i++)
            reference_times_[0][i] = (i - 1) * (num_masked + 1);
        for (int i = 0; i < num_masked; i++)
            masked_times_[0][i] = i + 1;
    }

    std::vector<Cost> run()
    {
        encode();
        plan_and_refine();
        paint();
        return std::move(costs_);
    }

private:
    void add(const char *part, const char *unit, int64_t runs, const std::function<void()> &body)
    {
        costs_.push_back({part, unit, count(body) / runs});
    }

    void encode()
    {
        const Tensor references =
            at::rand({num_references, packed_channels, geometry_.height / geometry_.reduction / 2,
                      geometry_.width / geometry_.reduction / 2});
        add("encoder", "reference frame", num_references,
            [&] { features_ = network_->encoder(references); });
        add("planner, references", "reference frame", num_references, [&] {
            tokens_ = network_->planner->tokenize(features_.eighth);
            cache_ = network_->planner->encode_references(tokens_, features_.eighth.size(2) / 4);
        });
        auto features_of = [&](int64_t i) { return select(features_, at::tensor({i})); };
        add("match", "pair of reference frames", 1,
            [&] { match_ = network_->encoder->match(features_of(1), features_of(2)); });
    }

    void plan_and_refine()
    {
        const Tensor same = at::zeros({num_masked}, at::kLong);
        const Match match = {match_.forward.index_select(0, same),
                             match_.backward.index_select(0, same),
                             match_.confidence_forward.index_select(0, same),
                             match_.confidence_backward.index_select(0, same)};
        const Pairs pairs = make_pairs(reference_times_, masked_times_, at::kCPU);
        Plan plan;
        add("planner", "window of 4 reference and 7 masked frames", 1, [&] {
            plan = network_->planner->forward(tokens_, &cache_, match, pairs, reference_times_,
                                              masked_times_, features_.eighth.size(2) / 4);
        });
        add("generator, motion", "masked frame", num_masked, [&] {
            refined_ = network_->generator->refine(plan, select(features_, pairs.before),
                                                   select(features_, pairs.after), pairs);
        });
    }

    void paint()
    {
        const int64_t H = geometry_.height / 2, W = geometry_.width / 2;
        const Tensor pixels = at::rand({1, packed_channels, H, W}),
                     hidden = resize(refined_.hidden.slice(0, 0, 1), H, W);
        add("generator, pixels", "masked frame", 1,
            [&] { network_->generator->finish(pixels, pixels, pixels.slice(1, 0, 4), hidden); });
        if (network_->denoiser)
            add("denoiser", "masked frame and step", 1, [&] {
                network_->denoiser->forward({pixels, pixels.slice(1, 0, 1), hidden}, pixels,
                                            at::ones({1, 1, 1, 1}));
            });
    }

    Network &network_;
    Geometry geometry_;
    Tensor reference_times_, masked_times_; // (1,R), (1,M)
    Features features_;
    Tensor tokens_;
    PlannerImpl::ReferenceCache cache_;
    Match match_;
    Refined refined_;
    std::vector<Cost> costs_;
};

} // namespace

std::vector<Cost> count_costs(Network &network, int width, int height)
{
    torch::NoGradGuard no_grad;
    return CostCounter(network, width, height).run();
}

} // namespace mardini::eval
