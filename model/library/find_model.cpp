/*
 * Copyright (C) 2026 the mardini authors
 *
 * This library is free software; you can redistribute it and/or modify it under
 * the terms of the GNU Lesser General Public License as published by the Free
 * Software Foundation; either version 2.1 of the License, or (at your option)
 * any later version. It comes without any warranty; see LICENSE.
 */

#include "library/find_model.h"

#include <dlfcn.h>
#include <link.h>
#include <sys/stat.h>

#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "base/error.h"

namespace mardini {

namespace {

const char ENDING[] = ".safetensors";

/// Best first.
constexpr const char *PRESETS_CPU[] = {"nano"};
constexpr const char *PRESETS_CUDA[] = {"small", "nano"};

/// Path of the shared object that holds an address; empty for the program itself.
std::string object_of(const void *address)
{
    Dl_info info;
    link_map *map = nullptr;
    void **out = reinterpret_cast<void **>(&map);
    return dladdr1(address, &info, out, RTLD_DL_LINKMAP) && map ? map->l_name : "";
}

bool is_file(const std::string &path)
{
    struct stat status;
    return stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode);
}

bool ends_with(const std::string &name, const std::string &ending)
{
    return name.size() > ending.size() &&
           name.compare(name.size() - ending.size(), ending.size(), ending) == 0;
}

/// Folders that may hold presets, in the order of the search.
std::vector<std::string> model_folders()
{
    std::vector<std::string> folders;
    if (const char *list = getenv("MARDINI_MODEL_PATH")) {
        for (const char *end = list; *list; list = *end ? end + 1 : end) {
            end = list + strcspn(list, ":");
            if (end > list)
                folders.emplace_back(list, end);
        }
    }
    const std::string beside = library_folder();
    folders.push_back(beside);
    folders.push_back(beside + "/weights");
    folders.push_back(beside + "/../model/weights"); // the library lies in build/
    folders.push_back(beside + "/../share/mardini"); // the library lies in lib/
#ifdef MARDINI_PREFIX
    folders.push_back(MARDINI_PREFIX "/share/mardini");
#endif
    return folders;
}

std::string join(const std::vector<std::string> &words)
{
    std::string out;
    for (const std::string &word : words)
        out += (out.empty() ? "" : ", ") + word;
    return out;
}

} // namespace

std::string library_folder()
{
    std::string path = object_of(reinterpret_cast<void *>(&library_folder));
    if (path.empty()) // this code is part of a program: the libmardini that it has loaded
        if (const void *version = dlsym(RTLD_DEFAULT, "mardini_version"))
            path = object_of(version);
    if (path.empty())
        path = "/proc/self/exe";
    const std::unique_ptr<char, decltype(&free)> real(realpath(path.c_str(), nullptr), &free);
    if (real)
        path = real.get();
    const size_t slash = path.rfind('/');
    return slash == std::string::npos ? "." : path.substr(0, slash);
}

bool runs_on_cuda(const char *device, bool frames_on_cuda, int (*sees_cuda)())
{
    const std::string name = device ? device : "auto";
    return frames_on_cuda || name.rfind("cuda", 0) == 0 || (name == "auto" && sees_cuda());
}

std::string find_model(const char *model, bool on_cuda)
{
    std::vector<std::string> names;
    if (model) {
        const std::string name = model;
        if (is_file(name))
            return name;
        if (name.empty() || ends_with(name, ENDING) || name.find('/') != std::string::npos)
            throw Error(ENOENT, text("model file '%s' does not exist or is no file", model));
        names.push_back(name);
    } else if (on_cuda) {
        names.assign(std::begin(PRESETS_CUDA), std::end(PRESETS_CUDA));
    } else {
        names.assign(std::begin(PRESETS_CPU), std::end(PRESETS_CPU));
    }
    const std::vector<std::string> folders = model_folders();
    for (const std::string &name : names)
        for (const std::string &folder : folders)
            if (is_file(folder + "/" + name + ENDING))
                return folder + "/" + name + ENDING;
    const char *last = names.back().c_str();
    throw Error(ENOENT,
                text("no model '%s': %s%s was looked for in %s; give a file's path, or name "
                     "its folder in MARDINI_MODEL_PATH",
                     last, last, ENDING, join(folders).c_str()));
}

} // namespace mardini
