// For tests that run ffmpeg: a command's output, framemd5 read into numbers, clips from sources.
#ifndef TESTS_FFMPEG_H
#define TESTS_FFMPEG_H

#include "mardini.h"
#include "support/files.h"

#include <sys/wait.h>

#include <cstdio>
#include <cstdlib>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace ffmpeg {

using namespace files;

inline std::string program()
{
    return environment("MARDINI_FFMPEG", built_file("ffmpeg"));
}

struct Output {
    int status; ///< of the program, -1 if it did not end by itself
    std::string out, err;
};

/// The program failed, and by itself: a shell tells of a signal as 128 and its number.
inline bool is_refusal(const Output &output)
{
    return output.status > 0 && (output.status <= 128 || output.status > 128 + 31);
}

/// Run a shell command line in which FFMPEG stands for the program with its usual options.
inline Output shell(std::string command)
{
    const std::string usual = "'" + program() + "' -hide_banner -nostdin -v warning ",
                      err = scratch("stderr");
    for (size_t at; (at = command.find("FFMPEG ")) != std::string::npos;)
        command.replace(at, 7, usual);
    Output output = {};
    FILE *pipe = popen(("( " + command + " ) 2>'" + err + "'").c_str(), "r");
    if (!pipe)
        return {-1, "", "popen failed"};
    char buffer[4096];
    for (size_t n; (n = fread(buffer, 1, sizeof buffer, pipe)) > 0;)
        output.out.append(buffer, n);
    const int status = pclose(pipe);
    output.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    output.err = read(err);
    remove(err.c_str());
    return output;
}

/// The command line that starts the program mardini.
inline std::string mardini()
{
    return "'" + built_file("mardini") + "'";
}

struct Frame {
    int64_t pts, duration;
    std::string hash;
    bool operator==(const Frame &o) const
    {
        return pts == o.pts && duration == o.duration && hash == o.hash;
    }
};

struct Clip {
    Output output; ///< of the run that made it
    std::string time_base;
    std::vector<Frame> frames;

    /// Of a run that went well: two that failed would be equal.
    std::vector<std::string> hashes() const
    {
        if (output.status)
            throw std::runtime_error("ffmpeg ended with " + std::to_string(output.status) + ": " +
                                     output.err);
        std::vector<std::string> out;
        for (const Frame &frame : frames)
            out.push_back(frame.hash);
        return out;
    }
};

/// Read framemd5's lines into the clip's frames.
inline void read_framemd5(const std::string &text, Clip &clip)
{
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        if (line.rfind("#tb 0: ", 0) == 0)
            clip.time_base = line.substr(7);
        long long pts, duration;
        char hash[33];
        if (line[0] != '#' &&
            sscanf(line.c_str(), "%*d, %*d, %lld, %lld, %*d, %32s", &pts, &duration, hash) == 3)
            clip.frames.push_back({pts, duration, hash});
    }
}

/// Output options for read_framemd5(), with times in `time_base` ticks.
inline std::string framemd5_options(const std::string &time_base = "")
{
    return " -fps_mode passthrough " +
           (time_base.empty() ? "" : "-enc_time_base " + time_base + " ") +
           "-bitexact -f framemd5 ";
}

/// Every frame that ffmpeg's arguments give: its hash and, in `time_base` ticks, its time.
inline Clip frames(const std::string &arguments, const std::string &time_base = "")
{
    Clip clip;
    clip.output = shell("FFMPEG " + arguments + framemd5_options(time_base) + "-");
    read_framemd5(clip.output.out, clip);
    return clip;
}

/// The same of a filter graph that starts with a source.
inline Clip graph(const std::string &graph, const std::string &time_base = "")
{
    return frames("-filter_complex \"" + graph + "\"", time_base);
}

/// Two scenes without an end.
const std::string SCENE = "testsrc2=s=192x128:r=24,format=yuv420p,setsar=1";
const std::string OTHER_SCENE =
    "mandelbrot=s=192x128:r=24:start_scale=0.3:start_x=-0.7,format=yuv420p,setsar=1";

/// FFmpeg 5.1, whose scaler, graph and exit status fall short of later ones'.
inline bool is_5_1()
{
    return shell("FFMPEG -version").out.find("ffmpeg version 5.") == 0;
}

inline size_t count(const std::string &text, const std::string &word)
{
    size_t n = 0;
    for (size_t at = 0; (at = text.find(word, at)) != std::string::npos; at += word.size())
        n++;
    return n;
}

} // namespace ffmpeg

#endif
