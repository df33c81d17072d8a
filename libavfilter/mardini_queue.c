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
 * The output of vf_mardini: slots, windows, synthesized and repeated frames
 */

#include <stdio.h>
#include <string.h>

#include "libavutil/dict.h"
#include "libavutil/mathematics.h"
#include "libavutil/time.h"
#include "filters.h"
#include "mardini_compat.h"
#include "mardini_cuda.h"
#include "mardini_formats.h"
#include "vf_mardini.h"
#include "video.h"

/** Why a frame is repeated where one could be synthesized. */
enum RepeatReason {
    REPEAT_END,
    REPEAT_CUT,
    REPEAT_DISABLED,
};

void ff_mardini_free_queue(LibmardiniContext *s)
{
    while (s->nb_queued)
        av_frame_free(&s->queue[--s->nb_queued].frame);
    s->queue_index = s->nb_windows = s->nb_masked = 0;
}

/** Move the current slot to the queue, with its frame if it has one. */
static OutFrame *enqueue(LibmardiniContext *s, AVFrame *frame, int window)
{
    OutFrame *queued = &s->queue[s->nb_queued++];

    *queued = (OutFrame){ .frame = frame, .slot = s->slot, .window = window };
    s->has_slot = 0;
    return queued;
}

static void set_time(AVFilterContext *ctx, AVFrame *frame, const MardiniSlot *slot)
{
    frame->pts       = slot->pts;
    frame->time_base = ctx->outputs[0]->time_base;
    DURATION(frame)  = slot->duration;
}

/** Keep a synthesized frame as a reference of later slots. */
static int keep_as_ref(LibmardiniContext *s, const AVFrame *frame, const MardiniSlot *slot)
{
    RefFrame ref = { .frame = av_frame_clone(frame), .ordinal = slot->keep, .synthesized = 1, .cut = -1 };
    int ret;

    if (!ref.frame)
        return AVERROR(ENOMEM);
    ref.disabled = ff_mardini_find_ref(s, slot->before)->disabled;
    ret = ff_mardini_add_ref(s, &ref);
    if (ret < 0)
        av_frame_free(&ref.frame);
    return ret;
}

/** Store a finished frame where its slot is to be kept or output. */
static int finish_frame(LibmardiniContext *s, OutFrame *queued)
{
    int ret = 0;

    if (queued->slot.keep < -1)
        ret = keep_as_ref(s, queued->frame, &queued->slot);
    if (queued->slot.kind == MARDINI_SLOT_AHEAD)
        av_frame_free(&queued->frame);
    return ret;
}

/** Queue an input frame at the time of the slot. The picture is shared. */
static int queue_input_frame(AVFilterContext *ctx, const RefFrame *ref, enum RepeatReason reason)
{
    LibmardiniContext *s = ctx->priv;
    AVFrame *frame = av_frame_clone(ref->frame);
    OutFrame *queued;
    int ret;

    if (!frame)
        return AVERROR(ENOMEM);
    queued = enqueue(s, frame, -1);
    if ((ret = ff_mardini_cuda_rewrap(ctx, frame)) < 0)
        return ret;
    set_time(ctx, frame, &s->slot);
    if (s->slot.kind != MARDINI_SLOT_GIVEN) {
        ff_mardini_clear_picture_props(frame);
        s->nb_repeated_cut      += reason == REPEAT_CUT;
        s->nb_repeated_end      += reason == REPEAT_END;
        s->nb_repeated_disabled += reason == REPEAT_DISABLED;
    }
    if (reason == REPEAT_CUT && (ret = av_dict_set(&frame->metadata, "lavfi.mardini.cut", "1", 0)) < 0)
        return ret;
    return finish_frame(s, queued);
}

