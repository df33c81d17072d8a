/*
 * Copyright (C) 2026 the mardini authors
 *
 * This library is free software; you can redistribute it and/or modify it under
 * the terms of the GNU Lesser General Public License as published by the Free
 * Software Foundation; either version 2.1 of the License, or (at your option)
 * any later version. It comes without any warranty; see LICENSE.
 */

// A failure inside the library and its way out: an errno code and one sentence.
#pragma once

#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>

#include "mardini.h"

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

/// The one exception type of libmardini.
struct Error : std::runtime_error {
    int code; ///< positive errno
    /// The sentence says what was wanted, what was got and the way out.
    Error(int errno_code, const std::string &sentence)
        : std::runtime_error(sentence), code(errno_code)
    {
    }
};

/// An exception as C reports it.
struct CaughtError {
    int code; ///< positive errno
    std::string sentence;
};

/// Translates exceptions of a library that base/ does not include. It runs inside a catch block,
/// rethrows the exception with `throw;` and catches the types that it knows. For any other type it
/// returns nothing.
using ExceptionHook = std::optional<CaughtError> (*)();

/// The exception that is being handled, as code and sentence: Error: its own; std::bad_alloc:
/// ENOMEM; anything else: EIO. The hook, if any, is asked after Error and before the other types.
/// Only for use inside a catch block.
inline CaughtError describe_exception(ExceptionHook hook = nullptr) noexcept
{
    const auto first_line = [](const char *message) {
        const std::string line = message;
        return line.substr(0, line.find('\n'));
    };
    try {
        try {
            throw;
        } catch (const Error &e) {
            return {e.code, first_line(e.what())};
        } catch (...) {
            if (hook)
                if (std::optional<CaughtError> caught = hook())
                    return {caught->code, first_line(caught->sentence.c_str())};
            throw;
        }
    } catch (const std::bad_alloc &) {
        return {ENOMEM, "out of memory"}; // short enough to need no allocation
    } catch (const std::exception &e) {
        try {
            return {EIO, first_line(e.what())};
        } catch (...) {
            return {ENOMEM, "out of memory"};
        }
    } catch (...) {
        return {EIO, "unknown failure"}; // likewise
    }
}

/// Run body() -> int and return its value. An exception becomes MARDINI_ERR(code), and its sentence
/// one message at error level. Every function that C calls runs inside.
template <typename Body>
std::enable_if_t<std::is_invocable_r_v<int, Body>, int> guarded(
    MardiniLog log, void *opaque, Body &&body, ExceptionHook hook = nullptr) noexcept
{
    try {
        return body();
    } catch (...) {
        const CaughtError caught = describe_exception(hook);
        if (log)
            log(opaque, MARDINI_LOG_ERROR, caught.sentence.c_str());
        return MARDINI_ERR(caught.code);
    }
}

} // namespace mardini
