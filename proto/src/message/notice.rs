//! NOTICE, of `x.notice.v1` (docs/protocol.md section 9).

use std::borrow::Cow;

use crate::message::{MessageType, error_message};

/// From the server: something went wrong, and the session goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice<'a> {
    /// One line for people.
    pub text: Cow<'a, str>,
}

impl<'a> Notice<'a> {
    /// The most bytes of text that are sent.
    pub const MAX_TEXT: usize = 1024;

    /// Appends the message to `out`. It cannot fail: long text is cut at [`Notice::MAX_TEXT`] and control
    /// characters become spaces.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let text = error_message::one_line(Cow::Borrowed(&self.text));
        let text = error_message::cut(&text, Self::MAX_TEXT);
        out.extend_from_slice(&MessageType::Notice.header(text.len() as u32));
        out.extend_from_slice(text.as_bytes());
    }

    /// Reads any payload at all: the text is all that there is.
    pub(crate) fn read(payload: &'a [u8]) -> Self {
        Self { text: error_message::one_line(String::from_utf8_lossy(payload)) }
    }
}
