//! The codes of ERROR (docs/protocol.md section 8).
//!
//! Peers use them loosely, so a reader shows the text and never branches on the code alone.

/// Authentication or configuration refused.
pub const AUTH_OR_CONFIG: u32 = 1;
/// Busy, or the codec failed.
pub const BUSY_OR_CODEC: u32 = 2;
/// Something that this peer does not do.
pub const UNSUPPORTED: u32 = 3;
/// A request that makes no sense: oversized or unexpected messages.
pub const BAD_REQUEST: u32 = 4;
/// The sender's own fault.
pub const INTERNAL: u32 = 5;
/// A deadline passed.
pub const TIMEOUT: u32 = 6;
/// Bytes that are not the protocol.
pub const PROTOCOL: u32 = 7;
