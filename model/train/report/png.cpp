// A picture as PNG.
#include "train/report/png.h"

#include <torch/torch.h>

#include <fstream>

namespace mardini::train {

using torch::Tensor;

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
