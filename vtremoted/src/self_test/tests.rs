//! Backends that break a rule each, over libavcodec.

use super::*;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use vtremote_backend::{
    Capabilities, DecodedFrame, Decoder, DecoderConfig, EncodedPacket, Encoder, EncoderConfig,
    Error, FrameSink, Opened, PacketSink, PixelFormat, PlaneMemory, Reference,
};
use vtremote_backend_libavcodec::Libavcodec;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    None,
    RefusesToOpen,
    Panics,
    LosesAPacket,
    DoublesAPts,
    RaisesDts,
    BeginsWithoutKeyframe,
    LeavesParameterSetsOut,
    EncoderNeverEnds,
    OpenNeverReturns,
    LosesAFrame,
    SwapsChroma,
    ShowsAnotherFrame,
    ForgetsColours,
    DecoderNeverEnds,
    DecoderFails,
}

struct Faulty {
    fault: Fault,
    capabilities: Capabilities,
}

fn libavcodec() -> &'static Libavcodec {
    static BACKEND: OnceLock<Libavcodec> = OnceLock::new();
    BACKEND.get_or_init(|| Libavcodec::new(Default::default()).unwrap())
}

/// H.264 from NV12, and nothing else.
fn faulty(fault: Fault) -> Arc<dyn Backend> {
    let mut capabilities = libavcodec().capabilities().clone();
    for supports in [&mut capabilities.encoders, &mut capabilities.decoders] {
        supports.retain(|support| support.codec == Codec::H264);
        supports.iter_mut().for_each(|support| support.formats = vec![PixelFormat::Nv12]);
    }
    Arc::new(Faulty { fault, capabilities })
}

impl Backend for Faulty {
    fn name(&self) -> &str {
        "faulty"
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn open_encoder(
        &self,
        config: &EncoderConfig,
        sink: Arc<dyn PacketSink>,
    ) -> Result<Opened<Box<dyn Encoder>>, Error> {
        let mut config = config.clone();
        match self.fault {
            Fault::RefusesToOpen => return Err(Error::Codec("no such luck".into())),
            Fault::Panics => panic!("as the test wants it"),
            Fault::OpenNeverReturns => loop {
                std::thread::park();
            },
            Fault::LeavesParameterSetsOut => config.global_header = true,
            Fault::ForgetsColours => config.color = Default::default(),
            _ => {}
        }
        let sink = Arc::new(Between { fault: self.fault, count: AtomicUsize::new(0), sink });
        libavcodec().open_encoder(&config, sink)
    }

    fn open_decoder(
        &self,
        config: &DecoderConfig,
        sink: Arc<dyn FrameSink>,
    ) -> Result<Opened<Box<dyn Decoder>>, Error> {
        let sink = Arc::new(Between { fault: self.fault, count: AtomicUsize::new(0), sink });
        libavcodec().open_decoder(config, sink)
    }
}

/// Between the codec and the self-test.
struct Between<S: ?Sized> {
    fault: Fault,
    count: AtomicUsize,
    sink: Arc<S>,
}

impl PacketSink for Between<dyn PacketSink> {
    fn packet(&self, mut packet: EncodedPacket) {
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        match (self.fault, number) {
            (Fault::LosesAPacket, 7) => return,
            (Fault::DoublesAPts, 7) => packet.pts += 1,
            (Fault::RaisesDts, 7) => packet.dts = packet.pts + 1,
            (Fault::BeginsWithoutKeyframe, 0) => packet.keyframe = false,
            _ => {}
        }
        self.sink.packet(packet);
    }

    fn warning(&self, message: String) {
        self.sink.warning(message);
    }

    fn drained(&self) {
        if self.fault != Fault::EncoderNeverEnds {
            self.sink.drained();
        }
    }

