//! The byte stream format: NAL units that follow start codes (Annex B of H.264 and of H.265).
//!
//! A start code is `00 00 01`. Any number of zero bytes may stand before it: one of them makes it
//! the 4-byte start code, the others are leading_zero_8bits or the trailing_zero_8bits of the NAL
//! unit before. A NAL unit never ends in a zero byte (7.4.1 of H.264, 7.4.2.1 of H.265).

use crate::error::Error;
use crate::length_prefixed::LengthSize;

/// The 4-byte start code, which is the one that this crate writes.
pub const START_CODE: [u8; 4] = [0, 0, 0, 1];

/// Whether `data` begins with a start code, leading zero bytes allowed.
pub fn begins_with_start_code(data: &[u8]) -> bool {
    let zeros = data.iter().take_while(|&&b| b == 0).count();
    zeros >= 2 && data.get(zeros) == Some(&1)
}

/// The NAL units of a byte stream (H.264 B.2, H.265 B.3), without start codes and padding.
///
/// Bytes before the first start code belong to no NAL unit and are passed over, as is what stands
/// empty between two start codes. Use [`begins_with_start_code`] where that would hide a loss.
pub fn nal_units(data: &[u8]) -> NalUnits<'_> {
    NalUnits { rest: after_start_code(data) }
}

/// Appends `data`, a byte stream, to `out` with its NAL units behind their lengths.
///
/// This makes a sample of ISO/IEC 14496-15 (its "sample format", NALUnitLength) from an access
/// unit. No bytes give no bytes. On an error `out` is as it was.
///
/// # Errors
/// [`Error::NoStartCode`], [`Error::NalUnitTooLong`].
pub fn to_length_prefixed(data: &[u8], size: LengthSize, out: &mut Vec<u8>) -> Result<(), Error> {
    let before = out.len();
    let written = checked_nal_units(data)
        .and_then(|mut nals| nals.try_for_each(|nal| size.write_nal_unit(nal, out)));
    if written.is_err() {
        out.truncate(before);
    }
    written
}

/// Appends `data`, a byte stream, to `out` with every start code 4 bytes long and without padding:
/// the form of a PACKET (docs/protocol.md section 6). No bytes give no bytes.
///
/// # Errors
/// [`Error::NoStartCode`].
pub fn with_four_byte_start_codes(data: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
    let nals = checked_nal_units(data)?;
    out.reserve(data.len() + 1);
    nals.for_each(|nal| write_nal_unit(nal, out));
    Ok(())
}

/// Iterator of [`nal_units`].
#[derive(Clone, Debug)]
pub struct NalUnits<'a> {
    /// From the first byte behind a start code.
    rest: &'a [u8],
}

impl<'a> NalUnits<'a> {
    /// What is still to come, from the first byte of the next NAL unit to the end of the stream.
    ///
    /// The next NAL unit's header can be read from it without looking for the NAL unit's end, which
    /// for a slice means reading all of it.
    pub fn remainder(&mut self) -> &'a [u8] {
        while begins_with_start_code(self.rest) {
            self.rest = after_start_code(self.rest);
        }
        if self.rest.iter().all(|&b| b == 0) {
            self.rest = &[];
        }
        self.rest
    }
}

impl<'a> Iterator for NalUnits<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.remainder();
        if rest.is_empty() {
            return None;
        }
        let end = find_start_code(rest, 0).unwrap_or(rest.len());
        self.rest = rest.get(end + 3..).unwrap_or_default();
        Some(without_trailing_zeros(&rest[..end]))
    }
}

impl std::iter::FusedIterator for NalUnits<'_> {}

/// Appends one NAL unit behind a 4-byte start code.
pub(crate) fn write_nal_unit(nal: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&START_CODE);
    out.extend_from_slice(nal);
}

/// Where the next `00 00 01` begins, at or after `from`.
pub(crate) fn find_start_code(data: &[u8], from: usize) -> Option<usize> {
    // The search looks at a start code's last byte: anything above 1 there rules out three places
    // at once, so that most of a slice is never read.
    let mut last = from.checked_add(2)?;
    loop {
        match data.get(last)? {
            0 => last += 1,
            1 if data[last - 2..last] == [0, 0] => return Some(last - 2),
            _ => last += 3,
        }
    }
}

pub(crate) fn without_trailing_zeros(data: &[u8]) -> &[u8] {
    let len = data.iter().rposition(|&b| b != 0).map_or(0, |last| last + 1);
    &data[..len]
}

/// [`nal_units`] of a stream that loses nothing by it.
pub(crate) fn checked_nal_units(data: &[u8]) -> Result<NalUnits<'_>, Error> {
    if !data.is_empty() && !begins_with_start_code(data) {
        return Err(Error::NoStartCode);
    }
    Ok(nal_units(data))
}

fn after_start_code(data: &[u8]) -> &[u8] {
    find_start_code(data, 0).map_or(&[], |at| &data[at + 3..])
}
