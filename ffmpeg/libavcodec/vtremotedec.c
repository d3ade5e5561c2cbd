/*
 * H.264 and HEVC decoders on another machine's VideoToolbox
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
 * libavcodec's pull model meets libvtremote's: access units are handed over as long as the session
 * has room, pictures are wrapped as they come back, without a copy. Sockets, threads, compression and
 * deadlines are the library's; this file maps access units and pictures.
 */

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "libavutil/buffer.h"
#include "libavutil/common.h"
#include "libavutil/frame.h"
#include "libavutil/intreadwrite.h"
#include "libavutil/mastering_display_metadata.h"
#include "libavutil/mem.h"
#include "libavutil/pixfmt.h"
#include "avcodec.h"
#include "codec_internal.h"
#include "decode.h"
#include "internal.h"
#include "version.h"
#include "vtremote.h"

/** Packets of which no picture may come stay known until there are this many. */
#define MAX_PACKETS_KNOWN 1024

/** Calls after a failure in which packets are refused, which is more than ffmpeg makes. */
#define MAX_REFUSALS 4

/**
 * Errors for each packet before the end of a stream that failed. ffmpeg fails when there are more than
 * two for each picture; in 5.1, where the frames of one audio track count as pictures, than about six.
 */
#define END_ERRORS_PER_PACKET 8

/** What pictures may be besides NV12 and P010LE. */
#if VTREMOTE_HAVE_AYUV
#define PIX_FMTS "p210le,bgra,ayuv"
#else
#define PIX_FMTS "p210le,bgra"
#endif

/** A packet without its data: what has to come out with its picture. */
typedef struct PacketProps {
    struct PacketProps *next;
    AVPacket *pkt;
#if LIBAVCODEC_VERSION_MAJOR < 60
    int64_t reordered_opaque;
#endif
} PacketProps;

typedef struct VTRemoteDecContext {
    VTRemoteLink link;

    vtremote_decoder *decoder;
    AVPacket *packet;      ///< taken from libavcodec, not yet by the session
    PacketProps *props;    ///< of the packets whose pictures are to come, in decoding order
    int nb_props;
    int flushed;
    int64_t nb_packets;    ///< taken from libavcodec
    int64_t nb_pictures;   ///< given to the caller

    AVRational sample_aspect_ratio; ///< the container's, as all of these
    enum AVColorRange color_range;
    enum AVColorPrimaries color_primaries;
    enum AVColorTransferCharacteristic color_trc;
    enum AVColorSpace colorspace;
    enum AVChromaLocation chroma_sample_location;

    int failed;            ///< what the session ended with, below 0
    int told;              ///< the caller's last call was answered by that
    int nb_refusals;
    int64_t nb_end_errors; ///< how often the error was told instead of the end
} VTRemoteDecContext;

/** Keep what the container says of pictures. */
static void keep_description(AVCodecContext *avctx)
{
    VTRemoteDecContext *ctx = avctx->priv_data;

    ctx->sample_aspect_ratio    = avctx->sample_aspect_ratio;
    ctx->color_range            = avctx->color_range;
    ctx->color_primaries        = avctx->color_primaries;
    ctx->color_trc              = avctx->color_trc;
    ctx->colorspace             = avctx->colorspace;
    ctx->chroma_sample_location = avctx->chroma_sample_location;
}

