// The part of libmardini that runs the network: given frames in, masked frames out. Holds what was
// computed of each given frame and each pair until the frame is dropped.
#include "engine_abi.h"

#include "base/error.h"
#include "engine/single_image.h"
#include "network/checkpoint.h"
#include "paint/cpu.h"
#include "paint/cuda.h"
#include "simd/precision.h"

#include <ATen/Parallel.h>
#include <torch/cuda.h>

#include <algorithm>
#include <atomic>
#include <climits>
#include <map>
#include <memory>
#include <mutex>
#include <new>

namespace mardini {

/// Rows of packed frames composed at once, and what the output head needs beyond them (three 3x3
/// convolutions and one row of interpolation).
static constexpr int64_t band_rows = 192, halo = 6;

/// Sampling steps when the caller leaves them to us: between two given frames, and where a frame
/// has none on one side.
static constexpr int default_steps = 0, default_steps_beyond = 1;

/// An error with the code it leaves the library with.
struct Failure : std::runtime_error {
    Failure(int code, const std::string &message) : std::runtime_error(message), code(code) {}
    int code;
};

/// What is known of one given frame.
struct Given {
    MardiniFrame frame;                  // the caller's planes
    Features features;                   // (1,...) at the motion resolution
    Tensor tokens;                       // (1,tokens,D)
    PlannerImpl::ReferenceCache reading; // of them; empty before its first window
    Tensor reduced;      // (1,6,.,.) packed, at the motion resolution; see reduced()
    SampledMotion drift; // the motion around it as the only given frame; of `drift_at`: place in
                         // the window, noise's name
    std::pair<double, int64_t> drift_at = {-1, 0};
    Pixels pixels;              // on the processor; taken when the frame is first a source of them
    CudaFrame on_cuda;          // on a card
    Tensor packed;              // on a card without kernels of ours: (1,6,h,w) full size
    std::vector<Tensor> planes; // likewise, for the formats whose planes are not the packed frame's
};

class Engine {
public:
    Engine(const MardiniSettings &settings, const char *checkpoint, const MardiniFormat &format)
        : log_(settings.log), log_opaque_(settings.log_opaque), geometry_(format),
          device_(torch::kCPU)
    {
        threads_ = settings.threads;
        enter();
        choose_device(settings.device ? settings.device : "auto", settings.cuda_context);
        if (device_.is_cuda())
            find_card(settings);
        network_ = load_network(checkpoint);
        network_->to(device_);
        if (network_->generator->aligns() || network_->config().generator.logits != 4)
            throw Failure(ENOSYS, std::string("The network of \"") + checkpoint +
                                      "\" aligns frames, which this build does not paint yet.");
        switch (settings.precision) {
        case MARDINI_PRECISION_AUTO:
            bf16_ = card_ ? card_->multiplies_bf16() : device_.is_cuda() || cpu_multiplies_bf16();
            break;
        case MARDINI_PRECISION_BF16:
            bf16_ = true;
            break;
        default:
            bf16_ = false;
        }
        steps_ = settings.steps;
        seed_ = settings.seed;
        motion_ = settings.motion;
        camera_ = settings.camera;
        can_sample_ = steps_ != 0 && network_->denoiser && network_->denoiser->is_trained();
        if (steps_ > 0 && !can_sample_)
            throw Failure(ENOSYS, "steps=" + std::to_string(steps_) + " was asked for, but \"" +
                                      checkpoint + "\" has no trained denoiser; use steps=0.");
        settle_weights();
        budget(settings.memory);
        say(MARDINI_LOG_VERBOSE, std::string("network ") + network_->config().preset + " on " +
                                     device_.str() + " in " + (bf16_ ? "bf16" : "fp32") +
                                     ", motion at 1/" + std::to_string(geometry_.reduction));
    }

    ~Engine()
    {
        const std::string report = profile_.report();
        if (!report.empty())
            say(Profile::is_wanted() ? MARDINI_LOG_INFO : MARDINI_LOG_VERBOSE, report);
    }

    void say(int level, const std::string &message) const
    {
        if (log_)
            log_(log_opaque_, level, message.c_str());
    }

    void add_frame(int64_t id, const MardiniFrame &frame)
    {
        Given given;
        given.frame = frame;
        const auto turn = card_turn();
        Profile::Timer load(profile_, Stage::Load);
        if (card_)
            given.on_cuda = card_->take(frame);
        const Tensor small = motion_frame(given);
        load.stop();
        Profile::Timer encoder(profile_, Stage::Encoder);
        Autocast autocast(device_.type(), bf16_);
        given.features = network_->encoder(small);
        given.tokens = network_->planner->tokenize(given.features.eighth);
        if (device_.is_cpu()) // as warps and cost volumes read them, for every masked frame
            for (Tensor *t : {&given.features.quarter, &given.features.eighth})
                *t = t->to(torch::kFloat32).contiguous();
        if (!given_.emplace(id, std::move(given)).second)
            throw Failure(EINVAL, "Frame " + std::to_string(id) + " was added twice.");
    }

