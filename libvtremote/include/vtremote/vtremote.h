/* vtremote: a Mac's hardware video encoder and decoder over TCP.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 * Made from libvtremote/src by cbindgen; change it there.
 *
 * A handle may be used from one thread at a time; which one may change. A call that another thread's
 * call is in the way of is VTREMOTE_ERROR_INVALID. Log and release callbacks may come from any thread,
 * the one that calls included, and must not call anything on the handle that they belong to. None comes
 * after close has returned. There is no global state. */


#ifndef VTREMOTE_H
#define VTREMOTE_H

#include <stddef.h>
#include <stdint.h>

// The version of this header.
#define VTREMOTE_VERSION_MAJOR 0

// See VTREMOTE_VERSION_MAJOR.
#define VTREMOTE_VERSION_MINOR 1

// See VTREMOTE_VERSION_MAJOR.
#define VTREMOTE_VERSION_PATCH 0

// No pts, no dts. A frame to encode must have a pts.
#define VTREMOTE_NO_PTS INT64_MIN

// Frame flag: make it a keyframe.
#define VTREMOTE_FRAME_KEY 1

// Packet flag: a decoder can begin here.
#define VTREMOTE_PACKET_KEY 1

// A session with one server that decodes one stream.
typedef struct vtremote_decoder vtremote_decoder;

// A session with one server that encodes one stream.
typedef struct vtremote_encoder vtremote_encoder;

// Options for a session, as text.
//
// | key | value |
// |---|---|
// | codec | h264 or hevc; required |
// | host | host[:port], IPv6 in brackets, default port 5555; default: environment VTREMOTE_HOST |
// | token | default: environment VTREMOTE_TOKEN, then the file that VTREMOTE_TOKEN_FILE names |
// | timeout_ms | 100 to 60000, default 5000: connect, each handshake answer, silence on the link |
// | inflight | 1 to 128, default 16: frames, or packets to decode, that are on their way at once; 0: as few as give the full speed |
// | wire_compression | auto (default: by what is measured), none, lz4, zstd, vtz, vtz-fast |
// | slices | auto (default: where the server can), 0, 1 (an error where it cannot) |
// | pix_fmts | decoders: of bgra, ayuv, p210le those that pictures may be, with commas between them |
// | log_level | error, warn, info (default), debug, trace |
// | client_name, client_build | what the server's log calls this program |
//
// and every CONFIGURE option of an encoder by its wire name (docs/protocol.md section 4): bitrate, gop,
// max_b_frames, flags, profile, ... An empty host or token is one that is not given.
typedef struct vtremote_options vtremote_options;

// What came of a call: 0 and above is no error. Values may be added.
typedef int32_t vtremote_status;

// How a picture lies in memory. The first five are sent from where they lie, their numbers are the
// protocol's; planar ones are interleaved on the way.
typedef int32_t vtremote_pix_fmt;

// What is encoded.
typedef struct vtremote_video {
  // sizeof(vtremote_video).
  size_t size;
  // Pixels per row.
  uint32_t width;
  // Rows.
  uint32_t height;
  // How pictures lie in memory.
  vtremote_pix_fmt pix_fmt;
  // The unit of pts and duration in seconds, numerator.
  int32_t time_base_num;
  // The unit of pts and duration in seconds, denominator.
  int32_t time_base_den;
  // Frames per second, numerator; 0/0 or 0/1: unknown.
  int32_t frame_rate_num;
  // Frames per second, denominator.
  int32_t frame_rate_den;
} vtremote_video;

// Takes a line of the log. Levels: 0 error, 1 warning, 2 info, 3 debug, 4 trace. May be called from
// any thread, never after close has returned.
typedef void (*vtremote_log_fn)(void *opaque, int32_t level, const char *message);

