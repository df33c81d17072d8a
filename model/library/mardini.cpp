/*
 * Copyright (C) 2026 the mardini authors
 *
 * This library is free software; you can redistribute it and/or modify it under
 * the terms of the GNU Lesser General Public License as published by the Free
 * Software Foundation; either version 2.1 of the License, or (at your option)
 * any later version. It comes without any warranty; see LICENSE.
 */

// The C API: checks arguments and writes defaults. The network is in libmardini_torch, which
// mardini_open() loads.

#include "mardini.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <set>
#include <string>

#include "base/error.h"
#include "library/duplicates.h"
#include "library/find_model.h"
#include "library/limits.h"
#include "library/load_engine.h"
#include "timeline/timeline.h"

using mardini::Error;
using mardini::guarded;
using mardini::text;

struct MardiniTimeline {
    std::unique_ptr<mardini::Timeline> timeline;
    MardiniLog log;
    void *log_opaque;
};

struct MardiniContext {
    const MardiniEngineFunctions *engine_functions;
    MardiniEngine *engine;
    MardiniFormat format;
    double scd_threshold;
    MardiniLog log;
    void *log_opaque;
    std::set<int64_t> ids; ///< of the frames that were added

    ~MardiniContext() { engine_functions->close(engine); }
};

namespace {

void check_range(const char *name, int64_t value, int64_t low, int64_t high)
{
    if (value < low || value > high)
        throw Error(EINVAL, text("%s is %lld; %lld to %lld is possible", name,
                                 static_cast<long long>(value), static_cast<long long>(low),
                                 static_cast<long long>(high)));
}

void check_format(const MardiniFormat &f)
{
    constexpr int most = mardini::SIDE_MAX;
    if (f.width < 1 || f.height < 1 || f.width > most || f.height > most)
        throw Error(EINVAL,
                    text("frames of %dx%d: 1x1 to %dx%d is possible; scale or pad them first",
                         f.width, f.height, most, most));
    check_range("color", f.color, MARDINI_COLOR_GRAY, MARDINI_COLOR_GBR);
    check_range("alpha", f.alpha, 0, 1);
    check_range("depth", f.depth, 8, 16);
    check_range("log2_chroma_width", f.log2_chroma_width, 0, f.color == MARDINI_COLOR_YUV ? 2 : 0);
    check_range("log2_chroma_height", f.log2_chroma_height, 0,
                f.color == MARDINI_COLOR_YUV ? 2 : 0);
    check_range("on_cuda", f.on_cuda, 0, 1);
    check_range("interleaved", f.interleaved, 0,
                f.on_cuda && f.color == MARDINI_COLOR_YUV && !f.alpha ? 1 : 0);
    check_range("shift", f.shift, 0, f.on_cuda && f.depth > 8 ? 16 - f.depth : 0);
}

/// Frames on a CUDA device can only be used there.
void check_place(const MardiniSettings &s, const MardiniFormat &f)
{
    if (f.on_cuda && s.device && !strcmp(s.device, "cpu"))
        throw Error(
            ENODEV,
            "the frames are on a CUDA device, but device=cpu was asked for; bring them to the host "
            "(hwdownload,format=nv12 before the filter), or use device=auto");
}

bool is_device(const std::string &device)
{
    if (device == "auto" || device == "cpu" || device == "cuda")
        return true;
    const std::string number = device.rfind("cuda:", 0) == 0 ? device.substr(5) : "";
    return !number.empty() && number.size() <= 3 &&
           number.find_first_not_of("0123456789") == std::string::npos;
}

void check_settings(const MardiniSettings &s)
{
    if (s.device && !is_device(s.device))
        throw Error(EINVAL, text("device '%s' is unknown; auto, cpu, cuda and cuda:N are possible",
                                 s.device));
    check_range("precision", s.precision, MARDINI_PRECISION_AUTO, MARDINI_PRECISION_BF16);
    check_range("threads", s.threads, 0, mardini::THREADS_MAX);
    check_range("steps", s.steps, -1, mardini::STEPS_MAX);
    check_range("memory", s.memory, 0, INT32_MAX);
    check_range("seed", s.seed, 0, INT64_MAX);
    check_range("camera", s.camera, MARDINI_CAMERA_SAMPLED, MARDINI_CAMERA_ROLL_RIGHT);
    if (!(s.motion >= 0 && s.motion <= mardini::MOTION_MAX))
        throw Error(EINVAL,
                    text("motion is %g; 0 to %g is possible", s.motion, mardini::MOTION_MAX));
    if (s.scd_threshold != -1 && !(s.scd_threshold >= 0 && s.scd_threshold <= 100))
        throw Error(EINVAL,
                    text("scd_threshold is %g; 0 to 100, or -1 for the default, is possible",
                         s.scd_threshold));
}

int num_planes(const MardiniFormat &f)
{
    return (f.color == MARDINI_COLOR_GRAY ? 1 : 3) + f.alpha;
}

void check_planes(const MardiniFormat &f, const MardiniFrame &frame)
{
    for (int p = 0; p < (f.interleaved ? 2 : num_planes(f)); p++) {
        const bool chroma = f.color == MARDINI_COLOR_YUV && (p == 1 || p == 2);
        const int shift = chroma ? f.log2_chroma_width : 0, bytes = f.depth > 8 ? 2 : 1;
        const ptrdiff_t line = static_cast<ptrdiff_t>(-((-f.width) >> shift)) * bytes *
                               (chroma && f.interleaved ? 2 : 1);
        if (f.on_cuda && frame.stride[p] < 0)
            throw Error(
                EINVAL,
                text("plane %d on a CUDA device has a stride of %td bytes; it must be positive", p,
                     frame.stride[p]));
        if (!frame.data[p])
            throw Error(EINVAL, text("plane %d of a frame is NULL", p));
        if (std::abs(frame.stride[p]) < line)
            throw Error(EINVAL, text("plane %d has a stride of %td bytes; a line takes %td", p,
                                     frame.stride[p], line));
        if ((reinterpret_cast<uintptr_t>(frame.data[p]) | static_cast<uintptr_t>(frame.stride[p])) %
            bytes)
            throw Error(EINVAL, text("plane %d is not aligned to its 16-bit samples", p));
    }
}

void check_id(const MardiniContext &ctx, int64_t id)
{
    if (!ctx.ids.count(id))
        throw Error(EINVAL, text("frame %lld was not added", static_cast<long long>(id)));
}

void check_window(const MardiniContext &ctx, const MardiniWindow &w)
{
    if (!w.ids || !w.times || !w.masked || !w.keys || !w.out)
        throw Error(EINVAL, "ids, times, masked, keys and out must not be NULL");
    if (w.num_given < 1 || w.num_masked < 1 || w.num_given > MARDINI_WINDOW ||
        w.num_masked > MARDINI_WINDOW || w.num_given + w.num_masked > MARDINI_WINDOW)
        throw Error(EINVAL, text("a window of %d given and %d masked frames: one of each at least, "
                                 "%d in all at most",
                                 w.num_given, w.num_masked, MARDINI_WINDOW));
    for (int f = 0; f < w.num_given; f++) {
        check_id(ctx, w.ids[f]);
        if (!std::isfinite(w.times[f]) || (f && w.times[f] <= w.times[f - 1]))
            throw Error(EINVAL, text("the time of given frame %d does not rise", f));
    }
    for (int f = 0; f < w.num_masked; f++) {
        if (!std::isfinite(w.masked[f]) || (f && w.num_given > 1 && w.masked[f] <= w.masked[f - 1]))
            throw Error(EINVAL, text("the time of masked frame %d does not rise", f));
        if (!std::isfinite(w.masked[f] - w.times[0]) ||
            !std::isfinite(w.times[w.num_given - 1] - w.times[0]))
            throw Error(
                EINVAL,
                text("masked frame %d is farther from the given ones than a number can say", f));
        for (int g = 0; g < w.num_given; g++)
            if (w.masked[f] == w.times[g])
                throw Error(EINVAL, text("masked frame %d has the time of given frame %d", f, g));
        check_planes(ctx.format, w.out[f]);
    }
    const auto is_position = [](double time) { return time >= 0 && time <= MARDINI_WINDOW - 1; };
    if (w.num_given == 1 &&
        !(is_position(w.times[0]) && std::all_of(w.masked, w.masked + w.num_masked, is_position)))
        throw Error(EINVAL, text("of one given frame times are positions of a window, 0 to %d",
                                 MARDINI_WINDOW - 1));
}

} // namespace

