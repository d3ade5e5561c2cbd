//! What a client wants of its session, and what the server offers.

use std::time::Duration;

use super::ClientError;
use super::window::most_adaptive;
use crate::message::{MAX_PIXELS, MAX_SIDE};
use crate::{HelloAck, Mode, Options, PixelFormat, Rational};

/// Frames that may be in flight.
const WINDOWS: std::ops::RangeInclusive<u32> = 1..=128;

/// Frame rates up to this are believed of a timebase.
const MAX_RATE: u32 = 1000;

/// What a session is to do.
#[derive(Debug, Clone)]
pub struct ClientSettings {
    /// The server's token; empty for none.
    pub token: String,
    /// `h264` or `hevc`.
    pub codec: String,
    /// Who we are, for the server's log.
    pub client_name: String,
    /// Which build of it.
    pub client_build: String,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Encode: what is uploaded. Decode: a wish; a server that cannot say what its pictures are, or does not
    /// have it, is asked for 4:2:0.
    pub pix_fmt: PixelFormat,
    /// Of every pts, dts and duration.
    pub time_base: Rational,
    /// 0/0 or 0/1: unknown.
    pub frame_rate: Rational,
    /// Everything else, `mode` included. The extensions among them are set by the session, `vtz` only if
    /// it is asked for here.
    pub options: Options,
    /// Decode: parameter sets as avcC, hvcC or Annex B; may be empty, which servers but ours refuse.
    pub extradata: Vec<u8>,
    /// How many frames may be in flight, 1 to 128 (docs/protocol.md section 7); 0 is a window that
    /// adapts, up to [`most_in_flight`](Self::most_in_flight).
    pub window: u32,
    /// For each answer of the handshake, and for silence on the connection, which has 3 s at least.
    pub timeout: Duration,
    /// Use `x.slices.v1` where the server has it, and in decode `x.geometry.v1` with it.
    pub want_slices: bool,
}

impl ClientSettings {
    pub(super) fn check(&self) -> Result<(), ClientError> {
        let refuse = |why: String| Err(ClientError::Settings(why));
        if self.window != 0 && !WINDOWS.contains(&self.window) {
            return refuse(format!("a window of {} is not within 1 to 128", self.window));
        }
        if self.options.mode == Mode::Transcode {
            return refuse("transcoding is not built yet".into());
        }
        if ![self.width, self.height].iter().all(|side| (1..=MAX_SIDE).contains(side)) {
            let Self { width, height, .. } = self;
            return refuse(format!("size {width}x{height} is not within 1 to {MAX_SIDE} each way"));
        }
        let pixels = u64::from(self.width) * u64::from(self.height);
        if self.options.mode == Mode::Decode && pixels > MAX_PIXELS {
            let Self { width, height, .. } = self;
            return refuse(format!(
                "pictures of {width}x{height} have more than {MAX_PIXELS} pixels"
            ));
        }
        if !matches!(self.codec.as_str(), "h264" | "hevc") {
            return refuse(format!("codec {} is not h264 or hevc", self.codec));
        }
        Ok(())
    }

    /// The most that may ever be in flight.
    pub fn most_in_flight(&self) -> usize {
        match self.window {
            0 => most_adaptive(self.picture_bytes()),
            window => window as usize,
        }
    }

    /// Of a picture without compression.
    pub(super) fn picture_bytes(&self) -> u64 {
        let layout = |plane| self.pix_fmt.plane_layout(self.width, self.height, plane);
        let bytes = |(row_bytes, rows)| row_bytes as u64 * rows as u64;
        (0..self.pix_fmt.planes()).map(layout).map(bytes).sum()
    }

    /// The frame rate to tell: existing servers refuse an unknown one when they encode.
    pub(super) fn frame_rate_for(&self, server: Generation) -> Rational {
        let Rational { num, den } = self.frame_rate;
        let unknown = num == 0 || den == 0;
        if !unknown || server == Generation::Ours || self.options.mode != Mode::Encode {
            return self.frame_rate;
        }
        let Rational { num, den } = self.time_base;
        if num > 0 && num <= den && den / num <= MAX_RATE {
            Rational { num: den, den: num }
        } else {
            Rational { num: 30, den: 1 }
        }
    }
}

/// Which servers speak to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Generation {
    /// Lists only codecs: NV12 and P010, no side data. Closes without ERROR, drops failed frames
    /// silently, may repeat a dts.
    #[default]
    Early,
    /// Lists what it can do.
    Current,
    /// Lists an extension of ours.
    Ours,
}

/// What a server is and offers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ServerTraits {
    /// Early, current or ours.
    pub generation: Generation,
    /// Its name; early servers have none.
    pub name: String,
    /// Its version.
    pub version: String,
    /// `x.ack.v1` is in use: encoder delay costs no credit.
    pub ack: bool,
    /// `x.slices.v1` is in use.
    pub slices: bool,
    /// `x.geometry.v1` is in use: decoded pictures say what they are.
    pub geometry: bool,
    /// `x.notice.v1` is in use: the server tells what goes wrong on the way.
    pub notice: bool,
    /// `x.wire.vtz.v1` is in use: slices may be vtz.
    pub vtz: bool,
    /// `x.pace.v1` is in use: whoever sends pictures codes each as it likes, and is told how the other
    /// keeps up.
    pub pace: bool,
    /// Side data may be sent.
    pub side_data: bool,
    /// What CONFIGURE asks for.
    pub(super) pix_fmt: Option<PixelFormat>,
}

impl ServerTraits {
    /// # Errors
    /// A capability that the session needs and the server does not list.
    pub(super) fn new(ack: &HelloAck<'_>, wants: &ClientSettings) -> Result<Self, ClientError> {
        let early = ack.capabilities.iter().all(|name| matches!(*name, "h264" | "hevc"));
        let ours = ack.capabilities.iter().any(|name| name.starts_with("x."));
        let decode = wants.options.mode == Mode::Decode;
        let slices = wants.want_slices && ack.has("x.slices.v1");
        let geometry = decode && slices && ack.has("x.geometry.v1");
        let pace = slices && wants.options.pace && ack.has("x.pace.v1");
        let may_have_wish = !decode || geometry && ack.has(wants.pix_fmt.capability());
        let pix_fmt = if may_have_wish { wants.pix_fmt } else { wants.pix_fmt.to_420() };
        let format = match (early, pix_fmt) {
            (true, PixelFormat::Nv12 | PixelFormat::P010) => None,
            (_, format) => Some(format.capability()),
        };
        let needed = [Some(wants.codec.as_str()), format];
        if let Some(missing) = needed.into_iter().flatten().find(|name| !ack.has(name)) {
            return Err(ClientError::MissingCapability(missing.into()));
        }
        Ok(Self {
            generation: match (early, ours) {
                (true, _) => Generation::Early,
                (_, true) => Generation::Ours,
                _ => Generation::Current,
            },
            name: ack.server_name.into(),
            version: ack.server_version.into(),
            ack: ack.has("x.ack.v1"),
            slices,
            geometry,
            notice: ack.has("x.notice.v1"),
            // What each picture is to be is chosen only where that is told.
            vtz: slices
                && wants.options.vtz != 0
                && ack.has("x.wire.vtz.v1")
                && (pace || !wants.options.pace),
            pace,
            side_data: ack.has("side_data.v2"),
            pix_fmt: Some(pix_fmt),
        })
    }
}
