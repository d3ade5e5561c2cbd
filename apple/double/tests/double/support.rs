//! Sessions as a backend has them, small and without care for anything but these tests.

use objc2_core_foundation::{CFBoolean, CFDictionary, CFNumber, CFRetained, CFString, CFType};
use objc2_core_media::{CMSampleBuffer, CMTime, CMTimeFlags};
use objc2_core_video::{
    CVImageBuffer, CVPixelBuffer, CVPixelBufferGetBaseAddressOfPlane,
    CVPixelBufferGetBytesPerRowOfPlane, CVPixelBufferLockBaseAddress, CVPixelBufferLockFlags,
    CVPixelBufferPool, CVPixelBufferUnlockBaseAddress, kCVPixelBufferPixelFormatTypeKey,
};
use objc2_video_toolbox::{
    VTCompressionSession, VTDecodeFrameFlags, VTDecodeInfoFlags,
    VTDecompressionOutputCallbackRecord, VTDecompressionSession, VTEncodeInfoFlags,
    VTSessionSetProperty, kVTEncodeFrameOptionKey_ForceKeyFrame,
};
use std::ffi::c_void;
use std::ptr::{self, NonNull};
use std::slice;
use std::sync::{Mutex, PoisonError};
use std::thread::{self, ThreadId};
use vtremote_bitstream::Codec;

pub(crate) const WIDTH: usize = 96;
pub(crate) const HEIGHT: usize = 64;

pub(crate) fn fourcc(name: &[u8; 4]) -> u32 {
    u32::from_be_bytes(*name)
}

/// A buffer of a session's pool.
pub(crate) fn buffer_of(session: &VTCompressionSession) -> CFRetained<CVPixelBuffer> {
    let pool = unsafe { session.pixel_buffer_pool() }.expect("a pool");
    let mut buffer = ptr::null_mut();
    let out = NonNull::from(&mut buffer);
    assert_eq!(unsafe { CVPixelBufferPool::create_pixel_buffer(None, &pool, out) }, 0);
    unsafe { CFRetained::from_raw(NonNull::new(buffer).unwrap()) }
}

/// A buffer of this format.
pub(crate) fn pixel_buffer(format: u32, width: i32, height: i32) -> CFRetained<CVPixelBuffer> {
    let codec = fourcc(b"hvc1");
    let session = session(codec, (width, height), format, encoded, ptr::null_mut()).unwrap();
    let buffer = buffer_of(&session);
    unsafe { session.invalidate() };
    buffer
}

type Callback = unsafe extern "C-unwind" fn(
    *mut c_void,
    *mut c_void,
    i32,
    VTEncodeInfoFlags,
    *mut CMSampleBuffer,
);

fn session(
    codec: u32,
    (width, height): (i32, i32),
    format: u32,
    callback: Callback,
    context: *mut c_void,
) -> Result<CFRetained<VTCompressionSession>, i32> {
    let format = CFNumber::new_i64(format.into());
    let keys = [unsafe { kCVPixelBufferPixelFormatTypeKey }];
    let attributes = CFDictionary::<CFString, CFType>::from_slices(&keys, &[&format]);
    let mut session = ptr::null_mut();
    let status = unsafe {
        let attributes: CFRetained<CFDictionary> = CFRetained::cast_unchecked(attributes);
        VTCompressionSession::create(
            None,
            width,
            height,
            codec,
            None,
            Some(&attributes),
            None,
            Some(callback),
            context,
            NonNull::from(&mut session),
        )
    };
    match NonNull::new(session) {
        Some(session) if status == 0 => Ok(unsafe { CFRetained::from_raw(session) }),
        _ => Err(status),
    }
}

/// The luma sample that picture `number` has at a place.
pub(crate) fn luma(number: usize, x: usize, y: usize) -> u8 {
    (40 + (x + 2 * y + 5 * number) % 160) as u8
}

