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
 * Frame synthesis by libmardini: frame rate conversion, slow motion, repair,
 * extension, loops and animated stills
 *
 * vf_mardini.h tells how frames pass through the filter's source files.
 */

#include <limits.h>

#include <mardini.h>

#include "libavutil/common.h"
#include "libavutil/macros.h"
#include "libavutil/opt.h"
#include "filters.h"
#include "mardini_compat.h"
#include "mardini_cuda.h"
#include "mardini_formats.h"
#include "vf_mardini.h"

#define OFFSET(x) offsetof(LibmardiniContext, x)
#define FLAGS (AV_OPT_FLAG_VIDEO_PARAM | AV_OPT_FLAG_FILTERING_PARAM)
#define RUNTIME_FLAGS (FLAGS | AV_OPT_FLAG_RUNTIME_PARAM)
static const AVOption mardini_options[] = {
    { "mode", "set what to synthesize", OFFSET(mode), AV_OPT_TYPE_INT, { .i64 = MARDINI_MODE_FPS }, MARDINI_MODE_FPS, MARDINI_MODE_ANIMATE, FLAGS, .unit = "mode" },
        { "fps",     "frames of another frame rate, with the same duration",      0, AV_OPT_TYPE_CONST, { .i64 = MARDINI_MODE_FPS },     0, 0, FLAGS, .unit = "mode" },
        { "slowmo",  "slow motion",                                               0, AV_OPT_TYPE_CONST, { .i64 = MARDINI_MODE_SLOWMO },  0, 0, FLAGS, .unit = "mode" },
        { "fill",    "frames that are named, or detected as missing or repeated", 0, AV_OPT_TYPE_CONST, { .i64 = MARDINI_MODE_FILL },    0, 0, FLAGS, .unit = "mode" },
        { "extend",  "frames after the last, before the first, or both",          0, AV_OPT_TYPE_CONST, { .i64 = MARDINI_MODE_EXTEND },  0, 0, FLAGS, .unit = "mode" },
        { "loop",    "frames that lead from the last to the first",               0, AV_OPT_TYPE_CONST, { .i64 = MARDINI_MODE_LOOP },    0, 0, FLAGS, .unit = "mode" },
        { "animate", "frames around the first frame of the input",                0, AV_OPT_TYPE_CONST, { .i64 = MARDINI_MODE_ANIMATE }, 0, 0, FLAGS, .unit = "mode" },
    { "fps", "fps, animate: set the output frame rate, an expression (default: 60; animate: " AV_STRINGIFY(ANIMATE_FPS) ")", OFFSET(fps), AV_OPT_TYPE_STRING, { .str = NULL }, 0, 0, FLAGS },
    { "factor", "slowmo: set the slow motion factor, an expression of 1 or more (default: " AV_STRINGIFY(SLOWMO_FACTOR) ")", OFFSET(factor), AV_OPT_TYPE_STRING, { .str = NULL }, 0, 0, FLAGS },
    { "frames", "slowmo: set the number of output frames instead of a factor; extend: of frames to add on a side (default: " AV_STRINGIFY(EXTEND_FRAMES) "); loop: of frames to add (" AV_STRINGIFY(LOOP_FRAMES) "); animate: of output frames (" AV_STRINGIFY(ANIMATE_FRAMES) "); fill: list the frames to replace, as in 10-14+20", OFFSET(frames), AV_OPT_TYPE_STRING, { .str = NULL }, 0, 0, FLAGS },
    { "detect", "fill: set what to detect (default: gaps+repeats, nothing if frames is set)", OFFSET(detect), AV_OPT_TYPE_FLAGS, { .i64 = DETECT_UNSET }, 0, MARDINI_DETECT_GAPS | MARDINI_DETECT_REPEATS | MARDINI_DETECT_FREEZES, FLAGS, .unit = "detect" },
        { "gaps",    "missing frames, by time stamps",      0, AV_OPT_TYPE_CONST, { .i64 = MARDINI_DETECT_GAPS },    0, 0, FLAGS, .unit = "detect" },
        { "repeats", "runs of up to four repeated frames",  0, AV_OPT_TYPE_CONST, { .i64 = MARDINI_DETECT_REPEATS }, 0, 0, FLAGS, .unit = "detect" },
        { "freezes", "longer runs of repeated frames",      0, AV_OPT_TYPE_CONST, { .i64 = MARDINI_DETECT_FREEZES }, 0, 0, FLAGS, .unit = "detect" },
    { "side", "extend: set where to add frames (-1: the library's default)", OFFSET(side), AV_OPT_TYPE_INT, { .i64 = -1 }, -1, MARDINI_SIDE_BOTH, FLAGS, .unit = "side" },
        { "after",  "after the last frame",      0, AV_OPT_TYPE_CONST, { .i64 = MARDINI_SIDE_AFTER },  0, 0, FLAGS, .unit = "side" },
        { "before", "before the first frame",    0, AV_OPT_TYPE_CONST, { .i64 = MARDINI_SIDE_BEFORE }, 0, 0, FLAGS, .unit = "side" },
        { "both",   "as many on either side",    0, AV_OPT_TYPE_CONST, { .i64 = MARDINI_SIDE_BOTH },   0, 0, FLAGS, .unit = "side" },
    { "context", "extend: set the number of reference frames of a window, 2 to 16 (-1, 0: the library's default)", OFFSET(context), AV_OPT_TYPE_INT, { .i64 = -1 }, -1, MARDINI_WINDOW - 1, FLAGS },
    { "anchor", "animate: set the number of the output frame that shows the input frame (-1: the middle one)", OFFSET(anchor), AV_OPT_TYPE_INT64, { .i64 = ANCHOR_UNSET }, ANCHOR_LAST, INT_MAX, FLAGS, .unit = "anchor" },
        { "first",  NULL, 0, AV_OPT_TYPE_CONST, { .i64 = 0 },             0, 0, FLAGS, .unit = "anchor" },
        { "middle", NULL, 0, AV_OPT_TYPE_CONST, { .i64 = ANCHOR_MIDDLE }, 0, 0, FLAGS, .unit = "anchor" },
        { "last",   NULL, 0, AV_OPT_TYPE_CONST, { .i64 = ANCHOR_LAST },   0, 0, FLAGS, .unit = "anchor" },
    { "motion", "animate, loop of one frame: scale the sampled motion, 0 to 10 (-1: the library's default)", OFFSET(motion), AV_OPT_TYPE_DOUBLE, { .dbl = -1 }, -1, 10, FLAGS },
    { "camera", "animate, loop of one frame: set the camera motion (-1: the library's default)", OFFSET(camera), AV_OPT_TYPE_INT, { .i64 = -1 }, -1, MARDINI_CAMERA_ROLL_RIGHT, FLAGS, .unit = "camera" },
        { "sampled",    "sampled with all other motion", 0, AV_OPT_TYPE_CONST, { .i64 = MARDINI_CAMERA_SAMPLED },    0, 0, FLAGS, .unit = "camera" },
        { "still",      "no pan, zoom or roll",          0, AV_OPT_TYPE_CONST, { .i64 = MARDINI_CAMERA_STILL },      0, 0, FLAGS, .unit = "camera" },
        { "pan-left",   NULL,                            0, AV_OPT_TYPE_CONST, { .i64 = MARDINI_CAMERA_PAN_LEFT },   0, 0, FLAGS, .unit = "camera" },
        { "pan-right",  NULL,                            0, AV_OPT_TYPE_CONST, { .i64 = MARDINI_CAMERA_PAN_RIGHT },  0, 0, FLAGS, .unit = "camera" },
        { "tilt-up",    NULL,                            0, AV_OPT_TYPE_CONST, { .i64 = MARDINI_CAMERA_TILT_UP },    0, 0, FLAGS, .unit = "camera" },
        { "tilt-down",  NULL,                            0, AV_OPT_TYPE_CONST, { .i64 = MARDINI_CAMERA_TILT_DOWN },  0, 0, FLAGS, .unit = "camera" },
        { "zoom-in",    NULL,                            0, AV_OPT_TYPE_CONST, { .i64 = MARDINI_CAMERA_ZOOM_IN },    0, 0, FLAGS, .unit = "camera" },
        { "zoom-out",   NULL,                            0, AV_OPT_TYPE_CONST, { .i64 = MARDINI_CAMERA_ZOOM_OUT },   0, 0, FLAGS, .unit = "camera" },
        { "roll-left",  "the picture turns clockwise",   0, AV_OPT_TYPE_CONST, { .i64 = MARDINI_CAMERA_ROLL_LEFT },  0, 0, FLAGS, .unit = "camera" },
        { "roll-right", NULL,                            0, AV_OPT_TYPE_CONST, { .i64 = MARDINI_CAMERA_ROLL_RIGHT }, 0, 0, FLAGS, .unit = "camera" },
    { "model", "set the checkpoint, a file or a preset: nano, small, base (default: the best preset for the device)", OFFSET(model), AV_OPT_TYPE_STRING, { .str = NULL }, 0, 0, FLAGS },
    { "device", "set the device: auto, cpu, cuda, cuda:N (default: auto)", OFFSET(device), AV_OPT_TYPE_STRING, { .str = NULL }, 0, 0, FLAGS },
    { "precision", "set the arithmetic of the network", OFFSET(precision), AV_OPT_TYPE_INT, { .i64 = MARDINI_PRECISION_AUTO }, MARDINI_PRECISION_AUTO, MARDINI_PRECISION_BF16, FLAGS, .unit = "precision" },
        { "auto", "bf16 if the processor has instructions for it, else fp32", 0, AV_OPT_TYPE_CONST, { .i64 = MARDINI_PRECISION_AUTO }, 0, 0, FLAGS, .unit = "precision" },
        { "fp32", "32-bit floating point",       0, AV_OPT_TYPE_CONST, { .i64 = MARDINI_PRECISION_FP32 }, 0, 0, FLAGS, .unit = "precision" },
        { "bf16", "16-bit brain floating point", 0, AV_OPT_TYPE_CONST, { .i64 = MARDINI_PRECISION_BF16 }, 0, 0, FLAGS, .unit = "precision" },
    { "steps", "set the number of sampling steps, 0 for deterministic output (-1: the library's default)", OFFSET(steps), AV_OPT_TYPE_INT, { .i64 = -1 }, -1, 64, FLAGS },
    { "seed", "set the seed of sampled noise and motion (-1: the library's default)", OFFSET(seed), AV_OPT_TYPE_INT64, { .i64 = -1 }, -1, INT64_MAX, FLAGS },
    { "memory", "limit the memory of the network on the CPU, in MB; 0 is no limit (-1: the library's default)", OFFSET(memory), AV_OPT_TYPE_INT, { .i64 = -1 }, -1, INT_MAX, FLAGS },
    { "scd", "set scene cut detection; frames are repeated at a cut", OFFSET(scd), AV_OPT_TYPE_INT, { .i64 = SCD_AUTO }, SCD_NONE, SCD_AUTO, RUNTIME_FLAGS, .unit = "scd" },
        { "none", "disable",                                         0, AV_OPT_TYPE_CONST, { .i64 = SCD_NONE }, 0, 0, FLAGS, .unit = "scd" },
        { "auto", "the library's detector, and scdet's metadata",    0, AV_OPT_TYPE_CONST, { .i64 = SCD_AUTO }, 0, 0, FLAGS, .unit = "scd" },
    { "scd_threshold", "set the score above which two frames have a cut between them, 0 to 100 (-1: the library's default)", OFFSET(scd_threshold), AV_OPT_TYPE_DOUBLE, { .dbl = -1 }, -1, 100, RUNTIME_FLAGS },
    { "dup", "fps, slowmo: set what to do with repeated input frames", OFFSET(dup), AV_OPT_TYPE_INT, { .i64 = DUP_KEEP }, DUP_KEEP, DUP_SKIP, RUNTIME_FLAGS, .unit = "dup" },
        { "keep", "keep them as they are",                 0, AV_OPT_TYPE_CONST, { .i64 = DUP_KEEP }, 0, 0, RUNTIME_FLAGS, .unit = "dup" },
        { "skip", "replace runs of up to four repeats",    0, AV_OPT_TYPE_CONST, { .i64 = DUP_SKIP }, 0, 0, RUNTIME_FLAGS, .unit = "dup" },
    { NULL }
};

