//! Making a session from a plan, and finding out what it will write.

use crate::ffi::{
    Access, Compression, Listener, Output, PixelBuffer, Pool, Sample, Status, Time, Value, names,
};
use crate::options::{Need, Plan, Setting};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;
use vtremote_backend::{Codec, EncoderConfig, Error, PixelFormat, PlaneMemory, PlaneShape, Planes};
use vtremote_bitstream::{LengthSize, ParameterSets, SetKind, StreamFacts};

/// A session that is ready for its first frame.
pub(crate) struct Session {
    pub(crate) compression: Compression,
    pub(crate) pool: Pool,
    /// Whether it says that it reorders frames.
    pub(crate) reorders: bool,
    pub(crate) warnings: Vec<String>,
    /// What it is, and what it has refused that nobody has asked for.
    pub(crate) facts: Vec<String>,
}

impl Session {
    /// # Errors
    /// [`Error::Option`] for a property that is refused and has to be, [`Error::Codec`].
    pub(crate) fn open(plan: &Plan, listener: Listener) -> Result<Self, Error> {
        let Plan { codec, size, specification, source, settings, .. } = plan;
        let compression = Compression::new(*codec, *size, specification, source, listener);
        let compression = compression.map_err(|status| {
            let what = format!("there is no session for it: {status}");
            match status {
                // All that it was told is the size and the format.
                Status::NO_ENCODER | Status::PARAMETER => Error::Unsupported(what),
                _ => Error::Codec(what),
            }
        })?;
        let (mut warnings, mut refused) = (Vec::new(), Vec::new());
        for Setting { property, value, need } in settings {
            let Err(status) = compression.set(property, value) else { continue };
            match need {
                Need::Must(key) => {
                    return Err(Error::Option { key, reason: format!("{property}: {status}") });
                }
                Need::Wish(key) => warnings.push(format!("{key}: {property}: {status}")),
                Need::Hint => refused.push(format!("refused {property}: {status}")),
            }
        }
        compression
            .prepare()
            .map_err(|status| Error::Codec(format!("the encoder does not start: {status}")))?;
        let pool = compression.pool();
        let pool =
            pool.ok_or_else(|| Error::Codec("the session has no pictures to fill".into()))?;
        // It may reorder less than it was asked to, and more.
        let asked = settings.iter().find(|set| set.property == names::allow_frame_reordering());
        let reorders = asked.is_some_and(|set| {
            let reads = compression.flag(&names::allow_frame_reordering());
            reads.unwrap_or_else(|| set.value == Value::Bool(true))
        });
        if let (false, Some(Setting { need: Need::Wish(key), .. })) = (reorders, asked)
            && !warnings.iter().any(|warning| warning.starts_with(key))
        {
            warnings.push(format!("{key}: this encoder has no B-frames"));
        }
        let id = compression.text(&names::encoder_id());
        let kind = match compression.flag(&names::using_hardware()) {
            Some(true) => "hardware",
            Some(false) => "software",
            None => "it does not say whether hardware",
        };
        let reordering = if reorders { "reorders frames" } else { "keeps frames in order" };
        let mut facts =
            vec![format!("{} ({kind}), {reordering}", id.as_deref().unwrap_or("no name"))];
        facts.extend(refused);
        Ok(Session { compression, pool, reorders, warnings, facts })
    }
}

/// A picture to write to, that says of itself what the plan says of all.
pub(crate) fn picture(
    pool: &Pool,
    plan: &Plan,
    shapes: &[PlaneShape],
) -> Result<(PixelBuffer, Planes), Error> {
    let failed = |what: String| Error::Codec(format!("no picture to fill: {what}"));
    let buffer = pool.buffer().map_err(|status| failed(status.to_string()))?;
    for (key, value) in &plan.attachments {
        buffer.attach(key, value);
    }
    let locked = buffer.lock(Access::Write).map_err(|status| failed(status.to_string()))?;
    let planes = locked.planes(shapes).map_err(failed)?;
    Ok((buffer, planes))
}

/// The parameter sets that a session of this plan writes. It tells them with its first packet only: so
/// one frame is encoded in a session that is thrown away.
///
/// `Ok(None)` if that takes longer than `patience`.
pub(crate) fn warm_up(
    plan: &Plan,
    config: &EncoderConfig,
    patience: Duration,
) -> Result<Option<ParameterSets>, Error> {
    let (done, result) = mpsc::channel();
    let (plan, codec, format) = (plan.clone(), config.codec, config.format);
    let size = (config.width, config.height);
    let shapes = format.planes(config.width, config.height);
    // Nothing says how long VideoToolbox may take: a thread that comes too late ends unheard.
    let thread = thread::Builder::new().name("vt-warm-up".into()).spawn(move || {
        let _ = done.send(first_sets(&plan, codec, format, &shapes));
    });
    let thread = thread.map_err(|error| Error::Codec(format!("no thread: {error}")))?;
    match result.recv_timeout(patience) {
        Ok(sets) => {
            // It has said its last word.
            let _ = thread.join();
            let sets = sets?;
            as_asked(&sets, size, format)?;
            Ok(Some(sets))
        }
        Err(mpsc::RecvTimeoutError::Timeout) => Ok(None),
        Err(mpsc::RecvTimeoutError::Disconnected) => {
            Err(Error::Internal("the warm-up panicked".into()))
        }
    }
}

