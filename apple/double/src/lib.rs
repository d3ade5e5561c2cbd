//! A double of what the VideoToolbox backend imports from Apple's frameworks: CoreFoundation, CoreVideo,
//! CoreMedia and VideoToolbox, with libx264, libx265 and FFmpeg's decoders behind it.
//!
//! It is as strict as the documentation allows: memory of pixel buffers is reachable only between lock and
//! unlock, and ends at a page that nobody may touch; every property is checked for its type and range;
//! encoders hold back as many frames as they were allowed to; callbacks come from threads of its own. What a
//! [`Script`] asks for goes wrong. Every object and every lock is counted.
//!
//! ```text
//!   Double ── Machine, Script, counters       what a test says, and is told
//!   vt ─▶ cm ─▶ cv ─▶ cf ─▶ object            what the backend links to, by framework
//!   vt ─▶ codec                               libavcodec
//! ```
//!
//! A program that links to this crate has one double. Tests take turns: see [`Double`].
//!
//! # Safety
//! The exported functions trust their callers as Apple's do: pointers are null where that is documented,
//! else to what the parameter's name says, and out-parameters are writable. Objects are checked for being
//! alive and of the right kind, as far as memory that was freed still tells.
#![allow(unsafe_op_in_unsafe_fn)]
#![allow(clippy::missing_safety_doc)]

mod double;
mod machine;
mod script;
mod state;

mod object;

mod cf;
mod cm;
mod cv;
mod vt;

mod codec;

pub use double::{Counters, Double};
pub use machine::{Hardware, Machine};
pub use object::Kind;
pub use script::{Blocks, Callbacks, Fault, Outcome, Script};
pub use state::{CALLS, Property, Value};

/// Status codes that the double gives, by Apple's names.
pub mod status {
    pub use crate::cm::status::*;
    pub use crate::vt::status::*;
}
