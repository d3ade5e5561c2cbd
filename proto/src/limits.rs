//! How long each kind of message may be (docs/protocol.md section 8).

use crate::format::PixelFormat;
use crate::message::{MessageType, frame, frame_begin, packet, side_data, slice};

/// The longest payload, in bytes, of each kind of message; the header's length field is held
/// against it before anything is read or allocated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// HELLO and HELLO_ACK.
    pub hello: u32,
    /// CONFIGURE and CONFIGURE_ACK.
    pub configure: u32,
    /// FLUSH, DONE, ERROR, PING, PONG, PACKET_ACK, ACK, PACE, and what is unknown and skipped.
    pub control: u32,
    /// FRAME.
    pub frame: u32,
    /// PACKET.
    pub packet: u32,
    /// FRAME_BEGIN.
    pub frame_begin: u32,
    /// SLICE.
    pub slice: u32,
}

/// The longest FRAME, PACKET or SLICE of any format unless configured otherwise: 256 MiB.
pub const DEFAULT_CAP: u32 = 256 << 20;

/// The longest PACKET of a decode session whose size is not fixed (docs/protocol.md section 9).
const PACKET_OF_ANY_SIZE: u32 = 64 << 20;

/// How many bytes longer than its samples a row may be.
///
/// Senders pass on the stride that their pictures have. Alignment makes that a few hundred bytes at
/// most, but a picture cropped by moving a pointer keeps the stride of the whole: this lets any
/// rectangle of an 8K picture of 4 bytes per pixel (30,720 bytes) through.
pub const MAX_ROW_PADDING: u32 = 32 << 10;

impl Limits {
    /// The limits before the format is known.
    pub const DEFAULT: Self = Self {
        hello: 64 << 10,
        configure: 4 << 20,
        control: 64 << 10,
        frame: DEFAULT_CAP,
        packet: DEFAULT_CAP,
        frame_begin: frame_begin::MAX_LEN,
        slice: DEFAULT_CAP,
    };

    /// The limits once the format is known: FRAME, PACKET and SLICE get what pictures of `format`
    /// and `width` x `height` pixels can need, and never more than `cap` bytes.
    ///
    /// - FRAME: every plane with [`MAX_ROW_PADDING`] on each row, expanded by compression as badly
    ///   as possible, and the most side data that is allowed.
    /// - SLICE: the largest plane without padding (slices are packed), expanded likewise.
    /// - PACKET: twice the raw picture rounded up to whole blocks of 64 x 64, which covers an
    ///   access unit of uncompressed (PCM) blocks, a MiB for parameter sets and SEI, and side data.
    pub fn for_format(format: PixelFormat, width: u32, height: u32, cap: u32) -> Self {
        let plane = |width, height, plane, padding: u32| -> u64 {
            let (row, rows) = format.plane_layout(width, height, plane);
            (row as u64).saturating_add(padding.into()).saturating_mul(rows as u64)
        };
        let planes = 0..format.planes();
        let frame = planes.clone().fold(frame::HEAD_LEN.into(), |sum: u64, index| {
            let data = worst_expansion(plane(width, height, index, MAX_ROW_PADDING));
            sum.saturating_add(frame::PLANE_HEAD_LEN.into()).saturating_add(data)
        });
        let slice = planes.clone().map(|index| plane(width, height, index, 0)).max().unwrap_or(0);
        let round_up = |pixels: u32| pixels.div_ceil(64).saturating_mul(64);
        let packet = planes.fold(1 << 20, |sum: u64, index| {
            let blocks = plane(round_up(width), round_up(height), index, 0);
            sum.saturating_add(blocks.saturating_mul(2))
        });
        let capped = |len: u64| u32::try_from(len).map_or(cap, |len| len.min(cap));
        Self {
            frame: capped(frame.saturating_add(side_data::MAX_LEN.into())),
            packet: capped(
                packet
                    .saturating_add(packet::HEAD_LEN.into())
                    .saturating_add(side_data::MAX_LEN.into()),
            ),
            slice: capped(worst_expansion(slice).saturating_add(slice::HEAD_LEN.into())),
            ..Self::DEFAULT
        }
    }

    /// The limits where pictures say what they are (`x.geometry.v1`) and none has done so yet: SLICE
    /// has up to `cap` bytes, PACKET 64 MiB if that is less.
    pub fn for_any_geometry(cap: u32) -> Self {
        Self { frame: cap, packet: cap.min(PACKET_OF_ANY_SIZE), slice: cap, ..Self::DEFAULT }
    }