static av_cold int vtremote_decode_init(AVCodecContext *avctx)
{
    VTRemoteDecContext *ctx = avctx->priv_data;
    const vtremote_stream stream = {
        .size           = sizeof(stream),
        .width          = avctx->width,
        .height         = avctx->height,
        .time_base_num  = FFMAX(avctx->pkt_timebase.num, 0),
        .time_base_den  = FFMAX(avctx->pkt_timebase.den, 1),
        .frame_rate_num = FFMAX(avctx->framerate.num, 0),
        .frame_rate_den = FFMAX(avctx->framerate.den, 1),
        .extradata      = avctx->extradata,
        .extradata_size = avctx->extradata_size,
    };
    vtremote_options *options;
    vtremote_status status;
    char error[1024] = "";
    int ret;

    keep_description(avctx);
    ctx->packet = av_packet_alloc();
    if (!ctx->packet)
        return AVERROR(ENOMEM);
    ret = ff_vtremote_options(avctx, &options);
    if (ret < 0)
        return ret;
    ret = ff_vtremote_set(avctx, options, "pix_fmts", PIX_FMTS);
    if (ret < 0) {
        vtremote_options_free(options);
        return ret;
    }
    status = vtremote_decoder_open(options, &stream, ff_vtremote_log, avctx,
                                   &ctx->decoder, error, sizeof(error));
    vtremote_options_free(options);
    return ff_vtremote_check(avctx, status, error);
}

static void free_props(PacketProps *props)
{
    if (props)
        av_packet_free(&props->pkt);
    av_free(props);
}

/** Take the first of a list out of it. */
static PacketProps *unlink_props(VTRemoteDecContext *ctx, PacketProps **link)
{
    PacketProps *props = *link;

    *link = props->next;
    ctx->nb_props--;
    return props;
}

/** Remember what the picture of ctx->packet is to carry. */
static int keep_props(AVCodecContext *avctx)
{
    VTRemoteDecContext *ctx = avctx->priv_data;
    PacketProps **end = &ctx->props, *props = av_mallocz(sizeof(*props));
    int ret;

    if (!props)
        return AVERROR(ENOMEM);
    props->pkt = av_packet_alloc();
    ret = props->pkt ? av_packet_copy_props(props->pkt, ctx->packet) : AVERROR(ENOMEM);
    if (ret < 0) {
        free_props(props);
        return ret;
    }
#if LIBAVCODEC_VERSION_MAJOR < 60
    props->reordered_opaque = avctx->reordered_opaque;
#endif
    while (*end)
        end = &(*end)->next;
    *end = props;
    if (++ctx->nb_props > MAX_PACKETS_KNOWN)
        free_props(unlink_props(ctx, &ctx->props));
    return 0;
}

/** What a server can take a packet's time from. */
static int64_t packet_time(const AVPacket *pkt)
{
    return pkt->pts != AV_NOPTS_VALUE ? pkt->pts : pkt->dts;
}

/**
 * Props of the picture with this pts; of one without, those of the oldest packet without. NULL if
 * there are none. Pictures come in the order of showing: of earlier packets with a lower time none
 * will come any more.
 */
static PacketProps *take_props(VTRemoteDecContext *ctx, int64_t pts)
{
    PacketProps **link = &ctx->props, *found;

    while (*link && (pts != AV_NOPTS_VALUE ? packet_time((*link)->pkt) : (*link)->pkt->pts) != pts)
        link = &(*link)->next;
    found = *link;
    if (!found)
        return NULL;
    for (link = &ctx->props; *link != found;)
        if (packet_time((*link)->pkt) < pts)
            free_props(unlink_props(ctx, link));
        else
            link = &(*link)->next;
    return unlink_props(ctx, link);
}

/**
 * Let avcodec_send_packet() take no packet before a flush or the next call of ours. Up to FFmpeg 6.0
 * this does nothing.
 */
static int refuse_packets(AVCodecContext *avctx)
{
    AVPacket *stored = avctx->internal->buffer_pkt;

    av_packet_unref(stored);
    return av_new_packet(stored, 1);
}

