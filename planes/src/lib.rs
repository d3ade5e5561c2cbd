//! Wire compression of picture planes: none, LZ4, Zstandard and our own [`vtz`], slice by slice over
//! worker threads.
//!
//! A plane on the wire is rows of bytes (docs/protocol.md section 5): luma, or chroma as whole
//! Cb,Cr pairs. A caller's picture may be laid out otherwise, so a [`Source`] says where the rows
//! come from, and a [`Target`] where they go. The sender cuts each plane into [`slices()`] of whole
//! strips, a [`Compressor`] turns one into bytes, and a [`Decompressor`] at the other end writes
//! it straight into the rows of the backend's own picture. Both keep their codec contexts and
//! scratch memory, one pair per thread of a [`Workers`] pool, so that a stream in full flow takes
//! nothing from the heap.
//!
//! ```
//! use vtremote_planes::{Compression, Compressor, Decompressor, Layout, Source, Target};
//!
//! # fn main() -> Result<(), vtremote_planes::Error> {
//! let (u, v) = (vec![100; 8 * 4], vec![200; 8 * 4]);
//! let chroma = Source::Planar8 { u: &u, u_stride: 8, v: &v, v_stride: 8 };
//! let layout = Layout { row_bytes: 16, rows: 4 };
//! let mut sent = Vec::new();
//! Compressor::new().compress(Compression::Zstd, &chroma, layout, 0..4, &mut sent)?;
//!
//! let mut picture = vec![0; 64 * 4];
//! let into = Target { data: &mut picture, stride: 64, row_bytes: 16, rows: 4 };
//! Decompressor::new().decompress(Compression::Zstd, &sent, 16, into)?;
//! assert_eq!(picture[64..68], [100, 200, 100, 200]);
//! # Ok(())
//! # }
//! ```
#![deny(unsafe_code)]

mod compression;
mod error;
mod source;

mod interleave;

mod coding;
mod compress;
mod decompress;

mod slices;
mod workers;

pub mod vtz;

mod picture;

mod choose;

mod auto;
mod trial;

pub use auto::{Auto, Progress, Work};
pub use choose::{Choice, Chooser, Prior, Setting, Trial};
pub use coding::Coding;
pub use compress::Compressor;
pub use compression::{Compression, MAX_PLANE_BYTES, max_compressed_len};
pub use decompress::{Decompressor, Target};
pub use error::Error;
pub use picture::{
    Begin, PictureCoding, PictureDecoder, PictureEncoder, PictureReading, VTZ_CODEC,
};
pub use slices::{MAX_SLICES, STRIP_ROWS, default_slices, slices};
pub use source::{Layout, Source};
pub use trial::{Trials, Tried};
pub use workers::{AnyJob, Job, Scratch, Workers};
