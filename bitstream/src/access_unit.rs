use std::ops::Range;

use crate::annexb::{self, find_start_code, without_trailing_zeros};
use crate::error::Error;
use crate::nal::{Codec, Header, Role};

/// Whether decoding can start with `access_unit`, a byte stream.
///
/// H.264: its picture is an IDR picture (nal_unit_type 5). H.265: it is an IRAP picture, any of
/// BLA, IDR and CRA (nal_unit_type 16 to 23; 22 and 23 are reserved for more). These are the *sync
/// samples* of ISO/IEC 14496-15 and VideoToolbox. A recovery point SEI makes no keyframe. Where an
/// H.264 packet holds two fields, the first decides.
pub fn is_keyframe(codec: Codec, access_unit: &[u8]) -> bool {
    let mut nals = annexb::nal_units(access_unit);
    loop {
        // All slices of a picture agree in this, so that only headers need to be read.
        if let Role::Slice { key } = Role::of(codec, nals.remainder()) {
            return key;
        }
        if nals.next().is_none() {
            return false;
        }
    }
}

/// The access units of a whole byte stream, without padding, each from its first start code on.
///
/// The boundaries are those of [`AccessUnits`].
pub fn access_units(codec: Codec, stream: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut scan = Scan::new(codec);
    let mut begin = 0;
    std::iter::from_fn(move || {
        let unit = scan.next_unit(stream, &mut begin, true)?;
        Some(&stream[unit])
    })
}

/// Divides a byte stream that comes in pieces into access units.
///
/// A new access unit begins, once the one before has a slice, with an access unit delimiter, a
/// parameter set, SEI, a reserved type that says so, or the first slice of a picture (H.264
/// 7.4.1.2.3, H.265 7.4.2.4.4).
///
/// An H.264 slice is taken for a picture's first (7.4.1.2.4) if it begins with macroblock 0, or
/// differs from the slice before in being IDR or in being a reference; the other signs need the
/// parameter sets. That is exact but for arbitrary slice order and redundant pictures, which only
/// Baseline and Extended have. Each of two fields is an access unit of its own.
///
/// Bytes before the first start code, as in a stream joined midway, are dropped.
#[derive(Clone, Debug)]
pub struct AccessUnits {
    scan: Scan,
    buffer: Vec<u8>,
    /// Where in `buffer` what has not been taken begins.
    begin: usize,
    limit: usize,
    finished: bool,
}

impl AccessUnits {
    /// Accepts access units of up to `limit` bytes, padding included.
    pub const fn new(codec: Codec, limit: usize) -> Self {
        Self { scan: Scan::new(codec), buffer: Vec::new(), begin: 0, limit, finished: false }
    }

    /// Appends the next piece of the stream. Take all units with [`next_unit`](Self::next_unit)
    /// before the next piece: what has not been taken is kept, and moved in memory.
    pub fn push(&mut self, piece: &[u8]) {
        self.buffer.drain(..self.begin);
        self.begin = 0;
        self.finished = false;
        self.buffer.extend_from_slice(piece);
    }

    /// Says that the stream has ended. What is there is the last access unit. Pieces that are
    /// pushed after that one has been taken begin another stream.
    pub fn finish(&mut self) {
        self.finished = true;
    }

    /// The next access unit, without padding, from its first start code on; none until its end is
    /// known.
    ///
    /// # Errors
    /// [`Error::AccessUnitTooLong`], from then on with every call.
    pub fn next_unit(&mut self) -> Result<Option<&[u8]>, Error> {
        let (scan, begin) = (self.scan.clone(), self.begin);
        let unit = self.scan.next_unit(&self.buffer, &mut self.begin, self.finished);
        let len = unit.as_ref().map_or(self.buffer.len() - self.begin, ExactSizeIterator::len);
        if len > self.limit {
            (self.scan, self.begin) = (scan, begin);
            return Err(Error::AccessUnitTooLong { limit: self.limit });
        }
        Ok(unit.map(|unit| &self.buffer[unit]))
    }
}

