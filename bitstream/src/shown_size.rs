use crate::{Codec, StreamFacts};

/// The size in which a stream's pictures are shown, where its container says another than it does.
///
/// Some encoders of H.264 fill whole macroblocks (7.4.2.1.1), and only the container says how much of the last
/// ones is meant, as with cameras: 1080 of 1088 rows. A container is believed until a stream is not what it
/// says, and not again after that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShownSize {
    container: (u32, u32),
    believed: bool,
}

impl ShownSize {
    /// Before the first picture. The container's width and height are in pixels; 0 unknown.
    pub fn new(codec: Codec, container: (u32, u32)) -> Self {
        Self { container, believed: codec == Codec::H264 }
    }

    /// What the container says.
    pub fn container(&self) -> (u32, u32) {
        self.container
    }

    /// A picture comes of which its parameter set says this. Gives its width and height.
    pub fn next(&mut self, facts: &StreamFacts) -> (u32, u32) {
        let side = |container: u32, shown: u32| {
            (1..=shown).contains(&container) && container.div_ceil(16) == shown.div_ceil(16)
        };
        let (width, height) = self.container;
        let cuts = side(width, facts.width) && side(height, facts.height);
        self.believed = self.believed && !facts.cut_at_start && cuts;
        self.of(facts)
    }

    /// The width and height of another picture like the last one.
    pub fn of(&self, facts: &StreamFacts) -> (u32, u32) {
        if self.believed { self.container } else { (facts.width, facts.height) }
    }
}