extern "C" {

uint32_t mardini_version(void)
{
    return MARDINI_API_VERSION_MAJOR << 16 | MARDINI_API_VERSION_MINOR << 8 |
           MARDINI_API_VERSION_PATCH;
}

/* ---- timeline ------------------------------------------------------------ */

void mardini_timeline_default_settings(MardiniTimelineSettings *settings)
{
    if (!settings)
        return;
    *settings = {};
    settings->mode = MARDINI_MODE_FPS;
    settings->rate = {60, 1};
    settings->frame_rate = {0, 1};
    settings->side = MARDINI_SIDE_AFTER;
}

int mardini_timeline_open(MardiniTimeline **timeline, const MardiniTimelineSettings *settings)
{
    if (!timeline)
        return MARDINI_ERR(EINVAL);
    *timeline = nullptr;
    if (!settings)
        return MARDINI_ERR(EINVAL);
    return guarded(settings->log, settings->log_opaque, [&] {
        *timeline = new MardiniTimeline{mardini::open_timeline(*settings), settings->log,
                                        settings->log_opaque};
        return 0;
    });
}

void mardini_timeline_close(MardiniTimeline **timeline)
{
    if (!timeline)
        return;
    delete *timeline;
    *timeline = nullptr;
}

int mardini_timeline_output(const MardiniTimeline *timeline, MardiniRational *time_base,
                            MardiniRational *frame_rate)
{
    if (!timeline)
        return MARDINI_ERR(EINVAL);
    if (time_base)
        *time_base = timeline->timeline->time_base();
    if (frame_rate)
        *frame_rate = timeline->timeline->frame_rate();
    return 0;
}

int mardini_timeline_push(MardiniTimeline *timeline, int64_t pts, int64_t duration, int64_t *placed)
{
    if (!timeline)
        return MARDINI_ERR(EINVAL);
    return guarded(timeline->log, timeline->log_opaque, [&] {
        return static_cast<int>(timeline->timeline->push(pts, duration, placed));
    });
}

int mardini_timeline_skip(MardiniTimeline *timeline)
{
    if (!timeline)
        return MARDINI_ERR(EINVAL);
    return guarded(timeline->log, timeline->log_opaque, [&] {
        timeline->timeline->skip();
        return 0;
    });
}

int mardini_timeline_leave(MardiniTimeline *timeline)
{
    if (!timeline)
        return MARDINI_ERR(EINVAL);
    timeline->timeline->leave();
    return 0;
}

int mardini_timeline_repeat(MardiniTimeline *timeline)
{
    if (!timeline)
        return MARDINI_ERR(EINVAL);
    timeline->timeline->repeat();
    return 0;
}

int mardini_timeline_wants(const MardiniTimeline *timeline, int64_t ordinal)
{
    return timeline && timeline->timeline->wants(ordinal);
}

int mardini_timeline_end(MardiniTimeline *timeline, int64_t pts)
{
    if (!timeline)
        return MARDINI_ERR(EINVAL);
    return guarded(timeline->log, timeline->log_opaque, [&] {
        timeline->timeline->end(pts);
        return 0;
    });
}

int mardini_timeline_next(MardiniTimeline *timeline, MardiniSlot *slot)
{
    if (!timeline || !slot)
        return MARDINI_ERR(EINVAL);
    return guarded(timeline->log, timeline->log_opaque,
                   [&] { return timeline->timeline->next(slot); });
}

/* ---- frames --------------------------------------------------------------- */

int mardini_is_repeat(const MardiniFormat *format, const MardiniFrame *a, const MardiniFrame *b)
{
    if (!format || !a || !b)
        return MARDINI_ERR(EINVAL);
    if (format->on_cuda)
        return MARDINI_ERR(ENOSYS);
    return guarded(nullptr, nullptr, [&] {
        check_format(*format);
        check_planes(*format, *a);
        check_planes(*format, *b);
        return static_cast<int>(mardini::is_repeat(*format, *a, *b));
    });
}

/* ---- the network ---------------------------------------------------------- */

void mardini_default_settings(MardiniSettings *settings)
{
    if (!settings)
        return;
    *settings = {};
    settings->precision = MARDINI_PRECISION_AUTO;
    settings->steps = -1;
    settings->seed = 0;
    settings->motion = 1;
    settings->scd_threshold = -1;
}

int mardini_open(MardiniContext **ctx, const MardiniSettings *settings, const MardiniFormat *format)
{
    if (!ctx)
        return MARDINI_ERR(EINVAL);
    *ctx = nullptr;
    if (!settings || !format)
        return MARDINI_ERR(EINVAL);
    return guarded(settings->log, settings->log_opaque, [&] {
        check_settings(*settings);
        check_format(*format);
        check_place(*settings, *format);
        const MardiniEngineFunctions *functions = mardini::load_engine();
        const std::string checkpoint = mardini::find_model(
            settings->model,
            mardini::runs_on_cuda(settings->device, format->on_cuda, functions->sees_cuda));
        MardiniEngine *engine = nullptr;
        const int ret = functions->open(&engine, settings, checkpoint.c_str(), format);
        if (ret < 0)
            return ret;
        try {
            const double threshold = settings->scd_threshold < 0 ? mardini::DEFAULT_SCD_THRESHOLD
                                                                 : settings->scd_threshold;
            *ctx = new MardiniContext{
                functions, engine, *format, threshold, settings->log, settings->log_opaque, {}};
        } catch (...) {
            functions->close(engine);
            throw;
        }
        return 0;
    });
}

void mardini_close(MardiniContext **ctx)
{
    if (!ctx)
        return;
    delete *ctx;
    *ctx = nullptr;
}

int mardini_add_frame(MardiniContext *ctx, int64_t id, const MardiniFrame *frame)
{
    if (!ctx)
        return MARDINI_ERR(EINVAL);
    return guarded(ctx->log, ctx->log_opaque, [&] {
        if (!frame)
            throw Error(EINVAL, "a frame to add is NULL");
        check_planes(ctx->format, *frame);
        if (!ctx->ids.insert(id).second)
            throw Error(EINVAL, text("frame %lld was added before", static_cast<long long>(id)));
        const int ret = ctx->engine_functions->add_frame(ctx->engine, id, frame);
        if (ret < 0)
            ctx->ids.erase(id);
        return ret;
    });
}

void mardini_drop_frame(MardiniContext *ctx, int64_t id)
{
    if (ctx && ctx->ids.erase(id))
        ctx->engine_functions->drop_frame(ctx->engine, id);
}

int mardini_compare(MardiniContext *ctx, int64_t id_a, int64_t id_b, double *score)
{
    if (!ctx)
        return MARDINI_ERR(EINVAL);
    return guarded(ctx->log, ctx->log_opaque, [&] {
        check_id(*ctx, id_a);
        check_id(*ctx, id_b);
        double difference = 0;
        const int ret = ctx->engine_functions->compare(ctx->engine, id_a, id_b, &difference);
        if (ret < 0)
            return ret;
        if (score)
            *score = difference;
        return static_cast<int>(difference > ctx->scd_threshold);
    });
}

int mardini_make(MardiniContext *ctx, const MardiniWindow *windows, int num_windows)
{
    if (!ctx)
        return MARDINI_ERR(EINVAL);
    return guarded(ctx->log, ctx->log_opaque, [&] {
        if (!windows || num_windows < 1)
            throw Error(EINVAL, "there must be a window to make");
        for (int i = 0; i < num_windows; i++)
            check_window(*ctx, windows[i]);
        return ctx->engine_functions->make(ctx->engine, windows, num_windows);
    });
}

} // extern "C"
