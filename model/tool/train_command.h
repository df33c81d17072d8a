// The command `mardini train`.
#pragma once

namespace CLI {
class App;
}

namespace mardini::tool {

/// Parsing the command line runs the command.
void add_train_command(CLI::App &app);

} // namespace mardini::tool
