// The files of an evaluation.
#include "eval/dataset.h"

#include <c10/util/Exception.h>

#include <algorithm>
#include <filesystem>
#include <stdexcept>

namespace mardini::eval {

const std::vector<std::string> video_endings = {".mp4", ".mkv", ".webm", ".y4m", ".mov", ".avi",
                                                ".nut", ".ivf", ".m4v",  ".mpg", ".ts",  ".wmv"};
const std::vector<std::string> picture_endings = {".jpg", ".jpeg", ".png",  ".bmp",
                                                  ".tif", ".tiff", ".webp", ".ppm"};

std::vector<std::string> list_files(const std::string &folder,
                                    const std::vector<std::string> &endings)
{
    namespace fs = std::filesystem;
    std::error_code error;
    if (fs::is_regular_file(folder, error))
        return {folder};
    if (!fs::is_directory(folder, error))
        throw std::runtime_error("\"" + folder + "\" is neither a folder nor a file.");
    std::vector<std::string> out;
    for (const fs::directory_entry &entry : fs::directory_iterator(folder)) {
        std::string ending = entry.path().extension().string();
        std::transform(ending.begin(), ending.end(), ending.begin(),
                       [](unsigned char c) { return std::tolower(c); });
        if (entry.is_regular_file() &&
            std::find(endings.begin(), endings.end(), ending) != endings.end())
            out.push_back(entry.path().string());
    }
    std::sort(out.begin(), out.end());
    return out;
}

std::vector<FilterSpec> input_filters(const EvalOptions &options)
{
    std::vector<FilterSpec> filters;
    if (options.max_height > 0)
        filters.push_back(
            {"scale", {{"w", "-2"}, {"h", "min(" + std::to_string(options.max_height) + ",ih)"}}});
    filters.push_back({"format", {{"pix_fmts", "yuv420p"}}});
    return filters;
}

int for_each_file(const EvalOptions &options, const std::vector<std::string> &endings, int frames,
                  const std::function<void(const Clip &)> &body)
{
    const std::vector<std::string> files = list_files(options.data, endings);
    const bool pictures = std::find(endings.begin(), endings.end(), ".png") != endings.end();
    if (files.empty())
        throw std::runtime_error("The folder \"" + options.data + "\" has no video" +
                                 (pictures ? " and no picture" : "") + " in it.");
    int left_out = 0;
    const auto leave_out = [&](const std::string &file, const std::string &reason) {
        if (files.size() == 1)
            throw std::runtime_error(reason);
        const std::string name = std::filesystem::path(file).filename().string();
        const bool named = reason.find(name) != std::string::npos;
        std::fprintf(stderr, "mardini: left out: %s%s\n", named ? "" : (name + ": ").c_str(),
                     reason.c_str());
        left_out++;
    };
    for (const std::string &file : files) {
        try {
            body(read_clip(file, frames, input_filters(options)));
        } catch (const c10::Error &e) {
            leave_out(file, e.what_without_backtrace());
        } catch (const std::runtime_error &e) {
            leave_out(file, e.what());
        }
    }
    return left_out;
}

int for_each_clip(const EvalOptions &options, int frames,
                  const std::function<void(const Clip &)> &body)
{
    int num = 0;
    const int left_out = for_each_file(options, video_endings, frames, [&](const Clip &clip) {
        if (static_cast<int>(clip.frames.size()) < frames) {
            std::fprintf(stderr, "mardini: %s has %zu frames, %d are wanted\n", clip.name.c_str(),
                         clip.frames.size(), frames);
            return;
        }
        body(clip);
        num++;
    });
    if (!num)
        throw std::runtime_error("No clip in \"" + options.data + "\" has " +
                                 std::to_string(frames) + " frames that can be read.");
    return left_out;
}

} // namespace mardini::eval
