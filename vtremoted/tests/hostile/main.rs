//! The daemon among peers that are broken, or mean it ill.
//!
//! Whatever they do, each gets a legal answer or none, its slot is free afterwards, no thread of its
//! session is left, and the next client is served.

#[allow(dead_code, reason = "shared with another test program")]
#[path = "../daemon/peer.rs"]
mod peer;
#[allow(dead_code, reason = "shared with another test program")]
#[path = "../daemon/service.rs"]
mod service;
#[allow(dead_code, reason = "shared with another test program")]
#[path = "../daemon/video.rs"]
mod video;

mod answers;
mod target;
mod valid;

mod crowds;
mod forged;
mod prefixes;
mod vtz;
