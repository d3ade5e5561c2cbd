use crate::decoder;
use crate::details::details;
use crate::encoder::{self, Surroundings};
use crate::ffi::{EncoderInfo, encoders};
use crate::options::{Extras, Plan, plan};
use crate::patience::Patience;
use crate::session::warm_up;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};
use vtremote_backend::{
    Backend, Capabilities, Codec, Decoder, DecoderConfig, Encoder, EncoderConfig, Error, FrameSink,
    Opened, PacketSink, PixelFormat, Ratio, Support, check_size,
};
use vtremote_bitstream::{LengthSize, ParameterSets, SetKind, StreamFacts};

/// Hears of what no client can be told while its session goes on: a line each.
pub type Notices = Arc<dyn Fn(String) + Send + Sync>;

/// How often what fails at the start is tried, and how long that waits in between.
const ATTEMPTS: u32 = 3;
const MOMENT: Duration = Duration::from_secs(1);

/// How long it may take to find out why there was none.
const SECOND_TRY: Duration = Duration::from_millis(500);

/// The backend, over whatever this Mac was found to have.
pub struct VideoToolbox {
    capabilities: Capabilities,
    /// Whether there is H.265 with an alpha layer.
    alpha: bool,
    patience: Patience,
    notices: Notices,
}

impl VideoToolbox {
    /// Finds out what this Mac encodes, by encoding a frame from each pixel format: a list of encoders
    /// does not say what they take.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if nothing can be encoded, and why.
    pub fn new(notices: Notices) -> Result<Self, Error> {
        Self::with_patience(Patience::default(), notices)
    }

    /// The same, with another patience than what clients have.
    ///
    /// # Errors
    /// As those of [`VideoToolbox::new`].
    pub fn with_patience(patience: Patience, notices: Notices) -> Result<Self, Error> {
        let listed = encoders().map_err(|status| {
            Error::Unsupported(format!("there is no list of encoders: {status}"))
        })?;
        let mut capabilities = Capabilities { side_data: true, ..Capabilities::default() };
        let kinds = [Codec::H264, Codec::H265]
            .into_iter()
            .filter(|codec| implementation(&listed, *codec).is_some())
            .flat_map(|codec| candidates(codec).iter().map(move |&format| (codec, format)));
        let (found, refused) = tried(kinds.collect(), |&(codec, format)| {
            works(&probe(codec, format), false, patience)
        });
        let mut refusals: Vec<String> = refused
            .into_iter()
            .map(|((codec, format), error)| format!("{codec} from {}: {error}", format.name()))
            .collect();
        for codec in [Codec::H264, Codec::H265] {
            let Some(implementation) = implementation(&listed, codec) else { continue };
            let of_codec = |&format: &PixelFormat| found.contains(&(codec, format));
            let formats: Vec<_> = candidates(codec).iter().copied().filter(of_codec).collect();
            if !formats.is_empty() {
                capabilities.encoders.push(Support { codec, implementation, formats });
            }
        }
        if capabilities.encoders.is_empty() {
            let why = refusals.join("; ");
            let why = if why.is_empty() { "no encoder is listed".into() } else { why };
            return Err(Error::Unsupported(format!("VideoToolbox encodes nothing here: {why}")));
        }
        let (decoders, not_decoded) = decoder::decoders(patience.warm_up);
        capabilities.decoders = decoders;
        refusals.extend(not_decoded);
        let has_alpha = |support: &Support| {
            support.codec == Codec::H265 && support.formats.contains(&PixelFormat::Bgra)
        };
        let alpha = capabilities.encoders.iter().any(has_alpha).then(|| {
            let config = probe(Codec::H265, PixelFormat::Bgra);
            EncoderConfig { alpha_quality: 0.5, ..config }
        });
        let (alpha, no_alpha) =
            tried(Vec::from_iter(alpha), |config| works(config, true, patience));
        let no_alpha = no_alpha.into_iter().map(|(_, error)| format!("H.265 with alpha: {error}"));
        refusals.extend(no_alpha);
        refusals.into_iter().for_each(|refusal| notices(format!("VideoToolbox: {refusal}")));
        let alpha = !alpha.is_empty();
        Ok(VideoToolbox { capabilities, alpha, patience, notices })
    }
}

/// What does the work, in Apple's name: the one that sessions are given first.
fn implementation(listed: &[EncoderInfo], codec: Codec) -> Option<String> {
    let characters = u32::from_be_bytes(match codec {
        Codec::H264 => *b"avc1",
        Codec::H265 => *b"hvc1",
    });
    let of_codec = || listed.iter().filter(move |encoder| encoder.codec == characters);
    let chosen = of_codec().find(|encoder| encoder.hardware).or_else(|| of_codec().next())?;
    let kind = if chosen.hardware { "hardware" } else { "software" };
    Some(format!("{} ({kind})", chosen.id))
}

