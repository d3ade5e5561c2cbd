use crate::inbox::{End, Inbox};
use crate::outbox::Outbox;
use crate::pixels::{Pixels, seed};
use crate::pool::Pool;
use crate::presentation::Presentation;
use crate::script::Script;
use crate::slow::Slow;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use vtremote_backend::{
    CodedPacket, Color, DecodedFrame, Decoder, DecoderConfig, Error, Fields, FrameSink, Geometry,
    Opened, PlaneMemory, Ratio, Reference, Spare,
};
use vtremote_bitstream::ParameterSets;

pub(crate) fn open(
    script: &Script,
    config: &DecoderConfig,
    sink: Arc<dyn FrameSink>,
) -> Result<Opened<Box<dyn Decoder>>, Error> {
    let DecoderConfig { codec, width, height, format, .. } = *config;
    if !config.extradata.is_empty() {
        ParameterSets::from_extradata(codec, &config.extradata)
            .map_err(|error| Error::Codec(format!("extradata: {error}")))?;
    }
    let mut script = script.clone();
    let mut warnings = Vec::new();
    let held = script.delay + script.reorder.unwrap_or(0) + (script.burst - 1);
    if let Some(most) = config.max_delay.filter(|most| held > *most) {
        warnings.push(format!(
            "script's delay, reorder and burst: left out, no more than {most} may be held back"
        ));
        (script.delay, script.burst, script.reorder) = (0, 1, None);
    }
    let (capacity, slow, panic) = (script.pictures, script.slow, script.panic);
    let inbox = Arc::new(Inbox::new());
    let pool = Pool::new(format, width, height, script.pictures);
    let spare = Arc::<Spare>::default();
    let picturer = Picturer {
        config: config.clone(),
        shown: Geometry::new(width, height, format),
        pixels: Pixels::new(format, width, height),
        presentation: Presentation::new(script.reorder),
        outbox: Outbox::new(script.delay, script.burst),
        script,
        pool: Arc::clone(&pool),
        inbox: Arc::clone(&inbox),
        spare: Arc::clone(&spare),
        sink,
    };
    let thread = std::thread::Builder::new().name("synthetic decoder".into());
    let thread = thread.spawn(move || picturer.run());
    let thread = thread.map_err(|error| Error::Codec(format!("no thread: {error}")))?;
    let decoder = SyntheticDecoder {
        pool,
        inbox,
        spare,
        thread: Some(thread),
        capacity,
        slow: Slow::new(slow),
        panic,
        submitted: 0,
    };
    Ok(Opened { codec: Box::new(decoder), parameter_sets: Vec::new(), format, warnings })
}

struct SyntheticDecoder {
    pool: Arc<Pool>,
    inbox: Arc<Inbox<(u64, CodedPacket)>>,
    spare: Arc<Spare>,
    thread: Option<JoinHandle<()>>,
    capacity: usize,
    slow: Slow,
    panic: Option<u64>,
    submitted: u64,
}

impl Decoder for SyntheticDecoder {
    fn submit(
        &mut self,
        packet: CodedPacket,
        wait: Duration,
    ) -> Result<Option<CodedPacket>, Error> {
        let number = self.submitted;
        if self.panic == Some(number) {
            panic!("the synthetic backend's script says panic={number}");
        }
        let slow = self.slow.left(self.submitted);
        if !slow.is_zero() {
            let rested = self.inbox.rest(slow.min(wait));
            if rested.is_ok() && slow > wait {
                return Ok(Some(packet));
            }
        }
        let left = wait.saturating_sub(slow);
        let refused = self.inbox.push((number, packet), self.capacity, left)?;
        self.submitted += u64::from(refused.is_none());
        Ok(refused.map(|(_, packet)| packet))
    }

    fn spare(&mut self) -> Vec<u8> {
        self.spare.take()
    }

    fn drain(&mut self) -> Result<(), Error> {
        self.inbox.drain()
    }
}

impl Drop for SyntheticDecoder {
    fn drop(&mut self) {
        self.inbox.close();
        self.pool.close();
        if let Some(thread) = self.thread.take() {
            // Its panic, if it had one, was reported where it happened.
            let _ = thread.join();
        }
    }
}

/// What the codec thread has.
struct Picturer {
    config: DecoderConfig,
    /// What the last picture was, for which the pool and the pixels are made.
    shown: Geometry,
    pixels: Pixels,
    presentation: Presentation<Frame>,
    outbox: Outbox<Frame>,
    script: Script,
    pool: Arc<Pool>,
    inbox: Arc<Inbox<(u64, CodedPacket)>>,
    spare: Arc<Spare>,
    sink: Arc<dyn FrameSink>,
}

