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
 * The input of vf_mardini: frames and time stamps, repeated frames, scene cuts
 */

#include "libavutil/avassert.h"
#include "libavutil/dict.h"
#include "libavutil/mathematics.h"
#include "libavutil/mem.h"
#include "libavutil/pixdesc.h"
#include "filters.h"
#include "mardini_compat.h"
#include "mardini_formats.h"
#include "vf_mardini.h"

/* A gap of more than one second and this many times the usual gap is a time jump. */
#define JUMP_GAPS 16

/* References: frames that the timeline may name */

static void free_ref(LibmardiniContext *s, RefFrame *ref)
{
    if (s->mardini)
        mardini_drop_frame(s->mardini, ref->ordinal);
    av_frame_free(&ref->frame);
    av_frame_free(&ref->planar);
}

int ff_mardini_add_ref(LibmardiniContext *s, const RefFrame *ref)
{
    RefFrame *refs = av_fast_realloc(s->refs, &s->refs_size, (s->nb_refs + 1) * sizeof(*refs));

    if (!refs)
        return AVERROR(ENOMEM);
    s->refs = refs;
    s->refs[s->nb_refs++] = *ref;
    return 0;
}

RefFrame *ff_mardini_find_ref(LibmardiniContext *s, int64_t ordinal)
{
    int i = 0;

    while (i < s->nb_refs && s->refs[i].ordinal != ordinal)
        i++;
    av_assert0(i < s->nb_refs);
    return &s->refs[i];
}

void ff_mardini_drop_refs(LibmardiniContext *s)
{
    int nb_kept = 0;

    for (int i = 0; i < s->nb_refs; i++)
        if (mardini_timeline_wants(s->timeline, s->refs[i].ordinal))
            s->refs[nb_kept++] = s->refs[i];
        else
            free_ref(s, &s->refs[i]);
    s->nb_refs = nb_kept;
}

int ff_mardini_count_waiting(const LibmardiniContext *s)
{
    int nb = s->nb_repeats;

    for (int i = 0; i < s->nb_refs; i++)
        nb += s->refs[i].ordinal > s->last_shown;
    return nb;
}

void ff_mardini_free_input(LibmardiniContext *s)
{
    while (s->nb_refs)
        free_ref(s, &s->refs[--s->nb_refs]);
    av_freep(&s->refs);
    while (s->nb_repeats)
        free_ref(s, &s->repeats[--s->nb_repeats]);
}

/** Make a planar copy of the frame if the library does not take its format. */
static int make_planar(const LibmardiniContext *s, RefFrame *ref)
{
    if (ref->frame->format == s->planar_fmt || ref->planar)
        return 0;
    ref->planar = ff_mardini_alloc_frame(s->planar_fmt, ref->frame->width, ref->frame->height);
    if (!ref->planar)
        return AVERROR(ENOMEM);
    ff_mardini_copy_samples(ref->planar, ref->frame);
    return 0;
}

static MardiniFrame ref_planes(const RefFrame *ref)
{
    return ff_mardini_planes(ref->planar ? ref->planar : ref->frame);
}

int ff_mardini_show_ref(LibmardiniContext *s, RefFrame *ref)
{
    MardiniFrame planes;
    int ret;

    if (ref->added)
        return 0;
    ret = make_planar(s, ref);
    if (ret < 0)
        return ret;
    planes = ref_planes(ref);
    ret = mardini_add_frame(s->mardini, ref->ordinal, &planes);
    if (ret >= 0)
        ref->added = 1;
    return ret;
}

/* Scene cuts and time jumps */

static int has_scdet_cut(const RefFrame *ref)
{
    return !!av_dict_get(ref->frame->metadata, "lavfi.scd.time", NULL, 0);
}

/** Whether the gap before `after` is a pause of the recording or a join of files. */
static int is_time_jump(AVFilterContext *ctx, const RefFrame *before, const RefFrame *after)
{
    LibmardiniContext *s = ctx->priv;
    AVFilterLink *inlink = ctx->inputs[0];
    const AVRational rate = ff_mardini_nominal_rate(inlink);
    const double tick = av_q2d(inlink->time_base);
    double gap, usual;

    if (!s->retimes || after->pts == AV_NOPTS_VALUE)
        return 0;
    gap = av_sat_sub64(after->pts, before->pts) * tick;
    if (rate.den > 0)
        usual = 1 / av_q2d(rate);
    else if (before->gap)
        usual = before->gap * tick;
    else if (after->ordinal < s->refs[s->nb_refs - 1].ordinal)
        usual = after[1].gap * tick;
    else
        usual = gap;
    if (gap <= 1 || gap <= JUMP_GAPS * usual)
        return 0;
    if (!s->warned_jump)
        av_log(ctx, AV_LOG_WARNING, "time stamps jump by %.3f s after frame %"PRId64": frames are repeated in such "
               "gaps; scd=none synthesizes them\n", gap, before->ordinal);
    s->warned_jump = 1;
    return 1;
}