fn candidates(codec: Codec) -> &'static [PixelFormat] {
    match codec {
        // Ten bits of H.264 is what next to no decoder takes.
        Codec::H264 => &[PixelFormat::Nv12, PixelFormat::Bgra, PixelFormat::Ayuv],
        Codec::H265 => &PixelFormat::ALL,
    }
}

/// Which of these work, and why others don't.
///
/// What fails rather than is not supported may work in a moment: other programs have all encoders, or this
/// is a Mac that has just started. It is tried again, since what is missing here is missing for good.
pub(crate) fn tried<K>(
    mut kinds: Vec<K>,
    works: impl Fn(&K) -> Result<(), Error>,
) -> (Vec<K>, Vec<(K, Error)>) {
    let (mut found, mut refused) = (Vec::new(), Vec::new());
    for attempt in 1.. {
        let mut again = Vec::new();
        for kind in kinds {
            match works(&kind) {
                Ok(()) => found.push(kind),
                Err(Error::Codec(_)) if attempt < ATTEMPTS => again.push(kind),
                Err(error) => refused.push((kind, error)),
            }
        }
        if again.is_empty() {
            break;
        }
        kinds = again;
        thread::sleep(MOMENT);
    }
    (found, refused)
}

/// A size that no encoder finds too small, and any encoder that there is.
fn probe(codec: Codec, format: PixelFormat) -> EncoderConfig {
    let mut config = EncoderConfig::new(codec, 640, 384, format, Ratio { num: 1, den: 30 });
    config.allow_software = true;
    config
}

fn works(config: &EncoderConfig, alpha: bool, patience: Patience) -> Result<(), Error> {
    let plan = plan(config, Extras { alpha, low_latency: false, references: false })?;
    match warm_up(&plan, config, patience.warm_up)? {
        Some(sets) if !sets.is_empty() => Ok(()),
        Some(_) => Err(Error::Codec("its stream has no parameter sets".into())),
        // It is not tried again: that would take as long.
        None => Err(Error::Unsupported("nothing comes of a frame in time".into())),
    }
}

