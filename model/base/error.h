/*
 * Copyright (C) 2026 the mardini authors
 *
 * This library is free software; you can redistribute it and/or modify it under
 * the terms of the GNU Lesser General Public License as published by the Free
 * Software Foundation; either version 2.1 of the License, or (at your option)
 * any later version. It comes without any warranty; see LICENSE.
 */

// A failure on its way to the one wrapper that catches: code and message.
#pragma once

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>

namespace mardini {

/// printf into a string.
[[gnu::format(printf, 1, 2)]] inline std::string text(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *line = nullptr;
    const int length = vasprintf(&line, format, args);
    va_end(args);
    if (length < 0)
        return format;
    std::string out(line, static_cast<size_t>(length));
    free(line);
    return out;
}

/// Thrown inside, turned into `code` and one logged line where C is met.
struct Error : std::runtime_error {
    int code; ///< positive errno
    Error(int errno_code, const std::string &message)
        : std::runtime_error(message), code(errno_code)
    {
    }
};

} // namespace mardini
