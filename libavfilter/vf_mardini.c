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
 * Frames made from given ones by libmardini's masked-frame network.
 *
 * In: frames with time stamps. Out: the same frames, and made ones among them.
 * MardiniTimeline says what comes out when, and what it is made from; MardiniContext
 * makes the pixels. What job it is stands in the timeline's settings and nowhere else.
 * The same for FFmpeg 5.1 to 9.0; headers of its own lie beside it.
 */

#include "config.h"

#include <mardini.h>

#include "libavutil/avassert.h"
#include "libavutil/mathematics.h"
#include "libavutil/mem.h"
#include "libavutil/opt.h"
#include "libavutil/pixdesc.h"
#include "libavutil/time.h"
#include "avfilter.h"
#include "filters.h" /* 5.1: internal.h comes with it */
#include "mardini_compat.h"
#include "mardini_cuda.h"
#include "mardini_expr.h"
#include "mardini_formats.h"
#include "video.h"

/* Made frames of one window: a gap has two given frames on either side. The same in every gap, so that nothing
 * depends on what came before it. */
#define CHUNK (MARDINI_WINDOW - 4)
/* Frames that are put out in one go, made ones and those between them. */
#define QUEUE 64
/* A pause of more usual gaps than this is none of the motion. */
#define JUMP_GAPS 16

enum SceneCutDetection {
    SCD_NONE,
    SCD_AUTO,
};

/** Output frames that mode animate may be asked for by name. */
enum Anchor {
    ANCHOR_LAST   = -2,
    ANCHOR_MIDDLE = -1,
};

enum Duplicates {
    DUP_KEEP,
    DUP_SKIP,
};

/** Why a frame is repeated where one could have been made. */
enum Hold {
    HOLD_END, ///< of the input
    HOLD_CUT,
    HOLD_OFF, ///< the filter is disabled there
};

/** A frame of the input that takes part, or a made one that others are made from. */
typedef struct Given {
    AVFrame *frame;
    AVFrame *planar; ///< its samples in planar_fmt, where that is another format
    int64_t ordinal; ///< the timeline's and the library's name for it
    int64_t pts;     ///< where the timeline puts it
    int64_t gap;     ///< since the one before
    int made;
    int added;       ///< the library has seen it
    int marked;      ///< a frame that is to be made anew before it was marked as a cut upstream
    int cut;         ///< seen from `compared` a new scene starts here, or the time jumps; -1: not looked yet
    int64_t compared;
    int off;         ///< the filter is disabled from here to the next
} Given;

/** The next frames of the output, in order. */
typedef struct Queued {
    AVFrame *frame; ///< NULL: not made yet, or kept for later and not put out
    MardiniSlot slot;
    int window;     ///< that it is made in; -1: none
} Queued;

/** Queued frames to be made from the same given ones. */
typedef struct Pending {
    int first, nb; ///< of the slot's references: those that no cut parts from the gap
    int nb_made;
} Pending;

typedef struct LibmardiniContext {
    const AVClass *class;

    /* options; -1 or NULL where the library decides */
    int mode;
    char *fps_expr;
    char *factor_expr;
    char *frames;
    int detect;
    int side;
    int context;
    int64_t anchor;
    double motion;
    int camera;
    char *model;
    char *device;
    int precision;
    int steps;
    int64_t seed;
    int memory;
    int scd;
    double scd_threshold;
    int dup;

    MardiniFormat format; ///< that the library sees
    MardiniTimeline *timeline;
    MardiniContext *mardini;
    enum AVPixelFormat planar_fmt; ///< that the library sees

    Given *given; ///< those that the timeline may still want
    unsigned given_size; ///< bytes
    int nb_given;
    int marked; ///< a frame that is to be made anew was marked as a cut
    int job;    ///< MardiniMode of the timeline
    Given waiting[MARDINI_REPEATS_MAX + 1]; ///< they repeat the last given one; the timeline does not know them yet
    int nb_waiting;
    int still;     ///< the last frames were one picture, for too long to be a cadence
    MardiniSlot slot; ///< the next output frame that is not in the queue yet
    int have_slot;
    int batch;        ///< made frames that keep all threads busy
    Queued queue[QUEUE];
    int nb_queued;
    int queue_index;  ///< next one to put out
    Pending windows[CHUNK]; ///< that are to be made before the queue is put out
    int nb_windows;
    int nb_made;      ///< frames of all of them
    AVFrame *planar[2 * CHUNK]; ///< where the library writes them, if planar_fmt is another format than theirs

    int status; ///< of the input, once it has ended
    int error;  ///< of taking it in: what was taken before comes out first
    int stopped; ///< nobody reads the output any more
    int hungry;  ///< the last thing done was to ask for input
    int64_t next_pts;
    int64_t shown; ///< ordinal of the last given frame that the output has reached
    int warned_interlaced;
    int warned_jump;
    int no_rate; ///< the input's is its time base, and durations of a tick come from it

    /* statistics */
    int64_t nb_in;
    int64_t nb_out;
    int64_t nb_new;
    int64_t nb_held; ///< repeats at cuts
    int64_t nb_cuts;
    int64_t nb_tail; ///< repeats of the last frame
    int64_t nb_off;  ///< repeats while disabled
    int64_t nb_skipped; ///< given frames that were no more than repeats
    int64_t time; ///< spent making, microseconds
} LibmardiniContext;

#include "mardini_options.h"

AVFILTER_DEFINE_CLASS(mardini);