/// The search for the end of an access unit.
#[derive(Clone, Debug)]
struct Scan {
    codec: Codec,
    /// Whether an access unit begins where the search does.
    aligned: bool,
    /// Where to look for the next start code, from the beginning of the access unit.
    next: usize,
    /// The picture of the access unit, once a slice of it has been seen.
    picture: Option<Picture>,
}

/// What is the same in all slices of an H.264 picture and can be read without parameter sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Picture {
    idr: bool,
    reference: bool,
}

impl Scan {
    /// As many bytes of a NAL unit as [`begins_access_unit`](Self::begins_access_unit) looks at.
    const LOOKAHEAD: usize = 3;

    const fn new(codec: Codec) -> Self {
        Self { codec, aligned: false, next: 0, picture: None }
    }

    /// The next access unit of `stream` from `begin`, which is moved behind it. With `complete`
    /// nothing follows `stream`; without, it has to go on from `begin` in the next call.
    fn next_unit(
        &mut self,
        stream: &[u8],
        begin: &mut usize,
        complete: bool,
    ) -> Option<Range<usize>> {
        if !self.aligned {
            let Some(at) = find_start_code(stream, *begin) else {
                // The last three bytes may be the beginning of a start code.
                let kept = if complete { 0 } else { 3 };
                *begin = stream.len().saturating_sub(kept).max(*begin);
                return None;
            };
            *begin = zero_byte_before(stream, *begin, at);
            self.aligned = true;
        }
        let data = &stream[*begin..];
        let (end, next) = match self.find_end(data, complete) {
            Some(start_code) => (start_code, zero_byte_before(data, 0, start_code)),
            None if complete => (data.len(), data.len()),
            None => return None,
        };
        let unit = *begin..*begin + without_trailing_zeros(&data[..end]).len();
        *begin += next;
        *self = Self { aligned: next < data.len(), ..Self::new(self.codec) };
        // At the end of a stream there may be a start code and nothing behind it.
        annexb::nal_units(&stream[unit.clone()]).next().map(|_| unit)
    }

    fn find_end(&mut self, data: &[u8], complete: bool) -> Option<usize> {
        loop {
            let Some(at) = find_start_code(data, self.next) else {
                self.next = data.len().saturating_sub(2).max(self.next);
                return None;
            };
            let nal = &data[at + 3..];
            if nal.len() < Self::LOOKAHEAD && !complete {
                self.next = at;
                return None;
            }
            if self.begins_access_unit(nal) {
                return Some(at);
            }
            self.next = at + 3;
        }
    }

    /// Whether the NAL unit at the beginning of `nal` is the first of a new access unit. If not, it
    /// is taken into this one.
    fn begins_access_unit(&mut self, nal: &[u8]) -> bool {
        let Some(Header { unit_type, layer, .. }) = Header::read(self.codec, nal) else {
            return false;
        };
        let picture = match (self.codec, unit_type) {
            (Codec::H264, 1 | 2 | 5) => {
                Picture { idr: unit_type == 5, reference: nal[0] & 0x60 != 0 }
            }
            (Codec::H265, 0..=31) if layer == 0 => Picture { idr: false, reference: false },
            (Codec::H264, 6..=9 | 14..=18) => return self.picture.is_some(),
            (Codec::H265, 32..=35 | 39 | 41..=44 | 48..=55) if layer == 0 => {
                return self.picture.is_some();
            }
            _ => return false,
        };
        // first_mb_in_slice, of which 0 is the code "1", and first_slice_segment_in_pic_flag are
        // the first bits behind the header.
        let first = nal.get(Header::len(self.codec)).is_some_and(|b| b & 0x80 != 0);
        let begins = self.picture.is_some_and(|before| first || before != picture);
        if !begins {
            self.picture = Some(picture);
        }
        begins
    }
}

/// `start_code`, or the place before it if a zero_byte makes it a 4-byte start code.
fn zero_byte_before(data: &[u8], begin: usize, start_code: usize) -> usize {
    match start_code.checked_sub(1) {
        Some(before) if before >= begin && data[before] == 0 => before,
        _ => start_code,
    }
}
