/* Runs the whole interface against a server, misuse included.
 *
 * usage: abi SCENARIO HOST:PORT
 * Scenarios: session, early-close, failure, refused, decode, decode-failure. Each opens one session. */
#include <vtremote/vtremote.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                                     \
    do {                                                                                     \
        if (!(condition)) {                                                                  \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                  \
            exit(1);                                                                         \
        }                                                                                    \
    } while (0)

enum { WIDTH = 162, HEIGHT = 92, FRAMES = 40 };

static atomic_int lines, closed;

static void on_log(void *opaque, int32_t level, const char *message)
{
    CHECK(opaque == &lines && level >= 0 && level <= 4 && message && *message);
    CHECK(!closed);
    atomic_fetch_add(&lines, 1);
}

/* A picture of the caller's, with memory that is gone as soon as it is released. */
struct picture {
    uint8_t *planes[3];
    atomic_int released;
};

static struct picture pictures[FRAMES + 1];

static void on_release(void *opaque)
{
    struct picture *picture = opaque;
    CHECK(!closed);
    CHECK(atomic_fetch_add(&picture->released, 1) == 0);
    for (int i = 0; i < 3; i++) {
        free(picture->planes[i]);
        picture->planes[i] = NULL;
    }
}

static vtremote_frame make_frame(int number)
{
    struct picture *picture = &pictures[number];
    vtremote_frame frame = { .size = sizeof(frame), .pts = number - 3, .duration = 1 };
    for (int i = 0; i < 3; i++) {
        int row = i ? (WIDTH + 1) / 2 : WIDTH, rows = i ? (HEIGHT + 1) / 2 : HEIGHT;
        int stride = row + 5;
        /* The last row without its padding: reading it is an error that the sanitizer sees. */
        size_t size = (size_t)stride * (rows - 1) + row;
        picture->planes[i] = malloc(size);
        CHECK(picture->planes[i]);
        memset(picture->planes[i], number * 3 + i, size);
        frame.data[i] = picture->planes[i];
        frame.linesize[i] = stride;
    }
    frame.release = on_release;
    frame.opaque = picture;
    return frame;
}

static void drop_frame(int number)
{
    CHECK(pictures[number].released == 0);
    for (int i = 0; i < 3; i++)
        free(pictures[number].planes[i]);
}

static vtremote_options *make_options(const char *host)
{
    vtremote_options *options = vtremote_options_new();
    CHECK(options);
    CHECK(strcmp(vtremote_options_error(options), "") == 0);
    CHECK(vtremote_options_set(options, "codec", "h264") == VTREMOTE_OK);
    CHECK(vtremote_options_set(options, "host", host) == VTREMOTE_OK);
    CHECK(vtremote_options_set(options, "log_level", "trace") == VTREMOTE_OK);
    CHECK(vtremote_options_set(options, "wire_compression", "zstd") == VTREMOTE_OK);
    CHECK(vtremote_options_set(options, "inflight", "4") == VTREMOTE_OK);
    return options;
}

static vtremote_video make_video(void)
{
    return (vtremote_video){ sizeof(vtremote_video), WIDTH, HEIGHT, VTREMOTE_PIX_YUV420P, 1, 25, 25, 1 };
}

static vtremote_encoder *open_encoder(const char *host)
{
    vtremote_options *options = make_options(host);
    vtremote_video video = make_video();
    vtremote_encoder *encoder = NULL;
    char error[256];
    CHECK(vtremote_options_set(options, "gop", "20") == VTREMOTE_OK);
    vtremote_status status =
        vtremote_encoder_open(options, &video, on_log, &lines, &encoder, error, sizeof(error));
    if (status != VTREMOTE_OK)
        fprintf(stderr, "%s\n", error);
    CHECK(status == VTREMOTE_OK && encoder && strcmp(error, "") == 0);
    vtremote_options_free(options);
    return encoder;
}

static void close_encoder(vtremote_encoder *encoder)
{
    vtremote_encoder_close(encoder);
    closed = 1;
}