int ff_mardini_is_cut(AVFilterContext *ctx, RefFrame *before, RefFrame *after)
{
    LibmardiniContext *s = ctx->priv;
    double score = -1;
    int ret;

    if (after->cut >= 0 && after->cut_since == before->ordinal)
        return after->cut;
    after->cut_since = before->ordinal;
    after->cut       = -1;
    if (s->scd != SCD_NONE && is_time_jump(ctx, before, after)) {
        s->nb_cuts++;
        return after->cut = 1;
    }
    if (s->scd == SCD_NONE || before->synthesized || after->synthesized) {
        ret = 0;
    } else if (before->ordinal < after->ordinal && (after->scdet_cut || has_scdet_cut(after))) {
        ret = 1;
    } else if ((ret = ff_mardini_show_ref(s, before)) < 0 ||
               (ret = ff_mardini_show_ref(s, after)) < 0 ||
               (ret = mardini_compare(s->mardini, before->ordinal, after->ordinal, &score)) < 0) {
        return ret;
    } else if (s->scd_threshold >= 0) { /* not in the library's settings, as a command may change it */
        ret = score > s->scd_threshold;
    }
    s->nb_cuts += ret;
    av_log(ctx, ret ? AV_LOG_VERBOSE : AV_LOG_DEBUG, "%s between frames %"PRId64" and %"PRId64" (score %.1f)\n",
           ret ? "cut" : "no cut", before->ordinal, after->ordinal, score);
    return after->cut = ret;
}

/* From the input link to the timeline */

/**
 * Tell a frame's time stamp to the timeline, and add the frame to the
 * references or free it.
 *
 * @param skip  the frame repeats the one before and is to be replaced
 */
static int push_frame(AVFilterContext *ctx, RefFrame *ref, int skip)
{
    LibmardiniContext *s = ctx->priv;
    const int64_t duration = s->rate_is_tick && DURATION(ref->frame) == 1 ? 0 : DURATION(ref->frame);
    int ret = mardini_timeline_push(s->timeline, ref->frame->pts, duration, &ref->pts);

    if (ret > 0 && skip) {
        ret = mardini_timeline_skip(s->timeline);
        s->nb_skipped++;
    } else if (ret > 0 && mardini_timeline_wants(s->timeline, ref->ordinal)) {
        ref->scdet_cut = s->scdet_cut;
        s->scdet_cut   = 0;
        ref->gap       = s->nb_refs ? av_sat_sub64(ref->pts, s->refs[s->nb_refs - 1].pts) : 0;
        ret = ff_mardini_add_ref(s, ref);
        if (ret >= 0)
            return 0;
    } else if (ret > 0) { /* masked in mode fill */
        s->scdet_cut |= has_scdet_cut(ref);
    }
    free_ref(s, ref);
    return FFMIN(ret, 0);
}

static int push_repeats(AVFilterContext *ctx, int skip)
{
    LibmardiniContext *s = ctx->priv;
    int ret = 0;

    for (int i = 0; i < s->nb_repeats; i++) {
        if (ret >= 0)
            ret = push_frame(ctx, &s->repeats[i], skip);
        else
            free_ref(s, &s->repeats[i]);
    }
    s->nb_repeats = 0;
    return ret;
}

/** @return 1 if the frame repeats the last reference, 0 if not, or a negative code */
static int is_repeat(AVFilterContext *ctx, RefFrame *ref)
{
    LibmardiniContext *s = ctx->priv;
    RefFrame *last = &s->refs[s->nb_refs - 1];
    MardiniFrame a, b;
    int ret;

    if ((ret = make_planar(s, last)) < 0 || (ret = make_planar(s, ref)) < 0)
        return ret;
    a = ref_planes(last);
    b = ref_planes(ref);
    ret = mardini_is_repeat(&s->format, &a, &b);
    if (ret == MARDINI_ERR(ENOSYS))
        av_log(ctx, AV_LOG_ERROR, "%s compares frames in host memory only: put hwdownload and format before this "
               "filter\n", s->dup == DUP_SKIP ? "dup=skip" : "detect=repeats");
    return ret;
}

