//! What C programs see.

// C's names, which are the interface.
#![allow(non_camel_case_types)]

use std::ffi::{c_char, c_void};
use std::sync::Mutex;

use vtremote_client::{Decoder, Encoder};

use crate::call::Handle;
use crate::functions::Setting;

/// The version of this header.
pub const VTREMOTE_VERSION_MAJOR: u32 = 0;
/// See VTREMOTE_VERSION_MAJOR.
pub const VTREMOTE_VERSION_MINOR: u32 = 1;
/// See VTREMOTE_VERSION_MAJOR.
pub const VTREMOTE_VERSION_PATCH: u32 = 0;

/// What came of a call: 0 and above is no error. Values may be added.
pub type vtremote_status = i32;
/// Done.
pub const VTREMOTE_OK: vtremote_status = 0;
/// Send: no room now. Receive: nothing now.
pub const VTREMOTE_AGAIN: vtremote_status = 1;
/// Receive: everything has been handed over, and the server said that this is all.
pub const VTREMOTE_EOF: vtremote_status = 2;
/// Misuse: NULL, a wrong size, a pts that was there before, a frame after the last one, ...
pub const VTREMOTE_ERROR_INVALID: vtremote_status = -1;
/// An option that does not exist, or a value that it cannot have.
pub const VTREMOTE_ERROR_OPTION: vtremote_status = -2;
/// No address, no connection, or a connection that was lost.
pub const VTREMOTE_ERROR_NETWORK: vtremote_status = -3;
/// Something did not come in time.
pub const VTREMOTE_ERROR_TIMEOUT: vtremote_status = -4;
/// A wrong token, or none where one is wanted.
pub const VTREMOTE_ERROR_AUTH: vtremote_status = -5;
/// The server is full.
pub const VTREMOTE_ERROR_BUSY: vtremote_status = -6;
/// The server refuses codec, format or option.
pub const VTREMOTE_ERROR_REFUSED: vtremote_status = -7;
/// Not a vtremoted, or a broken one.
pub const VTREMOTE_ERROR_PROTOCOL: vtremote_status = -8;
/// The remote encoder or decoder failed.
pub const VTREMOTE_ERROR_REMOTE: vtremote_status = -9;
/// Out of memory.
pub const VTREMOTE_ERROR_MEMORY: vtremote_status = -10;
/// A defect in this library.
pub const VTREMOTE_ERROR_INTERNAL: vtremote_status = -11;

/// How a picture lies in memory. The first five are sent from where they lie, their numbers are the
/// protocol's; planar ones are interleaved on the way.
pub type vtremote_pix_fmt = i32;
/// 4:2:0, 8 bits: luma, and Cb,Cr pairs.
pub const VTREMOTE_PIX_NV12: vtremote_pix_fmt = 1;
/// 4:2:0, 10 bits in the high bits of 16, little-endian: luma, and Cb,Cr pairs.
pub const VTREMOTE_PIX_P010LE: vtremote_pix_fmt = 2;
/// 8 bits each of blue, green, red, alpha.
pub const VTREMOTE_PIX_BGRA: vtremote_pix_fmt = 3;
/// 8 bits each of alpha, Y, Cb, Cr.
pub const VTREMOTE_PIX_AYUV: vtremote_pix_fmt = 4;
/// As P010LE, but 4:2:2.
pub const VTREMOTE_PIX_P210LE: vtremote_pix_fmt = 5;
/// 4:2:0, 8 bits: luma, Cb, Cr. Sent as NV12.
pub const VTREMOTE_PIX_YUV420P: vtremote_pix_fmt = 257;
/// 4:2:0, 10 bits in the low bits of 16, little-endian: luma, Cb, Cr. Sent as P010LE.
pub const VTREMOTE_PIX_YUV420P10LE: vtremote_pix_fmt = 258;

/// No pts, no dts. A frame to encode must have a pts.
pub const VTREMOTE_NO_PTS: i64 = i64::MIN;

/// Frame flag: make it a keyframe.
pub const VTREMOTE_FRAME_KEY: u32 = 1;

/// Packet flag: a decoder can begin here.
pub const VTREMOTE_PACKET_KEY: u32 = 1;

/// Takes a line of the log. Levels: 0 error, 1 warning, 2 info, 3 debug, 4 trace. May be called from
/// any thread, never after close has returned.
pub type vtremote_log_fn =
    Option<unsafe extern "C" fn(opaque: *mut c_void, level: i32, message: *const c_char)>;

/// Takes a frame's planes back. Called exactly once for a frame that was accepted, from any thread.
pub type vtremote_release_fn = Option<unsafe extern "C" fn(opaque: *mut c_void)>;