static void misuse_without_session(void)
{
    CHECK(vtremote_version() == (VTREMOTE_VERSION_MAJOR << 16 | VTREMOTE_VERSION_MINOR << 8 |
                                 VTREMOTE_VERSION_PATCH));
    CHECK(strlen(vtremote_version_string()) >= 5);
    for (int status = -40; status < 40; status++)
        CHECK(*vtremote_status_string(status));

    vtremote_options *options = vtremote_options_new();
    CHECK(vtremote_options_set(NULL, "codec", "h264") == VTREMOTE_ERROR_INVALID);
    CHECK(vtremote_options_set(options, NULL, "h264") == VTREMOTE_ERROR_INVALID);
    CHECK(vtremote_options_set(options, "codec", NULL) == VTREMOTE_ERROR_INVALID);
    CHECK(vtremote_options_set(options, "codec", "\xff") == VTREMOTE_ERROR_INVALID);
    CHECK(vtremote_options_set(options, "no_such", "1") == VTREMOTE_ERROR_OPTION);
    CHECK(strstr(vtremote_options_error(options), "no_such"));
    CHECK(vtremote_options_set(options, "bitrate", "much") == VTREMOTE_ERROR_OPTION);
    CHECK(strstr(vtremote_options_error(options), "bitrate"));
    CHECK(strcmp(vtremote_options_error(NULL), "") == 0);

    vtremote_video video = make_video(), old = make_video();
    old.size -= 4;
    vtremote_encoder *encoder = (vtremote_encoder *)&video;
    char error[256];
    CHECK(vtremote_encoder_open(NULL, &video, NULL, NULL, &encoder, error, sizeof(error)) ==
          VTREMOTE_ERROR_INVALID);
    CHECK(encoder == NULL && *error);
    CHECK(vtremote_encoder_open(options, NULL, NULL, NULL, &encoder, NULL, 99) ==
          VTREMOTE_ERROR_INVALID);
    CHECK(vtremote_encoder_open(options, &old, NULL, NULL, &encoder, error, 0) ==
          VTREMOTE_ERROR_INVALID);
    CHECK(vtremote_encoder_open(options, &video, NULL, NULL, NULL, error, sizeof(error)) ==
          VTREMOTE_ERROR_INVALID);
    /* No codec, then no host that can be: an error that is cut to its room, with a NUL. */
    memset(error, 'x', sizeof(error));
    CHECK(vtremote_options_set(options, "host", "a b") == VTREMOTE_OK);
    CHECK(vtremote_encoder_open(options, &video, NULL, NULL, &encoder, error, 8) ==
          VTREMOTE_ERROR_OPTION);
    CHECK(strlen(error) == 7 && error[8] == 'x');
    video.pix_fmt = 99;
    CHECK(vtremote_encoder_open(options, &video, NULL, NULL, &encoder, error, sizeof(error)) ==
          VTREMOTE_ERROR_INVALID);
    CHECK(strstr(error, "99"));
    vtremote_options_free(options);
    vtremote_options_free(NULL);

    size_t size = 1;
    vtremote_packet packet = { .size = sizeof(packet) };
    vtremote_info info = { .size = sizeof(info) };
    CHECK(vtremote_encoder_extradata(NULL, &size) == NULL && size == 0);
    CHECK(vtremote_encoder_extradata(NULL, NULL) == NULL);
    CHECK(vtremote_encoder_send_frame(NULL, NULL) == VTREMOTE_ERROR_INVALID);
    CHECK(vtremote_encoder_receive_packet(NULL, &packet, 0) == VTREMOTE_ERROR_INVALID);
    CHECK(vtremote_encoder_info(NULL, &info) == VTREMOTE_ERROR_INVALID);
    CHECK(strcmp(vtremote_encoder_error(NULL), "") == 0);
    vtremote_packet_unref(&packet);
    vtremote_packet_unref(NULL);
    vtremote_encoder_close(NULL);

    vtremote_access_unit unit = { .size = sizeof(unit) };
    vtremote_picture picture = { .size = sizeof(picture) };
    CHECK(vtremote_decoder_send_packet(NULL, NULL) == VTREMOTE_ERROR_INVALID);
    CHECK(vtremote_decoder_send_packet(NULL, &unit) == VTREMOTE_ERROR_INVALID);
    CHECK(vtremote_decoder_receive_picture(NULL, &picture, 0) == VTREMOTE_ERROR_INVALID);
    CHECK(vtremote_decoder_reset(NULL) == VTREMOTE_ERROR_INVALID);
    CHECK(vtremote_decoder_info(NULL, &info) == VTREMOTE_ERROR_INVALID);
    CHECK(strcmp(vtremote_decoder_error(NULL), "") == 0);
    vtremote_picture_unref(&picture);
    vtremote_picture_unref(NULL);
    vtremote_decoder_close(NULL);
}

