//! vtz: lossless coding of pictures by prediction and Huffman codes, at the speed of a network.
//!
//! docs/protocol.md has the format. A frame is cut into slices of whole strips of 16 rows, which
//! several threads write and read, each at once with the others:
//!
//! ```
//! use vtremote_planes::vtz::{Decoder, Encoder, Format, Geometry, Options, SliceDecoder, SliceEncoder};
//! use vtremote_planes::{Source, Target};
//!
//! # fn main() -> Result<(), vtremote_planes::Error> {
//! let geometry = Geometry { format: Format::Nv12, width: 64, height: 32 };
//! let luma: Vec<u8> = (0..64 * 32).map(|at| (at % 64 + at / 64) as u8).collect();
//! let source = Source::Rows { data: &luma, stride: 64 };
//!
//! let (mut encoder, mut slice) = (Encoder::new(geometry)?, SliceEncoder::new());
//! let frame = encoder.begin(Options::default());
//! slice.predict(&frame, &source, 0, 0..32)?;
//! encoder.learn(&frame);
//! let (mut head, mut data) = (Vec::new(), Vec::new());
//! encoder.head(&frame, &mut head);
//! let mode = slice.pack(&encoder.tables(), &source, &mut data)?;
//! assert!(data.len() < luma.len() / 2);
//!
//! let mut picture = vec![0; 64 * 32];
//! let frame = Decoder::new(geometry)?.begin(&head, false)?;
//! let into = Target { data: &mut picture, stride: 64, row_bytes: 64, rows: 32 };
//! SliceDecoder::new().decode(&frame, 0, mode, 0..32, &data, into)?;
//! assert_eq!(picture, luma);
//! # Ok(())
//! # }
//! ```

mod format;
mod sample;
mod strip;

mod predict;

mod bits;
mod class;

mod huffman;
mod tables;

mod streams;

mod vector;

mod depth;
mod kernels;
mod wavefront;

// Intrinsics need it; what is safe about them is said there.
#[allow(unsafe_code)]
mod simd;

mod frame;

#[cfg(test)]
mod agree;

mod decode;
mod encode;

pub use decode::{Decoder, DecoderFrame, SliceDecoder};
pub use encode::{Encoder, EncoderFrame, Method, Options, SliceEncoder, Tables};
pub use format::{Format, Geometry};
pub use frame::Mode;
pub use simd::Isa;
