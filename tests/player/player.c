/*
 * Plays a file as players do, with the remote decoder and FFmpeg's own side by side: what comes after
 * each seek must be the same pictures, with the same times.
 *
 * usage: player HOST h264|hevc FILE seek|pause|hold|two
 */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/opt.h>
#include <libavutil/pixdesc.h>

#define FAIL(...) do { \
    fprintf(stderr, "player: line %d: ", __LINE__); \
    fprintf(stderr, __VA_ARGS__); \
    fputc('\n', stderr); \
    exit(1); \
} while (0)
#define CHECK(call) do { \
    int check_ret = (call); \
    if (check_ret < 0) \
        FAIL("%s: %s", #call, av_err2str(check_ret)); \
} while (0)

#define MAX_PICTURES 1024

/* A picture, as far as it is compared. */
typedef struct Picture {
    int64_t pts;
    uint64_t hash;
} Picture;

/* One who plays. */
typedef struct Player {
    const AVCodec *codec;
    const char *host; /* of a remote decoder */
    AVFormatContext *file;
    AVCodecContext *decoder;
    int video;
    AVPacket *packet;
    AVFrame *frame;
    int ended;
} Player;

/* Of the samples, whether chroma is interleaved or planar, and 10 bits high or low in their words. */
static uint64_t hash_of(const AVFrame *frame)
{
    const AVPixFmtDescriptor *desc = av_pix_fmt_desc_get(frame->format);
    uint64_t hash = 0xcbf29ce484222325;

    for (int c = 0; c < 3; c++) {
        const AVComponentDescriptor *comp = &desc->comp[c];
        const int width  = c ? (frame->width  + 1) / 2 : frame->width;
        const int height = c ? (frame->height + 1) / 2 : frame->height;

        for (int y = 0; y < height; y++) {
            const uint8_t *sample = frame->data[comp->plane] + comp->offset +
                                    (ptrdiff_t)y * frame->linesize[comp->plane];

            for (int x = 0; x < width; x++, sample += comp->step) {
                unsigned value = sample[0];

                if (comp->depth > 8)
                    value = (value | sample[1] << 8) >> comp->shift;
                hash = (hash ^ value) * 0x100000001b3;
            }
        }
    }
    return hash;
}

static void open_decoder(Player *player)
{
    const AVStream *stream = player->file->streams[player->video];

    player->decoder = avcodec_alloc_context3(player->codec);
    if (!player->decoder)
        FAIL("no memory");
    CHECK(avcodec_parameters_to_context(player->decoder, stream->codecpar));
    player->decoder->pkt_timebase = stream->time_base;
    if (player->host) {
        CHECK(av_opt_set(player->decoder, "vt_remote_host", player->host, AV_OPT_SEARCH_CHILDREN));
        CHECK(av_opt_set(player->decoder, "vt_remote_timeout_ms", "3000", AV_OPT_SEARCH_CHILDREN));
    }
    CHECK(avcodec_open2(player->decoder, player->codec, NULL));
}

static void open_player(Player *player, const char *path, const char *name, const char *host)
{
    memset(player, 0, sizeof(*player));
    player->host   = host;
    player->codec  = avcodec_find_decoder_by_name(name);
    player->packet = av_packet_alloc();
    player->frame  = av_frame_alloc();
    if (!player->codec || !player->packet || !player->frame)
        FAIL("no decoder %s", name);
    CHECK(avformat_open_input(&player->file, path, NULL, NULL));
    CHECK(avformat_find_stream_info(player->file, NULL));
    player->video = av_find_best_stream(player->file, AVMEDIA_TYPE_VIDEO, -1, -1, NULL, 0);
    CHECK(player->video);
    open_decoder(player);
}

static void close_player(Player *player)
{
    avcodec_free_context(&player->decoder);
    avformat_close_input(&player->file);
    av_packet_free(&player->packet);
    av_frame_free(&player->frame);
}

/* Give the decoder one more packet, or the end. 0: it takes none before it has given a picture. */
static int feed(Player *player)
{
    int ret;

    while (!player->packet->data && !player->ended) {
        ret = av_read_frame(player->file, player->packet);
        if (ret == AVERROR_EOF) {
            player->ended = 1;
            CHECK(avcodec_send_packet(player->decoder, NULL));
            return 1;
        }
        CHECK(ret);
        if (player->packet->stream_index != player->video)
            av_packet_unref(player->packet);
    }
    if (player->ended)
        return 0;
    ret = avcodec_send_packet(player->decoder, player->packet);
    if (ret == AVERROR(EAGAIN))
        return 0;
    CHECK(ret);
    av_packet_unref(player->packet);
    return 1;
}

/* The next picture in player->frame; 0 at the end. */
static int next_picture(Player *player)
{
    for (;;) {
        int ret = avcodec_receive_frame(player->decoder, player->frame);

        if (ret >= 0)
            return 1;
        if (ret == AVERROR_EOF)
            return 0;
        if (ret != AVERROR(EAGAIN))
            CHECK(ret);
        if (!feed(player))
            FAIL("neither gives a picture nor takes a packet");
    }
}

/* Up to count pictures; how many came. */
static int pictures(Player *player, Picture *found, int count)
{
    int number = 0;

    while (number < count && next_picture(player)) {
        found[number].pts    = player->frame->pts;
        found[number++].hash = hash_of(player->frame);
        av_frame_unref(player->frame);
    }
    return number;
}

static void seek(Player *player, int64_t pts)
{
    /* FFmpeg 7.1's own HEVC decoder gives pictures of before a flush after it. What comes after one
     * has to be what a new decoder gives. */
    if (player->host) {
        avcodec_flush_buffers(player->decoder);
    } else {
        avcodec_free_context(&player->decoder);
        open_decoder(player);
    }
    av_packet_unref(player->packet);
    player->ended = 0;
    CHECK(avformat_seek_file(player->file, player->video, INT64_MIN, pts, INT64_MAX, 0));
}

