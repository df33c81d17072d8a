// Progress of a run: the log of JSON lines, and what a person sees on standard error.
#pragma once

#include <nlohmann/json.hpp>

#include <fstream>
#include <string>

namespace mardini::train {

/// A terminal gets one line that is overwritten, anything else whole lines.
class RunReport {
public:
    /// path: of the log, which is appended to; empty: no output at all (not the first process)
    explicit RunReport(const std::string &path);

    /// One line of JSON for the log. A full disk is reported once and does not stop the run.
    void write(const nlohmann::ordered_json &line);

    /// done: 0 .. 1; seconds: since the run began
    void progress(double done, double seconds, double frames_per_second);

    /// One whole line for a person.
    void say(const std::string &line);

private:
    std::string path_;
    std::ofstream log_;
    std::string summary_; ///< metrics of the last line, for the terminal
    bool terminal_ = false, open_line_ = false, log_failed_ = false;
    double last_shown_ = -1;
};

/// "2h", "90m", "45s", "1h30m" or a number of minutes -> minutes. Throws std::runtime_error.
double minutes_from(const std::string &text);

/// Seconds as a person reads them: "1h05m", "4m10s", "9s".
std::string duration(double seconds);

} // namespace mardini::train