/** An option that another mode has says that this one was not meant. */
static int refuse_others(AVFilterContext *ctx)
{
    const LibmardiniContext *s = ctx->priv;
    const int mode = s->mode;
    const struct { const char *name, *modes; int given, fits; } options[] = {
        { "fps", "fps and animate", !!s->fps_expr, mode == MARDINI_MODE_FPS || mode == MARDINI_MODE_ANIMATE },
        { "factor", "slowmo", !!s->factor_expr, mode == MARDINI_MODE_SLOWMO },
        { "detect", "fill", !!s->detect, mode == MARDINI_MODE_FILL },
        { "side", "extend", s->side != MARDINI_SIDE_AFTER, mode == MARDINI_MODE_EXTEND },
        { "context", "extend", !!s->context, mode == MARDINI_MODE_EXTEND },
        { "anchor", "animate", s->anchor != ANCHOR_MIDDLE, mode == MARDINI_MODE_ANIMATE },
        { "motion", "animate and loop", s->motion != 1, mode == MARDINI_MODE_ANIMATE || mode == MARDINI_MODE_LOOP },
        { "camera", "animate and loop", s->camera != MARDINI_CAMERA_SAMPLED,
          mode == MARDINI_MODE_ANIMATE || mode == MARDINI_MODE_LOOP },
    };

    for (int i = 0; i < FF_ARRAY_ELEMS(options); i++) {
        if (!options[i].given || options[i].fits)
            continue;
        av_log(ctx, AV_LOG_ERROR, "%s is an option of mode %s, and another mode was asked for: say mode= too, or leave it "
               "out\n", options[i].name, options[i].modes);
        return AVERROR(EINVAL);
    }
    return 0;
}

/** The input's nominal frame rate; 1/0 if it has none, or one that may be no more than its time stamps' resolution. */
static AVRational nominal_rate(AVFilterLink *inlink)
{
    const AVRational rate = ff_filter_link(inlink)->frame_rate, tick = inlink->time_base;

    /* Of a file that tells nothing but milliseconds ffmpeg makes 1000 frames a second. */
    if (rate.num <= 0 || rate.den <= 0 || (av_q2d(rate) > 960 && !av_cmp_q(av_inv_q(rate), tick)))
        return (AVRational){ 1, 0 };
    return rate;
}

static av_cold int init(AVFilterContext *ctx)
{
    LibmardiniContext *s = ctx->priv;
    int ret;

    /* No library here: ffmpeg calls init() once more only to see the pads. */
    s->next_pts = AV_NOPTS_VALUE;
    s->shown    = -1;
    if (s->frames && s->mode == MARDINI_MODE_FPS && strcmp(s->frames, "0")) {
        av_log(ctx, AV_LOG_ERROR, "frames=%s is for slow motion, extend, loop, fill and animate: say mode=slowmo too, "
               "or another\n", s->frames);
        return AVERROR(EINVAL);
    }
    if ((ret = refuse_others(ctx)) < 0)
        return ret;
    if (s->dup == DUP_SKIP && (s->mode > MARDINI_MODE_SLOWMO || (s->frames && strcmp(s->frames, "0")))) {
        av_log(ctx, AV_LOG_ERROR, "dup=skip is for moving pictures in modes fps and slowmo, by a factor: use dup=keep\n");
        return AVERROR(EINVAL);
    }
    return 0;
}

static void release_one(LibmardiniContext *s, Given *given)
{
    if (s->mardini)
        mardini_drop_frame(s->mardini, given->ordinal);
    av_frame_free(&given->frame);
    av_frame_free(&given->planar);
}

/** Let go what the timeline will not name again, or everything. */
static void release_given(LibmardiniContext *s, int all)
{
    int nb_left = 0;

    for (int i = 0; i < s->nb_given; i++)
        if (!all && mardini_timeline_wants(s->timeline, s->given[i].ordinal))
            s->given[nb_left++] = s->given[i];
        else
            release_one(s, &s->given[i]);
    s->nb_given = nb_left;
}

/** Hold a frame. On failure it stays the caller's. */
static int add_given(LibmardiniContext *s, const Given *given)
{
    Given *all = av_fast_realloc(s->given, &s->given_size, (s->nb_given + 1) * sizeof(*all));

    if (!all)
        return AVERROR(ENOMEM);
    s->given = all;
    s->given[s->nb_given++] = *given;
    return 0;
}

static Given *find_given(LibmardiniContext *s, int64_t ordinal)
{
    int i = 0;

    while (i < s->nb_given && s->given[i].ordinal != ordinal)
        i++;
    av_assert0(i < s->nb_given);
    return &s->given[i];
}

static void release_queue(LibmardiniContext *s)
{
    while (s->nb_queued)
        av_frame_free(&s->queue[--s->nb_queued].frame);
    s->queue_index = s->nb_windows = s->nb_made = 0;
}

