/*
 * What the remote VideoToolbox codecs have in common
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

#ifndef AVCODEC_VTREMOTE_H
#define AVCODEC_VTREMOTE_H

#include <stddef.h>
#include <stdint.h>
#include <vtremote/vtremote.h>

#include "libavutil/frame.h"
#include "libavutil/internal.h"
#include "libavutil/log.h"
#include "libavutil/opt.h"
#include "libavutil/version.h"
#include "avcodec.h"
#include "codec_internal.h"

/* Names that one of FFmpeg 5.1, 7.1, 8.1 and 9.0 does not have yet, or no longer. */
#ifndef AV_PROFILE_UNKNOWN
#define AV_PROFILE_UNKNOWN                   FF_PROFILE_UNKNOWN
#define AV_PROFILE_H264_CONSTRAINED          FF_PROFILE_H264_CONSTRAINED
#define AV_PROFILE_H264_BASELINE             FF_PROFILE_H264_BASELINE
#define AV_PROFILE_H264_CONSTRAINED_BASELINE FF_PROFILE_H264_CONSTRAINED_BASELINE
#define AV_PROFILE_H264_MAIN                 FF_PROFILE_H264_MAIN
#define AV_PROFILE_H264_EXTENDED             FF_PROFILE_H264_EXTENDED
#define AV_PROFILE_H264_HIGH                 FF_PROFILE_H264_HIGH
#define AV_PROFILE_HEVC_MAIN                 FF_PROFILE_HEVC_MAIN
#define AV_PROFILE_HEVC_MAIN_10              FF_PROFILE_HEVC_MAIN_10
#define AV_PROFILE_HEVC_REXT                 FF_PROFILE_HEVC_REXT
#endif

#ifndef CODEC_LONG_NAME
#define CODEC_LONG_NAME(str) .p.long_name = NULL_IF_CONFIG_SMALL(str)
#endif

#ifndef CODEC_PIXFMTS_ARRAY
#define CODEC_PIXFMTS_ARRAY(array) .p.pix_fmts = (array)
#endif

/* AV_PIX_FMT_AYUV is there. */
#define VTREMOTE_HAVE_AYUV (LIBAVUTIL_VERSION_INT >= AV_VERSION_INT(59, 42, 100))

/* init connects, which may take seconds: it must never run under libavcodec's global lock. 5.1
 * takes that lock unless told otherwise, later versions only when asked to. */
#ifdef FF_CODEC_CAP_INIT_THREADSAFE
#define VTREMOTE_CAP_INIT_UNLOCKED FF_CODEC_CAP_INIT_THREADSAFE
#else
#define VTREMOTE_CAP_INIT_UNLOCKED 0
#endif

/** How to reach the server. The first member of every remote codec's private context. */
typedef struct VTRemoteLink {
    const AVClass *class;
    char *host;
    char *token;
    int timeout_ms;
    int inflight;
    int wire_compression;
    int log_level;
} VTRemoteLink;

#define VTREMOTE_LINK(field) offsetof(VTRemoteLink, field)

