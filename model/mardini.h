/*
 * Copyright (C) 2026 the mardini authors
 *
 * This library is free software; you can redistribute it and/or modify it under
 * the terms of the GNU Lesser General Public License as published by the Free
 * Software Foundation; either version 2.1 of the License, or (at your option)
 * any later version. It comes without any warranty; see LICENSE.
 */

/**
 * @file
 * libmardini: given some frames of a video, make the others.
 *
 * Two objects that know nothing of each other:
 *
 *  - MardiniTimeline: time stamps in, output slots out. It says for every output
 *    frame when it is shown and which given frames it is made from. No pixels.
 *  - MardiniContext: a loaded network and the given frames it has been shown.
 *    It makes the others.
 *
 * A job is a choice of positions, and the timeline makes it: nothing else knows a job's name.
 *
 * Every function returns 0 or a count on success and a negative MARDINI_ERR() code
 * on failure. A failure sends one line through the log callback and changes nothing
 * that was given to the caller. Nothing here prints. One object is used by one thread at
 * a time; different objects by different threads. No function keeps a pointer to
 * a struct of settings after it has returned.
 */

#ifndef MARDINI_H
#define MARDINI_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MARDINI_API_VERSION_MAJOR 0
#define MARDINI_API_VERSION_MINOR 1
#define MARDINI_API_VERSION_PATCH 0

#if defined(__GNUC__)
#define MARDINI_API __attribute__((visibility("default")))
#else
#define MARDINI_API
#endif

/** Negative errno; EAGAIN is used only for "give me more frames". */
#define MARDINI_ERR(e) (-(e))

/** The window: positions that the network sees at once, given and masked together. */
#define MARDINI_WINDOW 17

/** Repeats in a row of one picture that are a slow cadence; more are a picture that stands. */
#define MARDINI_REPEATS_MAX 4

/** Given frames at most in a timeline that makes a fixed total (MARDINI_MODE_TOTAL). */
#define MARDINI_TOTAL_GIVEN_MAX 64

/** num/den, den > 0. */
typedef struct MardiniRational {
    int64_t num;
    int64_t den;
} MardiniRational;

typedef enum MardiniLevel {
    MARDINI_LOG_ERROR   = 0,
    MARDINI_LOG_WARNING = 1,
    MARDINI_LOG_INFO    = 2,
    MARDINI_LOG_VERBOSE = 3,
    MARDINI_LOG_DEBUG   = 4,
} MardiniLevel;

/**
 * Takes one message: a whole line without a newline, valid during the call only.
 * May come from any thread that is inside a call on the object.
 */
typedef void (*MardiniLog)(void *opaque, int level, const char *message);

/* ---- library ----------------------------------------------------------- */

/** @return MAJOR << 16 | MINOR << 8 | PATCH of the library that is loaded. */
MARDINI_API uint32_t mardini_version(void);

/* ---- timeline: time stamps, no pixels ------------------------------------ */

typedef enum MardiniMode {
    MARDINI_MODE_FPS    = 0, ///< output frames at first pts + k / rate
    MARDINI_MODE_SLOWMO = 1, ///< time stretched by rate; rate - 1 new frames in each gap
    MARDINI_MODE_TOTAL  = 2, ///< `total` frames over the whole span, at the input's mean rate
    MARDINI_MODE_FILL   = 3, ///< the input's own rate; frames named or found are made anew
    MARDINI_MODE_EXTEND = 4, ///< the input's own rate; `total` frames after it, before it, or both
    MARDINI_MODE_LOOP   = 5, ///< the input's own rate; `total` frames that lead from its last to its first, or away
                              ///< from its only one and back
    MARDINI_MODE_ANIMATE = 6, ///< `total` frames at `rate`, the first given frame at `anchor`; other ones are not wanted
} MardiniMode;

typedef enum MardiniSide {
    MARDINI_SIDE_AFTER  = 0,
    MARDINI_SIDE_BEFORE = 1, ///< the input is shown as much later
    MARDINI_SIDE_BOTH   = 2, ///< `total` frames on either side
} MardiniSide;

/** What a timeline in MARDINI_MODE_FILL looks for. */
enum MardiniDetect {
    MARDINI_DETECT_GAPS    = 1, ///< time stamps 1.5 nominal intervals apart and more, up to five seconds
    MARDINI_DETECT_REPEATS = 2, ///< up to MARDINI_REPEATS_MAX frames in a row that mardini_timeline_repeat() named
    MARDINI_DETECT_FREEZES = 4, ///< more of them in a row
};

