// Reading videos and pictures with libav*.
//   in   a file
//   out  8-bit planes, shrunk to a longest side
#include "train/data/decode.h"

#ifndef MARDINI_HAVE_LIBAV
#include "train/data/decode_program.h"
#endif

#include <algorithm>
#include <stdexcept>

#ifndef MARDINI_HAVE_LIBAV

namespace mardini::train {

static std::string ffmpeg_for(const std::string &path)
{
    std::string program = find_ffmpeg();
    if (program.empty())
        throw std::runtime_error(
            path + ": this program was built without libav*: name an ffmpeg by MARDINI_FFMPEG, or "
                   "make a pack file with `mardini train --pack` where FFmpeg is at hand");
    return program;
}

bool can_decode()
{
    return !find_ffmpeg().empty();
}

int decode_video(const std::string &path, int max_side,
                 const std::function<bool(const VideoInfo &, const uint8_t *)> &sink,
                 std::string *complaint)
{
    return decode_video_by(ffmpeg_for(path), path, max_side, sink, complaint);
}

Picture decode_picture(const std::string &path, int max_side)
{
    return decode_picture_by(ffmpeg_for(path), path, max_side);
}

} // namespace mardini::train

#else

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/imgutils.h>
#include <libswscale/swscale.h>
}

#include <memory>

namespace mardini::train {

namespace {

struct Closer {
    void operator()(AVFormatContext *p) const { avformat_close_input(&p); }
    void operator()(AVCodecContext *p) const { avcodec_free_context(&p); }
    void operator()(AVPacket *p) const { av_packet_free(&p); }
    void operator()(AVFrame *p) const { av_frame_free(&p); }
    void operator()(SwsContext *p) const { sws_freeContext(p); }
};
template <class T>
using Owned = std::unique_ptr<T, Closer>;

std::string text_of(int error)
{
    char text[AV_ERROR_MAX_STRING_SIZE] = "";
    av_strerror(error, text, sizeof(text));
    return text;
}

// Opened file and the decoder of its best video stream.
struct Input {
    Owned<AVFormatContext> format;
    Owned<AVCodecContext> codec;
    int stream = -1;

    explicit Input(const std::string &path)
    {
        av_log_set_level(AV_LOG_PANIC); // what goes wrong comes back as one sentence of ours
        AVFormatContext *opened = nullptr;
        int ret = avformat_open_input(&opened, path.c_str(), nullptr, nullptr);
        if (ret < 0)
            throw std::runtime_error(path +
                                     ": cannot be read as a video or picture: " + text_of(ret));
        format.reset(opened);
        ret = avformat_find_stream_info(opened, nullptr);
        if (ret < 0)
            throw std::runtime_error(path +
                                     ": cannot be read as a video or picture: " + text_of(ret));
        const AVCodec *decoder = nullptr;
        stream = av_find_best_stream(opened, AVMEDIA_TYPE_VIDEO, -1, -1, &decoder, 0);
        if (stream == AVERROR_DECODER_NOT_FOUND)
            throw std::runtime_error(path + ": no decoder in this build for its video stream");
        if (stream < 0 || opened->streams[stream]->disposition & AV_DISPOSITION_ATTACHED_PIC)
            throw std::runtime_error(path + ": has no video stream");
        codec.reset(avcodec_alloc_context3(decoder));
        if (!codec)
            throw std::bad_alloc();
        codec->thread_count = 0;
        ret = avcodec_parameters_to_context(codec.get(), opened->streams[stream]->codecpar);
        if (ret >= 0)
            ret = avcodec_open2(codec.get(), decoder, nullptr);
        if (ret < 0)
            throw std::runtime_error(path +
                                     ": its video stream cannot be decoded: " + text_of(ret));
    }

    // Hands over every decodable frame until `sink` returns false; the last error, or 0.
    int each_frame(const std::function<bool(const AVFrame *)> &sink)
    {
        Owned<AVPacket> packet(av_packet_alloc());
        Owned<AVFrame> frame(av_frame_alloc());
        if (!packet || !frame)
            throw std::bad_alloc();
        int damage = 0;
        for (bool draining = false;;) {
            int ret = avcodec_receive_frame(codec.get(), frame.get());
            if (ret >= 0) {
                if (frame->decode_error_flags || frame->flags & AV_FRAME_FLAG_CORRUPT)
                    damage = AVERROR_INVALIDDATA;
                bool more = sink(frame.get());
                av_frame_unref(frame.get());
                if (!more)
                    return damage;
                continue;
            }
            if (ret == AVERROR_EOF)
                return damage;
            if (ret != AVERROR(EAGAIN)) {
                damage = ret;
                if (draining)
                    return damage;
            }
            if (draining)
                return damage ? damage : AVERROR_BUG;
            ret = av_read_frame(format.get(), packet.get());
            if (ret < 0) {
                if (ret != AVERROR_EOF)
                    damage = ret;
                draining = true;
                avcodec_send_packet(codec.get(), nullptr);
                continue;
            }
            if (packet->flags & AV_PKT_FLAG_CORRUPT)
                damage = AVERROR_INVALIDDATA;
            if (packet->stream_index == stream) {
                ret = avcodec_send_packet(codec.get(), packet.get());
                if (ret < 0 && ret != AVERROR(EAGAIN))
                    damage = ret;
            }
            av_packet_unref(packet.get());
        }
    }
};

// The deprecated formats that stand for full range by name, as their plain twins.
AVPixelFormat plain_format(int format)
{
    switch (format) {
    case AV_PIX_FMT_YUVJ420P:
        return AV_PIX_FMT_YUV420P;
    case AV_PIX_FMT_YUVJ422P:
        return AV_PIX_FMT_YUV422P;
    case AV_PIX_FMT_YUVJ444P:
        return AV_PIX_FMT_YUV444P;
    case AV_PIX_FMT_YUVJ440P:
        return AV_PIX_FMT_YUV440P;
    default:
        return AVPixelFormat(format);
    }
}

// Frames of any format and size -> one 8-bit format and size, limited range.
struct Scaler {
    Owned<SwsContext> sws;
    int from_width = 0, from_height = 0, from_format = -1;

