/*
 * H.264 and HEVC encoders on another machine's VideoToolbox
 * Copyright (c) 2026 The vtremote developers
 *
 * This file is part of vtremote. It is compiled into FFmpeg's libavcodec and has its licence:
 * you can redistribute it and/or modify it under the terms of the GNU Lesser General Public
 * License as published by the Free Software Foundation; either version 2.1 of the License, or
 * (at your option) any later version.
 *
 * It is distributed in the hope that it will be useful, but WITHOUT ANY WARRANTY; without even
 * the implied warranty of MERCHANTABILITY or FITNESS FOR A PARTICULAR PURPOSE. See the GNU
 * Lesser General Public License for more details.
 *
 * You should have received a copy of the GNU Lesser General Public License along with it
 * (COPYING.LGPLv2.1); if not, write to the Free Software Foundation, Inc., 51 Franklin Street,
 * Fifth Floor, Boston, MA 02110-1301 USA
 */

/*
 * libavcodec's pull model meets libvtremote's: frames are handed over by reference as long as the
 * session has room, packets as they come back. Sockets, threads, compression and deadlines are the
 * library's; this file maps options, frames and packets.
 */

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "libavutil/buffer.h"
#include "libavutil/common.h"
#include "libavutil/frame.h"
#include "libavutil/macros.h"
#include "libavutil/mem.h"
#include "libavutil/opt.h"
#include "libavutil/pixdesc.h"
#include "libavutil/pixfmt.h"
#include "avcodec.h"
#include "codec_internal.h"
#include "encode.h"
#include "version.h"
#include "vtremote.h"

/** What has to come out with a frame's packet, and stays here meanwhile. */
typedef struct FrameOpaque {
    struct FrameOpaque *next;
    int64_t pts;
#ifdef AV_CODEC_FLAG_COPY_OPAQUE
    void *opaque;
    AVBufferRef *opaque_ref;
#else
    int64_t reordered_opaque;
#endif
} FrameOpaque;

typedef struct VTRemoteEncContext {
    VTRemoteLink link;

    vtremote_encoder *encoder;
    AVFrame *frame;        ///< taken from libavcodec, not yet by the session
    FrameOpaque *opaques;  ///< of the frames whose packets are to come, in input order
    int flushed;
    uint64_t left_out;     ///< kinds of side data of which that was told

    int profile;
    int level;
    int entropy;
    int a53_cc;
    int max_slice_bytes;
    double alpha_quality;
    int constant_bit_rate;
    int allow_sw;
    int require_sw;
    int realtime;
    int frames_before;
    int frames_after;
    int prio_speed;
    int power_efficient;
    int spatial_aq;
    int max_ref_frames;
} VTRemoteEncContext;

static vtremote_pix_fmt wire_pix_fmt(enum AVPixelFormat pix_fmt)
{
    switch (pix_fmt) {
    case AV_PIX_FMT_NV12:        return VTREMOTE_PIX_NV12;
    case AV_PIX_FMT_YUV420P:     return VTREMOTE_PIX_YUV420P;
    case AV_PIX_FMT_P010LE:      return VTREMOTE_PIX_P010LE;
    case AV_PIX_FMT_YUV420P10LE: return VTREMOTE_PIX_YUV420P10LE;
    case AV_PIX_FMT_P210LE:      return VTREMOTE_PIX_P210LE;
    case AV_PIX_FMT_BGRA:        return VTREMOTE_PIX_BGRA;
#if VTREMOTE_HAVE_AYUV
    case AV_PIX_FMT_AYUV:        return VTREMOTE_PIX_AYUV;
#endif
    default:                     return 0;
    }
}

/** Of side data that is left out, the reason; once for each kind. */
static void leave_out(AVCodecContext *avctx, const AVFrameSideData *sd, const char *reason)
{
    VTRemoteEncContext *ctx = avctx->priv_data;
    const char *name = av_frame_side_data_name(sd->type);
    const uint64_t bit = UINT64_C(1) << (sd->type & 63);

    if (ctx->left_out & bit)
        return;
    ctx->left_out |= bit;
    av_log(avctx, AV_LOG_DEBUG, "Side data is left out: %s (%d), %s.\n",
           name ? name : "of an unknown kind", sd->type, reason);
}

