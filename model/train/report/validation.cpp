// Clips that are never trained on, scored while a run goes, and a contact sheet of them.
#include "train/report/validation.h"

#include "frame/frame.h"
#include "train/losses.h"

#include <torch/torch.h>

#include <set>

namespace mardini::train {

static constexpr int frames = 17, most = 16;

HeldOut::HeldOut(const std::vector<std::string> &places, const LoadOptions &options)
{
    Footage footage = load_videos(places, options);
    std::set<std::string> sources;
    std::set<const Shot *> taken;
    for (bool again : {false, true}) // one of each source first
        for (const Shot &shot : footage.shots) {
            const int unit = 32 * reduction_of(shot.width, shot.height);
            const int W = shot.width / unit * unit, H = shot.height / unit * unit;
            if (static_cast<int>(clips_.size()) == most || shot.num_frames < frames ||
                std::min(W, H) < 64 || taken.count(&shot) ||
                (!again && !sources.insert(shot.source).second))
                continue;
            taken.insert(&shot);
            auto plane = [&](int64_t at, int width, int height) {
                std::vector<Tensor> rows;
                for (int f = 0; f < frames; f++)
                    rows.push_back(torch::from_blob(
                        const_cast<uint8_t *>(shot.frames.get() + f * shot.frame_bytes() + at),
                        {height, width}, torch::kUInt8));
                return ((at::stack(rows).to(torch::kFloat32) - 128) / 128)
                    .unsqueeze(1); // (17,1,height,width)
            };
            const int64_t area = int64_t(shot.width) * shot.height;
            const int w = shot.width / 2, h = shot.height / 2;
            Tensor luma = plane(0, shot.width, shot.height).slice(2, 0, H).slice(3, 0, W);
            auto chroma = [&](int64_t at) {
                return plane(at, w, h).slice(2, 0, H / 2).slice(3, 0, W / 2);
            };
            clips_.push_back(
                at::cat({at::pixel_unshuffle(luma, 2), chroma(area), chroma(area + area / 4)}, 1));
        }
    if (clips_.empty())
        throw std::runtime_error("No clip to check has a shot of 17 frames.");
}

/// Mean gradient of luma over the truth's.
static double sharpness(const Tensor &made, const Tensor &truth)
{
    auto edges = [](const Tensor &packed) {
        Tensor y = at::pixel_shuffle(packed.slice(1, 0, 4), 2);
        return ((y.slice(3, 1) - y.slice(3, 0, -1)).abs().mean() +
                (y.slice(2, 1) - y.slice(2, 0, -1)).abs().mean())
            .item<double>();
    };
    return edges(made) / edges(truth);
}

/// packed (6,h,w) -> (h,w,3) uint8, BT.601 of limited range
static Tensor to_rgb(const Tensor &packed)
{
    Tensor y = 1.164 * (packed.slice(0, 0, 4).mean(0) * 128 + 112), u = packed[4] * 128,
           v = packed[5] * 128;
    return at::stack({y + 1.596 * v, y - 0.392 * u - 0.813 * v, y + 2.017 * u}, 2)
        .clamp(0, 255)
        .to(torch::kUInt8);
}

nlohmann::ordered_json HeldOut::score(Network &network, const std::string &sheet,
                                      const Ablation &without) const
{
    torch::NoGradGuard no_grad;
    nlohmann::ordered_json figures;
    std::vector<Tensor> rows;
    int64_t widest = 0;
    for (const auto &clip : clips_)
        widest = std::max(widest, clip.size(3));
    for (int gap : {2, 4, 8}) {
        double made = 0, faded = 0, sharp = 0;
        for (const Tensor &clip : clips_) {
            // The gap around the middle, with its two neighbours as context where the clip holds
            // them.
            std::vector<int64_t> given;
            for (int64_t f = 8 - gap; f <= 8 + gap; f += gap)
                given.push_back(f);
            Tensor target = clip.slice(0, 8 + gap / 2, 8 + gap / 2 + 1);
            Tensor refs = clip.index_select(0, torch::tensor(given));
            Tensor times =
                torch::arange(static_cast<int64_t>(given.size())).to(torch::kFloat32).unsqueeze(0) *
                8;
            const torch::Device device = network->parameters()[0].device();
            Output o =
                network->forward(refs.unsqueeze(0).to(device), times, torch::full({1, 1}, 12.f),
                                 {reduction_of(2 * clip.size(3), 2 * clip.size(2)), without});
            Tensor frame = o.frames.to(torch::kCPU);
            made += psnr(frame, target) / clips_.size();
            sharp += sharpness(frame, target) / clips_.size();
            faded += psnr((refs.slice(0, 1, 2) + refs.slice(0, 2, 3)) / 2, target) / clips_.size();
            if (gap != 8 || sheet.empty())
                continue;
            Tensor difference = 4 * (frame - target)[0];
            difference.slice(0, 4, 6).zero_();
            Tensor row = at::cat({to_rgb(refs[1]), to_rgb(frame[0]), to_rgb(target[0]),
                                  to_rgb(refs[2]), to_rgb(difference)},
                                 1);
            rows.push_back(at::constant_pad_nd(row, {0, 0, 0, 5 * (widest - clip.size(3))}, 0));
        }
        const std::string factor = std::to_string(gap) + "x";
        figures["check_psnr_" + factor] = std::round(1000 * made) / 1000;
        figures["check_gain_" + factor] = std::round(1000 * (made - faded)) / 1000;
        figures["check_sharpness_" + factor] = std::round(1000 * sharp) / 1000;
    }
    if (!sheet.empty())
        write_png(sheet, at::cat(rows));
    return figures;
}

static uint32_t crc32(const std::string &bytes)
{
    uint32_t crc = 0xffffffff;
    for (unsigned char byte : bytes) {
        crc ^= byte;
        for (int i = 0; i < 8; i++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
    }
    return ~crc;
}

bool write_png(const std::string &path, const Tensor &picture)
{
    TORCH_CHECK(picture.dim() == 3 && picture.size(2) == 3 &&
                    picture.scalar_type() == torch::kUInt8,
                "a picture is (h,w,3) uint8");
    Tensor rgb = picture.contiguous();
    const int64_t h = rgb.size(0), w = rgb.size(1);
    auto big = [](uint32_t v) {
        return std::string{char(v >> 24), char(v >> 16), char(v >> 8), char(v)};
    };
    std::ofstream out(path, std::ios::binary);
    auto chunk = [&](const std::string &type, const std::string &data) {
        out << big(static_cast<uint32_t>(data.size())) << type << data << big(crc32(type + data));
    };
    std::string lines; // a filter byte before each
    for (int64_t y = 0; y < h; y++)
        lines +=
            '\0' +
            std::string(reinterpret_cast<const char *>(rgb.data_ptr<uint8_t>()) + y * w * 3, w * 3);
    uint32_t a = 1, b = 0; // Adler-32
    for (unsigned char byte : lines)
        a = (a + byte) % 65521, b = (b + a) % 65521;
    std::string zlib = "\x78\x01"; // stored blocks: no library for this
    for (size_t at = 0; at < lines.size(); at += 65535) {
        const size_t n = std::min<size_t>(65535, lines.size() - at);
        zlib += char(at + n == lines.size());
        zlib += {char(n), char(n >> 8), char(~n), char(~n >> 8)};
        zlib += lines.substr(at, n);
    }
    zlib += big(b << 16 | a);
    out << "\x89PNG\r\n\x1a\n";
    chunk("IHDR", big(static_cast<uint32_t>(w)) + big(static_cast<uint32_t>(h)) +
                      std::string("\x08\x02\0\0\0", 5));
    chunk("IDAT", zlib);
    chunk("IEND", "");
    out.flush();
    return static_cast<bool>(out);
}

} // namespace mardini::train
