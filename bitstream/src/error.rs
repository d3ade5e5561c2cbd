use std::fmt;

use crate::nal::Codec;
use crate::parameter_sets::SetKind;

/// Why bytes could not be read or written.
///
/// All but the variants that say otherwise blame the bytes, that is, whoever sent them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The bytes do not begin with a start code (H.264 B.1.1, H.265 B.2.2).
    NoStartCode,
    /// A length or count leads beyond the end of the bytes. `what` was being read, from `offset`.
    Truncated {
        /// The field or NAL unit that is not there in full.
        what: &'static str,
        /// Bytes from the beginning of the input to that field.
        offset: usize,
    },
    /// Extradata that is neither a record of this codec nor Annex B.
    UnknownExtradata(Codec),
    /// A record's array holds a NAL unit of a type that has no place there.
    MisplacedNalUnit {
        /// The nal_unit_type that the array is for.
        expected: u8,
        /// That of the NAL unit; none if it is too short to have one.
        found: Option<u8>,
    },
    /// A sequence parameter set whose first fields cannot be read: no record can be made of it.
    UnreadableSps(Codec),
    /// The caller's: a record was asked for without the parameter set that it is made from.
    MissingParameterSet(SetKind),
    /// Sequence parameter sets of different chroma format or bit depth, which cannot share an hvcC.
    MixedFormats,
    /// More NAL units of a kind than the record can count.
    TooManyNalUnits {
        /// How many there are.
        count: usize,
        /// How many the record's field can say.
        limit: usize,
    },
    /// A NAL unit longer than its length field can say.
    NalUnitTooLong {
        /// The NAL unit's length in bytes.
        len: usize,
        /// What the field can say, in bytes.
        limit: usize,
    },
    /// An access unit has not ended after more bytes than [`AccessUnits`](crate::AccessUnits) was
    /// allowed to keep.
    AccessUnitTooLong {
        /// The limit in bytes.
        limit: usize,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoStartCode => write!(f, "not Annex B: no start code at the beginning"),
            Self::Truncated { what, offset } => {
                write!(f, "{what} at byte {offset} goes beyond the end")
            }
            Self::UnknownExtradata(codec) => write!(
                f,
                "extradata is neither {} nor Annex B",
                match codec {
                    Codec::H264 => "avcC",
                    Codec::H265 => "hvcC",
                }
            ),
            Self::MisplacedNalUnit { expected, found: Some(found) } => {
                write!(f, "a NAL unit of type {found} among those of type {expected}")
            }
            Self::MisplacedNalUnit { expected, found: None } => {
                write!(f, "a NAL unit without a header among those of type {expected}")
            }
            Self::UnreadableSps(codec) => write!(f, "the {codec} SPS cannot be read"),
            Self::MissingParameterSet(kind) => write!(f, "there is no {kind}"),
            Self::MixedFormats => {
                write!(f, "the SPSs differ in chroma format or bit depth")
            }
            Self::TooManyNalUnits { count, limit } => {
                write!(f, "{count} NAL units of one kind where the record can hold {limit}")
            }
            Self::NalUnitTooLong { len, limit } => {
                write!(f, "a NAL unit of {len} bytes where its length field ends at {limit}")
            }
            Self::AccessUnitTooLong { limit } => {
                write!(f, "an access unit longer than the limit of {limit} bytes")
            }
        }
    }
}

impl std::error::Error for Error {}
