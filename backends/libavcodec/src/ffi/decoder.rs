use super::log::{self, Collector, Lines};
use super::options::Options;
use super::picture::DecodedPicture;
use super::{AvError, again, av, codecs, out_of_memory};
use std::ffi::c_int;
use std::ptr::{self, NonNull};
use vtremote_backend::{Codec, CodedPacket};

/// What a decoder is opened with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DecoderParameters {
    pub(crate) codec: Codec,
    /// What the container says, in pixels. H.264 pictures are cut to it where they have no cropping
    /// of their own and it is less than a macroblock smaller (1080 of 1088 rows).
    pub(crate) size: (c_int, c_int),
    /// Parameter sets in Annex B; may be empty.
    pub(crate) extradata: Vec<u8>,
    /// Everything else, by FFmpeg's names.
    pub(crate) options: Vec<(&'static str, String)>,
}

/// An open decoder.
pub(crate) struct Decoder {
    context: NonNull<av::AVCodecContext>,
    packet: NonNull<av::AVPacket>,
    frame: NonNull<av::AVFrame>,
    lines: Collector,
}

// SAFETY: a codec context may be used from any thread, by one at a time; packet and frame are its.
unsafe impl Send for Decoder {}

/// What came out of a decoder.
pub(crate) enum Decoded<'a> {
    Picture(DecodedPicture<'a>),
    /// It wants another packet first.
    Again,
    /// It was drained, and nothing follows.
    End,
}

impl Decoder {
    pub(crate) fn open(parameters: &DecoderParameters) -> Result<Self, AvError> {
        let codec = codecs::find_decoder(parameters.codec)
            .ok_or_else(|| AvError::new(av::AVERROR_DECODER_NOT_FOUND, None))?;
        // SAFETY: the description is static; null is checked.
        let context = NonNull::new(unsafe { av::avcodec_alloc_context3(codec) });
        // SAFETY: no preconditions; null is checked.
        let packet = NonNull::new(unsafe { av::av_packet_alloc() });
        // SAFETY: as above.
        let frame = NonNull::new(unsafe { av::av_frame_alloc() });
        let (mut context, packet, frame) = match (context, packet, frame) {
            (Some(context), Some(packet), Some(frame)) => (context, packet, frame),
            (context, packet, frame) => {
                let mut context = context.map_or(ptr::null_mut(), NonNull::as_ptr);
                let mut packet = packet.map_or(ptr::null_mut(), NonNull::as_ptr);
                let mut frame = frame.map_or(ptr::null_mut(), NonNull::as_ptr);
                // SAFETY: each is null or was made above.
                unsafe {
                    av::avcodec_free_context(&mut context);
                    av::av_packet_free(&mut packet);
                    av::av_frame_free(&mut frame);
                }
                return Err(out_of_memory());
            }
        };
        let decoder = Decoder { context, packet, frame, lines: Collector::new() };
        // SAFETY: the context was made above and nobody else has it.
        let inner = unsafe { context.as_mut() };
        inner.opaque = decoder.lines.opaque();
        (inner.width, inner.height) = parameters.size;
        let extradata = &parameters.extradata;
        if !extradata.is_empty() {
            let size = c_int::try_from(extradata.len()).map_err(|_| out_of_memory())?;
            // SAFETY: no preconditions; null is checked.
            let copy = unsafe { av::av_mallocz(extradata.len() + PADDING) }.cast::<u8>();
            if copy.is_null() {
                return Err(out_of_memory());
            }
            // SAFETY: the copy has that many bytes, and is the context's from here on.
            unsafe { ptr::copy_nonoverlapping(extradata.as_ptr(), copy, extradata.len()) };
            (inner.extradata, inner.extradata_size) = (copy, size);
        }
        let mut options = Options::default();
        for (name, value) in &parameters.options {
            options.set(name, value)?;
        }
        // SAFETY: context and description belong together; the dictionary is replaced by the rest.
        let code = unsafe { av::avcodec_open2(context.as_ptr(), codec, &mut options.0) };
        if code < 0 {
            return Err(AvError::new(code, decoder.lines.take().first));
        }
        match &options.names()[..] {
            [] => Ok(decoder),
            unknown => Err(AvError::text(format!("does not know {}", unknown.join(", ")))),
        }
    }

