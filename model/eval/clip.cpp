// Clips and frames by FFmpeg's libraries: decoding, filters, JPEG.
#include "eval/clip.h"

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavfilter/buffersink.h>
#include <libavfilter/buffersrc.h>
#include <libavfilter/version.h>
#include <libavutil/mem.h>
#include <libavutil/opt.h>
}

#include <algorithm>
#include <filesystem>
#include <mutex>
#include <stdexcept>

namespace mardini::eval {

namespace {

/// Collects the first error that libav* logs during its lifetime: the reason of a failure.
class Listener {
public:
    Listener()
    {
        current().clear();
        av_log_set_callback(listen);
    }
    ~Listener() { av_log_set_callback(av_log_default_callback); }
    Listener(const Listener &) = delete;

    [[noreturn]] void fail(const std::string &what, int code) const
    {
        char text[AV_ERROR_MAX_STRING_SIZE] = "";
        av_strerror(code, text, sizeof(text));
        throw std::runtime_error(what + ": " + (current().empty() ? text : current()));
    }

private:
    static std::string &current()
    {
        static std::string line;
        return line;
    }
    static void listen(void *, int level, const char *format, va_list arguments)
    {
        static std::mutex mutex; // decoders log from their own threads
        if (level > AV_LOG_ERROR)
            return;
        char line[1024];
        vsnprintf(line, sizeof(line), format, arguments);
        std::lock_guard lock(mutex);
        // Later lines of one failure are its consequences.
        if (current().empty())
            current() = std::string(line).substr(0, std::string(line).find_last_not_of("\n ") + 1);
    }
};

struct Free {
    void operator()(AVFilterGraph *p) const { avfilter_graph_free(&p); }
    void operator()(AVCodecContext *p) const { avcodec_free_context(&p); }
    void operator()(AVPacket *p) const { av_packet_free(&p); }
    void operator()(AVBufferSrcParameters *p) const { av_free(p); }
};
template <class T>
using Owned = std::unique_ptr<T, Free>;

Frame allocate()
{
    AVFrame *frame = av_frame_alloc();
    if (!frame)
        throw std::bad_alloc();
    return Frame(frame, [](AVFrame *p) { av_frame_free(&p); });
}

/// A chain of filters from a source of frames to a sink.
class Graph {
public:
    explicit Graph(int threads) : graph_(avfilter_graph_alloc())
    {
        if (!graph_)
            throw std::bad_alloc();
        graph_->nb_threads = threads;
    }

    AVFilterContext *add(const FilterSpec &spec)
    {
        const AVFilter *filter = avfilter_get_by_name(spec.filter.c_str());
        if (!filter)
            throw std::runtime_error("This build of FFmpeg has no filter " + spec.filter + ".");
        AVFilterContext *context =
            avfilter_graph_alloc_filter(graph_.get(), filter, spec.filter.c_str());
        if (!context)
            throw std::bad_alloc();
        for (const auto &[name, value] : spec.options) {
            const int ret =
                av_opt_set(context, name.c_str(), value.c_str(), AV_OPT_SEARCH_CHILDREN);
            if (ret < 0)
                listener_.fail(spec.filter + " does not take " + name + "=" + value, ret);
        }
        return context;
    }

    /// Initialise an added filter and link it to the previous one.
    void link(AVFilterContext *context, const std::string &what)
    {
        int ret = avfilter_init_str(context, nullptr);
        if (ret >= 0 && last_)
            ret = avfilter_link(last_, 0, context, 0);
        if (ret < 0)
            listener_.fail(what, ret);
        last_ = context;
    }

    void add_source(const Frame &first, AVRational time_base, AVRational rate)
    {
        source_ = add({"buffer", {}});
        Owned<AVBufferSrcParameters> p(av_buffersrc_parameters_alloc());
        if (!p)
            throw std::bad_alloc();
        p->format = first->format;
        p->width = first->width;
        p->height = first->height;
        p->time_base = time_base;
        p->frame_rate = rate;
#if LIBAVFILTER_VERSION_INT >= AV_VERSION_INT(9, 16, 100)
        p->color_space = first->colorspace;
        p->color_range = first->color_range;
#endif
        const int ret = av_buffersrc_parameters_set(source_, p.get());
        if (ret < 0)
            listener_.fail("frames cannot be filtered", ret);
        link(source_, "frames cannot be filtered");
    }

    void finish(const std::string &what)
    {
        sink_ = add({"buffersink", {}});
        link(sink_, what);
        const int ret = avfilter_graph_config(graph_.get(), nullptr);
        if (ret < 0)
            listener_.fail(what, ret);
    }

    /// A null frame ends the stream.
    void push(const Frame &frame, const std::string &what)
    {
        const int ret =
            av_buffersrc_add_frame_flags(source_, frame.get(), AV_BUFFERSRC_FLAG_KEEP_REF);
        if (ret < 0)
            listener_.fail(what, ret);
    }

    /// The next frame; null if the graph needs more input or is at the end.
    Frame pull(const std::string &what)
    {
        Frame frame = allocate();
        const int ret = av_buffersink_get_frame(sink_, frame.get());
        if (ret == AVERROR(EAGAIN) || ret == AVERROR_EOF)
            return nullptr;
        if (ret < 0)
            listener_.fail(what, ret);
        return frame;
    }

