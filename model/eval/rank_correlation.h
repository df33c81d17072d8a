// Spearman's rank correlation.
#pragma once

#include <vector>

namespace mardini::eval {

/// -1 .. 1; equal values share their mean rank, infinite ones rank as such. NaN for fewer than two
/// values or if all values of one list are equal.
double rank_correlation(const std::vector<double> &a, const std::vector<double> &b);

} // namespace mardini::eval