/** The AVERROR of a session's status, which is logged. Only misuse does not end the session. */
static int check(AVCodecContext *avctx, vtremote_status status)
{
    VTRemoteDecContext *ctx = avctx->priv_data;
    const char *error = vtremote_decoder_error(ctx->decoder);
    char line[1024];

    if (status == VTREMOTE_OK || status == VTREMOTE_ERROR_INVALID)
        return ff_vtremote_check(avctx, status, error);

    /* Once it has the last packet FFmpeg 7.1 forgives this. */
    snprintf(line, sizeof(line), "%s (%"PRId64" pictures have come, the others are missing%s)",
             error && *error ? error : "the session ended before the stream did",
             ctx->nb_pictures, ctx->flushed ? ": -xerror makes ffmpeg fail in any case" : "");
    ctx->failed = ff_vtremote_check(avctx, status, line);
    ctx->told   = 1;
    if (!ctx->flushed)
        refuse_packets(avctx);
    return ctx->failed;
}

/** Offer ctx->packet; what is taken or refused for good is gone from there. */
static int send_packet(AVCodecContext *avctx)
{
    VTRemoteDecContext *ctx = avctx->priv_data;
    const AVPacket *pkt = ctx->packet;
    vtremote_side_data extradata = { .type = AV_PKT_DATA_NEW_EXTRADATA };
    /* VTREMOTE_NO_PTS and AV_NOPTS_VALUE are the same number. */
    vtremote_access_unit unit = {
        .size      = sizeof(unit),
        .pts       = pkt->pts,
        .dts       = pkt->dts,
        .duration  = FFMAX(pkt->duration, 0),
        .flags     = pkt->flags & AV_PKT_FLAG_KEY ? VTREMOTE_PACKET_KEY : 0,
        .data      = pkt->data,
        .data_size = pkt->size,
        .side_data = &extradata,
    };
    vtremote_status status;
    int ret;

    /* Of what comes beside packets servers get parameter sets only: the rest is about pictures. */
    extradata.data = av_packet_get_side_data(pkt, extradata.type, &extradata.data_size);
    unit.side_data_count = extradata.data && extradata.data_size;

    status = vtremote_decoder_send_packet(ctx->decoder, &unit);
    if (status == VTREMOTE_AGAIN)
        return 0;
    ret = status == VTREMOTE_OK ? keep_props(avctx) : check(avctx, status);
    av_packet_unref(ctx->packet);
    return ret;
}

static void free_picture(void *opaque, uint8_t *data)
{
    vtremote_picture_unref((vtremote_picture *)data);
    av_free(data);
}

static void free_plane(void *opaque, uint8_t *data)
{
    AVBufferRef *picture = opaque;

    av_buffer_unref(&picture);
}

/** Let the frame's planes be those of the picture, which lives as long as one of them. */
static int wrap_planes(AVFrame *frame, AVBufferRef *owner)
{
    const vtremote_picture *picture = (const vtremote_picture *)owner->data;

    for (int i = 0; i < FF_ARRAY_ELEMS(picture->data) && picture->data[i]; i++) {
        const int halved = i && picture->pix_fmt != VTREMOTE_PIX_P210LE;
        const int rows = halved ? (picture->height + 1) / 2 : picture->height;
        AVBufferRef *ref = av_buffer_ref(owner);

        if (!ref)
            return AVERROR(ENOMEM);
        frame->data[i]     = (uint8_t *)picture->data[i];
        frame->linesize[i] = picture->linesize[i];
        frame->buf[i]      = av_buffer_create(frame->data[i], picture->linesize[i] * rows,
                                              free_plane, ref, AV_BUFFER_FLAG_READONLY);
        if (!frame->buf[i]) {
            av_buffer_unref(&ref);
            return AVERROR(ENOMEM);
        }
    }
    return 0;
}