    void drop_frame(int64_t id)
    {
        given_.erase(id);
        for (auto it = matches_.begin(); it != matches_.end();)
            it = it->first.first == id || it->first.second == id ? matches_.erase(it)
                                                                 : std::next(it);
    }

    double compare(int64_t id_a, int64_t id_b)
    {
        Profile::Timer timer(profile_, Stage::Compare);
        return 100 * unlikeness(find(id_a).features, find(id_b).features);
    }

    void make(const MardiniWindow *windows, int num_windows);

    /// Call first in every entry: LibTorch's thread count belongs to the calling thread.
    void enter() const
    {
        // Asked for once: what one context sets, LibTorch hands to the next as its own.
        static const int usual = [] {
            at::init_num_threads();
            return at::get_num_threads();
        }();
        at::init_num_threads();
        at::set_num_threads(threads_ > 0 ? threads_ : usual);
    }

private:
    void choose_device(const std::string &name, void *context)
    {
        if (geometry_.format.on_cuda && !torch::cuda::is_available())
            throw Failure(ENODEV, "The frames are on a CUDA device, but this LibTorch sees none; "
                                  "bring them to the host "
                                  "(hwdownload,format=nv12 before the filter).");
        const bool automatic = name == "auto";
        if (name == "cpu" || (automatic && !torch::cuda::is_available()))
            return;
        if (!automatic && name != "cuda" && name.rfind("cuda:", 0) != 0)
            throw Failure(ENODEV, "The device \"" + name +
                                      "\" is unknown: auto, cpu, cuda and cuda:N exist.");
        if (!torch::cuda::is_available())
            throw Failure(ENODEV, "The device \"" + name +
                                      "\" was asked for, but this LibTorch sees no CUDA device; "
                                      "use device=cpu or device=auto.");
        device_ = torch::Device(automatic ? "cuda" : name);
        const int index = geometry_.format.on_cuda && context ? card_of(context) : -1;
        if (!device_.has_index())
            device_.set_index(static_cast<c10::DeviceIndex>(std::max(index, 0)));
        if (index >= 0 && device_.index() != index)
            throw Failure(ENODEV, "The frames are on cuda:" + std::to_string(index) +
                                      ", but device=" + name +
                                      " was asked for; they must be the same.");
        if (device_.index() >= static_cast<int>(torch::cuda::device_count()))
            throw Failure(ENODEV, "The device \"" + name + "\" was asked for, but there are " +
                                      std::to_string(torch::cuda::device_count()) +
                                      " CUDA devices.");
    }

    /// Our own kernels, or LibTorch's operations in their stead.
    void find_card(const MardiniSettings &settings)
    {
        std::string why;
        card_ = open_cuda_painter(geometry_, device_, settings.cuda_context, settings.cuda_stream,
                                  &why);
        if (card_) {
            card_->warn = [this](const std::string &line) { say(MARDINI_LOG_WARNING, line); };
            if (card_->copies_frames())
                say(MARDINI_LOG_VERBOSE, "The frames' CUDA context is not the device's primary "
                                         "one, so they are copied on "
                                         "the card; a device made with primary_ctx=1 spares that.");
            return;
        }
        if (geometry_.format.on_cuda)
            throw Failure(
                ENOSYS, "The frames are on a CUDA device, but the kernels that read them there "
                        "cannot be used: " +
                            why +
                            "; bring them to the host (hwdownload,format=nv12 before the filter).");
        say(MARDINI_LOG_WARNING,
            "The CUDA kernels cannot be used: " + why + "; painting is slower.");
    }

    std::unique_ptr<CudaPainter::Turn> card_turn()
    {
        return card_ ? std::make_unique<CudaPainter::Turn>(*card_) : nullptr;
    }

    /// Weights in the type and layout they are used in: else every call would convert them anew.
    void settle_weights()
    {
        torch::NoGradGuard no_grad;
        for (auto &module : network_->modules()) {
            const bool is_conv = module->as<torch::nn::Conv2d>(),
                       is_linear = module->as<torch::nn::Linear>();
            if (!is_conv && !is_linear)
                continue;
            for (auto &p : module->parameters(/*recurse=*/false)) {
                Tensor t = bf16_ ? p.detach().to(torch::kBFloat16) : p.detach();
                p.set_data(is_conv && p.dim() == 4 ? t.contiguous(at::MemoryFormat::ChannelsLast)
                                                   : t);
            }
        }
    }

    int64_t bytes_of_weights() const
    {
        int64_t bytes = 0;
        for (const auto &p : network_->parameters())
            bytes += 4 * p.numel(); // as float32, whatever they are used in
        return bytes;
    }

