use crate::decoder;
use crate::encoder::{self, Session};
use crate::extradata::Extradata;
use crate::ffi::{self, DecoderParameters, Layout};
use crate::options::{CONSTRAINED_HIGH, Family, Plan, Tuning, mark_constrained_high, plan};
use crate::planar::Conversion;
use std::num::NonZero;
use std::sync::Arc;
use std::thread;
use vtremote_backend::{
    Backend, Capabilities, Codec, Decoder, DecoderConfig, Encoder, EncoderConfig, Error, FrameSink,
    Opened, PacketSink, PixelFormat, Ratio, Support, check_size,
};
use vtremote_bitstream::{LengthSize, ParameterSets};

/// What the user chooses. The default is what fits most machines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// The H.264 encoder, by FFmpeg's name; libx264 where there is one if `None`.
    pub h264: Option<String>,
    /// The H.265 encoder, by FFmpeg's name; libx265 where there is one if `None`.
    pub hevc: Option<String>,
    /// Of libx264 and libx265, by their common names, `ultrafast` to `placebo`; `superfast` if
    /// `None`.
    pub preset: Option<String>,
    /// Threads of one session's software encoder or decoder; as many as there are processors if
    /// `None`.
    pub threads: Option<NonZero<usize>>,
}

/// The backend, over whatever encoders were found to work on this machine.
#[derive(Debug)]
pub struct Libavcodec {
    encoders: Vec<Choice>,
    capabilities: Capabilities,
    tuning: Tuning,
}

/// An encoder that works, and in which layout it takes each pixel format.
#[derive(Debug)]
struct Choice {
    codec: Codec,
    encoder: String,
    inputs: Vec<(PixelFormat, Layout)>,
}

impl Choice {
    fn takes(&self, format: PixelFormat) -> Option<Layout> {
        self.inputs.iter().find(|(known, _)| *known == format).map(|(_, layout)| *layout)
    }
}

/// Most threads of a session: what libx264 takes.
const MOST_THREADS: usize = 128;

/// Most threads of a decoder: libavcodec advises against more, and each has a picture in work.
const MOST_DECODER_THREADS: usize = 16;

/// The most pixels of a stream's picture: twice those of level 6.2 (H.264 table A-1, H.265 table
/// A.8), which leaves room for the largest square ones. A few bytes can ask for any size.
const MOST_PIXELS: u32 = 1 << 26;

impl Libavcodec {
    /// Finds out which encoders work here, by opening each of them once: an FFmpeg lists many that
    /// need hardware which is not there.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for an encoder that was chosen by name and is not in this FFmpeg or
    /// does not work, or if nothing can be encoded or decoded at all.
    pub fn new(settings: Settings) -> Result<Self, Error> {
        let threads = settings.threads.or_else(|| thread::available_parallelism().ok());
        let threads = threads.map_or(1, NonZero::get).min(MOST_THREADS);
        let tuning = Tuning { preset: settings.preset, threads };
        let mut encoders = Vec::new();
        let choices =
            [(Codec::H264, settings.h264, "libx264"), (Codec::H265, settings.hevc, "libx265")];
        for (codec, chosen, default) in choices {
            match (choose(codec, chosen.as_deref().unwrap_or(default), &tuning), chosen) {
                (Ok(choice), _) => encoders.push(choice),
                (Err(error), Some(_)) => return Err(error),
                (Err(_), None) if !ffi::encoder_exists(codec, default) => {}
                (Err(error), None) => return Err(error),
            }
        }
        Self::with(encoders, tuning)
    }

    /// Over these encoders, which may be none, and the decoders that there are.
    fn with(encoders: Vec<Choice>, tuning: Tuning) -> Result<Self, Error> {
        let support = |choice: &Choice| Support {
            codec: choice.codec,
            implementation: choice.encoder.clone(),
            formats: choice.inputs.iter().map(|(format, _)| *format).collect(),
        };
        let decoders = [Codec::H264, Codec::H265].into_iter().filter_map(decodes);
        let capabilities = Capabilities {
            encoders: encoders.iter().map(support).collect(),
            decoders: decoders.collect(),
            side_data: true,
        };
        if capabilities.encoders.is_empty() && capabilities.decoders.is_empty() {
            let what = "this FFmpeg has neither libx264 nor libx265, and decodes neither codec";
            return Err(Error::Unsupported(what.into()));
        }
        Ok(Libavcodec { encoders, capabilities, tuning })
    }
}

