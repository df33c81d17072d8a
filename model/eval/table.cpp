// An evaluation as a table.
#include "eval/table.h"

#include <cmath>

namespace mardini::eval {

static void print_headings(std::FILE *out, const char *name, const char *count)
{
    std::fprintf(out, "%-24s %-26s %4s %6s ", name, "method", "", count);
    for (const MetricColumn &column : metric_columns)
        std::fprintf(out, " %*s", column.width, column.heading);
    std::fprintf(out, "\n");
}

static void print_values(std::FILE *out, const std::string &name, const std::string &method,
                         int factor, size_t count, const QualityMetrics &metrics)
{
    std::fprintf(out, "%-24s %-26s %3dx %6zu ", name.c_str(), method.c_str(), factor, count);
    for (const MetricColumn &column : metric_columns) {
        const double value = metrics.*column.field;
        if (std::isnan(value))
            std::fprintf(out, " %*s", column.width, "-");
        else
            std::fprintf(out, " %*.*f", column.width, column.decimals, value);
    }
    std::fprintf(out, "\n");
}

void print_heading(std::FILE *out)
{
    print_headings(out, "clip", "frames");
}

void print_row(std::FILE *out, const Score &s)
{
    print_values(out, s.clip, s.method, s.factor, s.frames.size(), s.metrics);
    if (s.repeated_at_cut)
        std::fprintf(out, "%-24s   %d of these repeat a reference frame at a cut\n", "",
                     s.repeated_at_cut);
    std::fflush(out);
}

void print_summary(std::FILE *out, const Evaluation &e)
{
    std::fprintf(out, "\n");
    print_headings(out, "mean of", "clips");
    for (const MeanRow &row : means(e))
        print_values(out, row.group, row.method, row.factor, row.clips, row.metrics);
    std::fprintf(out,
                 "\nrank correlation of confidence with PSNR-Y, all synthesized frames: %.3f (",
                 confidence_correlation(e));
    const char *between = "";
    for (int factor : factors_of(e)) {
        std::fprintf(out, "%s%dx %.3f", between, factor, confidence_correlation(e, factor));
        between = ", ";
    }
    std::fprintf(out, ")\n");
    if (!e.without_vmaf.empty())
        std::fprintf(out, "%s\n", e.without_vmaf.c_str());
}

} // namespace mardini::eval
