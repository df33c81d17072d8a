/*
 * Copyright (C) 2026 the mardini authors
 *
 * This library is free software; you can redistribute it and/or modify it under
 * the terms of the GNU Lesser General Public License as published by the Free
 * Software Foundation; either version 2.1 of the License, or (at your option)
 * any later version. It comes without any warranty; see LICENSE.
 */

// Whether two frames show the same picture. No LibTorch.
#pragma once

#include "mardini.h"

namespace mardini {

/// mardini_is_repeat() of mardini.h, for a format and planes that are valid and in host memory.
bool is_repeat(const MardiniFormat &format, const MardiniFrame &a, const MardiniFrame &b);

} // namespace mardini
