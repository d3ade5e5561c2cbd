use crate::error::Error;

/// Reads lengths, and what they announce, without going beyond the end.
#[derive(Clone, Debug)]
pub(crate) struct ByteReader<'a> {
    data: &'a [u8],
    offset: usize,
}

impl<'a> ByteReader<'a> {
    pub(crate) fn new(data: &'a [u8]) -> Self {
        Self { data, offset: 0 }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.remaining() == 0
    }

    pub(crate) fn remaining(&self) -> usize {
        self.data.len() - self.offset
    }

    pub(crate) fn bytes(&mut self, len: usize, what: &'static str) -> Result<&'a [u8], Error> {
        let end = self.offset.checked_add(len);
        let bytes = end.and_then(|end| self.data.get(self.offset..end));
        let bytes = bytes.ok_or(Error::Truncated { what, offset: self.offset })?;
        self.offset += len;
        Ok(bytes)
    }

    /// A big-endian number of `len` bytes, at most 4.
    pub(crate) fn uint(&mut self, len: usize, what: &'static str) -> Result<usize, Error> {
        let bytes = self.bytes(len, what)?;
        Ok(bytes.iter().fold(0, |number, &b| number << 8 | usize::from(b)))
    }

    pub(crate) fn u8(&mut self, what: &'static str) -> Result<u8, Error> {
        Ok(self.bytes(1, what)?[0])
    }

    /// A NAL unit behind a length of 2 bytes, as in both records.
    pub(crate) fn nal_unit(&mut self, what: &'static str) -> Result<&'a [u8], Error> {
        let len = self.uint(2, what)?;
        self.bytes(len, what)
    }
}