typedef struct MardiniTimelineSettings {
    int mode;                   ///< MardiniMode; default MARDINI_MODE_FPS
    MardiniRational rate;       ///< fps, or the factor (>= 1) of SLOWMO; default 60/1
    int64_t total;              ///< frames to put out, 2 or more, TOTAL and ANIMATE; to make, 1 or more, EXTEND (a side) and LOOP
    int64_t anchor;             ///< ANIMATE: the output frame that is the given one, 0 .. total - 1; default 0
    const char *named;          ///< FILL: ordinals of frames, as in 10-14+20; NULL: none
    int detect;                 ///< FILL: MardiniDetect, or'ed; default 0
    int side;                   ///< EXTEND: MardiniSide; default MARDINI_SIDE_AFTER
    int context;                ///< EXTEND: frames that each window starts from, 2 .. 16; 0: five, or as many as there are
    MardiniRational time_base;  ///< seconds a tick of the input's pts; no default
    MardiniRational frame_rate; ///< the input's nominal rate, or 0/1 if it has none; default 0/1
    MardiniLog log;             ///< NULL: silence
    void *log_opaque;
} MardiniTimelineSettings;

typedef enum MardiniSlotKind {
    MARDINI_SLOT_GIVEN = 0, ///< the given frame `before`, bit for bit
    MARDINI_SLOT_MADE  = 1, ///< made from `references`, at `position`
    MARDINI_SLOT_HELD  = 2, ///< nothing to make it from: the given frame `before` is repeated
    MARDINI_SLOT_AHEAD = 3, ///< as MADE, to be kept as `keep` and not put out: a GIVEN slot shows it later
} MardiniSlotKind;

/** One output frame. */
typedef struct MardiniSlot {
    int kind;          ///< MardiniSlotKind
    int64_t pts;       ///< in the timeline's output time base
    int64_t duration;  ///< likewise, 0 or more
    int64_t before;    ///< ordinal of the given frame at or before it, 0 for the first pushed
    int64_t after;     ///< of the next one that takes part if kind is MADE or AHEAD, else = before
    double position;   ///< of MADE and AHEAD, in gaps from `before` to `after`: 0 .. 1 between them, else beyond; of one
                       ///< reference, in positions of the window, 0 .. 16; else 0
    int64_t keep;      ///< of MADE and AHEAD: the ordinal, below -1, that later slots call it by; -1: none will
    int64_t key;       ///< of MADE and AHEAD: names the noise of all that is made of the same two frames: the time of `before`, nanoseconds
    int num_references; ///< of MADE and AHEAD: 2 or more, 1 where one frame alone is given; else 0
    int64_t references[MARDINI_WINDOW - 1]; ///< ordinals in order of time, `before` and `after` side by side among them
    double times[MARDINI_WINDOW - 1];       ///< theirs, as `position`
} MardiniSlot;

typedef struct MardiniTimeline MardiniTimeline;

/** Fill in the defaults; time_base must then be set by the caller. */
MARDINI_API void mardini_timeline_default_settings(MardiniTimelineSettings *settings);

/**
 * @param timeline  receives the new object, the caller's; NULL on failure
 * @return 0, MARDINI_ERR(EINVAL) for settings out of range or a result that no
 *         64-bit time base can express, MARDINI_ERR(ENOMEM)
 */
MARDINI_API int mardini_timeline_open(MardiniTimeline **timeline, const MardiniTimelineSettings *settings);

/** Free it and leave NULL behind; NULL inside is fine. */
MARDINI_API void mardini_timeline_close(MardiniTimeline **timeline);

/** Time base of every slot, and the nominal output rate (0/1 if the input has none). */
MARDINI_API int mardini_timeline_output(const MardiniTimeline *timeline, MardiniRational *time_base,
                                        MardiniRational *frame_rate);

/**
 * Tell the next given frame's time. Frames are numbered from 0 in the order of
 * the calls, those that are dropped included.
 *
 * @param pts       in time_base; INT64_MIN if unknown: then one nominal frame after the last
 * @param duration  in time_base, 0 if unknown
 * @param placed    receives the frame's time in time_base, a missing one filled in; may be NULL
 * @return 1 if the frame takes part, 0 if its time is not after the last one's and
 *         it is left out (said once through the log), or a negative code
 */
MARDINI_API int mardini_timeline_push(MardiniTimeline *timeline, int64_t pts, int64_t duration,
                                      int64_t *placed);

/**
 * The frame pushed last only repeats the picture before it: what lies between its neighbours is spread evenly over
 * both gaps, its own slot included. Count and times of the slots stay. Not for the first frame; for FPS and
 * SLOWMO.
 */
MARDINI_API int mardini_timeline_skip(MardiniTimeline *timeline);

/**
 * The next frame to be pushed shows the same picture as the one before it. For MARDINI_MODE_FILL.
 */
MARDINI_API int mardini_timeline_repeat(MardiniTimeline *timeline);

/**
 * The next frame to be pushed stays as it is, named or a repeat, and a gap before it stays open. For MARDINI_MODE_FILL.
 */
