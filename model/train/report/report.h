// What a run says while it goes: figures, one line of JSON a report, a line with bar and time left.
#pragma once

#include <nlohmann/json.hpp>

#include <cstdio>
#include <fstream>
#include <map>
#include <string>

namespace mardini::train {

/// Means of named figures since the last report.
class Figures {
public:
    void add(const std::string &name, double value);
    nlohmann::ordered_json take();

private:
    std::map<std::string, std::pair<double, int>> figures_;
};

/// OUT.log and standard error. A terminal gets one line that is written over, anything else whole
/// lines.
class RunReport {
public:
    /// `path`: the log, gone on with if it is there; empty: nothing is said at all (not the first
    /// process).
    explicit RunReport(const std::string &path);

    /// One line of JSON. A full disk is said once and does not stop the run.
    void write(const nlohmann::ordered_json &line);

    /// done 0 .. 1; seconds since the run began; last figures that a person watches
    void progress(double done, double seconds, double frames_per_second);

    /// One whole line for a person.
    void say(const std::string &line);

private:
    std::string path_;
    std::ofstream log_;
    std::string figures_; ///< of the last line, for the terminal
    bool terminal_ = false, open_line_ = false, log_failed_ = false;
    double last_shown_ = -1;
};

/// "2h", "90m", "45s", "1h30m" or a number of minutes -> minutes. Throws std::runtime_error.
double minutes_from(const std::string &text);

/// Seconds as a person reads them: "1h05m", "4m10s", "9s".
std::string duration(double seconds);

} // namespace mardini::train
