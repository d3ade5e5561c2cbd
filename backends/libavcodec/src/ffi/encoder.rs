use super::options::Options;
use super::{AvError, Frame, Layout, again, av, codecs, log, out_of_memory};
use std::ffi::c_int;
use std::marker::PhantomData;
use std::ptr::{self, NonNull};
use std::slice;

/// What an encoder is opened with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Parameters {
    /// Width and height in pixels.
    pub(crate) size: (c_int, c_int),
    /// Of the frames.
    pub(crate) layout: Layout,
    /// Of every pts and dts, in seconds.
    pub(crate) time_base: (c_int, c_int),
    /// In frames per second.
    pub(crate) frame_rate: Option<(c_int, c_int)>,
    /// Of a pixel.
    pub(crate) aspect: Option<(c_int, c_int)>,
    /// Everything else, by FFmpeg's names.
    pub(crate) options: Vec<(&'static str, String)>,
}

/// An open encoder.
pub(crate) struct Encoder {
    context: NonNull<av::AVCodecContext>,
    packet: NonNull<av::AVPacket>,
}

// SAFETY: a codec context may be used from any thread, by one at a time.
unsafe impl Send for Encoder {}

/// What came out of an encoder.
pub(crate) enum Received<'a> {
    Packet(Packet<'a>),
    /// It wants another frame first.
    Again,
    /// It was drained, and nothing follows.
    End,
}

/// One access unit, in the encoder's memory.
pub(crate) struct Packet<'a> {
    packet: NonNull<av::AVPacket>,
    encoder: PhantomData<&'a Encoder>,
}

impl Encoder {
    /// Opens the encoder of this name. Gives the options that it did not know, too.
    ///
    /// `quiet` keeps what it logs from the log hook: for trying what exists.
    pub(crate) fn open(
        name: &str,
        parameters: &Parameters,
        quiet: bool,
    ) -> Result<(Self, Vec<String>), AvError> {
        let (result, line) = log::capture(quiet, || Self::try_open(name, parameters));
        result.map_err(|error| AvError { line, ..error })
    }

    fn try_open(name: &str, parameters: &Parameters) -> Result<(Self, Vec<String>), AvError> {
        let codec = codecs::find_encoder(name)
            .ok_or_else(|| AvError::new(av::AVERROR_ENCODER_NOT_FOUND, None))?;
        // SAFETY: the description is static; null is checked.
        let context = NonNull::new(unsafe { av::avcodec_alloc_context3(codec) });
        // SAFETY: no preconditions; null is checked.
        let packet = NonNull::new(unsafe { av::av_packet_alloc() });
        let (mut context, packet) = match (context, packet) {
            (Some(context), Some(packet)) => (context, packet),
            (context, packet) => {
                let mut context = context.map_or(ptr::null_mut(), NonNull::as_ptr);
                let mut packet = packet.map_or(ptr::null_mut(), NonNull::as_ptr);
                // SAFETY: each is null or was made above.
                unsafe {
                    av::avcodec_free_context(&mut context);
                    av::av_packet_free(&mut packet);
                }
                return Err(out_of_memory());
            }
        };
        let encoder = Encoder { context, packet };
        // SAFETY: the context was made above and nobody else has it.
        let inner = unsafe { context.as_mut() };
        (inner.width, inner.height) = parameters.size;
        inner.pix_fmt = parameters.layout.av();
        inner.time_base = rational(parameters.time_base);
        inner.framerate = rational(parameters.frame_rate.unwrap_or((0, 1)));
        inner.sample_aspect_ratio = rational(parameters.aspect.unwrap_or((0, 1)));

        let mut options = Options::default();
        for (name, value) in &parameters.options {
            options.set(name, value)?;
        }
        // SAFETY: context and description belong together; the dictionary is replaced by the rest.
        let code = unsafe { av::avcodec_open2(context.as_ptr(), codec, &mut options.0) };
        if code < 0 {
            return Err(AvError::new(code, None));
        }
        Ok((encoder, options.names()))
    }

