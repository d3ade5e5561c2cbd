//! Whether an incoming picture, whole or in slices, fits the format that CONFIGURE fixed, or the
//! geometry that it brings along (docs/protocol.md sections 5 and 9).

use crate::{
    FrameBegin, FrameHead, Geometry, NO_REFERENCE, PixelFormat, PlaneHead, SliceHead,
    limits::{MAX_ROW_PADDING, worst_expansion},
    message::MAX_PIXELS,
};

/// The codecs of slices that need no agreement: none, LZ4, Zstandard.
const LAST_CODEC: u8 = 2;

/// The codec of `x.wire.vtz.v1` …
const VTZ: u8 = 3;

/// … the flag in its `tables` of a picture that later ones may refer to, …
const KEPT: u8 = 2;

/// … and what the rows of its slices are multiples of.
const STRIP: u32 = 16;

/// The pictures that come in, checked message by message. Errors say what does not fit.
#[derive(Debug)]
pub(super) struct Pictures {
    /// Of the picture that began last. None before the first where pictures say what they are.
    geometry: Option<Geometry>,
    /// Pictures say what they are: `x.geometry.v1`. They are NV12, P010, or what was wished for.
    told: Option<PixelFormat>,
    /// Planes are compressed, so that their length says nothing about their rows.
    compressed: bool,
    /// Chroma of an odd height may come without its last row: some peers round down.
    short_chroma: bool,
    /// Slices may be vtz.
    vtz: bool,
    /// The picture that the next one of vtz may refer to.
    kept: Option<u32>,
    current: Current,
    /// Of the picture in slices that comes in or came last, whose memory the next one uses.
    tiles: Tiles,
}

#[derive(Debug)]
enum Current {
    None,
    /// The plane that comes next.
    Planes(u8),
    Slices,
}

/// The rows of one picture that arrived as slices.
#[derive(Debug, Default)]
struct Tiles {
    frame_id: u32,
    codec: u8,
    slices: Marks,
    planes: Vec<Marks>,
}

impl Pictures {
    /// Pictures that are all alike.
    pub(super) fn new(geometry: Geometry, compressed: bool, short_chroma: bool) -> Self {
        let (current, tiles) = (Current::None, Tiles::default());
        let geometry = Some(geometry);
        let (told, vtz, kept) = (None, false, None);
        Self { geometry, told, compressed, short_chroma, vtz, kept, current, tiles }
    }

    /// Pictures of `x.geometry.v1`, which only come in slices, to a client with this wish.
    pub(super) fn told(wish: PixelFormat) -> Self {
        let (current, tiles) = (Current::None, Tiles::default());
        let (compressed, short_chroma) = (false, false);
        let (told, vtz, kept) = (Some(wish), false, None);
        Self { geometry: None, told, compressed, short_chroma, vtz, kept, current, tiles }
    }

    /// Whether slices may be vtz.
    pub(super) fn with_vtz(self, vtz: bool) -> Self {
        Self { vtz, ..self }
    }

    /// What the picture that began last is.
    pub(super) fn geometry(&self) -> Option<Geometry> {
        self.geometry
    }

    /// A picture has begun and not ended.
    pub(super) fn unfinished(&self) -> bool {
        !matches!(self.current, Current::None)
    }

    pub(super) fn frame(&mut self, head: &FrameHead) -> Result<(), String> {
        self.idle()?;
        if self.told.is_some() {
            return Err("a FRAME where x.geometry.v1 was agreed".into());
        }
        self.planes(head)?;
        self.current = Current::Planes(0);
        Ok(())
    }

    pub(super) fn plane(&mut self, plane: &PlaneHead) -> Result<(), String> {
        let index = plane.index;
        let Geometry { format, height, .. } = self.known()?;
        match self.current {
            Current::Planes(next) if next == index && index < format.planes() => {
                self.current = Current::Planes(next + 1);
            }
            _ => return Err(format!("plane {index} is out of place")),
        }
        let (row, rows) = self.layout(index)?;
        let stride = plane.stride;
        if stride < row || stride - row > MAX_ROW_PADDING {
            return Err(format!("plane {index} has a stride of {stride} for rows of {row} bytes"));
        }
        let short = self.short_chroma && index > 0 && rows > 1 && rows < height;
        let short = short && height % 2 == 1 && plane.height == rows - 1;
        if plane.height != rows && !short {
            return Err(format!("plane {index} has {} rows instead of {rows}", plane.height));
        }
        self.length(u64::from(stride) * u64::from(plane.height), plane.len, self.compressed)
            .map_err(|expected| format!("plane {index} is {} bytes, not {expected}", plane.len))
    }

