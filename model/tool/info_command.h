// The command `mardini info`.
#pragma once

namespace CLI {
class App;
}

namespace mardini::tool {

/// Parsing the command line runs the command.
void add_info_command(CLI::App &app);

} // namespace mardini::tool