// What goes with a frame or packet.
typedef struct vtremote_side_data {
  // Of frames and pictures FFmpeg's AVFrameSideDataType number, of packets and access units
  // AVPacketSideDataType's. The data is never a structure of FFmpeg's: of frames 1 is A/53 captions
  // (cc_data_pkts of 3 bytes each), 11 a mastering display (24 bytes, the payload of the SEI message,
  // H.265 D.2.28) and 14 the content light level (4 bytes, likewise, D.2.35).
  uint32_t type;
  // Bytes of data.
  size_t data_size;
  // The data.
  const uint8_t *data;
} vtremote_side_data;

// Takes a frame's planes back. Called exactly once for a frame that was accepted, from any thread.
typedef void (*vtremote_release_fn)(void *opaque);

// A frame to encode.
typedef struct vtremote_frame {
  // sizeof(vtremote_frame).
  size_t size;
  // In units of the time base. Required, and unique in the session.
  int64_t pts;
  // In units of the time base. 0: unknown.
  int64_t duration;
  // VTREMOTE_FRAME_KEY or 0.
  uint32_t flags;
  // The planes.
  const uint8_t *data[4];
  // Bytes from one row to the next: the row's bytes at least. Negative is VTREMOTE_ERROR_INVALID.
  ptrdiff_t linesize[4];
  // Copied during the call. At most 16 records with 1 MiB together.
  const struct vtremote_side_data *side_data;
  // How many records of side data.
  size_t side_data_count;
  // Called exactly once if the frame was accepted, from any thread, when the planes are no longer
  // needed: its packet has been handed over, or the session is closed. May be NULL.
  vtremote_release_fn release;
  // For release.
  void *opaque;
} vtremote_frame;

// One access unit.
typedef struct vtremote_packet {
  // sizeof(vtremote_packet), set by the caller before receive. All else is overwritten.
  size_t size;
  // Its frame's.
  int64_t pts;
  // Strictly rising, at most pts.
  int64_t dts;
  // Its frame's.
  int64_t duration;
  // VTREMOTE_PACKET_KEY or 0.
  uint32_t flags;
  // Annex B with 4-byte start codes. Valid until vtremote_packet_unref, close or not.
  const uint8_t *data;
  // Bytes of data.
  size_t data_size;
  // Valid as long as data.
  const struct vtremote_side_data *side_data;
  // How many records of side data.
  size_t side_data_count;
  // Not the caller's.
  void *internal;
} vtremote_packet;

// What a session is and what it has done. Texts are cut where they are too long.
typedef struct vtremote_info {
  // sizeof(vtremote_info), set by the caller.
  size_t size;
  // "host:port".
  char server[128];
  // What the server calls itself; early servers give nothing.
  char server_name[64];
  // Its version.
  char server_version[64];
  // How the last picture was compressed: none, lz4, zstd, vtz or vtz-fast.
  char wire_compression[16];
  // Frames, or packets to decode, whose last byte was sent.
  uint64_t units_sent;
  // Packets, or pictures, that came.
  uint64_t units_received;
  // Bytes on the wire.
  uint64_t bytes_sent;
  // Bytes on the wire.
  uint64_t bytes_received;
  // What the frames that were sent, or the pictures that came, are without compression.
  uint64_t raw_bytes;
} vtremote_info;

// A coded stream, as far as it is known beforehand. The pictures say what they are by themselves.
typedef struct vtremote_stream {
  // sizeof(vtremote_stream).
  size_t size;
  // Pixels per row, as the container says. Required by servers that are not ours to be right.
  uint32_t width;
  // Rows, likewise.
  uint32_t height;
  // The unit of pts, dts and duration in seconds, numerator; 0/1: not known.
  int32_t time_base_num;
  // The unit of pts, dts and duration in seconds, denominator.
  int32_t time_base_den;
  // Frames per second, numerator; 0/0 or 0/1: unknown.
  int32_t frame_rate_num;
  // Frames per second, denominator.
  int32_t frame_rate_den;
  // Parameter sets: Annex B, or an avcC or hvcC record. Copied during the call. NULL: in the stream.
  const uint8_t *extradata;
  // Bytes of extradata.
  size_t extradata_size;
} vtremote_stream;