/** Why side data does not go to the server; NULL if it does. */
static const char *reason_to_leave_out(AVCodecContext *avctx, const AVFrameSideData *sd)
{
    const VTRemoteEncContext *ctx = avctx->priv_data;
    uint8_t payload[VTREMOTE_MASTERING_DISPLAY_SIZE];

    switch (sd->type) {
    case AV_FRAME_DATA_A53_CC:
        if (avctx->codec_id != AV_CODEC_ID_H264)
            return "which hevc_videotoolbox does not write either";
        return ctx->a53_cc ? NULL : "since a53cc is 0";
    case AV_FRAME_DATA_MASTERING_DISPLAY_METADATA:
        return ff_vtremote_mastering_display(sd, payload) < 0 ? "since it says nothing" : NULL;
    case AV_FRAME_DATA_CONTENT_LIGHT_LEVEL:
        return NULL;
    default:
        return "for which the protocol has no form";
    }
}

#if LIBAVCODEC_VERSION_MAJOR >= 61
static int set_hex(AVCodecContext *avctx, vtremote_options *options, const char *key,
                   const uint8_t *bytes, int size)
{
    char text[2 * VTREMOTE_MASTERING_DISPLAY_SIZE + 1];

    for (int i = 0; i < size; i++)
        snprintf(text + 2 * i, 3, "%02x", bytes[i]);
    return ff_vtremote_set(avctx, options, key, text);
}

/** The metadata of HDR that the whole stream has, from a container or the first frame. */
static int set_hdr_options(AVCodecContext *avctx, vtremote_options *options)
{
    for (int i = 0; i < avctx->nb_decoded_side_data; i++) {
        const AVFrameSideData *sd = avctx->decoded_side_data[i];
        const char *reason = reason_to_leave_out(avctx, sd);
        uint8_t payload[VTREMOTE_MASTERING_DISPLAY_SIZE];
        int ret = 0;

        if (reason) {
            leave_out(avctx, sd, reason);
        } else if (sd->type == AV_FRAME_DATA_MASTERING_DISPLAY_METADATA) {
            ff_vtremote_mastering_display(sd, payload);
            ret = set_hex(avctx, options, "mastering_display", payload,
                          VTREMOTE_MASTERING_DISPLAY_SIZE);
        } else if (sd->type == AV_FRAME_DATA_CONTENT_LIGHT_LEVEL) {
            ff_vtremote_content_light(sd, payload);
            ret = set_hex(avctx, options, "content_light", payload, VTREMOTE_CONTENT_LIGHT_SIZE);
        }
        if (ret < 0)
            return ret;
    }
    return 0;
}
#endif

