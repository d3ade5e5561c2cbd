//! The VideoToolbox backend over the double of Apple's frameworks.
#![forbid(unsafe_code)]

use std::sync::Arc;
use std::time::Duration;
use vtremote_apple_double::{Double, Machine, Script};
use vtremote_backend::{
    Backend, Capabilities, Codec, Decoder, DecoderConfig, Encoder, EncoderConfig, Error, FrameSink,
    Opened, PacketSink, PixelFormat,
};
use vtremote_backend_videotoolbox::{Patience, VideoToolbox};

/// The VideoToolbox backend, together with the double that it runs over. While there is one, other tests
/// of this process wait; at its end nothing of the double's may be alive.
pub struct OverDouble {
    // Dropped in this order.
    backend: VideoToolbox,
    double: Double,
}

impl OverDouble {
    /// On this machine.
    ///
    /// # Panics
    /// If there is nothing to encode with.
    pub fn new(machine: Machine) -> Self {
        Self::starting(machine, Script::new())
    }

    /// On this machine, with things that happen while the backend looks at it.
    ///
    /// # Panics
    /// If there is nothing to encode with.
    pub fn starting(machine: Machine, script: Script) -> Self {
        Self::with_patience(machine, script, Patience::default())
    }

    /// On this machine, with a backend that soon gives up what never comes.
    ///
    /// # Panics
    /// If there is nothing to encode with.
    pub fn impatient(machine: Machine) -> Self {
        let (held, answer) = (Duration::from_millis(200), Duration::from_secs(4));
        let patience = Patience { held, answer, ..Patience::default() };
        Self::with_patience(machine, Script::new(), patience)
    }

    /// On this machine, with a backend that is as patient as this.
    ///
    /// # Panics
    /// If there is nothing to encode with.
    pub fn with_patience(machine: Machine, script: Script, patience: Patience) -> Self {
        Self::over(Double::new(machine), script, patience).expect("a backend")
    }

    /// Over this double, of which the backend is told nothing.
    ///
    /// # Errors
    /// Why there is no backend; nothing of it is left then.
    pub fn over(double: Double, script: Script, patience: Patience) -> Result<Self, Error> {
        double.script(script);
        let notices = Arc::new(|line| eprintln!("notice: {line}"));
        let backend = VideoToolbox::with_patience(patience, notices)?;
        Ok(OverDouble { backend, double })
    }

    /// What it runs over.
    pub fn double(&self) -> &Double {
        &self.double
    }
}

impl Backend for OverDouble {
    fn name(&self) -> &str {
        self.backend.name()
    }

    fn capabilities(&self) -> &Capabilities {
        self.backend.capabilities()
    }

    fn open_encoder(
        &self,
        config: &EncoderConfig,
        sink: Arc<dyn PacketSink>,
    ) -> Result<Opened<Box<dyn Encoder>>, Error> {
        self.backend.open_encoder(config, sink)
    }

    fn open_decoder(
        &self,
        config: &DecoderConfig,
        sink: Arc<dyn FrameSink>,
    ) -> Result<Opened<Box<dyn Decoder>>, Error> {
        self.backend.open_decoder(config, sink)
    }

    fn details(&self, codec: Codec, format: PixelFormat) -> Vec<String> {
        self.backend.details(codec, format)
    }
}