/** Allocate the frame of a slot, with the properties of the input frame before. */
static AVFrame *alloc_output_frame(AVFilterContext *ctx, const MardiniSlot *slot)
{
    LibmardiniContext *s = ctx->priv;
    AVFilterLink *outlink = ctx->outputs[0];
    AVFrame *frame = ff_get_video_buffer(outlink, outlink->w, outlink->h);

    if (!frame)
        return NULL;
    if (av_frame_copy_props(frame, ff_mardini_find_ref(s, slot->before)->frame) < 0 ||
        av_dict_set(&frame->metadata, "lavfi.mardini.synthesized", "1", 0) < 0 ||
        av_dict_set(&frame->metadata, "lavfi.mardini.cut", NULL, 0) < 0) {
        av_frame_free(&frame);
        return NULL;
    }
    ff_mardini_clear_picture_props(frame);
    set_time(ctx, frame, slot);
    return frame;
}

/* Windows */

/** What mardini_make() takes and returns, for all windows of the queue. */
typedef struct Request {
    MardiniWindow windows[WINDOWS_MAX];
    /* by masked frame */
    double positions[2 * MASKED_MAX];
    int64_t keys[2 * MASKED_MAX];
    MardiniFrame planes[2 * MASKED_MAX];
    float confidence[2 * MASKED_MAX];
    int nb_masked;
} Request;

/** Start the request's window that begins with a queued frame, and add its references to the library. */
static int request_window(AVFilterContext *ctx, Request *request, const OutFrame *queued)
{
    LibmardiniContext *s = ctx->priv;
    const MardiniSlot *slot = &queued->slot;
    const Window *window = &s->windows[queued->window];
    const int64_t *ids = slot->references + window->first_ref;
    const int at = request->nb_masked;
    int ret;

    for (int i = 0; i < window->nb_refs; i++)
        if ((ret = ff_mardini_show_ref(s, ff_mardini_find_ref(s, ids[i]))) < 0)
            return ret;
    request->windows[queued->window] = (MardiniWindow){
        .num_given  = window->nb_refs,
        .ids        = ids,
        .times      = slot->times + window->first_ref,
        .num_masked = window->nb_masked,
        .masked     = request->positions + at,
        .keys       = request->keys + at,
        .out        = request->planes + at,
        .confidence = request->confidence + at,
    };
    av_log(ctx, AV_LOG_VERBOSE, "%d frames synthesized %s frames %"PRId64" and %"PRId64", references %"PRId64
           " to %"PRId64"\n", window->nb_masked, window->nb_refs == 1 ? "around" :
           slot->position > 0 && slot->position < 1 ? "between" : "beyond",
           slot->before, slot->after, ids[0], ids[window->nb_refs - 1]);
    return 0;
}

static int request_frame(AVFilterContext *ctx, Request *request, OutFrame *queued)
{
    LibmardiniContext *s = ctx->priv;
    const int at = request->nb_masked++;
    AVFrame *frame = queued->frame = alloc_output_frame(ctx, &queued->slot);

    if (!frame)
        return AVERROR(ENOMEM);
    if (frame->format != s->planar_fmt && !s->planar[at]) {
        s->planar[at] = ff_mardini_alloc_frame(s->planar_fmt, frame->width, frame->height);
        if (!s->planar[at])
            return AVERROR(ENOMEM);
    }
    request->planes[at]    = ff_mardini_planes(s->planar[at] ? s->planar[at] : frame);
    request->positions[at] = queued->slot.position;
    request->keys[at]      = queued->slot.key;
    return 0;
}

static int finish_synthesized(LibmardiniContext *s, OutFrame *queued, const AVFrame *planar, float confidence)
{
    char value[16];
    int ret;

    if (planar) { /* padding (of RGB0, P010) is copied from the input frame before */
        ret = av_frame_copy(queued->frame, ff_mardini_find_ref(s, queued->slot.before)->frame);
        if (ret < 0)
            return ret;
        ff_mardini_copy_samples(queued->frame, planar);
    }
    snprintf(value, sizeof(value), "%.3f", confidence);
    ret = av_dict_set(&queued->frame->metadata, "lavfi.mardini.confidence", value, 0);
    return ret < 0 ? ret : finish_frame(s, queued);
}