/** In mode fill, tell the timeline about the frame that is pushed next. */
static int announce_to_fill(AVFilterContext *ctx, RefFrame *ref)
{
    LibmardiniContext *s = ctx->priv;
    int ret = 0;

    if (s->mode != MARDINI_MODE_FILL)
        return 0;
    if (ref->disabled)
        return mardini_timeline_leave(s->timeline);
    if (s->nb_refs && s->detect & (MARDINI_DETECT_REPEATS | MARDINI_DETECT_FREEZES))
        ret = is_repeat(ctx, ref);
    return ret > 0 ? mardini_timeline_repeat(s->timeline) : ret;
}

/**
 * With dup=skip, keep a frame that repeats the last reference until the end of
 * the run of repeats is known. Another frame ends the run, which is then pushed.
 *
 * @return 1 if the frame was kept, 0 if it is to be pushed, or a negative code
 */
static int delay_repeat(AVFilterContext *ctx, RefFrame *ref)
{
    LibmardiniContext *s = ctx->priv;
    const int skips = s->dup == DUP_SKIP && s->retimes && !ref->disabled && s->nb_refs &&
                      !s->refs[s->nb_refs - 1].disabled;
    int repeats, cut, ret;

    if (!skips && !s->nb_repeats)
        return 0;
    if ((repeats = is_repeat(ctx, ref)) < 0)
        return repeats;
    if (repeats && skips && !s->is_still) {
        s->repeats[s->nb_repeats++] = *ref;
        ref->frame = ref->planar = NULL;
        s->is_still = s->nb_repeats > MARDINI_REPEATS_MAX;
        ret = s->is_still ? push_repeats(ctx, 0) : 0;
        return ret < 0 ? ret : 1;
    }
    s->is_still &= repeats;
    if (!s->nb_repeats)
        return 0;
    if ((cut = ff_mardini_is_cut(ctx, &s->refs[s->nb_refs - 1], ref)) < 0)
        return cut;
    if (cut) { /* each gap of the run is compared and counted later */
        ref->cut = -1;
        s->nb_cuts--;
    }
    return push_repeats(ctx, !cut); /* repeats before a cut are kept, so that the cut does not move */
}

static int check_frame(AVFilterContext *ctx, const AVFilterLink *inlink, const AVFrame *frame)
{
    LibmardiniContext *s = ctx->priv;

    if (frame->width != inlink->w || frame->height != inlink->h || frame->format != inlink->format) {
        av_log(ctx, AV_LOG_ERROR, "a frame is %dx%d %s, and the filter was configured for %dx%d %s: put scale and "
               "format before this filter\n", frame->width, frame->height, av_get_pix_fmt_name(frame->format),
               inlink->w, inlink->h, av_get_pix_fmt_name(inlink->format));
        return AVERROR(EINVAL);
    }
    if (IS_INTERLACED(frame) && !s->warned_interlaced) {
        s->warned_interlaced = 1;
        av_log(ctx, AV_LOG_WARNING, "the input is interlaced, %s field first, and is treated as progressive: put "
               "bwdif before this filter\n", IS_TOP_FIRST(frame) ? "top" : "bottom");
    }
    return 0;
}

int ff_mardini_take_frame(AVFilterContext *ctx)
{
    LibmardiniContext *s = ctx->priv;
    AVFilterLink *inlink = ctx->inputs[0];
    AVFrame *frame;
    RefFrame ref;
    int ret = ff_inlink_consume_frame(inlink, &frame);

    av_assert1(ret);
    if (ret < 0)
        return ret;
    if ((ret = check_frame(ctx, inlink, frame)) < 0) {
        av_frame_free(&frame);
        return ret;
    }
    ref = (RefFrame){ .frame = frame, .ordinal = s->nb_in++, .pts = frame->pts,
                      .disabled = ctx->is_disabled, .cut = -1 };
    ret = announce_to_fill(ctx, &ref);
    if (ret >= 0)
        ret = delay_repeat(ctx, &ref);
    if (!ret)
        return push_frame(ctx, &ref, 0);
    if (ref.frame)
        free_ref(s, &ref);
    return FFMIN(ret, 0);
}

int ff_mardini_end_input(AVFilterContext *ctx, int64_t pts)
{
    LibmardiniContext *s = ctx->priv;
    int ret = push_repeats(ctx, 0);

    return ret ? ret : mardini_timeline_end(s->timeline, pts);
}
