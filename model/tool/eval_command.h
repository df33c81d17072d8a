// The command `mardini eval`.
#pragma once

namespace CLI {
class App;
}

namespace mardini::tool {

/// Parsing the command line runs the command; *left_out receives the number of files that were left
/// out and must outlive the parser.
void add_eval_command(CLI::App &app, int *left_out);

} // namespace mardini::tool
