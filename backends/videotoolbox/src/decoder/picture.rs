//! Decoded pictures: what they are, and their samples in memory that can be sent from.

use crate::ffi::{Access, PixelBuffer};
use std::sync::{Arc, Mutex, PoisonError};
use vtremote_backend::{
    Codec, Color, Error, Fields, Geometry, PixelFormat, PlaneMemory, PlaneShape, Planes, Ratio,
    RowsMut, check_size,
};
use vtremote_bitstream::{CodedPicture, Parity, SampleFormat, StreamFacts};

/// What a session decodes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) format: PixelFormat,
    /// kCVPixelFormatType_420YpCbCr8BiPlanarVideoRange and its like.
    pub(crate) characters: u32,
}

impl Layout {
    pub(crate) fn video_range(format: PixelFormat) -> Self {
        Layout::new(format, false)
    }

    fn new(format: PixelFormat, full_range: bool) -> Self {
        let characters = match (format, full_range) {
            (PixelFormat::P010, false) => b"x420",
            (PixelFormat::P010, true) => b"xf20",
            (_, false) => b"420v",
            (_, true) => b"420f",
        };
        Layout { format, characters: u32::from_be_bytes(*characters) }
    }

    /// As the stream has its samples, so that nothing is converted.
    ///
    /// # Errors
    /// [`Error::Unsupported`] unless it has 4:2:0 in 8 or 10 bits.
    pub(crate) fn of(codec: Codec, facts: &StreamFacts) -> Result<Self, Error> {
        let SampleFormat { chroma_format, luma_bits, chroma_bits } = facts.format;
        let format = match (chroma_format, luma_bits, chroma_bits) {
            (0, 8, _) | (1, 8, 8) => PixelFormat::Nv12,
            (0, 10, _) | (1, 10, 10) => PixelFormat::P010,
            _ => {
                let chroma = ["4:0:0", "4:2:0", "4:2:2", "4:4:4"];
                let chroma = chroma.get(usize::from(chroma_format)).unwrap_or(&"unknown chroma");
                let bits = match chroma_bits == luma_bits {
                    true => format!("{luma_bits} bits"),
                    false => format!("{luma_bits} and {chroma_bits} bits"),
                };
                let known = "4:2:0 with 8 or 10 bits is decoded here";
                let what = format!("{codec} in {chroma} with {bits}; {known}");
                return Err(Error::Unsupported(what));
            }
        };
        Ok(Layout::new(format, facts.full_range == Some(true)))
    }
}

/// The most pixels of a picture: twice those of level 6.2 (H.264 table A-1, H.265 table A.8), which leaves
/// room for the largest square ones. A few bytes can ask for any size.
const MOST_PIXELS: u64 = 1 << 26;

/// Refuses what no decoder takes, before memory is taken for it.
///
/// # Errors
/// [`Error::Unsupported`].
pub(crate) fn check_picture(facts: &StreamFacts) -> Result<(), Error> {
    let (width, height) = (facts.coded_width, facts.coded_height);
    check_size(facts.width, facts.height)?;
    if u64::from(width) * u64::from(height) > MOST_PIXELS {
        return Err(Error::Unsupported(format!("pictures of {width}x{height}")));
    }
    Ok(())
}

/// What a picture of this size and format is, as its headers say it.
pub(crate) fn geometry(
    codec: Codec,
    picture: &CodedPicture,
    (width, height): (u32, u32),
    format: PixelFormat,
) -> Geometry {
    let CodedPicture { earlier_field, facts, .. } = picture;
    // 2 is "unspecified", and 0 reserved but for the matrix, where it is RGB.
    let told = |number: u8| Some(number).filter(|number| *number != 2);
    // What E.2.1 of H.264 and E.3.1 of H.265 infer is left. Of H.264 nobody takes their word for it where
    // nothing else is told either.
    let left = match codec {
        Codec::H264 => facts.has_vui,
        Codec::H265 => facts.format.chroma_format == 1,
    };
    Geometry {
        width,
        height,
        format,
        sample_aspect_ratio: facts
            .sample_aspect_ratio
            .map(|(num, den)| Ratio { num: num.into(), den: den.into() }),
        color: Color {
            full_range: facts.full_range,
            matrix: told(facts.matrix),
            primaries: told(facts.primaries).filter(|number| *number != 0),
            transfer: told(facts.transfer).filter(|number| *number != 0),
            // FFmpeg's numbers are one more, and 0 is "unspecified".
            chroma_location: facts
                .chroma_location
                .or(left.then_some(0))
                .map(|location| location + 1),
        },
        fields: match earlier_field {
            None => Fields::Progressive,
            Some(Parity::Top) => Fields::TopFirst,
            Some(Parity::Bottom) => Fields::BottomFirst,
        },
    }
}

