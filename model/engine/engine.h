// One run of the network for the library: reference frames in, masked frames out.
#pragma once

#include "engine/device.h"
#include "engine/memory.h"
#include "engine/plan.h"
#include "engine/references.h"

#include <string>
#include <vector>

namespace mardini {

/// One call at a time. Errors are thrown.
class Engine {
public:
    /// @param checkpoint  path of a file that exists
    Engine(const MardiniSettings &settings, const char *checkpoint, const MardiniFormat &format);
    ~Engine();
    Engine(const Engine &) = delete;
    Engine &operator=(const Engine &) = delete;

    /// Send a line to the caller's log.
    void say(int level, const std::string &message) const;

    /// Call first in every entry: LibTorch's thread count belongs to the calling thread.
    void enter() const;

    void add_frame(int64_t id, const MardiniFrame &frame);
    void drop_frame(int64_t id);

    /// How unlike two reference frames are, 0 to 100.
    double compare(int64_t before, int64_t after);

    /// Synthesize all masked frames of the windows.
    void make(const MardiniWindow *windows, int num_windows);

private:
    void load(const char *checkpoint);
    void use_precision(int precision);
    void convert_weights();
    void limit_memory(int64_t megabytes);
    void make_together(const std::vector<MardiniWindow> &parts);
    void make_frame(const PlannedWindow &planned, int64_t i);
    Refined refine(const PlannedWindow &planned, const PlannedFrame &frame, int64_t i);
    int steps_for(const PlannedFrame &frame) const;
    Tensor sample_residual(const PlannedFrame &frame, const Refined &refined, int steps);
    PaintJob paint_job(const PlannedFrame &frame, const Refined &refined);

    // What the caller asked for
    const MardiniLog log_;
    void *const log_opaque_;
    const int threads_;
    const int steps_; ///< negative: steps_for() chooses
    const int64_t seed_;

    Profile profile_;
    const Geometry geometry_;
    torch::Device device_{torch::kCPU};
    Network network_{nullptr};
    bool bf16_ = false, can_sample_ = false;
    std::unique_ptr<Painter> painter_;
    std::unique_ptr<ReferenceStore> references_;
    std::unique_ptr<WindowPlanner> planner_;
    std::unique_ptr<FramesAtATime> frames_;
};

} // namespace mardini
