//! From packets to what a decoder takes: one picture each, with its place in the order of showing.

use vtremote_backend::{Codec, CodedPacket, SideData, Times};
use vtremote_bitstream::{
    CodedPicture, Extent, Output, ParameterSets, PictureOrder, SetKind, ShownSize, annexb,
    is_keyframe, sei,
};

/// The parameter sets that are kept, in bytes. Streams have a few hundred.
const MOST_SETS: usize = 1 << 20;

/// Captions that may wait for their picture, in bytes.
const MOST_CAPTIONS: usize = 1 << 16;

/// What SEI says of the pictures of a sequence.
#[derive(Default)]
struct Hdr {
    mastering_display: Option<[u8; 24]>,
    content_light: Option<[u8; 4]>,
}

impl Hdr {
    fn in_access_unit(codec: Codec, access_unit: &[u8]) -> Self {
        let mut hdr = Hdr::default();
        for message in sei::messages_in(codec, access_unit) {
            hdr.mastering_display = message.to_mastering_display().or(hdr.mastering_display);
            hdr.content_light = message.to_content_light().or(hdr.content_light);
        }
        hdr
    }

    fn records(&self) -> impl Iterator<Item = SideData> {
        let record = |kind, data: &[u8]| SideData { kind, data: data.to_vec() };
        let display = self.mastering_display.as_ref();
        let light = self.content_light.as_ref();
        display
            .map(|data| record(SideData::MASTERING_DISPLAY, data))
            .into_iter()
            .chain(light.map(|data| record(SideData::CONTENT_LIGHT, data)))
    }
}

/// A picture to decode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AccessUnit {
    /// Of the packet that it came in, or began in.
    pub(crate) packet: u64,
    pub(crate) pts: Option<i64>,
    pub(crate) dts: Option<i64>,
    pub(crate) duration: i64,
    /// Whether decoding can go on here after a gap.
    pub(crate) keyframe: bool,
    /// The slices, each behind its length of four bytes. The decoder has the parameter sets already, and
    /// nothing else means anything to it.
    pub(crate) slices: Vec<u8>,
    pub(crate) picture: CodedPicture,
    /// Width and height in which it is shown.
    pub(crate) size: (u32, u32),
    /// The parameter sets from here on, if they are others than before.
    pub(crate) sets: Option<ParameterSets>,
    /// Whether it came with a sequence parameter set, be it the same as before.
    pub(crate) tells_sps: bool,
    /// AVFrameSideDataType records.
    pub(crate) side_data: Vec<SideData>,
}

impl AccessUnit {
    /// For messages.
    pub(crate) fn name(&self) -> String {
        name(self.packet, self.pts)
    }

    /// Whether it is one of H.265's RASL pictures: it may refer to what was decoded before the last keyframe,
    /// and nothing behind them refers to it (H.265 3.126).
    pub(crate) fn refers_back(&self, codec: Codec) -> bool {
        let first = self.slices.get(4..).and_then(|nal| codec.nal_unit_type(nal));
        codec == Codec::H265 && matches!(first, Some(8 | 9))
    }
}

fn name(packet: u64, pts: Option<i64>) -> String {
    format!("packet {packet} (pts {})", pts.map_or("none".to_owned(), |pts| pts.to_string()))
}

/// What follows from a packet.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    pub(crate) units: Vec<AccessUnit>,
    /// What is meant, and what is wrong with it.
    pub(crate) warnings: Vec<(String, String)>,
}

/// Follows a stream.
pub(crate) struct Stream {
    codec: Codec,
    sets: ParameterSets,
    /// What the last picture came with.
    told: ParameterSets,
    order: PictureOrder,
    size: ShownSize,
    times: Times,
    /// Times have jumped back: what comes next is shown behind everything before.
    jumped: bool,
    captions: Vec<u8>,
    /// A sequence parameter set has come since the last picture.
    tells_sps: bool,
    hdr: Hdr,
    /// The first of two fields: a decoder takes both together.
    field: Option<AccessUnit>,
    packets: u64,
}

impl Stream {
    /// `sets` are the extradata's, and may be none; the width and height are the container's.
    pub(crate) fn new(codec: Codec, sets: ParameterSets, size: (u32, u32)) -> Self {
        Stream {
            codec,
            sets,
            told: ParameterSets::new(codec),
            size: ShownSize::new(codec, size),
            order: PictureOrder::new(codec),
            times: Times::default(),
            jumped: false,
            captions: Vec::new(),
            tells_sps: false,
            hdr: Hdr::default(),
            field: None,
            packets: 0,
        }
    }