/** Synthesize the frames of all windows of the queue. */
static int synthesize_queue(AVFilterContext *ctx)
{
    LibmardiniContext *s = ctx->priv;
    Request request = { .nb_masked = 0 };
    int64_t start;
    int at = 0, ret;

    for (int i = 0; i < s->nb_queued; i++) {
        OutFrame *queued = &s->queue[i];

        if (queued->window < 0)
            continue;
        if (!i || s->queue[i - 1].window != queued->window)
            if ((ret = request_window(ctx, &request, queued)) < 0)
                return ret;
        if ((ret = request_frame(ctx, &request, queued)) < 0)
            return ret;
    }

    start = av_gettime_relative();
    ret = mardini_make(s->mardini, request.windows, s->nb_windows);
    if (ret < 0)
        return ret;
    s->time           += av_gettime_relative() - start;
    s->nb_synthesized += request.nb_masked;

    for (int i = 0; i < s->nb_queued; i++) {
        if (s->queue[i].window < 0)
            continue;
        ret = finish_synthesized(s, &s->queue[i], s->planar[at], request.confidence[at]);
        if (ret < 0)
            return ret;
        at++;
    }
    s->nb_windows = s->nb_masked = 0;
    return 0;
}

/**
 * Choose the references of a slot: those without a cut between them and the
 * slot's gap.
 *
 * @param first  receives the index of the first one
 * @return their number, 0 if there is a cut in the gap, or a negative code
 */
static int choose_references(AVFilterContext *ctx, const MardiniSlot *slot, int *first)
{
    LibmardiniContext *s = ctx->priv;
    RefFrame *refs[MARDINI_WINDOW];
    int before = 0, last, ret;

    *first = 0;
    if (slot->num_references == 1)
        return 1;
    for (int i = 0; i < slot->num_references; i++)
        refs[i] = ff_mardini_find_ref(s, slot->references[i]);
    while (slot->times[before] < 0)
        before++;
    ret = ff_mardini_is_cut(ctx, refs[before], refs[before + 1]);
    if (ret)
        return FFMIN(ret, 0);
    *first = before;
    while (*first > 0 && !(ret = ff_mardini_is_cut(ctx, refs[*first - 1], refs[*first])))
        (*first)--;
    last = before + 1;
    while (ret >= 0 && last + 1 < slot->num_references &&
           !(ret = ff_mardini_is_cut(ctx, refs[last], refs[last + 1])))
        last++;
    return ret < 0 ? ret : last - *first + 1;
}

static int have_same_references(const MardiniSlot *a, const MardiniSlot *b)
{
    return a->kind == b->kind && a->before == b->before && a->after == b->after &&
           a->num_references == b->num_references &&
           !memcmp(a->references, b->references, a->num_references * sizeof(*a->references));
}

/* Slots */

/** The input frame to repeat where the frame of a slot is not synthesized. */
static const RefFrame *nearest_frame(AVFilterContext *ctx, const MardiniSlot *slot)
{
    LibmardiniContext *s = ctx->priv;
    const RefFrame *before = ff_mardini_find_ref(s, slot->before), *after;
    double gap;

    if (slot->position < 0.5)
        return before;
    after = ff_mardini_find_ref(s, slot->after);
    gap   = av_sat_sub64(after->pts, before->pts) * av_q2d(ctx->inputs[0]->time_base);
    /* From the middle of a long gap on, the next picture would run ahead of the audio. */
    return s->retimes && gap > 0.5 ? before : after;
}