    fn failed(&self, error: Error) {
        self.sink.failed(error);
    }
}

/// The same picture in other memory, with Cb and Cr in each other's places.
fn swapped(picture: &Reference) -> Reference {
    let copy = |(index, from): (usize, &vtremote_backend::Rows)| {
        let memory = Arc::new(PlaneMemory::allocate(from.shape(), 1));
        let mut to = PlaneMemory::lend(&memory, 0..from.shape().rows).unwrap();
        let (stride, row_bytes) = (to.stride(), from.shape().row_bytes);
        for (to, from) in to.bytes().chunks_mut(stride).zip(from.bytes().chunks(from.stride())) {
            to[..row_bytes].copy_from_slice(&from[..row_bytes]);
            if index == 1 {
                to[..row_bytes].chunks_exact_mut(2).for_each(|pair| pair.swap(0, 1));
            }
        }
        drop(to);
        memory
    };
    let planes: Vec<_> = picture.planes().iter().enumerate().map(copy).collect();
    Reference::new(&planes).unwrap()
}

impl FrameSink for Between<dyn FrameSink> {
    fn frame(&self, mut frame: DecodedFrame) {
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        match (self.fault, number) {
            (Fault::LosesAFrame, 7) => return,
            (Fault::SwapsChroma, 7) => frame.picture = swapped(&frame.picture),
            // The first frame is lost, and a second last one stands in at the end.
            (Fault::ShowsAnotherFrame, 0) => return,
            (Fault::ShowsAnotherFrame, _) => {
                frame.pts = frame.pts.map(|pts| pts - 1);
                let (geometry, picture) = (frame.geometry, frame.picture.clone());
                let last = frame.pts == Some(28);
                self.sink.frame(frame);
                if last {
                    let (pts, side_data) = (Some(29), Vec::new());
                    self.sink.frame(DecodedFrame {
                        pts,
                        duration: 1,
                        geometry,
                        picture,
                        side_data,
                    });
                }
                return;
            }
            (Fault::DecoderFails, 7) => self.sink.failed(Error::Codec("it went away".into())),
            _ => {}
        }
        self.sink.frame(frame);
    }

    fn warning(&self, message: String) {
        self.sink.warning(message);
    }

    fn drained(&self) {
        if self.fault != Fault::DecoderNeverEnds {
            self.sink.drained();
        }
    }

    fn failed(&self, error: Error) {
        self.sink.failed(error);
    }
}

fn told(backends: &[Arc<dyn Backend>], patience: Duration) -> (bool, String) {
    let mut out = Vec::new();
    let code = verdict(backends, patience, &channel().1, &mut out).unwrap();
    (code == ExitCode::SUCCESS, String::from_utf8(out).unwrap())
}

#[test]
fn a_backend_without_fault_passes() {
    let (passed, text) = told(&[faulty(Fault::None)], PATIENCE);
    assert!(passed && text.ends_with("\nself-test: OK\n"), "{text}");
    let line = text.lines().find(|line| line.starts_with("  h264 nv12: ")).unwrap();
    for word in ["encode ", "decode ", " fps", "PSNR luma ", "; ok"] {
        assert!(line.contains(word), "{word} is not in {line}");
    }
    assert!(text.contains("\n    encoder: libx264 (software), "), "{text}");
}

#[test]
fn each_fault_is_a_failed_case_that_says_which() {
    for (fault, why) in [
        (Fault::RefusesToOpen, "encoder: codec failed: no such luck"),
        (Fault::Panics, "panicked"),
        (Fault::LosesAPacket, "encoder: not every pts once"),
        (Fault::DoublesAPts, "encoder: not every pts once"),
        (Fault::RaisesDts, "encoder: dts "),
        (Fault::BeginsWithoutKeyframe, "encoder: the first packet is no keyframe"),
        (Fault::LeavesParameterSetsOut, "encoder: the first packet has no SPS"),
        (Fault::LosesAFrame, "decoder: not every pts once"),
        (Fault::SwapsChroma, "decoder: wrong pictures"),
        (Fault::ShowsAnotherFrame, "decoder: wrong pictures"),
        (Fault::ForgetsColours, "decoder: BT.709 in video range comes back as"),
        (Fault::DecoderFails, "decoder: codec failed: it went away"),
    ] {
        let (passed, text) = told(&[faulty(fault)], PATIENCE);
        let line = text.lines().find(|line| line.contains("FAILED: ")).unwrap_or(&text);
        assert!(!passed && line.contains(why), "{fault:?}: {text}");
        assert!(text.ends_with("\nself-test: FAILED (1 of 1)\n"), "{fault:?}: {text}");
    }
}

#[test]
fn a_backend_that_hangs_is_not_waited_for_without_end() {
    for (fault, why) in [
        (Fault::EncoderNeverEnds, "encoder: it hangs: 30 of 30 came"),
        (Fault::DecoderNeverEnds, "decoder: it hangs: 30 of 30 came"),
        (Fault::OpenNeverReturns, "did not return within"),
    ] {
        let (passed, text) = told(&[faulty(fault)], Duration::from_secs(8));
        assert!(!passed && text.contains(why), "{fault:?}: {text}");
    }
}

#[test]
fn a_backend_that_encodes_nothing_has_not_passed() {
    let mut capabilities = libavcodec().capabilities().clone();
    capabilities.encoders.clear();
    let (passed, text) = told(&[Arc::new(Faulty { fault: Fault::None, capabilities })], PATIENCE);
    assert!(!passed && text.ends_with("self-test: FAILED (nothing here encodes)\n"), "{text}");
}
