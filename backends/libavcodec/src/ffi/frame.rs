use super::{AvError, av, out_of_memory};
use std::ffi::{c_int, c_void};
use std::ptr::NonNull;
use vtremote_backend::Rows;

/// How samples stand in a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    Nv12,
    P010,
    P210,
    Yuv420p,
    Yuv420p10,
    Yuv422p10,
    Yuv444p,
    Gbrp,
}

impl Layout {
    pub(super) fn av(self) -> av::AVPixelFormat {
        // The names without endianness are macros, which are not in the bindings; samples of the
        // wire are little-endian, and so is every machine that this runs on.
        match self {
            Layout::Nv12 => av::AVPixelFormat::NV12,
            Layout::P010 => av::AVPixelFormat::P010LE,
            Layout::P210 => av::AVPixelFormat::P210LE,
            Layout::Yuv420p => av::AVPixelFormat::YUV420P,
            Layout::Yuv420p10 => av::AVPixelFormat::YUV420P10LE,
            Layout::Yuv422p10 => av::AVPixelFormat::YUV422P10LE,
            Layout::Yuv444p => av::AVPixelFormat::YUV444P,
            Layout::Gbrp => av::AVPixelFormat::GBRP,
        }
    }
}

/// A frame for the encoder, whose planes are memory of ours.
pub(crate) struct Frame(NonNull<av::AVFrame>);

// SAFETY: a frame is reached through one owner at a time, and its buffers are `Rows`, which are
// Send.
unsafe impl Send for Frame {}

impl Frame {
    /// A frame without planes, `pts` in the encoder's timebase.
    pub(crate) fn new(
        layout: Layout,
        (width, height): (c_int, c_int),
        pts: i64,
        keyframe: bool,
    ) -> Result<Self, AvError> {
        // SAFETY: no preconditions; null is checked.
        let mut frame = NonNull::new(unsafe { av::av_frame_alloc() }).ok_or_else(out_of_memory)?;
        // SAFETY: the frame was just made and nobody else has it.
        let inner = unsafe { frame.as_mut() };
        inner.format = layout.av().0;
        inner.width = width;
        inner.height = height;
        inner.pts = pts;
        if keyframe {
            inner.pict_type = av::AVPictureType::I;
        }
        Ok(Frame(frame))
    }

    /// Makes `rows` the frame's plane `index`. They are lent until libavcodec has dropped its last
    /// reference to this plane, which may be long after this frame is gone.
    pub(crate) fn lend(&mut self, index: usize, rows: Rows) -> Result<(), AvError> {
        // SAFETY: the frame is valid and ours alone.
        let frame = unsafe { self.0.as_mut() };
        let (first, len) = (rows.bytes().as_ptr().cast_mut(), rows.bytes().len());
        let stride = c_int::try_from(rows.stride()).map_err(|_| out_of_memory())?;
        let owner = Box::into_raw(Box::new(rows)).cast::<c_void>();
        // SAFETY: the bytes are valid for reading for as long as the rows are lent, which ends in
        // `give_back`; encoders read their input only, and READONLY makes libavcodec copy before it
        // would write.
        let buffer = unsafe {
            av::av_buffer_create(first, len, Some(give_back), owner, av::AV_BUFFER_FLAG_READONLY)
        };
        if buffer.is_null() {
            // SAFETY: libavutil has not taken the owner over; it is the box from above.
            drop(unsafe { Box::from_raw(owner.cast::<Rows>()) });
            return Err(out_of_memory());
        }
        // SAFETY: the plane's former buffer, null or from here, is the frame's own reference.
        unsafe { av::av_buffer_unref(&mut frame.buf[index]) };
        frame.buf[index] = buffer;
        frame.data[index] = first;
        frame.linesize[index] = stride;
        Ok(())
    }

    pub(super) fn as_ptr(&self) -> *const av::AVFrame {
        self.0.as_ptr()
    }
}

impl Drop for Frame {
    fn drop(&mut self) {
        let mut frame = self.0.as_ptr();
        // SAFETY: the frame is ours and freed once.
        unsafe { av::av_frame_free(&mut frame) };
    }
}

unsafe extern "C" fn give_back(owner: *mut c_void, _data: *mut u8) {
    // SAFETY: `owner` is the box that `lend` gave to this buffer, whose last reference is gone.
    drop(unsafe { Box::from_raw(owner.cast::<Rows>()) });
}
