/*
 * This file is part of FFmpeg.
 *
 * FFmpeg is free software; you can redistribute it and/or
 * modify it under the terms of the GNU Lesser General Public
 * License as published by the Free Software Foundation; either
 * version 2.1 of the License, or (at your option) any later version.
 *
 * FFmpeg is distributed in the hope that it will be useful,
 * but WITHOUT ANY WARRANTY; without even the implied warranty of
 * MERCHANTABILITY or FITNESS FOR A PARTICULAR PURPOSE.  See the GNU
 * Lesser General Public License for more details.
 *
 * You should have received a copy of the GNU Lesser General Public
 * License along with FFmpeg; if not, write to the Free Software
 * Foundation, Inc., 51 Franklin Street, Fifth Floor, Boston, MA 02110-1301 USA
 */


/**
 * @file
 * CUDA frames in vf_mardini
 */

#ifndef AVFILTER_MARDINI_CUDA_H
#define AVFILTER_MARDINI_CUDA_H

#include <mardini.h>

#include "libavutil/frame.h"
#include "libavutil/pixfmt.h"
#include "avfilter.h"

/** Check the software format of a link with CUDA frames. Other links pass. */
int ff_mardini_cuda_check_input(AVFilterLink *inlink);

/** The software format of a link with CUDA frames, else the link's format. */
enum AVPixelFormat ff_mardini_cuda_sw_format(const AVFilterLink *link);

/**
 * Create the output's frames context on the input's device, and set the fields
 * of settings and format that depend on the device. A decoder's frames context
 * cannot serve the output, as its pool may be small or of fixed size.
 */
int ff_mardini_cuda_config_output(AVFilterLink *outlink, MardiniSettings *settings,
                                  MardiniFormat *format);

/**
 * Move a CUDA frame of the input to the output's frames context, because
 * hwdownload accepts frames of one context only. Nothing is copied: the frame
 * keeps a reference to the one it was. Frames in host memory are left unchanged.
 */
int ff_mardini_cuda_rewrap(AVFilterContext *ctx, AVFrame *frame);

#endif /* AVFILTER_MARDINI_CUDA_H */