    /// Choose the size of a band of rows so that everything fits. What does not depend on it was
    /// measured: the network and LibTorch's own, and what a window holds for each pixel of the
    /// motion resolution.
    void budget(int64_t megabytes)
    {
        if (megabytes == 0 || !device_.is_cpu())
            return;
        const int64_t r = geometry_.reduction, channels = network_->generator->hidden_channels();
        const int64_t noise =
            can_sample_ ? bytes_of_noise(geometry_.height / r / 2, geometry_.width / r / 2) : 0;
        const int64_t fixed = (int64_t(130) << 20) +
                              420 * (geometry_.height / r) * (geometry_.width / r) +
                              2 * bytes_of_pixels(geometry_) + bytes_of_weights() + noise;
        const int64_t least =
            (fixed + bytes_of_bands(geometry_, channels, 1) + (1 << 20) - 1) >> 20;
        if (least > megabytes)
            throw Failure(
                ENOMEM, "memory=" + std::to_string(megabytes) + " MB is too little for frames of " +
                            std::to_string(geometry_.format.width) + "x" +
                            std::to_string(geometry_.format.height) + ": some " +
                            std::to_string(least) + " MB are needed; scale them down first.");
        while (fixed + bytes_of_bands(geometry_, channels, band_bytes_) > megabytes << 20 &&
               shrink_bands())
            ;
        const int64_t bands = bytes_of_bands(geometry_, channels, band_bytes_);
        // Beside each other each also has its pixels, features and products of all pairs of cells.
        const int64_t area = (geometry_.height / r) * (geometry_.width / r), cells = area / 64;
        const int64_t one_more = bands + noise + 300 * area + bytes_of_pixels(geometry_) +
                                 (bf16_ ? 2 : 4) * cells * cells;
        at_a_time_ = static_cast<int>(
            std::min<int64_t>(1 + ((megabytes << 20) - fixed - bands) / one_more, INT_MAX));
    }

    /// Frames that are painted beside each other: no more than fit the budget.
    int64_t frames_at_a_time() const
    {
        return device_.is_cpu() ? std::min(at_a_time_, at::get_num_threads()) : 1;
    }

    /// Smaller tiles; false if they are the smallest.
    bool shrink_bands()
    {
        const int64_t channels = network_->generator->hidden_channels();
        const int64_t now = bytes_of_bands(geometry_, channels, band_bytes_);
        if (now == bytes_of_bands(geometry_, channels, 1))
            return false;
        do
            band_bytes_ = band_bytes_ ? band_bytes_ / 2 : now / 2;
        while (bytes_of_bands(geometry_, channels, std::max<int64_t>(band_bytes_, 1)) == now);
        band_bytes_ = std::max<int64_t>(band_bytes_, 1);
        return true;
    }

    Given &find(int64_t id)
    {
        auto it = given_.find(id);
        if (it == given_.end())
            throw Failure(EINVAL, "Frame " + std::to_string(id) + " is not known; add it first.");
        return it->second;
    }

    Tensor pack_frame(const Given &given) const
    {
        std::vector<Tensor> planes;
        for (int p = 0; p < geometry_.num_planes; p++)
            planes.push_back(load_plane(geometry_, given.frame, p).to(device_));
        return pack(geometry_, planes);
    }

    /// Of the picture at the motion resolution, padding apart.
    int64_t reduced_height() const { return geometry_.format.height / geometry_.reduction; }
    int64_t reduced_width() const { return geometry_.format.width / geometry_.reduction; }

    /// A given frame as the networks see it: packed, at the motion resolution. (1,6,.,.)
    Tensor motion_frame(Given &given)
    {
        if (card_)
            return card_->pack(given.on_cuda);
        return device_.is_cpu() ? reduced_frame(geometry_, given.frame)
                                : reduce(pack_frame(given), geometry_.reduction);
    }

    /// The same, kept: for sampling.
    const Tensor &reduced(Given &given)
    {
        std::lock_guard lock(reducing_);
        if (!given.reduced.defined())
            given.reduced = motion_frame(given);
        return given.reduced;
    }

    /// Load the pixels of a frame that is about to be a source, and forget those of frames that no
    /// longer are.
    void keep_pixels(const std::vector<int64_t> &sources)
    {
        for (auto &[id, given] : given_) {
            if (std::find(sources.begin(), sources.end(), id) == sources.end()) {
                given.pixels = Pixels();
                given.packed = Tensor();
                given.planes.clear();
                given.on_cuda.luma = given.on_cuda.chroma = Tensor();
            } else if (card_) {
                continue;
            } else if (device_.is_cpu()) {
                if (given.pixels.packed.empty())
                    given.pixels = take_pixels(geometry_, given.frame);
            } else if (!given.packed.defined()) {
                given.packed = pack_frame(given);
                if (!packed_is_whole(geometry_.format) || geometry_.format.alpha)
                    for (int p = 0; p < geometry_.num_planes; p++)
                        given.planes.push_back(load_plane(geometry_, given.frame, p).to(device_));
            }
        }
    }

    const Match &match(int64_t a, int64_t b)
    {
        {
            std::lock_guard lock(matching_);
            auto it = matches_.find({a, b});
            if (it != matches_.end())
                return it->second;
        }
        Match found = network_->encoder->match(find(a).features, find(b).features);
        std::lock_guard lock(matching_);
        return matches_.emplace(std::pair(a, b), std::move(found)).first->second;
    }