// An access unit to decode.
typedef struct vtremote_access_unit {
  // sizeof(vtremote_access_unit).
  size_t size;
  // In units of the time base, or VTREMOTE_NO_PTS.
  int64_t pts;
  // In units of the time base, or VTREMOTE_NO_PTS.
  int64_t dts;
  // In units of the time base. 0: unknown.
  int64_t duration;
  // VTREMOTE_PACKET_KEY or 0.
  uint32_t flags;
  // Annex B, or NAL units behind their lengths as the latest avcC or hvcC record says. Copied during
  // the call.
  const uint8_t *data;
  // Bytes of data, at least 1.
  size_t data_size;
  // AV_PKT_DATA_NEW_EXTRADATA is heeded: it holds from this access unit on. Copied during the
  // call. At most 16 records with 1 MiB together.
  const struct vtremote_side_data *side_data;
  // How many records of side data.
  size_t side_data_count;
} vtremote_access_unit;

// A decoded picture.
typedef struct vtremote_picture {
  // sizeof(vtremote_picture), set by the caller before receive. All else is overwritten.
  size_t size;
  // Its access unit's, or VTREMOTE_NO_PTS.
  int64_t pts;
  // Its access unit's.
  int64_t duration;
  // Pixels per row, after cropping. May change from picture to picture, and so may the rest.
  uint32_t width;
  // Rows, after cropping.
  uint32_t height;
  // VTREMOTE_PIX_NV12, VTREMOTE_PIX_P010LE, or one that the option pix_fmts names.
  vtremote_pix_fmt pix_fmt;
  // The planes, each at a multiple of 64 and with 64 bytes behind its last row that may be read.
  // Valid until vtremote_picture_unref, close or not.
  const uint8_t *data[4];
  // Bytes from one row to the next: a multiple of 64, and the last row has them all.
  ptrdiff_t linesize[4];
  // Sample aspect ratio, numerator; 0: unknown.
  uint32_t sample_aspect_num;
  // Sample aspect ratio, denominator.
  uint32_t sample_aspect_den;
  // FFmpeg's AVColorRange number: 0 unknown, 1 video, 2 full.
  uint8_t color_range;
  // AVColorPrimaries; 2: unknown.
  uint8_t color_primaries;
  // AVColorTransferCharacteristic; 2: unknown.
  uint8_t color_trc;
  // AVColorSpace; 2: unknown.
  uint8_t colorspace;
  // AVChromaLocation; 0: unknown.
  uint8_t chroma_location;
  // 0: progressive, or not known; of an interlaced one, 1: top field first, 2: bottom field first.
  uint8_t fields;
  // Valid as long as data.
  const struct vtremote_side_data *side_data;
  // How many records of side data.
  size_t side_data_count;
  // Not the caller's.
  void *internal;
} vtremote_picture;

// Done.
#define VTREMOTE_OK 0

// Send: no room now. Receive: nothing now.
#define VTREMOTE_AGAIN 1

// Receive: everything has been handed over, and the server said that this is all.
#define VTREMOTE_EOF 2

// Misuse: NULL, a wrong size, a pts that was there before, a frame after the last one, ...
#define VTREMOTE_ERROR_INVALID -1

// An option that does not exist, or a value that it cannot have.
#define VTREMOTE_ERROR_OPTION -2

// No address, no connection, or a connection that was lost.
#define VTREMOTE_ERROR_NETWORK -3

// Something did not come in time.
#define VTREMOTE_ERROR_TIMEOUT -4

// A wrong token, or none where one is wanted.
#define VTREMOTE_ERROR_AUTH -5

// The server is full.
#define VTREMOTE_ERROR_BUSY -6

// The server refuses codec, format or option.
#define VTREMOTE_ERROR_REFUSED -7