/** The AVOption rows of VTRemoteLink; `flags` are those of the codec's other options. */
#define VTREMOTE_LINK_OPTIONS(flags) \
    { "vt_remote_host", "Server, host[:port], IPv6 in brackets (default port 5555; else VTREMOTE_HOST)", \
        VTREMOTE_LINK(host), AV_OPT_TYPE_STRING, { .str = NULL }, 0, 0, flags }, \
    { "vt_remote_token", "Token that the server asks for (else VTREMOTE_TOKEN, VTREMOTE_TOKEN_FILE)", \
        VTREMOTE_LINK(token), AV_OPT_TYPE_STRING, { .str = NULL }, 0, 0, flags }, \
    { "vt_remote_timeout_ms", "Limit for connecting, then for silence on the link, in milliseconds", \
        VTREMOTE_LINK(timeout_ms), AV_OPT_TYPE_INT, { .i64 = 5000 }, 100, 60000, flags }, \
    { "vt_remote_inflight", "Frames, or packets to decode, on their way at a time (0: as few as give the full speed)", \
        VTREMOTE_LINK(inflight), AV_OPT_TYPE_INT, { .i64 = 16 }, 0, 128, flags }, \
    { "vt_remote_wire_compression", "Compression of frames on the network", \
        VTREMOTE_LINK(wire_compression), AV_OPT_TYPE_INT, { .i64 = -1 }, -1, 4, flags, .unit = "vt_remote_wire_compression" }, \
        { "auto", "Chosen for the link", 0, AV_OPT_TYPE_CONST, { .i64 = -1 }, 0, 0, flags, .unit = "vt_remote_wire_compression" }, \
        { "none", "Raw frames",          0, AV_OPT_TYPE_CONST, { .i64 =  0 }, 0, 0, flags, .unit = "vt_remote_wire_compression" }, \
        { "lz4",  "LZ4",                 0, AV_OPT_TYPE_CONST, { .i64 =  1 }, 0, 0, flags, .unit = "vt_remote_wire_compression" }, \
        { "zstd", "Zstandard",           0, AV_OPT_TYPE_CONST, { .i64 =  2 }, 0, 0, flags, .unit = "vt_remote_wire_compression" }, \
        { "vtz",  "Predicted, in Huffman codes: small", 0, AV_OPT_TYPE_CONST, { .i64 = 3 }, 0, 0, flags, .unit = "vt_remote_wire_compression" }, \
        { "vtz-fast", "Predicted, in bit planes: fast", 0, AV_OPT_TYPE_CONST, { .i64 = 4 }, 0, 0, flags, .unit = "vt_remote_wire_compression" }, \
    { "vt_remote_log_level", "What the session reports, within FFmpeg's own log level", \
        VTREMOTE_LINK(log_level), AV_OPT_TYPE_INT, { .i64 = 2 }, 0, 4, flags, .unit = "vt_remote_log_level" }, \
        { "error", NULL, 0, AV_OPT_TYPE_CONST, { .i64 = 0 }, 0, 0, flags, .unit = "vt_remote_log_level" }, \
        { "warn",  NULL, 0, AV_OPT_TYPE_CONST, { .i64 = 1 }, 0, 0, flags, .unit = "vt_remote_log_level" }, \
        { "info",  NULL, 0, AV_OPT_TYPE_CONST, { .i64 = 2 }, 0, 0, flags, .unit = "vt_remote_log_level" }, \
        { "debug", NULL, 0, AV_OPT_TYPE_CONST, { .i64 = 3 }, 0, 0, flags, .unit = "vt_remote_log_level" }, \
        { "trace", NULL, 0, AV_OPT_TYPE_CONST, { .i64 = 4 }, 0, 0, flags, .unit = "vt_remote_log_level" }

/**
 * Options of a new session: codec, client and everything in VTRemoteLink.
 *
 * @param options set on success, to be freed with vtremote_options_free()
 */
int ff_vtremote_options(AVCodecContext *avctx, vtremote_options **options);

/** Set one option; what is wrong with it is logged. */
int ff_vtremote_set(AVCodecContext *avctx, vtremote_options *options,
                    const char *key, const char *value);

int ff_vtremote_set_int(AVCodecContext *avctx, vtremote_options *options,
                        const char *key, int64_t value);

/** 0, or the AVERROR code of any other status, whose line (or one of ours for "") is logged. */
int ff_vtremote_check(AVCodecContext *avctx, vtremote_status status, const char *error);

/** vtremote_log_fn; opaque is an AVCodecContext that outlives the session. */
void ff_vtremote_log(void *opaque, int32_t level, const char *message);

/** Bytes of the metadata of HDR: the payloads of the SEI messages (H.265 D.2.28, D.2.35). */
#define VTREMOTE_MASTERING_DISPLAY_SIZE 24
#define VTREMOTE_CONTENT_LIGHT_SIZE      4

/**
 * The payload of side data of type AV_FRAME_DATA_MASTERING_DISPLAY_METADATA.
 *
 * @return 0, or ENODATA if it says nothing
 */
int ff_vtremote_mastering_display(const AVFrameSideData *sd,
                                  uint8_t payload[VTREMOTE_MASTERING_DISPLAY_SIZE]);

/** The payload of side data of type AV_FRAME_DATA_CONTENT_LIGHT_LEVEL. */
void ff_vtremote_content_light(const AVFrameSideData *sd,
                               uint8_t payload[VTREMOTE_CONTENT_LIGHT_SIZE]);

#endif /* AVCODEC_VTREMOTE_H */