/** Options of CONFIGURE by their wire names (docs/protocol.md section 4). */
static int set_encoder_options(AVCodecContext *avctx, vtremote_options *options)
{
    const VTRemoteEncContext *ctx = avctx->priv_data;
    /* Of AVCodecContext.flags only what an encoder elsewhere can make sense of. */
    const unsigned flags = avctx->flags & (AV_CODEC_FLAG_QSCALE | AV_CODEC_FLAG_LOW_DELAY |
                                           AV_CODEC_FLAG_GLOBAL_HEADER | AV_CODEC_FLAG_CLOSED_GOP);
    const int profile = ctx->profile != AV_PROFILE_UNKNOWN ? ctx->profile : avctx->profile;
    const int level   = ctx->level ? ctx->level : FFMAX(avctx->level, 0);
    const struct { const char *key; int64_t value; } shared[] = {
        { "bitrate",           avctx->bit_rate },
        { "maxrate",           avctx->rc_max_rate },
        { "bufsize",           avctx->rc_buffer_size },
        { "gop",               FFMAX(avctx->gop_size, 0) },
        { "max_b_frames",      FFMAX(avctx->max_b_frames, 0) },
        { "global_quality",    avctx->global_quality },
        { "flags",             (int32_t)flags },
        { "qmin",              avctx->qmin },
        { "qmax",              avctx->qmax },
        { "profile",           profile },
        { "level",             level },
        { "sar_num",           avctx->sample_aspect_ratio.num },
        { "sar_den",           avctx->sample_aspect_ratio.den },
        { "color_range",       avctx->color_range },
        { "colorspace",        avctx->colorspace },
        { "color_primaries",   avctx->color_primaries },
        { "color_trc",         avctx->color_trc },
        { "constant_bit_rate", ctx->constant_bit_rate },
        { "allow_sw",          ctx->allow_sw },
        { "require_sw",        ctx->require_sw },
        { "realtime",          ctx->realtime },
        { "frames_before",     ctx->frames_before },
        { "frames_after",      ctx->frames_after },
        { "prio_speed",        ctx->prio_speed },
        { "power_efficient",   ctx->power_efficient },
        { "spatial_aq",        ctx->spatial_aq },
        { "max_ref_frames",    ctx->max_ref_frames },
    }, h264[] = {
        { "entropy",           ctx->entropy },
        { "max_slice_bytes",   ctx->max_slice_bytes },
        { "a53_cc",            ctx->a53_cc },
    };
    int ret;

    for (int i = 0; i < FF_ARRAY_ELEMS(shared); i++)
        if ((ret = ff_vtremote_set_int(avctx, options, shared[i].key, shared[i].value)) < 0)
            return ret;

    if (avctx->chroma_sample_location != AVCHROMA_LOC_UNSPECIFIED &&
        (ret = ff_vtremote_set_int(avctx, options, "chroma_location",
                                   avctx->chroma_sample_location)) < 0)
        return ret;

#if LIBAVCODEC_VERSION_MAJOR >= 61
    if ((ret = set_hdr_options(avctx, options)) < 0)
        return ret;
#endif

    if (avctx->codec_id == AV_CODEC_ID_H264) {
        for (int i = 0; i < FF_ARRAY_ELEMS(h264); i++)
            if ((ret = ff_vtremote_set_int(avctx, options, h264[i].key, h264[i].value)) < 0)
                return ret;
    } else {
        /* Not %f: the application's locale may want a decimal comma. */
        const int millionths = lrint(ctx->alpha_quality * 1000000);
        char text[32];

        snprintf(text, sizeof(text), "%d.%06d", millionths / 1000000, millionths % 1000000);
        return ff_vtremote_set(avctx, options, "alpha_quality", text);
    }
    return 0;
}

static int copy_extradata(AVCodecContext *avctx)
{
    const VTRemoteEncContext *ctx = avctx->priv_data;
    size_t size = 0;
    const uint8_t *data = vtremote_encoder_extradata(ctx->encoder, &size);

    if (!data || !size) {
        av_log(avctx, AV_LOG_WARNING, "The server names no parameter sets before the first frame; "
               "a container with a global header may come out without them.\n");
        return 0;
    }
    if (size > INT_MAX - AV_INPUT_BUFFER_PADDING_SIZE)
        return AVERROR_INVALIDDATA;

    avctx->extradata = av_mallocz(size + AV_INPUT_BUFFER_PADDING_SIZE);
    if (!avctx->extradata)
        return AVERROR(ENOMEM);
    memcpy(avctx->extradata, data, size);
    avctx->extradata_size = size;
    return 0;
}

static av_cold int vtremote_encode_init(AVCodecContext *avctx)
{
    VTRemoteEncContext *ctx = avctx->priv_data;
    const vtremote_video video = {
        .size           = sizeof(video),
        .width          = avctx->width,
        .height         = avctx->height,
        .pix_fmt        = wire_pix_fmt(avctx->pix_fmt),
        .time_base_num  = avctx->time_base.num,
        .time_base_den  = avctx->time_base.den,
        .frame_rate_num = avctx->framerate.num,
        .frame_rate_den = avctx->framerate.den,
    };
    vtremote_options *options;
    vtremote_status status;
    char error[1024] = "";
    int ret;

    ret = ff_vtremote_options(avctx, &options);
    if (ret < 0)
        return ret;
    ret = set_encoder_options(avctx, options);
    if (ret < 0) {
        vtremote_options_free(options);
        return ret;
    }

    status = vtremote_encoder_open(options, &video, ff_vtremote_log, avctx,
                                   &ctx->encoder, error, sizeof(error));
    vtremote_options_free(options);
    ret = ff_vtremote_check(avctx, status, error);
    if (ret < 0)
        return ret;

    /* Of HEVC VideoToolbox makes a pyramid whatever the number; of H.264 libx264 does, from two. */
    avctx->has_b_frames = avctx->codec_id == AV_CODEC_ID_HEVC ? 2 * (avctx->max_b_frames > 0)
                                                             : av_clip(avctx->max_b_frames, 0, 2);

    return avctx->flags & AV_CODEC_FLAG_GLOBAL_HEADER ? copy_extradata(avctx) : 0;
}

