use std::fmt;
use subtle::ConstantTimeEq;

/// The shared secret that clients must send. Never empty, never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// A token; `None` if the text is empty.
    pub fn new(text: &str) -> Option<Self> {
        (!text.is_empty()).then(|| Token(text.to_owned()))
    }

    /// Whether this is it, in a time that depends on the length of what was sent alone.
    pub fn matches(&self, sent: &str) -> bool {
        let (own, sent) = (self.0.as_bytes(), sent.as_bytes());
        // Every byte that was sent is compared with a byte of ours, so that neither the place of the
        // first difference nor our length shows in the time.
        let mut same = (own.len() as u64).ct_eq(&(sent.len() as u64));
        for (index, byte) in sent.iter().enumerate() {
            same &= byte.ct_eq(&own[index % own.len()]);
        }
        same.into()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_very_same_text_matches() {
        let token = Token::new("secret").unwrap();
        assert!(token.matches("secret"));
        for other in ["", "s", "secre", "secreT", "secrets", "secretsecret"] {
            assert!(!token.matches(other), "{other:?}");
        }
    }

    #[test]
    fn an_empty_token_is_none() {
        assert!(Token::new("").is_none());
    }

    #[test]
    fn a_token_does_not_show_in_debug_output() {
        assert!(!format!("{:?}", Token::new("secret")).contains("secret"));
    }
}
