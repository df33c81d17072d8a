// The functions that libmardini calls (engine_abi.h). No exception leaves them.
#include "engine_abi.h"

#include "base/error.h"
#include "engine/engine.h"
#include "network/checkpoint.h"

#include <torch/cuda.h>

#include <new>

struct MardiniEngine : mardini::Engine {
    using Engine::Engine;
};

namespace {

/// What base/error.h does not know: LibTorch's exceptions, and what is wrong with a file.
std::optional<mardini::CaughtError> describe_engine_exception()
{
    const char *full = "Memory is full; a smaller frame needs less.";
    try {
        throw;
    } catch (const c10::OutOfMemoryError &) {
        return mardini::CaughtError{
            ENOMEM, "The device's memory is full; a smaller frame or device=cpu needs less."};
    } catch (const c10::Error &e) {
        if (mardini::is_out_of_memory(e))
            return mardini::CaughtError{ENOMEM, full};
        return mardini::CaughtError{EIO, e.what_without_backtrace()};
    } catch (const std::bad_alloc &) {
        return mardini::CaughtError{ENOMEM, full};
    } catch (const std::runtime_error &e) {
        return mardini::CaughtError{EINVAL, e.what()};
    } catch (...) {
        return std::nullopt;
    }
}

/// Run `body`; what it throws becomes a code and one line.
template <class Body>
int run_guarded(MardiniLog log, void *opaque, const Body &body)
{
    return mardini::guarded(
        log, opaque,
        [&] {
            c10::InferenceMode inference;
            body();
            return 0;
        },
        describe_engine_exception);
}

template <class Body>
int run_guarded(MardiniEngine *engine, const Body &body)
{
    auto log = [](void *opaque, int level, const char *message) {
        static_cast<MardiniEngine *>(opaque)->say(level, message);
    };
    return run_guarded(log, engine, [&] {
        engine->enter();
        body();
    });
}

int engine_sees_cuda(void)
{
    return torch::cuda::is_available();
}

int engine_open(MardiniEngine **engine, const MardiniSettings *settings, const char *checkpoint,
                const MardiniFormat *format)
{
    *engine = nullptr;
    return run_guarded(settings->log, settings->log_opaque,
                       [&] { *engine = new MardiniEngine(*settings, checkpoint, *format); });
}

void engine_close(MardiniEngine *engine)
{
    delete engine;
}

int engine_add_frame(MardiniEngine *engine, int64_t id, const MardiniFrame *frame)
{
    return run_guarded(engine, [&] { engine->add_frame(id, *frame); });
}

void engine_drop_frame(MardiniEngine *engine, int64_t id)
{
    run_guarded(engine, [&] { engine->drop_frame(id); });
}

int engine_compare(MardiniEngine *engine, int64_t before, int64_t after, double *score)
{
    return run_guarded(engine, [&] { *score = engine->compare(before, after); });
}

int engine_make(MardiniEngine *engine, const MardiniWindow *windows, int num_windows)
{
    return run_guarded(engine, [&] { engine->make(windows, num_windows); });
}

} // namespace

const MardiniEngineFunctions *mardini_engine(void)
{
    static const MardiniEngineFunctions functions = {
        MARDINI_ENGINE_VERSION, engine_sees_cuda,  engine_open,    engine_close,
        engine_add_frame,       engine_drop_frame, engine_compare, engine_make,
    };
    return &functions;
}
