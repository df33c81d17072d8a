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
 * libmardini: synthesizes frames of a video from other frames of it.
 *
 * There are two independent objects:
 *
 *  - MardiniTimeline turns time stamps of input frames into output slots. A slot states when a
 *    frame is shown and which frames it is synthesized from. It handles no pixels.
 *  - MardiniContext holds a network and the given frames that were added to it. It synthesizes
 *    frames.
 *
 * The mode of a timeline (fps, slow motion, loop...) is unknown to MardiniContext.
 *
 * Every function returns 0 or a count on success and a negative MARDINI_ERR() code on failure. On
 * failure it sends one line through the log callback and leaves the caller's data unchanged.
 * Nothing is printed. An object may be used by one thread at a time, different objects by different
 * threads. No function keeps a pointer to a struct of settings after it has returned.
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

/** Negative errno. EAGAIN means only: push another frame or the end. */
#define MARDINI_ERR(e) (-(e))

/** Frames that the network processes together, given and masked ones: a window. */
#define MARDINI_WINDOW 17

/** Consecutive repeats of one picture up to this number are repeats, more are a freeze. */
#define MARDINI_REPEATS_MAX 4

/** Largest number of input frames of a timeline in MARDINI_MODE_TOTAL. */
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
 * Receives one message: one line without a newline, valid during the call only. It is called from
 * any thread that is inside a call on the object.
 */
typedef void (*MardiniLog)(void *opaque, int level, const char *message);

/* ---- library ----------------------------------------------------------- */

/** @return MAJOR << 16 | MINOR << 8 | PATCH of the loaded library */
MARDINI_API uint32_t mardini_version(void);

/* ---- timeline: time stamps, no pixels ------------------------------------ */

typedef enum MardiniMode {
    MARDINI_MODE_FPS     = 0, ///< output frames at first pts + k / rate
    MARDINI_MODE_SLOWMO  = 1, ///< times stretched by rate, with rate - 1 new frames in each gap
    MARDINI_MODE_TOTAL   = 2, ///< `total` frames over the whole input, at its frame rate or mean
                              ///< rate
    MARDINI_MODE_FILL    = 3, ///< input times; named or detected frames are synthesized
    MARDINI_MODE_EXTEND  = 4, ///< input times; `total` synthesized frames after or before it, or
                              ///< both
    MARDINI_MODE_LOOP    = 5, ///< input times; then `total` synthesized frames from its last frame
                              ///< to its first, or of a single image away from it and back
    MARDINI_MODE_ANIMATE = 6, ///< `total` frames at `rate` from the first input frame, which is
                              ///< output frame `anchor`; later input frames are left out
} MardiniMode;

typedef enum MardiniSide {
    MARDINI_SIDE_AFTER  = 0,
    MARDINI_SIDE_BEFORE = 1, ///< the output starts at the first pts, so the input is shown later
    MARDINI_SIDE_BOTH   = 2, ///< `total` frames on either side
} MardiniSide;

/** Frames that MARDINI_MODE_FILL detects and synthesizes. */
enum MardiniDetect {
    MARDINI_DETECT_GAPS    = 1, ///< missing ones: between time stamps 1.5 nominal intervals to 5 s
                                ///< apart
    MARDINI_DETECT_REPEATS = 2, ///< up to MARDINI_REPEATS_MAX consecutive repeats, as the caller
                                ///< reports them with mardini_timeline_repeat()
    MARDINI_DETECT_FREEZES = 4, ///< more consecutive repeats
};

