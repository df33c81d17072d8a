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

#include "config.h"

#include "libavutil/hwcontext.h"
#if CONFIG_CUDA
#include "libavutil/hwcontext_cuda_internal.h"
#endif
#include "libavutil/pixdesc.h"
#include "filters.h"
#include "mardini_compat.h"
#include "mardini_cuda.h"

static const AVHWFramesContext *frames_context(const AVFilterLink *link)
{
    const AVBufferRef *ref = ff_filter_link((AVFilterLink *)link)->hw_frames_ctx;

    return ref ? (const AVHWFramesContext *)ref->data : NULL;
}

/** Gray, planar YUV, or YUV with interleaved chroma, Cb first. */
static int is_supported(const AVPixFmtDescriptor *desc)
{
    const uint64_t unsupported = AV_PIX_FMT_FLAG_BE | AV_PIX_FMT_FLAG_PAL | AV_PIX_FMT_FLAG_BITSTREAM |
                                 AV_PIX_FMT_FLAG_HWACCEL | AV_PIX_FMT_FLAG_RGB | AV_PIX_FMT_FLAG_ALPHA |
                                 AV_PIX_FMT_FLAG_FLOAT | AV_PIX_FMT_FLAG_BAYER;

    if (!desc || desc->flags & unsupported || desc->comp[0].depth < 8 || desc->comp[0].depth > 16)
        return 0;
    return desc->nb_components == 1 ||
           (desc->nb_components == 3 && desc->flags & AV_PIX_FMT_FLAG_PLANAR &&
            (desc->comp[1].plane != desc->comp[2].plane || desc->comp[1].offset < desc->comp[2].offset));
}

int ff_mardini_cuda_check_input(AVFilterLink *inlink)
{
    const AVHWFramesContext *frames = frames_context(inlink);

    if (inlink->format != AV_PIX_FMT_CUDA || (frames && is_supported(av_pix_fmt_desc_get(frames->sw_format))))
        return 0;
    av_log(inlink->dst, AV_LOG_ERROR, "CUDA frames of %s are not supported, only nv12, p010, gray and planar YUV: "
           "put scale_cuda=format=nv12 before this filter\n",
           frames ? av_get_pix_fmt_name(frames->sw_format) : "an unknown format");
    return AVERROR(EINVAL);
}

enum AVPixelFormat ff_mardini_cuda_sw_format(const AVFilterLink *link)
{
    return link->format == AV_PIX_FMT_CUDA ? frames_context(link)->sw_format : link->format;
}

int ff_mardini_cuda_config_output(AVFilterLink *outlink, MardiniSettings *settings, MardiniFormat *format)
{
#if CONFIG_CUDA
    const AVFilterLink *inlink = outlink->src->inputs[0];
    const AVHWFramesContext *in = frames_context(inlink);
    const AVCUDADeviceContext *device = in->device_ctx->hwctx;
    const AVPixFmtDescriptor *desc = av_pix_fmt_desc_get(in->sw_format);
    AVBufferRef *ref = av_hwframe_ctx_alloc(in->device_ref);
    AVHWFramesContext *out;

    if (!ref)
        return AVERROR(ENOMEM);
    out = (AVHWFramesContext *)ref->data;
    out->format    = AV_PIX_FMT_CUDA;
    out->sw_format = in->sw_format;
    out->width     = inlink->w;
    out->height    = inlink->h;
    av_buffer_unref(&ff_filter_link(outlink)->hw_frames_ctx);
    ff_filter_link(outlink)->hw_frames_ctx = ref;

    format->on_cuda        = 1;
    format->interleaved    = desc->nb_components == 3 && desc->comp[1].plane == desc->comp[2].plane;
    format->shift          = desc->comp[0].shift;
    settings->cuda_context = device->cuda_ctx;
    settings->cuda_stream  = device->stream;
    return av_hwframe_ctx_init(ref);
#else
    return AVERROR(ENOSYS);
#endif
}

static void free_original(void *opaque, uint8_t *data)
{
    AVFrame *original = (AVFrame *)data;

    av_frame_free(&original);
}

int ff_mardini_cuda_rewrap(AVFilterContext *ctx, AVFrame *frame)
{
    AVFrame *original;
    AVBufferRef *frames_ref, *data_ref = NULL;

    if (frame->format != AV_PIX_FMT_CUDA)
        return 0;
    original   = av_frame_clone(frame);
    frames_ref = av_buffer_ref(ff_filter_link(ctx->outputs[0])->hw_frames_ctx);
    if (original)
        data_ref = av_buffer_create((uint8_t *)original, sizeof(*original), free_original, NULL,
                                    AV_BUFFER_FLAG_READONLY);
    if (!frames_ref || !data_ref) {
        av_buffer_unref(&frames_ref);
        if (data_ref)
            av_buffer_unref(&data_ref);
        else
            av_frame_free(&original);
        return AVERROR(ENOMEM);
    }
    for (int i = 0; i < AV_NUM_DATA_POINTERS; i++)
        av_buffer_unref(&frame->buf[i]);
    av_buffer_unref(&frame->hw_frames_ctx);
    frame->buf[0]        = data_ref;
    frame->hw_frames_ctx = frames_ref;
    return 0;
}
