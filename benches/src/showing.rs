//! A backend whose decoder gives out pictures that show something. It is the synthetic one, and every
//! picture of its decoder has the rows of a content in place of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use vtremote_backend::{
    Backend, Capabilities, DecodedFrame, Decoder, DecoderConfig, Encoder, EncoderConfig, Error,
    FrameSink, Opened, PacketSink, PixelFormat, PlaneMemory, Planes, Reference,
};
use vtremote_backend_synthetic::{Script, Synthetic};
use vtremote_benches::content;
use vtremote_benches::picture::Kind;

use crate::Problem;

/// Rows begin at a cache line, as those of other backends.
const ALIGN: usize = 64;

pub(crate) struct Showing {
    synthetic: Synthetic,
    pictures: Arc<[Planes]>,
}

impl Showing {
    pub(crate) fn new(kind: Kind, frames: &[content::Planes]) -> Result<Self, Problem> {
        let format = PixelFormat::ALL.into_iter().find(|it| *it as u8 == kind.pixels.to_wire());
        let format = format.ok_or("a format that backends do not have")?;
        let picture = |frame: &content::Planes| -> Result<Planes, Problem> {
            let shapes = format.planes(kind.width, kind.height).into_iter().zip(frame);
            let plane = shapes.map(|(shape, rows)| {
                let plane = Arc::new(PlaneMemory::allocate(shape, ALIGN));
                let mut lent = PlaneMemory::lend(&plane, 0..shape.rows).map_err(|_| "lent")?;
                let stride = lent.stride();
                let targets = lent.bytes().chunks_mut(stride);
                for (target, row) in targets.zip(rows.chunks_exact(shape.row_bytes)) {
                    target[..shape.row_bytes].copy_from_slice(row);
                }
                Ok(plane)
            });
            plane.collect()
        };
        let pictures = frames.iter().map(picture).collect::<Result<_, _>>()?;
        let synthetic = Synthetic::new(Script { hash: false, ..Script::default() });
        Ok(Self { synthetic, pictures })
    }
}

impl Backend for Showing {
    fn name(&self) -> &str {
        self.synthetic.name()
    }

    fn capabilities(&self) -> &Capabilities {
        self.synthetic.capabilities()
    }

    fn open_encoder(
        &self,
        config: &EncoderConfig,
        sink: Arc<dyn PacketSink>,
    ) -> Result<Opened<Box<dyn Encoder>>, Error> {
        self.synthetic.open_encoder(config, sink)
    }

    fn open_decoder(
        &self,
        config: &DecoderConfig,
        sink: Arc<dyn FrameSink>,
    ) -> Result<Opened<Box<dyn Decoder>>, Error> {
        let pictures = Arc::clone(&self.pictures);
        let sink = Arc::new(Show { sink, pictures, next: AtomicUsize::new(0) });
        self.synthetic.open_decoder(config, sink)
    }
}

/// Puts pictures into frames on their way to the session.
struct Show {
    sink: Arc<dyn FrameSink>,
    pictures: Arc<[Planes]>,
    next: AtomicUsize,
}

impl FrameSink for Show {
    fn frame(&self, frame: DecodedFrame) {
        let number = self.next.fetch_add(1, Ordering::Relaxed) % self.pictures.len();
        // The decoder's own picture is held as long: it has as many as it had.
        match Reference::holding(&self.pictures[number], Box::new(frame.picture)) {
            Ok(picture) => self.sink.frame(DecodedFrame { picture, ..frame }),
            Err(error) => self.sink.failed(error),
        }
    }

    fn warning(&self, message: String) {
        self.sink.warning(message);
    }

    fn drained(&self) {
        self.sink.drained();
    }

    fn failed(&self, error: Error) {
        self.sink.failed(error);
    }
}
