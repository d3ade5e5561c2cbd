//! What runs across processes: the daemon, the library and ffmpeg together.
//!
//! These tests use the programs that `make build` puts under `target/`: `target/release/vtremoted`,
//! `target/release/vtremote` and `target/ffmpeg/bin/ffmpeg`; with a series in `VTREMOTE_TEST_FFMPEG` that
//! of `scripts/build SERIES`. Where one is missing the test fails and says which. A limit on how long a process may run is a bound on hanging, never a measurement.
#![forbid(unsafe_code)]

mod daemon;
mod extensions;
mod ffmpeg;
pub mod pcm;
mod peers;
mod picture;
mod process;
mod scripted;
mod stream;

pub use daemon::{Daemon, SessionReport};
pub use extensions::WithoutExtensions;
pub use ffmpeg::{Ffmpeg, Packet, packets, stock};
pub use peers::{PeerServer, Peers};
pub use picture::{RawVideo, Shape};
pub use process::{Finished, Running, ours, program, run, scratch, series, skip};
pub use rustix::process::Signal;
pub use scripted::{Line, ScriptedServer};
pub use stream::{Headers, probe};
