use std::fmt;
use std::str::FromStr;

use crate::vtz::Method;
use crate::{Compression, Error};

/// How the pictures of a session travel: the values of the option `wire_compression` of clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Coding {
    /// Rows as they are.
    #[default]
    None,
    /// LZ4.
    Lz4,
    /// Zstandard.
    Zstd,
    /// vtz in Huffman codes, predicted from the picture before too: small.
    Vtz,
    /// vtz as bit planes: fast.
    VtzFast,
}

impl Coding {
    /// Every coding there is, in the order of their numbers in interfaces of ours.
    pub const ALL: [Self; 5] = [Self::None, Self::Lz4, Self::Zstd, Self::Vtz, Self::VtzFast];

    /// What FRAMEs have, which know no vtz.
    pub fn plain(self) -> Compression {
        match self {
            Self::None => Compression::None,
            Self::Lz4 | Self::VtzFast => Compression::Lz4,
            Self::Zstd | Self::Vtz => Compression::Zstd,
        }
    }

    /// How vtz codes it, if it is vtz.
    pub fn method(self) -> Option<Method> {
        match self {
            Self::None | Self::Lz4 | Self::Zstd => None,
            Self::Vtz => Some(Method::Huffman),
            Self::VtzFast => Some(Method::Bits),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
            Self::Vtz => "vtz",
            Self::VtzFast => "vtz-fast",
        }
    }
}

impl From<Compression> for Coding {
    fn from(compression: Compression) -> Self {
        match compression {
            Compression::None => Self::None,
            Compression::Lz4 => Self::Lz4,
            Compression::Zstd => Self::Zstd,
        }
    }
}

impl fmt::Display for Coding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Coding {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        Self::ALL
            .into_iter()
            .find(|coding| coding.name() == name)
            .ok_or_else(|| Error::UnknownCompression(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_option() {
        let names = ["none", "lz4", "zstd", "vtz", "vtz-fast"];
        for (name, coding) in names.into_iter().zip(Coding::ALL) {
            assert_eq!(name.parse(), Ok(coding));
            assert_eq!(coding.to_string(), name);
        }
        assert_eq!("Vtz".parse::<Coding>(), Err(Error::UnknownCompression("Vtz".to_owned())));
    }

    #[test]
    fn what_frames_have_is_no_vtz() {
        for compression in Compression::ALL {
            assert_eq!(Coding::from(compression).plain(), compression);
            assert_eq!(Coding::from(compression).method(), None);
        }
        assert_eq!(Coding::Vtz.plain(), Compression::Zstd);
        assert_eq!(Coding::VtzFast.plain(), Compression::Lz4);
    }
}