/** A field whose comment starts with modes is ignored in all others. */
typedef struct MardiniTimelineSettings {
    int mode;                   ///< MardiniMode; default MARDINI_MODE_FPS
    MardiniRational rate;       ///< FPS, ANIMATE: output frames a second; SLOWMO: factor, 1 or
                                ///< more; default 60/1
    int64_t total;              ///< TOTAL, ANIMATE: frames of the output, 2 or more; EXTEND, LOOP:
                                ///< frames to synthesize (on each side), 1 or more; default 0
    int64_t anchor;             ///< ANIMATE: output frame of the input frame, 0 .. total - 1;
                                ///< default 0
    const char *named;          ///< FILL: ordinals of input frames, as in "10-14+20"; NULL: none;
                                ///< default NULL
    int detect;                 ///< FILL: MardiniDetect, or'ed; default 0
    int side;                   ///< EXTEND: MardiniSide; default MARDINI_SIDE_AFTER
    int context;                ///< EXTEND: reference frames of a window, 2 .. 16; 0: five, or all
                                ///< if there are fewer; default 0
    MardiniRational time_base;  ///< of the input's pts, seconds a tick; no default
    MardiniRational frame_rate; ///< nominal rate of the input; 0/1: unknown; default 0/1
    MardiniLog log;             ///< NULL: no messages; default NULL
    void *log_opaque;           ///< first argument of log
} MardiniTimelineSettings;

typedef enum MardiniSlotKind {
    MARDINI_SLOT_GIVEN = 0, ///< frame `before`, bit for bit
    MARDINI_SLOT_MADE  = 1, ///< a frame synthesized from `references` at `position`
    MARDINI_SLOT_HELD  = 2, ///< frame `before` again, since a frame cannot be synthesized here
    MARDINI_SLOT_AHEAD = 3, ///< as MADE; the frame is no output yet: keep it under the ordinal
                            ///< `keep`, a later slot of kind GIVEN shows it
} MardiniSlotKind;

/** One output frame. Ordinals: input frames count from 0, kept synthesized frames are below -1. */
typedef struct MardiniSlot {
    int kind;          ///< MardiniSlotKind
    int64_t pts;       ///< in the output time base
    int64_t duration;  ///< likewise, 0 or more
    int64_t before;    ///< ordinal of the frame at or before the slot
    int64_t after;     ///< MADE, AHEAD: of the frame after it; else equal to before
    double position;   ///< MADE, AHEAD: in gaps from before to after: 0 .. 1 between them, else
                       ///< outside; with a single reference: in the window, 0 .. 16. Else 0
    int64_t keep;      ///< MADE, AHEAD: ordinal under which later slots name this frame; -1: none
                       ///< does
    int64_t key;       ///< MADE, AHEAD: noise key (MardiniWindow), the time of `before` in
                       ///< nanoseconds
    int num_references; ///< MADE, AHEAD: 2 or more, or 1 if there is a single input frame; else 0
    int64_t references[MARDINI_WINDOW - 1]; ///< ordinals of the reference frames, in order of time;
                                            ///< `before` and `after` are neighbours among them
    double times[MARDINI_WINDOW - 1];       ///< of the references, in the unit of position
} MardiniSlot;

typedef struct MardiniTimeline MardiniTimeline;

/** Write the defaults. The caller must then set time_base. */
MARDINI_API void mardini_timeline_default_settings(MardiniTimelineSettings *settings);

/**
 * @param timeline  receives the new object, owned by the caller; NULL on failure
 * @return 0, MARDINI_ERR(EINVAL) for an unknown mode or settings out of range, MARDINI_ERR(ENOMEM)
 */
MARDINI_API int mardini_timeline_open(MardiniTimeline **timeline,
                                      const MardiniTimelineSettings *settings);

/** Free the object and set the pointer to NULL. A NULL object is fine. */
MARDINI_API void mardini_timeline_close(MardiniTimeline **timeline);

/**
 * @param time_base   receives that of all slots; may be NULL
 * @param frame_rate  receives the nominal output rate, 0/1 if the input has none; may be NULL
 * @return 0, MARDINI_ERR(EINVAL) for a NULL timeline
 */
MARDINI_API int mardini_timeline_output(const MardiniTimeline *timeline, MardiniRational *time_base,
                                        MardiniRational *frame_rate);