static av_cold void uninit(AVFilterContext *ctx)
{
    LibmardiniContext *s = ctx->priv;
    int nb_lost = s->nb_waiting;

    /* ffmpeg builds its graph anew without an EOF when the input's size or format changes. */
    for (int i = 0; i < s->nb_given; i++)
        nb_lost += s->given[i].ordinal > s->shown;
    if (nb_lost && s->hungry && !s->status && !s->stopped)
        av_log(ctx, AV_LOG_WARNING, "closed before the end of the input: %d frame%s waiting for the next one "
               "%s lost, as it should be if the output was to end here; if the input changes its size or format, use "
               "-reinit_filter 0 and scale before this filter\n",
               nb_lost, nb_lost > 1 ? "s" : "", nb_lost > 1 ? "are" : "is");

    release_given(s, 1);
    av_freep(&s->given);
    while (s->nb_waiting)
        release_one(s, &s->waiting[--s->nb_waiting]);
    release_queue(s);
    for (int n = 0; n < FF_ARRAY_ELEMS(s->planar); n++)
        av_frame_free(&s->planar[n]);
    mardini_close(&s->mardini);
    mardini_timeline_close(&s->timeline);

    if (s->nb_in)
        av_log(ctx, AV_LOG_INFO, "%"PRId64" frames given, %"PRId64" put out: %"PRId64" made (%.3f s each), "
               "%"PRId64" held at %"PRId64" cuts, %"PRId64" held at the end\n", s->nb_in, s->nb_out, s->nb_new,
               s->nb_new ? s->time / 1e6 / s->nb_new : 0.0, s->nb_held, s->nb_cuts, s->nb_tail);
    if (s->nb_off || s->nb_skipped)
        av_log(ctx, AV_LOG_INFO, "%"PRId64" held while disabled, %"PRId64" given frames skipped as repeats\n",
               s->nb_off, s->nb_skipped);
}

static int open_timeline(AVFilterContext *ctx, AVFilterLink *inlink, AVFilterLink *outlink)
{
    LibmardiniContext *s = ctx->priv;
    const AVRational source_fps = ff_filter_link(inlink)->frame_rate, nominal = nominal_rate(inlink);
    MardiniTimelineSettings settings;
    MardiniRational time_base, frame_rate;
    int ret;

    s->no_rate = source_fps.num > 0 && source_fps.den > 0 && !nominal.den;
    if (s->no_rate)
        av_log(ctx, AV_LOG_WARNING, "the input's %g frames a second may be no more than its time stamps' resolution: frames "
               "are placed by their time stamps; say a number where source_fps is not meant so\n", av_q2d(source_fps));
    mardini_timeline_default_settings(&settings);
    settings.mode       = s->mode;
    settings.total      = s->mode == MARDINI_MODE_EXTEND ? 12 : s->mode == MARDINI_MODE_LOOP ? 15 :
                          s->mode == MARDINI_MODE_ANIMATE ? MARDINI_WINDOW : 0;
    settings.side       = s->side;
    settings.context    = s->context;
    if (s->mode == MARDINI_MODE_FILL) {
        settings.named  = s->frames;
        settings.detect = s->frames || s->detect ? s->detect : MARDINI_DETECT_GAPS | MARDINI_DETECT_REPEATS;
    } else if (s->frames) {
        char *end;
        settings.total  = strtol(s->frames, &end, 10);
        if (end == s->frames || *end || settings.total < 0) {
            av_log(ctx, AV_LOG_ERROR, "frames=%s is not a number of frames\n", s->frames);
            return AVERROR(EINVAL);
        }
        if (s->mode == MARDINI_MODE_SLOWMO && settings.total)
            settings.mode = MARDINI_MODE_TOTAL;
    }
    settings.anchor     = s->anchor == ANCHOR_MIDDLE ? (settings.total - 1) / 2 :
                          s->anchor == ANCHOR_LAST ? settings.total - 1 : s->anchor;
    s->detect           = settings.detect;
    s->job              = settings.mode;
    settings.time_base  = (MardiniRational){ inlink->time_base.num, inlink->time_base.den };
    if (nominal.den > 0)
        settings.frame_rate = (MardiniRational){ nominal.num, nominal.den };
    settings.log        = log_line;
    settings.log_opaque = ctx;
    ret = 0;
    if (settings.mode == MARDINI_MODE_FPS)
        ret = evaluate(ctx, "fps", s->fps_expr ? s->fps_expr : "60", source_fps, INT_MAX, &settings.rate);
    else if (settings.mode == MARDINI_MODE_ANIMATE)
        ret = evaluate(ctx, "fps", s->fps_expr ? s->fps_expr : "8", source_fps, INT_MAX, &settings.rate);
    else if (settings.mode == MARDINI_MODE_SLOWMO)
        ret = evaluate(ctx, "factor", s->factor_expr ? s->factor_expr : "8", source_fps, 1000000, &settings.rate);
    if (ret < 0)
        return ret;

    ret = mardini_timeline_open(&s->timeline, &settings);
    if (ret < 0)
        return ret;
    mardini_timeline_output(s->timeline, &time_base, &frame_rate);
    outlink->time_base = (AVRational){ time_base.num, time_base.den };
    ff_filter_link(outlink)->frame_rate = frame_rate.num ? (AVRational){ frame_rate.num, frame_rate.den } : source_fps;
    if (settings.mode == MARDINI_MODE_SLOWMO && settings.rate.num > settings.rate.den)
        log_tempo(ctx, (double)settings.rate.num / settings.rate.den);
    if (settings.mode == MARDINI_MODE_EXTEND && settings.side != MARDINI_SIDE_AFTER && nominal.den > 0)
        av_log(ctx, AV_LOG_INFO, "the sound starts with the picture by -af adelay=%.0f:all=1\n",
               settings.total * 1000 / av_q2d(nominal));
    return 0;
}

