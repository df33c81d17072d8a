// The hash of a file.
#include "eval/sha256.h"

extern "C" {
#include <libavutil/mem.h>
#include <libavutil/sha.h>
}

#include <cstdio>
#include <fstream>
#include <memory>
#include <vector>

namespace mardini::eval {

std::string sha256(const std::string &path)
{
    std::ifstream in(path, std::ios::binary);
    const std::unique_ptr<AVSHA, decltype(&av_free)> sha(av_sha_alloc(), &av_free);
    if (!in || !sha || av_sha_init(sha.get(), 256) < 0)
        return "";
    std::vector<char> block(1 << 16);
    while (in.read(block.data(), static_cast<std::streamsize>(block.size())), in.gcount() > 0)
        av_sha_update(sha.get(), reinterpret_cast<uint8_t *>(block.data()),
                      static_cast<size_t>(in.gcount()));
    uint8_t digest[32];
    av_sha_final(sha.get(), digest);
    std::string out;
    for (uint8_t byte : digest) {
        char hex[3];
        std::snprintf(hex, sizeof(hex), "%02x", byte);
        out += hex;
    }
    return out;
}

} // namespace mardini::eval
