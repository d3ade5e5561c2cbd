use std::collections::BTreeMap;
use std::fmt;

use crate::annexb;
use crate::bits::BitReader;
use crate::error::Error;
use crate::length_prefixed::LengthSize;
use crate::nal::{Codec, Header, Role};
use crate::sei::messages_in;
use crate::sps;
use crate::{avcc, hvcc};

/// A kind of parameter set, in the order in which one refers to the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SetKind {
    /// Video parameter set (H.265 7.3.2.1).
    Vps,
    /// Sequence parameter set (H.264 7.3.2.1.1, H.265 7.3.2.2).
    Sps,
    /// Sequence parameter set extension (H.264 7.3.2.1.2), for auxiliary pictures such as alpha.
    SpsExtension,
    /// Picture parameter set (H.264 7.3.2.2, H.265 7.3.2.3).
    Pps,
}

impl SetKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Vps, Self::Sps, Self::SpsExtension, Self::Pps];

    /// Its nal_unit_type (table 7-1 of both specifications); none if the codec has no such kind.
    pub const fn unit_type(self, codec: Codec) -> Option<u8> {
        match (codec, self) {
            (Codec::H264, Self::Sps) => Some(7),
            (Codec::H264, Self::Pps) => Some(8),
            (Codec::H264, Self::SpsExtension) => Some(13),
            (Codec::H265, Self::Vps) => Some(32),
            (Codec::H265, Self::Sps) => Some(33),
            (Codec::H265, Self::Pps) => Some(34),
            (Codec::H264, Self::Vps) | (Codec::H265, Self::SpsExtension) => None,
        }
    }
}

impl fmt::Display for SetKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Vps => "VPS",
            Self::Sps => "SPS",
            Self::SpsExtension => "SPS extension",
            Self::Pps => "PPS",
        })
    }
}

/// How the packets that go with some extradata are framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Framing {
    /// Behind start codes: the extradata was Annex B.
    AnnexB,
    /// Behind lengths: the extradata was a record, which says how long they are.
    LengthPrefixed(LengthSize),
}

/// The parameter sets of a stream, at most one of each kind and id.
///
/// They are kept in the order in which they are written: VPS, SPS, SPS extension, PPS, each by
/// ascending id. A set replaces the one of the same id that came before it, as it does in a stream
/// (H.264 7.4.1.2.1, H.265 7.4.2.4.2). What is too short to have an id counts as one of its own.
/// Subset SPSs (H.264 annexes F to I), which the base view does not need, are not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterSets {
    codec: Codec,
    sets: BTreeMap<Key, Vec<u8>>,
    sei: Vec<Vec<u8>>,
}

/// What tells one set from another. The order of the fields is the order of writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    kind: SetKind,
    layer: u8,
    id: Option<u8>,
}

impl ParameterSets {
    /// None yet.
    pub const fn new(codec: Codec) -> Self {
        Self { codec, sets: BTreeMap::new(), sei: Vec::new() }
    }

    /// From extradata of any form (docs/protocol.md section 4): avcC or hvcC, bare or inside the
    /// 8-byte header of an ISO/IEC 14496-12 box, or Annex B. No bytes are no sets, in Annex B.
    ///
    /// # Errors
    /// [`Error::UnknownExtradata`], or what [`from_record`](Self::from_record) says.
    pub fn from_extradata(codec: Codec, extradata: &[u8]) -> Result<(Self, Framing), Error> {
        let tag = match codec {
            Codec::H264 => b"avcC",
            Codec::H265 => b"hvcC",
        };
        // The box comes first: the size of one of 256 to 511 bytes looks like a start code. It is
        // not compared with what is there, since the record itself says where it ends.
        let record = match extradata.get(4..8) {
            Some(found) if found == tag => &extradata[8..],
            _ if extradata.is_empty() || annexb::begins_with_start_code(extradata) => {
                return Self::from_annexb(codec, extradata).map(|sets| (sets, Framing::AnnexB));
            }
            _ => extradata,
        };
        let (sets, size) = Self::from_record(codec, record)?;
        Ok((sets, Framing::LengthPrefixed(size)))
    }

    /// From a bare avcC or hvcC: AVCDecoderConfigurationRecord or HEVCDecoderConfigurationRecord
    /// of ISO/IEC 14496-15 (5.3.3.1 and 8.3.3.1 in the edition of 2017).
    ///
    /// An avcC may end before the fields that only the High profiles have, and bytes behind the
    /// record are ignored. Of an hvcC's other NAL units the prefix SEI is kept, see
    /// [`sei`](Self::sei), and the suffix SEI is not: it could only stand behind a picture.
    ///
    /// # Errors
    /// [`Error::UnknownExtradata`], [`Error::Truncated`], [`Error::MisplacedNalUnit`].
    pub fn from_record(codec: Codec, record: &[u8]) -> Result<(Self, LengthSize), Error> {
        match codec {
            Codec::H264 => avcc::read(record),
            Codec::H265 => hvcc::read(record),
        }
    }

