//! Which encoder it is that options are for.

/// An encoder whose own options are known, or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    X264,
    X265,
    Nvenc,
    Qsv,
    Other,
}

impl Family {
    pub(crate) fn of(encoder: &str) -> Self {
        match encoder {
            "libx264" => Family::X264,
            "libx265" => Family::X265,
            _ if encoder.ends_with("_nvenc") => Family::Nvenc,
            _ if encoder.ends_with("_qsv") => Family::Qsv,
            _ => Family::Other,
        }
    }

    /// How many pictures there are: one that is filled, one that waits, one in the codec, one for a
    /// reference and one to spare; more where the codec keeps its input while it reorders.
    pub(crate) fn pictures(self) -> usize {
        match self {
            Family::X264 | Family::X265 => 5,
            _ => 24,
        }
    }

    pub(super) fn is_software(self) -> bool {
        matches!(self, Family::X264 | Family::X265)
    }
}