AVFILTER_DEFINE_CLASS(mardini);

void ff_mardini_log(void *opaque, int level, const char *message)
{
    static const int levels[] = {
        [MARDINI_LOG_ERROR]   = AV_LOG_ERROR,
        [MARDINI_LOG_WARNING] = AV_LOG_WARNING,
        [MARDINI_LOG_INFO]    = AV_LOG_INFO,
        [MARDINI_LOG_VERBOSE] = AV_LOG_VERBOSE,
        [MARDINI_LOG_DEBUG]   = AV_LOG_DEBUG,
    };

    level = av_clip(level, MARDINI_LOG_ERROR, MARDINI_LOG_DEBUG);
    av_log(opaque, levels[level], "%s\n", message);
}

/** Refuse a number that is no mode, and options of another mode. */
static int check_options(AVFilterContext *ctx)
{
    enum {
        FPS     = 1 << MARDINI_MODE_FPS,
        SLOWMO  = 1 << MARDINI_MODE_SLOWMO,
        FILL    = 1 << MARDINI_MODE_FILL,
        EXTEND  = 1 << MARDINI_MODE_EXTEND,
        LOOP    = 1 << MARDINI_MODE_LOOP,
        ANIMATE = 1 << MARDINI_MODE_ANIMATE,
    };
    const LibmardiniContext *s = ctx->priv;
    const struct {
        const char *name;
        int is_set, modes;
        const char *mode_names;
    } options[] = {
        { "fps",     !!s->fps,                  FPS | ANIMATE,  "fps and animate" },
        { "factor",  !!s->factor,               SLOWMO,         "slowmo" },
        { "frames",  !!s->frames,               ~FPS,           "slowmo, fill, extend, loop and animate" },
        { "detect",  s->detect != DETECT_UNSET, FILL,           "fill" },
        { "side",    s->side >= 0,              EXTEND,         "extend" },
        { "context", s->context >= 0,           EXTEND,         "extend" },
        { "anchor",  s->anchor != ANCHOR_UNSET, ANIMATE,        "animate" },
        { "motion",  s->motion >= 0,            ANIMATE | LOOP, "animate and loop" },
        { "camera",  s->camera >= 0,            ANIMATE | LOOP, "animate and loop" },
    };

    if (!(1 << s->mode & (FPS | SLOWMO | FILL | EXTEND | LOOP | ANIMATE))) {
        av_log(ctx, AV_LOG_ERROR, "mode=%d is not a mode: use fps, slowmo, fill, extend, loop or animate\n", s->mode);
        return AVERROR(EINVAL);
    }
    for (int i = 0; i < FF_ARRAY_ELEMS(options); i++) {
        if (!options[i].is_set || 1 << s->mode & options[i].modes)
            continue;
        av_log(ctx, AV_LOG_ERROR, "option %s is for mode %s, and another mode is set: set mode, or remove %s\n",
               options[i].name, options[i].mode_names, options[i].name);
        return AVERROR(EINVAL);
    }
    if (s->factor && s->frames) {
        av_log(ctx, AV_LOG_ERROR, "factor=%s and frames=%s are both set: remove one of them\n", s->factor, s->frames);
        return AVERROR(EINVAL);
    }
    return 0;
}

