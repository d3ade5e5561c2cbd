//! avcC: AVCDecoderConfigurationRecord of ISO/IEC 14496-15 (5.3.3.1 in the edition of 2017).

use crate::byte_reader::ByteReader;
use crate::error::Error;
use crate::length_prefixed::LengthSize;
use crate::nal::Codec;
use crate::parameter_sets::{ParameterSets, SetKind};
use crate::sps::H264Sps;

const CODEC: Codec = Codec::H264;

pub(crate) fn read(record: &[u8]) -> Result<(ParameterSets, LengthSize), Error> {
    let mut reader = ByteReader::new(record);
    if reader.u8("the version of an avcC")? != 1 {
        return Err(Error::UnknownExtradata(CODEC));
    }
    let profile = reader.u8("the profile of an avcC")?;
    reader.bytes(2, "the level of an avcC")?;
    let size = LengthSize::from_minus_one(reader.u8("the length size of an avcC")?);
    let mut sets = ParameterSets::new(CODEC);
    let sps_count = reader.u8("the number of SPSs")? & 0x1f;
    read_sets(&mut reader, sps_count, SetKind::Sps, &mut sets)?;
    let pps_count = reader.u8("the number of PPSs")?;
    read_sets(&mut reader, pps_count, SetKind::Pps, &mut sets)?;
    // Many writers leave out what follows, although their profile has it.
    if has_format(profile) && reader.remaining() >= 4 {
        reader.bytes(3, "the sample format of an avcC")?;
        let count = reader.u8("the number of SPS extensions")?;
        read_sets(&mut reader, count, SetKind::SpsExtension, &mut sets)?;
    }
    Ok((sets, size))
}

pub(crate) fn write(sets: &ParameterSets, size: LengthSize) -> Result<Vec<u8>, Error> {
    let mut all = Vec::new();
    for nal in sets.of(SetKind::Sps) {
        all.push(H264Sps::parse(nal).ok_or(Error::UnreadableSps(CODEC))?);
    }
    let first = *all.first().ok_or(Error::MissingParameterSet(SetKind::Sps))?;
    if sets.of(SetKind::Pps).next().is_none() {
        return Err(Error::MissingParameterSet(SetKind::Pps));
    }
    // Profiles have no order: where they differ, the flags say what is common to all.
    let constraints = all.iter().fold(0xff, |flags, sps| flags & sps.constraints);
    let level = all.iter().fold(0, |level, sps| level.max(sps.level));

    let mut out = vec![1, first.profile, constraints, level, 0xfc | size.minus_one()];
    write_sets(sets, SetKind::Sps, 0xe0, 0x1f, &mut out)?;
    write_sets(sets, SetKind::Pps, 0, 0xff, &mut out)?;
    if has_format(first.profile) {
        if all.iter().any(|sps| sps.format != first.format) {
            return Err(Error::MixedFormats);
        }
        let format = first.format;
        out.push(0xfc | format.chroma_format);
        out.push(0xf8 | (format.luma_bits - 8));
        out.push(0xf8 | (format.chroma_bits - 8));
        write_sets(sets, SetKind::SpsExtension, 0, 0xff, &mut out)?;
    }
    Ok(out)
}

/// All but Baseline, Main and Extended end with the sample format and the SPS extensions.
fn has_format(profile: u8) -> bool {
    !matches!(profile, 66 | 77 | 88)
}

fn read_sets(
    reader: &mut ByteReader<'_>,
    count: u8,
    kind: SetKind,
    sets: &mut ParameterSets,
) -> Result<(), Error> {
    let Some(expected) = kind.unit_type(CODEC) else { return Ok(()) };
    for _ in 0..count {
        let nal = reader.nal_unit("a parameter set in an avcC")?;
        let found = CODEC.nal_unit_type(nal);
        if found != Some(expected) {
            return Err(Error::MisplacedNalUnit { expected, found });
        }
        sets.insert(nal);
    }
    Ok(())
}

/// Writes the count, in a byte whose other bits are `reserved`, and the sets.
fn write_sets(
    sets: &ParameterSets,
    kind: SetKind,
    reserved: u8,
    limit: u8,
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    let count = sets.of(kind).count();
    match u8::try_from(count) {
        Ok(byte) if byte <= limit => out.push(reserved | byte),
        _ => return Err(Error::TooManyNalUnits { count, limit: usize::from(limit) }),
    }
    sets.of(kind).try_for_each(|nal| LengthSize::TWO.write_nal_unit(nal, out))
}
