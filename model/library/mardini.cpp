/*
 * Copyright (C) 2026 the mardini authors
 *
 * This library is free software; you can redistribute it and/or modify it under
 * the terms of the GNU Lesser General Public License as published by the Free
 * Software Foundation; either version 2.1 of the License, or (at your option)
 * any later version. It comes without any warranty; see LICENSE.
 */

// The C API: arguments are checked, defaults written, models found, exceptions caught here.
// What needs LibTorch is behind engine.h, in a library that is opened on first use.

#include "mardini.h"

#include <dlfcn.h>
#include <sys/stat.h>

#include <algorithm>
#include <climits>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <set>
#include <string>
#include <vector>

#include "base/error.h"
#include "engine_abi.h"
#include "library/duplicates.h"
#include "timeline/timeline.h"

#if __has_include("config.h")
#include "config.h"
#endif

using mardini::Error;
using mardini::text;

struct MardiniTimeline {
    mardini::Timeline timeline;
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
    std::set<int64_t> ids; ///< frames that were added

    ~MardiniContext() { engine_functions->close(engine); }
};

namespace {

constexpr int SIZE_MIN_SIDE = 1, SIZE_MAX_SIDE = 16384;
constexpr int THREADS_MAX = 64, STEPS_MAX = 64;
constexpr double MOTION_MAX = 10; ///< times the usual: a tenth of the frame a position
constexpr double SCD_THRESHOLD =
    74; ///< the engine's score, of pairs inside and across scenes, divides there

/// A preset's file is NAME.safetensors; these ship, best first.
constexpr const char *PRESETS_CPU[] = {"nano"};
constexpr const char *PRESETS_GPU[] = {"small", "nano"};

void say(MardiniLog log, void *opaque, const char *message)
{
    if (log)
        log(opaque, MARDINI_LOG_ERROR, message);
}

/// The one place that catches: no exception crosses into C.
template <typename Body>
int guarded(MardiniLog log, void *opaque, Body &&body) noexcept
{
    try {
        return body();
    } catch (const Error &e) {
        say(log, opaque, e.what());
        return MARDINI_ERR(e.code);
    } catch (const std::bad_alloc &) {
        say(log, opaque, "out of memory");
        return MARDINI_ERR(ENOMEM);
    } catch (const std::exception &e) {
        say(log, opaque, e.what());
        return MARDINI_ERR(EIO);
    } catch (...) {
        say(log, opaque, "an exception of unknown type was thrown");
        return MARDINI_ERR(EIO);
    }
}

void check_range(const char *name, int64_t value, int64_t low, int64_t high)
{
    if (value < low || value > high)
        throw Error(EINVAL, text("%s is %lld; %lld to %lld is possible", name,
                                 static_cast<long long>(value), static_cast<long long>(low),
                                 static_cast<long long>(high)));
}

void check_format(const MardiniFormat &f)
{
    if (f.width < SIZE_MIN_SIDE || f.height < SIZE_MIN_SIDE || f.width > SIZE_MAX_SIDE ||
        f.height > SIZE_MAX_SIDE)
        throw Error(EINVAL,
                    text("frames of %dx%d: %dx%d to %dx%d is possible; scale or pad them first",
                         f.width, f.height, SIZE_MIN_SIDE, SIZE_MIN_SIDE, SIZE_MAX_SIDE,
                         SIZE_MAX_SIDE));
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

/// Frames on a card can only be used there.
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
    check_range("threads", s.threads, 0, THREADS_MAX);
    check_range("steps", s.steps, -1, STEPS_MAX);
    check_range("memory", s.memory, 0, INT32_MAX);
    check_range("seed", s.seed, 0, INT64_MAX);
    check_range("camera", s.camera, MARDINI_CAMERA_SAMPLED, MARDINI_CAMERA_ROLL_RIGHT);
    if (!(s.motion >= 0 && s.motion <= MOTION_MAX))
        throw Error(EINVAL, text("motion is %g; 0 to %g is possible", s.motion, MOTION_MAX));
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
            throw Error(EINVAL,
                        text("plane %d on a card has a stride of %td bytes; its lines must go down",
                             p, frame.stride[p]));
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

/// Folder of the file this code was loaded from, links resolved.
std::string library_folder()
{
    Dl_info info;
    if (!dladdr(reinterpret_cast<void *>(&mardini_version), &info) || !info.dli_fname)
        return ".";
    const std::unique_ptr<char, decltype(&free)> path(realpath(info.dli_fname, nullptr), &free);
    const std::string file = path ? path.get() : info.dli_fname;
    const size_t slash = file.rfind('/');
    return slash == std::string::npos ? "." : file.substr(0, slash);
}

bool is_file(const std::string &path)
{
    struct stat status;
    return stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode);
}

/// Where presets are looked for, in this order.
std::vector<std::string> model_folders()
{
    std::vector<std::string> folders;
    if (const char *list = getenv("MARDINI_MODEL_PATH")) {
        for (const char *end = list; *list; list = *end ? end + 1 : end) {
            end = list + strcspn(list, ":");
            if (end > list)
                folders.emplace_back(list, end);
        }
    }
    const std::string beside = library_folder();
    folders.push_back(beside);
    folders.push_back(beside + "/weights");
    folders.push_back(beside + "/../model/weights"); // the library lies in build/
    folders.push_back(beside + "/../share/mardini"); // or in lib/ of a tree that was moved
#ifdef MARDINI_PREFIX
    folders.push_back(MARDINI_PREFIX "/share/mardini");
#endif
    return folders;
}

/// Whether the network will run on a CUDA device, if all goes well.
bool is_for_card(const MardiniSettings &settings, const MardiniFormat &format,
                 const MardiniEngineFunctions &engine)
{
    const std::string device = settings.device ? settings.device : "auto";
    return format.on_cuda || device.rfind("cuda", 0) == 0 ||
           (device == "auto" && engine.sees_cuda());
}

/// A path as it is, or the file of a preset.
std::string find_model(const MardiniSettings &settings, bool for_card)
{
    std::vector<std::string> names;
    const std::string ending = ".safetensors";
    if (settings.model) {
        const std::string model = settings.model;
        const bool has_ending =
            model.size() > ending.size() &&
            model.compare(model.size() - ending.size(), ending.size(), ending) == 0;
        if (is_file(model))
            return model;
        if (model.empty() || has_ending || model.find('/') != std::string::npos)
            throw Error(ENOENT,
                        text("model file '%s' does not exist or is no file", settings.model));
        names.push_back(model);
    } else if (for_card) {
        names.assign(std::begin(PRESETS_GPU), std::end(PRESETS_GPU));
    } else {
        names.assign(std::begin(PRESETS_CPU), std::end(PRESETS_CPU));
    }
    const std::vector<std::string> folders = model_folders();
    for (const std::string &name : names)
        for (const std::string &folder : folders)
            if (is_file(folder + "/" + name + ending))
                return folder + "/" + name + ending;
    std::string looked;
    for (const std::string &folder : folders)
        looked += (looked.empty() ? "" : ", ") + folder;
    throw Error(
        ENOENT,
        text("no model '%s': %s.safetensors was looked for in %s; give a file's path, or name its "
             "folder in MARDINI_MODEL_PATH",
             names.back().c_str(), names.back().c_str(), looked.c_str()));
}

/// Open libmardini_torch, and LibTorch with it. It stays open until the process ends.
const MardiniEngineFunctions *load_engine()
{
    const std::string path = library_folder() + "/libmardini_torch.so";
    int flags = RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE;
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) // which refuse it
    flags |= RTLD_DEEPBIND; // LibTorch's own copies of common libraries must not meet the caller's
#endif
    void *library = dlopen(path.c_str(), flags);
    if (!library) {
        const char *reason = dlerror();
        throw Error(
            ENOSYS,
            text("the network's library cannot be loaded: %s; it must lie beside libmardini, and "
                 "LibTorch where it was when both were built",
                 reason ? reason : path.c_str()));
    }
    const auto entry =
        reinterpret_cast<decltype(&mardini_engine)>(dlsym(library, MARDINI_ENGINE_SYMBOL));
    const MardiniEngineFunctions *functions = entry ? entry() : nullptr;
    if (!functions || functions->version != MARDINI_ENGINE_VERSION)
        throw Error(ENOSYS,
                    text("%s is of version %u, %u is wanted: install both libraries from one build",
                         path.c_str(), functions ? functions->version : 0, MARDINI_ENGINE_VERSION));
    return functions;
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
        *timeline =
            new MardiniTimeline{mardini::Timeline(*settings), settings->log, settings->log_opaque};
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
        *time_base = timeline->timeline.time_base();
    if (frame_rate)
        *frame_rate = timeline->timeline.frame_rate();
    return 0;
}

