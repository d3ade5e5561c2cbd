/// What there is to encode with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hardware {
    /// A media engine with everything.
    AppleSilicon,
    /// An Intel Mac's: no ten-bit or 4:2:2 pictures, no alpha, no quality instead of a bitrate, no constant
    /// bitrate, low latency for H.264 only.
    Intel,
    /// A virtual machine: software encoders and decoders only.
    None,
}

/// The Mac that the double is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// What there is to encode with.
    pub hardware: Hardware,
    /// What the bytes of a row of a pixel buffer are a multiple of.
    pub row_alignment: usize,
    /// How many frames an encoder holds back that may hold back as many as it likes. One that was given a
    /// number holds back so many, if they are fewer.
    pub held_frames: usize,
}

impl Machine {
    /// The default: Apple silicon, rows padded to 64 bytes.
    pub fn apple_silicon() -> Self {
        Machine { hardware: Hardware::AppleSilicon, row_alignment: 64, held_frames: 12 }
    }

    /// An Intel Mac.
    pub fn intel() -> Self {
        Machine { hardware: Hardware::Intel, ..Self::apple_silicon() }
    }

    /// A virtual machine.
    pub fn software() -> Self {
        Machine { hardware: Hardware::None, ..Self::apple_silicon() }
    }

    /// The same with rows padded to so many bytes: 16, 64 or 256.
    #[must_use]
    pub fn rows(self, alignment: usize) -> Self {
        Machine { row_alignment: alignment, ..self }
    }
}