static int config_output(AVFilterLink *outlink)
{
    AVFilterContext *ctx = outlink->src;
    AVFilterLink *inlink = ctx->inputs[0];
    LibmardiniContext *s = ctx->priv;
    const enum AVPixelFormat planar_fmt = find_planar(samples_format(inlink));
    const AVPixFmtDescriptor *desc = av_pix_fmt_desc_get(planar_fmt);
    const int alpha = !!(desc->flags & AV_PIX_FMT_FLAG_ALPHA);
    const int gray  = desc->nb_components - alpha == 1;
    MardiniSettings settings;
    MardiniFormat format = {
        .width  = inlink->w,
        .height = inlink->h,
        .color  = gray ? MARDINI_COLOR_GRAY : desc->flags & AV_PIX_FMT_FLAG_RGB ? MARDINI_COLOR_GBR : MARDINI_COLOR_YUV,
        .alpha  = alpha,
        .depth  = desc->comp[0].depth,
        .log2_chroma_width  = desc->log2_chroma_w,
        .log2_chroma_height = desc->log2_chroma_h,
    };
    int ret = open_timeline(ctx, inlink, outlink);

    if (ret < 0)
        return ret;

    s->planar_fmt = planar_fmt;
    mardini_default_settings(&settings);
    settings.model     = s->model;
    settings.device    = s->device;
    settings.precision = s->precision;
    settings.threads   = FFMIN(ff_filter_get_nb_threads(ctx), 64);
    settings.steps     = s->steps;
    settings.memory    = s->memory;
    settings.motion    = s->motion;
    settings.camera    = s->camera;
    if (s->seed >= 0)
        settings.seed  = s->seed;
    settings.log        = log_line;
    settings.log_opaque = ctx;
#if CONFIG_CUDA
    if (inlink->format == AV_PIX_FMT_CUDA) {
        s->planar_fmt = AV_PIX_FMT_CUDA;
        ret = config_cuda(outlink, &settings, &format);
        if (ret < 0)
            return ret;
    }
#endif
    s->format = format;
    /* A card needs no company, a tight memory has no room for it, and a search for repeats none for what waits. */
    s->batch  = format.on_cuda || s->memory || s->job == MARDINI_MODE_FILL ? 1 : FFMIN(settings.threads, CHUNK);
    return mardini_open(&s->mardini, &settings, &format);
}

static int make_planar(const LibmardiniContext *s, Given *given)
{
    if (given->frame->format == s->planar_fmt || given->planar)
        return 0;
    given->planar = alloc_planar(s->planar_fmt, given->frame->width, given->frame->height);
    if (!given->planar)
        return AVERROR(ENOMEM);
    copy_samples(given->planar, given->frame);
    return 0;
}

static int show_to_library(LibmardiniContext *s, Given *given)
{
    MardiniFrame planes;
    int ret;

    if (given->added)
        return 0;
    ret = make_planar(s, given);
    if (ret < 0)
        return ret;
    planes = frame_planes(given->planar ? given->planar : given->frame);
    ret = mardini_add_frame(s->mardini, given->ordinal, &planes);
    if (ret >= 0)
        given->added = 1;
    return ret;
}

/** Whether the time jumps before `after`: nothing is invented for a pause of the recording or a join of files. */
static int is_jump(AVFilterContext *ctx, const Given *before, const Given *after)
{
    LibmardiniContext *s = ctx->priv;
    const AVFilterLink *inlink = ctx->inputs[0];
    const AVRational rate = nominal_rate(ctx->inputs[0]);
    double gap, usual;

    if (s->job > MARDINI_MODE_SLOWMO || after->pts == AV_NOPTS_VALUE)
        return 0;
    gap   = av_sat_sub64(after->pts, before->pts) * av_q2d(inlink->time_base);
    usual = rate.den > 0 ? 1 / av_q2d(rate) : /* else the gap before it or after it tells */
            before->gap ? before->gap * av_q2d(inlink->time_base) :
            after->ordinal < s->given[s->nb_given - 1].ordinal ? after[1].gap * av_q2d(inlink->time_base) : gap;
    if (gap <= 1 || gap <= JUMP_GAPS * usual)
        return 0;
    if (!s->warned_jump)
        av_log(ctx, AV_LOG_WARNING, "the time jumps by %.3f s after frame %"PRId64": such gaps are held, not filled; "
               "scd=none fills them\n", gap, before->ordinal);
    s->warned_jump = 1;
    return 1;
}

/** @return above 0 if a new scene starts with `after`, 0 if not, or a negative code */
static int is_cut(AVFilterContext *ctx, Given *before, Given *after)
{
    LibmardiniContext *s = ctx->priv;
    double score = -1;
    int ret;

    if (after->cut >= 0 && after->compared == before->ordinal)
        return after->cut;
    after->compared = before->ordinal;
    after->cut      = -1;
    if (s->scd != SCD_NONE && is_jump(ctx, before, after)) {
        s->nb_cuts++;
        return after->cut = 1;
    }
    if (s->scd == SCD_NONE || before->made || after->made) {
        ret = 0;
    } else if (before->ordinal < after->ordinal &&
               (after->marked || av_dict_get(after->frame->metadata, "lavfi.scd.time", NULL, 0))) {
        ret = 1;
    } else if ((ret = show_to_library(s, before)) < 0 || (ret = show_to_library(s, after)) < 0 ||
               (ret = mardini_compare(s->mardini, before->ordinal, after->ordinal, &score)) < 0) {
        return ret;
    } else if (s->scd_threshold >= 0) { /* it may change, so the library does not know it */
        ret = score > s->scd_threshold;
    }
    s->nb_cuts += ret;
    av_log(ctx, ret ? AV_LOG_VERBOSE : AV_LOG_DEBUG, "%s between frames %"PRId64" and %"PRId64" (score %.1f)\n",
           ret ? "cut" : "no cut", before->ordinal, after->ordinal, score);
    return after->cut = ret;
}

