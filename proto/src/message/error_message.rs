//! ERROR (docs/protocol.md sections 2 and 8).

use std::borrow::Cow;

use crate::message::MessageType;

/// The sender's last message: why it gives up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorMessage<'a> {
    /// One of [`error_code`](crate::error_code); never to branch on alone.
    pub code: u32,
    /// One line for people.
    pub message: Cow<'a, str>,
}

impl<'a> ErrorMessage<'a> {
    /// The most bytes of text that are sent.
    pub const MAX_TEXT: usize = 4096;

    /// An ERROR with this code and text.
    pub fn new(code: u32, message: impl Into<Cow<'a, str>>) -> Self {
        Self { code, message: message.into() }
    }

    /// Appends the message to `out`. This is what is said when something went wrong already, so it
    /// cannot fail: long text is cut at [`ErrorMessage::MAX_TEXT`] and control characters become
    /// spaces.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let text = one_line(Cow::Borrowed(&self.message));
        let text = cut(&text, Self::MAX_TEXT);
        out.extend_from_slice(&MessageType::Error.header(4 + 2 + text.len() as u32));
        out.extend_from_slice(&self.code.to_be_bytes());
        out.extend_from_slice(&(text.len() as u16).to_be_bytes());
        out.extend_from_slice(text.as_bytes());
    }

    /// Reads any payload at all: a peer's reason is worth more than its form. Some peers omit the
    /// text's length, so two bytes that are not a length that fits are taken for text.
    pub(crate) fn read(payload: &'a [u8]) -> Self {
        let Some((code, rest)) = payload.split_first_chunk() else {
            return Self { code: 0, message: one_line(String::from_utf8_lossy(payload)) };
        };
        let text = match rest.split_first_chunk() {
            Some((len, text)) => text.get(..u16::from_be_bytes(*len).into()).unwrap_or(rest),
            None => rest,
        };
        let message = one_line(String::from_utf8_lossy(text));
        Self { code: u32::from_be_bytes(*code), message }
    }
}

/// The text without control characters: it goes to logs and terminals.
pub(super) fn one_line(text: Cow<'_, str>) -> Cow<'_, str> {
    if text.contains(char::is_control) {
        Cow::Owned(text.replace(char::is_control, " "))
    } else {
        text
    }
}

/// As much of the text as so many bytes hold.
pub(super) fn cut(text: &str, max: usize) -> &str {
    let fits = |&end: &usize| end <= max && text.is_char_boundary(end);
    &text[..(0..=text.len()).rev().find(fits).unwrap_or(0)]
}
