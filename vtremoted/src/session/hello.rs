//! Who the client is, and whether it may stay.

use super::Shared;
use crate::daemon::Registration;
use std::sync::Arc;
use std::time::Duration;
use tracing::{debug, info};
use vtremote_backend::{Backend, Capabilities, Codec, Support};
use vtremote_proto::{Hello, HelloAck, HelloStatus};

/// A wrong token is answered after this: guessing is slow, and only the guesser waits.
const WRONG_TOKEN_DELAY: Duration = Duration::from_secs(1);

/// So long a client waits for a slot before it is told that there is none: early clients that decode
/// HEVC come back at the moment in which they close their probing session, and may be faster than its end
/// here.
const SLOT_WAIT: Duration = Duration::from_millis(500);

/// What the server calls itself.
const NAME: &str = "vtremoted";

/// What we add (docs/protocol.md section 9).
const EXTENSIONS: [&str; 6] =
    ["x.ack.v1", "x.slices.v1", "x.geometry.v1", "x.notice.v1", "x.wire.vtz.v1", "x.pace.v1"];

/// What every server lists to every client: current ones require it (docs/protocol.md section 3).
const ALWAYS: [&str; 6] = [
    "h264",
    "hevc",
    "pixfmt.nv12",
    "pixfmt.p010",
    "hwframes.videotoolbox.input",
    "hwframes.videotoolbox.output",
];

/// Answers HELLO. Gives the codec if the client is taken.
pub(super) fn answer(
    session: &Shared,
    registration: &Registration,
    hello: &Hello<'_>,
    peer: &str,
) -> Option<Codec> {
    let daemon = &registration.shared;
    let name = printable(&format!("{} {}", hello.client_name, hello.client_build));
    session.lock().report.client.push_str(&format!(" ({})", name.trim()));

    let token = daemon.settings.token.as_ref();
    if token.is_some_and(|(token, _)| !token.matches(hello.token)) {
        info!(client = peer, empty = hello.token.is_empty(), "a client sent a wrong token");
        // On the session's own thread; the state machine's deadlines go on meanwhile.
        session.wait_until(WRONG_TOKEN_DELAY, |_| false);
        refuse(session, registration, HelloStatus::AuthenticationFailed);
        return None;
    }
    let codec = match hello.codec {
        "h264" => Codec::H264,
        "hevc" => Codec::H265,
        other => {
            let codec = printable(other);
            info!(client = peer, codec, "a client asked for a codec that does not exist here");
            refuse(session, registration, HelloStatus::Unsupported);
            return None;
        }
    };
    let Some(slot) = daemon.slots.take(SLOT_WAIT) else {
        refuse(session, registration, HelloStatus::Busy);
        return None;
    };
    let mut capabilities = ALWAYS.to_vec();
    let offers = Offers::of(&daemon.backends, codec);
    capabilities.extend(offers.formats);
    if offers.side_data {
        capabilities.push("side_data.v2");
    }
    capabilities.extend(EXTENSIONS);
    debug!(capabilities = capabilities.join(" "), "offered");
    let mut state = session.lock();
    state.slot = Some(slot);
    state.report.codec = hello.codec.to_owned();
    state.report.accepted = true;
    drop(state);
    // Which backend it will be: what a person at the client's end wants to know.
    let serves = |backend: &&Arc<dyn Backend>| supports(backend, codec).next().is_some();
    let backend = daemon.backends.iter().find(serves).map_or("", |backend| backend.name());
    let name = format!("{NAME} ({backend})");
    reply(session, registration, HelloStatus::Ok, &name, capabilities);
    Some(codec)
}

fn refuse(session: &Shared, registration: &Registration, status: HelloStatus) {
    reply(session, registration, status, NAME, ALWAYS.to_vec());
}

fn reply(
    session: &Shared,
    registration: &Registration,
    status: HelloStatus,
    name: &str,
    capabilities: Vec<&str>,
) {
    let slots = &registration.shared.slots;
    let count = |sessions: usize| u16::try_from(sessions).unwrap_or(u16::MAX);
    let ack = HelloAck {
        status,
        server_name: name,
        server_version: env!("CARGO_PKG_VERSION"),
        capabilities,
        max_sessions: count(slots.max()),
        active_sessions: count(slots.taken()),
    };
    session.with(|server, now| match status {
        HelloStatus::Ok => server.accept(now, &ack),
        _ => server.refuse(now, &ack),
    });
}

/// What the backends add for a codec to what every server lists. Whether the client will encode or decode
/// it says in CONFIGURE only.
struct Offers {
    formats: Vec<&'static str>,
    side_data: bool,
}

impl Offers {
    fn of(backends: &[Arc<dyn Backend>], codec: Codec) -> Self {
        use vtremote_backend::PixelFormat::{Ayuv, Bgra, P210};
        let has = |format| {
            backends.iter().any(|one| supports(one, codec).any(|one| one.formats.contains(&format)))
        };
        let optional = [(Bgra, "pixfmt.bgra"), (Ayuv, "pixfmt.ayuv"), (P210, "pixfmt.p210")];
        let offered = optional.into_iter().filter(|(format, _)| has(*format));
        let side_data = |one: &Arc<dyn Backend>| {
            one.capabilities().side_data && supports(one, codec).next().is_some()
        };
        Offers {
            formats: offered.map(|(_, capability)| capability).collect(),
            side_data: backends.iter().any(side_data),
        }
    }
}

/// What a backend does with a codec, either way.
fn supports(backend: &Arc<dyn Backend>, codec: Codec) -> impl Iterator<Item = &Support> {
    let Capabilities { encoders, decoders, .. } = backend.capabilities();
    encoders.iter().chain(decoders).filter(move |support| support.codec == codec)
}

/// Text of a peer's, for a log: short and without control characters.
pub(super) fn printable(text: &str) -> String {
    text.chars().filter(|char| !char.is_control()).take(80).collect()
}
