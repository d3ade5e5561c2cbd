//! That the conformance suite notices what it is there for: each rule against a backend that breaks
//! it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use vtremote_backend::conformance::{EncoderCase, encode};
use vtremote_backend::{
    Backend, Capabilities, Codec, Decoder, DecoderConfig, EncodedPacket, Encoder, EncoderConfig,
    Error, FrameSink, Opened, PacketSink, PixelFormat,
};
use vtremote_backend_synthetic::Synthetic;

/// What happens to a packet on its way out.
type Defect = fn(&mut EncodedPacket);

/// The synthetic backend with a defect.
struct Defective {
    inner: Synthetic,
    defect: Defect,
    /// Says things after the end.
    late: bool,
    /// Sinks that are kept for ever.
    kept: Option<Mutex<Vec<Arc<dyn PacketSink>>>>,
}

impl Backend for Defective {
    fn name(&self) -> &str {
        "defective"
    }

    fn capabilities(&self) -> &Capabilities {
        self.inner.capabilities()
    }

    fn open_encoder(
        &self,
        config: &EncoderConfig,
        sink: Arc<dyn PacketSink>,
    ) -> Result<Opened<Box<dyn Encoder>>, Error> {
        if let Some(kept) = &self.kept {
            kept.lock().unwrap().push(Arc::clone(&sink));
        }
        let sink = DefectiveSink { sink, defect: self.defect, late: self.late };
        self.inner.open_encoder(config, Arc::new(sink))
    }

    fn open_decoder(
        &self,
        config: &DecoderConfig,
        sink: Arc<dyn FrameSink>,
    ) -> Result<Opened<Box<dyn Decoder>>, Error> {
        self.inner.open_decoder(config, sink)
    }
}

struct DefectiveSink {
    sink: Arc<dyn PacketSink>,
    defect: Defect,
    late: bool,
}

impl PacketSink for DefectiveSink {
    fn packet(&self, mut packet: EncodedPacket) {
        (self.defect)(&mut packet);
        self.sink.packet(packet);
    }

    fn warning(&self, message: String) {
        self.sink.warning(message);
    }

    fn drained(&self) {
        self.sink.drained();
        if self.late {
            self.sink.drained();
        }
    }

    fn failed(&self, error: Error) {
        self.sink.failed(error);
    }
}

fn defective(script: &str, defect: Defect) -> Defective {
    let inner = Synthetic::new(script.parse().unwrap());
    Defective { inner, defect, late: false, kept: None }
}

#[track_caller]
fn assert_noticed(rule: fn(&EncoderCase), backend: Defective) {
    let case = EncoderCase::new(Arc::new(backend), Codec::H264, PixelFormat::Nv12);
    assert!(catch_unwind(AssertUnwindSafe(|| rule(&case))).is_err(), "the rule let it pass");
}

#[test]
fn a_lost_frame() {
    assert_noticed(encode::every_frame_becomes_one_packet, defective("drop=3", |_| {}));
}

#[test]
fn a_doubled_frame() {
    assert_noticed(encode::every_frame_becomes_one_packet, defective("double=3", |_| {}));
}

#[test]
fn a_codec_that_fails() {
    assert_noticed(encode::one_frame_is_one_packet, defective("fail=0", |_| {}));
}

#[test]
fn a_missing_duration() {
    let backend = defective("", |packet| packet.duration = 0);
    assert_noticed(encode::durations_come_back_with_their_frames, backend);
}

#[test]
fn a_dts_that_stands_still() {
    let backend = defective("", |packet| packet.dts = packet.dts.min(3));
    assert_noticed(encode::dts_rises_and_never_passes_pts, backend);
}

#[test]
fn a_dts_beyond_its_pts() {
    let backend = defective("", |packet| packet.dts += 1);
    assert_noticed(encode::dts_rises_and_never_passes_pts, backend);
}

#[test]
fn a_start_that_is_no_keyframe() {
    let backend = defective("", |packet| packet.keyframe = false);
    assert_noticed(encode::the_first_packet_is_a_keyframe, backend);
}

#[test]
fn a_keyframe_flag_that_lies() {
    let backend = defective("", |packet| packet.keyframe = true);
    assert_noticed(encode::keyframe_flags_agree_with_the_bitstream, backend);
}

#[test]
fn keyframes_too_far_apart() {
    let backend = defective("", |packet| packet.keyframe = packet.pts == 0);
    assert_noticed(encode::keyframes_are_no_further_apart_than_asked, backend);
}

#[test]
fn a_forced_keyframe_that_is_none() {
    let backend = defective("", |packet| {
        // The slice of an IDR picture becomes another's.
        let at = packet.data.windows(5).position(|five| five == [0, 0, 0, 1, 0x65]);
        if let Some(at) = at.filter(|_| packet.pts > 0) {
            packet.data[at + 4] = 0x41;
        }
    });
    assert_noticed(encode::forced_keyframes_are_keyframes, backend);
}

#[test]
fn keyframes_without_parameter_sets() {
    let backend = defective("", |packet| {
        let slice = packet.data.windows(5).position(|five| five == [0, 0, 0, 1, 0x65]);
        packet.data.drain(..slice.unwrap_or(0));
    });
    assert_noticed(encode::in_band_parameter_sets_stand_before_every_keyframe, backend);
}

#[test]
fn parameter_sets_in_spite_of_a_global_header() {
    let backend = defective("", |packet| {
        packet.data.splice(..0, [0, 0, 0, 1, 0x68, 0xce, 0x3c, 0x80]);
    });
    assert_noticed(encode::a_global_header_keeps_parameter_sets_out_of_the_packets, backend);
}

#[test]
fn a_short_start_code_at_the_beginning_or_later() {
    let first = defective("", |packet| packet.data.rotate_left(1));
    assert_noticed(encode::start_codes_have_four_bytes, first);
    let later = defective("", |packet| packet.data.extend([0, 0, 1, 0x0c, 0x80]));
    assert_noticed(encode::start_codes_have_four_bytes, later);
}

#[test]
fn bytes_that_differ_from_run_to_run() {
    static RUNS: Mutex<u8> = Mutex::new(0);
    let backend = defective("", |packet| {
        let mut runs = RUNS.lock().unwrap();
        *runs = runs.wrapping_add(1);
        packet.data.push(*runs | 1);
    });
    assert_noticed(encode::the_same_frames_give_the_same_packets, backend);
}

#[test]
fn something_after_the_end() {
    let backend = Defective { late: true, ..defective("", |_| {}) };
    assert_noticed(encode::nothing_follows_drained, backend);
}

#[test]
fn a_sink_that_is_kept() {
    let backend = Defective { kept: Some(Mutex::default()), ..defective("", |_| {}) };
    assert_noticed(encode::dropping_in_the_middle_joins_and_is_silent, backend);
}