/* Nothing of the library is opened here, as ffmpeg may call init() only to count the pads. */
static av_cold int init(AVFilterContext *ctx)
{
    LibmardiniContext *s = ctx->priv;
    int ret = check_options(ctx);

    if (ret < 0)
        return ret;
    s->next_pts   = AV_NOPTS_VALUE;
    s->last_shown = -1;
    if (s->mode == MARDINI_MODE_SLOWMO && s->frames)
        s->mode = MARDINI_MODE_TOTAL;
    s->retimes = s->mode == MARDINI_MODE_FPS || s->mode == MARDINI_MODE_SLOWMO;
    s->detect &= ~DETECT_UNSET;
    if (s->mode == MARDINI_MODE_FILL && !s->frames && !s->detect)
        s->detect = MARDINI_DETECT_GAPS | MARDINI_DETECT_REPEATS;
    if (s->dup == DUP_SKIP && !s->retimes) {
        av_log(ctx, AV_LOG_ERROR, "dup=skip is for mode fps, and for slowmo with a factor: use dup=keep\n");
        return AVERROR(EINVAL);
    }
    return 0;
}

static av_cold void uninit(AVFilterContext *ctx)
{
    LibmardiniContext *s = ctx->priv;
    const int nb_lost = ff_mardini_count_waiting(s);

    /* ffmpeg rebuilds its graph without an EOF when the input's size or format changes. */
    if (nb_lost && s->waiting_for_input && !s->status && !s->output_closed)
        av_log(ctx, AV_LOG_WARNING, "closed before the end of the input: %d waiting frame%s lost, as expected if the "
               "output was to end here; if the input changes its size or format, use -reinit_filter 0 and scale before "
               "this filter\n", nb_lost, nb_lost > 1 ? "s are" : " is");

    ff_mardini_free_input(s);
    ff_mardini_free_queue(s);
    for (int i = 0; i < FF_ARRAY_ELEMS(s->planar); i++)
        av_frame_free(&s->planar[i]);
    mardini_close(&s->mardini);
    mardini_timeline_close(&s->timeline);

    if (s->nb_in)
        av_log(ctx, AV_LOG_INFO, "%"PRId64" frames in, %"PRId64" frames out; %"PRId64" synthesized (%.3f s each), "
               "%"PRId64" repeated at %"PRId64" cuts, %"PRId64" repeated at the end\n", s->nb_in, s->nb_out,
               s->nb_synthesized, s->nb_synthesized ? s->time / 1e6 / s->nb_synthesized : 0.0,
               s->nb_repeated_cut, s->nb_cuts, s->nb_repeated_end);
    if (s->nb_repeated_disabled || s->nb_skipped)
        av_log(ctx, AV_LOG_INFO, "%"PRId64" repeated while disabled, %"PRId64" input frames skipped as repeats\n",
               s->nb_repeated_disabled, s->nb_skipped);
}