static void same(const Picture *remote, int nb_remote, const Picture *local, int nb_local,
                 const char *what, int number)
{
    for (int i = 0; i < nb_remote && i < nb_local; i++)
        if (remote[i].pts != local[i].pts || remote[i].hash != local[i].hash)
            FAIL("%s %d, picture %d: pts %"PRId64" %016"PRIx64", and here %"PRId64" %016"PRIx64,
                 what, number, i, remote[i].pts, remote[i].hash, local[i].pts, local[i].hash);
    if (nb_remote != nb_local)
        FAIL("%s %d: %d pictures, and here %d", what, number, nb_remote, nb_local);
}

static void play_and_compare(Player *remote, Player *local, int count, const char *what, int number)
{
    static Picture there[MAX_PICTURES], here[MAX_PICTURES];
    int nb_there = pictures(remote, there, count), nb_here = pictures(local, here, count);

    same(there, nb_there, here, nb_here, what, number);
}

/* Fifty seeks, each after some pictures, or after packets whose pictures nobody takes. */
static void seek_about(Player *remote, Player *local)
{
    const AVStream *stream = local->file->streams[local->video];
    const int64_t length = av_rescale_q(local->file->duration, AV_TIME_BASE_Q, stream->time_base);
    int64_t target = 0;

    play_and_compare(remote, local, 3, "start", 0);
    for (int i = 0; i < 50; i++) {
        switch (i % 10) {
        case 0: case 5: target = length * (i % 7 + 1) / 10;  break; /* somewhere */
        case 1: case 6: target += length / 5;                break; /* on */
        case 2: case 7: target -= length / 3;                break; /* back */
        case 3:         /* where we are */                   break;
        case 4:         target = length;                     break; /* the end */
        case 8:         target = -length;                    break; /* before the start */
        case 9:         target = 0;                          break; /* the start */
        }
        seek(remote, target);
        seek(local, target);
        if (i % 10 == 4)
            play_and_compare(remote, local, MAX_PICTURES, "to the end after seek", i);
        else
            play_and_compare(remote, local, i * 7 % 13, "seek", i);
        for (int packets = i % 4; packets > 0 && feed(remote); packets--)
            ;
    }
    seek(remote, 0);
    seek(local, 0);
    play_and_compare(remote, local, MAX_PICTURES, "all after the seeks", 0);
}

/* Nobody calls the decoder for longer than a silent server is borne. */
static void pause_in_the_middle(Player *remote, Player *local)
{
    play_and_compare(remote, local, 5, "before the pause", 0);
    sleep(4);
    play_and_compare(remote, local, MAX_PICTURES, "after the pause", 0);
}

/* Pictures are kept when the decoder is gone. */
static void hold_pictures(Player *remote, Player *local)
{
    AVFrame *held[6];
    uint64_t hash[6];

    for (int i = 0; i < 6; i++) {
        if (!next_picture(remote) || !next_picture(local))
            FAIL("too few pictures");
        held[i] = remote->frame;
        hash[i] = hash_of(local->frame);
        remote->frame = av_frame_alloc();
        if (!remote->frame)
            FAIL("no memory");
    }
    close_player(remote);
    for (int i = 0; i < 6; i++) {
        if (hash_of(held[i]) != hash[i])
            FAIL("picture %d has changed", i);
        av_frame_free(&held[i]);
    }
}

/* Two decoders at once, of which one is ahead of the other. */
static void two_at_once(Player *remote, Player *local, const char *path, const char *name,
                        const char *host)
{
    static Picture first[MAX_PICTURES], second[MAX_PICTURES], here[MAX_PICTURES];
    int nb_first, nb_second, nb_here;
    Player other;

    nb_first = pictures(remote, first, 10);
    open_player(&other, path, name, host);
    for (nb_second = 0; nb_second < 30; nb_second++) {
        if (pictures(&other, second + nb_second, 1) != 1 ||
            pictures(remote, first + nb_first, 1) != 1)
            FAIL("too few pictures");
        nb_first++;
    }
    nb_first += pictures(remote, first + nb_first, MAX_PICTURES - nb_first);
    close_player(remote);
    nb_second += pictures(&other, second + nb_second, MAX_PICTURES - nb_second);
    close_player(&other);
    nb_here = pictures(local, here, MAX_PICTURES);
    same(first, nb_first, here, nb_here, "first", 0);
    same(second, nb_second, here, nb_here, "second", 0);
}

int main(int argc, char **argv)
{
    const char *host, *codec, *path, *scenario;
    Player remote, local;
    char name[64];

    if (argc != 5)
        FAIL("usage: player HOST h264|hevc FILE seek|pause|hold|two");
    host     = argv[1];
    codec    = argv[2];
    path     = argv[3];
    scenario = argv[4];
    av_log_set_level(AV_LOG_WARNING);
    snprintf(name, sizeof(name), "%s_videotoolbox_remote", codec);
    open_player(&remote, path, name, host);
    open_player(&local, path, codec, NULL);

    if (!strcmp(scenario, "seek"))
        seek_about(&remote, &local);
    else if (!strcmp(scenario, "pause"))
        pause_in_the_middle(&remote, &local);
    else if (!strcmp(scenario, "hold"))
        hold_pictures(&remote, &local);
    else if (!strcmp(scenario, "two"))
        two_at_once(&remote, &local, path, name, host);
    else
        FAIL("no scenario %s", scenario);

    close_player(&remote);
    close_player(&local);
    return 0;
}
