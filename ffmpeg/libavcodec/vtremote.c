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

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "libavutil/common.h"
#include "libavutil/error.h"
#include "libavutil/intreadwrite.h"
#include "libavutil/macros.h"
#include "libavutil/mastering_display_metadata.h"
#include "libavutil/rational.h"
#include "avcodec.h"
#include "version.h"
#include "vtremote.h"

static const char *const compressions[] = { "auto", "none", "lz4", "zstd", "vtz", "vtz-fast" };
static const char *const log_levels[]   = { "error", "warn", "info", "debug", "trace" };

static int averror(vtremote_status status)
{
    switch (status) {
    case VTREMOTE_ERROR_INVALID:  return AVERROR(EINVAL);
    case VTREMOTE_ERROR_OPTION:   return AVERROR(EINVAL);
    case VTREMOTE_ERROR_NETWORK:  return AVERROR(EIO);
    case VTREMOTE_ERROR_TIMEOUT:  return AVERROR(ETIMEDOUT);
    case VTREMOTE_ERROR_AUTH:     return AVERROR(EACCES);
    case VTREMOTE_ERROR_BUSY:     return AVERROR(EBUSY);
    case VTREMOTE_ERROR_REFUSED:  return AVERROR(ENOSYS);
    case VTREMOTE_ERROR_PROTOCOL: return AVERROR_INVALIDDATA;
    case VTREMOTE_ERROR_MEMORY:   return AVERROR(ENOMEM);
    default:                      return AVERROR_EXTERNAL;
    }
}

int ff_vtremote_check(AVCodecContext *avctx, vtremote_status status, const char *error)
{
    if (status == VTREMOTE_OK)
        return 0;
    if (!error || !*error)
        error = status == VTREMOTE_EOF ? "The session ended before the stream did."
                                       : vtremote_status_string(status);
    av_log(avctx, AV_LOG_ERROR, "%s\n", error);
    return averror(status);
}

void ff_vtremote_log(void *opaque, int32_t level, const char *message)
{
    static const int av_levels[] = {
        AV_LOG_ERROR, AV_LOG_WARNING, AV_LOG_INFO, AV_LOG_DEBUG, AV_LOG_TRACE
    };

    av_log(opaque, av_levels[av_clip(level, 0, FF_ARRAY_ELEMS(av_levels) - 1)], "%s\n", message);
}

int ff_vtremote_set(AVCodecContext *avctx, vtremote_options *options,
                    const char *key, const char *value)
{
    vtremote_status status = vtremote_options_set(options, key, value);

    return ff_vtremote_check(avctx, status, vtremote_options_error(options));
}

int ff_vtremote_set_int(AVCodecContext *avctx, vtremote_options *options,
                        const char *key, int64_t value)
{
    char text[24];

    snprintf(text, sizeof(text), "%"PRId64, value);
    return ff_vtremote_set(avctx, options, key, text);
}

int ff_vtremote_options(AVCodecContext *avctx, vtremote_options **options)
{
    const VTRemoteLink *link = avctx->priv_data;
    vtremote_options *opts = vtremote_options_new();
    int ret;

    if (!opts)
        return AVERROR(ENOMEM);

    /* Where host or token is not given the library looks at the environment. */
    if ((ret = ff_vtremote_set(avctx, opts, "codec", avcodec_get_name(avctx->codec_id))) < 0 ||
        (ret = ff_vtremote_set(avctx, opts, "client_name", "libavcodec")) < 0 ||
        (ret = ff_vtremote_set(avctx, opts, "client_build", AV_STRINGIFY(LIBAVCODEC_VERSION))) < 0 ||
        link->host &&
        (ret = ff_vtremote_set(avctx, opts, "host", link->host)) < 0 ||
        link->token &&
        (ret = ff_vtremote_set(avctx, opts, "token", link->token)) < 0 ||
        (ret = ff_vtremote_set_int(avctx, opts, "timeout_ms", link->timeout_ms)) < 0 ||
        (ret = ff_vtremote_set_int(avctx, opts, "inflight", link->inflight)) < 0 ||
        (ret = ff_vtremote_set(avctx, opts, "wire_compression",
                               compressions[link->wire_compression + 1])) < 0 ||
        (ret = ff_vtremote_set(avctx, opts, "log_level", log_levels[link->log_level])) < 0) {
        vtremote_options_free(opts);
        return ret;
    }

    *options = opts;
    return 0;
}

/** How many times q has 1/unit, at most max. */
static unsigned units(AVRational q, int unit, unsigned max)
{
    if (q.num <= 0 || q.den <= 0)
        return 0;
    return FFMIN(((int64_t)q.num * unit + q.den / 2) / q.den, max);
}

int ff_vtremote_mastering_display(const AVFrameSideData *sd,
                                  uint8_t payload[VTREMOTE_MASTERING_DISPLAY_SIZE])
{
    /* The message has them in this order, the structure red first. */
    static const int green_blue_red[] = { 1, 2, 0 };
    const AVMasteringDisplayMetadata *display = (const AVMasteringDisplayMetadata *)sd->data;

    if (!display->has_primaries && !display->has_luminance)
        return AVERROR(ENODATA);

    memset(payload, 0, VTREMOTE_MASTERING_DISPLAY_SIZE);
    if (display->has_primaries) {
        for (int i = 0; i < 3; i++)
            for (int j = 0; j < 2; j++)
                AV_WB16(payload + 4 * i + 2 * j,
                        units(display->display_primaries[green_blue_red[i]][j], 50000, UINT16_MAX));
        for (int j = 0; j < 2; j++)
            AV_WB16(payload + 12 + 2 * j, units(display->white_point[j], 50000, UINT16_MAX));
    }
    if (display->has_luminance) {
        AV_WB32(payload + 16, units(display->max_luminance, 10000, UINT32_MAX));
        AV_WB32(payload + 20, units(display->min_luminance, 10000, UINT32_MAX));
    }
    return 0;
}

void ff_vtremote_content_light(const AVFrameSideData *sd,
                               uint8_t payload[VTREMOTE_CONTENT_LIGHT_SIZE])
{
    const AVContentLightMetadata *light = (const AVContentLightMetadata *)sd->data;

    AV_WB16(payload,     FFMIN(light->MaxCLL,  UINT16_MAX));
    AV_WB16(payload + 2, FFMIN(light->MaxFALL, UINT16_MAX));
}