static void free_opaque(FrameOpaque *opaque)
{
#ifdef AV_CODEC_FLAG_COPY_OPAQUE
    av_buffer_unref(&opaque->opaque_ref);
#endif
    av_free(opaque);
}

/** Move out of a frame what its packet is to carry. */
static int keep_opaque(AVCodecContext *avctx, AVFrame *frame)
{
    VTRemoteEncContext *ctx = avctx->priv_data;
    FrameOpaque **end = &ctx->opaques, *opaque;

#ifdef AV_CODEC_FLAG_COPY_OPAQUE
    if (!(avctx->flags & AV_CODEC_FLAG_COPY_OPAQUE))
        return 0;
#endif
    opaque = av_mallocz(sizeof(*opaque));
    if (!opaque)
        return AVERROR(ENOMEM);
    opaque->pts = frame->pts;
#ifdef AV_CODEC_FLAG_COPY_OPAQUE
    opaque->opaque     = frame->opaque;
    opaque->opaque_ref = frame->opaque_ref;
    frame->opaque_ref  = NULL;
#else
    opaque->reordered_opaque = frame->reordered_opaque;
#endif
    while (*end)
        end = &(*end)->next;
    *end = opaque;
    return 0;
}

/** Hand it to the packet of the same pts; B-frames reorder, so it need not be the oldest. */
static void restore_opaque(AVCodecContext *avctx, AVPacket *pkt)
{
    VTRemoteEncContext *ctx = avctx->priv_data;
    FrameOpaque **link = &ctx->opaques, *opaque;

    while (*link && (*link)->pts != pkt->pts)
        link = &(*link)->next;
    opaque = *link;
#ifndef AV_CODEC_FLAG_COPY_OPAQUE
    avctx->reordered_opaque = opaque ? opaque->reordered_opaque : 0;
#endif
    if (!opaque)
        return;
#ifdef AV_CODEC_FLAG_COPY_OPAQUE
    pkt->opaque        = opaque->opaque;
    pkt->opaque_ref    = opaque->opaque_ref;
    opaque->opaque_ref = NULL;
#endif
    *link = opaque->next;
    free_opaque(opaque);
}

static int session_error(AVCodecContext *avctx, vtremote_status status)
{
    const VTRemoteEncContext *ctx = avctx->priv_data;

    return ff_vtremote_check(avctx, status, vtremote_encoder_error(ctx->encoder));
}

/** A vflip'ed frame has negative strides, which cannot go over the wire: turn it upright. */
static int make_upright(AVFrame *frame)
{
    AVFrame *upright;
    int ret;

    if (frame->linesize[0] >= 0 && frame->linesize[1] >= 0 && frame->linesize[2] >= 0)
        return 0;
    upright = av_frame_alloc();
    if (!upright)
        return AVERROR(ENOMEM);
    upright->format = frame->format;
    upright->width  = frame->width;
    upright->height = frame->height;
    if ((ret = av_frame_get_buffer(upright, 0)) >= 0 &&
        (ret = av_frame_copy(upright, frame)) >= 0 &&
        (ret = av_frame_copy_props(upright, frame)) >= 0) {
        av_frame_unref(frame);
        av_frame_move_ref(frame, upright);
    }
    av_frame_free(&upright);
    return FFMIN(ret, 0);
}

/** What libavcodec has not checked for us. */
static int check_frame(AVCodecContext *avctx, const AVFrame *frame)
{
    if (frame->width != avctx->width || frame->height != avctx->height ||
        frame->format != avctx->pix_fmt) {
        const char *format = av_get_pix_fmt_name(frame->format);

        av_log(avctx, AV_LOG_ERROR, "A frame of %dx%d %s in a session of %dx%d %s: neither size nor "
               "format can change midway.\n", frame->width, frame->height, format ? format : "?",
               avctx->width, avctx->height, av_get_pix_fmt_name(avctx->pix_fmt));
        return AVERROR(EINVAL);
    }
    if (frame->pts == AV_NOPTS_VALUE) {
        av_log(avctx, AV_LOG_ERROR, "A frame without pts: each needs one of its own.\n");
        return AVERROR(EINVAL);
    }
    return 0;
}

