use crate::script::Script;
use crate::{decoder, encoder};
use std::sync::Arc;
use vtremote_backend::{
    Backend, Capabilities, Codec, Decoder, DecoderConfig, Encoder, EncoderConfig, Error, FrameSink,
    Opened, PacketSink, PixelFormat, Support, check_size,
};

/// The backend: both codecs, every pixel format, encoding and decoding.
#[derive(Debug, Clone)]
pub struct Synthetic {
    script: Script,
    capabilities: Capabilities,
}

impl Synthetic {
    /// A backend that behaves as the script says, in each of its sessions.
    pub fn new(script: Script) -> Self {
        let support = |codec| Support {
            codec,
            implementation: "synthetic".into(),
            formats: PixelFormat::ALL.into(),
        };
        let codecs = vec![support(Codec::H264), support(Codec::H265)];
        let capabilities =
            Capabilities { encoders: codecs.clone(), decoders: codecs, side_data: true };
        Synthetic { script, capabilities }
    }
}

impl Default for Synthetic {
    fn default() -> Self {
        Synthetic::new(Script::default())
    }
}

impl Backend for Synthetic {
    fn name(&self) -> &str {
        "synthetic"
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn open_encoder(
        &self,
        config: &EncoderConfig,
        sink: Arc<dyn PacketSink>,
    ) -> Result<Opened<Box<dyn Encoder>>, Error> {
        check_size(config.width, config.height)?;
        encoder::open(&self.script, config, sink)
    }

    fn open_decoder(
        &self,
        config: &DecoderConfig,
        sink: Arc<dyn FrameSink>,
    ) -> Result<Opened<Box<dyn Decoder>>, Error> {
        check_size(config.width, config.height)?;
        decoder::open(&self.script, config, sink)
    }
}
