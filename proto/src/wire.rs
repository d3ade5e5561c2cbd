//! Big-endian fields in a payload, read and written; every error names message and field.

use crate::error::{EncodeError, Fault, ReadError};
use crate::limits::Limits;
use crate::message::{HEADER_LEN, MessageType};

/// Reads the fields of a payload that lies in memory, borrowing from it.
#[derive(Clone)]
pub(crate) struct Reader<'a> {
    message: MessageType,
    /// Where `rest` begins in the payload.
    offset: u32,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// `offset` is where `bytes` lie in the message's payload: errors say it.
    pub(crate) fn new(message: MessageType, offset: u32, bytes: &'a [u8]) -> Self {
        Self { message, offset, rest: bytes }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn left(&self) -> usize {
        self.rest.len()
    }

    pub(crate) fn bad(&self, field: &'static str, fault: Fault) -> ReadError {
        ReadError::Malformed { message: self.message, field, offset: self.offset, fault }
    }

    pub(crate) fn take(&mut self, len: usize, field: &'static str) -> Result<&'a [u8], ReadError> {
        let (taken, rest) =
            self.rest.split_at_checked(len).ok_or_else(|| self.bad(field, Fault::PastEnd))?;
        self.rest = rest;
        // Payload lengths are u32 on the wire, so positions in them are too.
        self.offset = self.offset.saturating_add(len as u32);
        Ok(taken)
    }

    fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], ReadError> {
        let mut bytes = [0; N];
        bytes.copy_from_slice(self.take(N, field)?);
        Ok(bytes)
    }

    pub(crate) fn u8(&mut self, field: &'static str) -> Result<u8, ReadError> {
        self.array(field).map(u8::from_be_bytes)
    }

    pub(crate) fn u16(&mut self, field: &'static str) -> Result<u16, ReadError> {
        self.array(field).map(u16::from_be_bytes)
    }

    pub(crate) fn u32(&mut self, field: &'static str) -> Result<u32, ReadError> {
        self.array(field).map(u32::from_be_bytes)
    }

    pub(crate) fn i64(&mut self, field: &'static str) -> Result<i64, ReadError> {
        self.array(field).map(i64::from_be_bytes)
    }

    /// A number that must lie in `min..=max`.
    pub(crate) fn within<T: Copy + Into<u64>>(
        &self,
        value: T,
        min: u64,
        max: u64,
        field: &'static str,
    ) -> Result<T, ReadError> {
        let number = value.into();
        if (min..=max).contains(&number) {
            return Ok(value);
        }
        // The number was just read: its own place is what helps to find it.
        let offset = self.offset.saturating_sub(size_of::<T>() as u32);
        let fault = Fault::OutOfRange { value: number, min, max };
        Err(ReadError::Malformed { message: self.message, field, offset, fault })
    }

    /// `str`: u16 length and UTF-8 without NUL.
    pub(crate) fn str(&mut self, field: &'static str) -> Result<&'a str, ReadError> {
        let start = self.offset;
        let bad =
            |fault| ReadError::Malformed { message: self.message, field, offset: start, fault };
        let (not_utf8, nul) = (bad(Fault::NotUtf8), bad(Fault::Nul));
        let text = std::str::from_utf8(self.bytes16(field)?).map_err(|_| not_utf8)?;
        if text.contains('\0') { Err(nul) } else { Ok(text) }
    }

    pub(crate) fn bytes16(&mut self, field: &'static str) -> Result<&'a [u8], ReadError> {
        let len = self.u16(field)?;
        self.take(len.into(), field)
    }

    pub(crate) fn bytes32(&mut self, field: &'static str) -> Result<&'a [u8], ReadError> {
        let len = self.u32(field)?;
        self.take(len as usize, field)
    }

    /// Refuses anything that is left.
    pub(crate) fn end(&self) -> Result<(), ReadError> {
        match self.rest.len() {
            0 => Ok(()),
            left => Err(self.bad("end of payload", Fault::Trailing(left as u32))),
        }
    }
}

/// Appends a message, header included; on an error `out` is as it was.
pub(crate) fn encode(
    out: &mut Vec<u8>,
    message: MessageType,
    fields: impl FnOnce(&mut Writer<'_>) -> Result<(), EncodeError>,
) -> Result<(), EncodeError> {
    let start = out.len();
    out.extend_from_slice(&message.header(0));
    let result = fields(&mut Writer { message, out }).and_then(|()| {
        let len = out.len() - start - HEADER_LEN;
        let max = Limits::DEFAULT.of(message);
        match u32::try_from(len) {
            Ok(len) if len <= max => {
                out[start + HEADER_LEN - 4..start + HEADER_LEN].copy_from_slice(&len.to_be_bytes());
                Ok(())
            }
            _ => Err(EncodeError::TooLong { message, field: "payload", len, max: max as usize }),
        }
    });
    if result.is_err() {
        out.truncate(start);
    }
    result
}

/// Appends the fields of one message.
pub(crate) struct Writer<'a> {
    message: MessageType,
    out: &'a mut Vec<u8>,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(message: MessageType, out: &'a mut Vec<u8>) -> Self {
        Self { message, out }
    }

    /// The header, for a payload of `len` bytes; only the field's width bounds it, since the limits
    /// of bulk messages are the reader's to configure.
    pub(crate) fn header(&mut self, len: u64) -> Result<(), EncodeError> {
        let len = u32::try_from(len).map_err(|_| EncodeError::TooLong {
            message: self.message,
            field: "payload",
            len: usize::try_from(len).unwrap_or(usize::MAX),
            max: u32::MAX as usize,
        })?;
        self.raw(&self.message.header(len));
        Ok(())
    }

    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    pub(crate) fn u8(&mut self, value: u8) {
        self.out.push(value);
    }

    pub(crate) fn u16(&mut self, value: u16) {
        self.raw(&value.to_be_bytes());
    }

    pub(crate) fn u32(&mut self, value: u32) {
        self.raw(&value.to_be_bytes());
    }

    pub(crate) fn i64(&mut self, value: i64) {
        self.raw(&value.to_be_bytes());
    }

    /// A count or length that has to fit into the integer type it is written as, and under `max`.
    pub(crate) fn count<T: TryFrom<usize>>(
        &self,
        len: usize,
        max: usize,
        field: &'static str,
    ) -> Result<T, EncodeError> {
        let too_long = EncodeError::TooLong { message: self.message, field, len, max };
        if len > max {
            return Err(too_long);
        }
        T::try_from(len).map_err(|_| too_long)
    }

    pub(crate) fn str(&mut self, text: &str, field: &'static str) -> Result<(), EncodeError> {
        if text.contains('\0') {
            return Err(EncodeError::Nul { message: self.message, field });
        }
        self.bytes16(text.as_bytes(), field)
    }

    pub(crate) fn bytes16(&mut self, bytes: &[u8], field: &'static str) -> Result<(), EncodeError> {
        let len = self.count(bytes.len(), u16::MAX.into(), field)?;
        self.u16(len);
        self.raw(bytes);
        Ok(())
    }

    pub(crate) fn bytes32(&mut self, bytes: &[u8], field: &'static str) -> Result<(), EncodeError> {
        let len = self.count(bytes.len(), u32::MAX as usize, field)?;
        self.u32(len);
        self.raw(bytes);
        Ok(())
    }
}