    /// Whether it gives packets in another order than that of its frames.
    pub(crate) fn reorders(&self) -> bool {
        // SAFETY: the context is valid.
        unsafe { self.context.as_ref() }.has_b_frames > 0
    }

    /// Whether it is hardware; `None`: that depends on the machine.
    pub(crate) fn is_hardware(&self) -> Option<bool> {
        // SAFETY: the context is open, and the description of its codec is static.
        let capabilities = unsafe { (*self.context.as_ref().codec).capabilities };
        let has = |capability| capabilities & capability as c_int != 0;
        let (hardware, hybrid) = (av::AV_CODEC_CAP_HARDWARE, av::AV_CODEC_CAP_HYBRID);
        if has(hybrid) { None } else { Some(has(hardware)) }
    }

    /// The parameter sets, in Annex B, where the encoder gave them when it was opened.
    pub(crate) fn extradata(&self) -> &[u8] {
        // SAFETY: the context is valid, and its extradata is as long as it says and constant after
        // the encoder was opened.
        unsafe {
            let context = self.context.as_ref();
            match usize::try_from(context.extradata_size) {
                Ok(size) if size > 0 && !context.extradata.is_null() => {
                    slice::from_raw_parts(context.extradata, size)
                }
                _ => &[],
            }
        }
    }

    /// Hands a frame over; `None`: no more come. `false` if output must be taken first.
    pub(crate) fn send(&mut self, frame: Option<&Frame>) -> Result<bool, AvError> {
        let frame = frame.map_or(ptr::null(), Frame::as_ptr);
        // SAFETY: the context is open, the frame valid or null; libavcodec takes references of its
        // own.
        let (code, line) =
            log::capture(false, || unsafe { av::avcodec_send_frame(self.context.as_ptr(), frame) });
        match code {
            0.. => Ok(true),
            _ if again(code) => Ok(false),
            _ => Err(AvError::new(code, line)),
        }
    }

    /// The next access unit.
    pub(crate) fn receive(&mut self) -> Result<Received<'_>, AvError> {
        // SAFETY: the context is open; the packet is ours, and what it held is released first.
        let (code, line) = log::capture(false, || unsafe {
            av::avcodec_receive_packet(self.context.as_ptr(), self.packet.as_ptr())
        });
        match code {
            0.. => Ok(Received::Packet(Packet { packet: self.packet, encoder: PhantomData })),
            _ if again(code) => Ok(Received::Again),
            _ if code == av::AVERROR_EOF => Ok(Received::End),
            _ => Err(AvError::new(code, line)),
        }
    }
}

impl Drop for Encoder {
    fn drop(&mut self) {
        let (mut context, mut packet) = (self.context.as_ptr(), self.packet.as_ptr());
        // What a codec says at its end (statistics) is of no use to anybody here.
        // SAFETY: both are ours and freed once.
        log::capture(true, || unsafe {
            av::avcodec_free_context(&mut context);
            av::av_packet_free(&mut packet);
        });
    }
}

impl Packet<'_> {
    /// Annex B.
    pub(crate) fn data(&self) -> &[u8] {
        // SAFETY: a received packet has as many bytes as it says, until the next call of the
        // encoder, which this borrow excludes.
        unsafe {
            let packet = self.packet.as_ref();
            match usize::try_from(packet.size) {
                Ok(size) if size > 0 && !packet.data.is_null() => {
                    slice::from_raw_parts(packet.data, size)
                }
                _ => &[],
            }
        }
    }

    pub(crate) fn pts(&self) -> i64 {
        // SAFETY: the packet is valid.
        unsafe { self.packet.as_ref() }.pts
    }

    /// `None` where the encoder gave none.
    pub(crate) fn dts(&self) -> Option<i64> {
        // SAFETY: the packet is valid.
        let dts = unsafe { self.packet.as_ref() }.dts;
        (dts != i64::MIN).then_some(dts)
    }

    pub(crate) fn keyframe(&self) -> bool {
        // SAFETY: the packet is valid.
        unsafe { self.packet.as_ref() }.flags & av::AV_PKT_FLAG_KEY != 0
    }
}

fn rational((num, den): (c_int, c_int)) -> av::AVRational {
    av::AVRational { num, den }
}
