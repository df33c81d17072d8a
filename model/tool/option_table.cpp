// Command line options as rows of a table.
#include "tool/option_table.h"

namespace mardini::tool {

void add_options(CLI::App *command, const std::string &group, const std::vector<OptionRow> &rows)
{
    for (const OptionRow &row : rows)
        std::visit(
            [&](auto *field) {
                CLI::Option *option = command->add_option(row.name, *field, row.help);
                option->group(group);
                if (row.range)
                    option->check(*row.range);
                if (row.delimiter)
                    option->delimiter(row.delimiter);
                option->capture_default_str();
                const std::string value = option->get_default_str();
                if (value == "[]" || value == "\"\"") // nothing to show
                    option->default_str("");
            },
            row.field);
}

} // namespace mardini::tool