/* Parameter sets of H.264 for WIDTH x HEIGHT. */
static const uint8_t sets[] = {
    0, 0, 0, 1, 0x67, 0x42, 0, 0x1e, 0xda, 0x0b, 0x37, 0x88, 0xb4, 0, 0, 0, 1, 0x68, 0xce, 0x38, 0x80,
};

static vtremote_stream make_stream(void)
{
    return (vtremote_stream){ sizeof(vtremote_stream), WIDTH, HEIGHT, 1, 25, 25, 1, sets, sizeof(sets) };
}

static void decoders_that_do_not_open(const char *host)
{
    vtremote_options *options = make_options(host);
    vtremote_stream stream = make_stream();
    vtremote_decoder *decoder = NULL;
    char error[256];
#define CLOSED(word)                                                                         \
    do {                                                                                     \
        decoder = (vtremote_decoder *)&stream;                                               \
        CHECK(vtremote_decoder_open(options, &stream, NULL, NULL, &decoder, error,           \
                                    sizeof(error)) == VTREMOTE_ERROR_INVALID);               \
        CHECK(!decoder && strstr(error, word));                                              \
        stream = make_stream();                                                              \
    } while (0)
    stream.size = 8;
    CLOSED("size");
    stream.time_base_den = 0;
    CLOSED("time base");
    stream.frame_rate_num = -1;
    CLOSED("frame rate");
    stream.extradata = NULL;
    CLOSED("extradata");
    stream.extradata_size = SIZE_MAX;
    CLOSED("extradata");
    CHECK(vtremote_decoder_open(NULL, &stream, NULL, NULL, &decoder, NULL, 0) ==
          VTREMOTE_ERROR_INVALID);
    CHECK(vtremote_decoder_open(options, NULL, NULL, NULL, &decoder, NULL, 0) ==
          VTREMOTE_ERROR_INVALID);
    CHECK(vtremote_decoder_open(options, &stream, NULL, NULL, NULL, error, sizeof(error)) ==
          VTREMOTE_ERROR_INVALID);
    CHECK(vtremote_options_set(options, "gop", "20") == VTREMOTE_OK);
    CHECK(vtremote_decoder_open(options, &stream, NULL, NULL, &decoder, error, sizeof(error)) ==
          VTREMOTE_ERROR_OPTION);
    CHECK(strstr(error, "gop"));
    vtremote_options_free(options);
}

static vtremote_decoder *open_decoder(const char *host)
{
    vtremote_options *options = make_options(host);
    vtremote_stream stream = make_stream();
    vtremote_decoder *decoder = NULL;
    char error[256];
    vtremote_status status =
        vtremote_decoder_open(options, &stream, on_log, &lines, &decoder, error, sizeof(error));
    if (status != VTREMOTE_OK)
        fprintf(stderr, "%s\n", error);
    CHECK(status == VTREMOTE_OK && decoder && strcmp(error, "") == 0);
    vtremote_options_free(options);
    return decoder;
}

static void refused_units(vtremote_decoder *decoder, const vtremote_access_unit *good)
{
    vtremote_access_unit unit;
    vtremote_side_data side_data = { 7, 4, NULL };
#define NOT_TAKEN(change, word)                                                              \
    do {                                                                                     \
        unit = *good;                                                                        \
        change;                                                                              \
        CHECK(vtremote_decoder_send_packet(decoder, &unit) == VTREMOTE_ERROR_INVALID);       \
        CHECK(strstr(vtremote_decoder_error(decoder), word));                                \
    } while (0)
    NOT_TAKEN(unit.size = 8, "size");
    NOT_TAKEN(unit.flags = 6, "flags");
    NOT_TAKEN(unit.data = NULL, "NULL");
    NOT_TAKEN(unit.data_size = 0, "empty");
    NOT_TAKEN(unit.data_size = SIZE_MAX, "too many");
    NOT_TAKEN(unit.side_data_count = 1, "side data");
    NOT_TAKEN((unit.side_data = &side_data, unit.side_data_count = 1), "side data");
}