    AVRational time_base() const
    {
        return av_buffersink_get_time_base(sink_);
    }
    AVRational rate() const
    {
        return av_buffersink_get_frame_rate(sink_);
    }

private:
    Listener listener_;
    std::unique_ptr<AVFilterGraph, Free> graph_;
    AVFilterContext *source_ = nullptr, *sink_ = nullptr, *last_ = nullptr;
};

} // namespace

PlaneView plane_of(const Frame &frame, int plane)
{
    const bool chroma = frame->format == AV_PIX_FMT_YUV420P && plane > 0;
    return {frame->data[plane], frame->linesize[plane],
            chroma ? (frame->width + 1) / 2 : frame->width,
            chroma ? (frame->height + 1) / 2 : frame->height};
}

Frame frame_like(const Frame &frame)
{
    Frame out = allocate();
    out->format = frame->format;
    out->width = frame->width;
    out->height = frame->height;
    if (av_frame_get_buffer(out.get(), 0) < 0 || av_frame_copy_props(out.get(), frame.get()) < 0)
        throw std::bad_alloc();
    av_dict_free(&out->metadata);
    return out;
}

void run_filters(const std::vector<Frame> &frames, AVRational rate,
                 const std::vector<FilterSpec> &chain, int threads,
                 const std::function<void(const Frame &, double)> &sink)
{
    const std::string what = chain.empty() ? "filtering" : "filter " + chain.back().filter;
    const AVRational time_base = av_inv_q(rate);
    Graph graph(threads);
    graph.add_source(frames.at(0), time_base, rate);
    for (const FilterSpec &filter : chain)
        graph.link(graph.add(filter), what);
    graph.finish(what);
    auto drain = [&] {
        while (Frame out = graph.pull(what))
            sink(out, static_cast<double>(out->pts) * av_q2d(graph.time_base()));
    };
    for (size_t i = 0; i < frames.size(); i++) {
        Frame in = allocate();
        if (av_frame_ref(in.get(), frames[i].get()) < 0)
            throw std::bad_alloc();
        in->pts = static_cast<int64_t>(i);
        graph.push(in, what);
        drain();
    }
    graph.push(nullptr, what);
    drain();
}

std::vector<Frame> run_filters(const std::vector<Frame> &frames, AVRational rate,
                               const std::vector<FilterSpec> &chain, int threads)
{
    std::vector<Frame> out;
    run_filters(frames, rate, chain, threads,
                [&](const Frame &frame, double) { out.push_back(frame); });
    return out;
}

Clip read_clip(const std::string &path, int count, const std::vector<FilterSpec> &chain)
{
    Clip clip;
    clip.name = std::filesystem::path(path).stem().string();
    Graph graph(1);
    graph.link(graph.add({"movie", {{"filename", path}}}), path + " cannot be read as video");
    for (const FilterSpec &filter : chain)
        graph.link(graph.add(filter), path);
    graph.finish(path);
    clip.rate = graph.rate();
    while (static_cast<int>(clip.frames.size()) < count) {
        Frame frame = graph.pull(path);
        if (!frame)
            break;
        clip.frames.push_back(frame);
    }
    if (clip.frames.empty())
        throw std::runtime_error(path + ": no frame can be decoded");
    if (clip.rate.num <= 0 || clip.rate.den <= 0)
        clip.rate = {25, 1};
    return clip;
}

std::vector<uint8_t> to_jpeg(const Frame &frame, int quality)
{
    const Frame full =
        run_filters({frame}, {25, 1},
                    {{"scale", {{"out_range", "full"}, {"out_color_matrix", "bt601"}}},
                     {"format", {{"pix_fmts", "yuvj420p"}}}})
            .at(0);
    Listener listener;
    const AVCodec *encoder = avcodec_find_encoder(AV_CODEC_ID_MJPEG);
    Owned<AVCodecContext> context(avcodec_alloc_context3(encoder));
    Owned<AVPacket> packet(av_packet_alloc());
    if (!encoder || !context || !packet)
        throw std::runtime_error("This build of FFmpeg writes no JPEG.");
    context->width = full->width;
    context->height = full->height;
    context->pix_fmt = AV_PIX_FMT_YUVJ420P;
    context->color_range = AVCOL_RANGE_JPEG;
    context->time_base = {1, 25};
    context->flags |= AV_CODEC_FLAG_QSCALE;
    context->global_quality = quality * FF_QP2LAMBDA;
    full->quality = context->global_quality;
    full->pict_type = AV_PICTURE_TYPE_NONE;
    int ret = avcodec_open2(context.get(), encoder, nullptr);
    if (ret >= 0)
        ret = avcodec_send_frame(context.get(), full.get());
    if (ret >= 0)
        ret = avcodec_send_frame(context.get(), nullptr);
    if (ret >= 0)
        ret = avcodec_receive_packet(context.get(), packet.get());
    if (ret < 0)
        listener.fail("a JPEG cannot be written", ret);
    return std::vector<uint8_t>(packet->data, packet->data + packet->size);
}

} // namespace mardini::eval
