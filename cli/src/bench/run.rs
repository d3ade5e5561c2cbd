//! One measurement: a session that is kept busy for a moment.

use std::sync::Arc;
use std::time::{Duration, Instant};

use vtremote_client::{
    AccessUnit, Decoder, Encoder, Error, Frame, FrameSource, Info, Received, ReceivedPicture, Sent,
    SentPacket, Settings, Stream, Video, dial,
};

/// What is counted begins after this part of the time: before, windows and buffers fill …
const WARM_UP: f64 = 0.3;

/// … and so much longer where the session first finds out which compression suits it.
const FINDING_OUT: Duration = Duration::from_millis(1500);

/// What a session has at least to end by itself; then it is cut. Only servers that need longer than that for
/// what is on its way are.
const END: Duration = Duration::from_millis(300);

/// What a session did.
#[derive(Clone)]
pub(super) struct Ran {
    pub(super) frames_per_second: f64,
    /// Bytes per second of pictures on the wire.
    pub(super) wire: f64,
    /// Raw bytes for one on the wire.
    pub(super) ratio: f64,
    pub(super) info: Info,
}

/// What one measurement may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    /// How long it is to count, if there is time for that.
    pub(super) time: Duration,
    /// All of it.
    pub(super) within: Duration,
}

/// When counting begins and ends, and when the session is cut, from its beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Times {
    warm: Duration,
    stop: Duration,
    cut: Duration,
}

impl Span {
    /// What it would take of a whole that is shared out.
    pub(super) fn weight(settings: &Settings, time: Duration) -> Duration {
        time + if settings.compression.is_none() { FINDING_OUT } else { Duration::ZERO }
    }

    fn times(self, settings: &Settings) -> Times {
        let Self { time, within } = self;
        let room = within.saturating_sub(END);
        let found_out = match settings.compression {
            None => FINDING_OUT.min(room / 2),
            Some(_) => Duration::ZERO,
        };
        let time = time.min(room.saturating_sub(found_out));
        let stop = found_out + time;
        Times { warm: found_out + time.mul_f64(WARM_UP), stop, cut: within.max(stop + END) }
    }
}

/// A stream to be decoded.
pub(super) struct Coded {
    pub(super) stream: Stream,
    pub(super) packets: Vec<AccessUnit>,
}

/// What is counted at a moment.
#[derive(Clone, Copy, Default)]
struct Count {
    at: Duration,
    frames: u64,
    bytes: u64,
    raw: u64,
}

impl Count {
    /// From this moment to that.
    fn ran(self, end: Self, info: Info) -> Ran {
        if self.frames == end.frames && self.at != Duration::ZERO {
            // So slow that all there was came at once.
            return Self::default().ran(end, info);
        }
        let seconds = end.at.saturating_sub(self.at).as_secs_f64().max(1e-6);
        let bytes = end.bytes - self.bytes;
        Ran {
            frames_per_second: (end.frames - self.frames) as f64 / seconds,
            wire: bytes as f64 / seconds,
            ratio: (end.raw - self.raw) as f64 / bytes.max(1) as f64,
            info,
        }
    }
}

/// The shortest of a few times that connecting takes, which is one round trip.
///
/// # Errors
/// Why there is no connection.
pub(super) fn round_trip(settings: &Settings) -> Result<Duration, Error> {
    let server = settings.server_address()?;
    let mut shortest = Duration::MAX;
    for _ in 0..3 {
        let begin = Instant::now();
        dial(&server, settings.timeout)?;
        shortest = shortest.min(begin.elapsed());
    }
    Ok(shortest)
}

/// Has pictures encoded. Gives the stream, too, as far as it came back in time.
///
/// # Errors
/// Why there is no session, or why it failed.
pub(super) fn encode(
    settings: &Settings,
    video: &Video,
    pictures: &[Arc<dyn FrameSource>],
    span: Span,
) -> Result<(Ran, Coded), Error> {
    let Times { warm: warm_at, stop: time, cut } = span.times(settings);
    let server = settings.server_address()?;
    let mut link = dial(&server, settings.timeout)?;
    link.peer = server.to_string();
    let mut encoder = Encoder::open_over(link, settings, video, None)?;
    let stream = Stream {
        width: video.width,
        height: video.height,
        time_base: video.time_base,
        frame_rate: video.frame_rate,
        extradata: encoder.extradata().to_vec(),
    };
    let mut packets = Vec::new();
    let mut take = |received| match received {
        Received::Packet(packet) => {
            packets.push(AccessUnit {
                pts: Some(packet.pts),
                dts: Some(packet.dts),
                duration: packet.duration,
                keyframe: packet.keyframe,
                data: packet.data().to_vec(),
                side_data: Vec::new(),
            });
            true
        }
        Received::Nothing => true,
        Received::End => false,
    };
    let begin = Instant::now();
    let mut warm = None;
    let mut count = Count::default();
    for (pts, source) in (0..).zip(pictures.iter().cycle()) {
        let frame = Frame {
            pts,
            duration: 1,
            keyframe: false,
            side_data: Vec::new(),
            source: Arc::clone(source),
        };
        let mut next = Some(frame);
        while let Some(frame) = next.take()
            && begin.elapsed() < time
        {
            if let Sent::Full(frame) = encoder.send_frame(frame)? {
                take(encoder.receive_packet(Some(time.saturating_sub(begin.elapsed())))?);
                next = Some(frame);
            }
        }
        take(encoder.receive_packet(Some(Duration::ZERO))?);
        let info = encoder.info();
        count = Count {
            at: begin.elapsed(),
            frames: info.sent,
            bytes: info.bytes_sent,
            raw: info.raw_bytes,
        };
        if count.at >= warm_at {
            warm.get_or_insert(count);
        }
        if count.at >= time {
            break;
        }
    }
    let ran = warm.unwrap_or_default().ran(count, encoder.info());
    // What is on its way comes to its end, so that the server's log has a session like others.
    encoder.flush()?;
    let left = || cut.saturating_sub(begin.elapsed());
    while !left().is_zero() && take(encoder.receive_packet(Some(left()))?) {}
    Ok((ran, Coded { stream, packets }))
}