    /// From extradata in the form of a byte stream: the parameter sets in it and, for H.265, the
    /// prefix SEI. All else is ignored.
    ///
    /// # Errors
    /// [`Error::NoStartCode`].
    pub fn from_annexb(codec: Codec, data: &[u8]) -> Result<Self, Error> {
        let mut sets = Self::new(codec);
        for nal in annexb::checked_nal_units(data)? {
            if codec == Codec::H265 && Role::of(codec, nal) == Role::Sei {
                sets.sei.push(nal.to_vec());
            } else {
                sets.insert(nal);
            }
        }
        Ok(sets)
    }

    /// The sets that an access unit in the form of a byte stream carries.
    ///
    /// They stand before its first slice (H.264 7.4.1.2.3, H.265 7.4.2.4.4); nothing behind that is
    /// read. SEI is left where it is, since in an access unit it is about that picture.
    pub fn in_access_unit(codec: Codec, access_unit: &[u8]) -> Self {
        let mut sets = Self::new(codec);
        let mut nals = annexb::nal_units(access_unit);
        while !matches!(Role::of(codec, nals.remainder()), Role::Slice { .. }) {
            match nals.next() {
                Some(nal) => sets.insert(nal),
                None => break,
            };
        }
        sets
    }

    /// Whose parameter sets these are.
    pub const fn codec(&self) -> Codec {
        self.codec
    }

    /// Whether there is no set of any kind.
    pub fn is_empty(&self) -> bool {
        self.sets.is_empty()
    }

