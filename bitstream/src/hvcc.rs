//! hvcC: HEVCDecoderConfigurationRecord of ISO/IEC 14496-15 (8.3.3.1 in the edition of 2017).

use crate::byte_reader::ByteReader;
use crate::error::Error;
use crate::length_prefixed::LengthSize;
use crate::nal::{Codec, Header, Role};
use crate::parameter_sets::{ParameterSets, SetKind};
use crate::sps::H265Sps;

const CODEC: Codec = Codec::H265;
const PREFIX_SEI: u8 = 39;

pub(crate) fn read(record: &[u8]) -> Result<(ParameterSets, LengthSize), Error> {
    let mut reader = ByteReader::new(record);
    let version = reader.u8("the version of an hvcC")?;
    let profile = reader.u8("the profile of an hvcC")?;
    // Files from before the standard was finished have version 0 and the same fields; two zero
    // bytes are rather the size of a box that is something else.
    if version > 1 || (version, profile) == (0, 0) {
        return Err(Error::UnknownExtradata(CODEC));
    }
    reader.bytes(19, "the level and format of an hvcC")?;
    let size = LengthSize::from_minus_one(reader.u8("the length size of an hvcC")?);
    let mut sets = ParameterSets::new(CODEC);
    for _ in 0..reader.u8("the number of arrays of an hvcC")? {
        let expected = reader.u8("the type of an array of an hvcC")? & 0x3f;
        for _ in 0..reader.uint(2, "the number of NAL units in an array of an hvcC")? {
            let nal = reader.nal_unit("a NAL unit in an hvcC")?;
            let found = CODEC.nal_unit_type(nal);
            match Role::of(CODEC, nal) {
                _ if found != Some(expected) => {
                    return Err(Error::MisplacedNalUnit { expected, found });
                }
                Role::Sei => sets.insert_sei(nal),
                // Types that the standard has no array for are ignored.
                _ => _ = sets.insert(nal),
            }
        }
    }
    Ok((sets, size))
}

pub(crate) fn write(sets: &ParameterSets, size: LengthSize) -> Result<Vec<u8>, Error> {
    for kind in [SetKind::Vps, SetKind::Sps, SetKind::Pps] {
        if sets.of(kind).next().is_none() {
            return Err(Error::MissingParameterSet(kind));
        }
    }
    let summary = summarize(sets)?;
    let format = summary.format;

    let mut out = vec![1, summary.profile];
    out.extend_from_slice(&summary.compatibility.to_be_bytes());
    out.extend_from_slice(&summary.constraints.to_be_bytes()[2..]);
    out.push(summary.level);
    out.extend_from_slice(&[0xf0, 0]); // min_spatial_segmentation_idc: unknown
    out.push(0xfc); // parallelismType: unknown
    out.push(0xfc | format.chroma_format);
    out.push(0xf8 | (format.luma_bits - 8));
    out.push(0xf8 | (format.chroma_bits - 8));
    out.extend_from_slice(&[0, 0]); // avgFrameRate: unknown
    let nesting = u8::from(summary.temporal_id_nesting);
    // constantFrameRate in the two highest bits: unknown.
    out.push(summary.temporal_layers << 3 | nesting << 2 | size.minus_one());

    let has_sei = sets.sei().next().is_some();
    out.push(3 + u8::from(has_sei));
    for kind in [SetKind::Vps, SetKind::Sps, SetKind::Pps] {
        if let Some(unit_type) = kind.unit_type(CODEC) {
            write_array(unit_type, sets.of(kind), &mut out)?;
        }
    }
    if has_sei {
        write_array(PREFIX_SEI, sets.sei(), &mut out)?;
    }
    Ok(out)
}

/// What holds for every SPS of the base layer.
fn summarize(sets: &ParameterSets) -> Result<H265Sps, Error> {
    let mut base = sets.of(SetKind::Sps).filter(|nal| is_base_layer(nal));
    let first = base.next().ok_or(Error::MissingParameterSet(SetKind::Sps))?;
    let parse = |nal| H265Sps::parse(nal).ok_or(Error::UnreadableSps(CODEC));
    base.try_fold(parse(first)?, |all, nal| {
        let sps = parse(nal)?;
        if sps.format != all.format {
            return Err(Error::MixedFormats);
        }
        let tier = |sps: &H265Sps| sps.profile & 0x20;
        // A level is one of a tier: the higher tier wins, then the higher level.
        let level = (tier(&all), all.level).max((tier(&sps), sps.level)).1;
        // Where the profiles differ the highest is the one that most likely contains the others.
        let idc = (all.profile & 0x1f).max(sps.profile & 0x1f);
        Ok(H265Sps {
            profile: all.profile & 0xc0 | tier(&all) | tier(&sps) | idc,
            compatibility: all.compatibility & sps.compatibility,
            constraints: all.constraints & sps.constraints,
            level,
            temporal_layers: all.temporal_layers.max(sps.temporal_layers),
            temporal_id_nesting: all.temporal_id_nesting & sps.temporal_id_nesting,
            ..all
        })
    })
}

fn is_base_layer(nal: &[u8]) -> bool {
    Header::read(CODEC, nal).is_some_and(|header| header.layer == 0)
}

fn write_array<'a>(
    unit_type: u8,
    nals: impl Iterator<Item = &'a [u8]> + Clone,
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    let limit = u16::MAX;
    let count = nals.clone().count();
    let counted = u16::try_from(count);
    let counted = counted.map_err(|_| Error::TooManyNalUnits { count, limit: limit.into() })?;
    out.push(unit_type); // array_completeness 0
    out.extend_from_slice(&counted.to_be_bytes());
    nals.into_iter().try_for_each(|nal| LengthSize::TWO.write_nal_unit(nal, out))
}
