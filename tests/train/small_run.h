// A run of the trainer that takes seconds, and the clip that it learns from.
#ifndef TESTS_TRAIN_SMALL_RUN_H
#define TESTS_TRAIN_SMALL_RUN_H

#include "train/data/pack_file.h"
#include "train/options.h"

#include "support/ffmpeg.h"

#include <cmath>
#include <filesystem>

/// A clip of smooth waves that slide, as a pack: `frames` frames, 3 pixels a frame.
inline std::string sliding_pack(int frames = 40)
{
    const std::string path = ffmpeg::scratch("sliding.pack");
    constexpr int width = 128, height = 96;
    mardini::train::PackWriter writer(path);
    writer.begin_video("sliding-1.mp4", width, height, 25);
    std::vector<uint8_t> frame(width * height * 3 / 2, 128);
    for (int f = 0; f < frames; f++) {
        for (int y = 0; y < height; y++)
            for (int x = 0; x < width; x++)
                frame[y * width + x] =
                    static_cast<uint8_t>(128 + 50 * std::sin((x + 3 * f) * 0.21 + y * 0.05) +
                                         40 * std::cos(y * 0.17 - (x + 3 * f) * 0.07));
        writer.add_frame(frame.data());
    }
    writer.end_video();
    writer.finish();
    return path;
}

inline mardini::train::TrainOptions small_run(const std::string &out)
{
    mardini::train::TrainOptions o;
    o.data = {sliding_pack()};
    o.out = ffmpeg::scratch(out);
    o.crop = 64;
    o.batch = 2;
    o.threads = 1;
    o.bf16 = false;
    o.log_every = 2;
    for (const char *ending : {"", ".state", ".log", ".svg", ".png"})
        std::filesystem::remove(o.out + ending);
    return o;
}

#endif