/// Options for a session, as text.
///
/// | key | value |
/// |---|---|
/// | codec | h264 or hevc; required |
/// | host | host[:port], IPv6 in brackets, default port 5555; default: environment VTREMOTE_HOST |
/// | token | default: environment VTREMOTE_TOKEN, then the file that VTREMOTE_TOKEN_FILE names |
/// | timeout_ms | 100 to 60000, default 5000: connect, each handshake answer, silence on the link |
/// | inflight | 1 to 128, default 16: frames, or packets to decode, that are on their way at once; 0: as few as give the full speed |
/// | wire_compression | auto (default: by what is measured), none, lz4, zstd, vtz, vtz-fast |
/// | slices | auto (default: where the server can), 0, 1 (an error where it cannot) |
/// | pix_fmts | decoders: of bgra, ayuv, p210le those that pictures may be, with commas between them |
/// | log_level | error, warn, info (default), debug, trace |
/// | client_name, client_build | what the server's log calls this program |
///
/// and every CONFIGURE option of an encoder by its wire name (docs/protocol.md section 4): bitrate, gop,
/// max_b_frames, flags, profile, ... An empty host or token is one that is not given.
pub struct vtremote_options {
    pub(crate) inner: Mutex<Setting>,
}

/// What is encoded.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct vtremote_video {
    /// sizeof(vtremote_video).
    pub size: usize,
    /// Pixels per row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// How pictures lie in memory.
    pub pix_fmt: vtremote_pix_fmt,
    /// The unit of pts and duration in seconds, numerator.
    pub time_base_num: i32,
    /// The unit of pts and duration in seconds, denominator.
    pub time_base_den: i32,
    /// Frames per second, numerator; 0/0 or 0/1: unknown.
    pub frame_rate_num: i32,
    /// Frames per second, denominator.
    pub frame_rate_den: i32,
}

/// A session with one server that encodes one stream.
pub struct vtremote_encoder {
    pub(crate) inner: Mutex<Handle<Encoder>>,
    /// Annex B. Outside of the lock: it does not change, and is lent until close.
    pub(crate) extradata: Vec<u8>,
}

/// What goes with a frame or packet.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct vtremote_side_data {
    /// Of frames and pictures FFmpeg's AVFrameSideDataType number, of packets and access units
    /// AVPacketSideDataType's. The data is never a structure of FFmpeg's: of frames 1 is A/53 captions
    /// (cc_data_pkts of 3 bytes each), 11 a mastering display (24 bytes, the payload of the SEI message,
    /// H.265 D.2.28) and 14 the content light level (4 bytes, likewise, D.2.35).
    pub r#type: u32,
    /// Bytes of data.
    pub data_size: usize,
    /// The data.
    pub data: *const u8,
}

/// A frame to encode.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct vtremote_frame {
    /// sizeof(vtremote_frame).
    pub size: usize,
    /// In units of the time base. Required, and unique in the session.
    pub pts: i64,
    /// In units of the time base. 0: unknown.
    pub duration: i64,
    /// VTREMOTE_FRAME_KEY or 0.
    pub flags: u32,
    /// The planes.
    pub data: [*const u8; 4],
    /// Bytes from one row to the next: the row's bytes at least. Negative is VTREMOTE_ERROR_INVALID.
    pub linesize: [isize; 4],
    /// Copied during the call. At most 16 records with 1 MiB together.
    pub side_data: *const vtremote_side_data,
    /// How many records of side data.
    pub side_data_count: usize,
    /// Called exactly once if the frame was accepted, from any thread, when the planes are no longer
    /// needed: its packet has been handed over, or the session is closed. May be NULL.
    pub release: vtremote_release_fn,
    /// For release.
    pub opaque: *mut c_void,
}

/// One access unit.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct vtremote_packet {
    /// sizeof(vtremote_packet), set by the caller before receive. All else is overwritten.
    pub size: usize,
    /// Its frame's.
    pub pts: i64,
    /// Strictly rising, at most pts.
    pub dts: i64,
    /// Its frame's.
    pub duration: i64,
    /// VTREMOTE_PACKET_KEY or 0.
    pub flags: u32,
    /// Annex B with 4-byte start codes. Valid until vtremote_packet_unref, close or not.
    pub data: *const u8,
    /// Bytes of data.
    pub data_size: usize,
    /// Valid as long as data.
    pub side_data: *const vtremote_side_data,
    /// How many records of side data.
    pub side_data_count: usize,
    /// Not the caller's.
    pub internal: *mut c_void,
}

