// Decoding folders into a pack file.
#include "train/data/pack.h"

#include "train/data/decode.h"
#include "train/data/files.h"
#include "train/data/pack_file.h"

#include <stdexcept>

namespace mardini::train {

/// Decode a video into the pack; false if it cannot be used.
static bool pack_video(PackWriter &writer, const std::string &path, const LoadOptions &options)
{
    std::string complaint;
    std::vector<uint8_t> early; // frames that wait until the video is long enough
    VideoInfo size;
    int num_early = 0;
    bool begun = false;
    auto sink = [&](const VideoInfo &info, const uint8_t *data) {
        size = info;
        const size_t bytes = size_t(info.width) * info.height * 3 / 2;
        if (begun) {
            writer.add_frame(data);
            return true;
        }
        early.insert(early.end(), data, data + bytes);
        if (++num_early < 3)
            return true;
        if (!why_unusable(path, info.width, info.height, num_early).empty())
            return false;
        writer.begin_video(file_name(path), info.width, info.height, info.fps);
        for (int f = 0; f < num_early; f++)
            writer.add_frame(early.data() + f * bytes);
        begun = true;
        return true;
    };
    const int num_frames = decode_video(path, options.max_side, sink, &complaint);
    if (begun)
        writer.end_video();
    else
        complaint = why_unusable(path, size.width, size.height, num_frames);
    if (!complaint.empty())
        tell(options.report, complaint);
    return begun;
}

static bool pack_picture(PackWriter &writer, const std::string &path, const LoadOptions &options)
{
    const Picture picture = decode_picture(path, options.max_still_side);
    writer.add_still(file_name(path), picture.width, picture.height, picture.data.data());
    return true;
}

/// Pack every file; one that cannot be decoded is reported. Returns how many are in the pack.
static int pack_files(PackWriter &writer, const std::vector<std::string> &files,
                      const LoadOptions &options,
                      bool (*pack_one)(PackWriter &, const std::string &, const LoadOptions &))
{
    int count = 0;
    for (const std::string &path : files) {
        try {
            count += pack_one(writer, path, options);
        } catch (const WriteError &) {
            throw;
        } catch (const std::runtime_error &error) {
            tell(options.report, error.what());
        }
    }
    return count;
}

void pack(const std::vector<std::string> &folders, const std::string &stills,
          const std::string &out, const LoadOptions &options)
{
    if (folders.empty() && stills.empty())
        throw std::runtime_error("There is nothing to pack: name folders with --data or --stills.");
    if (!can_decode())
        throw std::runtime_error(
            out + ": cannot be written: this program was built without libav* and finds no ffmpeg");
    PackWriter writer(out);
    const int num_videos =
        pack_files(writer, list_files(folders, options.exclude, is_video), options, pack_video);
    if (!folders.empty() && !num_videos)
        throw std::runtime_error("no usable video in " + joined(folders));
    std::vector<std::string> pictures;
    if (!stills.empty())
        pictures = list_files({stills}, options.exclude, is_picture);
    const int num_stills = pack_files(writer, pictures, options, pack_picture);
    if (folders.empty() && !num_stills)
        throw std::runtime_error("no usable picture in " + stills);
    writer.finish();
    tell(options.report, out + ": " + std::to_string(num_videos) + " videos, " +
                             std::to_string(num_stills) + " pictures");
}

} // namespace mardini::train