/** Tell the timeline of a frame and keep it, unless it is left out or no more than a repeat. */
static int push_given(AVFilterContext *ctx, Given *given, int skip)
{
    LibmardiniContext *s = ctx->priv;
    const int64_t duration = DURATION(given->frame);
    int ret = mardini_timeline_push(s->timeline, given->frame->pts, s->no_rate && duration == 1 ? 0 : duration, &given->pts);

    if (ret > 0 && !skip && mardini_timeline_wants(s->timeline, given->ordinal)) {
        given->marked = s->marked;
        s->marked     = 0;
        given->gap    = s->nb_given ? av_sat_sub64(given->pts, s->given[s->nb_given - 1].pts) : 0;
        ret = add_given(s, given);
        if (ret >= 0)
            return 0;
    } else if (ret > 0 && !skip) { /* it is to be made anew */
        s->marked |= !!av_dict_get(given->frame->metadata, "lavfi.scd.time", NULL, 0);
    } else if (ret > 0) {
        ret = mardini_timeline_skip(s->timeline);
        s->nb_skipped++;
    }
    release_one(s, given);
    return FFMIN(ret, 0);
}

static int push_waiting(AVFilterContext *ctx, int skip)
{
    LibmardiniContext *s = ctx->priv;
    int ret = 0;

    for (int i = 0; i < s->nb_waiting; i++) {
        if (ret >= 0)
            ret = push_given(ctx, &s->waiting[i], skip);
        else
            release_one(s, &s->waiting[i]);
    }
    s->nb_waiting = 0;
    return ret;
}

/** @return 1 if the frame shows what the last given one does, 0 if not, or a negative code */
static int is_repeat(AVFilterContext *ctx, Given *given)
{
    LibmardiniContext *s = ctx->priv;
    Given *last = &s->given[s->nb_given - 1];
    MardiniFrame a, b;
    int ret;

    if ((ret = make_planar(s, last)) < 0 || (ret = make_planar(s, given)) < 0)
        return ret;
    a = frame_planes(last->planar ? last->planar : last->frame);
    b = frame_planes(given->planar ? given->planar : given->frame);
    ret = mardini_is_repeat(&s->format, &a, &b);
    if (ret == MARDINI_ERR(ENOSYS))
        av_log(ctx, AV_LOG_ERROR, "%s looks at pictures in host memory: put hwdownload and format before this "
               "filter\n", s->dup == DUP_SKIP ? "dup=skip" : "detect=repeats");
    return ret;
}

/** Tell the timeline what mode fill must know of a frame before it is pushed. */
static int note_for_fill(AVFilterContext *ctx, Given *given)
{
    LibmardiniContext *s = ctx->priv;
    int ret = 0;

    if (s->job != MARDINI_MODE_FILL)
        return 0;
    if (given->off)
        return mardini_timeline_leave(s->timeline);
    if (s->nb_given && s->detect & (MARDINI_DETECT_REPEATS | MARDINI_DETECT_FREEZES))
        ret = is_repeat(ctx, given);
    return ret > 0 ? mardini_timeline_repeat(s->timeline) : ret;
}

/**
 * For dup=skip: a frame that repeats the last one waits until it is known how long that goes on. Any other one decides
 * about those that wait.
 *
 * @return 1 if the frame waits, and is taken; 0 if not; or a negative code
 */
static int hold_back(AVFilterContext *ctx, Given *given)
{
    LibmardiniContext *s = ctx->priv;
    const int skips = s->dup == DUP_SKIP && s->job <= MARDINI_MODE_SLOWMO && !given->off && s->nb_given &&
                      !s->given[s->nb_given - 1].off;
    int repeats, cut, ret;

    if (!skips && !s->nb_waiting)
        return 0;
    if ((repeats = is_repeat(ctx, given)) < 0)
        return repeats;
    if (repeats && skips && !s->still) {
        s->waiting[s->nb_waiting++] = *given;
        given->frame = given->planar = NULL;
        s->still = s->nb_waiting > MARDINI_REPEATS_MAX;
        ret = s->still ? push_waiting(ctx, 0) : 0;
        return ret < 0 ? ret : 1;
    }
    s->still &= repeats;
    if (!s->nb_waiting)
        return 0;
    if ((cut = is_cut(ctx, &s->given[s->nb_given - 1], given)) < 0)
        return cut;
    if (cut) { /* somewhere since the last: each gap is looked at by itself, and counted then */
        given->cut = -1;
        s->nb_cuts--;
    }
    return push_waiting(ctx, !cut); /* before a cut they stay: it must not move */
}

/** Take a frame in. */
static int arrive(AVFilterContext *ctx, Given given)
{
    int ret = note_for_fill(ctx, &given);

    if (ret >= 0)
        ret = hold_back(ctx, &given);
    if (!ret)
        return push_given(ctx, &given, 0);
    if (given.frame)
        release_one(ctx->priv, &given);
    return FFMIN(ret, 0);
}

/** Take the next frame of the input. */
static int take_frame(AVFilterContext *ctx, AVFilterLink *inlink)
{
    LibmardiniContext *s = ctx->priv;
    AVFrame *frame;
    int ret = ff_inlink_consume_frame(inlink, &frame);

    av_assert1(ret);
    if (ret < 0)
        return ret;
    if (frame->width != inlink->w || frame->height != inlink->h || frame->format != inlink->format) {
        av_log(ctx, AV_LOG_ERROR, "a frame of %dx%d %s came where %dx%d %s was agreed: put scale and format before "
               "this filter\n", frame->width, frame->height, av_get_pix_fmt_name(frame->format),
               inlink->w, inlink->h, av_get_pix_fmt_name(inlink->format));
        av_frame_free(&frame);
        return AVERROR(EINVAL);
    }
    if (IS_INTERLACED(frame) && !s->warned_interlaced) {
        s->warned_interlaced = 1;
        av_log(ctx, AV_LOG_WARNING, "the input is interlaced, %s field first, and fields are not told apart: put "
               "bwdif before this filter\n", IS_TOP_FIRST(frame) ? "top" : "bottom");
    }
    return arrive(ctx, (Given){ .frame = frame, .ordinal = s->nb_in++, .pts = frame->pts, .off = ctx->is_disabled,
                                .cut = -1 });
}