// Not a vtremoted, or a broken one.
#define VTREMOTE_ERROR_PROTOCOL -8

// The remote encoder or decoder failed.
#define VTREMOTE_ERROR_REMOTE -9

// Out of memory.
#define VTREMOTE_ERROR_MEMORY -10

// A defect in this library.
#define VTREMOTE_ERROR_INTERNAL -11

// 4:2:0, 8 bits: luma, and Cb,Cr pairs.
#define VTREMOTE_PIX_NV12 1

// 4:2:0, 10 bits in the high bits of 16, little-endian: luma, and Cb,Cr pairs.
#define VTREMOTE_PIX_P010LE 2

// 8 bits each of blue, green, red, alpha.
#define VTREMOTE_PIX_BGRA 3

// 8 bits each of alpha, Y, Cb, Cr.
#define VTREMOTE_PIX_AYUV 4

// As P010LE, but 4:2:2.
#define VTREMOTE_PIX_P210LE 5

// 4:2:0, 8 bits: luma, Cb, Cr. Sent as NV12.
#define VTREMOTE_PIX_YUV420P 257

// 4:2:0, 10 bits in the low bits of 16, little-endian: luma, Cb, Cr. Sent as P010LE.
#define VTREMOTE_PIX_YUV420P10LE 258

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// The version of the library that is loaded: major << 16 | minor << 8 | patch.
uint32_t vtremote_version(void);

// The same as text. Static.
const char *vtremote_version_string(void);

// What a status means, in a few words. Static, never NULL.
const char *vtremote_status_string(vtremote_status status);

// Options that are all at their defaults. To be freed with vtremote_options_free.
struct vtremote_options *vtremote_options_new(void);

// Sets an option. Of an unknown key, and of a value that does not parse, nothing is changed, the answer
// is VTREMOTE_ERROR_OPTION, and vtremote_options_error says what is wrong.
vtremote_status vtremote_options_set(struct vtremote_options *options,
                                     const char *key,
                                     const char *value);

// One line about the last vtremote_options_set that failed; "" if none has. Valid until the next call
// on these options.
const char *vtremote_options_error(const struct vtremote_options *options);

// Frees options. NULL is fine.
void vtremote_options_free(struct vtremote_options *options);

// Connects, shakes hands and configures: what can be refused is refused here. On failure `*encoder`
// is NULL, and `error`, unless it is NULL, holds one line that names host, cause and remedy, cut to
// `error_size` bytes. The options may be freed afterwards. `log` may be NULL.
vtremote_status vtremote_encoder_open(const struct vtremote_options *options,
                                      const struct vtremote_video *video,
                                      vtremote_log_fn log,
                                      void *log_opaque,
                                      struct vtremote_encoder **encoder,
                                      char *error,
                                      size_t error_size);

// The parameter sets as Annex B with 4-byte start codes, and their length in `*size`; NULL and 0 if
// the server told none. Valid until close.
const uint8_t *vtremote_encoder_extradata(const struct vtremote_encoder *encoder, size_t *size);

// Gives the encoder a frame. Never waits.
//
// VTREMOTE_OK: it is taken, and its planes must stay valid and unchanged until it is released.
// VTREMOTE_AGAIN: there is no room; keep it, call receive, try again. Else it was not taken either.
//
// NULL instead of a frame says that there are no more. Saying it again changes nothing.
vtremote_status vtremote_encoder_send_frame(struct vtremote_encoder *encoder,
                                            const struct vtremote_frame *frame);

// Waits for a packet up to `timeout_ms`; 0 only looks, and with a negative one the session's own
// deadlines are the end: with frames outstanding and room for more, that may be as long as the encoder
// wants to see more of them.
//
// VTREMOTE_OK: `*packet` is it, to be given to vtremote_packet_unref. VTREMOTE_AGAIN: none in time;
// also at once where the last send_frame answered AGAIN and there is room for that frame now, and where
// no frame is left that a packet could come of. VTREMOTE_EOF: that was the last one. An error comes
// once every packet that arrived before it has been handed over. Except for OK the packet is empty.
vtremote_status vtremote_encoder_receive_packet(struct vtremote_encoder *encoder,
                                                struct vtremote_packet *packet,
                                                int32_t timeout_ms);

