use crate::Layout;

/// A picture's pixel format; the numbers are those of CONFIGURE (docs/protocol.md section 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Format {
    /// 4:2:0, 8 bits: a plane of luma, and one of Cb,Cr pairs.
    Nv12 = 1,
    /// 4:2:0, 10 bits in the high end of 16: a plane of luma, and one of Cb,Cr pairs.
    P010 = 2,
    /// Blue, green, red and alpha, 8 bits each, in one plane.
    Bgra = 3,
    /// Alpha, luma, Cb and Cr, 8 bits each, in one plane.
    Ayuv = 4,
    /// 4:2:2, 10 bits in the high end of 16: a plane of luma, and one of Cb,Cr pairs.
    P210 = 5,
}

impl Format {
    /// Every format there is, in the order of their numbers.
    pub const ALL: [Self; 5] = [Self::Nv12, Self::P010, Self::Bgra, Self::Ayuv, Self::P210];

    /// The format of that number, if there is one.
    pub fn from_wire(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|format| *format as u8 == number)
    }

    /// Whether samples have ten bits, in the high end of 16.
    pub fn is_ten_bit(self) -> bool {
        matches!(self, Self::P010 | Self::P210)
    }

    /// How many planes a picture has.
    pub fn planes(self) -> usize {
        match self {
            Self::Nv12 | Self::P010 | Self::P210 => 2,
            Self::Bgra | Self::Ayuv => 1,
        }
    }
}

/// What the pictures of a stream look like: all that sizes are taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Geometry {
    /// How samples lie in memory.
    pub format: Format,
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
}

impl Geometry {
    /// The largest width and height: those of docs/protocol.md section 9.
    pub const MAX_SIDE: usize = 16_384;

    /// Whether both sides are within 1 and [`MAX_SIDE`](Self::MAX_SIDE).
    pub fn is_valid(self) -> bool {
        let valid = 1..=Self::MAX_SIDE;
        valid.contains(&self.width) && valid.contains(&self.height)
    }

    /// The shape of a plane on the wire, without padding.
    ///
    /// # Panics
    /// If the format has no such plane.
    pub fn layout(self, plane: usize) -> Layout {
        let shape = self.plane(plane);
        let bytes = if self.format.is_ten_bit() { 2 } else { 1 };
        Layout { row_bytes: shape.width * shape.components.len() * bytes, rows: shape.rows }
    }

    pub(crate) fn plane(self, plane: usize) -> Plane {
        assert!(plane < self.format.planes());
        let Self { format, width, height } = self;
        match (format, plane) {
            (Format::Bgra, _) => Plane { components: &BGRA, width, rows: height },
            (Format::Ayuv, _) => Plane { components: &AYUV, width, rows: height },
            (_, 0) => Plane { components: &LUMA, width, rows: height },
            (Format::P210, _) => {
                Plane { components: &PAIRS, width: width.div_ceil(2), rows: height }
            }
            _ => Plane { components: &PAIRS, width: width.div_ceil(2), rows: height.div_ceil(2) },
        }
    }
}

/// A plane as the codec sees it: components of one sample each, which take turns in a row.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plane {
    pub components: &'static [Component],
    /// Samples of one component in a row.
    pub width: usize,
    pub rows: usize,
}

/// Every how manieth sample of a row belongs to a component, and what is coded of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Component {
    /// Its place among those that take turns.
    pub at: usize,
    /// The place of another that is taken from it, modulo 256, before anything else.
    pub less: Option<usize>,
    /// Which of the two sets of tables it uses.
    pub group: usize,
}

const fn component(at: usize, group: usize) -> Component {
    Component { at, less: None, group }
}

/// Sets of tables that a frame has: what is like luma, and what is like chroma.
pub(crate) const GROUPS: usize = 2;

/// The most components that a plane has.
pub(crate) const MAX_COMPONENTS: usize = 4;

static LUMA: [Component; 1] = [component(0, 0)];
static PAIRS: [Component; 2] = [component(0, 1), component(1, 1)];
/// Green, which tells most of the other two, then what is left of them.
static BGRA: [Component; 4] = [
    component(1, 0),
    Component { at: 0, less: Some(1), group: 1 },
    Component { at: 2, less: Some(1), group: 1 },
    component(3, 1),
];
static AYUV: [Component; 4] = [component(1, 0), component(2, 1), component(3, 1), component(0, 1)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_configure() {
        for (at, format) in Format::ALL.into_iter().enumerate() {
            assert_eq!(Format::from_wire(at as u8 + 1), Some(format));
        }
        assert_eq!(Format::from_wire(0), None);
        assert_eq!(Format::from_wire(6), None);
    }

    #[test]
    fn odd_sizes_have_whole_pairs() {
        let layout = |format, plane| {
            let Layout { row_bytes, rows } = Geometry { format, width: 5, height: 3 }.layout(plane);
            (row_bytes, rows)
        };
        assert_eq!((layout(Format::Nv12, 0), layout(Format::Nv12, 1)), ((5, 3), (6, 2)));
        assert_eq!((layout(Format::P010, 0), layout(Format::P010, 1)), ((10, 3), (12, 2)));
        assert_eq!((layout(Format::P210, 0), layout(Format::P210, 1)), ((10, 3), (12, 3)));
        assert_eq!((layout(Format::Bgra, 0), layout(Format::Ayuv, 0)), ((20, 3), (20, 3)));
    }
}