/**
 * Push the time of the next input frame. Ordinals count these calls from 0, including frames that
 * are left out.
 *
 * @param pts       in the input time base; INT64_MIN if unknown: one nominal frame after the last
 *                  one
 * @param duration  in the input time base; 0 if unknown
 * @param placed    receives the pts that is used, in the input time base; may be NULL
 * @return 1 if the frame takes part; 0 if it is left out, since its pts is not after the last one
 *         (the first such frame is logged) or the mode uses one frame only;
 *         MARDINI_ERR(EINVAL) after the end, after MARDINI_TOTAL_GIVEN_MAX frames in mode TOTAL, or
 *         for a time that does not fit 64 bits
 */
MARDINI_API int mardini_timeline_push(MardiniTimeline *timeline, int64_t pts, int64_t duration,
                                      int64_t *placed);

/**
 * The frame pushed last repeats the picture before it. Slots at and around it are synthesized
 * between its neighbours; their number and times stay. For the modes FPS and SLOWMO.
 *
 * @return 0, MARDINI_ERR(EINVAL) in other modes, for the first frame, one that was left out, one
 *         that is skipped already, and after the end
 */
MARDINI_API int mardini_timeline_skip(MardiniTimeline *timeline);

/** The frame pushed next shows the same picture as the one before it. For mode FILL. */
MARDINI_API int mardini_timeline_repeat(MardiniTimeline *timeline);

/**
 * Neither synthesize the frame pushed next, named or a repeat, nor fill a gap before it. Ignored
 * unless in mode FILL.
 */
MARDINI_API int mardini_timeline_leave(MardiniTimeline *timeline);

/** @return 1 if the last slot or a later one may name this frame, 0 if it can be released */
MARDINI_API int mardini_timeline_wants(const MardiniTimeline *timeline, int64_t ordinal);

/**
 * No frame follows.
 *
 * @param pts  end time of the input in its time base, INT64_MIN if unknown
 * @return 0, MARDINI_ERR(EINVAL) if the input does not suit the settings: fewer or more frames than
 *         they take; the timeline then has not ended
 */
MARDINI_API int mardini_timeline_end(MardiniTimeline *timeline, int64_t pts);

/**
 * Take the next output slot. A synthesized slot is available once the two frames on either side are
 * known, or the end. In addition SLOWMO needs those of the following slot, for the duration, and
 * TOTAL needs the end.
 *
 * @return 0, MARDINI_ERR(EAGAIN) if a frame or the end must be pushed first, MARDINI_ERR(ENODATA)
 *         after the last slot, MARDINI_ERR(EINVAL) for a time that does not fit 64 bits
 */
MARDINI_API int mardini_timeline_next(MardiniTimeline *timeline, MardiniSlot *slot);

/* ---- frames --------------------------------------------------------------- */

typedef enum MardiniColor {
    MARDINI_COLOR_GRAY = 0, ///< planes: Y
    MARDINI_COLOR_YUV  = 1, ///< planes: Y Cb Cr
    MARDINI_COLOR_GBR  = 2, ///< planes: G B R, no subsampling
} MardiniColor;

/** Layout of every frame of a context. Samples of more than 8 bits are native 16-bit words. */
typedef struct MardiniFormat {
    int width;       ///< of plane 0, 1 .. 16384 pixels
    int height;      ///< of plane 0, 1 .. 16384 pixels
    int color;       ///< MardiniColor
    int alpha;       ///< 1: an alpha plane follows, of the size of plane 0; else 0
    int depth;       ///< bits a sample, 8 .. 16
    int log2_chroma_width;  ///< 0, 1, 2: chroma is ceil(width / 2^n) wide
    int log2_chroma_height; ///< 0, 1, 2
    int on_cuda;     ///< 1: planes are addresses on a CUDA device (see MardiniSettings); else 0
    int interleaved; ///< 1: plane 1 holds Cb and Cr sample by sample (NV12, P010), without alpha
                     ///< and with on_cuda only; else 0
    int shift;       ///< unused low bits of a 16-bit word: 16 - depth in P010; with on_cuda only,
                     ///< else 0
} MardiniFormat;