/** Say what the pictures are from here on. What the stream does not tell is as the container has it. */
static int update_context(AVCodecContext *avctx, const vtremote_picture *picture)
{
    const VTRemoteDecContext *ctx = avctx->priv_data;
    int ret;

    switch (picture->pix_fmt) {
    case VTREMOTE_PIX_NV12:   avctx->pix_fmt = AV_PIX_FMT_NV12;   break;
    case VTREMOTE_PIX_P010LE: avctx->pix_fmt = AV_PIX_FMT_P010LE; break;
    case VTREMOTE_PIX_P210LE: avctx->pix_fmt = AV_PIX_FMT_P210LE; break;
    case VTREMOTE_PIX_BGRA:   avctx->pix_fmt = AV_PIX_FMT_BGRA;   break;
#if VTREMOTE_HAVE_AYUV
    case VTREMOTE_PIX_AYUV:   avctx->pix_fmt = AV_PIX_FMT_AYUV;   break;
#endif
    default:                  return AVERROR_PATCHWELCOME;
    }
    if ((picture->width != avctx->width || picture->height != avctx->height) &&
        (ret = ff_set_dimensions(avctx, picture->width, picture->height)) < 0)
        return ret;
    ff_set_sar(avctx, picture->sample_aspect_num && picture->sample_aspect_den
                          ? av_make_q(picture->sample_aspect_num, picture->sample_aspect_den)
                          : ctx->sample_aspect_ratio);

    avctx->color_range = picture->color_range != AVCOL_RANGE_UNSPECIFIED
                             ? picture->color_range
                             : ctx->color_range;
    avctx->color_primaries = picture->color_primaries != AVCOL_PRI_UNSPECIFIED
                                 ? picture->color_primaries
                                 : ctx->color_primaries;
    avctx->color_trc  = picture->color_trc != AVCOL_TRC_UNSPECIFIED ? picture->color_trc : ctx->color_trc;
    avctx->colorspace = picture->colorspace != AVCOL_SPC_UNSPECIFIED ? picture->colorspace : ctx->colorspace;
    avctx->chroma_sample_location = picture->chroma_location != AVCHROMA_LOC_UNSPECIFIED
                                        ? picture->chroma_location
                                        : ctx->chroma_sample_location;
    return 0;
}

#if LIBAVCODEC_VERSION_MAJOR < 60
/** What ff_decode_frame_props_from_pkt() does, which is not there yet. */
static int decode_frame_props_from_pkt(AVFrame *frame, const AVPacket *pkt)
{
    static const struct {
        enum AVPacketSideDataType packet;
        enum AVFrameSideDataType frame;
    } kinds[] = {
        { AV_PKT_DATA_A53_CC,                     AV_FRAME_DATA_A53_CC },
        { AV_PKT_DATA_CONTENT_LIGHT_LEVEL,        AV_FRAME_DATA_CONTENT_LIGHT_LEVEL },
        { AV_PKT_DATA_DISPLAYMATRIX,              AV_FRAME_DATA_DISPLAYMATRIX },
        { AV_PKT_DATA_DYNAMIC_HDR10_PLUS,         AV_FRAME_DATA_DYNAMIC_HDR_PLUS },
        { AV_PKT_DATA_ICC_PROFILE,                AV_FRAME_DATA_ICC_PROFILE },
        { AV_PKT_DATA_MASTERING_DISPLAY_METADATA, AV_FRAME_DATA_MASTERING_DISPLAY_METADATA },
        { AV_PKT_DATA_S12M_TIMECODE,              AV_FRAME_DATA_S12M_TIMECODE },
        { AV_PKT_DATA_SPHERICAL,                  AV_FRAME_DATA_SPHERICAL },
        { AV_PKT_DATA_STEREO3D,                   AV_FRAME_DATA_STEREO3D },
    };
    const uint8_t *data;
    size_t size;

    frame->pts          = pkt->pts;
    frame->pkt_pos      = pkt->pos;
    frame->pkt_size     = pkt->size;
    frame->pkt_duration = pkt->duration;
    if (pkt->flags & AV_PKT_FLAG_DISCARD)
        frame->flags |= AV_FRAME_FLAG_DISCARD;

    for (int i = 0; i < FF_ARRAY_ELEMS(kinds); i++) {
        AVFrameSideData *kept;

        data = av_packet_get_side_data(pkt, kinds[i].packet, &size);
        if (!data)
            continue;
        kept = av_frame_new_side_data(frame, kinds[i].frame, size);
        if (!kept)
            return AVERROR(ENOMEM);
        memcpy(kept->data, data, size);
    }
    data = av_packet_get_side_data(pkt, AV_PKT_DATA_STRINGS_METADATA, &size);
    return av_packet_unpack_dictionary(data, size, &frame->metadata);
}
#endif

