use super::status::K_CM_SAMPLE_BUFFER_REQUIRED_PARAMETER_MISSING as MISSING;
use super::{BlockBuffer, Time};
use crate::cf::{Array, Dictionary, boolean};
use crate::object::{Object, Owned, Payload, payload};
use crate::state::scripted;
use std::ptr;

/// A CMSampleTimingInfo.
#[repr(C)]
#[derive(Clone, Copy)]
struct Timing {
    duration: Time,
    presentation: Time,
    decode: Time,
}

/// A CMSampleBuffer of one sample.
pub(crate) struct SampleBuffer {
    block: Option<Owned>,
    format: Option<Owned>,
    timing: Timing,
    size: usize,
    attachments: Owned,
}

/// What NotSync is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attachment {
    Absent,
    Is(bool),
}

fn attachments(not_sync: Attachment) -> Owned {
    let dictionary = Dictionary::new(Vec::new());
    if let Attachment::Is(value) = not_sync {
        // SAFETY: a constant.
        dictionary.set(Owned::text("NotSync"), unsafe { Owned::retained(boolean(value)) });
    }
    let dictionary = Owned::new(Payload::Dictionary(dictionary));
    Owned::new(Payload::Array(Array::new(vec![dictionary])))
}

impl SampleBuffer {
    /// What an encoder gives: so many of the block's bytes are the sample's.
    pub(crate) fn encoded(
        block: BlockBuffer,
        size: usize,
        format: Owned,
        (presentation, decode, duration): (Time, Time, Time),
        not_sync: Attachment,
    ) -> Self {
        SampleBuffer {
            block: Some(Owned::new(Payload::BlockBuffer(block))),
            format: Some(format),
            timing: Timing { duration, presentation, decode },
            size,
            attachments: attachments(not_sync),
        }
    }

    /// The sample's bytes.
    pub(crate) fn bytes(&self) -> Option<Vec<u8>> {
        match &self.block.as_ref()?.payload {
            Payload::BlockBuffer(block) => block.copy(self.size),
            _ => None,
        }
    }

    pub(crate) fn format(&self) -> Option<&Owned> {
        self.format.as_ref()
    }

    pub(crate) fn times(&self) -> (Time, Time) {
        (self.timing.presentation, self.timing.duration)
    }
}

#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn CMSampleBufferCreateReady(
    _allocator: *const Object,
    block: *const Object,
    format: *const Object,
    samples: isize,
    timings: isize,
    timing: *const Timing,
    sizes: isize,
    size: *const usize,
    out: *mut *const Object,
) -> i32 {
    scripted!("CMSampleBufferCreateReady");
    if samples != 1 || timings > 1 || sizes > 1 {
        return MISSING;
    }
    let block = Object::maybe(block).map(|block| Owned::retained(block));
    let whole = block.as_ref().map_or(0, |block| match &block.payload {
        Payload::BlockBuffer(block) => block.length(),
        _ => crate::state::violation("CMSampleBufferCreateReady without a block buffer"),
    });
    let timing = match timings {
        1 => *timing,
        _ => Timing { duration: Time::INVALID, presentation: Time::INVALID, decode: Time::INVALID },
    };
    let sample = SampleBuffer {
        block,
        format: Object::maybe(format).map(|format| Owned::retained(format)),
        timing,
        size: if sizes == 1 { *size } else { whole },
        attachments: attachments(Attachment::Absent),
    };
    *out = Owned::new(Payload::SampleBuffer(sample)).into_raw();
    0
}

#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn CMSampleBufferGetDataBuffer(sample: *const Object) -> *const Object {
    scripted!("CMSampleBufferGetDataBuffer");
    let block = &payload!(sample, SampleBuffer).block;
    block.as_ref().map_or(ptr::null(), Owned::as_ptr)
}

#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn CMSampleBufferGetFormatDescription(
    sample: *const Object,
) -> *const Object {
    scripted!("CMSampleBufferGetFormatDescription");
    let format = &payload!(sample, SampleBuffer).format;
    format.as_ref().map_or(ptr::null(), Owned::as_ptr)
}

#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn CMSampleBufferGetTotalSampleSize(sample: *const Object) -> usize {
    scripted!("CMSampleBufferGetTotalSampleSize");
    payload!(sample, SampleBuffer).size
}

/// Invalid where the encoder does not reorder.
#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn CMSampleBufferGetDecodeTimeStamp(sample: *const Object) -> Time {
    scripted!("CMSampleBufferGetDecodeTimeStamp");
    payload!(sample, SampleBuffer).timing.decode
}

#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn CMSampleBufferGetPresentationTimeStamp(sample: *const Object) -> Time {
    scripted!("CMSampleBufferGetPresentationTimeStamp");
    payload!(sample, SampleBuffer).timing.presentation
}

#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn CMSampleBufferGetSampleAttachmentsArray(
    sample: *const Object,
    _create: u8,
) -> *const Object {
    scripted!("CMSampleBufferGetSampleAttachmentsArray");
    payload!(sample, SampleBuffer).attachments.as_ptr()
}