    pub(super) fn frame_end(&mut self) {
        self.current = Current::None;
    }

    pub(super) fn begin(&mut self, begin: &FrameBegin<'_>) -> Result<(), String> {
        self.idle()?;
        if let Some(geometry) = begin.geometry {
            let Some(wish) = self.told else {
                return Err("FRAME_BEGIN has a geometry, which was not agreed".into());
            };
            acceptable(&geometry, wish)?;
            let shape = |of: Geometry| (of.width, of.height, of.format);
            if self.geometry.map(shape) != Some(shape(geometry)) {
                self.kept = None;
            }
            self.geometry = begin.geometry;
        }
        self.planes(&begin.head)?;
        self.codec(begin)?;
        let planes = begin.head.planes;
        let mut rows = 0;
        for index in 0..planes {
            rows += u64::from(self.layout(index)?.1);
        }
        if u64::from(begin.slices) > rows || begin.slices < u16::from(planes) {
            return Err(format!("FRAME_BEGIN has {} slices for {rows} rows", begin.slices));
        }
        self.tiles.frame_id = begin.frame_id;
        self.tiles.codec = begin.codec;
        self.tiles.slices.reset(u32::from(begin.slices));
        self.tiles.planes.resize_with(planes.into(), Marks::default);
        for index in 0..planes {
            let rows = self.layout(index)?.1;
            self.tiles.planes[usize::from(index)].reset(rows);
        }
        self.current = Current::Slices;
        Ok(())
    }

    /// The codec, and what is only vtz's.
    fn codec(&mut self, begin: &FrameBegin<'_>) -> Result<(), String> {
        let FrameBegin { codec, reference_id, tables, .. } = *begin;
        match codec {
            VTZ if self.vtz => {}
            codec if codec > LAST_CODEC => {
                return Err(format!("FRAME_BEGIN has codec {codec}, which was not agreed"));
            }
            _ if reference_id != NO_REFERENCE || !tables.is_empty() => {
                return Err(format!("FRAME_BEGIN of codec {codec} has a reference or tables"));
            }
            _ => return Ok(()),
        }
        let Some(flags) = tables.first() else {
            return Err("FRAME_BEGIN of vtz without its flags".into());
        };
        if reference_id != NO_REFERENCE && self.kept != Some(reference_id) {
            return Err(format!("FRAME_BEGIN refers to frame {reference_id}, which is not kept"));
        }
        if flags & KEPT != 0 {
            if begin.frame_id == NO_REFERENCE {
                return Err("FRAME_BEGIN of a frame to keep without an id".into());
            }
            self.kept = Some(begin.frame_id);
        }
        Ok(())
    }

    pub(super) fn slice(&mut self, slice: &SliceHead) -> Result<(), String> {
        if !matches!(self.current, Current::Slices) {
            return Err(format!("SLICE of frame {} without its FRAME_BEGIN", slice.frame_id));
        }
        self.tile(slice)
            .map_err(|what| format!("SLICE {} of frame {} {what}", slice.index, slice.frame_id))
    }