/* As the scripted server makes them. */
static uint8_t sample(int64_t pts, int plane, int row, int column)
{
    return (uint8_t)((uint64_t)pts * 31 + plane * 77 + row * 3 + column / 5);
}

static void check_picture(const vtremote_picture *picture, int64_t pts)
{
    CHECK(picture->pts == pts && picture->duration == 1 && picture->fields == 0);
    CHECK(picture->width == WIDTH && picture->height == HEIGHT);
    CHECK(picture->pix_fmt == VTREMOTE_PIX_NV12 && picture->internal);
    CHECK(picture->color_primaries == 2 && picture->color_range == 0);
    CHECK(picture->side_data_count == 1 && picture->side_data[0].type == 1);
    CHECK(memcmp(picture->side_data[0].data, "\1\2\3", 3) == 0);
    CHECK(!picture->data[2] && !picture->data[3]);
    for (int plane = 0; plane < 2; plane++) {
        int rows = plane ? HEIGHT / 2 : HEIGHT;
        CHECK((uintptr_t)picture->data[plane] % 64 == 0 && picture->linesize[plane] % 64 == 0);
        for (int row = 0; row < rows; row++)
            for (int column = 0; column < WIDTH; column++)
                CHECK(picture->data[plane][row * picture->linesize[plane] + column] ==
                      sample(pts, plane, row, column));
        /* All that may be read: the sanitizer sees whether it is there. */
        const volatile uint8_t *end = picture->data[plane] + rows * picture->linesize[plane];
        CHECK(end[63] + 1);
    }
}

static vtremote_picture shown[FRAMES];

/* Receives what there is into `shown`, from `count` on; gives how many there are then. */
static int show(vtremote_decoder *decoder, int count, int timeout_ms, vtremote_status *status)
{
    vtremote_picture *next = shown + count;
    while (next->size = sizeof(*next),
           (*status = vtremote_decoder_receive_picture(decoder, next, timeout_ms)) == VTREMOTE_OK) {
        check_picture(next, count + 3);
        /* The first stay until the decoder is closed. */
        if (count >= 3) {
            vtremote_picture_unref(next);
            CHECK(!next->data[0] && !next->internal && next->width == 0);
            vtremote_picture_unref(next);
        }
        next = shown + ++count;
        CHECK(count < FRAMES);
    }
    CHECK(!next->data[0] && !next->internal);
    return count;
}

static void *give_back(void *picture)
{
    vtremote_picture_unref(picture);
    return NULL;
}