/** Planes of one frame in the order of MardiniColor, then alpha. */
typedef struct MardiniFrame {
    uint8_t *data[4];
    ptrdiff_t stride[4]; ///< bytes from a line to the next; may be negative in host memory
} MardiniFrame;

/**
 * Whether two frames of one layout show the same picture, up to a codec's noise: the mean absolute
 * difference is at most 3 codes of 255 in every 8x8 block and 1.5 in every plane. Sends no message.
 *
 * @return 1 if they do, 0 if not, MARDINI_ERR(EINVAL) for NULL or a format or planes out of range,
 *         MARDINI_ERR(ENOSYS) for frames on a CUDA device
 */
MARDINI_API int mardini_is_repeat(const MardiniFormat *format, const MardiniFrame *a,
                                  const MardiniFrame *b);

/* ---- the network ----------------------------------------------------------- */

typedef enum MardiniPrecision {
    MARDINI_PRECISION_AUTO = 0, ///< bf16 if the device multiplies it in hardware, else fp32
    MARDINI_PRECISION_FP32 = 1,
    MARDINI_PRECISION_BF16 = 2,
} MardiniPrecision;

/** Camera motion around a single image. Motion of the scene is added. */
typedef enum MardiniCamera {
    MARDINI_CAMERA_SAMPLED    = 0, ///< sampled along with the motion of the scene
    MARDINI_CAMERA_STILL      = 1, ///< no pan, zoom or roll
    MARDINI_CAMERA_PAN_LEFT   = 2,
    MARDINI_CAMERA_PAN_RIGHT  = 3,
    MARDINI_CAMERA_TILT_UP    = 4,
    MARDINI_CAMERA_TILT_DOWN  = 5,
    MARDINI_CAMERA_ZOOM_IN    = 6,
    MARDINI_CAMERA_ZOOM_OUT   = 7,
    MARDINI_CAMERA_ROLL_LEFT  = 8, ///< the picture rotates clockwise
    MARDINI_CAMERA_ROLL_RIGHT = 9,
} MardiniCamera;

/** Settings of a context. */
typedef struct MardiniSettings {
    const char *model;   ///< path of a checkpoint or name of a preset; NULL: the best preset for
                         ///< the device; default NULL
    const char *device;  ///< "auto", "cpu", "cuda", "cuda:N"; NULL: auto; default NULL
    int precision;       ///< MardiniPrecision; default MARDINI_PRECISION_AUTO
    int threads;         ///< processor threads, 1 .. 64; 0: one a core; default 0
    int steps;           ///< sampling steps, 0 .. 64; -1: the library chooses; default -1
    int64_t seed;        ///< of the sampling noise and of the motion around a single image, 0 or
                         ///< more; default 0
    double motion;       ///< single image: amount of motion, 0 .. 10 times the usual one; default 1
    int camera;          ///< single image: MardiniCamera; default MARDINI_CAMERA_SAMPLED
    int64_t memory;      ///< limit of the host memory that the library takes, MB; 0: none. A lower
                         ///< limit means smaller tiles; default 0
    double scd_threshold; ///< 0 .. 100: a pair that scores above is a scene cut; -1: the library
                          ///< chooses; default -1
    /* Frames on a CUDA device. If cuda_context is the primary context of the device, kernels of the
       library read and write the frames in place; else the frames are copied on the device. A call
       that takes frames runs after the work that the caller has queued on cuda_stream, and before
       the work that the caller queues there after the call. */
    void *cuda_context;  ///< CUcontext; NULL: the primary one of the device, which calls leave
                         ///< current in the thread; default NULL
    void *cuda_stream;   ///< CUstream of that context; NULL: its default stream; default NULL
    MardiniLog log;      ///< NULL: no messages; default NULL
    void *log_opaque;    ///< first argument of log
} MardiniSettings;

typedef struct MardiniContext MardiniContext;

/** Write the defaults. */
MARDINI_API void mardini_default_settings(MardiniSettings *settings);

