// The sets of instructions that the processor's loops are compiled for, one after the other.
#pragma once

#include "simd/dispatch.h"

#include <ATen/Parallel.h>

#include <cstdio>

/// Instructions and threads as they were before, when it goes.
struct Restore {
    mardini::Instructions before = mardini::instructions();
    int threads = at::get_num_threads();
    ~Restore()
    {
        mardini::use_instructions(before);
        at::set_num_threads(threads);
    }
};

inline const char *name_of(mardini::Instructions i)
{
    static const char *const names[] = {"plain", "AVX2", "AVX-512"};
    return names[static_cast<int>(i)];
}

/// Our loops in these instructions from now on; false, and said, if the processor has them not.
inline bool tried(mardini::Instructions i)
{
    const bool done = mardini::use_instructions(i);
    if (!done)
        std::printf("skipped: our loops in %s, which this processor or LibTorch lacks\n",
                    name_of(i));
    return done;
}