/** What the picture's packet had, its times among it: a time that no packet has is a server's guess. */
static int set_packet_props(AVCodecContext *avctx, AVFrame *frame, const PacketProps *props)
{
    const AVPacket *pkt = props->pkt;
    const int key = !!(pkt->flags & AV_PKT_FLAG_KEY);

    frame->pkt_dts = pkt->dts;
    if (key)
        frame->pict_type = AV_PICTURE_TYPE_I;
#ifdef AV_FRAME_FLAG_KEY
    frame->flags |= key ? AV_FRAME_FLAG_KEY : 0;
#else
    frame->key_frame = key;
#endif
#if LIBAVCODEC_VERSION_MAJOR >= 60
    return ff_decode_frame_props_from_pkt(avctx, frame, pkt);
#else
    frame->reordered_opaque = props->reordered_opaque;
    return decode_frame_props_from_pkt(frame, pkt);
#endif
}

#if LIBAVCODEC_VERSION_MAJOR < 61
/** What ff_decode_mastering_display_new() does, which is not there yet. */
static int ff_decode_mastering_display_new(const AVCodecContext *avctx, AVFrame *frame,
                                           AVMasteringDisplayMetadata **display)
{
    av_frame_remove_side_data(frame, AV_FRAME_DATA_MASTERING_DISPLAY_METADATA);
    *display = av_mastering_display_metadata_create_side_data(frame);
    return *display ? 0 : AVERROR(ENOMEM);
}

/** Likewise. */
static int ff_decode_content_light_new(const AVCodecContext *avctx, AVFrame *frame,
                                       AVContentLightMetadata **light)
{
    av_frame_remove_side_data(frame, AV_FRAME_DATA_CONTENT_LIGHT_LEVEL);
    *light = av_content_light_metadata_create_side_data(frame);
    return *light ? 0 : AVERROR(ENOMEM);
}
#endif

/** A coordinate of the CIE 1931 chromaticity diagram; whether it may be one (H.265 D.3.28). */
static int read_coordinate(AVRational *coordinate, const uint8_t *bytes, int max)
{
    *coordinate = av_make_q(AV_RB16(bytes), 50000);
    return coordinate->num >= 5 && coordinate->num <= max;
}

static int add_mastering_display(AVCodecContext *avctx, AVFrame *frame, const uint8_t *payload)
{
    /* The message has them in this order, the structure red first. */
    static const int green_blue_red[] = { 1, 2, 0 };
    const unsigned max_luminance = AV_RB32(payload + 16), min_luminance = AV_RB32(payload + 20);
    AVMasteringDisplayMetadata *display;
    int known = 1;
    int ret = ff_decode_mastering_display_new(avctx, frame, &display);

    /* NULL: the application prefers the container's. */
    if (ret < 0 || !display)
        return ret;
    for (int i = 0; i < 4; i++) {
        AVRational *point = i < 3 ? display->display_primaries[green_blue_red[i]]
                                  : display->white_point;

        known &= read_coordinate(&point[0], payload + 4 * i,     37000);
        known &= read_coordinate(&point[1], payload + 4 * i + 2, 42000);
    }
    display->has_primaries = known;
    display->max_luminance = av_make_q(FFMIN(max_luminance, INT_MAX), 10000);
    display->min_luminance = av_make_q(FFMIN(min_luminance, INT_MAX), 10000);
    /* The lowest may be 0, as it is of films that are sold. */
    display->has_luminance = max_luminance >= 50000 && max_luminance <= 100000000 &&
                             min_luminance <= 50000;
    return 0;
}

