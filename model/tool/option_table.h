// Command line options as rows of a table.
#pragma once

#include <CLI/CLI.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace mardini::tool {

/// Holds the default until the command line is parsed, then the option's value.
using Field = std::variant<std::string *, int *, int64_t *, uint64_t *, double *, bool *,
                           std::vector<int> *, std::vector<std::string> *>;

struct OptionRow {
    const char *name;
    Field field; ///< outlives the parser
    const char *help;
    std::optional<CLI::Validator> range = std::nullopt;
    char delimiter = 0; ///< between the values of a list; 0: each is a word of its own
};

/// Add the options of a table under a heading of the help, each with the default of its field.
void add_options(CLI::App *command, const std::string &group, const std::vector<OptionRow> &rows);

} // namespace mardini::tool
