// An evaluation as one HTML page with pictures, without a second file or a server.
#include "eval/page.h"

#include "base/error.h"

extern "C" {
#include <libavutil/base64.h>
}

#include <algorithm>
#include <cmath>
#include <fstream>
#include <stdexcept>

namespace mardini::eval {

/// Synthesized less true, times four, around middle gray; neutral chroma.
static Frame difference(const Frame &synthesized, const Frame &truth)
{
    Frame out = frame_like(truth);
    for (int p = 0; p < 3; p++) {
        const PlaneView m = plane_of(synthesized, p), t = plane_of(truth, p);
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

PageSample page_sample(const Score &score, const std::vector<Frame> &truth,
                       const std::vector<OutputFrame> &frames)
{
    const FrameScore &middle = score.frames.at(score.frames.size() / 2);
    const size_t i = static_cast<size_t>(middle.index), start = i - i % score.factor;
    auto half_size = [](const Frame &frame) {
        const FilterSpec scale{"scale", {{"w", "iw/2"}, {"h", "ih/2"}}};
        return to_jpeg(run_filters({frame}, {25, 1}, {scale}).at(0), 4);
    };
    PageSample s;
    s.clip = score.clip;
    s.factor = score.factor;
    s.index = middle.index;
    s.psnr_y = middle.psnr_y;
    s.before = half_size(truth.at(start));
    s.after = half_size(truth.at(start + score.factor));
    s.truth = to_jpeg(truth.at(i), 3);
    s.synthesized = to_jpeg(frames.at(i).frame, 3);
    s.difference = half_size(difference(frames[i].frame, truth[i]));
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

static std::string metric_headings()
{
    std::string out;
    for (const MetricColumn &column : metric_columns)
        out += std::string("<th>") + column.page_title;
    return out + "\n";
}

static std::string metric_cells(const QualityMetrics &metrics)
{
    std::string out;
    for (const MetricColumn &column : metric_columns) {
        const double value = metrics.*column.field;
        out += std::isnan(value) ? "<td>-" : text("<td>%.*f", column.decimals, value);
    }
    return out + "\n";
}

static const char *style = R"(
:root { color-scheme: light dark; --line: #8885 }
body { font: 15px/1.45 system-ui, sans-serif; margin: 2em auto; max-width: 70em; padding: 0 1em }
h2 { margin: 2em 0 .3em; border-top: 1px solid var(--line); padding-top: .8em }
h3 { font-weight: 500; margin: 1.2em 0 .4em }
table { border-collapse: collapse; font-variant-numeric: tabular-nums }
th, td { padding: .15em .8em; border-bottom: 1px solid var(--line); text-align: right }
th:first-child, td:first-child, th:nth-child(2), td:nth-child(2) { text-align: left }
figure { margin: 0 }
figcaption { font-size: 13px; opacity: .75 }
img { display: block; width: 100%; height: auto }
.row { display: grid; grid-template-columns: minmax(0, 3fr) minmax(0, 1fr); gap: .8em;
    align-items: start }
.side { display: grid; gap: .5em }
.pair { position: relative; --at: 50% }
.pair .synthesized { position: absolute; inset: 0; clip-path: inset(0 0 0 var(--at)) }
.pair::after { content: ""; position: absolute; top: 0; bottom: 0; left: var(--at);
    width: 2px; margin-left: -1px; background: #fff; mix-blend-mode: difference }
input[type=range] { width: 100%; margin: .3em 0 0 }
.ends { display: flex; justify-content: space-between; font-size: 13px; opacity: .75 }
@media (max-width: 40em) { .row { grid-template-columns: 1fr }
    .side { grid-template-columns: repeat(3, 1fr) } }
)";

static std::string sample_section(const PageSample &s)
{
    const std::string name = s.clip + " " + std::to_string(s.factor) + "x";
    auto figure = [](const std::string &picture, const std::string &caption) {
        return "<figure>" + picture + "<figcaption>" + caption + "</figcaption></figure>\n";
    };
    return text("<h3>%dx, frame %d: %.2f dB</h3>\n<div class=row><div>", s.factor, s.index,
                s.psnr_y) +
           "<div class=pair>" + image(s.truth, name + ", the true frame") +
           "<div class=synthesized>" + image(s.synthesized, name + ", the synthesized frame") +
           "</div></div><input type=range min=0 max=100 value=50 aria-label=\"true frame to the "
           "left, synthesized frame to the right\" "
           "oninput=\"this.previousElementSibling.style.setProperty('--at', this.value + '%')\">"
           "<div class=ends><span>true</span><span>synthesized</span></div></div>\n"
           "<div class=side>" +
           figure(image(s.before, name + ", reference before"), "reference before") +
           figure(image(s.after, name + ", reference after"), "reference after") +
           figure(image(s.difference, name + ", difference"), "synthesized less true, times four") +
           "</div></div>\n";
}

static const char *explanation =
    "<p>Frames were dropped, synthesized again and compared with the true ones. PSNR and SSIM of "
    "luma and VMAF are higher for the better. Sharpness is the gradient over the true frame's: 1 "
    "is right, less is blur. Stipple is the checkerboard pattern over the true frame's: 1 is "
    "right, more is dots. The temporal error is lower for the better.\n";

static void write_means(std::ostream &out, const Evaluation &e)
{
    out << "<h2>Means</h2>\n<table><tr><th>mean of<th>method<th>factor<th>clips"
        << metric_headings();
    for (const MeanRow &row : means(e))
        out << "<tr><td>" << escaped(row.group) << "<td>" << escaped(row.method) << "<td>"
            << row.factor << "x<td>" << row.clips << metric_cells(row.metrics);
    out << text("</table>\n<p>Rank correlation of confidence with PSNR-Y over all synthesized "
                "frames: %.3f\n",
                confidence_correlation(e));
    if (!e.without_vmaf.empty())
        out << "<p>" << escaped(e.without_vmaf) << "\n";
}

static void write_clip(std::ostream &out, const Evaluation &e, const std::string &clip)
{
    out << "<h2>" << escaped(clip) << "</h2>\n<table><tr><th>factor<th>method<th>frames"
        << metric_headings();
    for (const Score &s : e.scores)
        if (s.clip == clip)
            out << "<tr><td>" << s.factor << "x<td>" << escaped(s.method) << "<td>"
                << s.frames.size() << metric_cells(s.metrics);
    out << "</table>\n";
    for (const PageSample &sample : e.samples)
        if (sample.clip == clip)
            out << sample_section(sample);
}

void write_page(const std::string &path, const Evaluation &e)
{
    std::ofstream out(path, std::ios::binary);
    out << "<!doctype html>\n<html lang=en><meta charset=utf-8>"
           "<meta name=viewport content=\"width=device-width, initial-scale=1\">\n"
           "<title>mardini eval</title>\n<style>"
        << style << "</style>\n<h1>mardini eval</h1>\n<p>";
    for (const auto &[name, value] : e.settings)
        out << escaped(name) << ": " << escaped(value) << "<br>\n";
    out << explanation;
    write_means(out, e);
    std::string clip;
    for (const Score &s : e.scores)
        if (s.clip != clip)
            write_clip(out, e, clip = s.clip);
    out << "</html>\n";
    if (!out.flush())
        throw std::runtime_error("\"" + path + "\" cannot be written.");
}

} // namespace mardini::eval