fn decodes(codec: Codec) -> Option<Support> {
    let implementation = ffi::decoder(codec)?.into();
    Some(Support { codec, implementation, formats: PixelFormat::ALL.to_vec() })
}

/// Tries an encoder with every pixel format.
fn choose(codec: Codec, encoder: &str, tuning: &Tuning) -> Result<Choice, Error> {
    if !ffi::encoder_exists(codec, encoder) {
        let names = ffi::encoders_of(codec).join(", ");
        return Err(Error::Unsupported(format!(
            "this FFmpeg has no encoder {encoder} for {codec}; it has {}",
            if names.is_empty() { "none" } else { &names }
        )));
    }
    let candidates: &[(PixelFormat, &[Layout])] = match codec {
        // Ten bits of H.264 is what next to no decoder takes.
        Codec::H264 => &[(PixelFormat::Nv12, &[Layout::Nv12, Layout::Yuv420p])],
        Codec::H265 => &[
            (PixelFormat::Nv12, &[Layout::Nv12, Layout::Yuv420p]),
            (PixelFormat::P010, &[Layout::P010, Layout::Yuv420p10]),
            (PixelFormat::P210, &[Layout::P210, Layout::Yuv422p10]),
            (PixelFormat::Ayuv, &[Layout::Yuv444p]),
            (PixelFormat::Bgra, &[Layout::Gbrp]),
        ],
    };
    let mut inputs = Vec::new();
    let mut refusals: Vec<String> = Vec::new();
    for (format, layouts) in candidates {
        for layout in *layouts {
            match probe(codec, encoder, *format, *layout, tuning) {
                Ok(()) => {
                    inputs.push((*format, *layout));
                    break;
                }
                Err(why) if refusals.contains(&why) => {}
                Err(why) => refusals.push(why),
            }
        }
    }
    if inputs.is_empty() {
        if encoder.ends_with("_vaapi") {
            refusals.push("frames are not uploaded to a GPU here".into());
        }
        let why = refusals.join("; ");
        return Err(Error::Unsupported(format!("{encoder} does not work here: {why}")));
    }
    Ok(Choice { codec, encoder: encoder.into(), inputs })
}

fn probe(
    codec: Codec,
    encoder: &str,
    format: PixelFormat,
    layout: Layout,
    tuning: &Tuning,
) -> Result<(), String> {
    // A size that no encoder finds too small.
    let config = EncoderConfig::new(codec, 640, 384, format, Ratio { num: 1, den: 30 });
    let plan = plan(&config, encoder, layout, tuning).map_err(|error| error.to_string())?;
    let opened = ffi::Encoder::open(encoder, &plan.parameters, true);
    opened.map(drop).map_err(|error| error.to_string())
}

/// A decoder's options for so many threads, where at most `max_delay` packets may be held back and the
/// parameter sets, if they are known, say that the stream's `reordering` holds back so many of them.
fn delay(
    threads: usize,
    max_delay: Option<u32>,
    reordering: Option<u8>,
) -> Vec<(&'static str, String)> {
    let reordering = reordering.map(u32::from);
    // What is left for frame threads, which hold a picture each, but for the one that gives it.
    let left = max_delay.map(|most| most.saturating_sub(reordering.unwrap_or(u32::MAX)) as usize);
    let (kind, threads) = match left {
        None => ("frame+slice", threads),
        Some(0) => ("slice", threads),
        Some(left) => ("frame+slice", threads.min(left + 1)),
    };
    let mut options = vec![("threads", threads.to_string()), ("thread_type", kind.into())];
    if max_delay.is_none_or(|most| reordering.is_some_and(|held| (1..=most).contains(&held))) {
        // Where an H.264 stream does not say how far it reorders, the decoder would try with less
        // and throw away pictures each time that it was too little. With this it takes the most
        // that the stream's level allows, which is what `reordering` is then.
        options.push(("strict", "strict".into()));
    }
    options
}

