//! TEMPORARY: the agreed shape of the client's decoder.
#![allow(dead_code, missing_docs, unreachable_pub)]
use std::sync::Arc;
use std::time::Duration;
use vtremote_client::{Error, Info, LogSink, Settings};
use vtremote_proto::{PixelFormat, Rational};

pub struct Stream {
    pub width: u32,
    pub height: u32,
    pub time_base: Rational,
    pub frame_rate: Rational,
    pub extradata: Vec<u8>,
}
pub struct AccessUnit {
    pub pts: Option<i64>,
    pub dts: Option<i64>,
    pub duration: i64,
    pub keyframe: bool,
    pub data: Vec<u8>,
    pub side_data: Vec<(u32, Vec<u8>)>,
}
pub enum SentPacket {
    Taken,
    Full(AccessUnit),
}
pub enum ReceivedPicture {
    Picture(Picture),
    Nothing,
    End,
}
pub struct Color {
    pub range: u8,
    pub primaries: u8,
    pub transfer: u8,
    pub matrix: u8,
    pub chroma_location: u8,
}
pub struct Geometry {
    pub width: u32,
    pub height: u32,
    pub format: PixelFormat,
    pub sample_aspect_ratio: Rational,
    pub color: Color,
    pub fields: u8,
}
pub struct Picture {
    pub pts: Option<i64>,
    pub duration: i64,
    pub geometry: Geometry,
    pub planes: Vec<(Vec<u8>, usize)>,
    pub side_data: Vec<(u32, Vec<u8>)>,
}
pub struct Decoder;
impl Decoder {
    pub fn open(_: &Settings, _: &Stream, _: Option<Arc<LogSink>>) -> Result<Self, Error> {
        Err(Error::Internal("not there yet".into()))
    }
    pub fn send_packet(&mut self, unit: AccessUnit) -> Result<SentPacket, Error> {
        Ok(SentPacket::Full(unit))
    }
    pub fn flush(&mut self) -> Result<(), Error> {
        Ok(())
    }
    pub fn receive_picture(&mut self, _: Option<Duration>) -> Result<ReceivedPicture, Error> {
        Ok(ReceivedPicture::End)
    }
    pub fn reset(&mut self) -> Result<(), Error> {
        Ok(())
    }
    pub fn info(&self) -> Info {
        unreachable!()
    }
}
