//! NAL units behind their lengths, big-endian: the samples of ISO/IEC 14496-15 (its "sample
//! format" of AVC and HEVC streams, field NALUnitLength). The record says how long the lengths are.

use crate::annexb;
use crate::byte_reader::ByteReader;
use crate::error::Error;

/// How many bytes a NAL unit's length has: 1 to 4.
///
/// ISO/IEC 14496-15 does not allow 3, which is nevertheless read and written here: it is said in
/// two bits (lengthSizeMinusOne) and there are records that say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LengthSize(u8);

impl LengthSize {
    /// What everybody writes.
    pub const FOUR: Self = Self(4);

    /// That of the parameter sets inside the records.
    pub(crate) const TWO: Self = Self(2);

    /// None unless `bytes` is 1 to 4.
    pub const fn new(bytes: u8) -> Option<Self> {
        match bytes {
            1..=4 => Some(Self(bytes)),
            _ => None,
        }
    }

    /// From a field of a record, whose other bits are ignored.
    pub(crate) const fn from_minus_one(field: u8) -> Self {
        Self((field & 3) + 1)
    }

    /// lengthSizeMinusOne.
    pub(crate) const fn minus_one(self) -> u8 {
        self.0 - 1
    }

    /// 1 to 4.
    pub const fn bytes(self) -> usize {
        self.0 as usize
    }

    /// The longest NAL unit, in bytes, that a length of this size can announce.
    pub const fn max_nal_unit_len(self) -> u32 {
        u32::MAX >> (32 - 8 * self.0 as u32)
    }

    pub(crate) fn write_nal_unit(self, nal: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        let limit = self.max_nal_unit_len();
        let len = u32::try_from(nal.len()).ok().filter(|&len| len <= limit);
        let len = len.ok_or(Error::NalUnitTooLong { len: nal.len(), limit: limit as usize })?;
        out.extend_from_slice(&len.to_be_bytes()[4 - self.bytes()..]);
        out.extend_from_slice(nal);
        Ok(())
    }
}

/// The NAL units of a sample. Empty ones, which have no header, are passed over.
///
/// Yields [`Error::Truncated`] once, as the last item, where a length leads beyond the end.
pub fn nal_units(data: &[u8], size: LengthSize) -> NalUnits<'_> {
    NalUnits { reader: ByteReader::new(data), size }
}

/// Appends a sample to `out` as a byte stream with 4-byte start codes (H.264 B.1, H.265 B.2).
///
/// NAL units are copied as they are: in a sample that has a start code inside a NAL unit, which
/// emulation prevention forbids, the byte stream has one NAL unit more. On an error `out` is as it
/// was.
///
/// # Errors
/// [`Error::Truncated`].
pub fn to_annexb(data: &[u8], size: LengthSize, out: &mut Vec<u8>) -> Result<(), Error> {
    let before = out.len();
    out.reserve(data.len());
    for nal in nal_units(data, size) {
        match nal {
            Ok(nal) => annexb::write_nal_unit(nal, out),
            Err(error) => {
                out.truncate(before);
                return Err(error);
            }
        }
    }
    Ok(())
}

/// Iterator of [`nal_units`].
#[derive(Clone, Debug)]
pub struct NalUnits<'a> {
    reader: ByteReader<'a>,
    size: LengthSize,
}

impl<'a> Iterator for NalUnits<'a> {
    type Item = Result<&'a [u8], Error>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.reader.is_empty() {
            let nal = self
                .reader
                .uint(self.size.bytes(), "the length of a NAL unit")
                .and_then(|len| self.reader.bytes(len, "a NAL unit"));
            match nal {
                Ok([]) => continue,
                Ok(nal) => return Some(Ok(nal)),
                Err(error) => {
                    self.reader = ByteReader::new(&[]);
                    return Some(Err(error));
                }
            }
        }
        None
    }
}

impl std::iter::FusedIterator for NalUnits<'_> {}
