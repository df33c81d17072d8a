// Which files of folders are videos, pictures and packs, by the endings of their names.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace mardini::train {

bool is_pack(const std::string &path);
bool is_picture(const std::string &path);
bool is_video(const std::string &path);

/// Whether a name begins with one of the prefixes.
bool is_excluded(const std::string &name, const std::vector<std::string> &prefixes);

/// The wanted files of folders, searched to any depth, and the files among `places` whatever their
/// endings; sorted, without those whose names are excluded. Throws std::runtime_error (one
/// sentence) if a place does not exist.
std::vector<std::string> list_files(const std::vector<std::string> &places,
                                    const std::vector<std::string> &exclude,
                                    const std::function<bool(const std::string &)> &wanted);

/// The name of a file without its folder.
std::string file_name(const std::string &path);

/// Names with commas between them.
std::string joined(const std::vector<std::string> &names);

} // namespace mardini::train
