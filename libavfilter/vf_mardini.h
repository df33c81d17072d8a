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
 * The context of vf_mardini, shared by its source files
 *
 * Frames pass through in this order:
 *  - mardini_input.c takes input frames, tells their time stamps to the
 *    timeline and keeps those that the timeline may name;
 *  - MardiniTimeline returns a slot for each output frame: its time stamp, and
 *    the reference frames that it is synthesized from;
 *  - mardini_queue.c collects slots, has the library synthesize the frames of
 *    several slots at once, and returns the output frames in order.
 */

#ifndef AVFILTER_VF_MARDINI_H
#define AVFILTER_VF_MARDINI_H

#include <stdint.h>

#include <mardini.h>

#include "libavutil/frame.h"
#include "libavutil/log.h"
#include "libavutil/pixfmt.h"
#include "libavutil/rational.h"
#include "avfilter.h"

/* Defaults that depend on the mode; all others are the library's. */
#define SLOWMO_FACTOR  8
#define ANIMATE_FPS    8
#define EXTEND_FRAMES  12
#define LOOP_FRAMES    15
#define ANIMATE_FRAMES MARDINI_WINDOW

/* Masked frames in a window at most: a gap between two input frames has two
 * reference frames on either side. Fewer references do not raise the limit, so
 * that a gap is divided in the same way wherever it is in the clip. */
#define MASKED_MAX (MARDINI_WINDOW - 4)

/* Windows synthesized at once at most; each has one masked frame or more. */
#define WINDOWS_MAX MASKED_MAX

#define QUEUE_SIZE 64

enum SceneCutDetection {
    SCD_NONE,
    SCD_AUTO,
};

enum DuplicateFrames {
    DUP_KEEP,
    DUP_SKIP,
};

enum Anchor {
    ANCHOR_LAST   = -3,
    ANCHOR_MIDDLE = -2,
    ANCHOR_UNSET  = -1,
};

/* Above the bits of MardiniDetect */
#define DETECT_UNSET 8

/** An input frame, or a synthesized frame that is the reference of later ones. */
typedef struct RefFrame {
    AVFrame *frame;
    AVFrame *planar;    ///< copy of frame in planar_fmt; NULL if not needed yet, or never
    int64_t ordinal;    ///< number in the timeline, id in the library; below -1 if synthesized
    int64_t pts;        ///< as placed by the timeline, in the input's time base
    int64_t gap;        ///< pts minus that of the input frame before
    int synthesized;
    int added;          ///< added to the library
    int disabled;       ///< the filter is disabled from this frame to the next
    int scdet_cut;      ///< scdet marked a masked frame right before this one as a cut
    int cut;            ///< 1: a scene cut or a time jump since cut_since; 0: none; -1: not compared yet
    int64_t cut_since;  ///< ordinal of the frame that this one was compared with
} RefFrame;

/** A frame of the output that is not yet returned. */
typedef struct OutFrame {
    AVFrame *frame;     ///< NULL if not synthesized yet, or not to be output
    MardiniSlot slot;
    int window;         ///< index of its window, -1 if it is not synthesized
} OutFrame;

/** Consecutive frames of the queue that are synthesized from the same references. */
typedef struct Window {
    int first_ref;      ///< index of the first of the slot's references that is used
    int nb_refs;
    int nb_masked;
} Window;