    /// The NAL units of all sets, in the order of writing.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.sets.values().map(Vec::as_slice)
    }

    /// The NAL units of one kind.
    pub fn of(&self, kind: SetKind) -> impl Iterator<Item = &[u8]> + Clone {
        self.sets.iter().filter(move |(key, _)| key.kind == kind).map(|(_, nal)| nal.as_slice())
    }

    /// The set of the base layer that has this id.
    pub(crate) fn get(&self, kind: SetKind, id: u8) -> Option<&[u8]> {
        self.sets.get(&Key { kind, layer: 0, id: Some(id) }).map(Vec::as_slice)
    }

    /// These, but of the SPSs of the base layer only those that are meant, and of its PPSs those that refer
    /// to one of them. SEI is left out.
    pub fn of_sps(&self, is_meant: impl Fn(&[u8]) -> bool) -> Self {
        let mut of_sps = Self::new(self.codec);
        for (key, nal) in &self.sets {
            let sps = match key.kind {
                _ if key.layer > 0 => None,
                SetKind::Sps => Some(nal.as_slice()),
                SetKind::Pps => {
                    refers_to(self.codec, nal).and_then(|id| self.get(SetKind::Sps, id))
                }
                SetKind::Vps | SetKind::SpsExtension => None,
            };
            if sps.is_none_or(&is_meant) {
                of_sps.sets.insert(*key, nal.clone());
            }
        }
        of_sps
    }

    /// SEI NAL units about the stream as a whole, mastering display colour volume for example, from
    /// H.265 extradata. Always empty for H.264: avcC has no place for them.
    pub fn sei(&self) -> impl Iterator<Item = &[u8]> + Clone {
        self.sei.iter().map(Vec::as_slice)
    }

    /// Takes in a NAL unit if it is a parameter set, and says whether it is.
    pub fn insert(&mut self, nal: &[u8]) -> bool {
        let key = Key::of(self.codec, nal);
        if let Some(key) = key {
            self.sets.insert(key, nal.to_vec());
        }
        key.is_some()
    }

    /// Takes in the sets of a later packet or session: those of the same ids are replaced.
    pub fn update(&mut self, later: Self) {
        self.sets.extend(later.sets);
        if !later.sei.is_empty() {
            self.sei = later.sei;
        }
    }

    /// The bare avcC or hvcC record (see [`from_record`](Self::from_record)).
    ///
    /// What it says about the stream is taken from the SPSs. Where there are several, the record
    /// claims what holds for all of them: the highest level, the compatibility flags that all have.
    /// In an hvcC array_completeness is 0, since in-band sets may always follow, and what only a
    /// whole stream could tell (frame rate, spatial segmentation, parallelism) is "unknown". The
    /// avcC of the Baseline, Main and Extended profiles has no place for SPS extensions, whose
    /// auxiliary pictures these don't have.
    ///
    /// A record may come out longer than the field that will hold its length: that is for the
    /// caller to refuse.
    ///
    /// # Errors
    /// [`Error::MissingParameterSet`] without an SPS, a PPS or H.265's VPS; [`Error::UnreadableSps`];
    /// [`Error::MixedFormats`]; [`Error::TooManyNalUnits`], [`Error::NalUnitTooLong`].
    pub fn to_record(&self, size: LengthSize) -> Result<Vec<u8>, Error> {
        match self.codec {
            Codec::H264 => avcc::write(self, size),
            Codec::H265 => hvcc::write(self, size),
        }
    }

    /// As extradata in the form of a byte stream, with 4-byte start codes: the sets and then the
    /// SEI.
    pub fn to_annexb(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.iter().chain(self.sei()).for_each(|nal| annexb::write_nal_unit(nal, &mut out));
        out
    }

    /// Appends an access unit to `out` with every set of ours that it lacks, and with 4-byte start
    /// codes.
    ///
    /// The access unit's own sets win over ours of the same id. If any has to be added, all are
    /// written together, behind the access unit delimiter, in the order in which they refer to each
    /// other: a decoder may forget the PPSs of an SPS that comes after them. Our SEI stands behind
    /// them then, but for messages of types that the access unit has itself.
    ///
    /// # Errors
    /// [`Error::NoStartCode`].
    pub fn prepend_missing(&self, access_unit: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        let mut nals = annexb::checked_nal_units(access_unit)?;
        let carried = Self::in_access_unit(self.codec, access_unit);
        if self.sets.keys().all(|key| carried.sets.contains_key(key)) {
            return annexb::with_four_byte_start_codes(access_unit, out);
        }
        let mut all = self.clone();
        all.update(carried);
        out.reserve(access_unit.len() + all.iter().map(|nal| nal.len() + 5).sum::<usize>());

        // H.264 7.4.1.2.3, H.265 7.4.2.4.4: nothing may stand before the delimiter.
        if Role::of(self.codec, nals.remainder()) == Role::Delimiter {
            nals.by_ref().take(1).for_each(|nal| annexb::write_nal_unit(nal, out));
        }
        all.iter().for_each(|nal| annexb::write_nal_unit(nal, out));
        for nal in self.sei() {
            let mut ours = Vec::new();
            annexb::write_nal_unit(nal, &mut ours);
            let has = |kind| messages_in(self.codec, access_unit).any(|it| it.payload_type == kind);
            if !messages_in(self.codec, &ours).any(|message| has(message.payload_type)) {
                out.append(&mut ours);
            }
        }
        let mut before_slices = true;
        for nal in nals {
            let role = Role::of(self.codec, nal);
            before_slices &= !matches!(role, Role::Slice { .. });
            if !(before_slices && matches!(role, Role::ParameterSet(_))) {
                annexb::write_nal_unit(nal, out);
            }
        }
        Ok(())
    }

    pub(crate) fn insert_sei(&mut self, nal: &[u8]) {
        self.sei.push(nal.to_vec());
    }
}

/// The id of the SPS that a PPS refers to (H.264 7.3.2.2, H.265 7.3.2.3.1).
fn refers_to(codec: Codec, pps: &[u8]) -> Option<u8> {
    let mut payload = BitReader::new(pps.get(Header::len(codec)..)?);
    payload.ue_up_to(255)?;
    payload.ue_up_to(31)
}

impl Key {
    fn of(codec: Codec, nal: &[u8]) -> Option<Self> {
        let Role::ParameterSet(kind) = Role::of(codec, nal) else { return None };
        let layer = Header::read(codec, nal)?.layer;
        let mut payload = BitReader::new(nal.get(Header::len(codec)..)?);
        let id = match (codec, kind) {
            // Behind profile, constraints and level.
            (Codec::H264, SetKind::Sps) => payload.skip(24).and_then(|()| payload.ue_up_to(31)),
            (Codec::H264, SetKind::Pps) => payload.ue_up_to(255),
            (Codec::H264, _) => payload.ue_up_to(31),
            (Codec::H265, SetKind::Vps) => payload.u(4).map(|id| id as u8),
            (Codec::H265, SetKind::Sps) => sps::h265_id(nal),
            (Codec::H265, _) => payload.ue_up_to(63),
        };
        Some(Self { kind, layer, id })
    }
}