    /// What is wrong with a slice of the picture that comes in.
    fn tile(&mut self, slice: &SliceHead) -> Result<(), String> {
        let tiles = &mut self.tiles;
        if slice.frame_id != tiles.frame_id {
            return Err(format!("came amid frame {}", tiles.frame_id));
        }
        if !tiles.slices.set(u32::from(slice.index), 1) {
            return Err(format!("came twice or is not one of {}", tiles.slices.len));
        }
        let Some(plane) = tiles.planes.get_mut(usize::from(slice.plane)) else {
            return Err(format!("is of plane {}", slice.plane));
        };
        if slice.rows == 0 || !plane.set(slice.first_row, slice.rows) {
            return Err(format!(
                "has rows {}+{} of plane {}, taken or outside",
                slice.first_row, slice.rows, slice.plane
            ));
        }
        let vtz = tiles.codec == VTZ;
        if vtz {
            let end = slice.first_row + slice.rows;
            if !slice.first_row.is_multiple_of(STRIP)
                || !(end.is_multiple_of(STRIP) || end == plane.len)
            {
                return Err("is not whole strips".into());
            }
        }
        if tiles.slices.full() && !tiles.planes.iter().all(Marks::full) {
            return Err("is the last and leaves rows uncovered".into());
        }
        let (row, _) = self.layout(slice.plane)?;
        let raw = u64::from(row) * u64::from(slice.rows);
        let len = u64::from(slice.len);
        let expected = match (self.tiles.codec, slice.mode) {
            (_, 1) | (0, 0) => self.length(raw, slice.len, false),
            (VTZ, 2) if len != 0 => Err("0".into()),
            (VTZ, 2) => Ok(()),
            // What does not get smaller is raw.
            (VTZ, 3 | 4) if !(1..=raw).contains(&len) => Err(format!("1 to {raw}")),
            (VTZ, 3 | 4) => Ok(()),
            (1..=LAST_CODEC, 0) => self.length(raw, slice.len, true),
            (_, mode) => return Err(format!("has mode {mode}")),
        };
        expected.map_err(|expected| format!("is {len} bytes, not {expected}"))
    }

    /// A slice's data is complete; true if it was the picture's last.
    pub(super) fn slice_end(&mut self) -> bool {
        let last = matches!(self.current, Current::Slices) && self.tiles.slices.full();
        if last {
            self.current = Current::None;
        }
        last
    }

    fn planes(&self, head: &FrameHead) -> Result<(), String> {
        let Geometry { format, .. } = self.known()?;
        let planes = format.planes();
        if head.planes != planes {
            return Err(format!("a frame of {} planes, {format} has {planes}", head.planes));
        }
        Ok(())
    }

    fn known(&self) -> Result<Geometry, String> {
        self.geometry.ok_or_else(|| "the first picture does not say what it is".into())
    }

    /// Bytes of a row, and rows.
    fn layout(&self, plane: u8) -> Result<(u32, u32), String> {
        let Geometry { format, width, height, .. } = self.known()?;
        let (row, rows) = format.plane_layout(width, height, plane);
        let capped = |number| u32::try_from(number).unwrap_or(u32::MAX);
        Ok((capped(row), capped(rows)))
    }

    fn idle(&self) -> Result<(), String> {
        match &self.current {
            Current::None => Ok(()),
            Current::Planes(_) => Err("a picture began inside another".into()),
            Current::Slices => {
                let frame = self.tiles.frame_id;
                Err(format!("a picture began before the last SLICE of frame {frame}"))
            }
        }
    }

    /// Compressed data may be larger than `raw`, by no more than LZ4 and Zstandard ever add.
    fn length(&self, raw: u64, len: u32, compressed: bool) -> Result<(), String> {
        let len = u64::from(len);
        let most = worst_expansion(raw);
        match compressed {
            false if len == raw => Ok(()),
            false => Err(raw.to_string()),
            true if (1..=most).contains(&len) => Ok(()),
            true => Err(format!("1 to {most}")),
        }
    }
}

/// What a client takes of pictures that say what they are.
fn acceptable(geometry: &Geometry, wish: PixelFormat) -> Result<(), String> {
    let Geometry { width, height, format, .. } = *geometry;
    if ![PixelFormat::Nv12, PixelFormat::P010, wish].contains(&format) {
        return Err(format!("a picture of {format}, which was not asked for"));
    }
    if u64::from(width) * u64::from(height) > MAX_PIXELS {
        return Err(format!("a picture of {width}x{height}: it has more than {MAX_PIXELS} pixels"));
    }
    Ok(())
}

/// A set of numbers below `len`, marked in runs that never overlap.
#[derive(Debug, Default)]
struct Marks {
    len: u32,
    marked: u32,
    words: Vec<u64>,
}

impl Marks {
    /// Becomes `len` numbers without a mark.
    fn reset(&mut self, len: u32) {
        (self.len, self.marked) = (len, 0);
        self.words.clear();
        self.words.resize(len.div_ceil(64) as usize, 0);
    }