    /// The next packet.
    pub(crate) fn take(&mut self, packet: &CodedPacket) -> Taken {
        let mut taken = Taken::default();
        let name = name(self.packets, packet.pts);
        let number = self.packets;
        self.packets += 1;
        if self.times.jump_back(packet) {
            taken.units.extend(self.field.take());
            (self.order, self.jumped) = (PictureOrder::new(self.codec), true);
        }
        for record in
            packet.side_data.iter().filter(|record| record.kind == SideData::NEW_EXTRADATA)
        {
            match ParameterSets::from_extradata(self.codec, &record.data) {
                Ok((sets, _)) => self.update(sets, &name, &mut taken),
                Err(error) => {
                    taken.warnings.push((name.clone(), format!("new extradata: {error}")))
                }
            }
        }
        if packet.data.is_empty() {
            return taken;
        }
        let Some(slices) = self.slices(&packet.data) else {
            taken.warnings.push((name, "there is no start code in it".into()));
            return taken;
        };
        self.update(ParameterSets::in_access_unit(self.codec, &packet.data), &name, &mut taken);
        self.captions.extend(sei::captions_in(self.codec, &packet.data));
        if self.captions.len() > MOST_CAPTIONS {
            self.captions.clear();
        }
        let picture = self.order.take(&self.sets, &packet.data);
        if slices.is_empty() {
            return taken;
        }
        let Some(picture) = picture else {
            taken.units.extend(self.field.take());
            self.captions.clear();
            let what = match self.sets.is_empty() {
                true => "there are no parameter sets yet",
                false => "its slices cannot be read",
            };
            taken.warnings.push((name, what.into()));
            return taken;
        };
        if picture.output == Output::Skipped {
            self.captions.clear();
            return taken;
        }
        self.picture(number, packet, picture, slices, &mut taken);
        taken
    }

    /// What waits for more, when no more comes.
    pub(crate) fn rest(&mut self) -> Option<AccessUnit> {
        self.field.take()
    }

    fn update(&mut self, sets: ParameterSets, name: &str, taken: &mut Taken) {
        self.tells_sps |= sets.of(SetKind::Sps).next().is_some();
        let len = |sets: &ParameterSets| sets.iter().map(<[u8]>::len).sum::<usize>();
        let more = len(&sets);
        if more > MOST_SETS {
            let what = format!("{more} bytes of parameter sets are not used");
            taken.warnings.push((name.into(), what));
        } else if len(&self.sets) + more > MOST_SETS {
            taken.warnings.push((name.into(), "earlier parameter sets are forgotten".into()));
            self.sets = sets;
        } else if !sets.is_empty() {
            self.sets.update(sets);
        }
    }

    /// The slices of the base layer; none if there is no NAL unit at all.
    fn slices(&self, data: &[u8]) -> Option<Vec<u8>> {
        let mut nals = annexb::nal_units(data).peekable();
        nals.peek()?;
        let mut slices = Vec::with_capacity(data.len());
        for nal in nals.filter(|nal| is_slice(self.codec, nal)) {
            let length = u32::try_from(nal.len()).unwrap_or(u32::MAX);
            slices.extend_from_slice(&length.to_be_bytes());
            slices.extend_from_slice(nal);
        }
        Some(slices)
    }

    fn picture(
        &mut self,
        number: u64,
        packet: &CodedPacket,
        mut picture: CodedPicture,
        slices: Vec<u8>,
        taken: &mut Taken,
    ) {
        let changed = self.sets != self.told;
        if changed {
            self.told = self.sets.clone();
        }
        let sets = changed.then(|| self.sets.clone());
        let tells_sps = std::mem::take(&mut self.tells_sps);
        let captions = std::mem::take(&mut self.captions);
        if picture.extent == Extent::SecondField
            && let Some(mut frame) = self.field.take()
        {
            frame.slices.extend_from_slice(&slices);
            frame.sets = sets.or(frame.sets);
            frame.tells_sps |= tells_sps;
            add_captions(&mut frame.side_data, captions);
            taken.units.push(frame);
            return;
        }
        taken.units.extend(self.field.take());
        picture.begins_sequence |= std::mem::take(&mut self.jumped);
        let mut side_data = Vec::new();
        add_captions(&mut side_data, captions);
        // It holds to the end of the sequence that it is told in (D.2.28 and D.2.35 of H.265).
        let hdr = Hdr::in_access_unit(self.codec, &packet.data);
        if picture.begins_sequence {
            self.hdr = hdr;
        } else {
            self.hdr.mastering_display = hdr.mastering_display.or(self.hdr.mastering_display);
            self.hdr.content_light = hdr.content_light.or(self.hdr.content_light);
        }
        side_data.extend(self.hdr.records());
        let unit = AccessUnit {
            packet: number,
            pts: packet.pts,
            dts: packet.dts,
            duration: packet.duration,
            keyframe: packet.keyframe || is_keyframe(self.codec, &packet.data),
            slices,
            picture,
            size: self.size.next(&picture.facts),
            sets,
            tells_sps,
            side_data,
        };
        match picture.extent {
            Extent::FirstField => self.field = Some(unit),
            Extent::Whole | Extent::SecondField => taken.units.push(unit),
        }
    }
}

/// In one record, as libavcodec has the captions of both fields.
fn add_captions(side_data: &mut Vec<SideData>, captions: Vec<u8>) {
    match side_data.iter_mut().find(|record| record.kind == SideData::CAPTIONS) {
        Some(record) => record.data.extend_from_slice(&captions),
        None if captions.is_empty() => {}
        None => side_data.push(SideData { kind: SideData::CAPTIONS, data: captions }),
    }
}

/// Whether it is a slice of the base layer's primary picture (table 7-1 of both specifications).
fn is_slice(codec: Codec, nal: &[u8]) -> bool {
    match (codec, codec.nal_unit_type(nal)) {
        (Codec::H264, Some(1..=5)) => true,
        // nuh_layer_id is 0: H.265 7.3.1.2.
        (Codec::H265, Some(0..=31)) => matches!(nal, [a, b, ..] if a & 1 == 0 && b >> 3 == 0),
        _ => false,
    }
}