MARDINI_API int mardini_timeline_leave(MardiniTimeline *timeline);

/** @return 1 if the last slot or a later one may name the frame of this ordinal, 0 if it can be let go */
MARDINI_API int mardini_timeline_wants(const MardiniTimeline *timeline, int64_t ordinal);

/**
 * No frame follows.
 *
 * @param pts  end time of the stream in time_base, INT64_MIN if unknown
 */
MARDINI_API int mardini_timeline_end(MardiniTimeline *timeline, int64_t pts);

/**
 * Take the next output slot. A slot is handed out as soon as the frames it is made from are known (two on
 * either side), and, for SLOWMO, those of the slot after it, which end its duration; for TOTAL, when the end is known.
 *
 * @return 0, MARDINI_ERR(EAGAIN) if a frame or the end must be told first,
 *         MARDINI_ERR(ENODATA) after the last slot
 */
MARDINI_API int mardini_timeline_next(MardiniTimeline *timeline, MardiniSlot *slot);

/* ---- frames --------------------------------------------------------------- */

typedef enum MardiniColor {
    MARDINI_COLOR_GRAY = 0, ///< planes: Y
    MARDINI_COLOR_YUV  = 1, ///< planes: Y Cb Cr
    MARDINI_COLOR_GBR  = 2, ///< planes: G B R, no subsampling
} MardiniColor;

/** Layout of every frame of a context. Samples of 9 bits and more are native 16-bit words. */
typedef struct MardiniFormat {
    int width;       ///< of plane 0, 1 .. 16384
    int height;      ///< of plane 0, 1 .. 16384
    int color;       ///< MardiniColor
    int alpha;       ///< 1: one more plane follows, size of plane 0
    int depth;       ///< bits a sample, 8 .. 16
    int log2_chroma_width;  ///< 0, 1, 2: chroma is ceil(width >> n) wide
    int log2_chroma_height; ///< 0, 1, 2
    int on_cuda;     ///< 1: planes are addresses on a CUDA device; see MardiniSettings; default 0
    int interleaved; ///< 1: Cb and Cr take turns in plane 1 (NV12, P010) and alpha is 0; with on_cuda alone
    int shift;       ///< bits below a sample in its 16-bit word, 16 - depth in P010; with on_cuda alone, else 0
} MardiniFormat;

/** One frame's planes in the order of MardiniColor, then alpha. */
typedef struct MardiniFrame {
    uint8_t *data[4];
    ptrdiff_t stride[4]; ///< bytes from a line to the next, may be negative
} MardiniFrame;

/**
 * Whether two frames of one layout show the same picture but for the noise of a codec: no 8x8 block differs by more
 * than 3 codes of 255 in the mean, nor a plane by more than 1.5.
 *
 * Says nothing: it has no log.
 *
 * @return 1 if they do, 0 if not, MARDINI_ERR(EINVAL) for a NULL or a format or planes out of range,
 *         MARDINI_ERR(ENOSYS) for frames on a card
 */
MARDINI_API int mardini_is_repeat(const MardiniFormat *format, const MardiniFrame *a, const MardiniFrame *b);

/* ---- the network ----------------------------------------------------------- */

typedef enum MardiniPrecision {
    MARDINI_PRECISION_AUTO = 0, ///< bf16 where the processor multiplies it, else fp32
    MARDINI_PRECISION_FP32 = 1,
    MARDINI_PRECISION_BF16 = 2,
} MardiniPrecision;

/** What the camera does where one frame alone is given; the picture's own motion is added. */
typedef enum MardiniCamera {
    MARDINI_CAMERA_SAMPLED    = 0, ///< with the rest
    MARDINI_CAMERA_STILL      = 1, ///< no pan, zoom or roll
    MARDINI_CAMERA_PAN_LEFT   = 2,
    MARDINI_CAMERA_PAN_RIGHT  = 3,
    MARDINI_CAMERA_TILT_UP    = 4,
    MARDINI_CAMERA_TILT_DOWN  = 5,
    MARDINI_CAMERA_ZOOM_IN    = 6,
    MARDINI_CAMERA_ZOOM_OUT   = 7,
    MARDINI_CAMERA_ROLL_LEFT  = 8, ///< the picture turns clockwise
    MARDINI_CAMERA_ROLL_RIGHT = 9,
} MardiniCamera;