static void decode(const char *host)
{
    decoders_that_do_not_open(host);
    vtremote_decoder *decoder = open_decoder(host);
    uint8_t data[] = { 0, 0, 0, 1, 0x65, 0x88, 0x80 };
    vtremote_access_unit unit = { .size = sizeof(unit), .data = data, .data_size = sizeof(data) };
    refused_units(decoder, &unit);

    vtremote_picture small = { .size = 16 };
    CHECK(vtremote_decoder_receive_picture(decoder, &small, 0) == VTREMOTE_ERROR_INVALID);
    CHECK(vtremote_decoder_receive_picture(decoder, NULL, 0) == VTREMOTE_ERROR_INVALID);

    int count = 0;
    vtremote_status status;
    for (int i = 0; i < FRAMES - 1; i++) {
        unit.pts = unit.dts = i + 3;
        unit.duration = 1;
        unit.flags = i ? 0 : VTREMOTE_PACKET_KEY;
        while ((status = vtremote_decoder_send_packet(decoder, &unit)) == VTREMOTE_AGAIN) {
            count = show(decoder, count, -1, &status);
            CHECK(status == VTREMOTE_AGAIN);
        }
        CHECK(status == VTREMOTE_OK);
        count = show(decoder, count, 0, &status);
        CHECK(status == VTREMOTE_AGAIN);
    }
    CHECK(vtremote_decoder_send_packet(decoder, NULL) == VTREMOTE_OK);
    CHECK(vtremote_decoder_send_packet(decoder, NULL) == VTREMOTE_OK);
    CHECK(vtremote_decoder_send_packet(decoder, &unit) == VTREMOTE_ERROR_INVALID);
    count = show(decoder, count, -1, &status);
    CHECK(status == VTREMOTE_EOF && count == FRAMES - 1);

    vtremote_info info = { .size = 1 };
    CHECK(vtremote_decoder_info(decoder, &info) == VTREMOTE_ERROR_INVALID);
    info.size = sizeof(info);
    CHECK(vtremote_decoder_info(decoder, &info) == VTREMOTE_OK);
    CHECK(strcmp(info.server, host) == 0 && strcmp(info.wire_compression, "zstd") == 0);
    CHECK(info.units_sent == FRAMES - 1 && info.units_received == FRAMES - 1);
    CHECK(info.raw_bytes == (uint64_t)(FRAMES - 1) * (WIDTH * HEIGHT + 2 * 81 * 46));

    /* It begins anew with the next packet, at a server that takes no second connection. */
    CHECK(vtremote_decoder_reset(decoder) == VTREMOTE_OK);
    unit.flags = VTREMOTE_PACKET_KEY;
    CHECK(vtremote_decoder_send_packet(decoder, &unit) == VTREMOTE_ERROR_NETWORK);
    CHECK(strstr(vtremote_decoder_error(decoder), host));

    vtremote_decoder_close(decoder);
    closed = 1;
    CHECK(lines > 0);
    for (int i = 0; i < 3; i++) {
        pthread_t other;
        check_picture(&shown[i], i + 3);
        CHECK(pthread_create(&other, NULL, give_back, &shown[i]) == 0);
        pthread_join(other, NULL);
    }
}

/* The server vanishes: what had come is handed over, then there is an error, again and again. */
static void decode_failure(const char *host)
{
    vtremote_decoder *decoder = open_decoder(host);
    uint8_t data[] = { 0, 0, 0, 1, 0x65, 0x88, 0x80 };
    vtremote_access_unit unit = { .size = sizeof(unit), .data = data, .data_size = sizeof(data) };
    vtremote_picture picture = { .size = sizeof(picture) };
    vtremote_status status = VTREMOTE_OK;
    for (int i = 0; status >= 0; i++) {
        unit.pts = unit.dts = i;
        status = vtremote_decoder_send_packet(decoder, &unit);
        if (status >= 0)
            status = vtremote_decoder_receive_picture(decoder, &picture, 10);
        if (status == VTREMOTE_OK)
            vtremote_picture_unref(&picture);
        CHECK(status != VTREMOTE_EOF);
    }
    CHECK(status == VTREMOTE_ERROR_NETWORK);
    CHECK(strstr(vtremote_decoder_error(decoder), host));
    CHECK(vtremote_decoder_send_packet(decoder, &unit) == VTREMOTE_ERROR_NETWORK);
    CHECK(vtremote_decoder_receive_picture(decoder, &picture, -1) == VTREMOTE_ERROR_NETWORK);
    vtremote_decoder_close(decoder);
    closed = 1;
}

static void refused_frames(vtremote_encoder *encoder)
{
    vtremote_frame good = make_frame(FRAMES), frame;
    vtremote_side_data side_data = { 7, 4, NULL };
#define REFUSED(change, word)                                                                \
    do {                                                                                     \
        frame = good;                                                                        \
        change;                                                                              \
        CHECK(vtremote_encoder_send_frame(encoder, &frame) == VTREMOTE_ERROR_INVALID);       \
        CHECK(strstr(vtremote_encoder_error(encoder), word));                                \
    } while (0)
    REFUSED(frame.size = 8, "size");
    REFUSED(frame.pts = VTREMOTE_NO_PTS, "pts");
    REFUSED(frame.flags = 6, "flags");
    REFUSED(frame.data[1] = NULL, "NULL");
    REFUSED(frame.linesize[0] = -200, "negative");
    REFUSED(frame.linesize[2] = 80, "linesize");
    REFUSED(frame.linesize[0] = PTRDIFF_MAX, "linesize");
    REFUSED(frame.side_data_count = 1, "side data");
    REFUSED((frame.side_data = &side_data, frame.side_data_count = 1), "side data");
    REFUSED((frame.side_data = &side_data, frame.side_data_count = SIZE_MAX), "side data");
    drop_frame(FRAMES);
}

