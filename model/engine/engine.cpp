// One run of the network for the library: reference frames in, masked frames out.
#include "engine/engine.h"

#include "base/error.h"
#include "network/checkpoint.h"
#include "simd/precision.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cerrno>

namespace mardini {

/// Sampling steps unless the caller sets them: between two reference frames, and where a frame has
/// none on one side.
static constexpr int default_steps = 0, default_steps_beyond = 1;

Engine::Engine(const MardiniSettings &settings, const char *checkpoint, const MardiniFormat &format)
    : log_(settings.log), log_opaque_(settings.log_opaque), threads_(settings.threads),
      steps_(settings.steps), seed_(settings.seed), geometry_(format)
{
    enter();
    device_ = choose_device(settings, format);
    load(checkpoint);
    painter_ =
        make_painter(device_, settings, geometry_,
                     {network_->generator->hidden_channels(), network_->generator->aligns(),
                      network_->detail > 0},
                     profile_, [this](int level, const std::string &line) { say(level, line); });
    use_precision(settings.precision);
    limit_memory(settings.memory);
    references_ = std::make_unique<ReferenceStore>(network_, *painter_, profile_);
    planner_ = std::make_unique<WindowPlanner>(
        network_, *references_, geometry_, device_,
        MotionRequest{settings.motion, settings.camera, settings.seed, 0}, profile_);
    say(MARDINI_LOG_VERBOSE, std::string("network ") + network_->config().preset + " on " +
                                 device_.str() + " in " + (bf16_ ? "bf16" : "fp32") +
                                 ", motion at 1/" + std::to_string(geometry_.reduction));
}

Engine::~Engine()
{
    const std::string report = profile_.report();
    if (!report.empty())
        say(Profile::is_wanted() ? MARDINI_LOG_INFO : MARDINI_LOG_VERBOSE, report);
}

void Engine::say(int level, const std::string &message) const
{
    if (log_)
        log_(log_opaque_, level, message.c_str());
}

void Engine::enter() const
{
    // Read once: LibTorch passes a count that one context set on to the next as the default.
    static const int usual = [] {
        at::init_num_threads();
        return at::get_num_threads();
    }();
    at::init_num_threads();
    at::set_num_threads(threads_ > 0 ? threads_ : usual);
}

// ---- opening -------------------------------------------------------------------------

void Engine::load(const char *checkpoint)
{
    network_ = load_network(checkpoint);
    network_->to(device_);
    can_sample_ = steps_ != 0 && network_->denoiser && network_->denoiser->is_trained();
    if (steps_ > 0 && !can_sample_)
        throw Error(ENOSYS, "steps=" + std::to_string(steps_) + " was asked for, but \"" +
                                checkpoint + "\" has no trained denoiser; use steps=0.");
}

void Engine::use_precision(int precision)
{
    bf16_ = precision == MARDINI_PRECISION_AUTO ? painter_->multiplies_bf16()
                                                : precision == MARDINI_PRECISION_BF16;
    convert_weights();
}

/// Weights in the type and layout of their use: else every call would convert them.
void Engine::convert_weights()
{
    torch::NoGradGuard no_grad;
    for (auto &module : network_->modules()) {
        const bool is_conv = module->as<torch::nn::Conv2d>(),
                   is_linear = module->as<torch::nn::Linear>();
        if (!is_conv && !is_linear)
            continue;
        for (auto &p : module->parameters(/*recurse=*/false)) {
            Tensor t = bf16_ ? p.detach().to(torch::kBFloat16) : p.detach();
            p.set_data(is_conv && p.dim() == 4 ? t.contiguous(at::MemoryFormat::ChannelsLast) : t);
        }
    }
}

void Engine::limit_memory(int64_t megabytes)
{
    NetworkMemory m{0, 0, bf16_};
    for (const auto &p : network_->parameters())
        m.weights += 4 * p.numel(); // as float32, whatever they are used in
    const int64_t r = geometry_.reduction;
    if (can_sample_)
        m.noise = bytes_of_noise(geometry_.height / r / 2, geometry_.width / r / 2);
    frames_ = std::make_unique<FramesAtATime>(painter_->is_concurrent(), device_.type(), bf16_);
    frames_->warn = [this](const std::string &line) { say(MARDINI_LOG_WARNING, line); };
    frames_->limit(fit_memory(megabytes, geometry_, m, *painter_));
}

// ---- reference frames ----------------------------------------------------------------

void Engine::add_frame(int64_t id, const MardiniFrame &frame)
{
    const auto order = painter_->order_streams();
    Autocast autocast(device_.type(), bf16_);
    references_->add(id, frame);
}

void Engine::drop_frame(int64_t id)
{
    references_->drop(id);
}

double Engine::compare(int64_t before, int64_t after)
{
    Profile::Timer timer(profile_, Stage::Compare);
    return 100 * unlikeness(references_->find(before).features, references_->find(after).features);
}

// ---- masked frames -------------------------------------------------------------------

static std::string positions_of(const MardiniWindow &w)
{
    std::string line = "window: given";
    for (int i = 0; i < w.num_given; i++)
        line += " " + std::to_string(w.ids[i]) + "@" + std::to_string(w.times[i]);
    line += ", masked";
    for (int i = 0; i < w.num_masked; i++)
        line += " " + std::to_string(w.masked[i]);
    return line;
}

void Engine::make(const MardiniWindow *windows, int num_windows)
{
    const auto order = painter_->order_streams();
    Autocast autocast(device_.type(), bf16_);
    for (int n = 0; n < num_windows; n++)
        say(MARDINI_LOG_VERBOSE, positions_of(windows[n]));
    const std::vector<MardiniWindow> parts = split_by_pair(windows, num_windows);
    // In groups of about as many frames as run at once: memory does not grow with their number.
    for (size_t first = 0, last = 0; first < parts.size(); first = last) {
        for (int64_t frames = 0; last < parts.size() && frames < frames_->most(); last++)
            frames += parts[last].num_masked;
        make_together({parts.begin() + static_cast<ptrdiff_t>(first),
                       parts.begin() + static_cast<ptrdiff_t>(last)});
    }
}

void Engine::make_together(const std::vector<MardiniWindow> &parts)
{
    std::vector<int64_t> sources;
    std::vector<std::pair<size_t, int64_t>> frames; // part, index in it
    for (size_t n = 0; n < parts.size(); n++) {
        for (int k : references_of(parts[n], 0).index)
            sources.push_back(parts[n].ids[k]);
        for (int i = 0; i < parts[n].num_masked; i++)
            frames.emplace_back(n, i);
    }
    {
        Profile::Timer timer(profile_, Stage::Load);
        painter_->retain(sources);
    }
    const std::vector<PlannedWindow> planned = planner_->plan(parts, *frames_);
    frames_->run(static_cast<int64_t>(frames.size()),
                 [&](int64_t k) { make_frame(planned[frames[k].first], frames[k].second); });
    painter_->finish();
    profile_.add_frames(static_cast<int>(frames.size()));
}

void Engine::make_frame(const PlannedWindow &planned, int64_t i)
{
    const PlannedFrame frame = frame_of(planned, i);
    const Refined refined = refine(planned, frame, i);
    PaintJob job = paint_job(frame, refined);
    if (const int steps = steps_for(frame))
        job.sampled_residual = sample_residual(frame, refined, steps);
    const MardiniWindow &w = *planned.window;
    painter_->paint(job, w.out[i], w.confidence ? w.confidence + i : nullptr);
}

Refined Engine::refine(const PlannedWindow &planned, const PlannedFrame &frame, int64_t i)
{
    const Features &before = references_->find(frame.before).features,
                   &after = references_->find(frame.after).features;
    if (!frame.single_reference) {
        Profile::Timer timer(profile_, Stage::Refine);
        return network_->generator->refine(plan_of_frame(planned.plan, i), before, after,
                                           frame.pair);
    }
    Refined r;
    const int64_t h = 4 * before.eighth.size(2), w = 4 * before.eighth.size(3);
    r.half = motion_at(planned.sampled, frame.time, h, w);
    r.hidden = at::zeros({1, network_->generator->hidden_channels(), h / 2, w / 2},
                         r.half.velocity.options());
    return r;
}

int Engine::steps_for(const PlannedFrame &frame) const
{
    if (steps_ >= 0 || !can_sample_)
        return std::max(steps_, 0);
    const bool between =
        !frame.single_reference && frame.distance_before <= 0 && frame.distance_after >= 0;
    return between ? default_steps : default_steps_beyond;
}

/// Change of the deterministic frame by sampling, 0 where its confidence is whole. At the motion
/// resolution, which the denoiser was trained at. (1,6,h,w) float32
Tensor Engine::sample_residual(const PlannedFrame &frame, const Refined &refined, int steps)
{
    Profile::Timer timer(profile_, Stage::Denoise);
    Bridge bridge;
    const Tensor &before = references_->motion_input(frame.before);
    if (frame.single_reference) {
        bridge = bridge_of_single_reference(before, geometry_.format.height / geometry_.reduction,
                                            geometry_.format.width / geometry_.reduction,
                                            refined.half, frame.pair, refined.hidden.size(1));
    } else {
        Output o;
        o.refined = refined;
        o.pairs = frame.pair;
        const Tensor &after = references_->motion_input(frame.after);
        o.motion = network_->aligned(refined, before, after, frame.pair);
        network_->finish(o, before, after);
        bridge = o.bridge();
    }
    const Tensor from = displacements(refined.half, frame.pair).first;
    return network_->denoiser->sample(bridge, carry_noise(seed_, frame.key, from), steps) -
           bridge.estimate;
}

PaintJob Engine::paint_job(const PlannedFrame &frame, const Refined &refined)
{
    PaintJob job{};
    job.before = frame.before;
    job.after = frame.after;
    job.distance_before = frame.distance_before;
    job.distance_after = frame.distance_after;
    job.motion = refined.half;
    job.hidden = refined.hidden;
    job.head_type = bf16_ ? torch::kBFloat16 : torch::kFloat32;
    job.single_reference = frame.single_reference;
    if (frame.single_reference) { // the head corrects by the difference of two frames
        job.residual_gate = 1;
        job.head = [](const Tensor &x) {
            return at::zeros({1, num_head_outputs, x.size(2), x.size(3)}, x.options());
        };
    } else {
        job.residual_gate = residual_gate(frame.distance_before, frame.distance_after);
        job.head = [this](const Tensor &x) { return network_->generator->pixel_head(x); };
        job.detail = static_cast<float>(network_->detail);
    }
    if (network_->generator->aligns() && frame.distance_before < 0 && frame.distance_after > 0)
        job.trust = [this, hidden = refined.hidden](const Alignment &a, const Tensor &visibility) {
            return network_->generator->trust(hidden, a, visibility);
        };
    return job;
}

} // namespace mardini