typedef struct LibmardiniContext {
    const AVClass *class;

    /* Options; -1, NULL or a value named UNSET if not set */
    int mode;             ///< MardiniMode; TOTAL for slowmo with a number of frames
    char *fps;
    char *factor;
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

    /* Set during init and link configuration */
    int retimes;          ///< mode fps, or slowmo with a factor
    int rate_is_tick;     ///< the input's frame rate is 1 / time base; durations of one tick follow from it
    enum AVPixelFormat planar_fmt; ///< format of the frames that the library takes
    MardiniFormat format; ///< the same as the library's description
    int batch;            ///< masked frames that are synthesized at once if the input has them
    MardiniTimeline *timeline;
    MardiniContext *mardini;

    /* Input state */
    RefFrame *refs;       ///< frames that the timeline may name, in order of arrival
    unsigned refs_size;   ///< allocated bytes
    int nb_refs;
    RefFrame repeats[MARDINI_REPEATS_MAX + 1]; ///< for dup=skip: repeats of the last reference, not in the timeline yet
    int nb_repeats;
    int is_still;         ///< the last frames repeat one picture for too long to be a cadence
    int scdet_cut;        ///< scdet marked a masked frame as a cut since the last reference
    int waiting_for_input;
    int status;           ///< of the input, 0 until its end
    int error;            ///< of reading the input; returned after the frames read before it

    /* Output state */
    MardiniSlot slot;     ///< the next slot, if has_slot
    int has_slot;
    OutFrame queue[QUEUE_SIZE];
    int nb_queued;
    int queue_index;      ///< next frame of the queue to return
    Window windows[WINDOWS_MAX]; ///< to be synthesized before the queue is returned
    int nb_windows;
    int nb_masked;        ///< in all windows
    AVFrame *planar[2 * MASKED_MAX]; ///< frames for the library to write, if planar_fmt is not the link's format
    int output_closed;
    int64_t next_pts;
    int64_t last_shown;   ///< ordinal of the last input frame that the output has reached

    /* Warnings already given */
    int warned_interlaced;
    int warned_jump;

    /* Statistics */
    int64_t nb_in;
    int64_t nb_out;
    int64_t nb_synthesized;
    int64_t nb_cuts;
    int64_t nb_repeated_cut;
    int64_t nb_repeated_end;
    int64_t nb_repeated_disabled;
    int64_t nb_skipped;   ///< input frames replaced because of dup=skip
    int64_t time;         ///< spent in mardini_make(), in microseconds
} LibmardiniContext;

/** Log callback of the library, opaque is an AVFilterContext. */
void ff_mardini_log(void *opaque, int level, const char *message);

/* mardini_timeline.c */

/**
 * The nominal frame rate of a link, 1/0 if unknown. A rate above 960 that is
 * the inverse of the time base counts as unknown.
 */
AVRational ff_mardini_nominal_rate(AVFilterLink *link);

/** Open the timeline as the options say, and set the output's time base and frame rate. */
int ff_mardini_open_timeline(AVFilterLink *outlink);

/* mardini_input.c */

/** Consume a frame of the input, which must have one available. */
int ff_mardini_take_frame(AVFilterContext *ctx);

/** Tell the end of the input to the timeline. */
int ff_mardini_end_input(AVFilterContext *ctx, int64_t pts);

/** Append a frame to the references. On failure it stays the caller's. */
int ff_mardini_add_ref(LibmardiniContext *s, const RefFrame *ref);

/** The reference of an ordinal that the timeline has named; valid until one is added. */
RefFrame *ff_mardini_find_ref(LibmardiniContext *s, int64_t ordinal);

/** Free the references that the timeline will not name again. */
void ff_mardini_drop_refs(LibmardiniContext *s);

/** Add the frame to the library if it is not there yet. */
int ff_mardini_show_ref(LibmardiniContext *s, RefFrame *ref);

/** @return 1 if there is a scene cut or a time jump between the frames, 0 if not, or a negative code */
int ff_mardini_is_cut(AVFilterContext *ctx, RefFrame *before, RefFrame *after);

/** Number of input frames that were read and not yet reached by the output. */
int ff_mardini_count_waiting(const LibmardiniContext *s);

void ff_mardini_free_input(LibmardiniContext *s);

/* mardini_queue.c */

/**
 * The next frame of the output. Frames that need no synthesis are returned at
 * once; others are synthesized in batches.
 *
 * @return 0, AVERROR(EAGAIN) if an input frame is needed, AVERROR_EOF after
 *         the last frame, or another negative code
 */
int ff_mardini_next_frame(AVFilterContext *ctx, AVFrame **out);

void ff_mardini_free_queue(LibmardiniContext *s);

#endif /* AVFILTER_VF_MARDINI_H */
