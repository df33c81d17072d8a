// Small videos, packs and folders for the tests of the trainer.
#ifndef TESTS_TRAIN_FOOTAGE_H
#define TESTS_TRAIN_FOOTAGE_H

#include "train/data/pack_file.h"

#include <cstdlib>
#include <filesystem>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

namespace footage {

/// A temporary folder, removed at the end of its scope.
struct Folder {
    std::filesystem::path path;
    Folder()
    {
        std::string name =
            (std::filesystem::temp_directory_path() / "mardini-data-XXXXXX").string();
        if (!mkdtemp(name.data()))
            throw std::runtime_error("no temporary folder");
        path = name;
    }
    ~Folder() { std::filesystem::remove_all(path); }
    std::string operator/(const std::string &name) const { return (path / name).string(); }
};

/// The luma code of a pixel of frame f.
using Luma = std::function<int(int f, int x, int y)>;

inline void write_video(mardini::train::PackWriter &writer, const std::string &name, int width,
                        int height, int num_frames, const Luma &luma)
{
    writer.begin_video(name, width, height, 25);
    std::vector<uint8_t> frame(size_t(width) * height * 3 / 2, 128);
    for (int f = 0; f < num_frames; f++) {
        for (int y = 0; y < height; y++)
            for (int x = 0; x < width; x++)
                frame[size_t(y) * width + x] = uint8_t(luma(f, x, y));
        writer.add_frame(frame.data());
    }
    writer.end_video();
}

} // namespace footage

#endif