    /// A window whose planner has spoken.
    struct Planned {
        const MardiniWindow *window;
        std::vector<References>
            references; ///< of each masked frame; all have one pair, see parts_of()
        Tensor given_times, masked_times; ///< (1,.) float32 on the processor
        Plan plan;
        Pairs pairs; ///< on the device
        Pairs known; ///< on the processor: on a card each look would wait for all that is queued
        SampledMotion drift; ///< of one given frame, instead of a plan
    };
    Planned place(const MardiniWindow &w, double origin, double gap, double length) const;
    Planned plan_window(const MardiniWindow &w);
    Planned plan_alone(const MardiniWindow &w);
    void read_given(const MardiniWindow *windows, int num_windows);
    void make_frame(const Planned &planned, int64_t i);
    /// body(i) for i in 0 .. count - 1, several beside each other, each by one thread; those left
    /// over one by one by all threads.
    template <class Body>
    void in_parallel(int64_t count, const Body &body);
    void make_together(const MardiniWindow *windows, int num_windows);

    int steps_for(const Pairs &known, bool alone) const;
    Tensor sample(Given &before, Given &after, const Refined &refined, const Pairs &pairs,
                  bool alone, int64_t key, int steps);
    /// pairs: on the processor; alone: one frame is given
    PaintJob painting(const Refined &refined, const Pairs &pairs, const Tensor &extra, bool alone);
    float paint_frame(const Given &before, const Given &after, const Refined &refined,
                      const Pairs &pairs, const Tensor &extra, bool alone, const MardiniFrame &out);
    float compose_frame(const Given &before, const Given &after, const Refined &refined,
                        const Pairs &pairs, const Tensor &extra, bool alone,
                        const MardiniFrame &out);
    void compose_plane(const Given &before, const Given &after, const Motion &motion,
                       const Pairs &pairs, const Tensor &logits, const Tensor &change,
                       const Tensor &moved, int64_t first, int64_t skip, int64_t rows, int plane,
                       const MardiniFrame &out);

