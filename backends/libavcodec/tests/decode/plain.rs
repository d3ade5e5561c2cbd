//! Encoding and decoding by the shortest way through libavcodec, to compare with.

use ffmpeg_sys_the_third as av;
use std::ffi::{CStr, CString};
use std::ptr;
use std::slice;
use vtremote_backend::{Codec, CodedPacket, PixelFormat};

/// What is to be encoded, and how.
pub(crate) struct Source<'a> {
    pub(crate) encoder: &'a str,
    pub(crate) layout: &'a str,
    pub(crate) size: (i32, i32),
    pub(crate) frames: i64,
    /// By FFmpeg's names.
    pub(crate) options: &'a [(&'a str, &'a str)],
    /// Of fields, where there are some.
    pub(crate) top_first: bool,
    /// A/53 captions of a frame.
    pub(crate) captions: fn(i64) -> Option<Vec<u8>>,
}

impl Default for Source<'_> {
    fn default() -> Self {
        Source {
            encoder: "libx264",
            layout: "yuv420p",
            size: (64, 48),
            frames: 12,
            options: &[],
            top_first: false,
            captions: |_| None,
        }
    }
}

/// A coded stream.
#[derive(Clone)]
pub(crate) struct Stream {
    pub(crate) codec: Codec,
    /// Annex B; empty without a global header.
    pub(crate) extradata: Vec<u8>,
    pub(crate) packets: Vec<CodedPacket>,
}

/// A decoded picture as it goes over the wire, without padding.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) pts: Option<i64>,
    pub(crate) duration: i64,
    pub(crate) size: (u32, u32),
    pub(crate) format: PixelFormat,
    pub(crate) planes: Vec<Vec<u8>>,
}

impl std::fmt::Debug for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sum = |sum: u32, byte: &u8| sum.wrapping_mul(31).wrapping_add(u32::from(*byte));
        let planes: Vec<u32> = self.planes.iter().map(|plane| plane.iter().fold(0, sum)).collect();
        let Shown { pts, duration, size, format, .. } = self;
        write!(f, "{pts:?}+{duration} {size:?} {format:?} {planes:x?}")
    }
}

fn pixel_format(name: &str) -> av::AVPixelFormat {
    let name = CString::new(name).unwrap();
    // SAFETY: the name is terminated.
    unsafe { av::av_get_pix_fmt(name.as_ptr()) }
}

/// Encodes a picture that moves; frames are two ticks apart and have durations of 2 and 3.
pub(crate) fn encode(source: &Source<'_>) -> Stream {
    let name = CString::new(source.encoder).unwrap();
    let mut packets = Vec::new();
    // SAFETY: libavcodec's functions on what they have made; every pointer is checked or fresh.
    unsafe {
        av::av_log_set_level(av::AV_LOG_QUIET);
        let encoder = av::avcodec_find_encoder_by_name(name.as_ptr());
        assert!(!encoder.is_null(), "{} is needed for these tests", source.encoder);
        let mut context = av::avcodec_alloc_context3(encoder);
        (*context).pix_fmt = pixel_format(source.layout);
        ((*context).width, (*context).height) = source.size;
        (*context).time_base = av::AVRational { num: 1, den: 60 };
        let mut options = ptr::null_mut();
        let fixed = [("preset", "ultrafast"), ("threads", "1"), ("x265-params", "log-level=error")];
        for (key, value) in fixed.iter().chain(source.options) {
            let (key, value) = (CString::new(*key).unwrap(), CString::new(*value).unwrap());
            av::av_dict_set(&mut options, key.as_ptr(), value.as_ptr(), 0);
        }
        assert_eq!(av::avcodec_open2(context, encoder, &mut options), 0, "{}", source.encoder);
        av::av_dict_free(&mut options);
        let extradata = match (*context).extradata_size {
            0 => Vec::new(),
            size => slice::from_raw_parts((*context).extradata, size as usize).to_vec(),
        };
        let (mut frame, mut packet) = (av::av_frame_alloc(), av::av_packet_alloc());
        for at in (0..source.frames).map(Some).chain([None]) {
            if let Some(at) = at {
                av::av_frame_unref(frame);
                (*frame).format = (*context).pix_fmt.0;
                ((*frame).width, (*frame).height) = source.size;
                assert_eq!(av::av_frame_get_buffer(frame, 0), 0);
                (*frame).pts = 2 * at;
                if source.top_first {
                    #[cfg(ffmpeg_6_1)]
                    ((*frame).flags |= av::AV_FRAME_FLAG_TOP_FIELD_FIRST);
                    #[cfg(not(ffmpeg_6_1))]
                    ((*frame).top_field_first = 1);
                }
                paint(frame, source.layout, at as usize);
                if let Some(captions) = (source.captions)(at) {
                    let kind = av::AVFrameSideDataType::A53_CC;
                    let record = av::av_frame_new_side_data(frame, kind, captions.len());
                    ptr::copy_nonoverlapping(captions.as_ptr(), (*record).data, captions.len());
                }
                assert_eq!(av::avcodec_send_frame(context, frame), 0);
            } else {
                assert_eq!(av::avcodec_send_frame(context, ptr::null()), 0);
            }
            while av::avcodec_receive_packet(context, packet) == 0 {
                let data = slice::from_raw_parts((*packet).data, (*packet).size as usize).to_vec();
                packets.push(CodedPacket {
                    pts: Some((*packet).pts),
                    dts: Some((*packet).dts),
                    duration: 2 + (*packet).pts / 2 % 2,
                    keyframe: (*packet).flags & av::AV_PKT_FLAG_KEY != 0,
                    data,
                    side_data: Vec::new(),
                });
                av::av_packet_unref(packet);
            }
        }
        av::av_frame_free(&mut frame);
        av::av_packet_free(&mut packet);
        av::avcodec_free_context(&mut context);
        let codec = if source.encoder == "libx264" { Codec::H264 } else { Codec::H265 };
        Stream { codec, extradata, packets }
    }
}