static int add_content_light(AVCodecContext *avctx, AVFrame *frame, const uint8_t *payload)
{
    AVContentLightMetadata *light;
    int ret = ff_decode_content_light_new(avctx, frame, &light);

    if (ret < 0 || !light)
        return ret;
    light->MaxCLL  = AV_RB16(payload);
    light->MaxFALL = AV_RB16(payload + 2);
    return 0;
}

static int add_captions(AVFrame *frame, const vtremote_side_data *sd)
{
    AVFrameSideData *captions;

    av_frame_remove_side_data(frame, AV_FRAME_DATA_A53_CC);
    captions = av_frame_new_side_data(frame, AV_FRAME_DATA_A53_CC, sd->data_size);
    if (!captions)
        return AVERROR(ENOMEM);
    memcpy(captions->data, sd->data, sd->data_size);
    return 0;
}

/** What the picture itself has. */
static int set_picture_props(AVCodecContext *avctx, AVFrame *frame, const vtremote_picture *picture)
{
#ifdef AV_FRAME_FLAG_INTERLACED
    if (picture->fields)
        frame->flags |= AV_FRAME_FLAG_INTERLACED;
    if (picture->fields == 1)
        frame->flags |= AV_FRAME_FLAG_TOP_FIELD_FIRST;
#else
    frame->interlaced_frame = picture->fields != 0;
    frame->top_field_first  = picture->fields == 1;
#endif

    for (size_t i = 0; i < picture->side_data_count; i++) {
        const vtremote_side_data *sd = &picture->side_data[i];
        int ret = 0;

        /* Filters read most kinds as structures without looking at the size: from a peer only these are
         * let through, captions as they are and the others as structures of our own making. */
        if (sd->type == AV_FRAME_DATA_A53_CC && sd->data_size)
            ret = add_captions(frame, sd);
        else if (sd->type == AV_FRAME_DATA_MASTERING_DISPLAY_METADATA &&
                 sd->data_size == VTREMOTE_MASTERING_DISPLAY_SIZE)
            ret = add_mastering_display(avctx, frame, sd->data);
        else if (sd->type == AV_FRAME_DATA_CONTENT_LIGHT_LEVEL &&
                 sd->data_size == VTREMOTE_CONTENT_LIGHT_SIZE)
            ret = add_content_light(avctx, frame, sd->data);
        else
            av_log(avctx, AV_LOG_DEBUG, "Side data of a picture is left out: type %u with %zu bytes.\n",
                   sd->type, sd->data_size);
        if (ret < 0)
            return ret;
    }
    return 0;
}

static int output_picture(AVCodecContext *avctx, AVFrame *frame, AVBufferRef *owner)
{
    const vtremote_picture *picture = (const vtremote_picture *)owner->data;
    PacketProps *props = take_props(avctx->priv_data, picture->pts);
    int ret;

    if ((ret = update_context(avctx, picture)) < 0 ||
        (ret = wrap_planes(frame, owner)) < 0)
        goto end;
    frame->width  = picture->width;
    frame->height = picture->height;
    frame->format = avctx->pix_fmt;
#if LIBAVCODEC_VERSION_MAJOR >= 60
    frame->duration = picture->duration;
#endif
    if ((ret = ff_decode_frame_props(avctx, frame)) < 0 ||
        props && (ret = set_packet_props(avctx, frame, props)) < 0 ||
        (ret = set_picture_props(avctx, frame, picture)) < 0)
        goto end;
end:
    if (ret < 0)
        av_frame_unref(frame);
    free_props(props);
    return ret;
}

