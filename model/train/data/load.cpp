// Footage from folders, files and packs.
#include "train/data/load.h"

#include "train/data/decode.h"
#include "train/data/files.h"
#include "train/data/pack_file.h"

#include <stdexcept>

namespace mardini::train {

static std::shared_ptr<const uint8_t> share(std::vector<uint8_t> &&bytes)
{
    auto owner = std::make_shared<std::vector<uint8_t>>(std::move(bytes));
    return {owner, owner->data()};
}

/// Read the packs among `places`, return the others.
static std::vector<std::string> read_packs(const std::vector<std::string> &places,
                                           const LoadOptions &options, bool videos,
                                           Footage &footage)
{
    std::vector<std::string> others;
    for (const std::string &place : places) {
        if (is_pack(place))
            read_pack(place, options, videos, footage);
        else
            others.push_back(place);
    }
    return others;
}

/// Decode a video into `footage`. left: bytes of decoded frames that it may have. Returns the bytes
/// it has; *full is set if it was cut short.
static size_t load_video(const std::string &path, const LoadOptions &options, size_t left,
                         Footage &footage, bool *full)
{
    std::vector<uint8_t> frames;
    std::unique_ptr<MotionMeter> meter;
    Shot video;
    std::string complaint;
    video.num_frames = decode_video(
        path, options.max_side,
        [&](const VideoInfo &info, const uint8_t *data) {
            if (!meter) {
                meter = std::make_unique<MotionMeter>(info.width, info.height);
                video.width = info.width;
                video.height = info.height;
            }
            frames.insert(frames.end(), data, data + video.frame_bytes());
            meter->add(data);
            *full = frames.size() >= left;
            return !*full;
        },
        &complaint);
    if (!complaint.empty())
        tell(options.report, complaint);
    const std::string reason = why_unusable(path, video.width, video.height, video.num_frames);
    if (!reason.empty()) {
        if (!*full)
            tell(options.report, reason);
        return 0;
    }
    frames.shrink_to_fit();
    const size_t bytes = frames.size();
    video.name = file_name(path);
    video.source = source_of(video.name);
    video.frames = share(std::move(frames));
    const std::vector<int> cuts = find_cuts(meter->change);
    video.motion = share(std::move(meter->motion));
    add_shots(footage, video, cuts);
    return bytes;
}

Footage load_videos(const std::vector<std::string> &places, const LoadOptions &options)
{
    Footage footage;
    size_t used = 0;
    const std::vector<std::string> files =
        list_files(read_packs(places, options, true, footage), options.exclude, is_video);
    bool full = false;
    for (size_t i = 0; i < files.size() && !full; i++) {
        try {
            used += load_video(files[i], options, options.memory - used, footage, &full);
        } catch (const std::runtime_error &error) {
            if (!can_decode())
                throw;
            tell(options.report, error.what());
        }
        if (full)
            tell(options.report,
                 "the memory for decoded frames (" + std::to_string(options.memory >> 20) +
                     " MiB) is full: " + files[i] + " is cut short and " +
                     std::to_string(files.size() - 1 - i) + " of " + std::to_string(files.size()) +
                     " videos are left out; raise it or make a pack file");
    }
    if (footage.shots.empty())
        throw std::runtime_error("no usable video in " + joined(places));
    return footage;
}

Footage load_stills(const std::vector<std::string> &places, const LoadOptions &options)
{
    Footage footage;
    for (const std::string &path :
         list_files(read_packs(places, options, false, footage), options.exclude, is_picture)) {
        try {
            Picture picture = decode_picture(path, options.max_still_side);
            Still still{file_name(path), picture.width, picture.height, nullptr};
            still.data = share(std::move(picture.data));
            footage.stills.push_back(still);
        } catch (const std::runtime_error &error) {
            if (!can_decode())
                throw;
            tell(options.report, error.what());
        }
    }
    if (footage.stills.empty())
        throw std::runtime_error("no usable picture in " + joined(places));
    return footage;
}

} // namespace mardini::train