// Gives a packet's memory back and empties it; an empty one stays as it is. NULL is fine. May come
// after close, and from any thread.
void vtremote_packet_unref(struct vtremote_packet *packet);

// One line about the last call that failed: what failed and what to do. "" if none has. Valid until
// the next call on the encoder.
const char *vtremote_encoder_error(const struct vtremote_encoder *encoder);

// Fills in `*info`.
vtremote_status vtremote_encoder_info(const struct vtremote_encoder *encoder,
                                      struct vtremote_info *info);

// Ends the session at once if it is not over, joins its threads, and releases every frame; when it
// returns no callback is running, and none will come. Packets stay valid. NULL is fine.
void vtremote_encoder_close(struct vtremote_encoder *encoder);

// Connects, shakes hands and configures, as vtremote_encoder_open: what can be refused is refused here.
// Of the options those of an encoder are VTREMOTE_ERROR_OPTION. Without extradata the session begins
// with the first access unit that has parameter sets, and so do then such refusals.
vtremote_status vtremote_decoder_open(const struct vtremote_options *options,
                                      const struct vtremote_stream *stream,
                                      vtremote_log_fn log,
                                      void *log_opaque,
                                      struct vtremote_decoder **decoder,
                                      char *error,
                                      size_t error_size);

// Gives the decoder an access unit, in decoding order. Never waits but to connect, with the first and
// after a reset.
//
// VTREMOTE_OK: it is taken. VTREMOTE_AGAIN: there is no room; keep it, call receive, try again. Else it
// was not taken either.
//
// NULL instead of an access unit says that there are no more. Saying it again changes nothing.
vtremote_status vtremote_decoder_send_packet(struct vtremote_decoder *decoder,
                                             const struct vtremote_access_unit *unit);

// Waits for a picture up to `timeout_ms`; 0 only looks, and with a negative one the session's own
// deadlines are the end: with room for more packets, that may be as long as the decoder wants to see
// more of them.
//
// VTREMOTE_OK: `*picture` is the next in the order of showing, to be given to vtremote_picture_unref.
// VTREMOTE_AGAIN: none in time; also at once where the last send_packet answered AGAIN and there is room
// for that packet now. VTREMOTE_EOF: that was the last one. An error comes once every picture that
// arrived before it has been handed over. Except for OK the picture is empty.
//
// Not every packet becomes a picture: damaged ones may not, and of fields two make one.
vtremote_status vtremote_decoder_receive_picture(struct vtremote_decoder *decoder,
                                                 struct vtremote_picture *picture,
                                                 int32_t timeout_ms);

// Gives a picture's memory back and empties it; an empty one stays as it is. NULL is fine. May come
// after close, and from any thread.
void vtremote_picture_unref(struct vtremote_picture *picture);

// Forgets every packet and picture that is under way, an end and a failure too, for a seek: the next
// packet begins anew, and should be a keyframe. Pictures that have been handed over stay valid.
vtremote_status vtremote_decoder_reset(struct vtremote_decoder *decoder);

// One line about the last call that failed: what failed and what to do. "" if none has. Valid until
// the next call on the decoder.
const char *vtremote_decoder_error(const struct vtremote_decoder *decoder);

// Fills in `*info`.
vtremote_status vtremote_decoder_info(const struct vtremote_decoder *decoder,
                                      struct vtremote_info *info);

// Ends the session at once if it is not over, and joins its threads; when it returns no callback is
// running, and none will come. Pictures stay valid. NULL is fine.
void vtremote_decoder_close(struct vtremote_decoder *decoder);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* VTREMOTE_H */
