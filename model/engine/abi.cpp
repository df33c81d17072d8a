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

/// Run `body`; what it throws becomes a code and one line.
template <class Body>
int guarded(MardiniLog log, void *opaque, const Body &body)
{
    auto fail = [&](int code, const std::string &message) {
        if (log)
            log(opaque, MARDINI_LOG_ERROR, message.substr(0, message.find('\n')).c_str());
        return MARDINI_ERR(code);
    };
    const char *full = "Memory is full; a smaller frame needs less.";
    try {
        c10::InferenceMode inference;
        body();
        return 0;
    } catch (const mardini::Error &e) {
        return fail(e.code, e.what());
    } catch (const c10::OutOfMemoryError &) {
        return fail(ENOMEM,
                    "The device's memory is full; a smaller frame or device=cpu needs less.");
    } catch (const c10::Error &e) {
        return mardini::is_out_of_memory(e) ? fail(ENOMEM, full)
                                            : fail(EIO, e.what_without_backtrace());
    } catch (const std::bad_alloc &) {
        return fail(ENOMEM, full);
    } catch (const std::runtime_error &e) {
        return fail(EINVAL, e.what());
    } catch (const std::exception &e) {
        return fail(EIO, e.what());
    } catch (...) {
        return fail(EIO, "An unknown exception was thrown.");
    }
}

template <class Body>
int guarded(MardiniEngine *engine, const Body &body)
{
    auto log = [](void *opaque, int level, const char *message) {
        static_cast<MardiniEngine *>(opaque)->say(level, message);
    };
    return guarded(log, engine, [&] {
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
    return guarded(settings->log, settings->log_opaque,
                   [&] { *engine = new MardiniEngine(*settings, checkpoint, *format); });
}

void engine_close(MardiniEngine *engine)
{
    delete engine;
}

int engine_add_frame(MardiniEngine *engine, int64_t id, const MardiniFrame *frame)
{
    return guarded(engine, [&] { engine->add_frame(id, *frame); });
}

void engine_drop_frame(MardiniEngine *engine, int64_t id)
{
    guarded(engine, [&] { engine->drop_frame(id); });
}

int engine_compare(MardiniEngine *engine, int64_t before, int64_t after, double *score)
{
    return guarded(engine, [&] { *score = engine->compare(before, after); });
}

int engine_make(MardiniEngine *engine, const MardiniWindow *windows, int num_windows)
{
    return guarded(engine, [&] { engine->make(windows, num_windows); });
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