/// Encoders may change what they are asked for, and not say so: a stream that is not what the client
/// has announced would be taken for it.
pub(crate) fn as_asked(
    sets: &ParameterSets,
    (width, height): (u32, u32),
    format: PixelFormat,
) -> Result<(), Error> {
    let sps = sets.of(SetKind::Sps).next();
    let Some(facts) = sps.and_then(|sps| StreamFacts::from_sps(sets.codec(), sps)) else {
        // Whoever decodes it will see.
        return Ok(());
    };
    if (facts.width, facts.height) != (width, height) {
        let what =
            format!("VideoToolbox makes {}x{} of {width}x{height}", facts.width, facts.height);
        return Err(Error::Unsupported(what));
    }
    // More bits than there are may have been asked for by the profile.
    let ten_bits = matches!(format, PixelFormat::P010 | PixelFormat::P210);
    let bits = facts.format.luma_bits;
    if ten_bits && bits < 10 {
        let name = format.name();
        return Err(Error::Unsupported(format!("VideoToolbox makes {bits} bits of {name}")));
    }
    Ok(())
}

fn first_sets(
    plan: &Plan,
    codec: Codec,
    format: PixelFormat,
    shapes: &[PlaneShape],
) -> Result<ParameterSets, Error> {
    let (told, hear) = mpsc::channel();
    let listener: Listener = Arc::new(move |_, output| {
        let sets = match output {
            Output::Sample(sample) => parameter_sets(&sample, codec).map(|(sets, _)| sets),
            Output::Dropped => Err(Error::Codec("the encoder drops its first frame".into())),
            Output::Failed(status) => {
                Err(Error::Codec(format!("the encoder fails at its first frame: {status}")))
            }
            Output::Panicked => return,
        };
        // Nobody listens after the first.
        let _ = told.send(sets);
    });
    let session = Session::open(plan, listener)?;
    let (buffer, planes) = picture(&session.pool, plan, shapes)?;
    blacken(&planes, format)?;
    drop(planes);
    let failed = |status| Error::Codec(format!("the encoder takes no frame: {status}"));
    let (start, duration) = (Time::new(0, 30), Time::new(1, 30));
    session.compression.encode(&buffer, (start, duration), true, 0).map_err(failed)?;
    let completed = session.compression.complete();
    match hear.try_recv() {
        Ok(sets) => sets,
        Err(_) => {
            completed.map_err(failed)?;
            Err(Error::Codec("the encoder gives nothing for its first frame".into()))
        }
    }
}

/// Memory that is used again may hold other people's pictures.
pub(crate) fn blacken(planes: &Planes, format: PixelFormat) -> Result<(), Error> {
    for (index, plane) in planes.iter().enumerate() {
        let rows = PlaneMemory::lend(plane, 0..plane.shape().rows);
        let mut rows = rows.map_err(|lent| Error::Internal(lent.to_string()))?;
        match (format, index) {
            (PixelFormat::Bgra, _) | (_, 0) => rows.bytes().fill(0),
            // The middle, of eight bits or of the high ones of sixteen.
            (PixelFormat::Nv12, _) => rows.bytes().fill(0x80),
            _ => rows.bytes().chunks_exact_mut(2).for_each(|two| two.copy_from_slice(&[0, 0x80])),
        }
    }
    Ok(())
}

/// The sets that a packet was written with, and the size of the lengths in it.
pub(crate) fn parameter_sets(
    sample: &Sample<'_>,
    codec: Codec,
) -> Result<(ParameterSets, LengthSize), Error> {
    let found = sample.parameter_sets(codec);
    let (nals, size) = found
        .map_err(|status| Error::Codec(format!("a packet has no parameter sets: {status}")))?;
    let size = LengthSize::new(size)
        .ok_or_else(|| Error::Codec(format!("a packet has lengths of {size} bytes")))?;
    // SEI may be among them, such as what HEVC says of its alpha: a record has a place for it.
    let stream: Vec<u8> = nals.iter().flat_map(|nal| [&[0, 0, 0, 1], &nal[..]].concat()).collect();
    let sets = ParameterSets::from_annexb(codec, &stream)
        .map_err(|error| Error::Codec(format!("a packet's parameter sets are none: {error}")))?;
    Ok((sets, size))
}
