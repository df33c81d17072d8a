// libFuzzer: the filter in a graph, fed with frames of random size, format and time stamps, and
// torn down anywhere. Times must rise, and in plain slow motion every given frame whose stamp rose
// must come out; make fuzz.
extern "C" {
#include <libavfilter/avfilter.h>
#include <libavfilter/buffersink.h>
#include <libavfilter/buffersrc.h>
#include <libavutil/frame.h>
#include <libavutil/log.h>
#include <libavutil/pixdesc.h>
}

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <set>
#include <string>

namespace {

struct Bytes {
    const uint8_t *at, *end;
    int next() { return at < end ? *at++ : 0; }
    bool left() const { return at < end; }
};

const char *const FORMATS[] = {"yuv420p",  "gray",    "yuv410p", "yuv444p10le", "gbrp",
                               "yuva420p", "nv12",    "rgb24",   "gbrap16le",   "bgr0",
                               "yuyv422",  "yuv411p", "p010le",  "yuv440p"};
const char *const OPTIONS[] = {"mode=slowmo:factor=2",
                               "mode=slowmo:factor=5/2",
                               "fps=60",
                               "fps=source_fps*2",
                               "mode=slowmo:frames=9",
                               "fps=7:dup=skip",
                               "fps=50:scd=none",
                               "mode=slowmo:factor=3:dup=skip:scd_threshold=0",
                               "mode=animate:frames=5",
                               "mode=animate:frames=3:anchor=last:motion=3:camera=zoom-out",
                               "mode=loop:frames=3",
                               "mode=extend:frames=5:side=both",
                               "mode=fill",
                               "mode=fill:frames=1-2"};
constexpr size_t NUM_PLAIN = 1; ///< at the front: slow motion by a whole factor, nothing skipped

/// Frame `n` of the input, which it carries as metadata.
AVFrame *make_frame(const std::string &format, int width, int height, int64_t pts, int fill, int n)
{
    AVFrame *frame = av_frame_alloc();
    frame->format = av_get_pix_fmt(format.c_str());
    frame->width = width;
    frame->height = height;
    frame->pts = pts;
    av_dict_set_int(&frame->metadata, "n", n, 0);
    if (av_frame_get_buffer(frame, 0) < 0)
        abort();
    for (int p = 0; p < AV_NUM_DATA_POINTERS && frame->buf[p]; p++)
        for (size_t i = 0; i < frame->buf[p]->size; i++)
            frame->buf[p]->data[i] = static_cast<uint8_t>(fill * (i % 7));
    return frame;
}

/// Take what has come out: its times rise. `given` loses those of the input's frames that are among
/// it.
void drain(AVFilterContext *sink, int64_t &last, bool &first, std::set<int> &given)
{
    AVFrame *frame = av_frame_alloc();
    while (av_buffersink_get_frame(sink, frame) >= 0) {
        if (!first && frame->pts <= last) {
            fprintf(stderr, "time %lld after %lld\n", static_cast<long long>(frame->pts),
                    static_cast<long long>(last));
            abort();
        }
        first = false;
        last = frame->pts;
        const AVDictionaryEntry *n = av_dict_get(frame->metadata, "n", nullptr, 0);
        if (n && !av_dict_get(frame->metadata, "lavfi.mardini.synthesized", nullptr, 0))
            given.erase(atoi(n->value));
        av_frame_unref(frame);
    }
    av_frame_free(&frame);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    av_log_set_level(AV_LOG_QUIET);
    Bytes in{data, data + size};
    const int width = 1 + in.next() % 40, height = 1 + in.next() % 40;
    const std::string format = FORMATS[in.next() % (sizeof FORMATS / sizeof *FORMATS)];
    const size_t option = static_cast<size_t>(in.next()) % (sizeof OPTIONS / sizeof *OPTIONS);
    const std::string options = OPTIONS[option];
    const int rate = in.next() % 4, teardown = in.next();
    static const char *const rates[] = {"0/1", "24/1", "30000/1001", "1/2"}, *const bases[] = {
                                                                                 "1/1000", "1/24",
                                                                                 "1/90000", "1/1"};

    AVFilterGraph *graph = avfilter_graph_alloc();
    AVFilterContext *source = nullptr, *sink = nullptr, *filter = nullptr;
    graph->nb_threads = 1;
    const std::string arguments = "video_size=" + std::to_string(width) + "x" +
                                  std::to_string(height) + ":pix_fmt=" + format +
                                  ":time_base=" + bases[rate] + ":frame_rate=" + rates[rate];
    int ret = avfilter_graph_create_filter(&source, avfilter_get_by_name("buffer"), "in",
                                           arguments.c_str(), nullptr, graph);
    if (ret >= 0)
        ret = avfilter_graph_create_filter(&filter, avfilter_get_by_name("mardini"), "m",
                                           (options + ":device=cpu").c_str(), nullptr, graph);
    if (ret >= 0)
        ret = avfilter_graph_create_filter(&sink, avfilter_get_by_name("buffersink"), "out",
                                           nullptr, nullptr, graph);
    if (ret < 0 || avfilter_link(source, 0, filter, 0) < 0 ||
        avfilter_link(filter, 0, sink, 0) < 0 || avfilter_graph_config(graph, nullptr) < 0) {
        avfilter_graph_free(&graph);
        return 0;
    }
    int64_t pts = 0, last = 0, latest = INT64_MIN;
    bool first = true, all_have_times = true;
    std::set<int> given; // and not yet come out
    for (int n = 0; in.left() && n < 12; n++) {
        const int step = in.next(), fill = in.next();
        pts += step < 200 ? step % 5 : step < 230 ? -(step % 3) : (int64_t(1) << (step % 5)) - 1;
        AVFrame *frame =
            make_frame(format, width, height, step == 255 ? AV_NOPTS_VALUE : pts, fill, n);
        all_have_times &= step != 255;
        if (pts > latest)
            given.insert(n);
        latest = std::max(latest, pts);
        if (av_buffersrc_add_frame(source, frame) < 0) {
            av_frame_free(&frame);
            avfilter_graph_free(&graph);
            return 0;
        }
        av_frame_free(&frame);
        drain(sink, last, first, given);
        if (teardown < 64 && n == teardown % 12) {
            avfilter_graph_free(&graph);
            return 0;
        }
    }
    if (av_buffersrc_add_frame(source, nullptr) >= 0) {
        drain(sink, last, first, given);
        if (option < NUM_PLAIN && all_have_times && !given.empty()) {
            fprintf(stderr, "frame %d of the input did not come out\n", *given.begin());
            abort();
        }
    }
    avfilter_graph_free(&graph);
    return 0;
}
