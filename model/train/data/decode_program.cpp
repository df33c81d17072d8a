// Reading videos and pictures through a program ffmpeg: it writes YUV4MPEG2 into a pipe.
//   in   a file, the program
//   out  8-bit planes
#include "train/data/decode_program.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <stdexcept>

extern char **environ;

namespace mardini::train {

std::string find_ffmpeg()
{
    const char *named = std::getenv("MARDINI_FFMPEG");
    if (named && *named)
        return named;
    const char *list = std::getenv("PATH");
    for (std::string rest = list ? list : ""; !rest.empty();) {
        size_t colon = std::min(rest.find(':'), rest.size());
        std::string file = rest.substr(0, colon) + "/ffmpeg";
        if (!access(file.c_str(), X_OK))
            return file;
        rest.erase(0, colon + 1);
    }
    return "";
}

namespace {

// A running program whose standard output is read.
class Reader {
public:
    explicit Reader(const std::vector<std::string> &words)
    {
        int ends[2];
        if (pipe2(ends, O_CLOEXEC))
            throw std::runtime_error(std::string("no pipe: ") + std::strerror(errno));
        posix_spawn_file_actions_t actions;
        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
        posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
        std::vector<char *> arguments;
        for (const std::string &word : words)
            arguments.push_back(const_cast<char *>(word.c_str()));
        arguments.push_back(nullptr);
        int error =
            posix_spawnp(&child, arguments[0], &actions, nullptr, arguments.data(), environ);
        posix_spawn_file_actions_destroy(&actions);
        close(ends[1]);
        if (error) {
            close(ends[0]);
            throw std::runtime_error(words[0] + ": cannot be run: " + std::strerror(error));
        }
        file = fdopen(ends[0], "rb");
    }
    ~Reader() { finish(); }
    Reader(const Reader &) = delete;

    bool line(std::string *text)
    {
        text->clear();
        for (int c; (c = std::fgetc(file)) != EOF; *text += char(c))
            if (c == '\n')
                return true;
        return false;
    }

    bool read(std::vector<uint8_t> &bytes)
    {
        return std::fread(bytes.data(), 1, bytes.size(), file) == bytes.size();
    }

    // True if the program ended well. Closing the pipe first ends one that still writes.
    bool finish()
    {
        if (!file)
            return ended_well;
        std::fclose(file);
        file = nullptr;
        int status;
        ended_well =
            waitpid(child, &status, 0) == child && WIFEXITED(status) && !WEXITSTATUS(status);
        return ended_well;
    }

private:
    pid_t child = 0;
    FILE *file = nullptr;
    bool ended_well = false;
};

// Runs the program and hands over frames; true if it ended well.
bool each_frame(const std::string &program, const std::string &path, int max_side,
                const char *format, int samples,
                const std::function<bool(const VideoInfo &, const std::vector<uint8_t> &)> &sink)
{
    // the even sides that decode_video() has
    std::string side = std::to_string(max_side), scale = "min(1," + side + "/max(iw,ih))";
    std::string shrink = "scale=w='max(2,2*trunc(trunc(iw*" + scale +
                         "+.5)/2))':h='max(2,2*trunc(trunc(ih*" + scale + "+.5)/2))'";
    Reader reader({program, "-v", "error", "-nostdin", "-i", path, "-map", "0:v:0", "-fps_mode",
                   "passthrough", "-vf", shrink + ",format=" + format, "-strict", "-1", "-f",
                   "yuv4mpegpipe", "-"});
    std::string header;
    VideoInfo info;
    int rate = 0, over = 1;
    if (!reader.line(&header) || std::sscanf(header.c_str(), "YUV4MPEG2 W%d H%d F%d:%d",
                                             &info.width, &info.height, &rate, &over) < 2)
        return false;
    info.fps = over > 0 ? double(rate) / over : 0;
    if (info.width < 2 || info.height < 2 || info.width > max_side || info.height > max_side)
        throw std::runtime_error(path + ": " + program + " gave it an impossible size");
    std::vector<uint8_t> planes(size_t(info.width) * info.height * samples / 2);
    for (std::string line; reader.line(&line);) {
        if (line.rfind("FRAME", 0) || !reader.read(planes))
            return false;
        if (!sink(info, planes))
            return true;
    }
    return reader.finish();
}

} // namespace

int decode_video_by(const std::string &program, const std::string &path, int max_side,
                    const std::function<bool(const VideoInfo &, const uint8_t *)> &sink,
                    std::string *complaint)
{
    int num_frames = 0;
    bool good = each_frame(program, path, max_side, "yuv420p", 3,
                           [&](const VideoInfo &info, const std::vector<uint8_t> &planes) {
                               num_frames++;
                               return sink(info, planes.data());
                           });
    if (!num_frames)
        throw std::runtime_error(path + ": not one frame can be decoded by " + program);
    if (!good && complaint)
        *complaint = path + ": damaged; " + std::to_string(num_frames) + " frames could be read";
    return num_frames;
}

Picture decode_picture_by(const std::string &program, const std::string &path, int max_side)
{
    Picture picture;
    each_frame(program, path, max_side, "yuv444p", 6,
               [&](const VideoInfo &info, const std::vector<uint8_t> &planes) {
                   picture.width = info.width;
                   picture.height = info.height;
                   picture.data = planes;
                   return false;
               });
    if (picture.data.empty())
        throw std::runtime_error(path + ": cannot be decoded by " + program);
    return picture;
}

} // namespace mardini::train
