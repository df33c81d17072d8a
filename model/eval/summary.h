// The results of an evaluation and their means.
#pragma once

#include "eval/score.h"

#include <map>
#include <string>

namespace mardini::eval {

/// A name and the starts of the clips' names.
using Groups = std::vector<std::pair<std::string, std::vector<std::string>>>;

/// "NAME=CLIP,CLIP" of each group. Throws std::runtime_error (one sentence).
Groups parse_groups(const std::vector<std::string> &options);

/// JPEG files of one synthesized frame of a clip at a factor, and of its reference frames.
struct PageSample {
    std::string clip;
    int factor = 0, index = 0;
    double psnr_y = 0;
    std::vector<uint8_t> before, after, truth, synthesized;
    std::vector<uint8_t> difference; ///< synthesized less true, times four, on gray
};

struct Evaluation {
    std::map<std::string, std::string> settings; ///< model, its hash, frames and so on
    std::vector<Score> scores;                   ///< of the first method first, clip by clip
    std::vector<PageSample> samples;             ///< of the first method
    Groups groups;
    std::string without_vmaf; ///< why VMAF is not computed, one sentence; empty: it is
};

/// Means over all clips or over a group.
struct MeanRow {
    std::string group; ///< "all clips" first, then the groups that have clips, then "the rest"
    std::string method;
    int factor = 0;
    size_t clips = 0;
    QualityMetrics metrics;
};
std::vector<MeanRow> means(const Evaluation &evaluation);

/// The factors that occur, rising.
std::vector<int> factors_of(const Evaluation &evaluation);

/// Rank correlation of confidence with PSNR over the first method's synthesized frames; factor 0:
/// of all factors.
double confidence_correlation(const Evaluation &evaluation, int factor = 0);

} // namespace mardini::eval
