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
 * Formats that vf_mardini accepts, the planar ones that its library sees of them, and what frames carry besides
 * pixels.
 */

#ifndef AVFILTER_MARDINI_FORMATS_H
#define AVFILTER_MARDINI_FORMATS_H

#include "config.h"

#include <mardini.h>

#include "libavutil/common.h"
#include "libavutil/dict.h"
#include "libavutil/frame.h"
#include "libavutil/macros.h"
#include "libavutil/pixdesc.h"
#include "libavutil/pixfmt.h"
#include "mardini_compat.h"

/** All planar formats of native byte order, 8 to 16 bits, then those of the table below. */
static const enum AVPixelFormat pix_fmts[] = {
    AV_PIX_FMT_GRAY8, AV_PIX_FMT_GRAY9, AV_PIX_FMT_GRAY10, AV_PIX_FMT_GRAY12, AV_PIX_FMT_GRAY14, AV_PIX_FMT_GRAY16,
    AV_PIX_FMT_YUV410P, AV_PIX_FMT_YUV411P, AV_PIX_FMT_YUV420P, AV_PIX_FMT_YUV422P, AV_PIX_FMT_YUV440P, AV_PIX_FMT_YUV444P,
    AV_PIX_FMT_YUVJ411P, AV_PIX_FMT_YUVJ420P, AV_PIX_FMT_YUVJ422P, AV_PIX_FMT_YUVJ440P, AV_PIX_FMT_YUVJ444P,
    AV_PIX_FMT_YUV420P9, AV_PIX_FMT_YUV422P9, AV_PIX_FMT_YUV444P9,
    AV_PIX_FMT_YUV420P10, AV_PIX_FMT_YUV422P10, AV_PIX_FMT_YUV440P10, AV_PIX_FMT_YUV444P10,
    AV_PIX_FMT_YUV420P12, AV_PIX_FMT_YUV422P12, AV_PIX_FMT_YUV440P12, AV_PIX_FMT_YUV444P12,
    AV_PIX_FMT_YUV420P14, AV_PIX_FMT_YUV422P14, AV_PIX_FMT_YUV444P14,
    AV_PIX_FMT_YUV420P16, AV_PIX_FMT_YUV422P16, AV_PIX_FMT_YUV444P16,
    AV_PIX_FMT_YUVA420P, AV_PIX_FMT_YUVA422P, AV_PIX_FMT_YUVA444P,
    AV_PIX_FMT_YUVA420P9, AV_PIX_FMT_YUVA422P9, AV_PIX_FMT_YUVA444P9,
    AV_PIX_FMT_YUVA420P10, AV_PIX_FMT_YUVA422P10, AV_PIX_FMT_YUVA444P10,
    AV_PIX_FMT_YUVA422P12, AV_PIX_FMT_YUVA444P12,
    AV_PIX_FMT_YUVA420P16, AV_PIX_FMT_YUVA422P16, AV_PIX_FMT_YUVA444P16,
    AV_PIX_FMT_GBRP, AV_PIX_FMT_GBRP9, AV_PIX_FMT_GBRP10, AV_PIX_FMT_GBRP12, AV_PIX_FMT_GBRP14, AV_PIX_FMT_GBRP16,
    AV_PIX_FMT_GBRAP, AV_PIX_FMT_GBRAP10, AV_PIX_FMT_GBRAP12, AV_PIX_FMT_GBRAP16,
#ifdef AV_PIX_FMT_GBRAP14 /* 7.0 on */
    AV_PIX_FMT_GBRAP14,
#endif
    AV_PIX_FMT_NV12, AV_PIX_FMT_NV21, AV_PIX_FMT_NV16, AV_PIX_FMT_NV24, AV_PIX_FMT_NV42, AV_PIX_FMT_NV20,
    AV_PIX_FMT_P010, AV_PIX_FMT_P016, AV_PIX_FMT_P210, AV_PIX_FMT_P216, AV_PIX_FMT_P410, AV_PIX_FMT_P416,
    AV_PIX_FMT_YUYV422, AV_PIX_FMT_UYVY422, AV_PIX_FMT_YVYU422, AV_PIX_FMT_Y210,
    AV_PIX_FMT_RGB24, AV_PIX_FMT_BGR24, AV_PIX_FMT_RGB0, AV_PIX_FMT_BGR0, AV_PIX_FMT_0RGB, AV_PIX_FMT_0BGR,
    AV_PIX_FMT_RGBA, AV_PIX_FMT_BGRA, AV_PIX_FMT_ARGB, AV_PIX_FMT_ABGR,
    AV_PIX_FMT_RGB48, AV_PIX_FMT_BGR48, AV_PIX_FMT_RGBA64, AV_PIX_FMT_BGRA64,
#ifdef AV_PIX_FMT_P012 /* 6.0 on */
    AV_PIX_FMT_P012,
#endif
#ifdef AV_PIX_FMT_P212 /* 6.1 on */
    AV_PIX_FMT_P212, AV_PIX_FMT_P412,
#endif
#if CONFIG_CUDA
    AV_PIX_FMT_CUDA,
#endif
    AV_PIX_FMT_NONE
};