    void convert(const AVFrame *frame, AVPixelFormat format, int width, int height, uint8_t *out)
    {
        if (frame->width != from_width || frame->height != from_height ||
            frame->format != from_format) {
            int flags = frame->width == width && frame->height == height ? SWS_BICUBIC : SWS_AREA;
            AVPixelFormat from = plain_format(frame->format);
            sws.reset(sws_getContext(frame->width, frame->height, from, width, height, format,
                                     flags | SWS_ACCURATE_RND, nullptr, nullptr, nullptr));
            if (!sws)
                throw std::runtime_error("no conversion from its pixel format");
            const int *matrix = sws_getCoefficients(
                frame->colorspace == AVCOL_SPC_BT709 ? SWS_CS_ITU709 : SWS_CS_ITU601);
            bool full = frame->color_range == AVCOL_RANGE_JPEG || from != frame->format;
            sws_setColorspaceDetails(sws.get(), matrix, full, matrix, 0, 0, 1 << 16, 1 << 16);
            from_width = frame->width;
            from_height = frame->height;
            from_format = frame->format;
        }
        uint8_t *planes[4];
        int linesizes[4];
        av_image_fill_arrays(planes, linesizes, out, format, width, height, 1);
        sws_scale(sws.get(), frame->data, frame->linesize, 0, frame->height, planes, linesizes);
    }
};

// Even sides not above max_side, the shape kept.
void fit(int width, int height, int max_side, int *out_width, int *out_height)
{
    double scale = std::min(1.0, double(max_side) / std::max(width, height));
    *out_width = std::max(2, int(width * scale + 0.5) / 2 * 2);
    *out_height = std::max(2, int(height * scale + 0.5) / 2 * 2);
}

} // namespace

bool can_decode()
{
    return true;
}

int decode_video(const std::string &path, int max_side,
                 const std::function<bool(const VideoInfo &, const uint8_t *)> &sink,
                 std::string *complaint)
{
    Input input(path);
    const AVStream *stream = input.format->streams[input.stream];
    VideoInfo info;
    info.fps = stream->avg_frame_rate.den ? av_q2d(stream->avg_frame_rate) : 0;
    Scaler scaler;
    std::vector<uint8_t> planes;
    int num_frames = 0;
    bool stopped = false;
    int damage = input.each_frame([&](const AVFrame *frame) {
        if (!num_frames) { // the first frame decides the size
            fit(frame->width, frame->height, max_side, &info.width, &info.height);
            planes.resize(size_t(info.width) * info.height * 3 / 2);
        }
        try {
            scaler.convert(frame, AV_PIX_FMT_YUV420P, info.width, info.height, planes.data());
        } catch (const std::runtime_error &error) {
            throw std::runtime_error(path + ": " + error.what());
        }
        num_frames++;
        stopped = !sink(info, planes.data());
        return !stopped;
    });
    if (!num_frames)
        throw std::runtime_error(path + ": not one frame can be decoded" +
                                 (damage ? ": " + text_of(damage) : std::string()));
    // a file cut short without an error shows in its own count of frames or its length
    if (complaint && !stopped) {
        if (damage)
            *complaint = path + ": damaged (" + text_of(damage) + "); " +
                         std::to_string(num_frames) + " frames could be read";
        else if (stream->nb_frames > num_frames + 1 && stream->nb_frames * 0.95 > num_frames)
            *complaint = path + ": ends early; " + std::to_string(num_frames) + " of " +
                         std::to_string(stream->nb_frames) + " frames could be read";
    }
    return num_frames;
}

Picture decode_picture(const std::string &path, int max_side)
{
    Input input(path);
    Picture picture;
    Scaler scaler;
    int damage = input.each_frame([&](const AVFrame *frame) {
        fit(frame->width, frame->height, max_side, &picture.width, &picture.height);
        picture.data.resize(size_t(picture.width) * picture.height * 3);
        scaler.convert(frame, AV_PIX_FMT_YUV444P, picture.width, picture.height,
                       picture.data.data());
        return false;
    });
    if (picture.data.empty())
        throw std::runtime_error(path + ": cannot be decoded" +
                                 (damage ? ": " + text_of(damage) : std::string()));
    return picture;
}

} // namespace mardini::train

#endif
