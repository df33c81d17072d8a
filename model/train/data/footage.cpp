// Decoded videos and pictures in memory: videos cut into shots, their motion measured.
#include "train/data/footage.h"

#include <algorithm>

namespace mardini::train {

void tell(const Report &report, const std::string &sentence)
{
    if (report)
        report(sentence);
}

std::string source_of(const std::string &name)
{
    return name.substr(0, name.find('-'));
}

std::string why_unusable(const std::string &path, int width, int height, int num_frames)
{
    if (std::min(width, height) < motion_block)
        return path + ": left out: " + std::to_string(width) + "x" + std::to_string(height) +
               " pixels, the shorter side must have " + std::to_string(motion_block);
    if (num_frames < 3)
        return path + ": left out: " + std::to_string(num_frames) +
               (num_frames == 1 ? " frame" : " frames") + ", at least 3 are needed";
    return "";
}

void add_shots(Footage &footage, const Shot &video, std::vector<int> cuts)
{
    cuts.insert(cuts.begin(), 0);
    cuts.push_back(video.num_frames);
    size_t blocks = size_t(video.blocks_x()) * video.blocks_y();
    for (size_t i = 0; i + 1 < cuts.size(); i++) {
        Shot shot = video;
        shot.num_frames = cuts[i + 1] - cuts[i];
        if (shot.num_frames < 3)
            continue;
        shot.frames = {video.frames, video.frames.get() + video.frame_bytes() * cuts[i]};
        shot.motion = {video.motion, video.motion.get() + blocks * cuts[i]};
        footage.shots.push_back(shot);
    }
}

} // namespace mardini::train
