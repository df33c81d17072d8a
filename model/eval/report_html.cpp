// An evaluation as one page with pictures: no server, no second file.
#include "eval/report.h"

#include "base/error.h"

extern "C" {
#include <libavutil/base64.h>
}

#include <algorithm>
#include <cmath>
#include <fstream>
#include <stdexcept>

namespace mardini::eval {

/// Made less true, four times, around middle gray; chroma without colour.
static Frame difference(const Frame &made, const Frame &truth)
{
    Frame out = like(truth);
    for (int p = 0; p < 3; p++) {
        const Plane m = plane_of(made, p), t = plane_of(truth, p);
        for (int y = 0; y < t.height; y++) {
            uint8_t *row = out->data[p] + static_cast<ptrdiff_t>(y) * out->linesize[p];
            for (int x = 0; x < t.width; x++) {
                const int change = m.data[y * m.stride + x] - t.data[y * t.stride + x];
                row[x] = static_cast<uint8_t>(p ? 128 : std::clamp(126 + 4 * change, 16, 235));
            }
        }
    }
    return out;
}

Sample make_sample(const Score &score, const std::vector<Frame> &truth,
                   const std::vector<Made> &made)
{
    const FrameScore &middle = score.frames.at(score.frames.size() / 2);
    const size_t i = static_cast<size_t>(middle.index), start = i - i % score.factor;
    auto small = [](const Frame &frame) { // beside the others
        return to_jpeg(run({frame}, {25, 1}, {{"scale", {{"w", "iw/2"}, {"h", "ih/2"}}}}).at(0), 4);
    };
    Sample s;
    s.clip = score.clip;
    s.factor = score.factor;
    s.index = middle.index;
    s.psnr_y = middle.psnr_y;
    s.before = small(truth.at(start));
    s.after = small(truth.at(start + score.factor));
    s.truth = to_jpeg(truth.at(i), 3);
    s.made = to_jpeg(made.at(i).frame, 3);
    s.difference = small(difference(made[i].frame, truth[i]));
    return s;
}

static std::string escaped(const std::string &text)
{
    std::string out;
    for (char c : text)
        out += c == '<'   ? "&lt;"
               : c == '>' ? "&gt;"
               : c == '&' ? "&amp;"
               : c == '"' ? "&quot;"
                          : std::string(1, c);
    return out;
}

static std::string image(const std::vector<uint8_t> &jpeg, const std::string &alt)
{
    std::string base64(AV_BASE64_SIZE(jpeg.size()), '\0');
    av_base64_encode(base64.data(), static_cast<int>(base64.size()), jpeg.data(),
                     static_cast<int>(jpeg.size()));
    base64.resize(base64.find('\0')); // the size counts the closing zero
    return "<img loading=lazy alt=\"" + escaped(alt) + "\" src=\"data:image/jpeg;base64," + base64 +
           "\">";
}

static std::string cells(const Figures &f)
{
    return text("<td>%.2f<td>%.4f<td>%.3f<td>%.2f", f.psnr_y, f.ssim_y, f.sharpness, f.temporal);
}

static const char *style = R"(
:root { color-scheme: light dark; --line: #8885 }
body { font: 15px/1.45 system-ui, sans-serif; margin: 2em auto; max-width: 70em; padding: 0 1em }
h2 { margin: 2em 0 .3em; border-top: 1px solid var(--line); padding-top: .8em }
h3 { font-weight: 500; margin: 1.2em 0 .4em }
table { border-collapse: collapse; font-variant-numeric: tabular-nums }
th, td { padding: .15em .8em; border-bottom: 1px solid var(--line); text-align: right }
th:first-child, td:first-child, th:nth-child(2), td:nth-child(2) { text-align: left }
figure { margin: 0 } figcaption { font-size: 13px; opacity: .75 } img { display: block; width: 100%; height: auto }
.row { display: grid; grid-template-columns: minmax(0, 3fr) minmax(0, 1fr); gap: .8em; align-items: start }
.side { display: grid; gap: .5em }
.pair { position: relative; --at: 50% }
.pair .made { position: absolute; inset: 0; clip-path: inset(0 0 0 var(--at)) }
.pair::after { content: ""; position: absolute; top: 0; bottom: 0; left: var(--at); width: 2px; margin-left: -1px;
    background: #fff; mix-blend-mode: difference }
input[type=range] { width: 100%; margin: .3em 0 0 }
.ends { display: flex; justify-content: space-between; font-size: 13px; opacity: .75 }
@media (max-width: 40em) { .row { grid-template-columns: 1fr } .side { grid-template-columns: repeat(3, 1fr) } }
)";

static std::string sample_section(const Sample &s)
{
    const std::string name = s.clip + " " + std::to_string(s.factor) + "x";
    auto figure = [](const std::string &picture, const std::string &caption) {
        return "<figure>" + picture + "<figcaption>" + caption + "</figcaption></figure>\n";
    };
    return text("<h3>%dx, frame %d: %.2f dB</h3>\n<div class=row><div>", s.factor, s.index,
                s.psnr_y) +
           "<div class=pair>" + image(s.truth, name + ", the true frame") + "<div class=made>" +
           image(s.made, name + ", the made frame") +
           "</div></div><input type=range min=0 max=100 value=50 aria-label=\"true frame to the "
           "left, made frame to the "
           "right\" oninput=\"this.previousElementSibling.style.setProperty('--at', this.value + "
           "'%')\">"
           "<div class=ends><span>true</span><span>made</span></div></div>\n<div class=side>" +
           figure(image(s.before, name + ", given before"), "given before") +
           figure(image(s.after, name + ", given after"), "given after") +
           figure(image(s.difference, name + ", made less true"), "made less true, four times") +
           "</div></div>\n";
}

void write_html(const std::string &path, const Evaluation &e)
{
    std::ofstream out(path, std::ios::binary);
    out << "<!doctype html>\n<html lang=en><meta charset=utf-8>"
           "<meta name=viewport content=\"width=device-width, initial-scale=1\">\n<title>mardini "
           "eval</title>\n<style>"
        << style << "</style>\n<h1>mardini eval</h1>\n<p>";
    for (const auto &[name, value] : e.settings)
        out << escaped(name) << ": " << escaped(value) << "<br>\n";
    out << "<p>Frames were dropped, made again and compared with the true ones. PSNR and SSIM of "
           "luma are higher for "
           "the better; sharpness is the gradient over the true one's, 1 is right, less is blur; "
           "the temporal error "
           "is lower for the better.\n<h2>Means</h2>\n<table><tr><th>mean "
           "of<th>method<th>factor<th>clips<th>PSNR-Y"
           "<th>SSIM-Y<th>sharpness<th>temporal error\n";
    for (const MeanRow &row : means(e))
        out << "<tr><td>" << escaped(row.group) << "<td>" << escaped(row.method) << "<td>"
            << row.factor << "x<td>" << row.clips << cells(row.figures) << "\n";
    out << text(
        "</table>\n<p>Rank correlation of confidence with PSNR-Y over all made frames: %.3f\n",
        confidence_correlation(e));
    std::string clip;
    for (const Score &s : e.scores) {
        if (s.clip == clip)
            continue;
        clip = s.clip;
        out << "<h2>" << escaped(clip)
            << "</h2>\n<table><tr><th>factor<th>method<th>frames<th>PSNR-Y<th>SSIM-Y"
            << "<th>sharpness<th>temporal error\n";
        for (const Score &row : e.scores)
            if (row.clip == clip)
                out << "<tr><td>" << row.factor << "x<td>" << escaped(row.method) << "<td>"
                    << row.frames.size() << cells(row.figures) << "\n";
        out << "</table>\n";
        for (const Sample &sample : e.samples)
            if (sample.clip == clip)
                out << sample_section(sample);
    }
    out << "</html>\n";
    if (!out.flush())
        throw std::runtime_error("\"" + path + "\" cannot be written.");
}

} // namespace mardini::eval