/** A run. A field left at its default asks the library. */
typedef struct MardiniSettings {
    const char *model;   ///< path of a checkpoint or name of a preset; NULL: the best preset for the device
    const char *device;  ///< "auto", "cpu", "cuda", "cuda:N"; NULL: auto
    int precision;       ///< MardiniPrecision
    int threads;         ///< processor threads, 1 .. 64; 0: as many as cores
    int steps;           ///< sampling steps 0 .. 64; -1: the library's default
    int64_t seed;        ///< of the sampling noise, and of the motion around one given frame; 0 or more
    double motion;       ///< where one frame alone is given: 0 .. 10 times the usual amount of motion; 0: none; default 1
    int camera;          ///< likewise: MardiniCamera; default MARDINI_CAMERA_SAMPLED
    int64_t memory;      ///< MB that the library may take on the processor, 0: no limit; a tight one makes smaller tiles
    double scd_threshold; ///< 0 .. 100 %: a pair scoring above it is a cut; -1: the library's default
    /* Of frames on a card. Kernels of the library read and write them where they are if cuda_context is the device's
       primary context; else they are copied, on the card. Every call that takes frames comes after what the caller has
       queued on the stream, and what it queues there next comes after the call. */
    void *cuda_context;  ///< CUcontext; NULL: the primary one of the device, which calls leave current in the thread
    void *cuda_stream;   ///< CUstream of that context; NULL: its default stream
    MardiniLog log;      ///< NULL: silence
    void *log_opaque;
} MardiniSettings;

typedef struct MardiniContext MardiniContext;

/** The only place where defaults are written. */
MARDINI_API void mardini_default_settings(MardiniSettings *settings);

/**
 * Load the network and make ready for frames of one format. The first call in a process
 * loads LibTorch (some 0.2 s and 110 MB). A preset is looked for in $MARDINI_MODEL_PATH
 * (a colon-separated list of folders), beside the library, in weights/, ../model/weights and
 * ../share/mardini from there, and in PREFIX/share/mardini.
 *
 * @param ctx  receives the context, the caller's; NULL on failure
 * @return 0; EINVAL for settings or a format out of range; ENOENT if there is no such model; EINVAL
 *         for a checkpoint that is broken; ENODEV for a device that is not there, or not where the frames are;
 *         ENOSYS if LibTorch or the part of this library that needs it cannot be loaded, or for steps that the
 *         checkpoint cannot take; ENOMEM. mardini_make() says ENOSYS of one given frame if the checkpoint samples no motion
 */
MARDINI_API int mardini_open(MardiniContext **ctx, const MardiniSettings *settings, const MardiniFormat *format);

/** Free it and leave NULL behind; NULL inside is fine. */
MARDINI_API void mardini_close(MardiniContext **ctx);

/**
 * Show a given frame to the context.
 *
 * @param id     a name of the caller's choice, not in use
 * @param frame  planes stay the caller's, unchanged and valid until mardini_drop_frame() or mardini_close()
 */
MARDINI_API int mardini_add_frame(MardiniContext *ctx, int64_t id, const MardiniFrame *frame);

/** Forget a given frame and what was computed from it. An unknown id is fine. */
MARDINI_API void mardini_drop_frame(MardiniContext *ctx, int64_t id);

/**
 * How unlike two given frames are, whatever moved between them.
 *
 * @param score  receives 0 (the same scene) .. 100 (nothing of one is in the other)
 * @return 1 if score is above the threshold: a cut; 0 if not; or a negative code
 */
MARDINI_API int mardini_compare(MardiniContext *ctx, int64_t id_a, int64_t id_b, double *score);

/**
 * Masked frames and the given ones that they are made from, all times in one unit: gaps are what counts.
 *
 * Of one given frame nothing tells a motion, so it is sampled for the whole window: times are then positions, 0 .. 16, the
 * masked ones in any order.
 */
typedef struct MardiniWindow {
    int num_given;            ///< 1 or more; num_given + num_masked <= MARDINI_WINDOW
    const int64_t *ids;       ///< given frames that were added, in order of time
    const double *times;      ///< theirs, strictly rising
    int num_masked;           ///< 1 or more
    const double *masked;     ///< their times, strictly rising, none equal to one in `times`
    const int64_t *keys;      ///< each names the noise of one frame: one key, one noise. Frames that lie between the same two
                              ///< given ones share a key (the time stamp of the first, say): their noise then moves with
                              ///< what it lies on, and what is sampled does not flicker. Of one given frame the
                              ///< window's first names its motion
    const MardiniFrame *out;  ///< where they go, planes allocated by the caller
    float *confidence;        ///< receives a value for each, 0 .. 1, mean over the frame; may be NULL
} MardiniWindow;

/**
 * Make the masked frames of windows. Blocks. Threads are used best if the windows have as many masked frames between them.
 *
 * The same references, times and seed give the same pixels, whatever else was made before or with them.
 *
 * @param num_windows  1 or more
 * @return 0, or a negative code; what they were to receive is then undefined
 */
MARDINI_API int mardini_make(MardiniContext *ctx, const MardiniWindow *windows, int num_windows);

#ifdef __cplusplus
}
#endif

#endif /* MARDINI_H */