    MardiniLog log_;
    void *log_opaque_;
    Profile profile_;
    Geometry geometry_;
    torch::Device device_;
    Network network_{nullptr};
    std::unique_ptr<CudaPainter>
        card_; ///< NULL on the processor, and on a card that our kernels cannot be used on
    bool bf16_ = false;
    int threads_ = 0, steps_ = 0; ///< steps: -1: steps_for() knows
    bool can_sample_ = false;
    int64_t seed_ = 0;
    double motion_ = 1;
    int camera_ = MARDINI_CAMERA_SAMPLED;
    std::atomic<int64_t> band_bytes_ = 0; ///< of PaintJob
    std::mutex shrinking_;
    int at_a_time_ = INT_MAX; ///< frames that may be painted beside each other
    bool said_shrunk_ = false;
    std::map<int64_t, Given> given_;
    std::map<std::pair<int64_t, int64_t>, Match> matches_;
    std::mutex matching_, reducing_;
};

static Motion rows_of(const Motion &m, int64_t begin, int64_t end)
{
    return {m.velocity.slice(2, begin, end), m.bend.slice(2, begin, end),
            m.visibility.slice(2, begin, end), m.uncertainty.slice(2, begin, end)};
}

/// What sampling changes of the deterministic frame: 0 where that is sure. At the motion
/// resolution, which the denoiser was trained at. (1,6,h,w) float32
Tensor Engine::sample(Given &before, Given &after, const Refined &refined, const Pairs &pairs,
                      bool alone, int64_t key, int steps)
{
    Profile::Timer timer(profile_, Stage::Denoise);
    Bridge bridge;
    if (alone) {
        bridge = bridge_alone(reduced(before), reduced_height(), reduced_width(), refined.half,
                              pairs, refined.hidden.size(1));
    } else {
        Output o;
        o.refined = refined;
        o.motion = refined.half;
        o.pairs = pairs;
        network_->finish(o, reduced(before), reduced(after));
        bridge = o.bridge();
    }
    const Tensor from = displacements(refined.half, pairs).first;
    return network_->denoiser->sample(bridge, carry_noise(seed_, key, from), steps) -
           bridge.estimate;
}

int Engine::steps_for(const Pairs &known, bool alone) const
{
    if (steps_ >= 0 || !can_sample_)
        return std::max(steps_, 0);
    const bool between = !alone && known.distance_before.item<float>() <= 0 &&
                         known.distance_after.item<float>() >= 0;
    return between ? default_steps : default_steps_beyond;
}

PaintJob Engine::painting(const Refined &refined, const Pairs &pairs, const Tensor &extra,
                          bool alone)
{
    PaintJob p{};
    p.distance_before = pairs.distance_before.item<float>();
    p.distance_after = pairs.distance_after.item<float>();
    p.vanish = alone ? 1
                     : vanishing(pairs)
                           .item<float>(); // beside the only frame there is nothing to be surer by
    p.motion = refined.half;
    p.hidden = refined.hidden;
    p.extra = extra;
    p.alone = alone;
    p.head = [this, alone](const Tensor &inputs) { // it corrects by what two frames tell
        return alone ? at::zeros({1, network_->generator->head_channels(), inputs.size(2),
                                  inputs.size(3)},
                                 inputs.options())
                     : network_->generator->head(inputs);
    };
    p.dtype = bf16_ ? torch::kBFloat16 : torch::kFloat32;
    return p;
}

float Engine::paint_frame(const Given &before, const Given &after, const Refined &refined,
                          const Pairs &pairs, const Tensor &extra, bool alone,
                          const MardiniFrame &out)
{
    PaintJob p = painting(refined, pairs, extra, alone);
    p.before = &before.pixels;
    p.after = &after.pixels;
    for (;;) {
        p.band_bytes = band_bytes_;
        try {
            return paint(geometry_, p, out, profile_);
        } catch (const std::exception &e) {
            std::lock_guard lock(shrinking_);
            if (!is_out_of_memory(e) || (p.band_bytes == band_bytes_ && !shrink_bands()))
                throw;
            if (!said_shrunk_)
                say(MARDINI_LOG_WARNING, "Memory is full: the rest is made in smaller tiles.");
            said_shrunk_ = true;
        }
    }
}

/// On a card: a plane that the packed frame does not hold as stored: another subsampling, GBR or
/// alpha.
void Engine::compose_plane(const Given &before, const Given &after, const Motion &motion,
                           const Pairs &pairs, const Tensor &logits, const Tensor &change,
                           const Tensor &moved, int64_t first, int64_t skip, int64_t rows,
                           int plane, const MardiniFrame &out)
{
    const Tensor &a = before.planes[plane], &b = after.planes[plane];
    const int64_t H = a.size(2), W = a.size(3), h = geometry_.height / 2, w = geometry_.width / 2;
    // Rows of this plane that the band covers: whole numbers, since the padded size is a multiple
    // of 32.
    const int64_t begin = first * H / h, count = motion.velocity.size(2) * H / h;
    auto [da, db] = displacements(motion, pairs);
    Tensor scale = at::tensor({0.5 * W / w, 0.5 * H / h}, da.options()).view({1, 2, 1, 1});
    da = resize(da, count, W) * scale, db = resize(db, count, W) * scale;
    auto band = [&](const Tensor &x) { return x.slice(2, begin, begin + count); };
    Tensor candidates = at::cat({warp(a, da, Sampling::Bicubic, begin),
                                 warp(b, db, Sampling::Bicubic, begin), band(a), band(b)},
                                1);
    Tensor weights = count < logits.size(2) || W < logits.size(3)
                         ? at::adaptive_avg_pool2d(logits, {count, W})
                         : logits;
    Tensor made =
        (candidates * weights.softmax(1)).sum(1, true) + unpack_change(geometry_, change, plane);
    Tensor blend = cross_fade(band(a), band(b), pairs);
    made = blend + resize(moved, count, W) * (made - blend);
    store_plane(geometry_, made.slice(2, skip * H / h, (skip + rows) * H / h).cpu(),
                begin + skip * H / h, out, plane);
}

float Engine::compose_frame(const Given &before, const Given &after, const Refined &refined,
                            const Pairs &pairs, const Tensor &extra, bool alone,
                            const MardiniFrame &out)
{
    const int64_t h = geometry_.height / 2, w = geometry_.width / 2;
    Motion motion = enlarged(refined.half, h, w);
    Tensor hidden = resize(refined.hidden.to(torch::kFloat32), h, w);
    Tensor vanish = vanishing(pairs), moved = changed(before.packed, after.packed);
    if (alone)
        vanish.fill_(1), moved.fill_(1);
    Tensor sampled = extra.defined() ? resize(extra, h, w) : extra;
    double certainty = 0;
    int64_t counted = 0;
    const int64_t visible_rows = (geometry_.format.height + 1) / 2;
    for (int64_t start = 0; start < visible_rows; start += band_rows) {
        const int64_t end = std::min(start + band_rows, h),
                      begin = std::max<int64_t>(start - halo, 0);
        const int64_t last = std::min(end + halo, h), skip = start - begin, rows = end - start;
        auto band = [&](const Tensor &x) { return x.slice(2, begin, last); };
        Profile::Timer sample_timer(profile_, Stage::Sample);
        Motion m = rows_of(motion, begin, last);
        Candidates c = candidates(before.packed, after.packed, m, pairs, begin);
        Tensor composite = compose(c, c.prior);
        Tensor difference =
            at::cat({at::pixel_unshuffle(c.luma.select(1, 0) - c.luma.select(1, 1), 2),
                     c.chroma.select(1, 0) - c.chroma.select(1, 1)},
                    1);
        Tensor a = band(before.packed), b = band(after.packed);
        Tensor still = (a.slice(1, 0, 4) - b.slice(1, 0, 4)).abs();
        sample_timer.stop();
        Profile::Timer head_timer(profile_, Stage::Head);
        auto nothing = [&](int64_t channels) {
            return at::zeros({1, channels, composite.size(2), composite.size(3)},
                             composite.options());
        };
        const Finish f =
            alone ? Finish{nothing(packed_channels), nothing(4 * num_candidates), nothing(1)}
                  : network_->generator->finish(composite, difference, still, band(hidden));
        head_timer.stop();
        Profile::Timer store_timer(profile_, Stage::Store);
        Tensor logits = c.prior + unpack_logits(f.visibility), change = vanish * f.residual;
        if (sampled.defined())
            change = change + band(sampled);
        Tensor uncertainty = vanish * at::softplus(m.uncertainty + f.uncertainty - 4) * band(moved);
        // Half as sure where an error of eight codes of 8 bits is expected.
        Tensor sure = 1 / (1 + 16 * uncertainty.slice(2, skip, skip + rows));
        certainty += sure.sum().item<double>();
        counted += sure.numel();

        if (packed_is_whole(geometry_.format)) {
            Tensor blend = cross_fade(a, b, pairs);
            Tensor made = (blend + band(moved) * (compose(c, logits) + change - blend))
                              .slice(2, skip, skip + rows);
            for (int p = 0; p < geometry_.num_planes; p++)
                if (p == 0 || geometry_.is_chroma(p))
                    store_plane(geometry_, unpack_change(geometry_, made, p).cpu(),
                                p == 0 ? 2 * start : start, out, p);
        }
        for (int p = 0; p < geometry_.num_planes; p++)
            if (!packed_is_whole(geometry_.format) || (p > 0 && !geometry_.is_chroma(p)))
                compose_plane(before, after, m, pairs, logits, change, band(moved), begin, skip,
                              rows, p, out);
    }
    return static_cast<float>(certainty / counted);
}

template <class Body>
void Engine::in_parallel(int64_t count, const Body &body)
{
    for (int64_t begin = 0; begin < count;) {
        const int64_t at_a_time = frames_at_a_time(), now = std::min(at_a_time, count - begin);
        if (2 * now <= at_a_time || at_a_time == 1) {
            body(begin++);
            continue;
        }
        try {
            at::parallel_for(begin, begin + now, 1, [&](int64_t first, int64_t last) {
                c10::InferenceMode inference; // both belong to a thread
                Autocast autocast(device_.type(), bf16_);
                for (int64_t i = first; i < last; i++)
                    body(i);
            });
            begin += now;
        } catch (const std::exception &e) {
            if (!is_out_of_memory(e))
                throw;
            say(MARDINI_LOG_WARNING, "Memory is full: the rest is made one by one.");
            at_a_time_ = 1;
        }
    }
}

/// What the planner reads in a given frame is the same in every window, if each keeps to itself.
void Engine::read_given(const MardiniWindow *windows, int num_windows)
{
    Profile::Timer timer(profile_, Stage::Planner);
    std::vector<Given *> unread;
    for (int n = 0; n < num_windows; n++)
        for (int i = 0; windows[n].num_given > 1 && i < windows[n].num_given; i++) {
            Given &given = find(windows[n].ids[i]);
            if (given.reading.empty() &&
                std::find(unread.begin(), unread.end(), &given) == unread.end())
                unread.push_back(&given);
        }
    in_parallel(static_cast<int64_t>(unread.size()), [&](int64_t i) {
        unread[i]->reading = network_->planner->encode_references(
            unread[i]->tokens, unread[i]->features.eighth.size(2) / 4);
    });
}

static References references_of(const MardiniWindow &w, int masked)
{
    return choose_references({w.times, w.times + w.num_given}, w.masked[masked]);
}

/// The frames of a window that are made from one pair, pair by pair: they are planned together, so
/// that what comes out does not depend on what else is asked for.
static void parts_of(const MardiniWindow &w, std::vector<MardiniWindow> *parts)
{
    for (int i = 0; i < w.num_masked; i++) {
        if (i == 0 || references_of(w, i).index != references_of(w, i - 1).index) {
            parts->push_back(w);
            MardiniWindow &part = parts->back();
            part.num_masked = 0;
            part.masked += i;
            part.keys += i;
            part.out += i;
            part.confidence += part.confidence ? i : 0;
        }
        parts->back().num_masked++;
    }
}

/// A part's times from `origin` on, a gap of the caller's unit being `length` long, and who is made
/// from whom.
Engine::Planned Engine::place(const MardiniWindow &w, double origin, double gap,
                              double length) const
{
    auto placed = [&](const double *times, int count) {
        Tensor t = at::empty({1, count}, torch::kFloat32);
        for (int i = 0; i < count; i++)
            t[0][i] = static_cast<float>((times[i] - origin) * length / gap);
        return t;
    };
    Planned p;
    p.window = &w;
    for (int i = 0; i < w.num_masked; i++)
        p.references.push_back(references_of(w, i));
    p.given_times = placed(w.times, w.num_given);
    p.masked_times = placed(w.masked, w.num_masked);
    p.pairs = make_pairs(p.references, device_);
    p.known = device_.is_cpu() ? p.pairs : make_pairs(p.references, torch::kCPU);
    return p;
}

/// Of one given frame nothing tells a motion: it is sampled, once for all of its window.
Engine::Planned Engine::plan_alone(const MardiniWindow &w)
{
    if (!network_->sampler || !network_->sampler->is_trained())
        throw Failure(
            ENOSYS,
            "One frame alone was given, and the checkpoint samples no motion; use one that does.");
    Profile::Timer timer(profile_, Stage::Planner);
    Given &given = find(w.ids[0]);
    const std::pair<double, int64_t> at(w.times[0], w.keys[0]);
    if (given.drift_at != at)
        given.drift = sample_motion(network_, reduced(given), reduced_height(), reduced_width(),
                                    w.times[0], {motion_, camera_, seed_, w.keys[0]});
    given.drift_at = at;
    Planned p = place(w, 0, 1, 1);
    p.drift = given.drift;
    return p;
}

Engine::Planned Engine::plan_window(const MardiniWindow &w)
{
    // The planner saw gaps of up to 16 positions in training: one unit for all pairs, so that it
    // does not matter in which the caller counts.
    const auto [before, after] = references_of(w, 0).index;
    Planned p = place(w, w.times[before], w.times[after] - w.times[before], 8);

    Profile::Timer match_timer(profile_, Stage::Match);
    const Match &of_pair = match(w.ids[before], w.ids[after]);
    auto for_each = [&](const Tensor &field) {
        return at::cat(std::vector<Tensor>(w.num_masked, field));
    };
    Match matches = {for_each(of_pair.forward), for_each(of_pair.backward),
                     for_each(of_pair.confidence_forward), for_each(of_pair.confidence_backward)};
    match_timer.stop();
    Profile::Timer planner_timer(profile_, Stage::Planner);
    std::vector<Tensor> tokens;
    for (int i = 0; i < w.num_given; i++)
        tokens.push_back(find(w.ids[i]).tokens);
    const int64_t token_rows = find(w.ids[0]).features.eighth.size(2) / 4;
    PlannerImpl::ReferenceCache reading(find(w.ids[0]).reading.size());
    for (size_t layer = 0; layer < reading.size(); layer++) {
        std::vector<Tensor> keys, values;
        for (int i = 0; i < w.num_given; i++) {
            keys.push_back(find(w.ids[i]).reading[layer].k);
            values.push_back(find(w.ids[i]).reading[layer].v);
        }
        reading[layer] = {at::cat(keys), at::cat(values)};
    }
    p.plan = network_->planner->forward(at::cat(tokens), &reading, matches, p.pairs,
                                        p.given_times.to(device_), p.masked_times.to(device_),
                                        token_rows);
    return p;
}

void Engine::make_frame(const Planned &planned, int64_t i)
{
    const MardiniWindow &w = *planned.window;
    const Plan &plan = planned.plan;
    auto row = [i](const Tensor &t) { return t.slice(0, i, i + 1); };
    auto rows = [&](const Pairs &p) {
        return Pairs{row(p.before), row(p.after), row(p.distance_before), row(p.distance_after)};
    };
    const auto [first, second] = planned.references[i].index;
    Given &before = find(w.ids[first]), &after = find(w.ids[second]);
    const Pairs pair = rows(planned.pairs);
    Refined refined;
    const bool alone = w.num_given == 1;
    if (alone) {
        const int64_t h = 4 * before.features.eighth.size(2),
                      width = 4 * before.features.eighth.size(3);
        refined.half = motion_at(planned.drift, w.masked[i] - w.times[0], h, width);
        refined.hidden = at::zeros({1, network_->generator->hidden_channels(), h / 2, width / 2},
                                   refined.half.velocity.options());
    } else {
        Profile::Timer refine_timer(profile_, Stage::Refine);
        const Motion &m = plan.motion;
        const Plan own{{row(m.velocity), row(m.bend), row(m.visibility), row(m.uncertainty)},
                       row(plan.features),
                       row(plan.match_velocity),
                       row(plan.tokens)};
        refined = network_->generator->refine(own, before.features, after.features, pair);
    }
    const Pairs known = rows(planned.known);
    const int steps = steps_for(known, alone);
    const Tensor extra =
        steps > 0 ? sample(before, after, refined, pair, alone, w.keys[i], steps) : Tensor();
    if (card_) {
        card_->paint(before.on_cuda, after.on_cuda, painting(refined, known, extra, alone),
                     w.out[i]);
        return;
    }
    const float certainty =
        device_.is_cpu() ? paint_frame(before, after, refined, pair, extra, alone, w.out[i])
                         : compose_frame(before, after, refined, pair, extra, alone, w.out[i]);
    if (w.confidence)
        w.confidence[i] = certainty;
}

void Engine::make(const MardiniWindow *windows, int num_windows)
{
    const auto turn = card_turn();
    Autocast autocast(device_.type(), bf16_);
    std::vector<MardiniWindow> parts;
    for (int n = 0; n < num_windows; n++) {
        const MardiniWindow &w = windows[n];
        std::string positions = "window: given";
        for (int i = 0; i < w.num_given; i++)
            positions += " " + std::to_string(w.ids[i]) + "@" + std::to_string(w.times[i]);
        positions += ", masked";
        for (int i = 0; i < w.num_masked; i++)
            positions += " " + std::to_string(w.masked[i]);
        say(MARDINI_LOG_VERBOSE, positions);
        parts_of(w, &parts);
    }
    // No more at once than there are threads for their frames: memory does not grow with their
    // number.
    const int num_parts = static_cast<int>(parts.size());
    for (int first = 0, last = 0; first < num_parts; first = last) {
        for (int64_t frames = 0; last < num_parts && frames < frames_at_a_time(); last++)
            frames += parts[last].num_masked;
        make_together(parts.data() + first, last - first);
    }
}

void Engine::make_together(const MardiniWindow *windows, int num_windows)
{
    std::vector<int64_t> sources;
    std::vector<std::pair<int, int64_t>> frames; // all that is to be made: window, index in it
    for (int n = 0; n < num_windows; n++) {
        for (int k : references_of(windows[n], 0).index)
            sources.push_back(windows[n].ids[k]);
        for (int i = 0; i < windows[n].num_masked; i++)
            frames.emplace_back(n, i);
    }
    {
        Profile::Timer timer(profile_, Stage::Load);
        keep_pixels(sources);
    }

    // A window or a frame to a thread: the layers of one are too small to be shared.
    read_given(windows, num_windows);
    std::vector<Planned> planned(num_windows);
    in_parallel(num_windows, [&](int64_t n) {
        if (windows[n].num_given > 1)
            planned[n] = plan_window(windows[n]);
    });
    for (int n = 0; n < num_windows;
         n++) // what is sampled is kept with the frame: one after the other
        if (windows[n].num_given == 1)
            planned[n] = plan_alone(windows[n]);
    in_parallel(static_cast<int64_t>(frames.size()),
                [&](int64_t k) { make_frame(planned[frames[k].first], frames[k].second); });
    if (card_) {
        const std::vector<float> sure = card_->finish();
        for (size_t k = 0; k < sure.size(); k++)
            if (float *confidence = windows[frames[k].first].confidence)
                confidence[frames[k].second] = sure[k];
    }
    profile_.add_frames(static_cast<int>(frames.size()));
}

} // namespace mardini

