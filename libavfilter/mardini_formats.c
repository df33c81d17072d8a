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

#include "config.h"

#include "libavutil/common.h"
#include "libavutil/dict.h"
#include "libavutil/macros.h"
#include "libavutil/pixdesc.h"
#include "mardini_compat.h"
#include "mardini_formats.h"

/* Planar formats of 8 to 16 bits in native byte order, then those of interleaved_fmts. */
const enum AVPixelFormat ff_mardini_pix_fmts[] = {
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
#ifdef AV_PIX_FMT_GBRAP14 /* since 7.0 */
    AV_PIX_FMT_GBRAP14,
#endif
    AV_PIX_FMT_NV12, AV_PIX_FMT_NV21, AV_PIX_FMT_NV16, AV_PIX_FMT_NV24, AV_PIX_FMT_NV42, AV_PIX_FMT_NV20,
    AV_PIX_FMT_P010, AV_PIX_FMT_P016, AV_PIX_FMT_P210, AV_PIX_FMT_P216, AV_PIX_FMT_P410, AV_PIX_FMT_P416,
    AV_PIX_FMT_YUYV422, AV_PIX_FMT_UYVY422, AV_PIX_FMT_YVYU422, AV_PIX_FMT_Y210,
    AV_PIX_FMT_RGB24, AV_PIX_FMT_BGR24, AV_PIX_FMT_RGB0, AV_PIX_FMT_BGR0, AV_PIX_FMT_0RGB, AV_PIX_FMT_0BGR,
    AV_PIX_FMT_RGBA, AV_PIX_FMT_BGRA, AV_PIX_FMT_ARGB, AV_PIX_FMT_ABGR,
    AV_PIX_FMT_RGB48, AV_PIX_FMT_BGR48, AV_PIX_FMT_RGBA64, AV_PIX_FMT_BGRA64,
#ifdef AV_PIX_FMT_P012 /* since 6.0 */
    AV_PIX_FMT_P012,
#endif
#ifdef AV_PIX_FMT_P212 /* since 6.1 */
    AV_PIX_FMT_P212, AV_PIX_FMT_P412,
#endif
#if CONFIG_CUDA
    AV_PIX_FMT_CUDA,
#endif
    AV_PIX_FMT_NONE
};

/* Formats with interleaved components, each with the planar format of the same samples. */
static const enum AVPixelFormat interleaved_fmts[][2] = {
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

enum AVPixelFormat ff_mardini_planar_fmt(enum AVPixelFormat format)
{
    for (int i = 0; i < FF_ARRAY_ELEMS(interleaved_fmts); i++)
        if (interleaved_fmts[i][0] == format)
            return interleaved_fmts[i][1];
    return format;
}

MardiniFormat ff_mardini_describe_format(enum AVPixelFormat planar_fmt, int width, int height)
{
    const AVPixFmtDescriptor *desc = av_pix_fmt_desc_get(planar_fmt);
    const int alpha = !!(desc->flags & AV_PIX_FMT_FLAG_ALPHA);
    const int gray  = desc->nb_components - alpha == 1;

    return (MardiniFormat){
        .width  = width,
        .height = height,
        .color  = gray ? MARDINI_COLOR_GRAY :
                  desc->flags & AV_PIX_FMT_FLAG_RGB ? MARDINI_COLOR_GBR : MARDINI_COLOR_YUV,
        .alpha  = alpha,
        .depth  = desc->comp[0].depth,
        .log2_chroma_width  = desc->log2_chroma_w,
        .log2_chroma_height = desc->log2_chroma_h,
    };
}

MardiniFrame ff_mardini_planes(const AVFrame *frame)
{
    MardiniFrame planes = { { 0 } };

    for (int i = 0; i < 4 && frame->data[i]; i++) {
        planes.data[i]   = frame->data[i];
        planes.stride[i] = frame->linesize[i];
    }
    return planes;
}

AVFrame *ff_mardini_alloc_frame(enum AVPixelFormat format, int width, int height)
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

static void copy_component(AVFrame *dst, const AVComponentDescriptor *d,
                           const AVFrame *src, const AVComponentDescriptor *s,
                           int width, int height)
{
    for (int y = 0; y < height; y++) {
        const uint8_t *in = src->data[s->plane] + (ptrdiff_t)y * src->linesize[s->plane] + s->offset;
        uint8_t *out = dst->data[d->plane] + (ptrdiff_t)y * dst->linesize[d->plane] + d->offset;

        for (int x = 0; x < width; x++, in += s->step, out += d->step) {
            if (s->depth > 8) /* P010 has its samples in the high bits */
                *(uint16_t *)out = (*(const uint16_t *)in >> s->shift) << d->shift |
                                   (*(const uint16_t *)out & ((1 << d->shift) - 1));
            else
                *out = *in;
        }
    }
}

void ff_mardini_copy_samples(AVFrame *dst, const AVFrame *src)
{
    const AVPixFmtDescriptor *dst_desc = av_pix_fmt_desc_get(dst->format);
    const AVPixFmtDescriptor *src_desc = av_pix_fmt_desc_get(src->format);

    for (int c = 0; c < src_desc->nb_components; c++)
        copy_component(dst, &dst_desc->comp[c], src, &src_desc->comp[c],
                       c ? AV_CEIL_RSHIFT(src->width,  src_desc->log2_chroma_w) : src->width,
                       c ? AV_CEIL_RSHIFT(src->height, src_desc->log2_chroma_h) : src->height);
}

static int is_stream_side_data(enum AVFrameSideDataType type)
{
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
        return 1;
    default:
        return 0;
    }
}

void ff_mardini_clear_picture_props(AVFrame *frame)
{
    static const char *const keys[] = { "lavfi.scd.time", "lavfi.scd.score", "lavfi.scd.mafd" };

    for (int i = frame->nb_side_data - 1; i >= 0; i--) {
        const enum AVFrameSideDataType type = frame->side_data[i]->type;

        if (is_stream_side_data(type))
            continue;
        av_frame_remove_side_data(frame, type); /* all entries of the type */
        i = FFMIN(i, frame->nb_side_data);
    }
    for (int i = 0; i < FF_ARRAY_ELEMS(keys); i++)
        av_dict_set(&frame->metadata, keys[i], NULL, 0);
    CLEAR_PICTURE_FLAGS(frame);
    frame->pict_type   = AV_PICTURE_TYPE_NONE;
    frame->repeat_pict = 0;
}
