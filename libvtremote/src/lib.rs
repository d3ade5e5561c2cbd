//! The C library: the client behind the interface of `include/vtremote/vtremote.h`.
//!
//! - [`types`]: what C programs see, under the names that they see it by;
//! - [`functions`], [`encoder`], [`decoder`]: the calls. Each is a panic boundary and checks its
//!   arguments as far as that can be done, so that no sequence of calls with valid pointers is undefined
//!   behaviour;
//! - `call`: what the calls have in common;
//! - `pointers`: what turns C's pointers into Rust's references and back.
//!
//! All `unsafe` is in these.

#![deny(unsafe_code)]

pub mod types;

pub mod functions;

pub mod encoder;

pub mod decoder;

mod call;
mod pointers;
mod status;
