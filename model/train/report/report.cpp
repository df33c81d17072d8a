// Progress of a run: the log of JSON lines, and what a person sees on standard error.
#include "train/report/report.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <stdexcept>
#include <unistd.h>

namespace mardini::train {

RunReport::RunReport(const std::string &path) : path_(path), terminal_(isatty(STDERR_FILENO))
{
    if (!path_.empty())
        log_.open(path_, std::ios::app);
}

void RunReport::say(const std::string &line)
{
    if (path_.empty())
        return;
    std::fprintf(stderr, "%s%s\n", open_line_ ? "\r\033[K" : "", line.c_str());
    open_line_ = false;
}

void RunReport::write(const nlohmann::ordered_json &line)
{
    if (path_.empty())
        return;
    log_.clear(); // the disk may have room again
    log_ << line.dump() << std::endl;
    if (!log_ && !log_failed_)
        say("mardini: " + path_ + " cannot be written; the run goes on and tries again");
    log_failed_ = !log_;
    summary_.clear();
    for (const char *name :
         {"distance", "real_gain", "synthetic_gain", "error_final", "check_gain_2x"})
        if (line.contains(name)) {
            char text[64];
            std::snprintf(text, sizeof text, "  %s %.3g", name, line[name].get<double>());
            summary_ += text;
        }
    if (!terminal_)
        say(line.dump());
}

std::string duration(double seconds)
{
    const long s = std::lround(std::max(0.0, seconds));
    char text[32];
    if (s >= 3600)
        std::snprintf(text, sizeof text, "%ldh%02ldm", s / 3600, s / 60 % 60);
    else if (s >= 60)
        std::snprintf(text, sizeof text, "%ldm%02lds", s / 60, s % 60);
    else
        std::snprintf(text, sizeof text, "%lds", s);
    return text;
}

void RunReport::progress(double done, double seconds, double frames_per_second)
{
    if (path_.empty() || !terminal_ || seconds < last_shown_ + 0.5)
        return;
    last_shown_ = seconds;
    constexpr int width = 20;
    const int full = static_cast<int>(std::clamp(done, 0.0, 1.0) * width);
    const std::string left = done > 0.001 ? duration(seconds * (1 - done) / done) : "?";
    std::fprintf(stderr, "\r[%s%s] %3.0f%%  %s left  %.1f frames/s%s\033[K",
                 std::string(full, '#').c_str(), std::string(width - full, '.').c_str(), 100 * done,
                 left.c_str(), frames_per_second, summary_.c_str());
    open_line_ = true;
}

double minutes_from(const std::string &text)
{
    double minutes = 0;
    const char *at = text.c_str();
    bool good = *at != 0;
    while (good && *at) {
        char *end;
        const double value = std::strtod(at, &end);
        good = end != at && std::isfinite(value) && value >= 0;
        if (!good)
            break;
        const double unit = *end == 'h'                ? 60
                            : *end == 'm' || *end == 0 ? 1
                            : *end == 's'              ? 1 / 60.0
                                                       : 0;
        good = unit > 0;
        minutes += value * unit;
        at = *end ? end + 1 : end;
    }
    if (!good || minutes <= 0)
        throw std::runtime_error("The time \"" + text +
                                 "\" is not understood: 2h, 90m, 45s or 1h30m is wanted.");
    return minutes;
}

} // namespace mardini::train
