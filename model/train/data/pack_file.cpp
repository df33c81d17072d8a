// The pack file: decoded videos and pictures, for a machine without libav* and for many runs.
#include "train/data/pack_file.h"

#include "train/data/files.h"

#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

namespace mardini::train {

using nlohmann::json;

static const char magic[16] = "mardini pack 1\n";

// ---- reading ---------------------------------------------------------------

[[noreturn]] static void broken(const std::string &path, const std::string &reason)
{
    throw std::runtime_error(path + ": not a usable pack file: " + reason);
}

/// The whole file, mapped for reading as long as the pointer is held.
static std::shared_ptr<const uint8_t> map_file(const std::string &path, size_t *size)
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

namespace {

/// A mapped pack file.
class PackReader {
public:
    explicit PackReader(const std::string &path) : path_(path)
    {
        file_ = map_file(path, &size_);
        if (size_ < 32 || std::memcmp(file_.get(), magic, 16))
            broken(path, "it does not begin like one");
        std::memcpy(index_, file_.get() + 16, 16);
        if (index_[0] > size_ || index_[1] > size_ - index_[0])
            broken(path, "it is cut short");
    }

    json index() const
    {
        return json::parse(file_.get() + index_[0], file_.get() + index_[0] + index_[1]);
    }

    /// A video as one shot. Throws json::exception where a field is missing.
    Shot video(const json &v) const
    {
        Shot video;
        video.name = v.at("name");
        video.source = source_of(video.name);
        video.width = v.at("width");
        video.height = v.at("height");
        video.num_frames = v.at("frames");
        if (video.width < 2 || video.height < 2 || video.width % 2 || video.height % 2 ||
            video.width > 65536 || video.height > 65536 || video.num_frames < 1)
            broken(path_, "impossible size of " + video.name);
        video.frames = at(v.at("offset"), video.frame_bytes() * video.num_frames);
        video.motion =
            at(v.at("motion"), uint64_t(video.num_frames) * video.blocks_x() * video.blocks_y());
        return video;
    }

    std::vector<int> cuts(const json &v, const Shot &video) const
    {
        std::vector<int> cuts = v.at("cuts");
        if (!std::is_sorted(cuts.begin(), cuts.end()) ||
            (!cuts.empty() && (cuts.front() < 1 || cuts.back() >= video.num_frames)))
            broken(path_, "impossible cuts of " + video.name);
        return cuts;
    }

    Still still(const json &s) const
    {
        Still still{s.at("name"), s.at("width"), s.at("height"), nullptr};
        if (still.width < 2 || still.height < 2 || still.width > 65536 || still.height > 65536)
            broken(path_, "impossible size of " + still.name);
        still.data = at(s.at("offset"), uint64_t(still.width) * still.height * 3);
        return still;
    }

private:
    std::shared_ptr<const uint8_t> at(uint64_t offset, uint64_t length) const
    {
        if (offset > index_[0] || length > index_[0] - offset)
            broken(path_, "its index points outside");
        return {file_, file_.get() + offset};
    }

    std::string path_;
    size_t size_ = 0;
    std::shared_ptr<const uint8_t> file_;
    uint64_t index_[2]; ///< position and length
};

} // namespace

void read_pack(const std::string &path, const LoadOptions &options, bool videos, Footage &footage)
{
    const PackReader reader(path);
    try {
        const json index = reader.index();
        for (const json &v : videos ? index.at("videos") : json::array()) {
            const Shot video = reader.video(v);
            const std::vector<int> cuts = reader.cuts(v, video);
            const std::string reason =
                why_unusable(video.name, video.width, video.height, video.num_frames);
            if (!reason.empty())
                tell(options.report, reason);
            else if (!is_excluded(video.name, options.exclude))
                add_shots(footage, video, cuts);
        }
        for (const json &s : videos ? json::array() : index.at("stills")) {
            Still still = reader.still(s);
            if (!is_excluded(still.name, options.exclude))
                footage.stills.push_back(std::move(still));
        }
    } catch (const json::exception &error) {
        broken(path, std::string("its index cannot be read (") + error.what() + ")");
    }
}

// ---- writing ---------------------------------------------------------------

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
        throw WriteError(path + ": cannot be written: " + std::strerror(errno));
    }
};

PackWriter::PackWriter(const std::string &path) : state_(std::make_unique<State>())
{
    state_->path = path;
    state_->file = std::fopen(state_->temporary().c_str(), "wb");
    if (!state_->file)
        state_->fail();
    state_->write(magic, 16);
    uint64_t none[2] = {0, 0};
    state_->write(none, 16);
}

PackWriter::~PackWriter()
{
    if (state_->file) { // not finished: leave nothing behind
        std::fclose(state_->file);
        std::remove(state_->temporary().c_str());
    }
}

void PackWriter::begin_video(const std::string &name, int width, int height, double fps)
{
    state_->video = {{"name", name},
                     {"width", width},
                     {"height", height},
                     {"fps", fps},
                     {"offset", state_->position}};
    state_->frame_bytes = size_t(width) * height * 3 / 2;
    state_->meter = std::make_unique<MotionMeter>(width, height);
}

void PackWriter::add_frame(const uint8_t *yuv420p)
{
    state_->write(yuv420p, state_->frame_bytes);
    state_->meter->add(yuv420p);
}

void PackWriter::end_video()
{
    state_->video["frames"] = state_->meter->change.size();
    state_->video["motion"] = state_->position;
    state_->video["cuts"] = find_cuts(state_->meter->change);
    state_->write(state_->meter->motion.data(), state_->meter->motion.size());
    state_->index["videos"].push_back(state_->video);
    state_->meter.reset();
}

void PackWriter::add_still(const std::string &name, int width, int height, const uint8_t *yuv444p)
{
    state_->index["stills"].push_back(
        {{"name", name}, {"width", width}, {"height", height}, {"offset", state_->position}});
    state_->write(yuv444p, size_t(width) * height * 3);
}

void PackWriter::finish()
{
    std::string text = state_->index.dump(1);
    uint64_t index[2] = {state_->position, text.size()};
    state_->write(text.data(), text.size());
    if (std::fseek(state_->file, 16, SEEK_SET))
        state_->fail();
    state_->write(index, 16);
    bool good = !std::fflush(state_->file) && !fsync(fileno(state_->file));
    good = !std::fclose(state_->file) && good;
    state_->file = nullptr;
    if (!good || std::rename(state_->temporary().c_str(), state_->path.c_str())) {
        int error = errno;
        std::remove(state_->temporary().c_str());
        errno = error;
        state_->fail();
    }
}

} // namespace mardini::train
