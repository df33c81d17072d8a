// The files of an evaluation.
#pragma once

#include "eval/clip.h"
#include "eval/eval_options.h"

namespace mardini::eval {

/// Endings of clips and of pictures.
extern const std::vector<std::string> video_endings, picture_endings;

/// Files of a folder whose names end in one of `endings`, sorted by path, or the one file that is
/// named. Throws std::runtime_error if there is neither.
std::vector<std::string> list_files(const std::string &folder,
                                    const std::vector<std::string> &endings);

/// Filters that every clip passes before it is scored: options.max_height, yuv420p.
std::vector<FilterSpec> input_filters(const EvalOptions &options);

/// Read each file of options.data, `frames` frames at most, and pass it to `body`. A file that
/// cannot be read, or whose body throws std::runtime_error or c10::Error, is reported on stderr and
/// left out.
///   returns  the number of files left out
/// Throws std::runtime_error if the folder has no such file or the only file fails.
int for_each_file(const EvalOptions &options, const std::vector<std::string> &endings, int frames,
                  const std::function<void(const Clip &)> &body);

/// The same of videos; one that has fewer frames is named on stderr and skipped. Throws
/// std::runtime_error if no clip remains.
int for_each_clip(const EvalOptions &options, int frames,
                  const std::function<void(const Clip &)> &body);

} // namespace mardini::eval
