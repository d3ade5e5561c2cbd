use super::options::Options;
use super::{Frame, again, av, quiet, text};
use std::ffi::{CStr, c_int};
use std::ptr::{self, NonNull};
use vtremote_bitstream::Codec;

/// FFmpeg's own decoder.
pub(crate) struct Decoder {
    context: NonNull<av::AVCodecContext>,
    packet: NonNull<av::AVPacket>,
}

// SAFETY: a codec context may be used from any thread, by one at a time.
unsafe impl Send for Decoder {}

/// What a packet brought.
#[derive(Default)]
pub(crate) struct Decoded {
    /// In presentation order, each with the index of its packet.
    pub(crate) frames: Vec<Frame>,
    /// It could not be decoded, or not well.
    pub(crate) corrupt: bool,
}

const PADDING: usize = av::AV_INPUT_BUFFER_PADDING_SIZE as usize;

impl Decoder {
    /// The parameter sets in Annex B.
    pub(crate) fn open(codec: Codec, parameter_sets: &[u8]) -> Result<Self, String> {
        quiet();
        let name: &CStr = match codec {
            Codec::H264 => c"h264",
            Codec::H265 => c"hevc",
        };
        // SAFETY: the name is terminated; the answer is static or null.
        let description = unsafe { av::avcodec_find_decoder_by_name(name.as_ptr()) };
        if description.is_null() {
            return Err(format!("there is no {}", name.to_string_lossy()));
        }
        // SAFETY: the description is static; null is checked.
        let context = NonNull::new(unsafe { av::avcodec_alloc_context3(description) });
        // SAFETY: no preconditions; null is checked.
        let packet = NonNull::new(unsafe { av::av_packet_alloc() });
        let decoder =
            Decoder { context: context.expect("memory"), packet: packet.expect("memory") };
        let mut context = decoder.context;
        // SAFETY: the context was made above; its extradata has the padding that is needed and is the
        // context's from here on.
        unsafe {
            let inner = context.as_mut();
            let size = parameter_sets.len();
            let extradata = av::av_mallocz(size + PADDING).cast::<u8>();
            assert!(!extradata.is_null(), "memory");
            ptr::copy_nonoverlapping(parameter_sets.as_ptr(), extradata, size);
            (inner.extradata, inner.extradata_size) = (extradata, size as c_int);
        }
        // One thread, so that what a packet does wrong is told with it.
        let mut options = Options::new(&[
            ("threads", "1".into()),
            // As many pictures held back as the stream may need.
            ("strict", "strict".into()),
        ]);
        // SAFETY: context and description belong together.
        let code = unsafe { av::avcodec_open2(context.as_ptr(), description, &mut options.0) };
        if code < 0 { Err(text(code)) } else { Ok(decoder) }
    }

    /// Hands over an access unit in Annex B, or says that no more come; gives what comes out of it.
    pub(crate) fn decode(&mut self, packet: Option<(&[u8], i64)>) -> Decoded {
        let mut decoded = Decoded::default();
        let code = match packet {
            // SAFETY: the packet is ours and blank; what is made has the padding that is needed, and
            // libavcodec takes a reference of its own.
            Some((data, index)) => unsafe {
                let size = data.len() as c_int;
                assert!(av::av_new_packet(self.packet.as_ptr(), size) >= 0, "memory");
                let inner = self.packet.as_mut();
                ptr::copy_nonoverlapping(data.as_ptr(), inner.data, data.len());
                inner.pts = index;
                let code = av::avcodec_send_packet(self.context.as_ptr(), self.packet.as_ptr());
                av::av_packet_unref(self.packet.as_ptr());
                code
            },
            // SAFETY: the context is open, and null is the end.
            None => unsafe { av::avcodec_send_packet(self.context.as_ptr(), ptr::null()) },
        };
        decoded.corrupt = code < 0;
        loop {
            // SAFETY: no preconditions; null is checked.
            let frame = Frame(NonNull::new(unsafe { av::av_frame_alloc() }).expect("memory"));
            // SAFETY: the context is open, and the frame is blank.
            let code =
                unsafe { av::avcodec_receive_frame(self.context.as_ptr(), frame.0.as_ptr()) };
            match code {
                0.. => decoded.frames.push(frame),
                _ if again(code) || code == av::AVERROR_EOF => return decoded,
                _ => decoded.corrupt = true,
            }
        }
    }

    /// After the end: the parameter sets are kept, the pictures are not, and packets are taken again.
    pub(crate) fn restart(&mut self) {
        // SAFETY: the context is open.
        unsafe { av::avcodec_flush_buffers(self.context.as_ptr()) };
    }
}

impl Drop for Decoder {
    fn drop(&mut self) {
        let (mut context, mut packet) = (self.context.as_ptr(), self.packet.as_ptr());
        // SAFETY: both are ours and freed once.
        unsafe {
            av::avcodec_free_context(&mut context);
            av::av_packet_free(&mut packet);
        }
    }
}
