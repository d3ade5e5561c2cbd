//! The daemon as its clients meet it: over TCP, with the synthetic backend behind it.

mod peer;
mod process;
mod service;
mod video;

mod auto;
mod clients;
mod decode;
mod decode_slices;
mod encode;
mod endings;
mod failures;
mod programme;
mod refusals;