static int config_input(AVFilterLink *inlink)
{
    return ff_mardini_cuda_check_input(inlink);
}

static void set_settings(AVFilterContext *ctx, MardiniSettings *settings)
{
    const LibmardiniContext *s = ctx->priv;

    mardini_default_settings(settings);
    settings->model     = s->model;
    settings->device    = s->device;
    settings->precision = s->precision;
    settings->threads   = FFMIN(ff_filter_get_nb_threads(ctx), 64);
    settings->steps     = s->steps;
    if (s->seed >= 0)
        settings->seed = s->seed;
    if (s->memory >= 0)
        settings->memory = s->memory;
    if (s->motion >= 0)
        settings->motion = s->motion;
    if (s->camera >= 0)
        settings->camera = s->camera;
    settings->log        = ff_mardini_log;
    settings->log_opaque = ctx;
}

static int config_output(AVFilterLink *outlink)
{
    AVFilterContext *ctx = outlink->src;
    AVFilterLink *inlink = ctx->inputs[0];
    LibmardiniContext *s = ctx->priv;
    MardiniSettings settings;
    int ret = ff_mardini_open_timeline(outlink);

    if (ret < 0)
        return ret;
    set_settings(ctx, &settings);
    s->planar_fmt = ff_mardini_planar_fmt(ff_mardini_cuda_sw_format(inlink));
    s->format     = ff_mardini_describe_format(s->planar_fmt, inlink->w, inlink->h);
    if (inlink->format == AV_PIX_FMT_CUDA) {
        s->planar_fmt = AV_PIX_FMT_CUDA;
        ret = ff_mardini_cuda_config_output(outlink, &settings, &s->format);
        if (ret < 0)
            return ret;
    }
    /* Batches keep all CPU threads busy. They cost memory, and delay the frames that mode fill compares. */
    if (s->format.on_cuda || settings.memory || s->mode == MARDINI_MODE_FILL)
        s->batch = 1;
    else
        s->batch = FFMIN(settings.threads, MASKED_MAX);
    return mardini_open(&s->mardini, &settings, &s->format);
}

