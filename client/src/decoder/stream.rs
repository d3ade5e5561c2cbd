//! What is decoded: the stream as its container describes it, its packets, and what it says of itself.

use std::borrow::Cow;

use vtremote_bitstream::sps::{SampleFormat, StreamFacts};
use vtremote_bitstream::{
    ActiveSps, Codec, Framing, LengthSize, ParameterSets, SetKind, ShownSize, annexb,
    length_prefixed,
};
use vtremote_proto::{Geometry, PixelFormat, Rational};

use crate::Error;

/// FFmpeg's AV_PKT_DATA_NEW_EXTRADATA.
const NEW_EXTRADATA: u32 = 1;

/// What is decoded, as its container describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    /// In pixels; 0 unknown.
    pub width: u32,
    /// In pixels; 0 unknown.
    pub height: u32,
    /// The unit of pts, dts and duration, in seconds.
    pub time_base: Rational,
    /// Frames per second; 0/0 or 0/1: unknown.
    pub frame_rate: Rational,
    /// Parameter sets as an avcC or hvcC record or as Annex B; may be empty.
    pub extradata: Vec<u8>,
}

/// One packet to decode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessUnit {
    /// In units of the time base.
    pub pts: Option<i64>,
    /// In units of the time base.
    pub dts: Option<i64>,
    /// In units of the time base; 0 unknown.
    pub duration: i64,
    /// A decoder can begin here.
    pub keyframe: bool,
    /// Annex B, or as the record in the extradata says: NAL units behind their lengths.
    pub data: Vec<u8>,
    /// FFmpeg's AVPacketSideDataType numbers and what they have; dropped where the server takes none.
    pub side_data: Vec<(u32, Vec<u8>)>,
}

/// The coded stream so far.
pub(super) struct Coded {
    /// The latest of each parameter set.
    sets: ParameterSets,
    active: ActiveSps,
    /// Of packets that are not Annex B.
    lengths: Option<LengthSize>,
    /// Of the pictures, as the container has it.
    size: ShownSize,
    /// What the caller takes besides 4:2:0.
    formats: Vec<PixelFormat>,
}

impl Coded {
    /// What the extradata says; if it cannot be read, why, and nothing is known.
    pub(super) fn new(
        codec: Codec,
        stream: &Stream,
        formats: &[PixelFormat],
    ) -> (Self, Option<vtremote_bitstream::Error>) {
        let size = ShownSize::new(codec, (stream.width, stream.height));
        let sets = ParameterSets::new(codec);
        let active = ActiveSps::new(sets.clone());
        let formats = formats.to_vec();
        let mut coded = Self { sets, active, lengths: None, size, formats };
        let error = coded.extradata(&stream.extradata).err();
        coded.active = ActiveSps::new(coded.sets.clone());
        coded.note_size();
        (coded, error)
    }

    fn extradata(&mut self, extradata: &[u8]) -> Result<(), vtremote_bitstream::Error> {
        let (sets, framing) = ParameterSets::from_extradata(self.sets.codec(), extradata)?;
        if let Framing::LengthPrefixed(size) = framing {
            self.lengths = Some(size);
        }
        self.sets.update(sets);
        Ok(())
    }

