use super::options::Options;
use super::{Frame, again, av, frame, quiet, text};
use std::ffi::{CStr, c_int};
use std::ptr::{self, NonNull};
use std::slice;
use vtremote_bitstream::Codec;

/// What an encoder is opened with.
#[derive(Debug, Clone)]
pub(crate) struct Parameters {
    pub(crate) codec: Codec,
    pub(crate) size: (i32, i32),
    pub(crate) ten_bits: bool,
    /// 4:2:2.
    pub(crate) tall_chroma: bool,
    /// Frames per second, times a thousand.
    pub(crate) frame_rate: c_int,
    /// By FFmpeg's names.
    pub(crate) options: Vec<(&'static str, String)>,
}

impl Parameters {
    /// Of a stream that is not reordered.
    pub(crate) fn without_b_frames(&self) -> Self {
        let mut other = self.clone();
        for (option, value) in &mut other.options {
            if *option == "bf" {
                *value = "0".into();
            }
        }
        other
    }
}

/// libx264 or libx265.
pub(crate) struct Encoder {
    context: NonNull<av::AVCodecContext>,
    packet: NonNull<av::AVPacket>,
}

// SAFETY: a codec context may be used from any thread, by one at a time.
unsafe impl Send for Encoder {}

/// One access unit in Annex B.
pub(crate) struct Packet {
    /// Which frame it is, as that was numbered.
    pub(crate) index: i64,
    pub(crate) keyframe: bool,
    pub(crate) data: Vec<u8>,
}

impl Encoder {
    pub(crate) fn open(parameters: &Parameters) -> Result<Self, String> {
        quiet();
        let name: &CStr = match parameters.codec {
            Codec::H264 => c"libx264",
            Codec::H265 => c"libx265",
        };
        // SAFETY: the name is terminated; the answer is static or null.
        let codec = unsafe { av::avcodec_find_encoder_by_name(name.as_ptr()) };
        if codec.is_null() {
            return Err(format!("there is no {}", name.to_string_lossy()));
        }
        // SAFETY: the description is static; null is checked.
        let context = NonNull::new(unsafe { av::avcodec_alloc_context3(codec) });
        // SAFETY: no preconditions; null is checked.
        let packet = NonNull::new(unsafe { av::av_packet_alloc() });
        let encoder =
            Encoder { context: context.expect("memory"), packet: packet.expect("memory") };
        let mut context = encoder.context;
        // SAFETY: the context was made above and nobody else has it.
        let inner = unsafe { context.as_mut() };
        (inner.width, inner.height) = parameters.size;
        inner.pix_fmt = frame::format(parameters.ten_bits, parameters.tall_chroma);
        inner.time_base = av::AVRational { num: 1000, den: parameters.frame_rate };
        inner.framerate = av::AVRational { num: parameters.frame_rate, den: 1000 };
        let mut options = Options::new(&parameters.options);
        // SAFETY: context and description belong together.
        let code = unsafe { av::avcodec_open2(context.as_ptr(), codec, &mut options.0) };
        if code < 0 { Err(text(code)) } else { Ok(encoder) }
    }

    /// In Annex B.
    pub(crate) fn parameter_sets(&self) -> Vec<u8> {
        // SAFETY: the context is valid, and its extradata is as long as it says.
        unsafe {
            let context = self.context.as_ref();
            let size = usize::try_from(context.extradata_size).unwrap_or(0);
            if size == 0 {
                Vec::new()
            } else {
                slice::from_raw_parts(context.extradata, size).to_vec()
            }
        }
    }

    /// Hands over a frame, or says that no more come; gives what comes out of it.
    pub(crate) fn encode(
        &mut self,
        frame: Option<(Frame, i64, bool)>,
    ) -> Result<Vec<Packet>, String> {
        // SAFETY: the context is open, and the frame is valid or null; libavcodec takes a reference.
        let code = unsafe {
            match frame {
                Some((mut frame, index, keyframe)) => {
                    let inner = frame.0.as_mut();
                    inner.pts = index;
                    inner.pict_type =
                        if keyframe { av::AVPictureType::I } else { av::AVPictureType::NONE };
                    av::avcodec_send_frame(self.context.as_ptr(), inner)
                }
                None => av::avcodec_send_frame(self.context.as_ptr(), ptr::null()),
            }
        };
        if code < 0 && code != av::AVERROR_EOF {
            return Err(text(code));
        }
        let mut packets = Vec::new();
        loop {
            // SAFETY: the context is open; the packet is ours, and what it held is released first.
            let code =
                unsafe { av::avcodec_receive_packet(self.context.as_ptr(), self.packet.as_ptr()) };
            match code {
                0.. => {
                    // SAFETY: the packet was just filled, and has as many bytes as it says.
                    let (packet, data) = unsafe {
                        let packet = self.packet.as_ref();
                        (packet, slice::from_raw_parts(packet.data, packet.size as usize))
                    };
                    packets.push(Packet {
                        index: packet.pts,
                        keyframe: packet.flags & av::AV_PKT_FLAG_KEY != 0,
                        data: data.to_vec(),
                    });
                }
                _ if again(code) || code == av::AVERROR_EOF => return Ok(packets),
                _ => return Err(text(code)),
            }
        }
    }
}

impl Drop for Encoder {
    fn drop(&mut self) {
        let (mut context, mut packet) = (self.context.as_ptr(), self.packet.as_ptr());
        // SAFETY: both are ours and freed once.
        unsafe {
            av::avcodec_free_context(&mut context);
            av::av_packet_free(&mut packet);
        }
    }
}
