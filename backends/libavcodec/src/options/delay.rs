//! What holds frames back: B-frames, lookahead, threads.

use super::Draft;
use crate::options::Family;

/// The most B-frames in a row that libx264 and libx265 take.
const MOST_B_FRAMES: u32 = 16;

/// What x265 holds back beside lookahead, B-frames and frame threads, and one to be sure.
const X265_PIPELINE: u32 = 3;

/// The lookahead of x265's fastest preset, in frames.
const X265_SHORTEST_PRESET: u32 = 5;

/// The lookahead of its preset superfast; more is of little use to it.
const X265_LOOKAHEAD: u32 = 10;

/// Frames that x265 works on at the same time. Its threads mostly work within a frame; a second
/// frame fills the gaps at the frame's beginning and end.
fn x265_frame_threads(threads: usize) -> u32 {
    match threads {
        0..4 => 1,
        4..8 => 2,
        8..16 => 3,
        _ => 4,
    }
}

impl Draft<'_> {
    /// B-frames, lookahead and threads: all that holds frames back.
    pub(super) fn delay(&mut self) {
        let (mut room, mut reason) = match self.config.max_delay {
            _ if self.config.low_delay => (0, "for low delay".into()),
            None => (u32::MAX, String::new()),
            Some(most) => {
                let room = match self.family {
                    // Its lookahead is longer than a run of B-frames and comes before it; and there
                    // is one frame thread at least.
                    Family::X265 => most.saturating_sub(X265_PIPELINE + 2) / 2,
                    // One more is held back because a frame's duration is the time to the next one.
                    _ => most.saturating_sub(1),
                };
                if !self.family.is_software() && self.family != Family::Nvenc {
                    let encoder = self.encoder;
                    self.warnings.push(format!("{encoder} may hold back more than {most} frames"));
                }
                (room, format!("since at most {most} frames may be held back"))
            }
        };
        if room > MOST_B_FRAMES {
            (room, reason) = (MOST_B_FRAMES, "which is the most there is".into());
        }
        if self.b_frames > room {
            self.b_frames = room;
            self.warn("max_b_frames", format_args!("{room}, {reason}"));
        }
        self.set("bf", self.b_frames);
        match self.family {
            Family::X264 => self.x264_delay(),
            Family::X265 => self.x265_delay(),
            Family::Nvenc => self.set("delay", 0),
            Family::Qsv => self.set("async_depth", 1),
            Family::Other => {}
        }
    }

    /// Held back: B-frames, frame threads but one, lookahead, and one frame for its duration.
    fn x264_delay(&mut self) {
        let threads = self.tuning.threads;
        let none = self.config.low_delay || self.config.max_delay == Some(0);
        let room = self.config.max_delay.map_or(usize::MAX, |most| most as usize);
        let frame_threads = match none {
            true => 1,
            false => threads.min(room.saturating_sub(self.b_frames as usize).max(1)),
        };
        if frame_threads > 1 || threads == 1 {
            self.set("threads", frame_threads);
            self.set("thread_type", "frame");
        } else {
            self.set("threads", threads);
            self.set("thread_type", "slice");
        }
        if none {
            self.native("force-cfr", 1);
        }
        if none || self.config.max_delay.is_some() {
            self.native("sync-lookahead", 0);
            self.set("rc-lookahead", self.b_frames);
            // The choice of B-frames by trellis looks four times as far.
            self.set("b_strategy", 1);
        }
    }

    /// Held back, as measured with x265 3.5: lookahead, B-frames, frame threads and two frames; one
    /// more now and then with several frame threads. x265 wants a lookahead longer than a run of
    /// B-frames.
    fn x265_delay(&mut self) {
        let threads = self.tuning.threads;
        self.native("pools", threads);
        self.native("log-level", "error");
        self.native("info", 0);
        if self.config.low_delay {
            return self.x265_holds_nothing();
        }
        let frame_threads = x265_frame_threads(threads);
        let shortest = self.b_frames + 1;
        let Some(most) = self.config.max_delay else {
            self.native("frame-threads", frame_threads);
            if shortest > X265_SHORTEST_PRESET {
                self.native("rc-lookahead", shortest.max(X265_LOOKAHEAD));
            }
            return;
        };
        match most.checked_sub(self.b_frames + X265_PIPELINE).filter(|room| *room > shortest) {
            Some(room) => {
                let frame_threads = frame_threads.min(room - shortest);
                let lookahead = (room - frame_threads).min(X265_LOOKAHEAD.max(shortest));
                self.native("frame-threads", frame_threads);
                self.native("rc-lookahead", lookahead);
                self.native("b-adapt", 0);
            }
            None => self.x265_holds_nothing(),
        }
    }

    fn x265_holds_nothing(&mut self) {
        self.native("frame-threads", 1);
        self.native("rc-lookahead", 0);
        self.native("scenecut", 0);
        self.native("cutree", 0);
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{config, option, tuning};
    use super::super::{Tuning, plan};
    use crate::ffi::Parameters;
    use crate::ffi::{self, Frame, Layout, Received};
    use std::sync::Arc;
    use vtremote_backend::{Codec, EncoderConfig, PixelFormat, PlaneMemory};

    /// The most frames that an encoder holds back while frames come, as it is and not as it is
    /// said.
    fn held_back(encoder: &str, parameters: &Parameters, frames: i64) -> i64 {
        let (mut codec, _) = ffi::Encoder::open(encoder, parameters, false).unwrap();
        let (width, height) = parameters.size;
        let shapes = match parameters.layout {
            Layout::Nv12 => PixelFormat::Nv12.planes(width as u32, height as u32),
            _ => {
                let mut planes = PixelFormat::Nv12.planes(width as u32, height as u32);
                planes[1].row_bytes /= 2;
                vec![planes[0], planes[1], planes[1]]
            }
        };
        let (mut packets, mut most) = (0, 0);
        for pts in 0..frames {
            let mut frame = Frame::new(parameters.layout, parameters.size, pts, false).unwrap();
            for (index, shape) in shapes.iter().enumerate() {
                let plane = Arc::new(PlaneMemory::allocate(*shape, 64));
                let mut rows = PlaneMemory::lend(&plane, 0..shape.rows).unwrap();
                for (at, byte) in rows.bytes().iter_mut().enumerate() {
                    *byte = (at as i64 * 3 + pts * 5) as u8;
                }
                drop(rows);
                frame.lend(index, PlaneMemory::read(&plane).unwrap()).unwrap();
            }
            assert!(codec.send(Some(&frame)).unwrap());
            while let Received::Packet(_) = codec.receive().unwrap() {
                packets += 1;
            }
            most = most.max(pts + 1 - packets);
        }
        most
    }

    #[test]
    fn no_more_frames_are_held_back_than_may_be() {
        for (codec, encoder, layout) in
            [(Codec::H264, "libx264", Layout::Nv12), (Codec::H265, "libx265", Layout::Yuv420p)]
        {
            for (b_frames, threads, most) in [0, 1, 2, 3, 16]
                .into_iter()
                .flat_map(|b| [1, 2, 3, 4].into_iter().map(move |threads| (b, threads)))
                .flat_map(|(b, threads)| [0, 7, 12].into_iter().map(move |most| (b, threads, most)))
                .chain([(4, 4, 16), (16, 3, 64), (99, 8, 255)])
            {
                let config = EncoderConfig { b_frames, max_delay: Some(most), ..config(codec) };
                let plan = plan(&config, encoder, layout, &tuning(threads)).unwrap();
                let held = held_back(encoder, &plan.parameters, 40.max(i64::from(most)));
                let case = format!("{encoder}: {b_frames} B-frames, {threads} threads");
                assert!(held <= i64::from(most), "{case}: {held} held back, {most} allowed");
                let reduced = option(&plan, "bf") != Some(b_frames.to_string());
                let said = plan.warnings.iter().any(|line| line.starts_with("max_b_frames: "));
                assert_eq!(reduced, said, "{case}: {:?}", plan.warnings);
            }
        }
    }

    #[test]
    fn any_number_of_b_frames_opens_an_encoder() {
        for (codec, encoder, layout) in
            [(Codec::H264, "libx264", Layout::Nv12), (Codec::H265, "libx265", Layout::Yuv420p)]
        {
            for preset in ["ultrafast", "superfast", "slow"] {
                for b_frames in (0..=16).chain([17, u32::MAX]) {
                    let tuning = Tuning { preset: Some(preset.into()), threads: 2 };
                    let config = EncoderConfig { b_frames, ..config(codec) };
                    let plan = plan(&config, encoder, layout, &tuning).unwrap();
                    let opened = ffi::Encoder::open(encoder, &plan.parameters, false);
                    let refused = opened.err().map(|error| error.to_string());
                    assert_eq!(refused, None, "{encoder} {preset}: {b_frames} B-frames");
                    assert_eq!(option(&plan, "bf"), Some(b_frames.min(16).to_string()));
                }
            }
        }
    }

    #[test]
    fn low_delay_holds_nothing_back() {
        for (codec, encoder, layout) in
            [(Codec::H264, "libx264", Layout::Nv12), (Codec::H265, "libx265", Layout::Yuv420p)]
        {
            let config = EncoderConfig { low_delay: true, b_frames: 2, ..config(codec) };
            let plan = plan(&config, encoder, layout, &tuning(3)).unwrap();
            assert_eq!(held_back(encoder, &plan.parameters, 20), 0, "{encoder}");
            assert_eq!(plan.warnings, ["max_b_frames: 0, for low delay"]);
        }
    }
}