impl Backend for VideoToolbox {
    fn name(&self) -> &str {
        "videotoolbox"
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn open_encoder(
        &self,
        config: &EncoderConfig,
        sink: Arc<dyn PacketSink>,
    ) -> Result<Opened<Box<dyn Encoder>>, Error> {
        let EncoderConfig { codec, format, width, height, global_header, .. } = *config;
        let mut known = self.capabilities.encoders.iter();
        let support = known.find(|support| support.codec == codec);
        let support = support
            .ok_or_else(|| Error::Unsupported(format!("there is no {codec} encoder here")))?;
        if !support.formats.contains(&format) {
            let what = format!("{codec} from {} pictures", format.name());
            return Err(Error::Unsupported(what));
        }
        check_size(width, height)?;
        let began = Instant::now();
        let (mut plan_of, sets) = self.agree(config, began)?;
        let mut warnings = std::mem::take(&mut plan_of.warnings);
        warnings.extend(chroma_unsaid(config, sets.as_ref()));
        if sets.is_none() {
            warnings.push("the parameter sets come with the first keyframe: it takes long".into());
        }
        let record = match &sets {
            Some(sets) => sets.to_record(LengthSize::FOUR).map_err(|error| {
                Error::Codec(format!("VideoToolbox's parameter sets are no record: {error}"))
            })?,
            None => Vec::new(),
        };
        let header = sets.filter(|_| global_header);
        let surroundings = Surroundings { header, patience: self.patience };
        let left = self.patience.open.saturating_sub(began.elapsed());
        let (encoder, more) = encoder::Encoder::start(plan_of, config, surroundings, left, sink)?;
        warnings.extend(more);
        Ok(Opened { codec: Box::new(encoder), parameter_sets: record, format, warnings })
    }

    fn open_decoder(
        &self,
        config: &DecoderConfig,
        sink: Arc<dyn FrameSink>,
    ) -> Result<Opened<Box<dyn Decoder>>, Error> {
        let DecoderConfig { codec, format, .. } = *config;
        let mut known = self.capabilities.decoders.iter();
        let support = known.find(|support| support.codec == codec);
        let support = support
            .ok_or_else(|| Error::Unsupported(format!("there is no {codec} decoder here")))?;
        if !support.formats.contains(&format) {
            let what = format!("{codec} to {} pictures", format.name());
            return Err(Error::Unsupported(what));
        }
        let (patience, notices) = (self.patience, Arc::clone(&self.notices));
        let (decoder, format) = decoder::Decoder::open(config, sink, patience, notices)?;
        let (parameter_sets, warnings) = (Vec::new(), Vec::new());
        Ok(Opened { codec: Box::new(decoder), parameter_sets, format, warnings })
    }

    fn details(&self, codec: Codec, format: PixelFormat) -> Vec<String> {
        let config = EncoderConfig { b_frames: 2, ..probe(codec, format) };
        match plan(&config, Extras { alpha: false, low_latency: false, references: false }) {
            Ok(plan) => details(plan, &config, self.patience.open),
            Err(error) => vec![error.to_string()],
        }
    }
}

impl VideoToolbox {
    /// What a session can be made from, and what it will write, as [`warm_up`] finds. Not every encoder has
    /// all, and no list says which: what can be left out is left out where a session with it fails, and a
    /// warning says why.
    fn agree(
        &self,
        config: &EncoderConfig,
        began: Instant,
    ) -> Result<(Plan, Option<ParameterSets>), Error> {
        let all = Extras { alpha: self.alpha, low_latency: true, references: true };
        let try_with = |extras| {
            let plan = plan(config, extras)?;
            let left = self.patience.warm_up.saturating_sub(began.elapsed());
            let sets = warm_up(&plan, config, left);
            Ok::<_, Error>((plan, sets))
        };
        let (plan, sets) = try_with(all)?;
        let (low_latency, references) = (plan.low_latency, config.max_ref_frames.is_some());
        let why = match sets {
            Ok(sets) => return Ok((plan, sets)),
            Err(why) => why,
        };
        let fewer = [
            Extras { references: false, ..all },
            Extras { low_latency: false, ..all },
            Extras { references: false, low_latency: false, ..all },
        ];
        let mut last = why.clone();
        for extras in fewer {
            // What was not there cannot be left out.
            if !extras.references && !references || !extras.low_latency && !low_latency {
                continue;
            }
            let (mut plan, sets) = try_with(extras)?;
            match sets {
                Ok(sets) => {
                    if !extras.low_latency {
                        let text = "flags: LOW_DELAY: without low-latency rate control";
                        plan.warnings.push(format!("{text}: {why}"));
                    }
                    if !extras.references {
                        plan.warnings.push(format!("max_ref_frames: {why}"));
                    }
                    return Ok((plan, sets));
                }
                Err(error) => last = error,
            }
        }
        Err(level_alone(config, all, &why).unwrap_or_else(|| hardware_only(config, all, last)))
    }
}

/// That the stream does not say where its chroma is, if it is anywhere but where one means that says nothing
/// (H.264 E.2.1, H.265 E.3.1).
fn chroma_unsaid(config: &EncoderConfig, sets: Option<&ParameterSets>) -> Option<String> {
    let location = config.color.chroma_location.filter(|location| *location > 1)?;
    let sps = sets.and_then(|sets| Some((sets.codec(), sets.of(SetKind::Sps).next()?)));
    let facts = sps.and_then(|(codec, sps)| StreamFacts::from_sps(codec, sps));
    // AVCHROMA_LOC_* are the codes of the specifications and one.
    let said = facts.and_then(|facts| facts.chroma_location) == Some(location - 1);
    (!said).then(|| "chroma_location: VideoToolbox does not write it".to_owned())
}

/// Why there is no session, where a level was asked for: if there is one without, pictures, rate or bits are too
/// much for it, which VideoToolbox judges and calls a wrong parameter.
fn level_alone(config: &EncoderConfig, extras: Extras, why: &Error) -> Option<Error> {
    let level = config.level?;
    let without = EncoderConfig { level: None, ..config.clone() };
    let plan = plan(&without, extras).ok()?;
    warm_up(&plan, &without, SECOND_TRY).ok()??;
    let (whole, tenths) = (level / 10, level % 10);
    let reason =
        format!("VideoToolbox does without {whole}.{tenths} what it does not do with it: {why}");
    Some(Error::Option { key: "level", reason })
}

/// Why there is no session, where hardware was asked for: if software does it, the option is in the way.
fn hardware_only(config: &EncoderConfig, extras: Extras, error: Error) -> Error {
    let Error::Unsupported(what) = &error else { return error };
    if config.allow_software || config.require_software {
        return error;
    }
    let allowed = EncoderConfig { allow_software: true, ..config.clone() };
    let extras = Extras { low_latency: false, ..extras };
    let tried = plan(&allowed, extras).and_then(|plan| warm_up(&plan, &allowed, SECOND_TRY));
    match tried {
        Ok(Some(_)) => {
            let reason = format!("only software encodes this here, and it is not allowed: {what}");
            Error::Option { key: "allow_sw", reason }
        }
        Ok(None) | Err(_) => error,
    }
}