static void set_time(AVFilterContext *ctx, AVFrame *frame, const MardiniSlot *slot)
{
    frame->pts       = slot->pts;
    frame->time_base = ctx->outputs[0]->time_base;
    DURATION(frame)  = slot->duration;
}

/** Hold what was made for a slot that later ones name. */
static int keep_frame(LibmardiniContext *s, const AVFrame *frame, const MardiniSlot *slot)
{
    Given given = { .frame = av_frame_clone(frame), .ordinal = slot->keep, .made = 1, .cut = -1 };
    int ret;

    if (!given.frame)
        return AVERROR(ENOMEM);
    given.off = find_given(s, slot->before)->off;
    ret = add_given(s, &given);
    if (ret < 0)
        av_frame_free(&given.frame);
    return ret;
}

static Queued *enqueue(LibmardiniContext *s, AVFrame *frame, int window)
{
    Queued *queued = &s->queue[s->nb_queued++];

    *queued = (Queued){ .frame = frame, .slot = s->slot, .window = window };
    s->have_slot = 0;
    return queued;
}

/** A given frame at the time of the slot, the picture shared. */
static int put_given(AVFilterContext *ctx, const Given *given, enum Hold why)
{
    LibmardiniContext *s = ctx->priv;
    AVFrame *frame = av_frame_clone(given->frame);
    Queued *queued;
    int ret;

    if (!frame)
        return AVERROR(ENOMEM);
    queued = enqueue(s, frame, -1);
    if ((ret = adopt(ctx, frame)) < 0)
        return ret;
    set_time(ctx, frame, &s->slot);
    if (s->slot.kind != MARDINI_SLOT_GIVEN) {
        make_props_general(frame);
        s->nb_held += why == HOLD_CUT;
        s->nb_tail += why == HOLD_END;
        s->nb_off  += why == HOLD_OFF;
    }
    if (why == HOLD_CUT)
        ret = av_dict_set(&frame->metadata, "lavfi.mardini.cut", "1", 0);
    if (ret >= 0 && s->slot.keep < -1)
        ret = keep_frame(s, frame, &s->slot);
    if (s->slot.kind == MARDINI_SLOT_AHEAD)
        av_frame_free(&queued->frame);
    return ret;
}

/** An empty frame for the slot. */
static AVFrame *new_frame(AVFilterContext *ctx, const MardiniSlot *slot)
{
    LibmardiniContext *s = ctx->priv;
    AVFilterLink *outlink = ctx->outputs[0];
    AVFrame *frame = ff_get_video_buffer(outlink, outlink->w, outlink->h);

    if (!frame)
        return NULL;
    if (av_frame_copy_props(frame, find_given(s, slot->before)->frame) < 0 ||
        av_dict_set(&frame->metadata, "lavfi.mardini.synthesized", "1", 0) < 0 ||
        av_dict_set(&frame->metadata, "lavfi.mardini.cut", NULL, 0) < 0) {
        av_frame_free(&frame);
        return NULL;
    }
    make_props_general(frame);
    set_time(ctx, frame, slot);
    return frame;
}

/**
 * Choose what a slot is made from: of its references those that no cut parts from `before` and `after`.
 *
 * @param first  receives the index of the first of them
 * @return their number, 0 if a cut lies between `before` and `after`, or a negative code
 */
static int choose_references(AVFilterContext *ctx, const MardiniSlot *slot, int *first)
{
    LibmardiniContext *s = ctx->priv;
    Given *given[MARDINI_WINDOW];
    int before = 0, last, ret;

    *first = 0;
    if (slot->num_references == 1)
        return 1;
    for (int n = 0; n < slot->num_references; n++)
        given[n] = find_given(s, slot->references[n]);
    while (slot->times[before] < 0)
        before++;
    ret = is_cut(ctx, given[before], given[before + 1]);
    if (ret)
        return FFMIN(ret, 0);
    *first = before;
    while (*first > 0 && !(ret = is_cut(ctx, given[*first - 1], given[*first])))
        (*first)--;
    last = before + 1;
    while (ret >= 0 && last + 1 < slot->num_references && !(ret = is_cut(ctx, given[last], given[last + 1])))
        last++;
    return ret < 0 ? ret : last - *first + 1;
}

static int same_window(const MardiniSlot *a, const MardiniSlot *b)
{
    return a->kind == b->kind && a->before == b->before && a->after == b->after && a->num_references == b->num_references &&
           !memcmp(a->references, b->references, a->num_references * sizeof(*a->references));
}

