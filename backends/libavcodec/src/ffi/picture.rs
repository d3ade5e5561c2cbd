use super::decoder::NO_TIME;
use super::{av, hdr};
use std::ffi::{CStr, c_int};
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::slice;
use vtremote_backend::{Color, Fields, PixelFormat, Ratio, SideData};

/// A picture in a decoder's memory.
pub(crate) struct DecodedPicture<'a> {
    frame: NonNull<av::AVFrame>,
    decoder: PhantomData<&'a ()>,
}

/// The samples of a picture, and what of the wire's formats has them all. Those of ten bits are the
/// low ones of little-endian 16-bit words.
pub(crate) struct Planes<'a> {
    pub(crate) format: PixelFormat,
    /// They have eight bits each, and those of the format have ten: v becomes 256·v in its 16.
    pub(crate) widens: bool,
    /// Of RGB green.
    pub(crate) luma: Plane<'a>,
    /// Cb and Cr, or blue and red; `None`: there is no colour.
    pub(crate) chroma: Option<[Plane<'a>; 2]>,
}

/// Rows with what is between them; the last may lack it.
#[derive(Clone, Copy)]
pub(crate) struct Plane<'a> {
    pub(crate) bytes: &'a [u8],
    /// Bytes from one row to the next.
    pub(crate) stride: usize,
}

impl<'a> DecodedPicture<'a> {
    /// # Safety
    /// The frame is one that a decoder gave, and nobody touches it for as long as this lives.
    pub(super) unsafe fn of(frame: NonNull<av::AVFrame>) -> Self {
        DecodedPicture { frame, decoder: PhantomData }
    }

    fn frame(&self) -> &av::AVFrame {
        // SAFETY: it is valid for as long as this lives.
        unsafe { self.frame.as_ref() }
    }

    /// In pixels, after cropping.
    pub(crate) fn size(&self) -> (u32, u32) {
        let side = |pixels: c_int| u32::try_from(pixels).unwrap_or(0);
        (side(self.frame().width), side(self.frame().height))
    }