    /// How many packets later than it happened an error may be told: frame threads work on so many.
    pub(crate) fn lateness(&self) -> usize {
        // SAFETY: the context is open.
        let context = unsafe { self.context.as_ref() };
        match context.active_thread_type & av::FF_THREAD_FRAME {
            0 => 0,
            _ => usize::try_from(context.thread_count - 1).unwrap_or(0),
        }
    }

    /// Hands a packet with data over; `None`: no more come. `false` if output must be taken first.
    ///
    /// After an error the packet is used up, and the decoder goes on with the next.
    pub(crate) fn send(&mut self, packet: Option<&CodedPacket>) -> Result<bool, AvError> {
        let code = match packet {
            Some(packet) => {
                self.fill(packet)?;
                // SAFETY: context and packet are valid; libavcodec takes a reference of its own.
                unsafe {
                    let code = av::avcodec_send_packet(self.context.as_ptr(), self.packet.as_ptr());
                    av::av_packet_unref(self.packet.as_ptr());
                    code
                }
            }
            // SAFETY: the context is open, and null is the end.
            None => unsafe { av::avcodec_send_packet(self.context.as_ptr(), ptr::null()) },
        };
        match code {
            0.. => Ok(true),
            _ if again(code) => Ok(false),
            _ => Err(AvError::new(code, None)),
        }
    }

    fn fill(&mut self, coded: &CodedPacket) -> Result<(), AvError> {
        let size = c_int::try_from(coded.data.len()).map_err(|_| out_of_memory())?;
        // SAFETY: the packet is ours and blank. What is made has the padding that is needed.
        let code = unsafe { av::av_new_packet(self.packet.as_ptr(), size) };
        if code < 0 {
            return Err(AvError::new(code, None));
        }
        // SAFETY: the packet is ours, and has as many bytes as it was made with.
        let packet = unsafe {
            let packet = self.packet.as_mut();
            ptr::copy_nonoverlapping(coded.data.as_ptr(), packet.data, coded.data.len());
            packet
        };
        packet.pts = coded.pts.unwrap_or(NO_TIME);
        packet.dts = coded.dts.unwrap_or(NO_TIME);
        packet.duration = coded.duration;
        if coded.keyframe {
            packet.flags |= av::AV_PKT_FLAG_KEY;
        }
        Ok(())
    }

    /// The next picture. After an error there may be more.
    pub(crate) fn receive(&mut self) -> Result<Decoded<'_>, AvError> {
        // SAFETY: the context is open; the frame is ours, and what it held is released first.
        let code = unsafe { av::avcodec_receive_frame(self.context.as_ptr(), self.frame.as_ptr()) };
        match code {
            // SAFETY: the frame was just filled, and the picture's borrow keeps it until the next
            // call.
            0.. => Ok(Decoded::Picture(unsafe { DecodedPicture::of(self.frame) })),
            _ if again(code) => Ok(Decoded::Again),
            _ if code == av::AVERROR_EOF => Ok(Decoded::End),
            _ => Err(AvError::new(code, None)),
        }
    }

    /// After the end: the parameter sets are kept, the pictures are not, and packets are taken
    /// again.
    pub(crate) fn restart(&mut self) {
        // SAFETY: the context is open.
        unsafe { av::avcodec_flush_buffers(self.context.as_ptr()) };
    }

    /// The error lines that were written since the last time.
    pub(crate) fn lines(&mut self) -> Lines {
        self.lines.take()
    }
}

/// AV_NOPTS_VALUE.
pub(super) const NO_TIME: i64 = i64::MIN;

const PADDING: usize = av::AV_INPUT_BUFFER_PADDING_SIZE as usize;

impl Drop for Decoder {
    fn drop(&mut self) {
        let (mut context, mut packet) = (self.context.as_ptr(), self.packet.as_ptr());
        let mut frame = self.frame.as_ptr();
        // SAFETY: all are ours and freed once.
        log::capture(true, || unsafe {
            av::av_frame_free(&mut frame);
            av::av_packet_free(&mut packet);
            av::avcodec_free_context(&mut context);
        });
    }
}
