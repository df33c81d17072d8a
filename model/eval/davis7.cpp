// `mardini eval --protocol davis7`: the literature's protocol DAVIS-7.
#include "eval/davis7.h"

#include "eval/dataset.h"
#include "eval/json.h"
#include "eval/sha256.h"
#include "eval/synthesize.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <filesystem>
#include <stdexcept>

namespace mardini::eval {

static constexpr int chunk = 9, side = 256;

/// Means over frames.
struct RgbSum {
    double psnr = 0, ssim = 0;
    int count = 0;

    void add(double p, double s) { psnr += p, ssim += s, count++; }
};

/// Middle frame, and all seven.
struct Davis7 {
    RgbSum middle, all;
};

/// Of other methods, as VIDIM (Jain et al. 2024, tables 1 and 2) and MarDini (Liu et al. 2024,
/// table 4) print them; DAVIS-7; 0: not published.
struct Published {
    const char *method;
    double middle_psnr, middle_ssim, all_psnr, all_ssim;
};
static const Published published[] = {
    {"AMT", 20.12, .4853, 21.09, .5443},   {"RIFE", 19.54, .4546, 20.48, .5112},
    {"FILM", 19.75, .4718, 20.71, .5282},  {"LDMVFI", 19.07, .4175, 19.98, .4794},
    {"VIDIM", 18.73, .4221, 19.62, .4709}, {"MarDini-S/ST-256", 0, .4249, 0, 0},
    {"MarDini-L/ST-512", 0, .5314, 0, 0},
};

Frame read_square(const std::string &path)
{
    const std::vector<FilterSpec> chain = {{"format", {{"pix_fmts", "rgb24"}}},
                                           {"crop", {{"w", "min(iw,ih)"}, {"h", "min(iw,ih)"}}},
                                           {"scale",
                                            {{"w", std::to_string(side)},
                                             {"h", std::to_string(side)},
                                             {"flags", "area+accurate_rnd"}}},
                                           {"format", {{"pix_fmts", "gbrp"}}}};
    return read_clip(path, 1, chain).frames.at(0);
}

/// PSNR over the three colours together, SSIM their mean.
static void add(const Frame &frame, const Frame &truth, bool middle, Davis7 *out)
{
    double squares = 0, similarity = 0;
    for (int p = 0; p < 3; p++) {
        squares += mean_squared_error(plane_of(frame, p), plane_of(truth, p)) / 3;
        similarity += ssim(plane_of(frame, p), plane_of(truth, p)) / 3;
    }
    out->all.add(bounded_psnr(squares), similarity);
    if (middle)
        out->middle.add(bounded_psnr(squares), similarity);
}

static void add(const std::vector<OutputFrame> &frames, const std::vector<Frame> &truth,
                Davis7 *out)
{
    for (int i = 1; i + 1 < chunk; i++)
        add(frames.at(i).frame, truth.at(i), i == chunk / 2, out);
}

static void print(const char *method, const double (&value)[4])
{
    std::printf("%-18s", method);
    for (int i = 0; i < 4; i++)
        value[i] ? std::printf(i % 2 ? "  %6.4f" : "  %6.2f", value[i]) : std::printf("  %6s", "-");
    std::printf("\n");
}

static void print(const char *method, const Davis7 &d)
{
    print(method, {d.middle.psnr / d.middle.count, d.middle.ssim / d.middle.count,
                   d.all.psnr / d.all.count, d.all.ssim / d.all.count});
}

static nlohmann::ordered_json to_json(const Davis7 &d)
{
    auto mean = [](const RgbSum &s) {
        return nlohmann::ordered_json{
            {"frames", s.count}, {"psnr", s.psnr / s.count}, {"ssim", s.ssim / s.count}};
    };
    return {{"middle", mean(d.middle)}, {"all_seven", mean(d.all)}};
}

/// The pictures of the folder itself, then those of each folder in it.
static std::vector<std::vector<std::string>> find_sequences(const std::string &folder)
{
    namespace fs = std::filesystem;
    if (!fs::is_directory(folder))
        throw std::runtime_error("\"" + folder +
                                 "\" is not a folder; name a folder of picture sequences.");
    std::vector<std::string> folders;
    for (const fs::directory_entry &entry : fs::directory_iterator(folder))
        if (entry.is_directory())
            folders.push_back(entry.path().string());
    std::sort(folders.begin(), folders.end());
    folders.insert(folders.begin(), folder);
    std::vector<std::vector<std::string>> out;
    for (const std::string &name : folders) {
        std::vector<std::string> pictures = list_files(name, picture_endings);
        if (!pictures.empty())
            out.push_back(std::move(pictures));
    }
    return out;
}

int evaluate_davis7(const EvalOptions &options)
{
    const std::vector<std::vector<std::string>> sequences = find_sequences(options.davis7);
    FilterOptions filter = options.filter;
    filter.cuts = false; // the protocol counts seven synthesized frames of every chunk
    Davis7 ours, blend;
    for (const std::vector<std::string> &pictures : sequences)
        for (size_t start = 0; start + chunk <= pictures.size(); start += chunk) {
            std::vector<Frame> truth;
            for (int i = 0; i < chunk; i++)
                truth.push_back(read_square(pictures[start + i]));
            const std::vector<Frame> references = {truth.front(), truth.back()};
            add(synthesize_by_filter(references, {3, 1}, chunk - 1, filter), truth, &ours);
            add(synthesize_by_blend(references, chunk - 1), truth, &blend);
        }
    if (!ours.all.count)
        throw std::runtime_error("\"" + options.davis7 + "\" has no sequence of " +
                                 std::to_string(chunk) +
                                 " pictures; a folder of pictures for each sequence is wanted.");
    std::printf("%zu sequences, %d chunks of %d frames, %dx%d, RGB\n\n%-18s  %14s  %14s\n%-18s  "
                "%6s  %6s  %6s  %6s\n",
                sequences.size(), ours.middle.count, chunk, side, side, "", "middle frame",
                "all seven", "method", "PSNR", "SSIM", "PSNR", "SSIM");
    print("mardini", ours);
    print("blend", blend);
    std::printf("\npublished for the 357 chunks of DAVIS 2017 at 480p, other evaluation code:\n");
    for (const Published &p : published)
        print(p.method, {p.middle_psnr, p.middle_ssim, p.all_psnr, p.all_ssim});
    std::printf("\nnot computed: FID, FVD, LPIPS (each needs a pretrained network that is not part "
                "of this program)\n");
    if (!options.json.empty()) {
        nlohmann::ordered_json root = {{"protocol", "davis7"},
                                       {"model sha-256", sha256(filter.model)},
                                       {"sequences", sequences.size()},
                                       {"chunks", ours.middle.count},
                                       {"mardini", to_json(ours)},
                                       {"blend", to_json(blend)},
                                       {"not computed", {"FID", "FVD", "LPIPS"}}};
        write_json(options.json, root);
    }
    return 0;
}

} // namespace mardini::eval