static int activate(AVFilterContext *ctx)
{
    LibmardiniContext *s = ctx->priv;
    AVFilterLink *inlink = ctx->inputs[0], *outlink = ctx->outputs[0];
    AVFrame *frame = NULL;
    int64_t pts;
    int ret;

    /* Pass the status of the output to the input */
    s->waiting_for_input = 0;
    if (ff_outlink_get_status(outlink))
        s->output_closed = 1;
    FF_FILTER_FORWARD_STATUS_BACK(outlink, inlink);

    /* Output one frame, and read only as much of the input as it needs */
    while ((ret = ff_mardini_next_frame(ctx, &frame)) == AVERROR(EAGAIN) &&
           ff_inlink_check_available_frame(inlink))
        s->error = ff_mardini_take_frame(ctx);
    if (!ret) {
        s->next_pts = frame->pts + DURATION(frame);
        s->nb_out++;
        ret = ff_filter_frame(outlink, frame);
        /* After the end of the input frames are synthesized only on request */
        if (ret >= 0 && (ff_outlink_frame_wanted(outlink) ||
                         (!s->status && ff_inlink_check_available_frame(inlink))))
            ff_filter_set_ready(ctx, 100);
        return ret;
    }

    /* At the end of the input, tell the timeline and output the remaining frames */
    if (ret == AVERROR(EAGAIN) && ff_inlink_acknowledge_status(inlink, &s->status, &pts)) {
        ff_filter_set_ready(ctx, 100);
        s->error = ff_mardini_end_input(ctx, pts);
        return 0;
    }

    /* After the last frame, end the output, and the input if it goes on */
    if (ret == AVERROR_EOF) {
        if (!s->status) {
            s->status = AVERROR_EOF;
            ff_inlink_set_status(inlink, s->status);
        }
        ff_outlink_set_status(outlink, s->status, s->next_pts);
        return 0;
    }
    if (ret != AVERROR(EAGAIN))
        return ret;

    /* Request a frame of the input if one of the output is requested */
    s->waiting_for_input = 1;
    FF_FILTER_FORWARD_WANTED(outlink, inlink);
    return FFERROR_NOT_READY;
}

