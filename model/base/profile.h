// Where the time went, by stage.
#pragma once

#include <array>
#include <chrono>
#include <mutex>
#include <string>

namespace mardini {

/// What an engine spends time on, in the order of the data. Refine and denoise are counted for each
/// made frame, encoder for each given one, match for each pair, planner for each window.
enum class Stage { Load, Encoder, Compare, Match, Planner, Refine, Denoise, Sample, Head, Store };

class Profile {
public:
    /// Counts the time of one thread until it dies, or until stop().
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

    /// So many more made frames: what the report divides by.
    void add_frames(int count) { frames_ += count; }

    /// One line a stage that took part, ending in a sum; empty if nothing was made.
    std::string report() const;

    /// True if MARDINI_PROFILE=1 is in the environment: the report is then said aloud, not only at
    /// verbose.
    static bool is_wanted();

private:
    struct Entry {
        double seconds = 0;
        int calls = 0;
    };
    static constexpr int num_stages = static_cast<int>(Stage::Store) + 1;
    std::array<Entry, num_stages> entries_;
    std::mutex adding_;
    int frames_ = 0;
};

} // namespace mardini
