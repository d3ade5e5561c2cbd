//! Apple's frameworks as safe types. The only unsafe code of this crate.
//!
//! Nothing above this module sees a raw pointer, and everything here releases what it owns exactly once.
#![allow(unsafe_code)]

mod cf;
pub(crate) mod names;
mod status;
mod time;

mod pixels;
mod sample;

mod compression;
mod encoders;

mod coded_sample;
mod decompression;
mod format;
mod listeners;

pub(crate) use cf::{Text, Value};
pub(crate) use coded_sample::CodedSample;
pub(crate) use compression::{Compression, Listener, Output};
pub(crate) use decompression::{Decoded, Decompression, Panicked, decodes_in_hardware};
pub(crate) use encoders::{EncoderInfo, encoders};
pub(crate) use format::FormatDescription;
pub(crate) use pixels::{Access, PixelBuffer, Pool};
pub(crate) use sample::Sample;
pub(crate) use status::Status;
pub(crate) use time::Time;
