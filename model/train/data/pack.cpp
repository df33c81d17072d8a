// Footage in memory and in pack files.
//   in   videos, pictures, pack files
//   out  Footage
#include "train/data/pack.h"

#include "train/data/decode.h"

#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <stdexcept>

namespace mardini::train {

namespace fs = std::filesystem;
using nlohmann::json;

static const char magic[16] = "mardini pack 1\n";

static void tell(const Report &report, const std::string &sentence)
{
    if (report)
        report(sentence);
}

// ---- motion and cuts -------------------------------------------------------

namespace {

// Measures a video frame by frame: how much each block changed since the frame
// before, and how much the whole.
class MotionMeter {
public:
    MotionMeter(int width, int height)
        : width(width), height(height), blocks_x((width + motion_block - 1) / motion_block),
          blocks_y((height + motion_block - 1) / motion_block), small_width(width / cell),
          small_height(height / cell)
    {
    }

    std::vector<uint8_t> motion; // frames x blocks: mean change in codes, times 4, at most 255
    std::vector<float> change;   // per frame: mean change of a coarse picture, in codes

    void add(const uint8_t *luma)
    {
        std::vector<float> small(size_t(small_width) * small_height);
        for (int y = 0; y < small_height; y++) {
            for (int x = 0; x < small_width; x++) {
                int sum = 0;
                for (int j = 0; j < cell; j++)
                    for (int i = 0; i < cell; i++)
                        sum += luma[size_t(y * cell + j) * width + x * cell + i];
                small[size_t(y) * small_width + x] = float(sum) / (cell * cell);
            }
        }
        std::vector<float> sums(size_t(blocks_x) * blocks_y), counts(sums.size());
        if (!last.empty()) {
            for (int y = 0; y < small_height; y++) {
                for (int x = 0; x < small_width; x++) {
                    size_t block =
                        size_t(y * cell / motion_block) * blocks_x + x * cell / motion_block;
                    size_t i = size_t(y) * small_width + x;
                    sums[block] += std::fabs(small[i] - last[i]);
                    counts[block]++;
                }
            }
        }
        for (size_t i = 0; i < sums.size(); i++)
            motion.push_back(uint8_t(std::min(255.f, 4 * sums[i] / std::max(counts[i], 1.f))));
        change.push_back(last.empty() ? 0 : coarse_change(small));
        last = std::move(small);
    }

private:
    static constexpr int cell = 4;
    int width, height, blocks_x, blocks_y, small_width, small_height;
    std::vector<float> last;

