//! Decoded pictures: what they are, and their samples in memory that can be sent from.

use crate::ffi::{Access, PixelBuffer};
use std::sync::{Arc, Mutex, PoisonError};
use vtremote_backend::{
    Codec, Color, Error, Fields, Geometry, PixelFormat, PlaneMemory, PlaneShape, Planes, Ratio,
    Rows, RowsMut, check_size,
};
use vtremote_bitstream::{CodedPicture, Parity, SampleFormat, StreamFacts};

/// What a session decodes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) format: PixelFormat,
    /// Of VideoToolbox's pictures: kCVPixelFormatType_420YpCbCr8BiPlanarVideoRange and its like.
    pub(crate) characters: u32,
    copy: Copying,
}

/// How samples get from VideoToolbox's pictures, which have them as the stream does, to those of a format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Copying {
    AsTheyAre,
    /// Of 8 bits, to the high ones of 16.
    Widened,
    /// A plane of luma and one of pairs of chroma for every pixel, to a plane of pixels.
    Packed,
}

impl Layout {
    /// As the stream has its samples, so that VideoToolbox converts nothing. What is more than 4:2:0 only if it
    /// is wished for (docs/protocol.md section 9).
    ///
    /// # Errors
    /// [`Error::Unsupported`] for other chroma or another depth.
    pub(crate) fn of(codec: Codec, facts: &StreamFacts, wish: PixelFormat) -> Result<Self, Error> {
        let SampleFormat { chroma_format, luma_bits, chroma_bits } = facts.format;
        // Without a matrix, samples are green, blue and red (H.264 E.2.1, H.265 E.3.1).
        let pixels = if facts.matrix == 0 { PixelFormat::Bgra } else { PixelFormat::Ayuv };
        use Copying::{AsTheyAre, Packed, Widened};
        // Video range, full range.
        let kind = match (chroma_format, luma_bits, chroma_bits) {
            (0, 8, _) | (1, 8, 8) => Some((PixelFormat::Nv12, [b"420v", b"420f"], AsTheyAre)),
            (0, 10, _) | (1, 10, 10) => Some((PixelFormat::P010, [b"x420", b"xf20"], AsTheyAre)),
            (2, 8, 8) => Some((PixelFormat::P210, [b"422v", b"422f"], Widened)),
            (2, 10, 10) => Some((PixelFormat::P210, [b"x422", b"xf22"], AsTheyAre)),
            (3, 8, 8) => Some((pixels, [b"444v", b"444f"], Packed)),
            _ => None,
        };
        let told =
            |format| matches!(format, PixelFormat::Nv12 | PixelFormat::P010) || format == wish;
        match kind.filter(|(format, ..)| told(*format)) {
            Some((format, characters, copy)) => {
                let characters = characters[usize::from(facts.full_range == Some(true))];
                Ok(Layout { format, characters: u32::from_be_bytes(*characters), copy })
            }
            None => {
                let chroma = ["4:0:0", "4:2:0", "4:2:2", "4:4:4"];
                let chroma = chroma.get(usize::from(chroma_format)).unwrap_or(&"unknown chroma");
                let bits = match chroma_bits == luma_bits {
                    true => format!("{luma_bits} bits"),
                    false => format!("{luma_bits} and {chroma_bits} bits"),
                };
                let known = "4:2:0 with 8 or 10 bits is decoded here, and 4:2:2 with 8 or 10 bits \
                             and 4:4:4 with 8 for clients that ask for it";
                let what = format!("{codec} in {chroma} with {bits}; {known}");
                Err(Error::Unsupported(what))
            }
        }
    }

