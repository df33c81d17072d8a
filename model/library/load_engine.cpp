/*
 * Copyright (C) 2026 the mardini authors
 *
 * This library is free software; you can redistribute it and/or modify it under
 * the terms of the GNU Lesser General Public License as published by the Free
 * Software Foundation; either version 2.1 of the License, or (at your option)
 * any later version. It comes without any warranty; see LICENSE.
 */

#include "library/load_engine.h"

#include <dlfcn.h>

#include <string>

#include "base/error.h"
#include "library/find_model.h"

namespace mardini {

const MardiniEngineFunctions *load_engine()
{
    const std::string path = library_folder() + "/libmardini_torch.so";
    int flags = RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE;
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) // which refuse it
    flags |=
        RTLD_DEEPBIND; // LibTorch's copies of common libraries take precedence over the caller's
#endif
    void *library = dlopen(path.c_str(), flags);
    if (!library) {
        const char *reason = dlerror();
        throw Error(
            ENOSYS,
            text("the network's library cannot be loaded: %s; it must lie beside libmardini, and "
                 "LibTorch where it was when both were built",
                 reason ? reason : path.c_str()));
    }
    const auto entry =
        reinterpret_cast<decltype(&mardini_engine)>(dlsym(library, MARDINI_ENGINE_SYMBOL));
    const MardiniEngineFunctions *functions = entry ? entry() : nullptr;
    if (!functions || functions->version != MARDINI_ENGINE_VERSION)
        throw Error(ENOSYS,
                    text("%s is of version %u, %u is wanted: install both libraries from one build",
                         path.c_str(), functions ? functions->version : 0, MARDINI_ENGINE_VERSION));
    return functions;
}

} // namespace mardini
