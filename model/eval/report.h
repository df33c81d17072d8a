// An evaluation as a table, as JSON, and as one page with pictures.
#pragma once

#include "eval/score.h"

#include <cstdio>
#include <map>
#include <string>

namespace mardini::eval {

/// JPEG files of one made frame of a clip at a factor, and what it was made from.
struct Sample {
    std::string clip;
    int factor = 0, index = 0;
    double psnr_y = 0;
    std::vector<uint8_t> before, after, truth, made;
    std::vector<uint8_t> difference; ///< made less true, four times, on gray
};

/// Clips whose names begin with one of these are a group of their own.
using Groups = std::vector<std::pair<std::string, std::vector<std::string>>>;

struct Evaluation {
    std::map<std::string, std::string>
        settings;                ///< what was run: model, its hash, frames and so on
    std::vector<Score> scores;   ///< of the first method first, clip by clip
    std::vector<Sample> samples; ///< of the first method
    Groups groups;
};

/// A mean over clips: of all, or of a group.
struct MeanRow {
    std::string group; ///< "all clips" first, then the groups that have clips, then "the rest"
    std::string method;
    int factor = 0;
    size_t clips = 0;
    Figures figures;
};
std::vector<MeanRow> means(const Evaluation &evaluation);

/// Rank correlation of confidence with PSNR over the first method's made frames; factor 0: of all
/// factors.
double confidence_correlation(const Evaluation &evaluation, int factor = 0);

/// Pictures of the middle dropped frame, for the page.
Sample make_sample(const Score &score, const std::vector<Frame> &truth,
                   const std::vector<Made> &made);

void print_heading(std::FILE *out);
void print_row(std::FILE *out, const Score &score);
/// The means and the correlation.
void print_summary(std::FILE *out, const Evaluation &evaluation);

/// Every figure, those of each frame too; an infinite one is the word "inf".
void write_json(const std::string &path, const Evaluation &evaluation);
/// One page that needs nothing beside it.
void write_html(const std::string &path, const Evaluation &evaluation);

} // namespace mardini::eval