struct MardiniEngine : mardini::Engine {
    using Engine::Engine;
};

namespace {

/// Run `body`; whatever it throws becomes a code and one message.
template <class Body>
int guarded(MardiniLog log, void *opaque, const Body &body)
{
    auto fail = [&](int code, const char *message) {
        if (log)
            log(opaque, MARDINI_LOG_ERROR,
                std::string(message).substr(0, std::string(message).find('\n')).c_str());
        return MARDINI_ERR(code);
    };
    try {
        c10::InferenceMode inference;
        body();
        return 0;
    } catch (const mardini::Failure &e) {
        return fail(e.code, e.what());
    } catch (const mardini::Error &e) {
        return fail(e.code, e.what());
    } catch (const c10::OutOfMemoryError &e) {
        return fail(ENOMEM,
                    "The device's memory is full; a smaller frame or device=cpu needs less.");
    } catch (const c10::Error &e) {
        if (mardini::is_out_of_memory(e))
            return fail(ENOMEM, "Memory is full; a smaller frame needs less.");
        return fail(EIO, e.what_without_backtrace());
    } catch (const std::bad_alloc &) {
        return fail(ENOMEM, "Memory is full; a smaller frame needs less.");
    } catch (const std::runtime_error &e) {
        return fail(EINVAL, e.what());
    } catch (const std::exception &e) {
        return fail(EIO, e.what());
    } catch (...) {
        return fail(EIO, "An unknown exception was thrown.");
    }
}

template <class Body>
int guarded(MardiniEngine *engine, const Body &body)
{
    auto log = [](void *opaque, int level, const char *message) {
        static_cast<MardiniEngine *>(opaque)->say(level, message);
    };
    return guarded(log, engine, [&] {
        engine->enter();
        body();
    });
}

int engine_sees_cuda(void)
{
    return torch::cuda::is_available();
}

int engine_open(MardiniEngine **engine, const MardiniSettings *settings, const char *checkpoint,
                const MardiniFormat *format)
{
    *engine = nullptr;
    return guarded(settings->log, settings->log_opaque,
                   [&] { *engine = new MardiniEngine(*settings, checkpoint, *format); });
}

void engine_close(MardiniEngine *engine)
{
    delete engine;
}

int engine_add_frame(MardiniEngine *engine, int64_t id, const MardiniFrame *frame)
{
    return guarded(engine, [&] { engine->add_frame(id, *frame); });
}

void engine_drop_frame(MardiniEngine *engine, int64_t id)
{
    guarded(engine, [&] { engine->drop_frame(id); });
}

int engine_compare(MardiniEngine *engine, int64_t id_a, int64_t id_b, double *score)
{
    return guarded(engine, [&] { *score = engine->compare(id_a, id_b); });
}

int engine_make(MardiniEngine *engine, const MardiniWindow *windows, int num_windows)
{
    return guarded(engine, [&] { engine->make(windows, num_windows); });
}

} // namespace

const MardiniEngineFunctions *mardini_engine(void)
{
    static const MardiniEngineFunctions functions = {
        MARDINI_ENGINE_VERSION, engine_sees_cuda,  engine_open,    engine_close,
        engine_add_frame,       engine_drop_frame, engine_compare, engine_make,
    };
    return &functions;
}
