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
 * Differences between FFmpeg 5.1, 7.1, 8.1 and 9.0.
 */

#ifndef AVFILTER_MARDINI_COMPAT_H
#define AVFILTER_MARDINI_COMPAT_H

#include "libavutil/frame.h"
#include "libavutil/version.h"
#include "libavfilter/version.h"
#include "avfilter.h"
#include "filters.h" /* includes internal.h in 5.1 */

#ifndef FILTER_QUERY_FUNC2 /* before 7.1 */
#define FilterLink AVFilterLink
#define ff_filter_link(link) (link)
#endif

#if LIBAVFILTER_VERSION_MAJOR >= 11 /* since 8.0 */
#define FILTER_TYPE FFFilter
#define PUBLIC(field) .p.field
#else
#define FILTER_TYPE AVFilter
#define PUBLIC(field) .field
#endif

#if LIBAVUTIL_VERSION_INT >= AV_VERSION_INT(57, 30, 100)
#define DURATION(frame) (frame)->duration
#else
#define DURATION(frame) (frame)->pkt_duration
#endif

#ifdef AV_FRAME_FLAG_INTERLACED
#define IS_INTERLACED(frame) ((frame)->flags & AV_FRAME_FLAG_INTERLACED)
#define IS_TOP_FIRST(frame) ((frame)->flags & AV_FRAME_FLAG_TOP_FIELD_FIRST)
#define CLEAR_PICTURE_FLAGS(frame)                                        \
    ((frame)->flags &= ~(AV_FRAME_FLAG_KEY | AV_FRAME_FLAG_INTERLACED |   \
                         AV_FRAME_FLAG_TOP_FIELD_FIRST))
#else
#define IS_INTERLACED(frame) ((frame)->interlaced_frame)
#define IS_TOP_FIRST(frame) ((frame)->top_field_first)
#define CLEAR_PICTURE_FLAGS(frame)                                        \
    ((frame)->key_frame = (frame)->interlaced_frame = (frame)->top_field_first = 0)
#endif

#endif /* AVFILTER_MARDINI_COMPAT_H */