/// A coded stream, as far as it is known beforehand. The pictures say what they are by themselves.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct vtremote_stream {
    /// sizeof(vtremote_stream).
    pub size: usize,
    /// Pixels per row, as the container says. Required by servers that are not ours to be right.
    pub width: u32,
    /// Rows, likewise.
    pub height: u32,
    /// The unit of pts, dts and duration in seconds, numerator; 0/1: not known.
    pub time_base_num: i32,
    /// The unit of pts, dts and duration in seconds, denominator.
    pub time_base_den: i32,
    /// Frames per second, numerator; 0/0 or 0/1: unknown.
    pub frame_rate_num: i32,
    /// Frames per second, denominator.
    pub frame_rate_den: i32,
    /// Parameter sets: Annex B, or an avcC or hvcC record. Copied during the call. NULL: in the stream.
    pub extradata: *const u8,
    /// Bytes of extradata.
    pub extradata_size: usize,
}

/// A session with one server that decodes one stream.
pub struct vtremote_decoder {
    pub(crate) inner: Mutex<Handle<Decoder>>,
}

/// An access unit to decode.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct vtremote_access_unit {
    /// sizeof(vtremote_access_unit).
    pub size: usize,
    /// In units of the time base, or VTREMOTE_NO_PTS.
    pub pts: i64,
    /// In units of the time base, or VTREMOTE_NO_PTS.
    pub dts: i64,
    /// In units of the time base. 0: unknown.
    pub duration: i64,
    /// VTREMOTE_PACKET_KEY or 0.
    pub flags: u32,
    /// Annex B, or NAL units behind their lengths as the latest avcC or hvcC record says. Copied during
    /// the call.
    pub data: *const u8,
    /// Bytes of data, at least 1.
    pub data_size: usize,
    /// AV_PKT_DATA_NEW_EXTRADATA is heeded: it holds from this access unit on. Copied during the
    /// call. At most 16 records with 1 MiB together.
    pub side_data: *const vtremote_side_data,
    /// How many records of side data.
    pub side_data_count: usize,
}

/// A decoded picture.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct vtremote_picture {
    /// sizeof(vtremote_picture), set by the caller before receive. All else is overwritten.
    pub size: usize,
    /// Its access unit's, or VTREMOTE_NO_PTS.
    pub pts: i64,
    /// Its access unit's.
    pub duration: i64,
    /// Pixels per row, after cropping. May change from picture to picture, and so may the rest.
    pub width: u32,
    /// Rows, after cropping.
    pub height: u32,
    /// VTREMOTE_PIX_NV12, VTREMOTE_PIX_P010LE, or one that the option pix_fmts names.
    pub pix_fmt: vtremote_pix_fmt,
    /// The planes, each at a multiple of 64 and with 64 bytes behind its last row that may be read.
    /// Valid until vtremote_picture_unref, close or not.
    pub data: [*const u8; 4],
    /// Bytes from one row to the next: a multiple of 64, and the last row has them all.
    pub linesize: [isize; 4],
    /// Sample aspect ratio, numerator; 0: unknown.
    pub sample_aspect_num: u32,
    /// Sample aspect ratio, denominator.
    pub sample_aspect_den: u32,
    /// FFmpeg's AVColorRange number: 0 unknown, 1 video, 2 full.
    pub color_range: u8,
    /// AVColorPrimaries; 2: unknown.
    pub color_primaries: u8,
    /// AVColorTransferCharacteristic; 2: unknown.
    pub color_trc: u8,
    /// AVColorSpace; 2: unknown.
    pub colorspace: u8,
    /// AVChromaLocation; 0: unknown.
    pub chroma_location: u8,
    /// 0: progressive, or not known; of an interlaced one, 1: top field first, 2: bottom field first.
    pub fields: u8,
    /// Valid as long as data.
    pub side_data: *const vtremote_side_data,
    /// How many records of side data.
    pub side_data_count: usize,
    /// Not the caller's.
    pub internal: *mut c_void,
}

/// What a session is and what it has done. Texts are cut where they are too long.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct vtremote_info {
    /// sizeof(vtremote_info), set by the caller.
    pub size: usize,
    /// "host:port".
    pub server: [c_char; 128],
    /// What the server calls itself; early servers give nothing.
    pub server_name: [c_char; 64],
    /// Its version.
    pub server_version: [c_char; 64],
    /// How the last picture was compressed: none, lz4, zstd, vtz or vtz-fast.
    pub wire_compression: [c_char; 16],
    /// Frames, or packets to decode, whose last byte was sent.
    pub units_sent: u64,
    /// Packets, or pictures, that came.
    pub units_received: u64,
    /// Bytes on the wire.
    pub bytes_sent: u64,
    /// Bytes on the wire.
    pub bytes_received: u64,
    /// What the frames that were sent, or the pictures that came, are without compression.
    pub raw_bytes: u64,
}
