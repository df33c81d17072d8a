// Where a test finds what it reads and puts what it writes.
#ifndef TESTS_FILES_H
#define TESTS_FILES_H

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

#ifndef MARDINI_BUILD
#define MARDINI_BUILD "build"
#endif
#ifndef MARDINI_SRC
#define MARDINI_SRC "."
#endif

namespace files {

inline std::string environment(const char *name, const std::string &otherwise)
{
    const char *value = getenv(name);
    return value && *value ? value : otherwise;
}

/// A file of the source tree, of the build.
inline std::string source_file(const std::string &name)
{
    return environment("MARDINI_SRC", MARDINI_SRC) + "/" + name;
}

inline std::string built_file(const std::string &name)
{
    return environment("MARDINI_BUILD", MARDINI_BUILD) + "/" + name;
}

/// A file in a folder of the test program's own: run-tests makes and removes it; by hand it stays
/// in /tmp.
inline std::string scratch(const std::string &name)
{
    static const std::string folder = [] {
        char made[] = "/tmp/mardini-test-XXXXXX";
        const std::string given = environment("TMPDIR", "");
        return !given.empty() ? given : mkdtemp(made) ? made : "/tmp";
    }();
    return folder + "/mardini-test-" + name;
}

inline std::string read(const std::string &path)
{
    std::ifstream in(path, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(in), {});
}

} // namespace files

#endif