    /// The samples, or the name of their layout if none of the wire's formats has all of it.
    pub(crate) fn planes(&self) -> Result<Planes<'_>, String> {
        let layout = av::AVPixelFormat(self.frame().format);
        let (format, colour) = match layout {
            av::AVPixelFormat::YUV420P | av::AVPixelFormat::YUVJ420P => (PixelFormat::Nv12, true),
            av::AVPixelFormat::GRAY8 => (PixelFormat::Nv12, false),
            av::AVPixelFormat::YUV420P10LE => (PixelFormat::P010, true),
            av::AVPixelFormat::GRAY10LE => (PixelFormat::P010, false),
            av::AVPixelFormat::YUV422P10LE
            | av::AVPixelFormat::YUV422P
            | av::AVPixelFormat::YUVJ422P => (PixelFormat::P210, true),
            av::AVPixelFormat::YUV444P | av::AVPixelFormat::YUVJ444P => (PixelFormat::Ayuv, true),
            av::AVPixelFormat::GBRP => (PixelFormat::Bgra, true),
            _ => return Err(name(layout)),
        };
        let widens = matches!(layout, av::AVPixelFormat::YUV422P | av::AVPixelFormat::YUVJ422P);
        let (width, height) = self.size();
        let (width, height) = (width as usize, height as usize);
        let (sample, [chroma_width, chroma_height]) = match format {
            PixelFormat::Nv12 => (1, [width.div_ceil(2), height.div_ceil(2)]),
            PixelFormat::P010 => (2, [width.div_ceil(2), height.div_ceil(2)]),
            PixelFormat::P210 => (if widens { 1 } else { 2 }, [width.div_ceil(2), height]),
            PixelFormat::Ayuv | PixelFormat::Bgra => (1, [width, height]),
        };
        let plane = |index, width: usize, height| {
            let plane = self.plane(index, sample * width, height);
            plane.ok_or_else(|| format!("{} without a plane {index}", name(layout)))
        };
        let chroma = |index| plane(index, chroma_width, chroma_height);
        Ok(Planes {
            format,
            widens,
            luma: plane(0, width, height)?,
            chroma: if colour { Some([chroma(1)?, chroma(2)?]) } else { None },
        })
    }

    fn plane(&self, index: usize, row_bytes: usize, rows: usize) -> Option<Plane<'_>> {
        let first = NonNull::new(self.frame().data[index])?;
        let stride = usize::try_from(self.frame().linesize[index]).ok()?;
        let last = rows.checked_sub(1).filter(|_| row_bytes <= stride)?;
        // SAFETY: a frame of this format has a plane of so many rows, whose memory its buffers keep
        // and which libavcodec zeroed when it made it.
        let bytes = unsafe { slice::from_raw_parts(first.as_ptr(), last * stride + row_bytes) };
        Some(Plane { bytes, stride })
    }

    /// What libavcodec makes of the packets' pts and dts; `None` where they had neither.
    pub(crate) fn time(&self) -> Option<i64> {
        let time = self.frame().best_effort_timestamp;
        (time != NO_TIME).then_some(time)
    }

    /// Its packet's.
    pub(crate) fn duration(&self) -> i64 {
        #[cfg(ffmpeg_6_0)]
        return self.frame().duration;
        #[cfg(not(ffmpeg_6_0))]
        self.frame().pkt_duration
    }

    pub(crate) fn sample_aspect_ratio(&self) -> Option<Ratio> {
        let av::AVRational { num, den } = self.frame().sample_aspect_ratio;
        let part = |part: c_int| u32::try_from(part).ok().filter(|part| *part > 0);
        Some(Ratio { num: part(num)?, den: part(den)? })
    }

    pub(crate) fn fields(&self) -> Fields {
        #[cfg(ffmpeg_6_1)]
        let (interlaced, top_first) = {
            let flag = |flag: c_int| self.frame().flags & flag != 0;
            (flag(av::AV_FRAME_FLAG_INTERLACED), flag(av::AV_FRAME_FLAG_TOP_FIELD_FIRST))
        };
        #[cfg(not(ffmpeg_6_1))]
        let (interlaced, top_first) =
            (self.frame().interlaced_frame != 0, self.frame().top_field_first != 0);
        match (interlaced, top_first) {
            (false, _) => Fields::Progressive,
            (true, true) => Fields::TopFirst,
            (true, false) => Fields::BottomFirst,
        }
    }

    pub(crate) fn color(&self) -> Color {
        let frame = self.frame();
        let full_range = match frame.color_range {
            av::AVColorRange::JPEG => Some(true),
            av::AVColorRange::MPEG => Some(false),
            // The layout's name says it too.
            _ => is_full_range(frame.format).then_some(true),
        };
        // 2 is "unspecified", and 0 reserved but for the matrix, where it is RGB.
        let told = |number: u8| Some(number).filter(|number| *number != 2);
        Color {
            full_range,
            matrix: told(frame.colorspace.0 as u8),
            primaries: told(frame.color_primaries.0 as u8).filter(|number| *number != 0),
            transfer: told(frame.color_trc.0 as u8).filter(|number| *number != 0),
            chroma_location: Some(frame.chroma_location.0 as u8).filter(|number| *number != 0),
        }
    }

    /// Captions and the metadata of HDR, in the order in which the stream has them.
    pub(crate) fn side_data(&self) -> Vec<SideData> {
        let frame = self.frame();
        let count = usize::try_from(frame.nb_side_data).unwrap_or(0);
        if count == 0 || frame.side_data.is_null() {
            return Vec::new();
        }
        // SAFETY: the frame has so many records, each valid, with as many bytes as it says.
        let records = unsafe { slice::from_raw_parts(frame.side_data, count) };
        let known = records.iter().filter_map(|record| {
            // SAFETY: as above.
            let record = unsafe { record.as_ref() }?;
            if record.data.is_null() {
                return None;
            }
            // SAFETY: as above.
            let data = unsafe { slice::from_raw_parts(record.data, record.size) };
            let (kind, data) = match record.type_ {
                av::AVFrameSideDataType::A53_CC => (SideData::CAPTIONS, data.to_vec()),
                av::AVFrameSideDataType::MASTERING_DISPLAY_METADATA => {
                    (SideData::MASTERING_DISPLAY, hdr::mastering_display(data)?.to_vec())
                }
                av::AVFrameSideDataType::CONTENT_LIGHT_LEVEL => {
                    (SideData::CONTENT_LIGHT, hdr::content_light(data)?.to_vec())
                }
                _ => return None,
            };
            Some(SideData { kind, data })
        });
        known.collect()
    }
}

/// Whether a layout's name says so.
fn is_full_range(format: c_int) -> bool {
    [av::AVPixelFormat::YUVJ420P.0, av::AVPixelFormat::YUVJ444P.0].contains(&format)
}

fn name(format: av::AVPixelFormat) -> String {
    // SAFETY: any number may be asked for; the answer is static or null.
    let name = unsafe { av::av_get_pix_fmt_name(format) };
    if name.is_null() {
        return format!("pixel format {}", format.0);
    }
    // SAFETY: names are terminated.
    unsafe { CStr::from_ptr(name) }.to_string_lossy().into_owned()
}
