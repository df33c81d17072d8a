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
 * Expressions among vf_mardini's options, and what its log says.
 */

#ifndef AVFILTER_MARDINI_EXPR_H
#define AVFILTER_MARDINI_EXPR_H

#include <math.h>
#include <mardini.h>

#include "libavutil/avstring.h"
#include "libavutil/common.h"
#include "libavutil/eval.h"
#include "libavutil/log.h"
#include "libavutil/rational.h"
#include "avfilter.h"

static const char *const var_names[] = {
    "source_fps", "ntsc", "pal", "film", "ntsc_film", NULL
};

static void log_line(void *opaque, int level, const char *message)
{
    static const int levels[] = {
        [MARDINI_LOG_ERROR]   = AV_LOG_ERROR,   [MARDINI_LOG_WARNING] = AV_LOG_WARNING,
        [MARDINI_LOG_INFO]    = AV_LOG_INFO,    [MARDINI_LOG_VERBOSE] = AV_LOG_VERBOSE,
        [MARDINI_LOG_DEBUG]   = AV_LOG_DEBUG,
    };

    level = av_clip(level, MARDINI_LOG_ERROR, MARDINI_LOG_DEBUG);
    av_log(opaque, levels[level], "%s\n", message);
}

static int evaluate(AVFilterContext *ctx, const char *name, const char *expr, AVRational source_fps,
                    int max, MardiniRational *out)
{
    const double known = source_fps.num > 0 && source_fps.den > 0;
    const double values[] = {
        known ? av_q2d(source_fps) : NAN, 30000.0 / 1001.0, 25.0, 24.0, 24000.0 / 1001.0
    };
    double value;
    AVRational q;
    int ret = av_expr_parse_and_eval(&value, expr, var_names, values, NULL, NULL, NULL, NULL, NULL, 0, ctx);

    if (ret < 0 && !known && strstr(expr, "source_fps")) { /* the evaluator takes what is not known for an error */
        av_log(ctx, AV_LOG_ERROR, "%s=%s cannot be told, for the input tells no source_fps: say a number\n", name, expr);
        return ret;
    }
    if (ret < 0) {
        av_log(ctx, AV_LOG_ERROR, "%s=%s is not an expression\n", name, expr);
        return ret;
    }
    q = value > 0 && value <= max ? av_d2q(value, max) : (AVRational){ 0, 1 };
    if (q.num <= 0 || q.den <= 0) {
        av_log(ctx, AV_LOG_ERROR, "%s=%s is %g, not a number above zero and up to %d\n", name, expr, value, max);
        return AVERROR(EINVAL);
    }
    *out = (MardiniRational){ q.num, q.den };
    return 0;
}

/** What slows the sound down by the factor: a filter alone takes a tempo of least or more. */
static void chain_tempo(char *chain, size_t size, const char *filter, double least, double factor)
{
    *chain = 0;
    for (; factor > 1 / least; factor *= least)
        av_strlcatf(chain, size, "%s%g,", filter, least);
    av_strlcatf(chain, size, "%s%.10g", filter, 1 / factor);
}

static void log_tempo(AVFilterContext *ctx, double factor)
{
    char atempo[512], rubberband[512];

    chain_tempo(atempo, sizeof(atempo), "atempo=", 0.5, factor);
    chain_tempo(rubberband, sizeof(rubberband), "rubberband=tempo=", 0.01, factor);
    av_log(ctx, AV_LOG_INFO, "the sound keeps pace with -af %s or -af %s\n", atempo, rubberband);
}

#endif /* AVFILTER_MARDINI_EXPR_H */
