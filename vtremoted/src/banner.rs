//! What the daemon says at its start.

use crate::choice::built_in;
use crate::daemon::Daemon;
use crate::settings::{LogFormat, Source};
use std::net::SocketAddr;
use std::path::Path;
use tracing::{info, warn};
use vtremote_backend::Codec;
use vtremote_proto::DEFAULT_PORT;

/// What `--version` prints.
pub(crate) fn version() -> String {
    let version = env!("CARGO_PKG_VERSION");
    let backends = built_in().join(", ");
    format!("vtremoted {version}\nprotocol VTR1 version 1\nbackends {backends}\n")
}

/// Addresses, encoders, who may use them, and the command line to paste.
pub(crate) fn print(daemon: &Daemon) {
    let settings = daemon.settings();
    for backend in daemon.backends() {
        for codec in [Codec::H264, Codec::H265] {
            let encoders = &backend.capabilities().encoders;
            if let Some(support) = encoders.iter().find(|support| support.codec == codec) {
                let formats: Vec<_> = support.formats.iter().map(|format| format.name()).collect();
                info!(
                    codec = codec_name(codec),
                    backend = backend.name(),
                    encoder = support.implementation,
                    formats = formats.join(" "),
                    "encoder"
                );
            }
        }
    }
    if daemon.backends().iter().all(|backend| backend.capabilities().encoders.is_empty()) {
        warn!("there is no encoder here, only decoders: --encoder chooses one by its name");
    }
    match &settings.token {
        Some((_, source)) => info!("a token is set ({source}): clients must send it"),
        None => info!("no token is set"),
    }
    match &settings.token {
        Some((_, Source::Flag)) => {
            warn!("other users of this machine can read --token; --token-file is not seen");
        }
        Some((_, Source::File(path))) if others_can_read(path) => {
            warn!("other users of this machine can read {}: chmod 600 it", path.display());
        }
        _ => {}
    }
    let addresses = daemon.addresses();
    if settings.token.is_none() && addresses.iter().any(|address| !address.ip().is_loopback()) {
        warn!(
            "anyone on the network may use these encoders: set --token-file, or listen on 127.0.0.1 only"
        );
    }
    // Scripts read the port of these lines, and so does whoever installs a service.
    for address in addresses {
        match settings.log_format {
            LogFormat::Text => info!("listening on {address}"),
            LogFormat::Json => info!(%address, "listening"),
        }
    }
    if let Some(first) = addresses.first() {
        let token = if settings.token.is_some() { "VTREMOTE_TOKEN_FILE=FILE " } else { "" };
        info!(
            "for example: {token}ffmpeg -i in.mkv -c:v hevc_videotoolbox_remote -vt_remote_host {} \
             -b:v 6M -c:a copy out.mkv",
            host_to_paste(*first)
        );
    }
}

/// Whether a line of a daemon's log says that it serves.
pub(crate) fn says_listening(line: &str) -> bool {
    line.contains(" INFO listening on ") || line.contains("\"message\":\"listening\"")
}

/// As FFmpeg writes it.
pub(crate) fn codec_name(codec: Codec) -> &'static str {
    match codec {
        Codec::H264 => "h264",
        Codec::H265 => "hevc",
    }
}

/// The address as a client would write it; the port only where it is not the default one.
fn host_to_paste(address: SocketAddr) -> String {
    let host = match address {
        SocketAddr::V4(v4) => v4.ip().to_string(),
        SocketAddr::V6(v6) => format!("[{}]", v6.ip()),
    };
    let host = if address.ip().is_unspecified() { "THIS_MACHINE".to_owned() } else { host };
    if address.port() == DEFAULT_PORT { host } else { format!("{host}:{}", address.port()) }
}

#[cfg(unix)]
fn others_can_read(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|file| file.permissions().mode() & 0o077 != 0)
}

#[cfg(not(unix))]
fn others_can_read(_: &Path) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Arguments, log};
    use clap::Parser;
    use std::fs;
    use std::sync::Arc;
    use vtremote_backend_synthetic::{Script, Synthetic};

    #[test]
    fn what_the_log_says_of_listening_is_understood_in_either_form() {
        let folder = crate::service::Folder::new();
        for format in ["text", "json"] {
            let file = folder.path().join(format);
            let flags = ["--listen", "127.0.0.1:0", "--log-format", format, "--log-file"];
            let flags = [&["vtremoted"], &flags[..], &[file.to_str().unwrap()]].concat();
            let settings = Arguments::parse_from(flags).resolve().unwrap();
            let backend = Synthetic::new(Script::default());
            let daemon = Daemon::bind(&settings, || Ok(vec![Arc::new(backend)])).unwrap();
            tracing::subscriber::with_default(log::subscriber(&settings).unwrap(), || {
                tracing::info!("a line before");
                print(&daemon);
            });
            let log = fs::read_to_string(file).unwrap();
            let count = log.lines().filter(|line| says_listening(line)).count();
            assert!(count == 1 && log.lines().count() > 3, "{log}");
        }
    }

    #[test]
    fn the_address_to_paste_names_no_default_port_and_no_wildcard() {
        let paste = |text: &str| host_to_paste(text.parse().unwrap());
        assert_eq!(paste("127.0.0.1:5555"), "127.0.0.1");
        assert_eq!(paste("[::1]:7000"), "[::1]:7000");
        assert_eq!(paste("0.0.0.0:5555"), "THIS_MACHINE");
    }
}