/// The stream, so many times after each other.
fn repeated(coded: &Coded, times: std::ops::Range<i64>) -> impl Iterator<Item = AccessUnit> {
    let frames = coded.packets.len() as i64;
    times.flat_map(move |time| {
        let later = move |at: Option<i64>| at.map(|at| at + time * frames);
        coded.packets.iter().map(move |packet| AccessUnit {
            pts: later(packet.pts),
            dts: later(packet.dts),
            ..packet.clone()
        })
    })
}

/// Has a stream decoded, as often as the time takes: where decoding is faster than encoding was, once
/// is over before anything is counted.
///
/// # Errors
/// Why there is no session, or why it failed.
pub(super) fn decode(settings: &Settings, coded: &Coded, span: Span) -> Result<Ran, Error> {
    let Times { warm: warm_at, stop: time, cut } = span.times(settings);
    let mut decoder = Decoder::open(settings, &coded.stream, None)?;
    let begin = Instant::now();
    let mut warm = None;
    let mut count = Count::default();
    let mut take = |decoder: &mut Decoder, patience| -> Result<bool, Error> {
        match decoder.receive_picture(Some(patience))? {
            // Of a server that is too slow for any, the first one says how slow.
            ReceivedPicture::Picture(_) if begin.elapsed() < time || count.frames == 0 => {
                let info = decoder.info();
                count.at = begin.elapsed();
                count.frames += 1;
                (count.bytes, count.raw) = (info.bytes_received, info.raw_bytes);
                if count.at >= warm_at {
                    warm.get_or_insert(count);
                }
            }
            ReceivedPicture::Picture(_) | ReceivedPicture::Nothing => {}
            ReceivedPicture::End => return Ok(false),
        }
        Ok(true)
    };
    let times = if coded.packets.is_empty() { 0 } else { i64::MAX };
    let mut packets = repeated(coded, 0..times);
    let mut waiting = packets.next();
    while begin.elapsed() < time
        && let Some(packet) = waiting.take()
    {
        match decoder.send_packet(packet)? {
            SentPacket::Taken => waiting = packets.next(),
            SentPacket::Full(packet) => {
                waiting = Some(packet);
                let left = time.saturating_sub(begin.elapsed());
                take(&mut decoder, left)?;
            }
        }
    }
    decoder.flush()?;
    let left = || cut.saturating_sub(begin.elapsed());
    while !left().is_zero() && take(&mut decoder, left())? {}
    Ok(warm.unwrap_or_default().ran(count, decoder.info()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use vtremote_proto::Rational;

    #[test]
    fn a_stream_goes_on_where_it_has_ended() {
        let unit = Rational { num: 1, den: 25 };
        let packet = |pts, dts| AccessUnit {
            pts: Some(pts),
            dts: Some(dts),
            duration: 1,
            keyframe: pts == 0,
            data: Vec::new(),
            side_data: Vec::new(),
        };
        let packets = vec![packet(0, -1), packet(2, 0), packet(1, 1)];
        let extradata = Vec::new();
        let (time_base, frame_rate) = (unit, Rational { num: 25, den: 1 });
        let stream = Stream { width: 64, height: 32, time_base, frame_rate, extradata };
        let coded = Coded { stream, packets };
        let times = repeated(&coded, 0..3).map(|packet| (packet.pts.unwrap(), packet.dts.unwrap()));
        let (mut shown, decoded): (Vec<i64>, Vec<i64>) = times.unzip();
        assert_eq!(decoded, Vec::from_iter(-1..8));
        shown.sort_unstable();
        assert_eq!(shown, Vec::from_iter(0..9));
    }
}