    /// The planes of VideoToolbox's picture.
    fn source(&self, width: u32, height: u32) -> Vec<PlaneShape> {
        let mut planes = self.format.planes(width, height);
        match self.copy {
            Copying::AsTheyAre => {}
            Copying::Widened => planes.iter_mut().for_each(|plane| plane.row_bytes /= 2),
            Copying::Packed => {
                let (width, rows) = (width as usize, height as usize);
                let plane = |row_bytes| PlaneShape { row_bytes, rows };
                planes = vec![plane(width), plane(2 * width)];
            }
        }
        planes
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
        let locked = picture.lock(Access::Read).map_err(|status| failed(status.to_string()))?;
        let source = locked.planes(&layout.source(width, height)).map_err(failed)?;
        let target = self.take(&layout.format.planes(width, height))?;
        let lent = |_| Error::Internal("rows of our own are lent".into());
        let from = source.iter().map(PlaneMemory::read);
        let from = from.collect::<Result<Vec<Rows>, _>>().map_err(lent)?;
        let to = target.iter().map(|plane| PlaneMemory::lend(plane, 0..plane.shape().rows));
        let mut to = to.collect::<Result<Vec<RowsMut>, _>>().map_err(lent)?;
        match (layout.copy, layout.format, &from[..], &mut to[..]) {
            (Copying::Packed, PixelFormat::Bgra, [green, others], [to]) => {
                pack(green, others, to, |green, [blue, red]| [blue, green, red, OPAQUE]);
            }
            (Copying::Packed, _, [luma, chroma], [to]) => {
                pack(luma, chroma, to, |luma, [cb, cr]| [OPAQUE, luma, cb, cr]);
            }
            (Copying::Widened, ..) => {
                from.iter().zip(&mut to).for_each(|(from, to)| each_row(from, to, widen));
            }
            _ => from.iter().zip(&mut to).for_each(|(from, to)| {
                each_row(from, to, |from, to| to.copy_from_slice(from));
            }),
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

/// The alpha of a stream that has none.
const OPAQUE: u8 = 255;

fn each_row(from: &Rows, to: &mut RowsMut, convert: impl Fn(&[u8], &mut [u8])) {
    let (len, row_bytes, stride) = (from.shape().row_bytes, to.row_bytes(), to.stride());
    for (from, to) in from.bytes().chunks(from.stride()).zip(to.bytes().chunks_mut(stride)) {
        convert(&from[..len], &mut to[..row_bytes]);
    }
}

/// Samples of 8 bits to the high bits of 16.
fn widen(from: &[u8], to: &mut [u8]) {
    let samples = from.iter().zip(to.as_chunks_mut::<2>().0);
    samples.for_each(|(sample, to)| *to = [0, *sample]);
}

fn pack(luma: &Rows, chroma: &Rows, to: &mut RowsMut, pixel: impl Fn(u8, [u8; 2]) -> [u8; 4]) {
    let (len, row_bytes, stride) = (luma.shape().row_bytes, to.row_bytes(), to.stride());
    let rows = luma.bytes().chunks(luma.stride()).zip(chroma.bytes().chunks(chroma.stride()));
    for ((luma, chroma), to) in rows.zip(to.bytes().chunks_mut(stride)) {
        let samples = luma[..len].iter().zip(chroma[..2 * len].as_chunks::<2>().0);
        for ((luma, pair), to) in samples.zip(to[..row_bytes].as_chunks_mut::<4>().0) {
            *to = pixel(*luma, *pair);
        }
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

    /// Rows of these bytes, with 0xee between them.
    fn rows(row_bytes: usize, bytes: &[u8], align: usize) -> Rows {
        let shape = PlaneShape { row_bytes, rows: bytes.len() / row_bytes };
        let plane = Arc::new(PlaneMemory::allocate(shape, align));
        let mut to = PlaneMemory::lend(&plane, 0..shape.rows).unwrap();
        let stride = to.stride();
        for (from, to) in bytes.chunks(row_bytes).zip(to.bytes().chunks_mut(stride)) {
            to.fill(0xee);
            to[..row_bytes].copy_from_slice(from);
        }
        drop(to);
        PlaneMemory::read(&plane).unwrap()
    }

    /// What is written to rows of so many bytes.
    fn written(row_bytes: usize, count: usize, write: impl FnOnce(&mut RowsMut)) -> Vec<u8> {
        let shape = PlaneShape { row_bytes, rows: count };
        let plane = Arc::new(PlaneMemory::allocate(shape, 8));
        let mut to = PlaneMemory::lend(&plane, 0..count).unwrap();
        write(&mut to);
        drop(to);
        let rows = PlaneMemory::read(&plane).unwrap();
        let row = |row: &[u8]| row[..row_bytes].to_vec();
        rows.bytes().chunks(rows.stride()).flat_map(row).collect()
    }

    #[test]
    fn rows_are_copied_and_widened_whatever_the_strides() {
        let from = rows(3, &[1, 2, 3, 4, 5, 6], 5);
        let copied = written(3, 2, |to| each_row(&from, to, |from, to| to.copy_from_slice(from)));
        assert_eq!(copied, [1, 2, 3, 4, 5, 6]);
        let wide = written(6, 2, |to| each_row(&from, to, widen));
        assert_eq!(wide, [0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6]);
    }

    #[test]
    fn luma_and_chroma_become_pixels() {
        let (luma, chroma) =
            (rows(2, &[1, 2, 3, 4], 16), rows(4, &[5, 6, 7, 8, 9, 10, 11, 12], 64));
        let pixels = written(8, 2, |to| pack(&luma, &chroma, to, |y, [cb, cr]| [255, y, cb, cr]));
        assert_eq!(pixels, [255, 1, 5, 6, 255, 2, 7, 8, 255, 3, 9, 10, 255, 4, 11, 12]);
    }
}
