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
 * The options of vf_mardini.c, which includes it once, after LibmardiniContext.
 */

#ifndef AVFILTER_MARDINI_OPTIONS_H
#define AVFILTER_MARDINI_OPTIONS_H

#define OFFSET(x) offsetof(LibmardiniContext, x)
#define FLAGS (AV_OPT_FLAG_VIDEO_PARAM | AV_OPT_FLAG_FILTERING_PARAM)
#define RUNTIME_FLAGS (FLAGS | AV_OPT_FLAG_RUNTIME_PARAM)
static const AVOption mardini_options[] = {
    { "mode", "what to do with the given frames", OFFSET(mode), AV_OPT_TYPE_INT, { .i64 = MARDINI_MODE_FPS }, MARDINI_MODE_FPS, MARDINI_MODE_ANIMATE, FLAGS, .unit = "mode" },
        { "fps",    "another frame rate, the same duration",   0, AV_OPT_TYPE_CONST, { .i64 = MARDINI_MODE_FPS },    0, 0, FLAGS, .unit = "mode" },
        { "slowmo", "slow motion, time stretched by the factor", 0, AV_OPT_TYPE_CONST, { .i64 = MARDINI_MODE_SLOWMO }, 0, 0, FLAGS, .unit = "mode" },
        { "fill",   "make frames anew that are named, or found to be missing or repeated", 0, AV_OPT_TYPE_CONST, { .i64 = MARDINI_MODE_FILL }, 0, 0, FLAGS, .unit = "mode" },
        { "extend", "frames after the last one, before the first, or both", 0, AV_OPT_TYPE_CONST, { .i64 = MARDINI_MODE_EXTEND }, 0, 0, FLAGS, .unit = "mode" },
        { "loop",   "frames that lead from the last one to the first", 0, AV_OPT_TYPE_CONST, { .i64 = MARDINI_MODE_LOOP }, 0, 0, FLAGS, .unit = "mode" },
        { "animate", "frames around one given frame, the first of the input", 0, AV_OPT_TYPE_CONST, { .i64 = MARDINI_MODE_ANIMATE }, 0, 0, FLAGS, .unit = "mode" },
    { "fps", "output frame rate of modes fps (default: 60) and animate (8): a number, a ratio or an expression such as source_fps*2", OFFSET(fps_expr), AV_OPT_TYPE_STRING, { .str = NULL }, 0, 0, FLAGS },
    { "factor", "how many times slower mode slowmo is (default: 8): 1 or more, a number, a ratio or an expression", OFFSET(factor_expr), AV_OPT_TYPE_STRING, { .str = NULL }, 0, 0, FLAGS },
    { "frames", "slowmo: frames to put out in all, instead of a factor (from 64 given ones at most); extend: to add on a side (default: 12); loop: to join with (15); animate: in all (17); fill: which ones, as in 10-14+20", OFFSET(frames), AV_OPT_TYPE_STRING, { .str = NULL }, 0, 0, FLAGS },
    { "detect", "what mode fill looks for; 0: gaps+repeats, or nothing if frames are named", OFFSET(detect), AV_OPT_TYPE_FLAGS, { .i64 = 0 }, 0, MARDINI_DETECT_GAPS | MARDINI_DETECT_REPEATS | MARDINI_DETECT_FREEZES, FLAGS, .unit = "detect" },
        { "gaps",    "frames missing by their time stamps", 0, AV_OPT_TYPE_CONST, { .i64 = MARDINI_DETECT_GAPS },    0, 0, FLAGS, .unit = "detect" },
        { "repeats", "up to four repeats in a row",         0, AV_OPT_TYPE_CONST, { .i64 = MARDINI_DETECT_REPEATS }, 0, 0, FLAGS, .unit = "detect" },
        { "freezes", "more than four repeats in a row",     0, AV_OPT_TYPE_CONST, { .i64 = MARDINI_DETECT_FREEZES }, 0, 0, FLAGS, .unit = "detect" },
    { "side", "where mode extend adds frames", OFFSET(side), AV_OPT_TYPE_INT, { .i64 = MARDINI_SIDE_AFTER }, MARDINI_SIDE_AFTER, MARDINI_SIDE_BOTH, FLAGS, .unit = "side" },
        { "after",  "after the last",    0, AV_OPT_TYPE_CONST, { .i64 = MARDINI_SIDE_AFTER },  0, 0, FLAGS, .unit = "side" },
        { "before", "before the first",  0, AV_OPT_TYPE_CONST, { .i64 = MARDINI_SIDE_BEFORE }, 0, 0, FLAGS, .unit = "side" },
        { "both",   "so many on either side", 0, AV_OPT_TYPE_CONST, { .i64 = MARDINI_SIDE_BOTH }, 0, 0, FLAGS, .unit = "side" },
    { "context", "frames that each window of mode extend starts from, 2 to 16 (0: five, or as many as there are)", OFFSET(context), AV_OPT_TYPE_INT, { .i64 = 0 }, 0, MARDINI_WINDOW - 1, FLAGS },
    { "anchor", "output frame of mode animate that is the given one", OFFSET(anchor), AV_OPT_TYPE_INT64, { .i64 = ANCHOR_MIDDLE }, ANCHOR_LAST, INT_MAX, FLAGS, .unit = "anchor" },
        { "first",  NULL, 0, AV_OPT_TYPE_CONST, { .i64 = 0 },             0, 0, FLAGS, .unit = "anchor" },
        { "middle", NULL, 0, AV_OPT_TYPE_CONST, { .i64 = ANCHOR_MIDDLE }, 0, 0, FLAGS, .unit = "anchor" },
        { "last",   NULL, 0, AV_OPT_TYPE_CONST, { .i64 = ANCHOR_LAST },   0, 0, FLAGS, .unit = "anchor" },
    { "motion", "how much moves around one given frame (animate, a still's loop), times the usual; 0: nothing", OFFSET(motion), AV_OPT_TYPE_DOUBLE, { .dbl = 1 }, 0, 10, FLAGS },
    { "camera", "what the camera does around one given frame", OFFSET(camera), AV_OPT_TYPE_INT, { .i64 = MARDINI_CAMERA_SAMPLED }, MARDINI_CAMERA_SAMPLED, MARDINI_CAMERA_ROLL_RIGHT, FLAGS, .unit = "camera" },
        { "sampled",    "is sampled with the rest", 0, AV_OPT_TYPE_CONST, { .i64 = MARDINI_CAMERA_SAMPLED },    0, 0, FLAGS, .unit = "camera" },
        { "still",      "no pan, zoom or roll",     0, AV_OPT_TYPE_CONST, { .i64 = MARDINI_CAMERA_STILL },      0, 0, FLAGS, .unit = "camera" },
        { "pan-left",   NULL, 0, AV_OPT_TYPE_CONST, { .i64 = MARDINI_CAMERA_PAN_LEFT },   0, 0, FLAGS, .unit = "camera" },
        { "pan-right",  NULL, 0, AV_OPT_TYPE_CONST, { .i64 = MARDINI_CAMERA_PAN_RIGHT },  0, 0, FLAGS, .unit = "camera" },
        { "tilt-up",    NULL, 0, AV_OPT_TYPE_CONST, { .i64 = MARDINI_CAMERA_TILT_UP },    0, 0, FLAGS, .unit = "camera" },
        { "tilt-down",  NULL, 0, AV_OPT_TYPE_CONST, { .i64 = MARDINI_CAMERA_TILT_DOWN },  0, 0, FLAGS, .unit = "camera" },
        { "zoom-in",    NULL, 0, AV_OPT_TYPE_CONST, { .i64 = MARDINI_CAMERA_ZOOM_IN },    0, 0, FLAGS, .unit = "camera" },
        { "zoom-out",   NULL, 0, AV_OPT_TYPE_CONST, { .i64 = MARDINI_CAMERA_ZOOM_OUT },   0, 0, FLAGS, .unit = "camera" },
        { "roll-left",  "the picture turns clockwise", 0, AV_OPT_TYPE_CONST, { .i64 = MARDINI_CAMERA_ROLL_LEFT },  0, 0, FLAGS, .unit = "camera" },
        { "roll-right", NULL, 0, AV_OPT_TYPE_CONST, { .i64 = MARDINI_CAMERA_ROLL_RIGHT }, 0, 0, FLAGS, .unit = "camera" },
    { "model", "checkpoint file, or a preset: nano, small, base (default: the best one for the device)", OFFSET(model), AV_OPT_TYPE_STRING, { .str = NULL }, 0, 0, FLAGS },
    { "device", "where to compute: auto, cpu, cuda, cuda:N (default: auto)", OFFSET(device), AV_OPT_TYPE_STRING, { .str = NULL }, 0, 0, FLAGS },
    { "precision", "arithmetic of the network", OFFSET(precision), AV_OPT_TYPE_INT, { .i64 = MARDINI_PRECISION_AUTO }, MARDINI_PRECISION_AUTO, MARDINI_PRECISION_BF16, FLAGS, .unit = "precision" },
        { "auto", "bf16 where the processor multiplies it, else fp32", 0, AV_OPT_TYPE_CONST, { .i64 = MARDINI_PRECISION_AUTO }, 0, 0, FLAGS, .unit = "precision" },
        { "fp32", "32-bit floating point",                             0, AV_OPT_TYPE_CONST, { .i64 = MARDINI_PRECISION_FP32 }, 0, 0, FLAGS, .unit = "precision" },
        { "bf16", "16-bit brain floating point",                       0, AV_OPT_TYPE_CONST, { .i64 = MARDINI_PRECISION_BF16 }, 0, 0, FLAGS, .unit = "precision" },
    { "steps", "sampling steps; 0 is the deterministic output (-1: the library's)", OFFSET(steps), AV_OPT_TYPE_INT, { .i64 = -1 }, -1, 64, FLAGS },
    { "seed", "seed of the sampling noise and of sampled motion (-1: the library's)", OFFSET(seed), AV_OPT_TYPE_INT64, { .i64 = -1 }, -1, INT64_MAX, FLAGS },
    { "memory", "MB that the network may take on the processor; a tight limit makes smaller tiles (0: no limit)", OFFSET(memory), AV_OPT_TYPE_INT, { .i64 = 0 }, 0, INT_MAX, FLAGS },
    { "scd", "scene cut detection: at a cut frames are repeated, not made", OFFSET(scd), AV_OPT_TYPE_INT, { .i64 = SCD_AUTO }, SCD_NONE, SCD_AUTO, RUNTIME_FLAGS, .unit = "scd" },
        { "none", "never a cut",                                            0, AV_OPT_TYPE_CONST, { .i64 = SCD_NONE }, 0, 0, FLAGS, .unit = "scd" },
        { "auto", "the library's detector, and what scdet found upstream", 0, AV_OPT_TYPE_CONST, { .i64 = SCD_AUTO }, 0, 0, FLAGS, .unit = "scd" },
    { "scd_threshold", "a score above it is a cut, 0 to 100 (-1: the library's)", OFFSET(scd_threshold), AV_OPT_TYPE_DOUBLE, { .dbl = -1 }, -1, 100, RUNTIME_FLAGS },
    { "dup", "given frames that repeat the one before", OFFSET(dup), AV_OPT_TYPE_INT, { .i64 = DUP_KEEP }, DUP_KEEP, DUP_SKIP, RUNTIME_FLAGS, .unit = "dup" },
        { "keep", "are given frames like any other",              0, AV_OPT_TYPE_CONST, { .i64 = DUP_KEEP }, 0, 0, RUNTIME_FLAGS, .unit = "dup" },
        { "skip", "up to four in a row are replaced, the motion spread over their time", 0, AV_OPT_TYPE_CONST, { .i64 = DUP_SKIP }, 0, 0, RUNTIME_FLAGS, .unit = "dup" },
    { NULL }
};

#endif /* AVFILTER_MARDINI_OPTIONS_H */
