use super::status::K_CM_FORMAT_DESCRIPTION_INVALID_PARAMETER as INVALID;
use crate::cf::Dictionary;
use crate::object::{Object, Owned, Payload, payload};
use crate::state::scripted;
use std::ffi::c_int;
use std::slice;
use vtremote_bitstream::{Codec, LengthSize, ParameterSets, SetKind, StreamFacts};

/// A CMVideoFormatDescription.
pub(crate) struct FormatDescription {
    /// `avc1`, `hvc1`, `muxa`, …
    pub(crate) codec_type: u32,
    pub(crate) width: i32,
    pub(crate) height: i32,
    extensions: Owned,
    sets: Vec<Vec<u8>>,
    pub(crate) length_size: Option<LengthSize>,
}

pub(crate) fn codec(codec_type: u32) -> Option<Codec> {
    match &codec_type.to_be_bytes() {
        b"avc1" => Some(Codec::H264),
        b"hvc1" | b"hev1" | b"muxa" => Some(Codec::H265),
        _ => None,
    }
}

impl FormatDescription {
    /// Of a stream with these parameter sets, as an encoder gives it.
    pub(crate) fn of(
        codec_type: u32,
        (width, height): (i32, i32),
        sets: &ParameterSets,
        size: LengthSize,
        more: Vec<(Owned, Owned)>,
    ) -> Option<Self> {
        let atom = if codec(codec_type)? == Codec::H264 { "avcC" } else { "hvcC" };
        let record = Owned::new(Payload::Data(sets.to_record(size).ok()?));
        let atoms = Dictionary::new(vec![(Owned::text(atom), record)]);
        let atoms = Owned::new(Payload::Dictionary(atoms));
        let mut extensions = vec![(Owned::text("SampleDescriptionExtensionAtoms"), atoms)];
        extensions.extend(more);
        let extensions = Owned::new(Payload::Dictionary(Dictionary::new(extensions)));
        let sets = sets.iter().chain(sets.sei()).map(<[u8]>::to_vec).collect();
        let length_size = Some(size);
        Some(FormatDescription { codec_type, width, height, extensions, sets, length_size })
    }

    pub(crate) fn codec(&self) -> Option<Codec> {
        codec(self.codec_type)
    }

    /// All parameter sets in Annex B; empty if there are none.
    pub(crate) fn annexb(&self) -> Vec<u8> {
        let set = |set: &Vec<u8>| [&[0, 0, 0, 1], &set[..]].concat();
        self.sets.iter().flat_map(set).collect()
    }

    pub(crate) fn sets(&self) -> &[Vec<u8>] {
        &self.sets
    }

    /// What the first sequence parameter set says.
    pub(crate) fn facts(&self) -> Option<StreamFacts> {
        let codec = self.codec()?;
        self.sets.iter().find_map(|set| StreamFacts::from_sps(codec, set))
    }

    pub(crate) fn equals(&self, other: &FormatDescription) -> bool {
        let numbers = |format: &FormatDescription| (format.codec_type, format.width, format.height);
        numbers(self) == numbers(other) && crate::object::equal(&self.extensions, &other.extensions)
    }
}

unsafe fn give(format: FormatDescription, out: *mut *const Object) -> i32 {
    *out = Owned::new(Payload::FormatDescription(format)).into_raw();
    0
}

/// From parameter sets in any order. The size is that of the sequence parameter set.
unsafe fn from_sets(
    codec: Codec,
    count: usize,
    pointers: *const *const u8,
    sizes: *const usize,
    header_length: c_int,
    out: *mut *const Object,
) -> i32 {
    let mut annexb = Vec::new();
    for at in 0..count {
        annexb.extend_from_slice(&[0, 0, 0, 1]);
        annexb.extend_from_slice(slice::from_raw_parts(*pointers.add(at), *sizes.add(at)));
    }
    let size = u8::try_from(header_length).ok().and_then(LengthSize::new);
    let (Some(size), Ok(sets)) = (size, ParameterSets::from_annexb(codec, &annexb)) else {
        return INVALID;
    };
    let needed: &[SetKind] = match codec {
        Codec::H264 => &[SetKind::Sps, SetKind::Pps],
        Codec::H265 => &[SetKind::Vps, SetKind::Sps, SetKind::Pps],
    };
    if needed.iter().any(|kind| sets.of(*kind).next().is_none()) {
        return INVALID;
    }
    let facts = sets.of(SetKind::Sps).next().and_then(|sps| StreamFacts::from_sps(codec, sps));
    let Some(facts) = facts else { return INVALID };
    let codec_type = match codec {
        Codec::H264 => u32::from_be_bytes(*b"avc1"),
        Codec::H265 => u32::from_be_bytes(*b"hvc1"),
    };
    let dimensions = (facts.width as i32, facts.height as i32);
    match FormatDescription::of(codec_type, dimensions, &sets, size, Vec::new()) {
        Some(format) => give(format, out),
        None => INVALID,
    }
}

#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn CMVideoFormatDescriptionCreateFromH264ParameterSets(
    _allocator: *const Object,
    count: usize,
    pointers: *const *const u8,
    sizes: *const usize,
    header_length: c_int,
    out: *mut *const Object,
) -> i32 {
    scripted!("CMVideoFormatDescriptionCreateFromH264ParameterSets");
    from_sets(Codec::H264, count, pointers, sizes, header_length, out)
}

#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn CMVideoFormatDescriptionCreateFromHEVCParameterSets(
    _allocator: *const Object,
    count: usize,
    pointers: *const *const u8,
    sizes: *const usize,
    header_length: c_int,
    _extensions: *const Object,
    out: *mut *const Object,
) -> i32 {
    scripted!("CMVideoFormatDescriptionCreateFromHEVCParameterSets");
    from_sets(Codec::H265, count, pointers, sizes, header_length, out)
}

unsafe fn set_at(
    expected: Codec,
    format: *const Object,
    index: usize,
    (first, size): (*mut *const u8, *mut usize),
    count: *mut usize,
    header_length: *mut c_int,
) -> i32 {
    let format = payload!(format, FormatDescription);
    let Some(length_size) = format.length_size.filter(|_| format.codec() == Some(expected)) else {
        return INVALID;
    };
    if let Some(count) = count.as_mut() {
        *count = format.sets.len();
    }
    if let Some(header_length) = header_length.as_mut() {
        *header_length = length_size.bytes() as c_int;
    }
    let Some(set) = format.sets.get(index) else { return INVALID };
    if let Some(first) = first.as_mut() {
        *first = set.as_ptr();
    }
    if let Some(size) = size.as_mut() {
        *size = set.len();
    }
    0
}

#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn CMVideoFormatDescriptionGetH264ParameterSetAtIndex(
    format: *const Object,
    index: usize,
    first: *mut *const u8,
    size: *mut usize,
    count: *mut usize,
    header_length: *mut c_int,
) -> i32 {
    scripted!("CMVideoFormatDescriptionGetH264ParameterSetAtIndex");
    set_at(Codec::H264, format, index, (first, size), count, header_length)
}

#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn CMVideoFormatDescriptionGetHEVCParameterSetAtIndex(
    format: *const Object,
    index: usize,
    first: *mut *const u8,
    size: *mut usize,
    count: *mut usize,
    header_length: *mut c_int,
) -> i32 {
    scripted!("CMVideoFormatDescriptionGetHEVCParameterSetAtIndex");
    set_at(Codec::H265, format, index, (first, size), count, header_length)
}
