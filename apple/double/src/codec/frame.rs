use super::av;
use std::ffi::c_int;
use std::ptr::NonNull;
use std::slice;

/// A picture in planes of Y, Cb and Cr, or of green, blue and red: of bytes, or of ten bits in 16-bit words.
pub(crate) struct Frame(pub(super) NonNull<av::AVFrame>);

// SAFETY: it is the owner of its reference.
unsafe impl Send for Frame {}

/// The planar format of so many bits; 4:2:2 is of ten.
pub(super) fn format(ten_bits: bool, tall_chroma: bool) -> av::AVPixelFormat {
    match (ten_bits, tall_chroma) {
        (false, false) => av::AVPixelFormat::YUV420P,
        (false, true) => av::AVPixelFormat::YUV422P,
        (true, false) => av::AVPixelFormat::YUV420P10LE,
        (true, true) => av::AVPixelFormat::YUV422P10LE,
    }
}

impl Frame {
    /// With memory for its planes.
    pub(crate) fn new(width: usize, height: usize, ten_bits: bool, tall_chroma: bool) -> Self {
        // SAFETY: no preconditions; null is checked.
        let frame = NonNull::new(unsafe { av::av_frame_alloc() }).expect("a frame");
        let mut this = Frame(frame);
        // SAFETY: the frame was just made.
        let inner = unsafe { this.0.as_mut() };
        inner.format = format(ten_bits, tall_chroma).0;
        inner.width = width as c_int;
        inner.height = height as c_int;
        // SAFETY: size and format are set; 0 lets it choose the alignment.
        let code = unsafe { av::av_frame_get_buffer(this.0.as_ptr(), 0) };
        assert!(code >= 0, "av_frame_get_buffer: {}", super::text(code));
        this
    }

    fn inner(&self) -> &av::AVFrame {
        // SAFETY: it is valid for as long as this lives.
        unsafe { self.0.as_ref() }
    }

    pub(crate) fn size(&self) -> (usize, usize) {
        (self.inner().width as usize, self.inner().height as usize)
    }

    /// Whether it is one that the double knows, and if so of ten bits, and how many pixels share a sample of
    /// chroma, across and down. Grey is 4:2:0 without chroma.
    pub(crate) fn kind(&self) -> Option<(bool, (usize, usize))> {
        match av::AVPixelFormat(self.inner().format) {
            av::AVPixelFormat::YUV420P | av::AVPixelFormat::YUVJ420P | av::AVPixelFormat::GRAY8 => {
                Some((false, (2, 2)))
            }
            av::AVPixelFormat::YUV420P10LE | av::AVPixelFormat::GRAY10LE => Some((true, (2, 2))),
            av::AVPixelFormat::YUV422P | av::AVPixelFormat::YUVJ422P => Some((false, (2, 1))),
            av::AVPixelFormat::YUV422P10LE => Some((true, (2, 1))),
            av::AVPixelFormat::YUV444P | av::AVPixelFormat::YUVJ444P | av::AVPixelFormat::GBRP => {
                Some((false, (1, 1)))
            }
            av::AVPixelFormat::YUV444P10LE | av::AVPixelFormat::GBRP10LE => Some((true, (1, 1))),
            _ => None,
        }
    }

    /// A row of a plane, of bytes; None if it has no such plane.
    pub(crate) fn row(&self, plane: usize, row: usize) -> Option<&[u8]> {
        let first = NonNull::new(self.inner().data[plane])?;
        let stride = self.inner().linesize[plane] as usize;
        let length = self.row_bytes(plane);
        // SAFETY: a frame of this size and format has such a row.
        Some(unsafe { slice::from_raw_parts(first.as_ptr().add(row * stride), length) })
    }

    /// The same, to write to.
    pub(crate) fn row_mut(&mut self, plane: usize, row: usize) -> &mut [u8] {
        let stride = self.inner().linesize[plane] as usize;
        let length = self.row_bytes(plane);
        let first = self.inner().data[plane];
        // SAFETY: the frame was made here, with such a row.
        unsafe { slice::from_raw_parts_mut(first.add(row * stride), length) }
    }

    fn row_bytes(&self, plane: usize) -> usize {
        let ten_bits = self.kind().is_some_and(|(ten_bits, _)| ten_bits);
        let samples = if plane == 0 { self.size().0 } else { self.chroma_size().0 };
        samples * if ten_bits { 2 } else { 1 }
    }

    /// Samples in a row of a chroma plane, and its rows.
    pub(crate) fn chroma_size(&self) -> (usize, usize) {
        let (width, height) = self.size();
        let (_, (across, down)) = self.kind().unwrap_or((false, (2, 2)));
        (width.div_ceil(across), height.div_ceil(down))
    }

    /// Rows of a chroma plane.
    pub(crate) fn chroma_rows(&self) -> usize {
        self.chroma_size().1
    }

    pub(crate) fn index(&self) -> i64 {
        self.inner().pts
    }

    pub(crate) fn is_full_range(&self) -> bool {
        self.inner().color_range == av::AVColorRange::JPEG
    }
}

impl Drop for Frame {
    fn drop(&mut self) {
        let mut frame = self.0.as_ptr();
        // SAFETY: the frame is ours and freed once.
        unsafe { av::av_frame_free(&mut frame) };
    }
}
