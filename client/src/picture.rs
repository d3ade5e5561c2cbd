use std::sync::Arc;

use vtremote_planes::vtz;
use vtremote_planes::{Layout, Source};
use vtremote_proto::{PixelFormat, Rational};

/// The layouts that a caller's pictures may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputFormat {
    /// One of the wire's own, sent from where it lies.
    Wire(PixelFormat),
    /// Planar 4:2:0 of 8 bits: sent as NV12, its chroma interleaved on the way.
    Yuv420p,
    /// Planar 4:2:0 of 10 bits in the low bits of 16, little-endian: sent as P010.
    Yuv420p10,
}

impl InputFormat {
    /// The format on the wire.
    pub fn wire(self) -> PixelFormat {
        match self {
            Self::Wire(format) => format,
            Self::Yuv420p => PixelFormat::Nv12,
            Self::Yuv420p10 => PixelFormat::P010,
        }
    }

    /// How many planes the caller's picture has.
    pub fn planes(self) -> usize {
        match self {
            Self::Wire(format) => format.planes().into(),
            Self::Yuv420p | Self::Yuv420p10 => 3,
        }
    }

    /// Bytes of a row without padding, and rows, of one of the caller's planes; (0, 0) where there is
    /// none.
    pub fn plane_layout(self, width: u32, height: u32, plane: usize) -> (usize, usize) {
        let sample = match self {
            Self::Wire(format) => {
                return u8::try_from(plane)
                    .map_or((0, 0), |plane| format.plane_layout(width, height, plane));
            }
            Self::Yuv420p => 1,
            Self::Yuv420p10 => 2,
        };
        match plane {
            0 => ((width as usize).saturating_mul(sample), height as usize),
            1 | 2 => {
                let row = (width.div_ceil(2) as usize).saturating_mul(sample);
                (row, height.div_ceil(2) as usize)
            }
            _ => (0, 0),
        }
    }

    /// The source of a plane on the wire, made of the caller's planes: `planes(n)` is the memory of
    /// the nth and its stride in bytes.
    pub fn source<'a>(self, plane: u8, planes: impl Fn(usize) -> (&'a [u8], usize)) -> Source<'a> {
        let (data, stride) = planes(usize::from(plane.min(1)));
        match (self, plane) {
            (Self::Wire(_), _) | (Self::Yuv420p, 0) => Source::Rows { data, stride },
            (Self::Yuv420p10, 0) => Source::Luma10 { data, stride },
            (Self::Yuv420p, _) => {
                let (v, v_stride) = planes(2);
                Source::Planar8 { u: data, u_stride: stride, v, v_stride }
            }
            (Self::Yuv420p10, _) => {
                let (v, v_stride) = planes(2);
                Source::Planar10 { u: data, u_stride: stride, v, v_stride }
            }
        }
    }
}

/// What is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Video {
    /// Pixels per row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// How the caller's pictures lie in memory.
    pub format: InputFormat,
    /// The unit of pts and duration, in seconds.
    pub time_base: Rational,
    /// Frames per second; 0/0 or 0/1: unknown.
    pub frame_rate: Rational,
}

impl Video {
    /// The wire's planes in their order.
    pub fn layouts(&self) -> impl Iterator<Item = Layout> {
        let Self { width, height, format, .. } = *self;
        (0..format.wire().planes()).map(move |plane| {
            let (row_bytes, rows) = format.wire().plane_layout(width, height, plane);
            Layout { row_bytes, rows }
        })
    }

    /// Bytes of a picture on the wire before compression.
    pub fn raw_len(&self) -> u64 {
        self.layouts().map(|plane| (plane.row_bytes as u64).saturating_mul(plane.rows as u64)).sum()
    }
}

/// What vtz is to know of pictures on the wire.
pub(crate) fn vtz_geometry(format: PixelFormat, width: u32, height: u32) -> vtz::Geometry {
    let format = match format {
        PixelFormat::Nv12 => vtz::Format::Nv12,
        PixelFormat::P010 => vtz::Format::P010,
        PixelFormat::P210 => vtz::Format::P210,
        PixelFormat::Bgra => vtz::Format::Bgra,
        PixelFormat::Ayuv => vtz::Format::Ayuv,
    };
    vtz::Geometry { format, width: width as usize, height: height as usize }
}

/// A picture that the caller lends. Dropping it releases it, on whichever thread that happens.
pub trait FrameSource: Send + Sync {
    /// Where the rows of one plane of the wire's format come from. The same at every call.
    fn plane(&self, index: u8) -> Source<'_>;
}

/// One frame to encode.
#[derive(Clone)]
pub struct Frame {
    /// In units of the time base; unique in the session.
    pub pts: i64,
    /// In units of the time base; 0 unknown.
    pub duration: i64,
    /// Make it a keyframe.
    pub keyframe: bool,
    /// FFmpeg's AVFrameSideDataType numbers and what they have; dropped where the server takes none.
    pub side_data: Vec<(u32, Vec<u8>)>,
    /// The picture. It is dropped when the frame's packet has been handed over, or at close.
    pub source: Arc<dyn FrameSource>,
}

/// A picture in memory of its own.
#[derive(Clone, Debug)]
pub struct OwnedPicture {
    format: InputFormat,
    planes: Vec<(Vec<u8>, usize)>,
}

impl OwnedPicture {
    /// Of planes in the order of `format`, each with its stride in bytes. None if their number is not
    /// the format's.
    pub fn new(format: InputFormat, planes: Vec<(Vec<u8>, usize)>) -> Option<Self> {
        (planes.len() == format.planes()).then_some(Self { format, planes })
    }
}

impl FrameSource for OwnedPicture {
    fn plane(&self, index: u8) -> Source<'_> {
        self.format.source(index, |plane| {
            self.planes.get(plane).map_or((&[][..], 0), |(data, stride)| (data, *stride))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn video(format: InputFormat) -> Video {
        let unit = Rational { num: 1, den: 1 };
        Video { width: 5, height: 3, format, time_base: unit, frame_rate: unit }
    }

    #[test]
    fn an_odd_size_keeps_its_last_chroma_sample() {
        assert_eq!(InputFormat::Yuv420p.plane_layout(5, 3, 2), (3, 2));
        assert_eq!(InputFormat::Yuv420p10.plane_layout(5, 3, 1), (6, 2));
        assert_eq!(video(InputFormat::Yuv420p).raw_len(), 5 * 3 + 6 * 2);
        assert_eq!(video(InputFormat::Yuv420p10).raw_len(), 2 * (5 * 3 + 6 * 2));
    }

    #[test]
    fn every_format_gives_sources_that_fit_its_planes_on_the_wire() {
        let wire = PixelFormat::ALL.map(InputFormat::Wire);
        for format in wire.into_iter().chain([InputFormat::Yuv420p, InputFormat::Yuv420p10]) {
            let planes = (0..format.planes()).map(|plane| {
                let (row, rows) = format.plane_layout(5, 3, plane);
                (vec![0; row * rows], row)
            });
            let picture = OwnedPicture::new(format, planes.collect()).unwrap();
            for (index, layout) in video(format).layouts().enumerate() {
                assert_eq!(picture.plane(index as u8).check(layout), Ok(()), "{format:?} {index}");
            }
            assert_eq!(format.plane_layout(5, 3, format.planes()), (0, 0));
        }
        assert!(OwnedPicture::new(InputFormat::Yuv420p, Vec::new()).is_none());
    }
}