/** Fill ctx->frame; EAGAIN and EOF as ff_encode_get_frame(). */
static int take_frame(AVCodecContext *avctx)
{
    VTRemoteEncContext *ctx = avctx->priv_data;
    int ret;

    ctx->frame = av_frame_alloc();
    if (!ctx->frame)
        return AVERROR(ENOMEM);
    if ((ret = ff_encode_get_frame(avctx, ctx->frame)) < 0 ||
        (ret = check_frame(avctx, ctx->frame)) < 0 ||
        (ret = make_upright(ctx->frame)) < 0 ||
        (ret = keep_opaque(avctx, ctx->frame)) < 0)
        av_frame_free(&ctx->frame);
    return ret;
}

/* From any of the session's threads. */
static void release_frame(void *opaque)
{
    AVFrame *frame = opaque;

    av_frame_free(&frame);
}

/** A frame's side data in the forms that go to the server (docs/protocol.md section 5). */
typedef struct SideData {
    vtremote_side_data records[3];
    int count;
    uint8_t mastering_display[VTREMOTE_MASTERING_DISPLAY_SIZE];
    uint8_t content_light[VTREMOTE_CONTENT_LIGHT_SIZE];
} SideData;

static void collect_side_data(AVCodecContext *avctx, const AVFrame *frame, SideData *all)
{
    all->count = 0;
    for (int i = 0; i < frame->nb_side_data; i++) {
        const AVFrameSideData *sd = frame->side_data[i];
        const char *reason = reason_to_leave_out(avctx, sd);
        vtremote_side_data record = { .type = sd->type };

        if (!reason && all->count == FF_ARRAY_ELEMS(all->records))
            reason = "since it is there more than once";
        if (reason) {
            leave_out(avctx, sd, reason);
            continue;
        }
        switch (sd->type) {
        case AV_FRAME_DATA_MASTERING_DISPLAY_METADATA:
            ff_vtremote_mastering_display(sd, all->mastering_display);
            record.data      = all->mastering_display;
            record.data_size = sizeof(all->mastering_display);
            break;
        case AV_FRAME_DATA_CONTENT_LIGHT_LEVEL:
            ff_vtremote_content_light(sd, all->content_light);
            record.data      = all->content_light;
            record.data_size = sizeof(all->content_light);
            break;
        default:
            record.data      = sd->data;
            record.data_size = sd->size;
        }
        all->records[all->count++] = record;
    }
}

/** Offer ctx->frame; once accepted it belongs to the session, until release_frame(). */
static vtremote_status send_frame(AVCodecContext *avctx)
{
    VTRemoteEncContext *ctx = avctx->priv_data;
    AVFrame *frame = ctx->frame;
    SideData side_data;
    vtremote_frame out = {
        .size    = sizeof(out),
        .pts     = frame->pts,
#if LIBAVCODEC_VERSION_MAJOR >= 60
        /* Before, it was in whatever timebase the frame had come from. */
        .duration = frame->duration,
#endif
        .flags   = frame->pict_type == AV_PICTURE_TYPE_I ? VTREMOTE_FRAME_KEY : 0,
        .release = release_frame,
        .opaque  = frame,
    };
    vtremote_status status;

    for (int i = 0; i < FF_ARRAY_ELEMS(out.data); i++) {
        out.data[i]     = frame->data[i];
        out.linesize[i] = frame->linesize[i];
    }
    collect_side_data(avctx, frame, &side_data);
    out.side_data       = side_data.records;
    out.side_data_count = side_data.count;

    status = vtremote_encoder_send_frame(ctx->encoder, &out);
    if (status == VTREMOTE_OK)
        ctx->frame = NULL;
    else if (status < 0)
        av_frame_free(&ctx->frame);
    return status;
}

