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
 * The settings of vf_mardini's timeline: rate, factor and number of frames
 */

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "libavutil/avstring.h"
#include "libavutil/eval.h"
#include "filters.h"
#include "mardini_compat.h"
#include "vf_mardini.h"

static const char *const var_names[] = {
    "source_fps", "ntsc", "pal", "film", "ntsc_film", NULL
};

AVRational ff_mardini_nominal_rate(AVFilterLink *link)
{
    const AVRational rate = ff_filter_link(link)->frame_rate;

    /* Some demuxers with time stamps in milliseconds report 1000 fps if the file has no rate. */
    if (rate.num <= 0 || rate.den <= 0 ||
        (av_q2d(rate) > 960 && !av_cmp_q(av_inv_q(rate), link->time_base)))
        return (AVRational){ 1, 0 };
    return rate;
}

static int evaluate(AVFilterContext *ctx, const char *name, const char *expr,
                    AVRational source_fps, int max, MardiniRational *out)
{
    const int has_source_fps = source_fps.num > 0 && source_fps.den > 0;
    const double values[] = {
        has_source_fps ? av_q2d(source_fps) : NAN,
        30000.0 / 1001.0, 25.0, 24.0, 24000.0 / 1001.0
    };
    double value;
    AVRational q;
    int ret = av_expr_parse_and_eval(&value, expr, var_names, values,
                                     NULL, NULL, NULL, NULL, NULL, 0, ctx);

    if (ret < 0) { /* also for a result that is NAN */
        if (!has_source_fps && strstr(expr, "source_fps"))
            av_log(ctx, AV_LOG_ERROR, "%s=%s uses source_fps, and the input has no frame rate: use a number\n",
                   name, expr);
        else
            av_log(ctx, AV_LOG_ERROR, "%s=%s is not an expression\n", name, expr);
        return ret;
    }
    q = value > 0 && value <= max ? av_d2q(value, max) : (AVRational){ 0, 1 };
    if (q.num <= 0 || q.den <= 0) {
        av_log(ctx, AV_LOG_ERROR, "%s=%s is %g, but must be above 0 and at most %d\n", name, expr, value, max);
        return AVERROR(EINVAL);
    }
    *out = (MardiniRational){ q.num, q.den };
    return 0;
}

/** Set the rate of mode fps and animate, or the factor of slowmo. */
static int set_rate(AVFilterContext *ctx, MardiniTimelineSettings *settings, AVRational source_fps)
{
    const LibmardiniContext *s = ctx->priv;

    if (s->mode == MARDINI_MODE_ANIMATE)
        settings->rate = (MardiniRational){ ANIMATE_FPS, 1 };
    else if (s->mode == MARDINI_MODE_SLOWMO)
        settings->rate = (MardiniRational){ SLOWMO_FACTOR, 1 };
    if (s->fps)
        return evaluate(ctx, "fps", s->fps, source_fps, INT_MAX, &settings->rate);
    if (s->factor)
        return evaluate(ctx, "factor", s->factor, source_fps, 1000000, &settings->rate);
    return 0;
}

/** Set what option frames says: the frames of mode fill, the number of frames in other modes. */
static int set_frames(AVFilterContext *ctx, MardiniTimelineSettings *settings)
{
    const LibmardiniContext *s = ctx->priv;
    char *end;

    switch (s->mode) {
    case MARDINI_MODE_FILL:
        settings->named = s->frames;
        return 0;
    case MARDINI_MODE_EXTEND:
        settings->total = EXTEND_FRAMES;
        break;
    case MARDINI_MODE_LOOP:
        settings->total = LOOP_FRAMES;
        break;
    case MARDINI_MODE_ANIMATE:
        settings->total = ANIMATE_FRAMES;
        break;
    }
    if (!s->frames)
        return 0;
    settings->total = strtol(s->frames, &end, 10);
    if (end == s->frames || *end || settings->total < 0) {
        av_log(ctx, AV_LOG_ERROR, "frames=%s is not a number of frames\n", s->frames);
        return AVERROR(EINVAL);
    }
    return 0;
}

/** A chain of filters, each with a tempo of at least min, that slow down by factor. */
static void chain_tempo(char *chain, size_t size, const char *filter, double min, double factor)
{
    *chain = 0;
    for (; factor > 1 / min; factor *= min)
        av_strlcatf(chain, size, "%s%g,", filter, min);
    av_strlcatf(chain, size, "%s%.10g", filter, 1 / factor);
}

static void log_audio_filter(AVFilterContext *ctx, const MardiniTimelineSettings *settings)
{
    const double factor = settings->rate.num / (double)settings->rate.den;
    char atempo[512], rubberband[512];

    if (settings->mode == MARDINI_MODE_SLOWMO && factor > 1) {
        chain_tempo(atempo, sizeof(atempo), "atempo=", 0.5, factor);
        chain_tempo(rubberband, sizeof(rubberband), "rubberband=tempo=", 0.01, factor);
        av_log(ctx, AV_LOG_INFO, "audio stays in sync with -af %s or -af %s\n", atempo, rubberband);
    } else if (settings->mode == MARDINI_MODE_EXTEND && settings->side != MARDINI_SIDE_AFTER &&
               settings->frame_rate.num > 0) {
        av_log(ctx, AV_LOG_INFO, "audio stays in sync with -af adelay=%.0f:all=1\n",
               settings->total * 1000.0 * settings->frame_rate.den / settings->frame_rate.num);
    }
}

int ff_mardini_open_timeline(AVFilterLink *outlink)
{
    AVFilterContext *ctx = outlink->src;
    AVFilterLink *inlink = ctx->inputs[0];
    LibmardiniContext *s = ctx->priv;
    const AVRational source_fps = ff_filter_link(inlink)->frame_rate;
    const AVRational nominal = ff_mardini_nominal_rate(inlink);
    MardiniTimelineSettings settings;
    MardiniRational time_base, frame_rate;
    int ret;

    s->rate_is_tick = source_fps.num > 0 && source_fps.den > 0 && !nominal.den;
    if (s->rate_is_tick)
        av_log(ctx, AV_LOG_WARNING, "the input's frame rate of %g may only be the resolution of its time stamps: "
               "frames are placed by their time stamps; use a number instead of source_fps\n", av_q2d(source_fps));

    mardini_timeline_default_settings(&settings);
    settings.mode      = s->mode;
    settings.time_base = (MardiniRational){ inlink->time_base.num, inlink->time_base.den };
    if (nominal.den > 0)
        settings.frame_rate = (MardiniRational){ nominal.num, nominal.den };
    settings.log        = ff_mardini_log;
    settings.log_opaque = ctx;
    if ((ret = set_rate(ctx, &settings, source_fps)) < 0 ||
        (ret = set_frames(ctx, &settings)) < 0)
        return ret;
    settings.detect = s->detect;
    if (s->side >= 0)
        settings.side = s->side;
    if (s->context >= 0)
        settings.context = s->context;
    if (s->mode == MARDINI_MODE_ANIMATE)
        settings.anchor = s->anchor >= 0 ? s->anchor :
                          s->anchor == ANCHOR_LAST ? settings.total - 1 : (settings.total - 1) / 2;

    ret = mardini_timeline_open(&s->timeline, &settings);
    if (ret < 0)
        return ret;
    mardini_timeline_output(s->timeline, &time_base, &frame_rate);
    outlink->time_base = (AVRational){ time_base.num, time_base.den };
    ff_filter_link(outlink)->frame_rate =
        frame_rate.num ? (AVRational){ frame_rate.num, frame_rate.den } : source_fps;
    log_audio_filter(ctx, &settings);
    return 0;
}
