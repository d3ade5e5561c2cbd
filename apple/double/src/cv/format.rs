/// How the samples of a pixel format stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Layout {
    /// Planes; pixels are a matter of the first one.
    pub(crate) planes: &'static [PlaneLayout],
    /// Full range, as the format's name says. What RGB becomes is not.
    pub(crate) full_range: bool,
    /// Bits of a sample.
    pub(crate) depth: u32,
}

/// Of one plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PlaneLayout {
    /// Bytes of an element: a sample, a pair of chroma samples, a pixel.
    pub(crate) element: usize,
    /// Pixels that share an element, across and down.
    pub(crate) shared: (usize, usize),
}

const fn plane(element: usize, across: usize, down: usize) -> PlaneLayout {
    PlaneLayout { element, shared: (across, down) }
}

/// None for a format that the double has not.
pub(crate) fn layout(fourcc: u32) -> Option<Layout> {
    const BYTES: &[PlaneLayout] = &[plane(1, 1, 1), plane(2, 2, 2)];
    const WORDS: &[PlaneLayout] = &[plane(2, 1, 1), plane(4, 2, 2)];
    const TALL_BYTES: &[PlaneLayout] = &[plane(1, 1, 1), plane(2, 2, 1)];
    const TALL_WORDS: &[PlaneLayout] = &[plane(2, 1, 1), plane(4, 2, 1)];
    const FULL_BYTES: &[PlaneLayout] = &[plane(1, 1, 1), plane(2, 1, 1)];
    const FULL_WORDS: &[PlaneLayout] = &[plane(2, 1, 1), plane(4, 1, 1)];
    const PIXELS: &[PlaneLayout] = &[plane(4, 1, 1)];
    let (planes, full_range, depth) = match &fourcc.to_be_bytes() {
        b"420v" => (BYTES, false, 8),
        b"420f" => (BYTES, true, 8),
        b"x420" => (WORDS, false, 10),
        b"xf20" => (WORDS, true, 10),
        b"422v" => (TALL_BYTES, false, 8),
        b"422f" => (TALL_BYTES, true, 8),
        b"x422" => (TALL_WORDS, false, 10),
        b"xf22" => (TALL_WORDS, true, 10),
        b"444v" => (FULL_BYTES, false, 8),
        b"444f" => (FULL_BYTES, true, 8),
        b"x444" => (FULL_WORDS, false, 10),
        b"xf44" => (FULL_WORDS, true, 10),
        b"BGRA" => (PIXELS, false, 8),
        b"y408" => (PIXELS, false, 8),
        _ => return None,
    };
    Some(Layout { planes, full_range, depth })
}

impl Layout {
    /// BGRA and such have no planes by Apple's count.
    pub(crate) fn is_planar(&self) -> bool {
        self.planes.len() > 1
    }
}

impl PlaneLayout {
    /// Elements and rows of a picture of this size.
    pub(crate) fn size(&self, width: usize, height: usize) -> (usize, usize) {
        (width.div_ceil(self.shared.0), height.div_ceil(self.shared.1))
    }
}