/** EAGAIN: no picture to show within timeout_ms, or there is room again for the packet that was refused. */
static int receive_picture(AVCodecContext *avctx, AVFrame *frame, int timeout_ms)
{
    VTRemoteDecContext *ctx = avctx->priv_data;
    vtremote_picture picture = { .size = sizeof(picture) }, *kept;
    vtremote_status status = vtremote_decoder_receive_picture(ctx->decoder, &picture, timeout_ms);
    AVBufferRef *owner = NULL;
    int ret;

    if (status == VTREMOTE_AGAIN)
        return AVERROR(EAGAIN);
    /* An end that nobody asked for is not success. */
    if (status == VTREMOTE_EOF && ctx->flushed)
        return AVERROR_EOF;
    if (status != VTREMOTE_OK)
        return check(avctx, status);

    kept = av_memdup(&picture, sizeof(picture));
    if (kept)
        owner = av_buffer_create((uint8_t *)kept, sizeof(*kept), free_picture, NULL, 0);
    if (!owner) {
        av_free(kept);
        vtremote_picture_unref(&picture);
        return AVERROR(ENOMEM);
    }
    ret = output_picture(avctx, frame, owner);
    ctx->nb_pictures += ret >= 0;
    av_buffer_unref(&owner);
#if LIBAVCODEC_VERSION_MAJOR < 60
    /* Later versions do this for every decoder. */
    if (ret >= 0 && frame->flags & AV_FRAME_FLAG_DISCARD) {
        av_frame_unref(frame);
        return AVERROR(EAGAIN);
    }
#endif
    return ret;
}

/** ff_decode_get_packet() to ctx->packet. */
static int get_packet(AVCodecContext *avctx)
{
    VTRemoteDecContext *ctx = avctx->priv_data;
    int ret;

    av_packet_unref(ctx->packet);
    ret = ff_decode_get_packet(avctx, ctx->packet);
    ctx->nb_packets += ret >= 0;
    return ret;
}

/**
 * After a failure. ffmpeg goes on after any error of a decoder, and so might end with success and half a
 * film. It does end with an error when a decoder neither gives a picture nor takes a packet, and, but
 * for 7.1, when more than two thirds of what it got were errors. So packets are refused for a while, and
 * the end is told after as many errors as that takes. Until then the error and EAGAIN come in turn: who
 * waits for either gets it.
 */
static int receive_nothing(AVCodecContext *avctx)
{
    VTRemoteDecContext *ctx = avctx->priv_data;
    int ret;

    do {
        av_packet_unref(avctx->internal->buffer_pkt);
        ret = get_packet(avctx);
    } while (ret >= 0);

    if (ret == AVERROR_EOF) {
        const int64_t nb_errors = END_ERRORS_PER_PACKET * ctx->nb_packets;

        return ctx->nb_end_errors++ < nb_errors ? ctx->failed : AVERROR_EOF;
    }
    if (ret != AVERROR(EAGAIN))
        return ret;
    if (ctx->nb_refusals < MAX_REFUSALS) {
        ctx->nb_refusals++;
        if ((ret = refuse_packets(avctx)) < 0)
            return ret;
    }
    ctx->told = !ctx->told;
    return ctx->told ? ctx->failed : AVERROR(EAGAIN);
}

static int vtremote_decode_receive_frame(AVCodecContext *avctx, AVFrame *frame)
{
    VTRemoteDecContext *ctx = avctx->priv_data;
    vtremote_status status = VTREMOTE_OK;
    int ret;

    if (ctx->failed)
        return receive_nothing(avctx);

    for (;;) {
        if (!ctx->packet->size && !ctx->flushed) {
            ret = get_packet(avctx);
            if (ret == AVERROR(EAGAIN))
                return receive_picture(avctx, frame, 0);
            if (ret < 0 && ret != AVERROR_EOF)
                return ret;
            ctx->flushed = ret == AVERROR_EOF;
            if (ctx->flushed)
                status = vtremote_decoder_send_packet(ctx->decoder, NULL);
            if (status < 0)
                return check(avctx, status);
        }
        if (ctx->packet->size && (ret = send_packet(avctx)) < 0)
            return ret;

        /* No room, or no more packets: only the server can move us on. */
        if (ctx->packet->size || ctx->flushed) {
            ret = receive_picture(avctx, frame, -1);
            if (ret != AVERROR(EAGAIN))
                return ret;
        }
    }
}

