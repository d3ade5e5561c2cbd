//! Both ends of a session as state machines: no socket, no clock, no thread.
//!
//! The caller reads bytes, lets [`Incoming`](crate::Incoming) parse them, and gives every item to
//! [`Server::receive`] or [`Client::receive`]; the answer says what the item means for the session.
//! Output is fetched message by message. Time is the [`Duration`](std::time::Duration) since the
//! session began, given with every call; [`Server::deadline`] and [`Client::deadline`] say when to
//! call `tick` at the latest, though nothing else happened.
//!
//! The rules are those of docs/protocol.md sections 1 and 3 to 9.

mod activity;
mod client;
mod pace;
mod picture;
mod server;

pub use client::{
    AdmitError, Client, ClientCounts, ClientError, ClientSettings, ClientStep, Generation,
    PacketOut, ServerTraits,
};
pub use server::{
    ClientTraits, End, Outgoing, OutputError, Server, ServerCounts, ServerSettings, ServerStep,
};

/// One message as bytes.
fn message(encode: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    encode(&mut out);
    out
}