/* Receives what there is; gives how many packets, or exits. */
static int receive(vtremote_encoder *encoder, int timeout_ms, vtremote_status *status)
{
    static int64_t last_dts = INT64_MIN;
    vtremote_packet packet = { .size = sizeof(packet) };
    int packets = 0;
    while ((*status = vtremote_encoder_receive_packet(encoder, &packet, timeout_ms)) == VTREMOTE_OK) {
        CHECK(packet.data_size > 5 && memcmp(packet.data, "\0\0\0\1", 4) == 0);
        CHECK(packet.dts > last_dts && packet.dts <= packet.pts && packet.duration == 1);
        CHECK(packets || last_dts != INT64_MIN || (packet.flags & VTREMOTE_PACKET_KEY));
        last_dts = packet.dts;
        vtremote_packet_unref(&packet);
        CHECK(!packet.data && !packet.internal && packet.data_size == 0);
        vtremote_packet_unref(&packet);
        packets++;
    }
    CHECK(!packet.data && !packet.internal);
    return packets;
}

static void *call_from_elsewhere(void *encoder)
{
    /* The other thread is in a call or it is not: either is an answer, never a race. */
    vtremote_info info = { .size = sizeof(info) };
    for (int i = 0; i < 20000; i++) {
        vtremote_status status = vtremote_encoder_info(encoder, &info);
        CHECK(status == VTREMOTE_OK || status == VTREMOTE_ERROR_INVALID);
    }
    return NULL;
}

static void session(const char *host)
{
    vtremote_encoder *encoder = open_encoder(host);
    size_t size;
    const uint8_t *extradata = vtremote_encoder_extradata(encoder, &size);
    CHECK(extradata && size > 8 && memcmp(extradata, "\0\0\0\1", 4) == 0);
    CHECK(strcmp(vtremote_encoder_error(encoder), "") == 0);
    refused_frames(encoder);

    vtremote_packet small = { .size = 16 };
    CHECK(vtremote_encoder_receive_packet(encoder, &small, 0) == VTREMOTE_ERROR_INVALID);
    CHECK(vtremote_encoder_receive_packet(encoder, NULL, 0) == VTREMOTE_ERROR_INVALID);

    pthread_t other;
    CHECK(pthread_create(&other, NULL, call_from_elsewhere, encoder) == 0);
    call_from_elsewhere(encoder);
    pthread_join(other, NULL);

    int packets = 0;
    vtremote_status status;
    for (int i = 0; i < FRAMES; i++) {
        vtremote_frame frame = make_frame(i);
        uint8_t caption[3] = { 1, 2, 3 };
        vtremote_side_data side_data = { 8, sizeof(caption), caption };
        frame.side_data = &side_data;
        frame.side_data_count = 1;
        frame.flags = i == 20 ? VTREMOTE_FRAME_KEY : 0;
        while ((status = vtremote_encoder_send_frame(encoder, &frame)) == VTREMOTE_AGAIN) {
            packets += receive(encoder, -1, &status);
            CHECK(status == VTREMOTE_AGAIN);
        }
        CHECK(status == VTREMOTE_OK);
        packets += receive(encoder, 0, &status);
        CHECK(status == VTREMOTE_AGAIN);
    }
    vtremote_frame twice = make_frame(FRAMES);
    twice.pts = 0;
    CHECK(vtremote_encoder_send_frame(encoder, &twice) == VTREMOTE_ERROR_INVALID);
    CHECK(vtremote_encoder_send_frame(encoder, NULL) == VTREMOTE_OK);
    CHECK(vtremote_encoder_send_frame(encoder, NULL) == VTREMOTE_OK);
    CHECK(vtremote_encoder_send_frame(encoder, &twice) == VTREMOTE_ERROR_INVALID);
    drop_frame(FRAMES);
    packets += receive(encoder, -1, &status);
    CHECK(status == VTREMOTE_EOF);
    receive(encoder, 0, &status);
    CHECK(status == VTREMOTE_EOF);
    CHECK(packets == FRAMES);

    vtremote_info info = { .size = 1 };
    CHECK(vtremote_encoder_info(encoder, &info) == VTREMOTE_ERROR_INVALID);
    CHECK(vtremote_encoder_info(encoder, NULL) == VTREMOTE_ERROR_INVALID);
    info.size = sizeof(info);
    CHECK(vtremote_encoder_info(encoder, &info) == VTREMOTE_OK);
    CHECK(strcmp(info.server, host) == 0 && strcmp(info.wire_compression, "zstd") == 0);
    CHECK(info.units_sent == FRAMES && info.units_received == FRAMES);
    CHECK(info.raw_bytes == (uint64_t)FRAMES * (WIDTH * HEIGHT + 2 * 81 * 46));
    CHECK(info.bytes_sent > 0 && info.bytes_sent < info.raw_bytes && info.bytes_received > 0);

    close_encoder(encoder);
    for (int i = 0; i < FRAMES; i++)
        CHECK(pictures[i].released == 1);
    CHECK(lines > 0);
}

