use std::fmt;

use crate::Compression;

/// What went wrong with a plane, and through whom: see [`Error::is_peer_fault`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The user named a compression that does not exist.
    UnknownCompression(String),
    /// The caller's picture has a stride that cannot hold one of its rows.
    Stride {
        /// Bytes from one row to the next.
        stride: usize,
        /// Bytes that a row needs.
        row_bytes: usize,
    },
    /// The caller's picture ends before its last row does.
    Memory {
        /// Bytes that stride and rows need.
        needed: usize,
        /// Bytes that there are.
        given: usize,
    },
    /// The caller's row does not hold whole samples, or whole Cb,Cr pairs.
    PartialSample {
        /// Bytes in a row of the wire plane.
        row_bytes: usize,
        /// Bytes of one sample or pair.
        unit: usize,
    },
    /// The caller asked for rows that the plane does not have.
    Rows {
        /// First row asked for.
        start: usize,
        /// The row after the last one asked for.
        end: usize,
        /// Rows of the plane.
        rows: usize,
    },
    /// The caller's pictures have a side of 0 or beyond
    /// [`Geometry::MAX_SIDE`](crate::vtz::Geometry::MAX_SIDE).
    Geometry {
        /// Width in pixels.
        width: usize,
        /// Height in pixels.
        height: usize,
    },
    /// The caller's rows for a slice are not those that the slice has.
    Shape {
        /// Bytes that a row has.
        row_bytes: usize,
        /// Rows that there are.
        rows: usize,
    },
    /// The caller's plane is larger than [`MAX_PLANE_BYTES`](crate::MAX_PLANE_BYTES).
    PlaneTooLarge {
        /// Its size, saturated.
        bytes: usize,
    },
    /// The codec refused to compress, which it has no reason to.
    Compress {
        /// The codec.
        compression: Compression,
        /// Its own words.
        detail: &'static str,
    },
    /// There was no memory for a context or for scratch space.
    OutOfMemory,
    /// The peer's stride is less than a row of the picture needs.
    WireStride {
        /// What the peer said.
        stride: usize,
        /// Bytes that a row needs.
        row_bytes: usize,
    },
    /// The peer's plane is larger than [`MAX_PLANE_BYTES`](crate::MAX_PLANE_BYTES), padding
    /// included.
    WireTooLarge {
        /// Its size, saturated.
        bytes: usize,
    },
    /// The peer's data is, declares or unpacks to a number of bytes other than stride × rows.
    Size {
        /// How it was compressed.
        compression: Compression,
        /// Bytes that it is, declares or unpacks to.
        found: u64,
        /// Stride × rows.
        expected: u64,
    },
    /// The peer's data is not what its compression prescribes.
    Malformed {
        /// How it should have been compressed.
        compression: Compression,
        /// The decoder's own words.
        detail: &'static str,
    },
    /// The peer's frame or slice is not valid vtz, for this reason.
    Vtz(&'static str),
}

impl Error {
    /// True if the peer sent what it must not send; otherwise the fault lies on this side.
    pub fn is_peer_fault(&self) -> bool {
        match self {
            Self::WireStride { .. }
            | Self::WireTooLarge { .. }
            | Self::Size { .. }
            | Self::Malformed { .. }
            | Self::Vtz(_) => true,
            Self::UnknownCompression(_)
            | Self::Stride { .. }
            | Self::Memory { .. }
            | Self::PartialSample { .. }
            | Self::Rows { .. }
            | Self::Geometry { .. }
            | Self::Shape { .. }
            | Self::PlaneTooLarge { .. }
            | Self::Compress { .. }
            | Self::OutOfMemory => false,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownCompression(name) => {
                write!(f, "unknown wire compression \"{name}\" (there are none, lz4 and zstd)")
            }
            Self::Stride { stride, row_bytes } => {
                write!(f, "picture stride {stride} is less than its rows of {row_bytes} bytes")
            }
            Self::Memory { needed, given } => {
                write!(f, "picture plane has {given} bytes of memory and needs {needed}")
            }
            Self::PartialSample { row_bytes, unit } => {
                write!(f, "rows of {row_bytes} bytes do not hold whole units of {unit} bytes")
            }
            Self::Rows { start, end, rows } => {
                write!(f, "rows {start}..{end} asked of a plane of {rows}")
            }
            Self::Geometry { width, height } => {
                write!(f, "no pictures of {width}x{height} pixels")
            }
            Self::Shape { row_bytes, rows } => {
                write!(f, "a slice of {rows} rows of {row_bytes} bytes does not go there")
            }
            Self::PlaneTooLarge { bytes } => {
                write!(f, "picture plane of {bytes} bytes is too large to send")
            }
            Self::Compress { compression, detail } => {
                write!(f, "{compression} failed to compress: {detail}")
            }
            Self::OutOfMemory => f.write_str("out of memory for wire compression"),
            Self::WireStride { stride, row_bytes } => {
                write!(f, "peer's stride {stride} is less than rows of {row_bytes} bytes")
            }
            Self::WireTooLarge { bytes } => {
                write!(f, "peer's plane of {bytes} bytes is too large")
            }
            Self::Size { compression, found, expected } => {
                write!(f, "peer's plane ({compression}) holds {found} bytes instead of {expected}")
            }
            Self::Malformed { compression, detail } => {
                write!(f, "peer's plane is not valid {compression}: {detail}")
            }
            Self::Vtz(detail) => write!(f, "peer's picture is not valid vtz: {detail}"),
        }
    }
}

impl std::error::Error for Error {}
