use std::fmt;

use crate::parameter_sets::SetKind;

/// A video codec that this crate reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    /// H.264, AVC.
    H264,
    /// H.265, HEVC.
    H265,
}

impl Codec {
    /// The nal_unit_type of `nal` (H.264 7.3.1, H.265 7.3.1.2); none if the header is incomplete.
    pub fn nal_unit_type(self, nal: &[u8]) -> Option<u8> {
        Header::read(self, nal).map(|header| header.unit_type)
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::H264 => "H.264",
            Self::H265 => "H.265",
        })
    }
}

/// What a NAL unit header says (H.264 7.3.1, H.265 7.3.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) unit_type: u8,
    /// nuh_layer_id; 0 for H.264, whose other layers have NAL unit types of their own.
    pub(crate) layer: u8,
    /// nuh_temporal_id_plus1, 1 to 7; 1 for H.264.
    pub(crate) temporal_id_plus1: u8,
}

impl Header {
    pub(crate) fn read(codec: Codec, nal: &[u8]) -> Option<Self> {
        match (codec, nal) {
            (Codec::H264, [b, ..]) => {
                Some(Self { unit_type: b & 0x1f, layer: 0, temporal_id_plus1: 1 })
            }
            // nuh_temporal_id_plus1 is never 0: such a byte may already be the next start code.
            (Codec::H265, [a, b, ..]) if b & 7 != 0 => Some(Self {
                unit_type: (a >> 1) & 0x3f,
                layer: (a & 1) << 5 | b >> 3,
                temporal_id_plus1: b & 7,
            }),
            _ => None,
        }
    }

    /// Bytes of a header.
    pub(crate) const fn len(codec: Codec) -> usize {
        match codec {
            Codec::H264 => 1,
            Codec::H265 => 2,
        }
    }
}

/// What a NAL unit is to this crate (table 7-1 of both specifications).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// A slice, or partition A of one, of the base layer's primary coded picture.
    Slice {
        /// Of a picture that decoding can start with.
        key: bool,
    },
    ParameterSet(SetKind),
    /// H.265's prefix SEI; H.264 knows only one.
    Sei,
    Delimiter,
    Other,
}

impl Role {
    /// Looks at the header only, so that `nal` may go on beyond the NAL unit's end.
    pub(crate) fn of(codec: Codec, nal: &[u8]) -> Self {
        let Some(Header { unit_type, layer, .. }) = Header::read(codec, nal) else {
            return Self::Other;
        };
        match (codec, unit_type) {
            (Codec::H264, 1 | 2) => Self::Slice { key: false },
            (Codec::H264, 5) => Self::Slice { key: true },
            (Codec::H264, 6) => Self::Sei,
            (Codec::H264, 9) => Self::Delimiter,
            // 22 and 23 are reserved for pictures that decoding can start with, and count as such.
            (Codec::H265, 0..=31) if layer == 0 => {
                Self::Slice { key: (16..=23).contains(&unit_type) }
            }
            (Codec::H265, 35) => Self::Delimiter,
            (Codec::H265, 39) => Self::Sei,
            _ => match SetKind::ALL.into_iter().find(|k| k.unit_type(codec) == Some(unit_type)) {
                Some(kind) => Self::ParameterSet(kind),
                None => Self::Other,
            },
        }
    }
}
