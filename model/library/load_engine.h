/*
 * Copyright (C) 2026 the mardini authors
 *
 * This library is free software; you can redistribute it and/or modify it under
 * the terms of the GNU Lesser General Public License as published by the Free
 * Software Foundation; either version 2.1 of the License, or (at your option)
 * any later version. It comes without any warranty; see LICENSE.
 */

// Opens libmardini_torch, the part of the library that needs LibTorch.
#pragma once

#include "engine_abi.h"

namespace mardini {

/// Functions of the libmardini_torch.so beside libmardini. It stays open until the process ends.
/// Throws Error(ENOSYS) if it cannot be loaded or is of another version.
const MardiniEngineFunctions *load_engine();

} // namespace mardini