/** Make the frames of all windows of the queue. */
static int make_queue(AVFilterContext *ctx)
{
    LibmardiniContext *s = ctx->priv;
    MardiniWindow windows[CHUNK];
    int64_t keys[2 * CHUNK];
    double masked[2 * CHUNK];
    float confidence[2 * CHUNK];
    MardiniFrame out[2 * CHUNK];
    int64_t start;
    int nb = 0, ret;

    for (int n = 0; n < s->nb_queued; n++) {
        Queued *queued = &s->queue[n];
        const MardiniSlot *slot = &queued->slot;
        const Pending *window = &s->windows[FFMAX(queued->window, 0)];

        if (queued->window < 0)
            continue;
        if (!n || s->queue[n - 1].window != queued->window) {
            const int64_t *ids = slot->references + window->first;

            for (int f = 0; f < window->nb; f++)
                if ((ret = show_to_library(s, find_given(s, ids[f]))) < 0)
                    return ret;
            windows[queued->window] = (MardiniWindow){
                .num_given = window->nb, .ids = ids, .times = slot->times + window->first,
                .num_masked = window->nb_made, .masked = masked + nb, .keys = keys + nb, .out = out + nb,
                .confidence = confidence + nb,
            };
            av_log(ctx, AV_LOG_VERBOSE, "%d made %s frames %"PRId64" and %"PRId64", from frames %"PRId64" to %"PRId64"\n",
                   window->nb_made, window->nb == 1 ? "around" :
                   slot->position > 0 && slot->position < 1 ? "between" : "beyond", slot->before,
                   slot->after, ids[0], ids[window->nb - 1]);
        }
        queued->frame = new_frame(ctx, slot);
        if (!queued->frame || (queued->frame->format != s->planar_fmt && !s->planar[nb] &&
            !(s->planar[nb] = alloc_planar(s->planar_fmt, queued->frame->width, queued->frame->height))))
            return AVERROR(ENOMEM);
        out[nb]    = frame_planes(s->planar[nb] ? s->planar[nb] : queued->frame);
        masked[nb] = slot->position;
        keys[nb]   = slot->key;
        nb++;
    }
    start = av_gettime_relative();
    ret = mardini_make(s->mardini, windows, s->nb_windows);
    if (ret < 0)
        return ret;
    s->time   += av_gettime_relative() - start;
    s->nb_new += nb;

    nb = 0;
    for (int n = 0; n < s->nb_queued; n++) {
        Queued *queued = &s->queue[n];
        char value[16];

        if (queued->window < 0)
            continue;
        if (s->planar[nb]) { /* what is no sample (RGB0's byte, P010's low bits) is the given frame's */
            if ((ret = av_frame_copy(queued->frame, find_given(s, queued->slot.before)->frame)) < 0)
                return ret;
            copy_samples(queued->frame, s->planar[nb]);
        }
        snprintf(value, sizeof(value), "%.3f", confidence[nb++]);
        ret = av_dict_set(&queued->frame->metadata, "lavfi.mardini.confidence", value, 0);
        if (ret >= 0 && queued->slot.keep < -1)
            ret = keep_frame(s, queued->frame, &queued->slot);
        if (ret < 0)
            return ret;
        if (queued->slot.kind == MARDINI_SLOT_AHEAD)
            av_frame_free(&queued->frame);
    }
    s->nb_windows = s->nb_made = 0;
    return 0;
}

/** Whether the next picture would run ahead of the sound if it were shown from the middle of the gap on. */
static int is_long(AVFilterContext *ctx, const MardiniSlot *slot)
{
    LibmardiniContext *s = ctx->priv;
    const int64_t gap = av_sat_sub64(find_given(s, slot->after)->pts, find_given(s, slot->before)->pts);

    return s->job <= MARDINI_MODE_SLOWMO && gap * av_q2d(ctx->inputs[0]->time_base) > 0.5;
}

/**
 * Put the waiting slot into the queue.
 *
 * @return 1, 0 if what is in the queue must be made and put out before it, or a negative code
 */
static int queue_slot(AVFilterContext *ctx)
{
    LibmardiniContext *s = ctx->priv;
    const MardiniSlot *slot = &s->slot;
    const Queued *last = s->nb_queued ? &s->queue[s->nb_queued - 1] : NULL;
    const Given *nearer;
    int first, ret;

    if (s->nb_queued == QUEUE)
        return 0;
    if (last && last->window >= 0) {
        Pending *window = &s->windows[last->window];

        if (same_window(&last->slot, slot) && window->nb_made < FFMIN(CHUNK, MARDINI_WINDOW - slot->num_references)) {
            window->nb_made++;
            s->nb_made++;
            enqueue(s, NULL, last->window);
            return 1;
        }
        if (last->slot.keep < -1) /* this one may be made from it, or show it */
            return 0;
    }
    if (s->nb_windows && s->nb_made >= s->batch)
        return 0;
    if (!slot->num_references) {
        ret = put_given(ctx, find_given(s, slot->before), HOLD_END);
        return ret < 0 ? ret : 1;
    }
    nearer = find_given(s, slot->position < 0.5 || is_long(ctx, slot) ? slot->before : slot->after);
    if (find_given(s, slot->before)->off && s->job != MARDINI_MODE_FILL)
        ret = put_given(ctx, nearer, HOLD_OFF);
    else if (!(ret = choose_references(ctx, slot, &first)))
        ret = put_given(ctx, nearer, HOLD_CUT);
    else if (ret > 0) {
        s->windows[s->nb_windows] = (Pending){ .first = first, .nb = ret, .nb_made = 1 };
        s->nb_made++;
        enqueue(s, NULL, s->nb_windows++);
    }
    return ret < 0 ? ret : 1;
}

/**
 * The next frame of the output. What needs no making goes out at once; of what does, as much is made together as keeps
 * all threads busy.
 *
 * @return 0, AVERROR(EAGAIN) if the input must be read first, AVERROR_EOF after the last, or another code
 */