/// # Safety
/// The frame has planes of this layout.
unsafe fn paint(frame: *mut av::AVFrame, layout: &str, t: usize) {
    let deep = layout.contains("10") || layout.contains("12");
    // SAFETY: rows and strides are the frame's own.
    unsafe {
        let frame = &mut *frame;
        for plane in 0..3 {
            if frame.data[plane].is_null() {
                continue;
            }
            let half = |side: i32, halved| if plane > 0 && halved { (side + 1) / 2 } else { side };
            let width = half(frame.width, !layout.contains("444")) as usize;
            let height = half(frame.height, layout.contains("420")) as usize;
            for y in 0..height {
                let row = frame.data[plane].add(y * frame.linesize[plane] as usize);
                for x in 0..width {
                    let level = 40 + (3 * x + 5 * y + 7 * t + 50 * plane + x * y / 8) % 180;
                    match deep {
                        true => {
                            row.cast::<u16>().add(x).write_unaligned((4 * level + t % 4) as u16)
                        }
                        false => row.add(x).write(level as u8),
                    }
                }
            }
        }
    }
}

/// Decodes with nothing set but the extradata.
pub(crate) fn decode(stream: &Stream) -> Vec<Shown> {
    let name = if stream.codec == Codec::H264 { c"h264" } else { c"hevc" };
    let mut shown = Vec::new();
    // SAFETY: as in `encode`.
    unsafe {
        av::av_log_set_level(av::AV_LOG_QUIET);
        let decoder = av::avcodec_find_decoder_by_name(name.as_ptr());
        let mut context = av::avcodec_alloc_context3(decoder);
        if !stream.extradata.is_empty() {
            let size = stream.extradata.len();
            (*context).extradata = av::av_mallocz(size + 64).cast();
            (*context).extradata_size = size as i32;
            ptr::copy_nonoverlapping(stream.extradata.as_ptr(), (*context).extradata, size);
        }
        (*context).pkt_timebase = av::AVRational { num: 1, den: 60 };
        assert_eq!(av::avcodec_open2(context, decoder, ptr::null_mut()), 0);
        let (mut frame, mut packet) = (av::av_frame_alloc(), av::av_packet_alloc());
        for coded in stream.packets.iter().map(Some).chain([None]) {
            if let Some(coded) = coded {
                assert_eq!(av::av_new_packet(packet, coded.data.len() as i32), 0);
                let data = coded.data.as_ptr();
                ptr::copy_nonoverlapping(data, (*packet).data, coded.data.len());
                (*packet).pts = coded.pts.unwrap_or(i64::MIN);
                (*packet).dts = coded.dts.unwrap_or(i64::MIN);
                (*packet).duration = coded.duration;
                // What is wrong with it does not matter here: what comes out does.
                av::avcodec_send_packet(context, packet);
                av::av_packet_unref(packet);
            } else {
                av::avcodec_send_packet(context, ptr::null());
            }
            loop {
                match av::avcodec_receive_frame(context, frame) {
                    0 => shown.push(copy(&*frame)),
                    code if code == av::AVERROR_INVALIDDATA => {}
                    _ => break,
                }
            }
        }
        av::av_frame_free(&mut frame);
        av::av_packet_free(&mut packet);
        av::avcodec_free_context(&mut context);
    }
    shown
}

/// Sample by sample.
fn copy(frame: &av::AVFrame) -> Shown {
    // SAFETY: the name is static.
    let layout =
        unsafe { CStr::from_ptr(av::av_get_pix_fmt_name(av::AVPixelFormat(frame.format))) };
    let (deep, colour) = match layout.to_str().unwrap() {
        "yuv420p" | "yuvj420p" => (false, true),
        "yuv420p10le" => (true, true),
        "gray" => (false, false),
        "gray10le" => (true, false),
        other => panic!("{other}"),
    };
    let push = |out: &mut Vec<u8>, plane: usize, x: usize, y: usize| {
        let value = if plane > 0 && !colour {
            if deep { 512 } else { 128 }
        } else {
            // SAFETY: the sample is within the plane.
            unsafe {
                let row = frame.data[plane].add(y * frame.linesize[plane] as usize);
                match deep {
                    true => row.cast::<u16>().add(x).read_unaligned(),
                    false => u16::from(*row.add(x)),
                }
            }
        };
        match deep {
            true => out.extend((value << 6).to_le_bytes()),
            false => out.push(value as u8),
        }
    };
    let (width, height) = (frame.width as usize, frame.height as usize);
    let mut planes = vec![Vec::new(), Vec::new()];
    for y in 0..height {
        (0..width).for_each(|x| push(&mut planes[0], 0, x, y));
    }
    for y in 0..height.div_ceil(2) {
        for x in 0..width.div_ceil(2) {
            push(&mut planes[1], 1, x, y);
            push(&mut planes[1], 2, x, y);
        }
    }
    #[cfg(ffmpeg_6_0)]
    let duration = frame.duration;
    #[cfg(not(ffmpeg_6_0))]
    let duration = frame.pkt_duration;
    Shown {
        pts: Some(frame.best_effort_timestamp).filter(|time| *time != i64::MIN),
        duration,
        size: (frame.width as u32, frame.height as u32),
        format: if deep { PixelFormat::P010 } else { PixelFormat::Nv12 },
        planes,
    }
}