/** Interleaved components, and the planar format of the same samples that the library sees. */
static const enum AVPixelFormat planar_fmts[][2] = {
    { AV_PIX_FMT_NV12, AV_PIX_FMT_YUV420P },   { AV_PIX_FMT_NV21, AV_PIX_FMT_YUV420P },
    { AV_PIX_FMT_NV16, AV_PIX_FMT_YUV422P },   { AV_PIX_FMT_NV20, AV_PIX_FMT_YUV422P10 },
    { AV_PIX_FMT_NV24, AV_PIX_FMT_YUV444P },   { AV_PIX_FMT_NV42, AV_PIX_FMT_YUV444P },
    { AV_PIX_FMT_P010, AV_PIX_FMT_YUV420P10 }, { AV_PIX_FMT_P016, AV_PIX_FMT_YUV420P16 },
    { AV_PIX_FMT_P210, AV_PIX_FMT_YUV422P10 }, { AV_PIX_FMT_P216, AV_PIX_FMT_YUV422P16 },
    { AV_PIX_FMT_P410, AV_PIX_FMT_YUV444P10 }, { AV_PIX_FMT_P416, AV_PIX_FMT_YUV444P16 },
    { AV_PIX_FMT_YUYV422, AV_PIX_FMT_YUV422P }, { AV_PIX_FMT_UYVY422, AV_PIX_FMT_YUV422P },
    { AV_PIX_FMT_YVYU422, AV_PIX_FMT_YUV422P }, { AV_PIX_FMT_Y210, AV_PIX_FMT_YUV422P10 },
    { AV_PIX_FMT_RGB24, AV_PIX_FMT_GBRP },     { AV_PIX_FMT_BGR24, AV_PIX_FMT_GBRP },
    { AV_PIX_FMT_RGB0, AV_PIX_FMT_GBRP },      { AV_PIX_FMT_BGR0, AV_PIX_FMT_GBRP },
    { AV_PIX_FMT_0RGB, AV_PIX_FMT_GBRP },      { AV_PIX_FMT_0BGR, AV_PIX_FMT_GBRP },
    { AV_PIX_FMT_RGBA, AV_PIX_FMT_GBRAP },     { AV_PIX_FMT_BGRA, AV_PIX_FMT_GBRAP },
    { AV_PIX_FMT_ARGB, AV_PIX_FMT_GBRAP },     { AV_PIX_FMT_ABGR, AV_PIX_FMT_GBRAP },
    { AV_PIX_FMT_RGB48, AV_PIX_FMT_GBRP16 },   { AV_PIX_FMT_BGR48, AV_PIX_FMT_GBRP16 },
    { AV_PIX_FMT_RGBA64, AV_PIX_FMT_GBRAP16 }, { AV_PIX_FMT_BGRA64, AV_PIX_FMT_GBRAP16 },
#ifdef AV_PIX_FMT_P012
    { AV_PIX_FMT_P012, AV_PIX_FMT_YUV420P12 },
#endif
#ifdef AV_PIX_FMT_P212
    { AV_PIX_FMT_P212, AV_PIX_FMT_YUV422P12 }, { AV_PIX_FMT_P412, AV_PIX_FMT_YUV444P12 },
#endif
};