/// A frame that will be painted when its turn comes: waiting ones take no memory.
struct Frame {
    number: u64,
    pts: Option<i64>,
    duration: i64,
    seed: u64,
}

impl Picturer {
    fn run(mut self) {
        match self.decode() {
            Ok(()) => self.sink.drained(),
            Err(End::Closed) => {}
            Err(End::Failed(error)) => {
                self.inbox.fail(error.clone());
                self.sink.failed(error);
            }
        }
    }

    fn decode(&mut self) -> Result<(), End> {
        while let Some((number, packet)) = self.inbox.next()? {
            self.inbox.rest(self.script.cost)?;
            let CodedPacket { pts, dts, duration, keyframe, .. } = packet;
            let seed = seed(self.config.codec, &packet);
            self.spare.keep(packet.data);
            let Some(seed) = seed else {
                self.sink.warning(format!("packet {number}: no slice in it"));
                continue;
            };
            let frame = Frame { number, pts, duration, seed };
            let shown = self.presentation.push(pts, dts, keyframe, frame);
            self.give(shown)?;
        }
        let shown = self.presentation.finish();
        self.give(shown)?;
        let rest: Vec<_> = self.outbox.finish().collect();
        rest.iter().try_for_each(|frame| self.output(frame))
    }

    /// What the script says of a frame.
    fn geometry(&self, number: u64) -> Geometry {
        let DecoderConfig { width, height, format, .. } = self.config;
        let mut geometry = Geometry::new(width, height, format);
        if let Some(resize) = self.script.resize.filter(|resize| number >= resize.frame) {
            (geometry.width, geometry.height) = (resize.width, resize.height);
        }
        if let Some(reformat) = self.script.format.filter(|reformat| number >= reformat.frame) {
            geometry.format = reformat.format;
        }
        if self.script.colors.is_some_and(|first| number >= first) {
            geometry.sample_aspect_ratio = Some(Ratio { num: 4, den: 3 });
            geometry.fields = Fields::BottomFirst;
            geometry.color = Color {
                full_range: Some(true),
                matrix: Some(9),
                primaries: Some(9),
                transfer: Some(16),
                chroma_location: Some(3),
            };
        }
        geometry
    }

    /// The pool and the pixels are for pictures like this one from here on.
    fn shows(&mut self, geometry: Geometry) {
        let Geometry { format, width, height, .. } = geometry;
        let shape = |geometry: &Geometry| (geometry.format, geometry.width, geometry.height);
        if shape(&self.shown) != shape(&geometry) {
            self.pool.reshape(format.planes(width, height));
            self.pixels = Pixels::new(format, width, height);
        }
        self.shown = geometry;
    }

    fn give(&mut self, shown: Vec<Frame>) -> Result<(), End> {
        for frame in shown {
            let ready: Vec<_> = self.outbox.push(frame).collect();
            ready.iter().try_for_each(|frame| self.output(frame))?;
        }
        Ok(())
    }

    fn output(&mut self, frame: &Frame) -> Result<(), End> {
        let number = frame.number;
        if let Some(stall) = self.script.stall.filter(|stall| stall.frame == number) {
            self.inbox.rest(stall.time)?;
        }
        if self.script.fail == Some(number) {
            return Err(End::Failed(Error::Codec(format!("packet {number}: the script says so"))));
        }
        let times = match Some(number) {
            lost if lost == self.script.drop => 0,
            twice if twice == self.script.double => 2,
            _ => 1,
        };
        for _ in 0..times {
            let painted = self.paint(frame)?;
            self.sink.frame(painted);
        }
        Ok(())
    }

    /// Waits for a picture, which the receiver of an earlier one gives back.
    fn paint(&mut self, frame: &Frame) -> Result<DecodedFrame, End> {
        self.shows(self.geometry(frame.number));
        let (planes, slot) = self.pool.take(None).ok_or(End::Closed)?;
        let painted = if self.script.hash || slot.is_new { &planes[..] } else { &[] };
        for (index, plane) in painted.iter().enumerate() {
            let rows = PlaneMemory::lend(plane, 0..plane.shape().rows);
            let mut rows = rows.map_err(|lent| End::Failed(Error::Internal(lent.to_string())))?;
            let (stride, row_bytes) = (rows.stride(), rows.row_bytes());
            for (number, row) in rows.bytes().chunks_mut(stride).enumerate() {
                self.pixels.fill_row(frame.seed, index, number, &mut row[..row_bytes]);
            }
        }
        Ok(DecodedFrame {
            pts: frame.pts,
            duration: frame.duration,
            geometry: self.shown,
            picture: Reference::holding(&planes, Box::new(slot)).map_err(End::Failed)?,
            side_data: Vec::new(),
        })
    }
}
