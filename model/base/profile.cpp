#include "base/profile.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace mardini {

/// In the order of Stage.
static const char *const names[] = {"load",    "encoder", "compare", "match", "planner", "refine",
                                    "denoise", "align",   "sample",  "head",  "store"};

void Profile::Timer::stop()
{
    if (!running_)
        return;
    running_ = false;
    const double seconds = std::chrono::duration<double>(Clock::now() - start_).count();
    std::lock_guard lock(profile_.adding_);
    Entry &entry = profile_.entries_[static_cast<int>(stage_)];
    entry.seconds += seconds;
    entry.calls++;
}

std::string Profile::report() const
{
    if (!frames_)
        return "";
    std::string text = "profile, milliseconds a synthesized frame (calls):";
    double sum = 0;
    char part[64];
    for (int i = 0; i < num_stages; i++) {
        const Entry &entry = entries_[i];
        if (!entry.calls)
            continue;
        std::snprintf(part, sizeof(part), " %s %.2f (%d),", names[i], 1e3 * entry.seconds / frames_,
                      entry.calls);
        text += part;
        sum += entry.seconds;
    }
    std::snprintf(part, sizeof(part), " all %.2f, %d frames", 1e3 * sum / frames_, frames_);
    return text + part;
}

bool Profile::is_wanted()
{
    const char *wanted = std::getenv("MARDINI_PROFILE");
    return wanted && *wanted && std::strcmp(wanted, "0") != 0;
}

} // namespace mardini