/**
 * Load a network for frames of one format. The first call of a process loads LibTorch (about 0.2 s
 * and 110 MB). The file of a preset is the first NAME.safetensors in: the folders of
 * $MARDINI_MODEL_PATH (separated by colons); the folder of libmardini; weights, ../model/weights
 * and ../share/mardini from there; PREFIX/share/mardini.
 *
 * @param ctx  receives the context, owned by the caller; NULL on failure
 * @return 0, or MARDINI_ERR of
 *         EINVAL: settings or format out of range, or a broken checkpoint
 *         ENOENT: no such model
 *         ENODEV: no such device, or another one than that of the frames
 *         ENOSYS: LibTorch or libmardini_torch cannot be loaded, or the checkpoint has no sampler
 *                 for the steps asked for
 *         ENOMEM: out of memory, or the limit `memory` is too low
 *         EIO: any other failure
 */
MARDINI_API int mardini_open(MardiniContext **ctx, const MardiniSettings *settings,
                             const MardiniFormat *format);

/** Free the context and set the pointer to NULL. A NULL context is fine. */
MARDINI_API void mardini_close(MardiniContext **ctx);

/**
 * Add a given frame.
 *
 * @param id     any number that is not in use
 * @param frame  planes stay the caller's, and must stay valid and unchanged until
 *               mardini_drop_frame() or mardini_close()
 * @return 0, or MARDINI_ERR of EINVAL (id in use, planes out of range), ENOMEM, EIO
 */
MARDINI_API int mardini_add_frame(MardiniContext *ctx, int64_t id, const MardiniFrame *frame);

/** Remove a given frame and the features computed from it. An unknown id is fine. */
MARDINI_API void mardini_drop_frame(MardiniContext *ctx, int64_t id);

/**
 * How much two given frames differ apart from motion.
 *
 * @param score  receives 0 (same scene) .. 100 (nothing in common); may be NULL
 * @return 1 if the score is above scd_threshold, a scene cut; 0 if not;
 *         or MARDINI_ERR of EINVAL (unknown id), ENOMEM, EIO
 */
MARDINI_API int mardini_compare(MardiniContext *ctx, int64_t id_a, int64_t id_b, double *score);

/**
 * Masked frames, and the given frames that they are synthesized from. Only ratios of times count,
 * in any unit.
 *
 * A window with one given frame is different: its motion is sampled for the whole window. Times are
 * then positions in the window, 0 .. 16, and masked ones may come in any order.
 */
typedef struct MardiniWindow {
    int num_given;            ///< 1 or more; num_given + num_masked <= MARDINI_WINDOW
    const int64_t *ids;       ///< of the given frames, in order of time
    const double *times;      ///< of the given frames, strictly rising
    int num_masked;           ///< 1 or more
    const double *masked;     ///< times of the masked frames, strictly rising, none equal to a
                              ///< given one
    const int64_t *keys;      ///< noise key of each masked frame: equal keys give equal noise.
                              ///< Frames between the same two given frames should share a key, e.g.
                              ///< the pts of the first: sampled detail then moves with the picture
                              ///< instead of flickering. With one given frame keys[0] selects the
                              ///< sampled motion
    const MardiniFrame *out;  ///< receives the masked frames; planes are allocated by the caller
    float *confidence;        ///< receives the mean confidence of each masked frame, 0 .. 1; may be
                              ///< NULL
} MardiniWindow;

/**
 * Synthesize the masked frames of windows. Blocks. Threads are used best if the windows have equal
 * numbers of masked frames.
 *
 * Equal references, times, keys and seed give equal pixels, whatever other frames are synthesized
 * before or in the same call.
 *
 * @param num_windows  1 or more
 * @return 0, or MARDINI_ERR of EINVAL (window out of range, unknown id), ENOSYS (one given frame,
 *         and the checkpoint samples no motion), ENOMEM, EIO; the output is then undefined
 */
MARDINI_API int mardini_make(MardiniContext *ctx, const MardiniWindow *windows, int num_windows);

#ifdef __cplusplus
}
#endif

#endif /* MARDINI_H */
