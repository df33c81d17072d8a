// Several filter graphs in one run of ffmpeg, which then loads LibTorch once for all of them.
#ifndef TESTS_BATCH_H
#define TESTS_BATCH_H

#include "support/ffmpeg.h"

#include <string>
#include <vector>

namespace ffmpeg {

struct Graph {
    std::string filters;        ///< starts with a source
    std::string time_base = ""; ///< of Clip::frames; empty: the graph's own
};

/// Run graphs at once, each with output options that end in a muxer's -f.
///   files    receives what each graph's muxer wrote
///   returns  status and messages of the whole run
inline Output run_graphs(const std::vector<std::string> &graphs,
                         const std::vector<std::string> &options, std::vector<std::string> &files)
{
    std::string inputs, outputs;
    const auto file = [](size_t i) { return scratch("graph" + std::to_string(i)); };
    for (size_t i = 0; i < graphs.size(); i++) {
        const std::string label = "[out" + std::to_string(i) + "]";
        inputs += "-filter_complex \"" + graphs[i] + label + "\" ";
        outputs += "-map '" + label + "' " + options[i] + " -y '" + file(i) + "' ";
    }
    const Output run = shell("FFMPEG " + inputs + outputs);
    files.clear();
    for (size_t i = 0; i < graphs.size(); i++) {
        files.push_back(read(file(i)));
        remove(file(i).c_str());
    }
    return run;
}

/// The frames of each graph. Every clip has status and messages of the whole run.
inline std::vector<Clip> batch(const std::vector<Graph> &graphs)
{
    std::vector<std::string> filters, options, files;
    for (const Graph &graph : graphs) {
        filters.push_back(graph.filters);
        options.push_back(framemd5_options(graph.time_base));
    }
    const Output run = run_graphs(filters, options, files);
    std::vector<Clip> clips(graphs.size());
    for (size_t i = 0; i < graphs.size(); i++) {
        clips[i].output = run;
        read_framemd5(files[i], clips[i]);
    }
    return clips;
}

} // namespace ffmpeg

#endif