    /// Marks `first..first + count`; false, and nothing that counts as complete, where that
    /// leaves the range or meets a mark.
    fn set(&mut self, first: u32, count: u32) -> bool {
        let Some(end) = first.checked_add(count).filter(|end| *end <= self.len) else {
            return false;
        };
        for row in first..end {
            let (word, bit) = (&mut self.words[(row / 64) as usize], 1 << (row % 64));
            if *word & bit != 0 {
                return false;
            }
            *word |= bit;
        }
        self.marked += count;
        true
    }

    fn full(&self) -> bool {
        self.marked == self.len
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{PixelFormat, SideData};

    /// Is a chroma plane of `rows` rows taken, where a picture is `height` rows high?
    fn takes_chroma(format: PixelFormat, height: u32, rows: u32) -> bool {
        let mut pictures = Pictures::new(Geometry::new(4, height, format), true, true);
        let head = FrameHead { pts: 0, duration: 0, flags: 0, planes: 2 };
        pictures.frame(&head).unwrap();
        let luma = PlaneHead { index: 0, stride: 8, height, len: 9 };
        pictures.plane(&luma).unwrap();
        pictures.plane(&PlaneHead { index: 1, height: rows, ..luma }).is_ok()
    }

    #[test]
    fn only_an_odd_height_may_lose_its_last_chroma_row() {
        assert!(takes_chroma(PixelFormat::Nv12, 5, 3));
        assert!(takes_chroma(PixelFormat::P010, 5, 2));
        assert!(!takes_chroma(PixelFormat::Nv12, 5, 1));
        assert!(!takes_chroma(PixelFormat::Nv12, 4, 1));
        assert!(!takes_chroma(PixelFormat::P210, 5, 4));
        assert!(!takes_chroma(PixelFormat::Nv12, 1, 0));
    }

    #[test]
    fn rows_across_words_are_marked_once() {
        let mut marks = Marks::default();
        marks.reset(130);
        assert!(marks.set(60, 70));
        assert!(!marks.set(129, 1));
        assert!(marks.set(0, 60));
        assert!(marks.full());
        marks.reset(130);
        assert!(!marks.set(u32::MAX, 2));
        assert!(marks.set(0, 130), "what was marked before is forgotten");
    }

    #[test]
    fn the_planes_of_a_frame_come_in_order() {
        let mut pictures = Pictures::new(Geometry::new(4, 4, PixelFormat::Nv12), true, false);
        let second = PlaneHead { index: 1, stride: 4, height: 2, len: 1 };
        assert!(pictures.plane(&second).is_err());
        pictures.frame(&FrameHead { pts: 0, duration: 0, flags: 0, planes: 2 }).unwrap();
        assert!(pictures.plane(&second).is_err());
    }

    fn slice_of_vtz(first_row: u32, rows: u32, mode: u8, len: u32) -> Result<(), String> {
        let geometry = Geometry::new(4, 40, PixelFormat::Nv12);
        let mut pictures = Pictures::new(geometry, false, false).with_vtz(true);
        let begin = FrameBegin {
            head: FrameHead { pts: 0, duration: 0, flags: 0, planes: 2 },
            codec: VTZ,
            frame_id: 7,
            reference_id: NO_REFERENCE,
            slices: 4,
            tables: &[0],
            geometry: None,
            side_data: SideData::EMPTY,
        };
        pictures.begin(&begin).unwrap();
        pictures.slice(&SliceHead { frame_id: 7, index: 0, plane: 0, mode, first_row, rows, len })
    }

    #[test]
    fn a_slice_of_vtz_is_whole_strips() {
        for (first_row, rows, good) in [
            (0, 16, true),
            (16, 24, true),
            (32, 8, true),
            (0, 40, true),
            (0, 8, false),
            (8, 32, false),
        ] {
            let taken = slice_of_vtz(first_row, rows, 1, 4 * rows);
            assert_eq!(taken.is_ok(), good, "{first_row}+{rows}: {taken:?}");
        }
    }

    #[test]
    fn a_slice_of_vtz_is_never_longer_than_its_rows() {
        for (mode, len, good) in [
            (0, 64, false),
            (1, 64, true),
            (1, 63, false),
            (2, 0, true),
            (2, 1, false),
            (3, 64, true),
            (3, 65, false),
            (3, 0, false),
            (4, 1, true),
            (4, 65, false),
            (5, 64, false),
        ] {
            let taken = slice_of_vtz(0, 16, mode, len);
            assert_eq!(taken.is_ok(), good, "{mode}, {len}: {taken:?}");
        }
    }
}