    /// The limit of one kind of message.
    pub fn of(&self, message: MessageType) -> u32 {
        match message {
            MessageType::Hello | MessageType::HelloAck => self.hello,
            MessageType::Configure | MessageType::ConfigureAck => self.configure,
            MessageType::Frame => self.frame,
            MessageType::Packet => self.packet,
            MessageType::FrameBegin => self.frame_begin,
            MessageType::Slice => self.slice,
            MessageType::Flush
            | MessageType::Done
            | MessageType::Error
            | MessageType::Ping
            | MessageType::Pong
            | MessageType::PacketAck
            | MessageType::Ack
            | MessageType::Notice
            | MessageType::Pace
            | MessageType::Other(_) => self.control,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// The most that LZ4 (n + n/255 + 16) or Zstandard (n + n/256 + at most 64) makes of `len` bytes,
/// with room for a frame header.
pub(crate) fn worst_expansion(len: u64) -> u64 {
    len.saturating_add(len / 128).saturating_add(1 << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_of_the_format_fits_with_the_worst_compression_padding_and_side_data() {
        for format in PixelFormat::ALL {
            let limits = Limits::for_format(format, 1921, 1081, u32::MAX);
            let mut len = u64::from(frame::HEAD_LEN) + u64::from(side_data::MAX_LEN);
            for index in 0..format.planes() {
                let (row, rows) = format.plane_layout(1921, 1081, index);
                let raw = (row as u64 + 32768) * rows as u64;
                len += 12 + raw + raw / 255 + 16;
            }
            assert!(len <= limits.frame.into(), "{format}");
            assert!(len + len / 100 >= limits.frame.into(), "{format}: more than it can need");
        }
    }

    #[test]
    fn a_frame_cropped_out_of_a_much_larger_one_fits() {
        // 320x240 of BGRA with the stride of 7680 pixels.
        let limits = Limits::for_format(PixelFormat::Bgra, 320, 240, DEFAULT_CAP);
        assert!(limits.frame > 7680 * 4 * 240);
    }

    #[test]
    fn a_slice_may_be_a_whole_plane() {
        let limits = Limits::for_format(PixelFormat::P010, 64, 64, DEFAULT_CAP);
        assert_eq!(limits.slice, 16 + 128 * 64 + 64 + 1024);
    }

    #[test]
    fn a_packet_may_be_larger_than_its_picture() {
        let limits = Limits::for_format(PixelFormat::Nv12, 65, 65, DEFAULT_CAP);
        assert_eq!(limits.packet, 32 + 2 * (128 * 128 * 3 / 2) + (1 << 20) + side_data::MAX_LEN);
    }

    #[test]
    fn nothing_of_any_format_exceeds_the_cap() {
        for format in PixelFormat::ALL {
            for cap in [0, 1000, DEFAULT_CAP] {
                let limits = Limits::for_format(format, u32::MAX, u32::MAX, cap);
                assert_eq!([limits.frame, limits.packet, limits.slice], [cap; 3]);
            }
        }
        let uhd = Limits::for_format(PixelFormat::Nv12, 3840, 2160, DEFAULT_CAP);
        assert!(uhd.frame < DEFAULT_CAP);
    }

    #[test]
    fn where_no_size_is_known_a_packet_has_64_mib_and_never_more_than_the_cap() {
        let limits = Limits::for_any_geometry(DEFAULT_CAP);
        assert_eq!((limits.packet, limits.slice), (64 << 20, DEFAULT_CAP));
        assert_eq!(Limits::for_any_geometry(1000).packet, 1000);
        let Limits { hello, configure, control, frame_begin, .. } = Limits::DEFAULT;
        assert_eq!(limits.of(MessageType::Hello), hello);
        assert_eq!(limits.of(MessageType::Configure), configure);
        assert_eq!(limits.of(MessageType::Ping), control);
        assert_eq!(limits.of(MessageType::FrameBegin), frame_begin);
    }

    #[test]
    fn handshake_limits_do_not_depend_on_the_format() {
        let limits = Limits::for_format(PixelFormat::Nv12, 0, 0, 0);
        let rest = Limits { frame: DEFAULT_CAP, packet: DEFAULT_CAP, slice: DEFAULT_CAP, ..limits };
        assert_eq!(rest, Limits::DEFAULT);
    }
}