static enum AVPixelFormat find_planar(enum AVPixelFormat format)
{
    for (int i = 0; i < FF_ARRAY_ELEMS(planar_fmts); i++)
        if (planar_fmts[i][0] == format)
            return planar_fmts[i][1];
    return format;
}

/** What the library is told of a frame. */
static MardiniFrame frame_planes(const AVFrame *frame)
{
    MardiniFrame planes = { { 0 } };

    for (int i = 0; i < 4 && frame->data[i]; i++) {
        planes.data[i]   = frame->data[i];
        planes.stride[i] = frame->linesize[i];
    }
    return planes;
}

/** An empty frame in the layout that the library sees. */
static AVFrame *alloc_planar(enum AVPixelFormat format, int width, int height)
{
    AVFrame *frame = av_frame_alloc();

    if (!frame)
        return NULL;
    frame->format = format;
    frame->width  = width;
    frame->height = height;
    if (av_frame_get_buffer(frame, 0) < 0)
        av_frame_free(&frame);
    return frame;
}

/** The same samples in another layout; both formats have the same components, sizes and depth. Padding stays as it is. */
static void copy_samples(AVFrame *to, const AVFrame *from)
{
    const AVPixFmtDescriptor *to_desc = av_pix_fmt_desc_get(to->format), *from_desc = av_pix_fmt_desc_get(from->format);

    for (int c = 0; c < from_desc->nb_components; c++) {
        const AVComponentDescriptor *t = &to_desc->comp[c], *f = &from_desc->comp[c];
        const int w = c ? AV_CEIL_RSHIFT(from->width,  from_desc->log2_chroma_w) : from->width;
        const int h = c ? AV_CEIL_RSHIFT(from->height, from_desc->log2_chroma_h) : from->height;

        for (int y = 0; y < h; y++) {
            const uint8_t *in = from->data[f->plane] + (ptrdiff_t)y * from->linesize[f->plane] + f->offset;
            uint8_t *out = to->data[t->plane] + (ptrdiff_t)y * to->linesize[t->plane] + t->offset;

            for (int x = 0; x < w; x++, in += f->step, out += t->step) {
                if (f->depth > 8) /* P010 holds its ten bits at the top */
                    *(uint16_t *)out = (*(const uint16_t *)in >> f->shift) << t->shift |
                                       (*(const uint16_t *)out & ((1 << t->shift) - 1));
                else
                    *out = *in;
            }
        }
    }
}

/** Drop what belongs to the one picture that the properties were copied from. */
static void make_props_general(AVFrame *frame)
{
    static const char *const keys[] = { "lavfi.scd.time", "lavfi.scd.score", "lavfi.scd.mafd" };

    for (int i = frame->nb_side_data - 1; i >= 0; i--) {
        const enum AVFrameSideDataType type = frame->side_data[i]->type;

        switch (type) {
        case AV_FRAME_DATA_PANSCAN:
        case AV_FRAME_DATA_STEREO3D:
        case AV_FRAME_DATA_DISPLAYMATRIX:
        case AV_FRAME_DATA_AFD:
        case AV_FRAME_DATA_MASTERING_DISPLAY_METADATA:
        case AV_FRAME_DATA_SPHERICAL:
        case AV_FRAME_DATA_CONTENT_LIGHT_LEVEL:
        case AV_FRAME_DATA_ICC_PROFILE:
#if LIBAVUTIL_VERSION_INT >= AV_VERSION_INT(57, 44, 100)
        case AV_FRAME_DATA_AMBIENT_VIEWING_ENVIRONMENT:
#endif
            break; /* the stream's */
        default:
            av_frame_remove_side_data(frame, type);
            i = FFMIN(i, frame->nb_side_data);
        }
    }
    for (int i = 0; i < FF_ARRAY_ELEMS(keys); i++)
        av_dict_set(&frame->metadata, keys[i], NULL, 0);
    CLEAR_PICTURE_FLAGS(frame);
    frame->pict_type   = AV_PICTURE_TYPE_NONE;
    frame->repeat_pict = 0;
}

#endif /* AVFILTER_MARDINI_FORMATS_H */
