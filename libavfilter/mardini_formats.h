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
 * Pixel formats of vf_mardini, and the frame properties of its output
 */

#ifndef AVFILTER_MARDINI_FORMATS_H
#define AVFILTER_MARDINI_FORMATS_H

#include <mardini.h>

#include "libavutil/frame.h"
#include "libavutil/pixfmt.h"

/** Accepted pixel formats, ended by AV_PIX_FMT_NONE. */
extern const enum AVPixelFormat ff_mardini_pix_fmts[];

/** The planar format with the same samples, format itself if it is planar. */
enum AVPixelFormat ff_mardini_planar_fmt(enum AVPixelFormat format);

/** Describe frames in host memory to the library; planar_fmt is a planar format. */
MardiniFormat ff_mardini_describe_format(enum AVPixelFormat planar_fmt, int width, int height);

/** The planes of a frame as the library takes them. They stay the frame's. */
MardiniFrame ff_mardini_planes(const AVFrame *frame);

/** Allocate a frame with buffers. @return NULL if out of memory */
AVFrame *ff_mardini_alloc_frame(enum AVPixelFormat format, int width, int height);

/**
 * Copy samples between formats with the same components, subsampling and depth.
 * Padding bits and bytes of dst are left unchanged.
 */
void ff_mardini_copy_samples(AVFrame *dst, const AVFrame *src);

/**
 * Remove the properties of a single picture (side data, scdet's metadata,
 * picture type, field order) from a frame whose properties were copied, and
 * keep those of the stream.
 */
void ff_mardini_clear_picture_props(AVFrame *frame);

#endif /* AVFILTER_MARDINI_FORMATS_H */
