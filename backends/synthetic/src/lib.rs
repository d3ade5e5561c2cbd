//! A deterministic backend for tests and benchmarks.
//!
//! Its encoder makes streams whose parameter sets and slice headers are real and whose slices hold
//! a [`Payload`] instead of macroblocks: the frame's number, its pts and a hash of its pixels. Its
//! decoder makes pictures out of a packet's bytes ([`expected_frame`]). So a lost, doubled,
//! exchanged or damaged frame is seen to the byte, and what is measured over it is the transport
//! and not a codec. A [`Script`] makes it late, bursty, slow or defective.
//!
//! Keyframes, their distance, B-frames, parameter sets in-band or not, and durations are as the
//! configuration asks. Side data goes into the hashes. Nothing is random, and nothing reads a clock
//! but for the script's times.
#![forbid(unsafe_code)]

mod backend;
mod bits;
mod decoder;
mod encoder;
mod inbox;
mod options;
mod order;
mod outbox;
mod parameter_sets;
mod payload;
mod pixels;
mod pool;
mod presentation;
mod script;
mod slice;
mod slow;

pub use backend::Synthetic;
pub use payload::{Payload, hash_rows, hash_side_data, read_payload};
pub use pixels::expected_frame;
pub use script::{Pause, Reformat, Resize, Script, ScriptError};