/// Memory of pictures that were sent, to be used again.
#[derive(Default)]
pub(crate) struct Shelf(Mutex<Vec<Planes>>);

/// More pictures than are ever out at once: what is beyond them is not kept.
const KEPT: usize = 32;

impl Shelf {
    /// Copies a picture out of the decoder's memory. That may be slow to read, and what is sent is read more
    /// than once; and the decoder has its buffer back.
    ///
    /// # Errors
    /// [`Error::Codec`] if it is not a picture of this layout and size.
    pub(crate) fn copy(
        &self,
        picture: &PixelBuffer,
        layout: Layout,
        (width, height): (u32, u32),
    ) -> Result<Planes, Error> {
        let failed = |what: String| Error::Codec(format!("a picture that cannot be read: {what}"));
        if picture.format() != layout.characters {
            let characters = picture.format().to_be_bytes();
            let characters = characters.escape_ascii();
            return Err(failed(format!("its pixel format is {characters}")));
        }
        let shapes = layout.format.planes(width, height);
        let locked = picture.lock(Access::Read).map_err(|status| failed(status.to_string()))?;
        let source = locked.planes(&shapes).map_err(failed)?;
        let target = self.take(&shapes)?;
        for (from, to) in source.iter().zip(&target) {
            let lent = |_| Error::Internal("rows of our own are lent".into());
            let rows = PlaneMemory::read(from).map_err(lent)?;
            let to = PlaneMemory::lend(to, 0..to.shape().rows).map_err(lent)?;
            copy_rows(rows.bytes(), rows.stride(), to);
        }
        Ok(target)
    }

    fn take(&self, shapes: &[PlaneShape]) -> Result<Planes, Error> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Nobody else has them, and nobody can get them but from here.
        let free = |planes: &Planes| planes.iter().all(|plane| Arc::strong_count(plane) == 1);
        let fits =
            |planes: &Planes| planes.iter().map(|plane| plane.shape()).eq(shapes.iter().copied());
        kept.retain(|planes| fits(planes) || !free(planes));
        if let Some(planes) = kept.iter().find(|planes| fits(planes) && free(planes)) {
            return Ok(planes.clone());
        }
        let memory = |shape: &PlaneShape| PlaneMemory::try_allocate(*shape, 64).map(Arc::new);
        let planes = shapes.iter().map(memory).collect::<Result<Planes, _>>();
        let planes = planes.map_err(|error| Error::Codec(error.to_string()))?;
        if kept.len() < KEPT {
            kept.push(planes.clone());
        }
        Ok(planes)
    }
}

fn copy_rows(from: &[u8], stride: usize, mut to: RowsMut) {
    let (row_bytes, target_stride) = (to.row_bytes(), to.stride());
    for (from, to) in from.chunks(stride).zip(to.bytes().chunks_mut(target_stride)) {
        to[..row_bytes].copy_from_slice(&from[..row_bytes]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shapes() -> Vec<PlaneShape> {
        PixelFormat::Nv12.planes(6, 4)
    }

    fn address(planes: &Planes) -> *const u8 {
        PlaneMemory::read(&planes[0]).unwrap().bytes().as_ptr()
    }

    #[test]
    fn memory_is_used_again_when_nobody_reads_it() {
        let shelf = Shelf::default();
        let first = shelf.take(&shapes()).unwrap();
        let reader = PlaneMemory::read(&first[1]).unwrap();
        let place = address(&first);
        drop(first);
        let second = shelf.take(&shapes()).unwrap();
        assert_ne!(address(&second), place);
        drop(reader);
        assert_eq!(address(&shelf.take(&shapes()).unwrap()), place);
    }

    #[test]
    fn memory_of_other_shapes_is_given_up() {
        let shelf = Shelf::default();
        let first = shelf.take(&shapes()).unwrap();
        drop(shelf.take(&PixelFormat::P010.planes(6, 4)).unwrap());
        assert_eq!(shelf.0.lock().unwrap().len(), 2, "one is still out");
        drop(first);
        drop(shelf.take(&PixelFormat::P010.planes(6, 4)).unwrap());
        assert_eq!(shelf.0.lock().unwrap().len(), 1);
    }

    #[test]
    fn rows_are_copied_whatever_the_strides() {
        let plane = Arc::new(PlaneMemory::allocate(PlaneShape { row_bytes: 3, rows: 2 }, 8));
        let to = PlaneMemory::lend(&plane, 0..2).unwrap();
        copy_rows(&[1, 2, 3, 0xee, 0xee, 4, 5, 6], 5, to);
        let rows = PlaneMemory::read(&plane).unwrap();
        assert_eq!((&rows.bytes()[..3], &rows.bytes()[8..11]), (&[1, 2, 3][..], &[4, 5, 6][..]));
    }
}