/** @return 1 if the slot was added to the last window, 0 if it needs another, -1 if the queue must be output before */
static int add_to_last_window(LibmardiniContext *s)
{
    const MardiniSlot *slot = &s->slot;
    const OutFrame *last = s->nb_queued ? &s->queue[s->nb_queued - 1] : NULL;
    Window *window;

    if (!last || last->window < 0)
        return 0;
    window = &s->windows[last->window];
    if (have_same_references(&last->slot, slot) &&
        window->nb_masked < FFMIN(MASKED_MAX, MARDINI_WINDOW - slot->num_references)) {
        window->nb_masked++;
        s->nb_masked++;
        enqueue(s, NULL, last->window);
        return 1;
    }
    return last->slot.keep < -1 ? -1 : 0; /* a frame to be kept may be this slot's reference */
}

/**
 * Move the current slot to the queue.
 *
 * @return 1, 0 if the queue must be synthesized and output before, or a negative code
 */
static int queue_slot(AVFilterContext *ctx)
{
    LibmardiniContext *s = ctx->priv;
    const MardiniSlot *slot = &s->slot;
    int first, ret;

    if (s->nb_queued == QUEUE_SIZE)
        return 0;
    if ((ret = add_to_last_window(s)))
        return ret > 0;
    if (s->nb_windows && s->nb_masked >= s->batch)
        return 0;
    if (!slot->num_references) {
        ret = queue_input_frame(ctx, ff_mardini_find_ref(s, slot->before), REPEAT_END);
    } else if (ff_mardini_find_ref(s, slot->before)->disabled && s->mode != MARDINI_MODE_FILL) {
        ret = queue_input_frame(ctx, nearest_frame(ctx, slot), REPEAT_DISABLED);
    } else if (!(ret = choose_references(ctx, slot, &first))) {
        ret = queue_input_frame(ctx, nearest_frame(ctx, slot), REPEAT_CUT);
    } else if (ret > 0) {
        s->windows[s->nb_windows] = (Window){ .first_ref = first, .nb_refs = ret, .nb_masked = 1 };
        s->nb_masked++;
        enqueue(s, NULL, s->nb_windows++);
    }
    return ret < 0 ? ret : 1;
}

/**
 * Queue the next slot, or synthesize the queue if it is complete.
 *
 * @return 0 or more, AVERROR(EAGAIN), AVERROR_EOF, or another negative code
 */
static int advance(AVFilterContext *ctx)
{
    LibmardiniContext *s = ctx->priv;
    int ret = 0;

    if (!s->has_slot) {
        ret = mardini_timeline_next(s->timeline, &s->slot);
        s->has_slot = ret >= 0;
    }
    if (!s->nb_windows)
        ff_mardini_drop_refs(s);

    if (ret >= 0) {
        ret = queue_slot(ctx);
    } else if (ret == MARDINI_ERR(EAGAIN) && !s->error) {
        /* More input fills the batch, up to a limit on the frames kept. */
        if (!s->nb_windows || (s->nb_masked < s->batch && s->nb_refs < WINDOWS_MAX + 4))
            return AVERROR(EAGAIN);
        ret = 0;
    } else if (ret == MARDINI_ERR(EAGAIN) || ret == MARDINI_ERR(ENODATA)) {
        ret = s->nb_windows ? 0 : s->error ? s->error : AVERROR_EOF;
    }
    return ret ? ret : synthesize_queue(ctx);
}

int ff_mardini_next_frame(AVFilterContext *ctx, AVFrame **out)
{
    LibmardiniContext *s = ctx->priv;
    int ret;

    *out = NULL;
    do {
        if (!s->nb_windows && s->queue_index < s->nb_queued) {
            OutFrame *queued = &s->queue[s->queue_index++];

            *out = queued->frame; /* NULL if the frame is only kept as a reference */
            queued->frame = NULL;
            s->last_shown = FFMAX(s->last_shown, queued->slot.before);
            continue;
        }
        if (!s->nb_windows)
            s->nb_queued = s->queue_index = 0;
        ret = advance(ctx);
        if (ret == AVERROR(EAGAIN))
            return ret;
        if (ret < 0) {
            ff_mardini_free_queue(s);
            return ret;
        }
    } while (!*out);
    return 0;
}