static int process_command(AVFilterContext *ctx, const char *cmd, const char *arg,
                           char *res, int res_len, int flags)
{
    LibmardiniContext *s = ctx->priv;
    const int dup = s->dup;
    const int ret = ff_filter_process_command(ctx, cmd, arg, res, res_len, flags);

    if (ret >= 0 && dup == DUP_KEEP && s->dup == DUP_SKIP && (!s->retimes || s->format.on_cuda)) {
        s->dup = dup;
        av_log(ctx, AV_LOG_ERROR, "dup=skip is for mode fps, and for slowmo with a factor, with frames in host memory: "
               "use dup=keep\n");
        return AVERROR(EINVAL);
    }
    return ret;
}

static const AVFilterPad mardini_inputs[] = {
    {
        .name         = "default",
        .type         = AVMEDIA_TYPE_VIDEO,
        .config_props = config_input,
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
    PUBLIC(description) = NULL_IF_CONFIG_SMALL("Synthesize frames: frame rate conversion, slow motion, repair, extension, loops, animated stills."),
    PUBLIC(priv_class)  = &mardini_class,
    PUBLIC(flags)       = AVFILTER_FLAG_SUPPORT_TIMELINE_INTERNAL,
    .priv_size          = sizeof(LibmardiniContext),
    .init               = init,
    .uninit             = uninit,
    .activate           = activate,
    .process_command    = process_command,
    .flags_internal     = FF_FILTER_FLAG_HWFRAME_AWARE,
    FILTER_INPUTS(mardini_inputs),
    FILTER_OUTPUTS(mardini_outputs),
    FILTER_PIXFMTS_ARRAY(ff_mardini_pix_fmts),
};