/// A picture with a gradient that moves, without colour, in `420v`.
pub(crate) fn picture(number: usize) -> CFRetained<CVPixelBuffer> {
    let buffer = pixel_buffer(fourcc(b"420v"), WIDTH as i32, HEIGHT as i32);
    let write = CVPixelBufferLockFlags(0);
    unsafe {
        CVPixelBufferLockBaseAddress(&buffer, write);
        for (plane, rows) in [(0, HEIGHT), (1, HEIGHT / 2)] {
            let first = CVPixelBufferGetBaseAddressOfPlane(&buffer, plane).cast::<u8>();
            let stride = CVPixelBufferGetBytesPerRowOfPlane(&buffer, plane);
            for y in 0..rows {
                let row = slice::from_raw_parts_mut(first.add(y * stride), WIDTH);
                for (x, sample) in row.iter_mut().enumerate() {
                    *sample = if plane == 0 { luma(number, x, y) } else { 128 };
                }
            }
        }
        CVPixelBufferUnlockBaseAddress(&buffer, write);
    }
    buffer
}

/// How far a picture is from number `number`, as the mean difference of a luma sample.
pub(crate) fn distance(buffer: &CVPixelBuffer, number: usize) -> f64 {
    let read = CVPixelBufferLockFlags::ReadOnly;
    let mut sum = 0;
    unsafe {
        CVPixelBufferLockBaseAddress(buffer, read);
        let first = CVPixelBufferGetBaseAddressOfPlane(buffer, 0).cast::<u8>();
        let stride = CVPixelBufferGetBytesPerRowOfPlane(buffer, 0);
        for y in 0..HEIGHT {
            let row = slice::from_raw_parts(first.add(y * stride), WIDTH);
            sum += (0..WIDTH).map(|x| u64::from(row[x].abs_diff(luma(number, x, y)))).sum::<u64>();
        }
        CVPixelBufferUnlockBaseAddress(buffer, read);
    }
    sum as f64 / (WIDTH * HEIGHT) as f64
}

pub(crate) fn time(value: i64) -> CMTime {
    let flags = CMTimeFlags::Valid;
    CMTime { value, timescale: 30, flags, epoch: 0 }
}

/// One call of a compression session's callback.
pub(crate) struct Encoded {
    pub(crate) number: usize,
    pub(crate) status: i32,
    pub(crate) flags: VTEncodeInfoFlags,
    pub(crate) sample: Option<CFRetained<CMSampleBuffer>>,
    pub(crate) thread: ThreadId,
}

// What is in a sample does not change.
unsafe impl Send for Encoded {}

/// A compression session and what it called back.
pub(crate) struct Encoder {
    pub(crate) session: CFRetained<VTCompressionSession>,
    outputs: Box<Mutex<Vec<Encoded>>>,
}

unsafe extern "C-unwind" fn encoded(
    outputs: *mut c_void,
    number: *mut c_void,
    status: i32,
    flags: VTEncodeInfoFlags,
    sample: *mut CMSampleBuffer,
) {
    let outputs = unsafe { &*outputs.cast::<Mutex<Vec<Encoded>>>() };
    let sample = NonNull::new(sample).map(|sample| unsafe { CFRetained::retain(sample) });
    let thread = thread::current().id();
    outputs.lock().unwrap().push(Encoded { number: number.addr(), status, flags, sample, thread });
}

impl Encoder {
    /// # Errors
    /// The status of VTCompressionSessionCreate.
    pub(crate) fn new(
        codec: Codec,
        properties: &[(&str, CFRetained<CFType>)],
    ) -> Result<Self, i32> {
        let codec = match codec {
            Codec::H264 => fourcc(b"avc1"),
            Codec::H265 => fourcc(b"hvc1"),
        };
        let outputs = Box::new(Mutex::new(Vec::new()));
        let context = (&raw const *outputs).cast_mut().cast();
        let size = (WIDTH as i32, HEIGHT as i32);
        let session = session(codec, size, fourcc(b"420v"), encoded, context)?;
        let encoder = Encoder { session, outputs };
        for (name, value) in properties {
            assert_eq!(encoder.set(name, value), 0, "{name}");
        }
        Ok(encoder)
    }

    pub(crate) fn set(&self, name: &str, value: &CFType) -> i32 {
        unsafe { VTSessionSetProperty(&self.session, &CFString::from_str(name), Some(value)) }
    }

    /// Encodes picture `number`, from 1, at its time.
    pub(crate) fn encode(&self, number: usize, keyframe: bool) -> i32 {
        self.encode_picture(&picture(number), number, keyframe)
    }