    // Mean change over squares of 16 pixels: noise and small motion average out.
    float coarse_change(const std::vector<float> &small) const
    {
        double total = 0;
        int count = 0;
        for (int y = 0; y + 4 <= small_height; y += 4) {
            for (int x = 0; x + 4 <= small_width; x += 4) {
                float sum = 0;
                for (int j = 0; j < 4; j++)
                    for (int i = 0; i < 4; i++) {
                        size_t at = size_t(y + j) * small_width + x + i;
                        sum += small[at] - last[at];
                    }
                total += std::fabs(sum) / 16;
                count++;
            }
        }
        return count ? float(total / count) : 0;
    }
};

// First frames of new shots: the picture changes by much, and by far more than around it.
std::vector<int> find_cuts(const std::vector<float> &change)
{
    constexpr float least = 9; // codes
    constexpr float ratio = 3; // against the frames around
    constexpr int around = 4;
    std::vector<int> cuts;
    int num = static_cast<int>(change.size());
    for (int f = 1; f < num; f++) {
        if (change[f] < least)
            continue;
        std::vector<float> near;
        for (int g = std::max(1, f - around); g <= std::min(num - 1, f + around); g++)
            if (g != f)
                near.push_back(change[g]);
        if (near.empty())
            continue;
        // the upper quartile lets a second cut, or a flash, nearby pass
        auto at = near.begin() + near.size() * 3 / 4;
        std::nth_element(near.begin(), at, near.end());
        if (change[f] > ratio * *at)
            cuts.push_back(f);
    }
    return cuts;
}

// ---- files -----------------------------------------------------------------

bool ends_in(const std::string &name, std::initializer_list<const char *> endings)
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

std::string source_of(const std::string &name)
{
    return name.substr(0, name.find('-'));
}

// Files of folders and single files, sorted, without the excluded.
std::vector<std::string> list(const std::vector<std::string> &places,
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
    std::erase_if(files, [&](const std::string &file) {
        std::string name = fs::path(file).filename().string();
        return std::any_of(exclude.begin(), exclude.end(),
                           [&](const std::string &prefix) { return name.starts_with(prefix); });
    });
    return files;
}

// One sentence on why a video of this size and length is of no use, or nothing.
std::string unfit(const std::string &path, int width, int height, int num_frames)
{
    if (std::min(width, height) < motion_block)
        return path + ": left out: " + std::to_string(width) + "x" + std::to_string(height) +
               " pixels, the shorter side must have " + std::to_string(motion_block);
    if (num_frames < 3)
        return path + ": left out: " + std::to_string(num_frames) +
               (num_frames == 1 ? " frame" : " frames") + ", at least 3 are needed";
    return "";
}

// Cuts one video into shots that share its memory.
void add_shots(Footage &footage, const Shot &whole, std::vector<int> cuts)
{
    cuts.insert(cuts.begin(), 0);
    cuts.push_back(whole.num_frames);
    size_t blocks = size_t(whole.blocks_x()) * whole.blocks_y();
    for (size_t i = 0; i + 1 < cuts.size(); i++) {
        Shot shot = whole;
        shot.num_frames = cuts[i + 1] - cuts[i];
        if (shot.num_frames < 3)
            continue;
        shot.frames = {whole.frames, whole.frames.get() + whole.frame_bytes() * cuts[i]};
        shot.motion = {whole.motion, whole.motion.get() + blocks * cuts[i]};
        footage.shots.push_back(shot);
    }
}

std::shared_ptr<const uint8_t> share(std::vector<uint8_t> &&bytes)
{
    auto owner = std::make_shared<std::vector<uint8_t>>(std::move(bytes));
    return {owner, owner->data()};
}

// ---- reading a pack file ---------------------------------------------------

[[noreturn]] void broken(const std::string &path, const std::string &reason)
{
    throw std::runtime_error(path + ": not a usable pack file: " + reason);
}

// The whole file, mapped for reading as long as someone holds the pointer.
std::shared_ptr<const uint8_t> map_file(const std::string &path, size_t *size)
{
    int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    struct stat status;
    if (fd < 0 || fstat(fd, &status) < 0) {
        std::string reason = std::strerror(errno);
        if (fd >= 0)
            close(fd);
        throw std::runtime_error(path + ": " + reason);
    }
    *size = status.st_size;
    void *data = *size ? mmap(nullptr, *size, PROT_READ, MAP_SHARED, fd, 0) : MAP_FAILED;
    std::string reason = std::strerror(errno);
    close(fd);
    if (!*size)
        broken(path, "it is empty");
    if (data == MAP_FAILED)
        throw std::runtime_error(path + ": cannot be mapped: " + reason);
    size_t length = *size;
    return {static_cast<const uint8_t *>(data),
            [length](const uint8_t *p) { munmap(const_cast<uint8_t *>(p), length); }};
}

void read_pack(const std::string &path, const LoadOptions &options, bool videos, bool stills,
               Footage &footage)
{
    size_t size;
    std::shared_ptr<const uint8_t> file = map_file(path, &size);
    if (size < 32 || std::memcmp(file.get(), magic, 16))
        broken(path, "it does not begin like one");
    uint64_t index[2];
    std::memcpy(index, file.get() + 16, 16);
    if (index[0] > size || index[1] > size - index[0])
        broken(path, "it is cut short");
    auto at = [&](uint64_t offset, uint64_t length) -> std::shared_ptr<const uint8_t> {
        if (offset > index[0] || length > index[0] - offset)
            broken(path, "its index points outside");
        return {file, file.get() + offset};
    };
    auto excluded = [&](const std::string &name) {
        return std::any_of(options.exclude.begin(), options.exclude.end(),
                           [&](const std::string &prefix) { return name.starts_with(prefix); });
    };
    try {
        json j = json::parse(file.get() + index[0], file.get() + index[0] + index[1]);
        for (const json &v : videos ? j.at("videos") : json::array()) {
            Shot whole;
            whole.name = v.at("name");
            whole.source = source_of(whole.name);
            whole.width = v.at("width");
            whole.height = v.at("height");
            whole.num_frames = v.at("frames");
            if (whole.width < 2 || whole.height < 2 || whole.width % 2 || whole.height % 2 ||
                whole.width > 65536 || whole.height > 65536 || whole.num_frames < 1)
                broken(path, "impossible size of " + whole.name);
            whole.frames = at(v.at("offset"), whole.frame_bytes() * whole.num_frames);
            whole.motion = at(v.at("motion"),
                              uint64_t(whole.num_frames) * whole.blocks_x() * whole.blocks_y());
            std::vector<int> cuts = v.at("cuts");
            if (!std::is_sorted(cuts.begin(), cuts.end()) ||
                (!cuts.empty() && (cuts.front() < 1 || cuts.back() >= whole.num_frames)))
                broken(path, "impossible cuts of " + whole.name);
            std::string reason = unfit(whole.name, whole.width, whole.height, whole.num_frames);
            if (!reason.empty())
                tell(options.report, reason);
            else if (!excluded(whole.name))
                add_shots(footage, whole, cuts);
        }
        for (const json &s : stills ? j.at("stills") : json::array()) {
            Still still{s.at("name"), s.at("width"), s.at("height"), nullptr};
            if (still.width < 2 || still.height < 2 || still.width > 65536 || still.height > 65536)
                broken(path, "impossible size of " + still.name);
            still.data = at(s.at("offset"), uint64_t(still.width) * still.height * 3);
            if (!excluded(still.name))
                footage.stills.push_back(still);
        }
    } catch (const json::exception &error) {
        broken(path, std::string("its index cannot be read (") + error.what() + ")");
    }
}

// Splits pack files from the rest and reads them.
std::vector<std::string> read_packs(const std::vector<std::string> &places,
                                    const LoadOptions &options, bool videos, Footage &footage)
{
    std::vector<std::string> others;
    for (const std::string &place : places) {
        if (is_pack(place))
            read_pack(place, options, videos, !videos, footage);
        else
            others.push_back(place);
    }
    return others;
}

std::string joined(const std::vector<std::string> &names)
{
    std::string all;
    for (const std::string &name : names)
        all += (all.empty() ? "" : ", ") + name;
    return all;
}

} // namespace

// ---- loading ---------------------------------------------------------------

Footage load_videos(const std::vector<std::string> &places, const LoadOptions &options)
{
    Footage footage;
    size_t used = 0;
    std::vector<std::string> files =
        list(read_packs(places, options, true, footage), options.exclude, is_video);
    for (size_t i = 0; i < files.size(); i++) {
        const std::string &path = files[i];
        try {
            std::vector<uint8_t> frames;
            std::unique_ptr<MotionMeter> meter;
            Shot whole;
            std::string complaint;
            bool full = false;
            whole.num_frames = decode_video(
                path, options.max_side,
                [&](const VideoInfo &info, const uint8_t *data) {
                    if (!meter) {
                        meter = std::make_unique<MotionMeter>(info.width, info.height);
                        whole.width = info.width;
                        whole.height = info.height;
                    }
                    frames.insert(frames.end(), data, data + whole.frame_bytes());
                    meter->add(data);
                    full = used + frames.size() >= options.memory;
                    return !full;
                },
                &complaint);
            if (!complaint.empty())
                tell(options.report, complaint);
            if (full) {
                tell(options.report, "the memory for decoded frames (" +
                                         std::to_string(options.memory >> 20) +
                                         " MiB) is full: " + path + " is cut short and " +
                                         std::to_string(files.size() - 1 - i) + " of " +
                                         std::to_string(files.size()) +
                                         " videos are left out; raise it or make a pack file");
                files.resize(i + 1);
            }
            std::string reason = unfit(path, whole.width, whole.height, whole.num_frames);
            if (!reason.empty()) {
                if (!full)
                    tell(options.report, reason);
                continue;
            }
            used += frames.size();
            frames.shrink_to_fit();
            whole.name = fs::path(path).filename().string();
            whole.source = source_of(whole.name);
            whole.frames = share(std::move(frames));
            std::vector<int> cuts = find_cuts(meter->change);
            whole.motion = share(std::move(meter->motion));
            add_shots(footage, whole, cuts);
        } catch (const std::runtime_error &error) {
            if (!can_decode())
                throw;
            tell(options.report, error.what());
        }
    }
    if (footage.shots.empty())
        throw std::runtime_error("no usable video in " + joined(places));
    return footage;
}

Footage load_stills(const std::vector<std::string> &places, const LoadOptions &options)
{
    Footage footage;
    for (const std::string &path :
         list(read_packs(places, options, false, footage), options.exclude, is_picture)) {
        try {
            Picture picture = decode_picture(path, options.max_still_side);
            Still still{fs::path(path).filename().string(), picture.width, picture.height, nullptr};
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

// ---- writing a pack file ---------------------------------------------------

struct PackWriter::State {
    std::string path;
    FILE *file = nullptr;
    uint64_t position = 0;
    json index = {{"videos", json::array()}, {"stills", json::array()}};
    json video;
    std::unique_ptr<MotionMeter> meter;
    size_t frame_bytes = 0;

    std::string temporary() const { return path + ".part"; }

    void write(const void *data, size_t size)
    {
        if (std::fwrite(data, 1, size, file) != size)
            fail();
        position += size;
    }

    [[noreturn]] void fail()
    {
        throw std::runtime_error(path + ": cannot be written: " + std::strerror(errno));
    }
};

PackWriter::PackWriter(const std::string &path) : state(std::make_unique<State>())
{
    state->path = path;
    state->file = std::fopen(state->temporary().c_str(), "wb");
    if (!state->file)
        state->fail();
    state->write(magic, 16);
    uint64_t none[2] = {0, 0};
    state->write(none, 16);
}

PackWriter::~PackWriter()
{
    if (state->file) { // not finished: leave nothing behind
        std::fclose(state->file);
        std::remove(state->temporary().c_str());
    }
}

void PackWriter::begin_video(const std::string &name, int width, int height, double fps)
{
    state->video = {{"name", name},
                    {"width", width},
                    {"height", height},
                    {"fps", fps},
                    {"offset", state->position}};
    state->frame_bytes = size_t(width) * height * 3 / 2;
    state->meter = std::make_unique<MotionMeter>(width, height);
}

void PackWriter::add_frame(const uint8_t *yuv420p)
{
    state->write(yuv420p, state->frame_bytes);
    state->meter->add(yuv420p);
}

void PackWriter::end_video()
{
    state->video["frames"] = state->meter->change.size();
    state->video["motion"] = state->position;
    state->video["cuts"] = find_cuts(state->meter->change);
    state->write(state->meter->motion.data(), state->meter->motion.size());
    state->index["videos"].push_back(state->video);
    state->meter.reset();
}

void PackWriter::add_still(const std::string &name, int width, int height, const uint8_t *yuv444p)
{
    state->index["stills"].push_back(
        {{"name", name}, {"width", width}, {"height", height}, {"offset", state->position}});
    state->write(yuv444p, size_t(width) * height * 3);
}

void PackWriter::finish()
{
    std::string text = state->index.dump(1);
    uint64_t index[2] = {state->position, text.size()};
    state->write(text.data(), text.size());
    if (std::fseek(state->file, 16, SEEK_SET))
        state->fail();
    state->write(index, 16);
    bool good = !std::fflush(state->file) && !fsync(fileno(state->file));
    good = !std::fclose(state->file) && good;
    state->file = nullptr;
    if (!good || std::rename(state->temporary().c_str(), state->path.c_str())) {
        int error = errno;
        std::remove(state->temporary().c_str());
        errno = error;
        state->fail();
    }
}

void pack(const std::vector<std::string> &folders, const std::string &stills,
          const std::string &out, const LoadOptions &options)
{
    if (!can_decode())
        throw std::runtime_error(
            out + ": cannot be made: this program was built without libav* and finds no ffmpeg");
    PackWriter writer(out);
    int num_videos = 0, num_stills = 0;
    for (const std::string &path : list(folders, options.exclude, is_video)) {
        try {
            std::string complaint;
            std::vector<uint8_t> early; // the first frames wait until the video is known to be fit
            VideoInfo size;
            int held = 0;
            bool begun = false;
            int num_frames = decode_video(
                path, options.max_side,
                [&](const VideoInfo &info, const uint8_t *data) {
                    size = info;
                    size_t bytes = size_t(info.width) * info.height * 3 / 2;
                    if (!begun) {
                        early.insert(early.end(), data, data + bytes);
                        if (++held < 3)
                            return true;
                        if (!unfit(path, info.width, info.height, held).empty())
                            return false;
                        writer.begin_video(fs::path(path).filename().string(), info.width,
                                           info.height, info.fps);
                        for (int f = 0; f < held; f++)
                            writer.add_frame(early.data() + f * bytes);
                        begun = true;
                        return true;
                    }
                    writer.add_frame(data);
                    return true;
                },
                &complaint);
            if (begun)
                writer.end_video(), num_videos++;
            else
                complaint = unfit(path, size.width, size.height, num_frames);
            if (!complaint.empty())
                tell(options.report, complaint);
        } catch (const std::runtime_error &error) {
            if (std::string(error.what()).starts_with(out))
                throw; // the disk, not the video
            tell(options.report, error.what());
        }
    }
    if (!num_videos)
        throw std::runtime_error("no usable video in " + joined(folders));
    std::vector<std::string> pictures;
    if (!stills.empty())
        pictures = list({stills}, options.exclude, is_picture);
    for (const std::string &path : pictures) {
        Picture picture;
        try {
            picture = decode_picture(path, options.max_still_side);
        } catch (const std::runtime_error &error) {
            tell(options.report, error.what());
            continue;
        }
        writer.add_still(fs::path(path).filename().string(), picture.width, picture.height,
                         picture.data.data());
        num_stills++;
    }
    writer.finish();
    tell(options.report, out + ": " + std::to_string(num_videos) + " videos, " +
                             std::to_string(num_stills) + " pictures");
}

} // namespace mardini::train