static void vtremote_decode_flush(AVCodecContext *avctx)
{
    VTRemoteDecContext *ctx = avctx->priv_data;

    av_packet_unref(ctx->packet);
    while (ctx->props)
        free_props(unlink_props(ctx, &ctx->props));
    ctx->flushed       = 0;
    ctx->failed        = 0;
    ctx->nb_refusals   = 0;
    ctx->nb_end_errors = 0;
    check(avctx, vtremote_decoder_reset(ctx->decoder));
    ctx->told = 0;
}

static av_cold int vtremote_decode_close(AVCodecContext *avctx)
{
    VTRemoteDecContext *ctx = avctx->priv_data;
    vtremote_info info = { .size = sizeof(info) };

    if (ctx->decoder && vtremote_decoder_info(ctx->decoder, &info) == VTREMOTE_OK)
        av_log(avctx, AV_LOG_VERBOSE, "%s: %"PRIu64" packets went out, %"PRIu64" bytes in all; "
               "%"PRIu64" pictures of %"PRIu64" bytes came back as %"PRIu64" (%s).\n",
               info.server, info.units_sent, info.bytes_sent, info.units_received, info.raw_bytes,
               info.bytes_received, info.wire_compression);

    /* Joins the session's threads. Pictures that someone still has stay as they are. */
    vtremote_decoder_close(ctx->decoder);
    ctx->decoder = NULL;

    av_packet_free(&ctx->packet);
    while (ctx->props)
        free_props(unlink_props(ctx, &ctx->props));
    return 0;
}

#define VD AV_OPT_FLAG_VIDEO_PARAM | AV_OPT_FLAG_DECODING_PARAM

static const AVOption options[] = {
    VTREMOTE_LINK_OPTIONS(VD),
    { NULL }
};

#define VTREMOTE_DECODER(lower, upper, description) \
static const AVClass lower##_videotoolbox_remote_class = { \
    .class_name = #lower "_videotoolbox_remote", \
    .item_name  = av_default_item_name, \
    .option     = options, \
    .version    = LIBAVUTIL_VERSION_INT, \
}; \
\
const FFCodec ff_##lower##_videotoolbox_remote_decoder = { \
    .p.name         = #lower "_videotoolbox_remote", \
    CODEC_LONG_NAME(description), \
    .p.type         = AVMEDIA_TYPE_VIDEO, \
    .p.id           = AV_CODEC_ID_##upper, \
    .p.capabilities = AV_CODEC_CAP_DELAY | AV_CODEC_CAP_AVOID_PROBING | AV_CODEC_CAP_HARDWARE, \
    .p.priv_class   = &lower##_videotoolbox_remote_class, \
    .p.wrapper_name = "vtremote", \
    .caps_internal  = FF_CODEC_CAP_INIT_CLEANUP | FF_CODEC_CAP_SETS_FRAME_PROPS | \
                      VTREMOTE_CAP_INIT_UNLOCKED, \
    .priv_data_size = sizeof(VTRemoteDecContext), \
    .init           = vtremote_decode_init, \
    FF_CODEC_RECEIVE_FRAME_CB(vtremote_decode_receive_frame), \
    .flush          = vtremote_decode_flush, \
    .close          = vtremote_decode_close, \
};

VTREMOTE_DECODER(h264, H264, "H.264 decoder on another machine's VideoToolbox (vtremote)")
VTREMOTE_DECODER(hevc, HEVC, "H.265 decoder on another machine's VideoToolbox (vtremote)")
