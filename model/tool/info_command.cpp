// The command `mardini info`.
#include "tool/info_command.h"

#include "eval/info.h"
#include "library/find_model.h"
#include "tool/option_table.h"

#include <algorithm>
#include <cstdio>
#include <memory>
#include <stdexcept>

namespace mardini::tool {

namespace {

struct InfoCommand {
    std::string model, size = "448x256";

    void run() const
    {
        int width = 0, height = 0, end = 0;
        if (std::sscanf(size.c_str(), "%dx%d%n", &width, &height, &end) != 2 ||
            end != static_cast<int>(size.size()) || std::min(width, height) < 16 ||
            std::max(width, height) > 16384)
            throw std::runtime_error("--size " + size +
                                     ": WIDTHxHEIGHT is wanted, 16x16 to 16384x16384.");
        eval::print_info(find_model(model.c_str(), /*on_cuda=*/false), width, height);
    }
};

} // namespace

void add_info_command(CLI::App &app)
{
    const auto command = std::make_shared<InfoCommand>();
    CLI::App *c =
        app.add_subcommand("info", "print format, size, cost and training of a checkpoint");
    add_options(c, "Options",
                {{"FILE", &command->model, "checkpoint or preset"},
                 {"--size", &command->size, "of the frames whose cost is counted"}});
    c->get_option("FILE")->required();
    c->callback([command] { command->run(); });
}

} // namespace mardini::tool
