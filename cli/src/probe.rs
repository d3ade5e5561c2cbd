//! `vtremote probe`: one line a step, from the name to thirty encoded frames.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use vtremote_client::{Encoder, Error, Info, Received, Sent, dial};
use vtremote_link::resolve;
use vtremote_proto::Codec;

use crate::server::{Server, codec, say};
use crate::{exit, pattern};

/// Frames that are encoded with each codec.
const FRAMES: usize = 30;

/// Looks whether a server is there and encodes.
///
/// Resolves the name, connects, shows the token, lists what the server can do, and has it encode thirty
/// frames of a 320x180 test pattern with each codec that it lists. Every step is a line with the time that
/// it took; a failure is a line that says what to do about it.
///
/// The token comes from --token-file, else from VTREMOTE_TOKEN, else from the file that
/// VTREMOTE_TOKEN_FILE names.
#[derive(Args)]
#[command(after_help = exit::HELP)]
pub(crate) struct Arguments {
    #[command(flatten)]
    server: Server,

    /// Only this codec: h264 or hevc
    #[arg(long, value_name = "CODEC", value_parser = codec)]
    codec: Option<Codec>,
}

pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    match probe(arguments) {
        Ok(()) => {
            say(format_args!("probe: OK"));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("probe: {error}");
            exit::code(error.kind())
        }
    }
}

fn probe(arguments: &Arguments) -> Result<(), Error> {
    let mut settings = arguments.server.settings("probe")?;
    let server = settings.server_address()?;

    let begin = Instant::now();
    let addresses = resolve(&server, settings.timeout)
        .map_err(|error| Error::Resolve { server: server.clone(), error })?;
    let addresses: Vec<_> = addresses.iter().map(|address| address.ip().to_string()).collect();
    step("resolve", begin, &format!("{}: {}", server.host, addresses.join(", ")));

    let codecs = arguments.codec.map_or(vec![Codec::H264, Codec::Hevc], |codec| vec![codec]);
    // What it has offered with the codec before.
    let mut offered = None;
    let mut missing = None;
    let mut encoded = 0;
    for codec in codecs {
        settings.codec = Some(codec);
        let begin = Instant::now();
        let mut link = dial(&server, settings.timeout)?;
        if offered.is_none() {
            step("connect", begin, &link.peer);
        }
        link.peer = server.to_string();
        let begin = Instant::now();
        let mut encoder = match Encoder::open_over(link, &settings, &pattern::VIDEO, None) {
            Ok(encoder) => encoder,
            Err(Error::Missing { server, capability }) if capability == codec.name() => {
                say(format_args!("{:<10}not offered by this server", codec.name()));
                missing = Some(Error::Missing { server, capability });
                continue;
            }
            Err(error) => return Err(error),
        };
        let info = encoder.info();
        let offers = |what: &str| {
            say(format_args!("{:<10}{what}{}", "offers", info.capabilities.join(" ")));
        };
        match &offered {
            None => {
                greeting(&info, begin, settings.token.as_deref());
                offers("");
            }
            Some(before) if *before != info.capabilities => offers(&format!("with {codec}: ")),
            Some(_) => {}
        }
        offered = Some(info.capabilities);
        encode(&mut encoder, codec)?;
        encoded += 1;
    }
    match missing {
        Some(error) if encoded == 0 => Err(error),
        _ => Ok(()),
    }
}

/// One step that is done.
fn step(name: &str, begin: Instant, what: &str) {
    say(format_args!("{name:<10}{what} ({:.1} ms)", begin.elapsed().as_secs_f64() * 1000.0));
}

fn greeting(info: &Info, begin: Instant, token: Option<&str>) {
    let name = match (info.server_name.as_str(), info.server_version.as_str()) {
        ("", _) => "a server that does not give its name".to_owned(),
        (name, version) => format!("{name} {version}").trim_end().to_owned(),
    };
    let sessions = match info.max_sessions {
        0 => String::new(),
        max => format!(", {} of {max} sessions in use with this one", info.active_sessions),
    };
    step("hello", begin, &format!("{name}{sessions}"));
    let token =
        if token.is_none_or(str::is_empty) { "none given, none wanted" } else { "accepted" };
    say(format_args!("{:<10}{token}", "token"));
}

/// Has the test pattern encoded and looks at what comes back.
fn encode(encoder: &mut Encoder, codec: Codec) -> Result<(), Error> {
    // Making the frames is not the server's time.
    let frames: Vec<_> = (0..FRAMES).filter_map(pattern::frame).collect();
    let begin = Instant::now();
    let (mut packets, mut bytes, mut first) = (0, 0, None);
    let mut receive = |encoder: &mut Encoder, patience| -> Result<bool, Error> {
        match encoder.receive_packet(patience)? {
            Received::Packet(packet) => {
                packets += 1;
                bytes += packet.data().len();
                first.get_or_insert_with(|| begin.elapsed());
                Ok(true)
            }
            Received::Nothing => Ok(true),
            Received::End => Ok(false),
        }
    };
    for frame in frames {
        let mut next = frame;
        while let Sent::Full(frame) = encoder.send_frame(next)? {
            receive(encoder, None)?;
            next = frame;
        }
        receive(encoder, Some(Duration::ZERO))?;
    }
    encoder.flush()?;
    while receive(encoder, None)? {}
    let info = encoder.info();
    let seconds = begin.elapsed().as_secs_f64();
    let first = first.map_or(0.0, |first| first.as_secs_f64() * 1000.0);
    let what = format!(
        "{packets} frames of 320x180 are {bytes} bytes; {:.0} frames per second, the first after \
         {first:.1} ms; {} bytes sent, compression {}",
        FRAMES as f64 / seconds.max(1e-6),
        info.bytes_sent,
        info.compression,
    );
    step(codec.name(), begin, &what);
    Ok(())
}
