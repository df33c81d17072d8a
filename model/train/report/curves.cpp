// The curves of a run as one SVG picture, from its log.
#include "train/report/curves.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <vector>

namespace mardini::train {

namespace {

struct Panel {
    const char *title;
    std::vector<const char *> names;
};

const std::vector<Panel> panels = {
    {"PSNR over a cross-fade, dB", {"real_gain", "synthetic_gain"}},
    {"validation clips over a cross-fade, dB", {"check_gain_2x", "check_gain_4x", "check_gain_8x"}},
    {"end-point error, pixels", {"error_match", "error_plan", "error_final"}},
    {"dB lost without a part", {"loss_without_planner", "loss_without_match"}},
    {"distance x 100", {"distance", "diffusion"}},
    {"norm of gradients", {"gradient", "diffusion_planner", "diffusion_generator"}},
    {"samples: gain dB, spread codes", {"sample_gain", "sample_spread"}},
    {"masked frames a second", {"frames_per_second"}},
};

constexpr const char *colours[] = {"#0067a5", "#c3522d", "#3b7d23"};
constexpr int width = 420, height = 200, left = 46, right = 10, top = 34, bottom = 24, columns = 2;

std::string number(double value)
{
    char text[32];
    std::snprintf(text, sizeof text, "%.4g", value);
    return text;
}

struct Line {
    std::string name;
    std::vector<std::pair<double, double>> points;
};

/// One panel at (x0, y0); the axis leaves out a hundredth of the values at each end.
std::string draw(const Panel &panel, const std::vector<Line> &lines, double last_time, int x0,
                 int y0)
{
    std::vector<double> values;
    for (const Line &line : lines)
        for (auto [t, v] : line.points)
            values.push_back(v);
    std::sort(values.begin(), values.end());
    double low = values[values.size() / 100],
           high = values[values.size() - 1 - values.size() / 100];
    if (high - low < 1e-9)
        low -= 0.5, high += 0.5;
    auto x = [&](double t) { return x0 + left + t / last_time * (width - left - right); };
    auto y = [&](double v) {
        return y0 + height - bottom -
               (std::clamp(v, low, high) - low) / (high - low) * (height - top - bottom);
    };
    auto text = [](double at_x, double at_y, const char *anchor, const std::string &colour,
                   const std::string &what) {
        return "<text x=\"" + number(at_x) + "\" y=\"" + number(at_y) + "\" text-anchor=\"" +
               anchor + "\" fill=\"" + colour + "\">" + what + "</text>\n";
    };
    std::string svg = "<rect x=\"" + number(x0 + left) + "\" y=\"" + number(y0 + top) +
                      "\" width=\"" + number(width - left - right) + "\" height=\"" +
                      number(height - top - bottom) + "\" fill=\"none\" stroke=\"#bbb\"/>\n";
    svg += text(x0 + left, y0 + 14, "start", "#000", panel.title);
    svg += text(x0 + left - 4, y(high) + 9, "end", "#555", number(high));
    svg += text(x0 + left - 4, y(low), "end", "#555", number(low));
    svg += text(x0 + width - right, y0 + height - 8, "end", "#555", number(last_time) + " minutes");
    if (low < 0 && high > 0)
        svg += "<line x1=\"" + number(x(0)) + "\" x2=\"" + number(x(last_time)) + "\" y1=\"" +
               number(y(0)) + "\" y2=\"" + number(y(0)) + "\" stroke=\"#ddd\"/>\n";
    double at = x0 + left;
    for (size_t i = 0; i < lines.size(); i++) {
        svg += "<polyline fill=\"none\" stroke-width=\"1.3\" stroke=\"" + std::string(colours[i]) +
               "\" points=\"";
        for (auto [t, v] : lines[i].points)
            svg += number(x(t)) + "," + number(y(v)) + " ";
        svg += "\"/>\n" + text(at, y0 + 28, "start", colours[i], lines[i].name);
        at += 8 * lines[i].name.size();
    }
    return svg;
}

} // namespace

bool draw_curves(const std::string &from, const std::string &to)
{
    std::ifstream in(from);
    std::vector<nlohmann::json> log;
    for (std::string line; std::getline(in, line);) {
        auto parsed = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
        if (parsed.is_object() && parsed.contains("minutes") && parsed["minutes"].is_number())
            log.push_back(std::move(parsed));
    }
    if (log.size() < 2)
        return false;
    // A resumed run starts its clock anew: its minutes follow those before.
    std::vector<double> times;
    double before = 0, last = 0;
    for (const auto &line : log) {
        const double minutes = line["minutes"].get<double>();
        if (minutes < last)
            before += last;
        last = minutes;
        times.push_back(before + minutes);
    }
    std::string body;
    int count = 0;
    for (const Panel &panel : panels) {
        std::vector<Line> lines;
        for (const char *name : panel.names) {
            Line line{name, {}};
            for (size_t i = 0; i < log.size(); i++)
                if (auto found = log[i].find(name); found != log[i].end() && found->is_number())
                    line.points.emplace_back(times[i], found->get<double>());
            if (line.points.size() > 1)
                lines.push_back(std::move(line));
        }
        if (lines.empty())
            continue;
        body += draw(panel, lines, std::max(times.back(), 1e-6), count % columns * width,
                     count / columns * height);
        count++;
    }
    std::ofstream out(to);
    out << "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"" << columns * width << "\" height=\""
        << (count + columns - 1) / columns * height
        << "\" font-family=\"sans-serif\" font-size=\"11\">\n"
        << "<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
        << body << "</svg>\n";
    out.flush();
    return static_cast<bool>(out);
}

} // namespace mardini::train
