// Which files of folders are videos, pictures and packs, by the endings of their names.
#include "train/data/files.h"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <initializer_list>
#include <stdexcept>

namespace mardini::train {

namespace fs = std::filesystem;

static bool ends_in(const std::string &name, std::initializer_list<const char *> endings)
{
    std::string ending = fs::path(name).extension().string();
    std::transform(ending.begin(), ending.end(), ending.begin(),
                   [](unsigned char c) { return std::tolower(c); });
    return std::any_of(endings.begin(), endings.end(), [&](const char *e) { return ending == e; });
}

bool is_pack(const std::string &path)
{
    return ends_in(path, {".pack"});
}

bool is_picture(const std::string &path)
{
    return ends_in(path, {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".ppm"});
}

bool is_video(const std::string &path)
{
    return ends_in(path, {".mp4", ".mkv", ".webm", ".mov", ".avi", ".m4v", ".mpg", ".mpeg", ".ts",
                          ".y4m", ".ogv", ".flv", ".wmv", ".nut", ".m2ts", ".3gp", ".mxf"});
}

bool is_excluded(const std::string &name, const std::vector<std::string> &prefixes)
{
    return std::any_of(prefixes.begin(), prefixes.end(),
                       [&](const std::string &prefix) { return name.starts_with(prefix); });
}

std::string file_name(const std::string &path)
{
    return fs::path(path).filename().string();
}

std::vector<std::string> list_files(const std::vector<std::string> &places,
                                    const std::vector<std::string> &exclude,
                                    const std::function<bool(const std::string &)> &wanted)
{
    std::vector<std::string> files;
    for (const std::string &place : places) {
        std::error_code error;
        if (fs::is_directory(place, error)) {
            fs::recursive_directory_iterator it(place, error), end;
            for (; !error && it != end; it.increment(error))
                if (it->is_regular_file() && wanted(it->path().string()))
                    files.push_back(it->path().string());
            if (error)
                throw std::runtime_error(place + ": cannot be listed: " + error.message());
        } else if (fs::is_regular_file(place, error)) {
            files.push_back(place); // named one by one: whatever its ending
        } else {
            throw std::runtime_error(place + ": no such file or folder");
        }
    }
    std::sort(files.begin(), files.end());
    files.erase(std::unique(files.begin(), files.end()), files.end());
    std::erase_if(files,
                  [&](const std::string &file) { return is_excluded(file_name(file), exclude); });
    return files;
}

std::string joined(const std::vector<std::string> &names)
{
    std::string all;
    for (const std::string &name : names)
        all += (all.empty() ? "" : ", ") + name;
    return all;
}

} // namespace mardini::train