    /// Encodes this picture at the time of that number.
    pub(crate) fn encode_picture(
        &self,
        picture: &CVPixelBuffer,
        number: usize,
        keyframe: bool,
    ) -> i32 {
        let image: &CVImageBuffer = picture;
        let force = unsafe { kVTEncodeFrameOptionKey_ForceKeyFrame };
        let options = CFDictionary::<CFString, CFType>::from_slices(&[force], &[truth(keyframe)]);
        unsafe {
            let options: CFRetained<CFDictionary> = CFRetained::cast_unchecked(options);
            self.session.encode_frame(
                image,
                time(number as i64),
                time(1),
                Some(&options),
                ptr::without_provenance_mut(number),
                ptr::null_mut(),
            )
        }
    }

    pub(crate) fn complete(&self) -> i32 {
        unsafe { self.session.complete_frames(time(i64::from(u32::MAX))) }
    }

    /// What was called back since the last time.
    pub(crate) fn outputs(&self) -> Vec<Encoded> {
        std::mem::take(&mut *self.outputs.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Encoder {
    fn drop(&mut self) {
        unsafe { self.session.invalidate() };
    }
}

pub(crate) fn truth(value: bool) -> &'static CFType {
    CFBoolean::new(value)
}

pub(crate) fn boolean(value: bool) -> CFRetained<CFType> {
    truth(value).into()
}

pub(crate) fn number(value: f64) -> CFRetained<CFType> {
    let number = if value.fract() == 0.0 {
        CFNumber::new_i64(value as i64)
    } else {
        CFNumber::new_f64(value)
    };
    unsafe { CFRetained::cast_unchecked(number) }
}

/// One call of a decompression session's callback.
pub(crate) struct Decoded {
    pub(crate) number: usize,
    pub(crate) status: i32,
    pub(crate) picture: Option<CFRetained<CVPixelBuffer>>,
}

// A picture that was given is not written to.
unsafe impl Send for Decoded {}

/// A decompression session and what it called back.
pub(crate) struct Decoder {
    pub(crate) session: CFRetained<VTDecompressionSession>,
    outputs: Box<Mutex<Vec<Decoded>>>,
}

unsafe extern "C-unwind" fn decoded(
    outputs: *mut c_void,
    number: *mut c_void,
    status: i32,
    _flags: VTDecodeInfoFlags,
    picture: *mut CVImageBuffer,
    _presentation: CMTime,
    _duration: CMTime,
) {
    let outputs = unsafe { &*outputs.cast::<Mutex<Vec<Decoded>>>() };
    let picture = NonNull::new(picture).map(|picture| unsafe { CFRetained::retain(picture) });
    outputs.lock().unwrap().push(Decoded { number: number.addr(), status, picture });
}

impl Decoder {
    /// For the stream that this is a sample of.
    ///
    /// # Errors
    /// The status of VTDecompressionSessionCreate.
    pub(crate) fn new(sample: &CMSampleBuffer) -> Result<Self, i32> {
        let format = unsafe { sample.format_description() }.expect("a format");
        let outputs = Box::new(Mutex::new(Vec::new()));
        let record = VTDecompressionOutputCallbackRecord {
            decompressionOutputCallback: Some(decoded),
            decompressionOutputRefCon: (&raw const *outputs).cast_mut().cast(),
        };
        let mut session = ptr::null_mut();
        let status = unsafe {
            let out = NonNull::from(&mut session);
            VTDecompressionSession::create(None, &format, None, None, &record, out)
        };
        match NonNull::new(session) {
            Some(session) if status == 0 => {
                Ok(Decoder { session: unsafe { CFRetained::from_raw(session) }, outputs })
            }
            _ => Err(status),
        }
    }

    pub(crate) fn decode(&self, sample: &CMSampleBuffer, number: usize, asynchronous: bool) -> i32 {
        let flags = VTDecodeFrameFlags(u32::from(asynchronous));
        let number = ptr::without_provenance_mut(number);
        unsafe { self.session.decode_frame(sample, flags, number, ptr::null_mut()) }
    }

    pub(crate) fn wait(&self) -> i32 {
        unsafe { self.session.wait_for_asynchronous_frames() }
    }

    /// What was called back since the last time.
    pub(crate) fn outputs(&self) -> Vec<Decoded> {
        std::mem::take(&mut *self.outputs.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Decoder {
    fn drop(&mut self) {
        unsafe { self.session.invalidate() };
    }
}