static int copy_packet(AVCodecContext *avctx, AVPacket *pkt, const vtremote_packet *in)
{
    int ret = ff_get_encode_buffer(avctx, pkt, in->data_size, 0);

    if (ret < 0)
        return ret;
    if (in->data_size)
        memcpy(pkt->data, in->data, in->data_size);

    /* VTREMOTE_NO_PTS and AV_NOPTS_VALUE are the same number. */
    pkt->pts = in->pts;
    pkt->dts = in->dts;
#if LIBAVCODEC_VERSION_MAJOR >= 60
    pkt->duration = in->duration;
#endif
    if (in->flags & VTREMOTE_PACKET_KEY)
        pkt->flags |= AV_PKT_FLAG_KEY;

    for (size_t i = 0; i < in->side_data_count; i++) {
        const vtremote_side_data *sd = &in->side_data[i];
        uint8_t *data;

        /* Muxers read most kinds as structures without looking at the size: from a peer only
         * this one, which is plain bytes, is let through. */
        if (sd->type != AV_PKT_DATA_NEW_EXTRADATA || !sd->data_size)
            continue;
        data = av_packet_new_side_data(pkt, AV_PKT_DATA_NEW_EXTRADATA, sd->data_size);
        if (!data)
            return AVERROR(ENOMEM);
        memcpy(data, sd->data, sd->data_size);
    }
    restore_opaque(avctx, pkt);
    return 0;
}

/** EAGAIN: none within timeout_ms, or there is room again for the frame that was refused. */
static int receive_packet(AVCodecContext *avctx, AVPacket *pkt, int timeout_ms)
{
    VTRemoteEncContext *ctx = avctx->priv_data;
    vtremote_packet in = { .size = sizeof(in) };
    vtremote_status status = vtremote_encoder_receive_packet(ctx->encoder, &in, timeout_ms);
    int ret;

    if (status == VTREMOTE_OK) {
        ret = copy_packet(avctx, pkt, &in);
        vtremote_packet_unref(&in);
        return ret;
    }
    if (status == VTREMOTE_AGAIN)
        return AVERROR(EAGAIN);
    /* An end that nobody asked for is not success. */
    if (status == VTREMOTE_EOF && ctx->flushed)
        return AVERROR_EOF;
    return session_error(avctx, status);
}

static int vtremote_encode_receive_packet(AVCodecContext *avctx, AVPacket *pkt)
{
    VTRemoteEncContext *ctx = avctx->priv_data;
    vtremote_status status = VTREMOTE_OK;
    int ret;

    for (;;) {
        if (!ctx->frame && !ctx->flushed) {
            ret = take_frame(avctx);
            if (ret == AVERROR(EAGAIN))
                return receive_packet(avctx, pkt, 0);
            if (ret < 0 && ret != AVERROR_EOF)
                return ret;
            ctx->flushed = ret == AVERROR_EOF;
            if (ctx->flushed)
                status = vtremote_encoder_send_frame(ctx->encoder, NULL);
        }
        if (ctx->frame)
            status = send_frame(avctx);
        if (status < 0)
            return session_error(avctx, status);

        /* No room, or no more frames: only the server can move us on. */
        if (ctx->frame || ctx->flushed) {
            ret = receive_packet(avctx, pkt, -1);
            if (ret != AVERROR(EAGAIN))
                return ret;
        }
    }
}

static av_cold int vtremote_encode_close(AVCodecContext *avctx)
{
    VTRemoteEncContext *ctx = avctx->priv_data;
    vtremote_info info = { .size = sizeof(info) };

    if (ctx->encoder && vtremote_encoder_info(ctx->encoder, &info) == VTREMOTE_OK)
        av_log(avctx, AV_LOG_VERBOSE, "%s: %"PRIu64" frames of %"PRIu64" bytes in all went out as "
               "%"PRIu64" (%s), %"PRIu64" packets came back with %"PRIu64" bytes.\n",
               info.server, info.units_sent, info.raw_bytes, info.bytes_sent,
               info.wire_compression, info.units_received, info.bytes_received);

    /* Joins the session's threads and releases every frame; none of ours is referenced after. */
    vtremote_encoder_close(ctx->encoder);
    ctx->encoder = NULL;

    av_frame_free(&ctx->frame);
    while (ctx->opaques) {
        FrameOpaque *next = ctx->opaques->next;

        free_opaque(ctx->opaques);
        ctx->opaques = next;
    }
    return 0;
}

#define OFFSET(x) offsetof(VTRemoteEncContext, x)
#define VE AV_OPT_FLAG_VIDEO_PARAM | AV_OPT_FLAG_ENCODING_PARAM

#define NUMBER(name, unit_, value) \
    { name, NULL, 0, AV_OPT_TYPE_CONST, { .i64 = value }, 0, 0, VE, .unit = unit_ }