    /// Notes the parameter sets of a packet; taking a packet twice changes nothing. Gives what is to be
    /// sent in place of its data: Annex B, with the parameter sets that came beside it.
    ///
    /// # Errors
    /// [`Error::Usage`]: it is neither Annex B nor behind lengths.
    pub(super) fn take(&mut self, packet: &AccessUnit) -> Result<Option<Vec<u8>>, Error> {
        let unreadable = |error| {
            let pts = packet.pts.map_or("none".to_owned(), |pts| pts.to_string());
            Error::Usage(format!("the packet with pts {pts}: {error}"))
        };
        let changed = packet.side_data.iter().find(|(kind, _)| *kind == NEW_EXTRADATA);
        if let Some((_, extradata)) = changed {
            self.extradata(extradata).map_err(unreadable)?;
        }
        let mut data = Cow::Borrowed(&packet.data[..]);
        if let Some(size) = self.lengths.filter(|size| is_behind_lengths(&packet.data, *size)) {
            let mut annexb = Vec::new();
            length_prefixed::to_annexb(&packet.data, size, &mut annexb).map_err(unreadable)?;
            data = Cow::Owned(annexb);
        } else if !annexb::begins_with_start_code(&data) {
            return Err(unreadable(vtremote_bitstream::Error::NoStartCode));
        }
        self.sets.update(ParameterSets::in_access_unit(self.sets.codec(), &data));
        if changed.is_some() {
            let mut whole = Vec::new();
            self.sets.prepend_missing(&data, &mut whole).map_err(unreadable)?;
            data = Cow::Owned(whole);
        }
        self.active.take(&data);
        self.note_size();
        Ok(match data {
            Cow::Owned(data) => Some(data),
            Cow::Borrowed(_) => None,
        })
    }

    fn note_size(&mut self) {
        if let Some(facts) = self.active.facts() {
            self.size.next(&facts);
        }
    }

    /// The parameter sets as a server wants them.
    pub(super) fn sets(&self) -> Vec<u8> {
        self.sets.to_annexb()
    }

    /// What its pictures are. None before there are parameter sets, or where neither they nor the
    /// container say it.
    pub(super) fn facts(&self) -> Option<Geometry> {
        if let Some(facts) = self.active.facts() {
            let size = self.size.of(&facts);
            return Some(geometry(&facts, size, &self.formats));
        }
        // A parameter set that we cannot read is for the decoder to refuse.
        self.sets.of(SetKind::Sps).next()?;
        let (width, height) = self.size.container();
        (width > 0 && height > 0).then(|| Geometry::new(width, height, PixelFormat::Nv12))
    }
}

/// What pictures of such a stream and size are. Those that have more colour than 4:2:0, and that the caller does not
/// take as they are, are those of 4:2:0: a server may scale them.
fn geometry(facts: &StreamFacts, (width, height): (u32, u32), formats: &[PixelFormat]) -> Geometry {
    let SampleFormat { chroma_format, luma_bits, chroma_bits } = facts.format;
    let whole = match (chroma_format, luma_bits, chroma_bits) {
        // Of eight bits a server widens them.
        (2, 8 | 10, _) if luma_bits == chroma_bits => Some(PixelFormat::P210),
        // Without a matrix they are green, blue and red.
        (3, 8, 8) if facts.matrix == 0 => Some(PixelFormat::Bgra),
        (3, 8, 8) => Some(PixelFormat::Ayuv),
        _ => None,
    };
    let deep = luma_bits.max(chroma_bits) > 8;
    let scaled = if deep { PixelFormat::P010 } else { PixelFormat::Nv12 };
    let format = whole.filter(|format| formats.contains(format)).unwrap_or(scaled);
    let (num, den) = facts.sample_aspect_ratio.unwrap_or_default();
    Geometry {
        // AVCOL_RANGE_JPEG. That the flag is 0 may also mean that nothing is told.
        color_range: if facts.full_range == Some(true) { 2 } else { 0 },
        primaries: facts.primaries,
        transfer: facts.transfer,
        matrix: facts.matrix,
        // AVCHROMA_LOC_* are one more than the stream's numbers.
        chroma_location: facts.chroma_location.map_or(0, |location| location + 1),
        sample_aspect_ratio: Rational { num: num.into(), den: den.into() },
        ..Geometry::new(width, height, format)
    }
}

/// Whether the data is NAL units behind their lengths to its last byte. A start code looks like a
/// length, and a length like a start code, but not all the way through.
fn is_behind_lengths(data: &[u8], size: LengthSize) -> bool {
    length_prefixed::nal_units(data, size).all(|nal| nal.is_ok())
}