/* Closes amid frames, with a packet in hand, which stays. */
static void early_close(const char *host)
{
    vtremote_encoder *encoder = open_encoder(host);
    int sent = 0;
    vtremote_status status = VTREMOTE_OK;
    vtremote_packet packet = { .size = sizeof(packet) };
    while (packet.data == NULL) {
        vtremote_frame frame = make_frame(sent);
        if ((status = vtremote_encoder_send_frame(encoder, &frame)) == VTREMOTE_OK)
            sent++;
        else
            drop_frame(sent);
        CHECK(status >= 0);
        status = vtremote_encoder_receive_packet(encoder, &packet, 10);
        CHECK(status >= 0);
    }
    close_encoder(encoder);
    for (int i = 0; i < sent; i++)
        CHECK(pictures[i].released == 1);
    CHECK(packet.data_size > 5 && packet.data[3] == 1);
    vtremote_packet_unref(&packet);
}

/* The server vanishes: an error, again and again, and no signal that would end the program. */
static void failure(const char *host)
{
    vtremote_encoder *encoder = open_encoder(host);
    vtremote_status status = VTREMOTE_OK;
    int sent = 0;
    while (sent < FRAMES) {
        vtremote_frame frame = make_frame(sent);
        status = vtremote_encoder_send_frame(encoder, &frame);
        if (status == VTREMOTE_OK)
            sent++;
        else
            drop_frame(sent);
        if (status < 0)
            break;
        receive(encoder, status == VTREMOTE_AGAIN ? -1 : 0, &status);
        if (status < 0)
            break;
    }
    if (status >= 0)
        receive(encoder, -1, &status);
    CHECK(status == VTREMOTE_ERROR_NETWORK);
    CHECK(strstr(vtremote_encoder_error(encoder), host));
    CHECK(vtremote_encoder_send_frame(encoder, NULL) == VTREMOTE_ERROR_NETWORK);
    receive(encoder, -1, &status);
    CHECK(status == VTREMOTE_ERROR_NETWORK);
    close_encoder(encoder);
    for (int i = 0; i < sent; i++)
        CHECK(pictures[i].released == 1);
}

static void refused(const char *host)
{
    vtremote_options *options = make_options(host);
    vtremote_video video = make_video();
    vtremote_encoder *encoder = NULL;
    char error[256];
    CHECK(vtremote_options_set(options, "token", "guess") == VTREMOTE_OK);
    CHECK(vtremote_encoder_open(options, &video, on_log, &lines, &encoder, error, sizeof(error)) ==
          VTREMOTE_ERROR_AUTH);
    closed = 1;
    CHECK(encoder == NULL && strstr(error, host) && strstr(error, "token"));
    vtremote_options_free(options);
}

int main(int argc, char **argv)
{
    CHECK(argc == 3);
    misuse_without_session();
    if (strcmp(argv[1], "session") == 0)
        session(argv[2]);
    else if (strcmp(argv[1], "early-close") == 0)
        early_close(argv[2]);
    else if (strcmp(argv[1], "failure") == 0)
        failure(argv[2]);
    else if (strcmp(argv[1], "refused") == 0)
        refused(argv[2]);
    else if (strcmp(argv[1], "decode") == 0)
        decode(argv[2]);
    else if (strcmp(argv[1], "decode-failure") == 0)
        decode_failure(argv[2]);
    else
        CHECK(!"a scenario");
    return 0;
}