#define PROFILE(name, value) NUMBER(name, "profile", value)
#define LEVEL(name, value)   NUMBER(name, "level", value)
#define CODER(name, value)   NUMBER(name, "coder", value)

/* Names, ranges and defaults are those of the local h264_videotoolbox and hevc_videotoolbox. */
#define SHARED_OPTIONS \
    { "constant_bit_rate", "Require a constant bit rate (macOS 13 or newer)", \
        OFFSET(constant_bit_rate), AV_OPT_TYPE_BOOL, { .i64 = 0 }, 0, 1, VE }, \
    { "allow_sw", "Allow a software encoder", \
        OFFSET(allow_sw), AV_OPT_TYPE_BOOL, { .i64 = 0 }, 0, 1, VE }, \
    { "require_sw", "Require a software encoder", \
        OFFSET(require_sw), AV_OPT_TYPE_BOOL, { .i64 = 0 }, 0, 1, VE }, \
    { "realtime", "Encode at least at the frame rate, as for a camera (-1: the encoder's choice)", \
        OFFSET(realtime), AV_OPT_TYPE_BOOL, { .i64 = 0 }, -1, 1, VE }, \
    { "frames_before", "The output will be appended to other frames", \
        OFFSET(frames_before), AV_OPT_TYPE_BOOL, { .i64 = 0 }, 0, 1, VE }, \
    { "frames_after", "Other frames will be appended to the output", \
        OFFSET(frames_after), AV_OPT_TYPE_BOOL, { .i64 = 0 }, 0, 1, VE }, \
    { "prio_speed", "Prefer speed to quality", \
        OFFSET(prio_speed), AV_OPT_TYPE_BOOL, { .i64 = -1 }, -1, 1, VE }, \
    { "power_efficient", "Prefer low power consumption, where supported", \
        OFFSET(power_efficient), AV_OPT_TYPE_INT, { .i64 = -1 }, -1, 1, VE }, \
    { "spatial_aq", "Adapt the quantiser within a picture, where supported", \
        OFFSET(spatial_aq), AV_OPT_TYPE_INT, { .i64 = -1 }, -1, 1, VE }, \
    { "max_ref_frames", "Most reference frames, if below the profile's and level's limit", \
        OFFSET(max_ref_frames), AV_OPT_TYPE_INT, { .i64 = 0 }, 0, INT_MAX, VE }, \
    VTREMOTE_LINK_OPTIONS(VE), \
    { NULL }

static const AVOption h264_options[] = {
    { "profile", "Profile", OFFSET(profile), AV_OPT_TYPE_INT,
        { .i64 = AV_PROFILE_UNKNOWN }, AV_PROFILE_UNKNOWN, INT_MAX, VE, .unit = "profile" },
        PROFILE("baseline",             AV_PROFILE_H264_BASELINE),
        PROFILE("constrained_baseline", AV_PROFILE_H264_CONSTRAINED_BASELINE),
        PROFILE("main",                 AV_PROFILE_H264_MAIN),
        PROFILE("high",                 AV_PROFILE_H264_HIGH),
        PROFILE("constrained_high",     AV_PROFILE_H264_HIGH | AV_PROFILE_H264_CONSTRAINED),
        PROFILE("extended",             AV_PROFILE_H264_EXTENDED),
    { "level", "Level (0: automatic)", OFFSET(level), AV_OPT_TYPE_INT,
        { .i64 = 0 }, 0, 52, VE, .unit = "level" },
        LEVEL("1.3", 13),
        LEVEL("3.0", 30), LEVEL("3.1", 31), LEVEL("3.2", 32),
        LEVEL("4.0", 40), LEVEL("4.1", 41), LEVEL("4.2", 42),
        LEVEL("5.0", 50), LEVEL("5.1", 51), LEVEL("5.2", 52),
    { "coder", "Entropy coder (0: automatic)", OFFSET(entropy), AV_OPT_TYPE_INT,
        { .i64 = 0 }, 0, 2, VE, .unit = "coder" },
        CODER("cavlc", 1), CODER("vlc", 1),
        CODER("cabac", 2), CODER("ac", 2),
    { "a53cc", "Write A/53 closed captions into the stream, where frames have them",
        OFFSET(a53_cc), AV_OPT_TYPE_BOOL, { .i64 = 1 }, 0, 1, VE },
    { "max_slice_bytes", "Most bytes of a slice (-1: no limit)",
        OFFSET(max_slice_bytes), AV_OPT_TYPE_INT, { .i64 = -1 }, -1, INT_MAX, VE },
    SHARED_OPTIONS
};

