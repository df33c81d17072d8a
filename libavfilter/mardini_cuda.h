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
 * vf_mardini's CUDA frames: what is accepted, where the output's lie, and whose they count as.
 */

#ifndef AVFILTER_MARDINI_CUDA_H
#define AVFILTER_MARDINI_CUDA_H

#include "config.h"

#include <mardini.h>

#include "libavutil/frame.h"
#include "libavutil/pixdesc.h"
#include "avfilter.h"
#include "filters.h"
#include "mardini_compat.h"

#if CONFIG_CUDA

#include "libavutil/hwcontext.h"
#include "libavutil/hwcontext_cuda_internal.h"

/** Planar YUV or gray, or YUV of interleaved chroma, Cb first. */
static int is_cuda_format(const AVPixFmtDescriptor *desc)
{
    const uint64_t others = AV_PIX_FMT_FLAG_BE | AV_PIX_FMT_FLAG_PAL | AV_PIX_FMT_FLAG_BITSTREAM | AV_PIX_FMT_FLAG_HWACCEL |
                            AV_PIX_FMT_FLAG_RGB | AV_PIX_FMT_FLAG_ALPHA | AV_PIX_FMT_FLAG_FLOAT | AV_PIX_FMT_FLAG_BAYER;

    if (!desc || desc->flags & others || desc->comp[0].depth < 8 || desc->comp[0].depth > 16)
        return 0;
    return desc->nb_components == 1 ||
           (desc->nb_components == 3 && desc->flags & AV_PIX_FMT_FLAG_PLANAR &&
            (desc->comp[1].plane != desc->comp[2].plane || desc->comp[1].offset < desc->comp[2].offset));
}

static int config_input(AVFilterLink *inlink)
{
    const AVBufferRef *ref = ff_filter_link(inlink)->hw_frames_ctx;
    const AVHWFramesContext *frames = ref ? (AVHWFramesContext *)ref->data : NULL;

    if (inlink->format != AV_PIX_FMT_CUDA)
        return 0;
    if (!frames || !is_cuda_format(av_pix_fmt_desc_get(frames->sw_format))) {
        av_log(inlink->dst, AV_LOG_ERROR, "CUDA frames of %s cannot be used; nv12, p010 and planar YUV can: put "
               "scale_cuda=format=nv12 before this filter\n",
               frames ? av_get_pix_fmt_name(frames->sw_format) : "an unknown format");
        return AVERROR(EINVAL);
    }
    return 0;
}

/** The output's frames lie on the input's device, in a pool of our own: a decoder's is small or not for others. */
static int config_cuda(AVFilterLink *outlink, MardiniSettings *settings, MardiniFormat *format)
{
    AVFilterContext *ctx = outlink->src;
    const AVHWFramesContext *in = (AVHWFramesContext *)ff_filter_link(ctx->inputs[0])->hw_frames_ctx->data;
    const AVCUDADeviceContext *device = in->device_ctx->hwctx;
    const AVPixFmtDescriptor *desc = av_pix_fmt_desc_get(in->sw_format);
    AVBufferRef *ref = av_hwframe_ctx_alloc(in->device_ref);
    AVHWFramesContext *out;

    if (!ref)
        return AVERROR(ENOMEM);
    out = (AVHWFramesContext *)ref->data;
    out->format    = AV_PIX_FMT_CUDA;
    out->sw_format = in->sw_format;
    out->width     = ctx->inputs[0]->w;
    out->height    = ctx->inputs[0]->h;
    av_buffer_unref(&ff_filter_link(outlink)->hw_frames_ctx);
    ff_filter_link(outlink)->hw_frames_ctx = ref;

    format->on_cuda        = 1;
    format->interleaved    = desc->nb_components == 3 && desc->comp[1].plane == desc->comp[2].plane;
    format->shift          = desc->comp[0].shift;
    settings->cuda_context = device->cuda_ctx;
    settings->cuda_stream  = device->stream;
    return av_hwframe_ctx_init(ref);
}

static void free_owner(void *opaque, uint8_t *data)
{
    AVFrame *owner = (AVFrame *)data;

    av_frame_free(&owner);
}

/**
 * Let a CUDA frame of the input count as one of the output's frames context, of which there is one only: hwdownload
 * refuses others. The picture stays where it is, kept by the frame that it came with.
 */
static int adopt(AVFilterContext *ctx, AVFrame *frame)
{
    AVFrame *owner;
    AVBufferRef *frames, *picture;

    if (frame->format != AV_PIX_FMT_CUDA)
        return 0;
    owner   = av_frame_clone(frame);
    frames  = av_buffer_ref(ff_filter_link(ctx->outputs[0])->hw_frames_ctx);
    picture = owner ? av_buffer_create((uint8_t *)owner, sizeof(*owner), free_owner, NULL,
                                        AV_BUFFER_FLAG_READONLY) : NULL;

    if (!frames || !picture) {
        av_buffer_unref(&frames);
        if (picture)
            av_buffer_unref(&picture);
        else
            av_frame_free(&owner);
        return AVERROR(ENOMEM);
    }
    for (int i = 0; i < AV_NUM_DATA_POINTERS; i++)
        av_buffer_unref(&frame->buf[i]);
    av_buffer_unref(&frame->hw_frames_ctx);
    frame->buf[0]        = picture;
    frame->hw_frames_ctx = frames;
    return 0;
}

#else

static int adopt(AVFilterContext *ctx, AVFrame *frame)
{
    return 0;
}

#endif /* CONFIG_CUDA */

/** What the input's samples are, wherever they lie. */
static enum AVPixelFormat samples_format(AVFilterLink *inlink)
{
#if CONFIG_CUDA
    if (inlink->format == AV_PIX_FMT_CUDA)
        return ((AVHWFramesContext *)ff_filter_link(inlink)->hw_frames_ctx->data)->sw_format;
#endif
    return inlink->format;
}

#endif /* AVFILTER_MARDINI_CUDA_H */
