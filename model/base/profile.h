// Time that an engine spends in each stage.
#pragma once

#include <array>
#include <chrono>
#include <mutex>
#include <string>

namespace mardini {

/// Stages of the engine in the order of the data. A call of refine, denoise or align is one
/// synthesized frame, of encoder one given frame, of match one pair, of planner one window.
enum class Stage {
    Load,
    Encoder,
    Compare,
    Match,
    Planner,
    Refine,
    Denoise,
    Align,
    Sample,
    Head,
    Store
};

class Profile {
public:
    /// Adds the time of the current thread to a stage, from construction to stop() or destruction.
    class Timer {
    public:
        Timer(Profile &profile, Stage stage)
            : profile_(profile), stage_(stage), start_(Clock::now())
        {
        }
        ~Timer() { stop(); }
        Timer(const Timer &) = delete;
        Timer &operator=(const Timer &) = delete;
        void stop();

    private:
        using Clock = std::chrono::steady_clock;
        Profile &profile_;
        Stage stage_;
        Clock::time_point start_;
        bool running_ = true;
    };

    /// Count synthesized frames; the report divides by their number.
    void add_frames(int count) { frames_ += count; }

    /// One line: milliseconds a synthesized frame and calls of every stage that was entered, then
    /// the sum. Empty if no frame was counted.
    std::string report() const;

    /// Whether MARDINI_PROFILE is set and not 0. The report then has the level info instead of
    /// verbose.
    static bool is_wanted();

private:
    struct Entry {
        double seconds = 0;
        int calls = 0;
    };
    static constexpr int num_stages = static_cast<int>(Stage::Store) + 1;
    std::array<Entry, num_stages> entries_;
    std::mutex adding_; ///< guards entries_
    int frames_ = 0;
};

} // namespace mardini