static const AVOption hevc_options[] = {
    { "profile", "Profile", OFFSET(profile), AV_OPT_TYPE_INT,
        { .i64 = AV_PROFILE_UNKNOWN }, AV_PROFILE_UNKNOWN, INT_MAX, VE, .unit = "profile" },
        PROFILE("main",      AV_PROFILE_HEVC_MAIN),
        PROFILE("main10",    AV_PROFILE_HEVC_MAIN_10),
        PROFILE("main42210", AV_PROFILE_HEVC_REXT),
        PROFILE("rext",      AV_PROFILE_HEVC_REXT),
    { "alpha_quality", "Quality of the alpha channel (0: without)",
        OFFSET(alpha_quality), AV_OPT_TYPE_DOUBLE, { .dbl = 0.0 }, 0.0, 1.0, VE },
    SHARED_OPTIONS
};

static const FFCodecDefault vtremote_defaults[] = {
    { "b",    "0"  },
    { "qmin", "-1" },
    { "qmax", "-1" },
    { NULL },
};

static const enum AVPixelFormat h264_pix_fmts[] = {
    AV_PIX_FMT_NV12,
    AV_PIX_FMT_YUV420P,
    AV_PIX_FMT_NONE
};

static const enum AVPixelFormat hevc_pix_fmts[] = {
    AV_PIX_FMT_NV12,
    AV_PIX_FMT_YUV420P,
    AV_PIX_FMT_P010LE,
    AV_PIX_FMT_YUV420P10LE,
    /* Of a server that lists them. */
    AV_PIX_FMT_P210LE,
    AV_PIX_FMT_BGRA,
#if VTREMOTE_HAVE_AYUV
    AV_PIX_FMT_AYUV,
#endif
    AV_PIX_FMT_NONE
};

#if LIBAVCODEC_VERSION_INT >= AV_VERSION_INT(61, 19, 100)
#define BOTH_COLOR_RANGES .color_ranges = AVCOL_RANGE_MPEG | AVCOL_RANGE_JPEG,
#else
#define BOTH_COLOR_RANGES
#endif

#define VTREMOTE_ENCODER(lower, upper, description) \
static const AVClass lower##_videotoolbox_remote_class = { \
    .class_name = #lower "_videotoolbox_remote", \
    .item_name  = av_default_item_name, \
    .option     = lower##_options, \
    .version    = LIBAVUTIL_VERSION_INT, \
}; \
\
const FFCodec ff_##lower##_videotoolbox_remote_encoder = { \
    .p.name         = #lower "_videotoolbox_remote", \
    CODEC_LONG_NAME(description), \
    .p.type         = AVMEDIA_TYPE_VIDEO, \
    .p.id           = AV_CODEC_ID_##upper, \
    .p.capabilities = AV_CODEC_CAP_DR1 | AV_CODEC_CAP_DELAY | AV_CODEC_CAP_HARDWARE | \
                      AV_CODEC_CAP_ENCODER_REORDERED_OPAQUE, \
    .p.priv_class   = &lower##_videotoolbox_remote_class, \
    .p.wrapper_name = "vtremote", \
    .caps_internal  = FF_CODEC_CAP_INIT_CLEANUP | VTREMOTE_CAP_INIT_UNLOCKED, \
    .priv_data_size = sizeof(VTRemoteEncContext), \
    .defaults       = vtremote_defaults, \
    CODEC_PIXFMTS_ARRAY(lower##_pix_fmts), \
    BOTH_COLOR_RANGES \
    .init           = vtremote_encode_init, \
    FF_CODEC_RECEIVE_PACKET_CB(vtremote_encode_receive_packet), \
    .close          = vtremote_encode_close, \
};

VTREMOTE_ENCODER(h264, H264, "H.264 encoder on another machine's VideoToolbox (vtremote)")
VTREMOTE_ENCODER(hevc, HEVC, "H.265 encoder on another machine's VideoToolbox (vtremote)")
