/*
 * Copyright (C) 2026 the mardini authors
 *
 * This library is free software; you can redistribute it and/or modify it under
 * the terms of the GNU Lesser General Public License as published by the Free
 * Software Foundation; either version 2.1 of the License, or (at your option)
 * any later version. It comes without any warranty; see LICENSE.
 */

// Finds the file of a checkpoint. The library and the program `mardini` both use it. No LibTorch.
#pragma once

#include <string>

namespace mardini {

/// Folder of the libmardini that the process has loaded, links resolved. In a program that has
/// loaded none: the program's own folder.
std::string library_folder();

/// Whether the network runs on a CUDA device.
///   device          of MardiniSettings; NULL: auto
///   frames_on_cuda  MardiniFormat.on_cuda
///   sees_cuda       called only if device is auto: nonzero if there is a CUDA device
bool runs_on_cuda(const char *device, bool frames_on_cuda, int (*sees_cuda)());

/// Path of a checkpoint.
///   model    path of a file, or the name of a preset; NULL: the best preset for the device
///   on_cuda  see runs_on_cuda()
/// The file of a preset is NAME.safetensors in the first of these folders that holds it: those of
/// $MARDINI_MODEL_PATH (separated by colons), library_folder(), then weights, ../model/weights and
/// ../share/mardini from there, and PREFIX/share/mardini.
/// Throws Error(ENOENT) if there is no such file.
std::string find_model(const char *model, bool on_cuda);

} // namespace mardini
