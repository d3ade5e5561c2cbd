//! The C library: the client behind the interface of `include/vtremote/vtremote.h`.
//!
//! - [`types`]: what C programs see, under the names that they see it by;
//! - [`functions`]: the calls. Each is a panic boundary and checks its arguments as far as that can be
//!   done, so that no sequence of calls with valid pointers is undefined behaviour;
//! - `pointers`: what turns C's pointers into Rust's references and back.
//!
//! All `unsafe` is in the last two.

#![deny(unsafe_code)]

pub mod functions;
mod pointers;
mod status;
pub mod types;
