/*
 * The functions of libmardini_torch, which libmardini (no LibTorch) opens on first use.
 * Not installed. Same rules as mardini.h: codes, one message through settings->log, no
 * exception crosses. mardini.cpp has checked the arguments.
 */
#ifndef MARDINI_ENGINE_H
#define MARDINI_ENGINE_H

#include "mardini.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Raised when a function or struct of this file changes, or a struct of mardini.h in it. */
#define MARDINI_ENGINE_VERSION 5

typedef struct MardiniEngine MardiniEngine;

typedef struct MardiniEngineFunctions {
    uint32_t version;       ///< MARDINI_ENGINE_VERSION
    int (*sees_cuda)(void); ///< 1 if device=auto is a CUDA device, else 0
    int (*open)(MardiniEngine **engine, const MardiniSettings *settings, const char *checkpoint,
                const MardiniFormat *format); ///< checkpoint: path of a file that exists
    void (*close)(MardiniEngine *engine);
    int (*add_frame)(MardiniEngine *engine, int64_t id, const MardiniFrame *frame);
    void (*drop_frame)(MardiniEngine *engine, int64_t id);
    int (*compare)(MardiniEngine *engine, int64_t before, int64_t after, double *score);
    int (*make)(MardiniEngine *engine, const MardiniWindow *windows, int num_windows);
} MardiniEngineFunctions;

/** The one symbol that libmardini_torch exports. */
#define MARDINI_ENGINE_SYMBOL "mardini_engine"
MARDINI_API const MardiniEngineFunctions *mardini_engine(void);

#ifdef __cplusplus
}
#endif

#endif /* MARDINI_ENGINE_H */
