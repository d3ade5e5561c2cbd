use std::fmt;
use std::str::FromStr;

use crate::Error;

/// Largest plane, padding included, that is compressed or decompressed: 256 MiB, which is what
/// docs/protocol.md section 8 allows a whole message.
pub const MAX_PLANE_BYTES: usize = 256 << 20;

/// How the planes of a FRAME are compressed; the numbers are those of the option
/// `wire_compression` (docs/protocol.md section 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(u8)]
pub enum Compression {
    /// The rows as they are.
    #[default]
    None = 0,
    /// One LZ4 block, without a frame around it.
    Lz4 = 1,
    /// One Zstandard frame, of level 1 and with its content size when it is ours.
    Zstd = 2,
}

impl Compression {
    /// Every compression there is, in the order of their numbers.
    pub const ALL: [Self; 3] = [Self::None, Self::Lz4, Self::Zstd];

    /// The compression of that number in `wire_compression`, if there is one.
    pub fn from_wire(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|compression| *compression as u8 == number)
    }

    fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Compression {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        Self::ALL
            .into_iter()
            .find(|compression| compression.name() == name)
            .ok_or_else(|| Error::UnknownCompression(name.to_owned()))
    }
}

/// The most bytes that `raw_len` bytes can take when compressed, by us or by any sane peer.
///
/// Saturates. It bounds what a FRAME may announce and what a send buffer must hold.
pub fn max_compressed_len(compression: Compression, raw_len: usize) -> usize {
    let overhead = match compression {
        Compression::None => 0,
        // The format needs raw / 255 + 16; our encoder asks for a tenth more room than raw.
        Compression::Lz4 => (raw_len / 10).saturating_add(32),
        // Three bytes per block and the frame's header and checksum; zstd's own bound is raw / 256
        // and, for small input, up to 64 bytes.
        Compression::Zstd => (raw_len >> 8).saturating_add(128),
    };
    raw_len.saturating_add(overhead)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_the_wire() {
        for (number, compression) in Compression::ALL.into_iter().enumerate() {
            assert_eq!(Compression::from_wire(number as u8), Some(compression));
        }
        assert_eq!(Compression::from_wire(3), None);
        assert_eq!(Compression::from_wire(255), None);
    }

    #[test]
    fn names_are_those_of_the_option() {
        for (name, compression) in ["none", "lz4", "zstd"].into_iter().zip(Compression::ALL) {
            assert_eq!(name.parse(), Ok(compression));
            assert_eq!(compression.to_string(), name);
        }
        assert_eq!("LZ4".parse::<Compression>(), Err(Error::UnknownCompression("LZ4".to_owned())));
    }

    #[test]
    fn the_bound_covers_what_both_codecs_ask_for() {
        for raw in (0..5000).chain([65_535, 131_072, 259_200, 8_294_400, MAX_PLANE_BYTES]) {
            assert!(
                max_compressed_len(Compression::Lz4, raw)
                    >= lz4_flex::block::get_maximum_output_size(raw)
            );
            assert!(
                max_compressed_len(Compression::Zstd, raw) >= zstd_safe::compress_bound(raw),
                "{raw}"
            );
        }
    }

    #[test]
    fn the_bound_saturates() {
        for compression in Compression::ALL {
            assert_eq!(max_compressed_len(compression, usize::MAX), usize::MAX);
        }
    }
}