impl Backend for Libavcodec {
    fn name(&self) -> &str {
        "libavcodec"
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn open_encoder(
        &self,
        config: &EncoderConfig,
        sink: Arc<dyn PacketSink>,
    ) -> Result<Opened<Box<dyn Encoder>>, Error> {
        let choice = self.encoders.iter().find(|choice| choice.codec == config.codec);
        let choice = choice.ok_or_else(|| {
            Error::Unsupported(format!("there is no {} encoder here", config.codec))
        })?;
        let name = &choice.encoder;
        let layout = choice.takes(config.format).ok_or_else(|| {
            Error::Unsupported(format!("{name} takes no {} pictures here", config.format.name()))
        })?;
        let layout = match (config.profile, layout, choice.takes(PixelFormat::P010)) {
            // Main 10 from eight bits: the stream is what was asked for.
            (Some(2), Layout::Yuv420p, Some(wide @ Layout::Yuv420p10)) => wide,
            _ => layout,
        };
        let Plan { parameters, mut warnings } = plan(config, name, layout, &self.tuning)?;
        let (codec, unknown) = ffi::Encoder::open(name, &parameters, false).map_err(|error| {
            // A level that is too low for the picture is the usual cause where levels are not known here
            // (the software encoders' are), and few encoders say so.
            let without = EncoderConfig { level: None, ..config.clone() };
            let opens = || {
                let plan = plan(&without, name, layout, &self.tuning).ok()?;
                ffi::Encoder::open(name, &plan.parameters, false).ok()
            };
            match config.level {
                Some(level) if opens().is_some() => {
                    let (whole, tenth) = (level / 10, level % 10);
                    let reason = format!("{name} does not open with {whole}.{tenth}: {error}");
                    Error::Option { key: "level", reason }
                }
                _ => Error::Codec(format!("{name} does not open: {error}")),
            }
        })?;
        warnings.extend(unknown.iter().map(|option| format!("{option}: not known to {name}")));

        let mut sets = codec.extradata().to_vec();
        if config.profile == Some(CONSTRAINED_HIGH) && Family::of(name) == Family::X264 {
            mark_constrained_high(&mut sets);
        }
        let sets = ParameterSets::from_annexb(config.codec, &sets).ok();
        let sets = sets.filter(|sets| !sets.is_empty());
        let record = match &sets {
            Some(sets) => sets.to_record(LengthSize::FOUR).map_err(|error| {
                Error::Codec(format!("{name} gives parameter sets that are no record: {error}"))
            })?,
            None => Vec::new(),
        };
        let conversion = Conversion::between(config.format, layout).map_err(|()| {
            Error::Internal(format!("{} does not become {layout:?}", config.format.name()))
        })?;
        let session = Session {
            codec,
            format: config.codec,
            name: name.clone(),
            layout,
            size: parameters.size,
            in_band: sets.filter(|_| !config.global_header),
            conversion,
            sink,
        };
        let pictures = Family::of(name).pictures();
        let encoder = encoder::Encoder::start(session, config, pictures)?;
        Ok(Opened {
            codec: Box::new(encoder),
            parameter_sets: record,
            format: config.format,
            warnings,
        })
    }

    fn open_decoder(
        &self,
        config: &DecoderConfig,
        sink: Arc<dyn FrameSink>,
    ) -> Result<Opened<Box<dyn Decoder>>, Error> {
        let DecoderConfig { codec, width, height, format, time_base, max_delay, .. } = *config;
        let name = ffi::decoder(codec)
            .ok_or_else(|| Error::Unsupported(format!("there is no {codec} decoder here")))?;
        check_size(width, height)?;
        let extradata = Extradata::read(codec, &config.extradata, format)?;
        let mut options = vec![
            ("pkt_timebase", format!("{}/{}", time_base.num, time_base.den)),
            ("max_pixels", MOST_PIXELS.to_string()),
        ];
        options.extend(delay(
            self.tuning.threads.min(MOST_DECODER_THREADS),
            max_delay,
            extradata.reordering,
        ));
        let size = |side| {
            i32::try_from(side).map_err(|_| Error::Internal(format!("a side of {side} pixels")))
        };
        let parameters = DecoderParameters {
            codec,
            size: (size(width)?, size(height)?),
            extradata: extradata.annexb,
            options,
        };
        let decoder = ffi::Decoder::open(&parameters)
            .map_err(|error| Error::Codec(format!("{name} does not open: {error}")))?;
        let session = decoder::Session { codec, wish: format, decoder, name, sink };
        Ok(Opened {
            codec: Box::new(decoder::Decoder::start(session)?),
            parameter_sets: Vec::new(),
            format: extradata.format.unwrap_or(format),
            warnings: Vec::new(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_an_encoder_there_is_still_decoding() {
        let backend = Libavcodec::with(Vec::new(), Tuning { preset: None, threads: 1 }).unwrap();
        let Capabilities { encoders, decoders, .. } = backend.capabilities();
        assert!(encoders.is_empty());
        let decoded: Vec<_> = decoders.iter().map(|support| support.codec).collect();
        assert_eq!(decoded, [Codec::H264, Codec::H265]);
    }
}
