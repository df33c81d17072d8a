// VMAF and VMAF NEG by a program that has libvmaf.
#include "eval/vmaf.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <sys/wait.h>
#include <thread>

namespace mardini::eval {

namespace fs = std::filesystem;

namespace {

/// An empty folder that is removed with all its files.
class TemporaryFolder {
public:
    TemporaryFolder()
    {
        path_ = (fs::temp_directory_path() / "mardini-vmaf-XXXXXX").string();
        if (!mkdtemp(path_.data()))
            throw std::runtime_error("A temporary folder for VMAF cannot be created in " +
                                     fs::temp_directory_path().string() + "; set TMPDIR.");
    }
    ~TemporaryFolder()
    {
        std::error_code error;
        fs::remove_all(path_, error);
    }
    TemporaryFolder(const TemporaryFolder &) = delete;

    std::string file(const std::string &name) const { return path_ + "/" + name; }

private:
    std::string path_;
};

/// A word of a shell command.
std::string quoted(const std::string &word)
{
    std::string out = "'";
    for (char c : word)
        out += c == '\'' ? "'\\''" : std::string(1, c);
    return out + "'";
}

struct CommandResult {
    int status;       ///< -1: not by itself
    std::string text; ///< standard output and error
};

CommandResult run_command(const std::string &command)
{
    FILE *pipe = popen(("( " + command + " ) 2>&1 </dev/null").c_str(), "r");
    if (!pipe)
        return {-1, "no shell can be started"};
    CommandResult result{-1, ""};
    char buffer[4096];
    for (size_t n; (n = fread(buffer, 1, sizeof(buffer), pipe)) > 0;)
        result.text.append(buffer, n);
    const int status = pclose(pipe);
    result.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    return result;
}

bool is_ffmpeg(const std::string &path)
{
    return fs::path(path).filename().string().find("ffmpeg") != std::string::npos;
}

/// Whether a program runs and has libvmaf.
bool has_libvmaf(const std::string &path)
{
    if (!is_ffmpeg(path))
        return run_command(quoted(path) + " --version").status == 0;
    const CommandResult filters = run_command(quoted(path) + " -hide_banner -filters");
    return filters.status == 0 && filters.text.find(" libvmaf ") != std::string::npos;
}

/// Y4M, 4:2:0, 8 bit. The frame rate does not count.
void write_y4m(const std::string &path, const std::vector<Frame> &frames)
{
    std::ofstream out(path, std::ios::binary);
    out << "YUV4MPEG2 W" << frames.at(0)->width << " H" << frames[0]->height
        << " F25:1 Ip A1:1 C420jpeg\n";
    for (const Frame &frame : frames) {
        out << "FRAME\n";
        for (int p = 0; p < 3; p++) {
            const PlaneView plane = plane_of(frame, p);
            for (int y = 0; y < plane.height; y++)
                out.write(reinterpret_cast<const char *>(plane.data + y * plane.stride),
                          plane.width);
        }
    }
    if (!out.flush())
        throw std::runtime_error("VMAF: \"" + path + "\" cannot be written; set TMPDIR.");
}

std::string command_of(const VmafProgram &program, const std::string &truth,
                       const std::string &frames, const std::string &json, int threads)
{
    const std::string count = std::to_string(threads);
    if (program.is_ffmpeg) // the folder's path has no character that a filter graph must escape
        return quoted(program.path) + " -hide_banner -nostdin -v error -i " + quoted(frames) +
               " -i " + quoted(truth) + " -lavfi " +
               quoted("[0:v][1:v]libvmaf=model='version=vmaf_v0.6.1\\:name=vmaf|"
                      "version=vmaf_v0.6.1neg\\:name=vmaf_neg':n_threads=" +
                      count + ":log_fmt=json:log_path='" + json + "'") +
               " -f null -";
    return quoted(program.path) + " --reference " + quoted(truth) + " --distorted " +
           quoted(frames) +
           " --model version=vmaf_v0.6.1:name=vmaf"
           " --model version=vmaf_v0.6.1neg:name=vmaf_neg --quiet --threads " +
           count + " --json --output " + quoted(json);
}

std::vector<VmafScore> read_scores(const std::string &path)
{
    std::vector<VmafScore> out;
    std::ifstream in(path);
    const auto root = nlohmann::json::parse(in, nullptr, /*allow_exceptions=*/false);
    if (!root.is_object() || !root.contains("frames"))
        return {};
    for (const auto &frame : root["frames"]) {
        const auto metrics = frame.value("metrics", nlohmann::json::object());
        if (!metrics.contains("vmaf") || !metrics.contains("vmaf_neg"))
            return {};
        out.push_back({metrics["vmaf"].get<double>(), metrics["vmaf_neg"].get<double>()});
    }
    return out;
}

} // namespace

VmafProgram find_vmaf(const std::string &name)
{
    if (name == "none")
        return {"", false, "VMAF is not computed: --vmaf none."};
    if (!name.empty()) {
        if (!has_libvmaf(name))
            throw std::runtime_error("--vmaf " + name +
                                     ": this is neither libvmaf's program vmaf nor an ffmpeg with "
                                     "the filter libvmaf; name one of these, or none.");
        return {name, is_ffmpeg(name), ""};
    }
    std::error_code error;
    const fs::path folder = fs::read_symlink("/proc/self/exe", error).parent_path();
    for (const std::string &program :
         {std::string("vmaf"), (folder / "ffmpeg").string(), std::string("ffmpeg")})
        if (has_libvmaf(program))
            return {program, is_ffmpeg(program), ""};
    return {"", false,
            "VMAF is not computed: there is no program vmaf and no ffmpeg with the filter libvmaf; "
            "name one by --vmaf."};
}

std::vector<VmafScore> vmaf_scores(const VmafProgram &program, const std::vector<Frame> &truth,
                                   const std::vector<Frame> &frames, int threads)
{
    const TemporaryFolder folder;
    const std::string truth_file = folder.file("truth.y4m"),
                      frames_file = folder.file("frames.y4m"), json = folder.file("scores.json");
    write_y4m(truth_file, truth);
    write_y4m(frames_file, frames);
    if (threads <= 0)
        threads = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
    const CommandResult run =
        run_command(command_of(program, truth_file, frames_file, json, threads));
    const std::vector<VmafScore> scores = read_scores(json);
    if (run.status == 0 && scores.size() == truth.size())
        return scores;
    const std::string words = run.text.substr(0, run.text.find('\n'));
    throw std::runtime_error("VMAF: " + program.path + " gave scores of " +
                             std::to_string(scores.size()) + " of " + std::to_string(truth.size()) +
                             " frames" + (words.empty() ? "." : ": " + words));
}

} // namespace mardini::eval