static int next_frame(AVFilterContext *ctx, AVFrame **out)
{
    LibmardiniContext *s = ctx->priv;
    int ret;

    for (*out = NULL; !*out;) {
        if (!s->nb_windows && s->queue_index < s->nb_queued) {
            Queued *queued = &s->queue[s->queue_index++];

            *out = queued->frame;
            queued->frame = NULL;
            s->shown = FFMAX(s->shown, queued->slot.before);
            continue;
        }
        if (!s->nb_windows)
            s->nb_queued = s->queue_index = 0;
        if (!s->have_slot) {
            ret = mardini_timeline_next(s->timeline, &s->slot);
            s->have_slot = ret >= 0;
        } else {
            ret = 0;
        }
        if (!s->nb_windows)
            release_given(s, 0);
        if (ret >= 0)
            ret = queue_slot(ctx);
        else if (ret == MARDINI_ERR(EAGAIN) && !s->error && (!s->nb_windows || (s->nb_made < s->batch && s->nb_given < CHUNK + 4)))
            return AVERROR(EAGAIN);
        else if (ret == MARDINI_ERR(EAGAIN) || ret == MARDINI_ERR(ENODATA))
            ret = s->nb_windows ? 0 : s->error ? s->error : AVERROR_EOF;
        if (!ret)
            ret = make_queue(ctx);
        if (ret < 0) {
            release_queue(s);
            return ret;
        }
    }
    return 0;
}

static int activate(AVFilterContext *ctx)
{
    LibmardiniContext *s = ctx->priv;
    AVFilterLink *inlink = ctx->inputs[0], *outlink = ctx->outputs[0];
    AVFrame *frame = NULL;
    int64_t pts;
    int ret;

    /* 1. If nobody reads the output any more, tell the input. */
    s->hungry = 0;
    if (ff_outlink_get_status(outlink))
        s->stopped = 1;
    FF_FILTER_FORWARD_STATUS_BACK(outlink, inlink);

    /* 2. Put out one frame; read no more of the input than it needs. */
    while ((ret = next_frame(ctx, &frame)) == AVERROR(EAGAIN) && ff_inlink_check_available_frame(inlink))
        s->error = take_frame(ctx, inlink);
    if (!ret) {
        s->next_pts = frame->pts + DURATION(frame);
        s->nb_out++;
        ret = ff_filter_frame(outlink, frame);
        /* After the end of the input only what is asked for is made, however much is left to make. */
        if (ret >= 0 && (ff_outlink_frame_wanted(outlink) || (!s->status && ff_inlink_check_available_frame(inlink))))
            ff_filter_set_ready(ctx, 100);
        return ret;
    }

    /* 3. At the end of the input, put out what was held back for it, then end the output. */
    if (ret == AVERROR(EAGAIN) && ff_inlink_acknowledge_status(inlink, &s->status, &pts)) {
        ff_filter_set_ready(ctx, 100);
        s->error = push_waiting(ctx, 0);
        if (!s->error)
            s->error = mardini_timeline_end(s->timeline, pts);
        return 0;
    }
    if (ret == AVERROR_EOF) {
        if (!s->status) { /* the job is done before its input is */
            s->status = AVERROR_EOF;
            ff_inlink_set_status(inlink, s->status);
        }
        ff_outlink_set_status(outlink, s->status, s->next_pts);
        return 0;
    }
    if (ret != AVERROR(EAGAIN))
        return ret;

    /* 4. Ask for input if output is asked for. */
    s->hungry = 1;
    FF_FILTER_FORWARD_WANTED(outlink, inlink);
    return FFERROR_NOT_READY;
}

/** What init() refuses, or the place of the frames excludes, is refused, and the run goes on. */
static int process_command(AVFilterContext *ctx, const char *cmd, const char *arg, char *res, int len, int flags)
{
    LibmardiniContext *s = ctx->priv;
    const int dup = s->dup, ret = ff_filter_process_command(ctx, cmd, arg, res, len, flags);

    if (ret < 0 || s->dup == dup || s->dup != DUP_SKIP || (s->job <= MARDINI_MODE_SLOWMO && !s->format.on_cuda))
        return ret;
    s->dup = dup;
    av_log(ctx, AV_LOG_ERROR, "dup=skip is for fps and slowmo by a factor, and for frames in host memory\n");
    return AVERROR(EINVAL);
}

static const AVFilterPad mardini_inputs[] = {
    {
        .name = "default",
        .type = AVMEDIA_TYPE_VIDEO,
#if CONFIG_CUDA
        .config_props = config_input,
#endif
    },
};

static const AVFilterPad mardini_outputs[] = {
    {
        .name         = "default",
        .type         = AVMEDIA_TYPE_VIDEO,
        .config_props = config_output,
    },
};

const FILTER_TYPE ff_vf_mardini = {
    PUBLIC(name)        = "mardini",
    PUBLIC(description) = NULL_IF_CONFIG_SMALL("Make frames from given ones: higher frame rate, slow motion, animated stills, extension, loops, repair."),
    PUBLIC(priv_class)  = &mardini_class,
    PUBLIC(flags)       = AVFILTER_FLAG_SUPPORT_TIMELINE_INTERNAL,
    .priv_size          = sizeof(LibmardiniContext),
    .init               = init,
    .uninit             = uninit,
    .activate           = activate,
    .process_command    = process_command,
#if CONFIG_CUDA
    .flags_internal     = FF_FILTER_FLAG_HWFRAME_AWARE,
#endif
    FILTER_INPUTS(mardini_inputs),
    FILTER_OUTPUTS(mardini_outputs),
    FILTER_PIXFMTS_ARRAY(pix_fmts),
};
