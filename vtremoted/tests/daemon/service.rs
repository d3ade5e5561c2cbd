//! A daemon in this process, on a port of its own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;
use vtremote_backend::{
    Backend, Capabilities, Decoder, DecoderConfig, Encoder, EncoderConfig, Error, FrameSink,
    Opened, PacketSink,
};
use vtremote_backend_synthetic::Synthetic;
use vtremote_link::Address;
use vtremoted::{Daemon, Exit, LogFormat, LogLevel, Settings, Stop};

/// Ends a test that would hang; nothing is expected to take so long.
pub(crate) const GUARD: Duration = Duration::from_secs(60);

/// Ended when dropped.
pub(crate) struct Service {
    pub(crate) address: SocketAddr,
    stop: Stop,
    exit: Receiver<Exit>,
}

pub(crate) fn settings() -> Settings {
    Settings {
        listen: vec![Address { host: "127.0.0.1".into(), port: 0 }],
        token: None,
        max_sessions: 4,
        backend: "synthetic".into(),
        encoders: Vec::new(),
        encoder_threads: None,
        handshake_timeout: Duration::from_secs(10),
        idle_timeout: Duration::from_secs(60),
        drain_timeout: Duration::from_secs(30),
        max_message_bytes: 256 << 20,
        log_level: LogLevel::Info,
        log_format: LogFormat::Text,
        log_file: None,
        once: false,
    }
}

/// A synthetic backend that behaves as the script says.
pub(crate) fn synthetic(script: &str) -> Arc<dyn Backend> {
    Arc::new(Synthetic::new(script.parse().unwrap()))
}

/// A backend that lists what it is told to list.
pub(crate) struct Listing(pub(crate) Arc<dyn Backend>, pub(crate) Capabilities);

impl Backend for Listing {
    fn name(&self) -> &str {
        "listing"
    }
    fn capabilities(&self) -> &Capabilities {
        &self.1
    }
    fn open_encoder(
        &self,
        config: &EncoderConfig,
        sink: Arc<dyn PacketSink>,
    ) -> Result<Opened<Box<dyn Encoder>>, Error> {
        self.0.open_encoder(config, sink)
    }
    fn open_decoder(
        &self,
        config: &DecoderConfig,
        sink: Arc<dyn FrameSink>,
    ) -> Result<Opened<Box<dyn Decoder>>, Error> {
        self.0.open_decoder(config, sink)
    }
}

impl Service {
    pub(crate) fn start(script: &str) -> Self {
        Self::with(&settings(), script)
    }

    pub(crate) fn with(settings: &Settings, script: &str) -> Self {
        Self::over(settings, synthetic(script))
    }

    pub(crate) fn over(settings: &Settings, backend: Arc<dyn Backend>) -> Self {
        Self::serving(Daemon::bind(settings, || Ok(vec![backend])).unwrap())
    }

    pub(crate) fn serving(daemon: Daemon) -> Self {
        let (address, stop) = (daemon.addresses()[0], daemon.stop());
        let (ended, exit) = channel();
        thread::spawn(move || ended.send(daemon.serve()));
        Service { address, stop, exit }
    }

    pub(crate) fn stop(&self) {
        self.stop.stop();
    }

    /// How it ended, once it has.
    pub(crate) fn exit(&self) -> Exit {
        self.exit.recv_timeout(GUARD).expect("the daemon does not end")
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.stop.stop();
    }
}