int mardini_timeline_push(MardiniTimeline *timeline, int64_t pts, int64_t duration, int64_t *placed)
{
    if (!timeline)
        return MARDINI_ERR(EINVAL);
    return guarded(timeline->log, timeline->log_opaque, [&] {
        return static_cast<int>(timeline->timeline.push(pts, duration, placed));
    });
}

int mardini_timeline_skip(MardiniTimeline *timeline)
{
    if (!timeline)
        return MARDINI_ERR(EINVAL);
    return guarded(timeline->log, timeline->log_opaque, [&] {
        timeline->timeline.skip();
        return 0;
    });
}

int mardini_timeline_leave(MardiniTimeline *timeline)
{
    if (!timeline)
        return MARDINI_ERR(EINVAL);
    timeline->timeline.leave();
    return 0;
}

int mardini_timeline_repeat(MardiniTimeline *timeline)
{
    if (!timeline)
        return MARDINI_ERR(EINVAL);
    timeline->timeline.repeat();
    return 0;
}

int mardini_timeline_wants(const MardiniTimeline *timeline, int64_t ordinal)
{
    return timeline && timeline->timeline.wants(ordinal);
}

int mardini_timeline_end(MardiniTimeline *timeline, int64_t pts)
{
    if (!timeline)
        return MARDINI_ERR(EINVAL);
    return guarded(timeline->log, timeline->log_opaque, [&] {
        timeline->timeline.end(pts);
        return 0;
    });
}

int mardini_timeline_next(MardiniTimeline *timeline, MardiniSlot *slot)
{
    if (!timeline || !slot)
        return MARDINI_ERR(EINVAL);
    return guarded(timeline->log, timeline->log_opaque,
                   [&] { return timeline->timeline.next(slot); });
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
        const MardiniEngineFunctions *functions = load_engine();
        const std::string checkpoint =
            find_model(*settings, is_for_card(*settings, *format, *functions));
        MardiniEngine *engine = nullptr;
        const int ret = functions->open(&engine, settings, checkpoint.c_str(), format);
        if (ret < 0)
            return ret;
        try {
            const double threshold =
                settings->scd_threshold < 0 ? SCD_THRESHOLD : settings->scd_threshold;
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
        double unlike = 0;
        const int ret = ctx->engine_functions->compare(ctx->engine, id_a, id_b, &unlike);
        if (ret < 0)
            return ret;
        if (score)
            *score = unlike;
        return static_cast<int>(unlike > ctx->scd_threshold);
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
