//! C's pointers to Rust's references and back. What can be checked about them is checked here.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString, c_char, c_void};
use std::ptr;
use std::slice;
use std::sync::atomic::{AtomicBool, Ordering};

use vtremote_client::{FrameSource, Info, InputFormat, Packet, Picture, Video};
use vtremote_planes::Source;
use vtremote_proto::message::{MAX_SIDE_DATA_BYTES, MAX_SIDE_DATA_RECORDS};

use crate::types::{
    VTREMOTE_NO_PTS, VTREMOTE_PACKET_KEY, vtremote_frame, vtremote_info, vtremote_log_fn,
    vtremote_packet, vtremote_picture, vtremote_pix_fmt, vtremote_release_fn, vtremote_side_data,
};

/// A struct of the caller's that begins with its own size; None if it is NULL or of another size.
///
/// # Safety
/// `pointer` is NULL or points to a `size_t`, and to a whole `T` if that says so.
pub(crate) unsafe fn sized<'a, T>(pointer: *const T) -> Option<&'a T> {
    if pointer.is_null() || !pointer.is_aligned() {
        return None;
    }
    // SAFETY: every struct that this is used for begins with its size, which is there by contract.
    let size = unsafe { pointer.cast::<usize>().read() };
    // SAFETY: and so is the rest if the size is right; the caller does not change it meanwhile.
    (size == size_of::<T>()).then(|| unsafe { &*pointer })
}

/// The same, for the callee to fill in.
///
/// # Safety
/// As for [`sized`], and nothing else refers to it.
pub(crate) unsafe fn sized_mut<'a, T>(pointer: *mut T) -> Option<&'a mut T> {
    if pointer.is_null() || !pointer.is_aligned() {
        return None;
    }
    // SAFETY: as in `sized`.
    let size = unsafe { pointer.cast::<usize>().read() };
    // SAFETY: as in `sized`, and the caller says that nobody else refers to it.
    (size == size_of::<T>()).then(|| unsafe { &mut *pointer })
}

/// Text of the caller's; None if it is NULL or not UTF-8.
///
/// # Safety
/// `text` is NULL or ends in a NUL.
pub(crate) unsafe fn text<'a>(text: *const c_char) -> Option<&'a str> {
    if text.is_null() {
        return None;
    }
    // SAFETY: by contract.
    unsafe { CStr::from_ptr(text) }.to_str().ok()
}

/// A line for C: what is not text to it is left out.
pub(crate) fn line(text: &str) -> CString {
    CString::new(text.replace('\0', " ")).unwrap_or_default()
}

/// Copies as much of `text` as there is room for, cut between two characters, and a NUL.
pub(crate) fn fill(room: &mut [c_char], text: &str) {
    let Some(most) = room.len().checked_sub(1) else { return };
    let mut len = text.len().min(most);
    while !text.is_char_boundary(len) {
        len -= 1;
    }
    for (to, from) in room.iter_mut().zip(text.as_bytes()[..len].iter().chain(&[0])) {
        // c_char is signed on some systems and not on others.
        *to = c_char::from_ne_bytes([*from]);
    }
}

/// [`fill`] for a buffer of the caller's.
///
/// # Safety
/// `buffer` is NULL or has room for `size` bytes.
pub(crate) unsafe fn fill_buffer(buffer: *mut c_char, size: usize, text: &str) {
    if !buffer.is_null() && isize::try_from(size).is_ok() {
        // SAFETY: by contract. The bytes may be uninitialised, so they are made something first.
        let room = unsafe {
            buffer.write_bytes(0, size);
            slice::from_raw_parts_mut(buffer, size)
        };
        fill(room, text);
    }
}

/// What a session says of itself.
pub(crate) fn fill_info(place: &mut vtremote_info, info: &Info) {
    fill(&mut place.server, &info.server);
    fill(&mut place.server_name, &info.server_name);
    fill(&mut place.server_version, &info.server_version);
    fill(&mut place.wire_compression, &info.compression.to_string());
    place.units_sent = info.sent;
    place.units_received = info.received;
    place.bytes_sent = info.bytes_sent;
    place.bytes_received = info.bytes_received;
    place.raw_bytes = info.raw_bytes;
}

/// Bytes of the caller's; None if they cannot be there.
///
/// # Safety
/// `data` is NULL or has `size` bytes, unchanged as long as they are used.
pub(crate) unsafe fn bytes<'a>(data: *const u8, size: usize) -> Option<&'a [u8]> {
    match size {
        0 => Some(&[]),
        size if data.is_null() || isize::try_from(size).is_err() => None,
        // SAFETY: by contract.
        size => Some(unsafe { slice::from_raw_parts(data, size) }),
    }
}

/// The caller's log callback.
pub(crate) struct Log {
    function: vtremote_log_fn,
    opaque: *mut c_void,
}

// SAFETY: the interface says that the callback comes from any thread, with the opaque pointer as its
// own matter.
unsafe impl Send for Log {}
// SAFETY: as above, from several at once.
unsafe impl Sync for Log {}

impl Log {
    pub(crate) fn new(function: vtremote_log_fn, opaque: *mut c_void) -> Option<Self> {
        function.is_some().then_some(Self { function, opaque })
    }

    pub(crate) fn line(&self, level: i32, message: &str) {
        let message = line(message);
        if let Some(function) = self.function {
            // SAFETY: a function of the caller's with what it wants.
            unsafe { function(self.opaque, level, message.as_ptr()) };
        }
    }
}

/// A picture that the caller lends, until its frame is released.
pub(crate) struct LentPicture {
    format: InputFormat,
    planes: [(*const u8, usize, usize); 4],
    /// Only an accepted frame is released.
    accepted: AtomicBool,
    release: vtremote_release_fn,
    opaque: *mut c_void,
}

// SAFETY: the interface says that planes stay valid and unchanged until release, and that release
// comes from any thread.
unsafe impl Send for LentPicture {}
// SAFETY: the planes are only read.
unsafe impl Sync for LentPicture {}

impl LentPicture {
    /// The planes of `frame` in the shape that `video` says; else, what is wrong with them.
    ///
    /// # Safety
    /// Planes that are not NULL have the rows that `video` says, `linesize` apart, the last one without
    /// its padding perhaps, valid and unchanged until this is dropped.
    pub(crate) unsafe fn new(frame: &vtremote_frame, video: &Video) -> Result<Self, String> {
        let mut planes = [(ptr::null(), 0, 0); 4];
        let given = frame.data.iter().zip(&frame.linesize).enumerate();
        for ((index, (&data, &linesize)), plane) in
            given.take(video.format.planes()).zip(&mut planes)
        {
            let (row_bytes, rows) = video.format.plane_layout(video.width, video.height, index);
            let problem = |what: String| Err(format!("plane {index}: {what}"));
            if data.is_null() {
                return problem("data is NULL".to_owned());
            }
            let Ok(stride) = usize::try_from(linesize) else {
                return problem(format!("linesize {linesize} is negative: not supported"));
            };
            if stride < row_bytes {
                return problem(format!(
                    "linesize {stride} is less than a row's {row_bytes} bytes"
                ));
            }
            let len = stride
                .checked_mul(rows.saturating_sub(1))
                .and_then(|len| len.checked_add(row_bytes))
                .filter(|&len| isize::try_from(len).is_ok());
            let Some(len) = len else {
                return problem(format!("linesize {linesize} is more than memory can have"));
            };
            *plane = (data, len, stride);
        }
        Ok(Self {
            format: video.format,
            planes,
            accepted: AtomicBool::new(false),
            release: frame.release,
            opaque: frame.opaque,
        })
    }

    /// From now on it is released when it is dropped.
    pub(crate) fn accept(&self) {
        self.accepted.store(true, Ordering::Release);
    }
}

impl FrameSource for LentPicture {
    fn plane(&self, index: u8) -> Source<'_> {
        self.format.source(index, |plane| match self.planes.get(plane) {
            Some(&(data, len, stride)) if !data.is_null() => {
                // SAFETY: `new`'s caller says that these bytes are there; it checked the length.
                (unsafe { slice::from_raw_parts(data, len) }, stride)
            }
            _ => (&[], 0),
        })
    }
}

impl Drop for LentPicture {
    fn drop(&mut self) {
        if let (true, Some(release)) = (*self.accepted.get_mut(), self.release) {
            // SAFETY: a function of the caller's with what it wants, once.
            unsafe { release(self.opaque) };
        }
    }
}

/// Side data of the caller's, copied; None if it is not what the interface says.
///
/// # Safety
/// `records` is NULL or has `count` of them, and each its bytes.
pub(crate) unsafe fn side_data(
    records: *const vtremote_side_data,
    count: usize,
) -> Option<Vec<(u32, Vec<u8>)>> {
    if count == 0 {
        return Some(Vec::new());
    }
    // More than this no message has, and it keeps a wild count from being believed.
    if records.is_null() || !records.is_aligned() || count > MAX_SIDE_DATA_RECORDS {
        return None;
    }
    // SAFETY: by contract.
    let records = unsafe { slice::from_raw_parts(records, count) };
    let copy = |record: &vtremote_side_data| {
        // SAFETY: by contract.
        let data = unsafe { bytes(record.data, record.data_size) }?;
        (data.len() <= MAX_SIDE_DATA_BYTES).then(|| (record.r#type, data.to_vec()))
    };
    records.iter().map(copy).collect()
}

/// What of a session is in C's hands: what `internal` points to.
struct Lent<T> {
    what: T,
    side_data: Vec<vtremote_side_data>,
}

impl<T> Lent<T> {
    fn new(what: T, side_data: impl FnOnce(&T) -> &[(u32, Vec<u8>)]) -> Box<Self> {
        let record = |(kind, data): &(u32, Vec<u8>)| vtremote_side_data {
            r#type: *kind,
            data_size: data.len(),
            data: data.as_ptr(),
        };
        let side_data = side_data(&what).iter().map(record).collect();
        Box::new(Self { what, side_data })
    }

    fn side_data(&self) -> *const vtremote_side_data {
        if self.side_data.is_empty() { ptr::null() } else { self.side_data.as_ptr() }
    }

    /// # Safety
    /// `internal` is NULL or a box of this, and not used again.
    unsafe fn take_back(internal: *mut c_void) {
        if !internal.is_null() {
            // SAFETY: by contract.
            drop(unsafe { Box::from_raw(internal.cast::<Self>()) });
        }
    }
}

/// A packet without anything.
pub(crate) fn no_packet() -> vtremote_packet {
    vtremote_packet {
        size: size_of::<vtremote_packet>(),
        pts: 0,
        dts: 0,
        duration: 0,
        flags: 0,
        data: ptr::null(),
        data_size: 0,
        side_data: ptr::null(),
        side_data_count: 0,
        internal: ptr::null_mut(),
    }
}

/// Lends a packet to C, until it is given to [`take_back`].
pub(crate) fn lend(packet: Packet) -> vtremote_packet {
    let lent = Lent::new(packet, |packet| &packet.side_data);
    vtremote_packet {
        pts: lent.what.pts,
        dts: lent.what.dts,
        duration: lent.what.duration,
        flags: if lent.what.keyframe { VTREMOTE_PACKET_KEY } else { 0 },
        data: lent.what.data().as_ptr(),
        data_size: lent.what.data().len(),
        side_data: lent.side_data(),
        side_data_count: lent.side_data.len(),
        internal: Box::into_raw(lent).cast(),
        ..no_packet()
    }
}

/// Takes a packet back and leaves nothing in its place.
///
/// # Safety
/// `packet.internal` is NULL or what [`lend`] made, and nothing refers to the packet's data any more.
pub(crate) unsafe fn take_back(packet: &mut vtremote_packet) {
    let lent = std::mem::replace(packet, no_packet()).internal;
    // SAFETY: `lend` made it of a box, and it is taken out of the packet only here.
    unsafe { Lent::<Packet>::take_back(lent) };
}

/// A picture without anything.
pub(crate) fn no_picture() -> vtremote_picture {
    vtremote_picture {
        size: size_of::<vtremote_picture>(),
        pts: 0,
        duration: 0,
        width: 0,
        height: 0,
        pix_fmt: 0,
        data: [ptr::null(); 4],
        linesize: [0; 4],
        sample_aspect_num: 0,
        sample_aspect_den: 0,
        color_range: 0,
        color_primaries: 0,
        color_trc: 0,
        colorspace: 0,
        chroma_location: 0,
        fields: 0,
        side_data: ptr::null(),
        side_data_count: 0,
        internal: ptr::null_mut(),
    }
}

/// Lends a picture to C, until it is given to [`take_picture_back`].
pub(crate) fn lend_picture(picture: Picture) -> vtremote_picture {
    let lent = Lent::new(picture, |picture| &picture.side_data);
    let geometry = &lent.what.geometry;
    let mut made = vtremote_picture {
        pts: lent.what.pts.unwrap_or(VTREMOTE_NO_PTS),
        duration: lent.what.duration,
        width: geometry.width,
        height: geometry.height,
        pix_fmt: geometry.format as vtremote_pix_fmt,
        sample_aspect_num: geometry.sample_aspect_ratio.num,
        sample_aspect_den: geometry.sample_aspect_ratio.den,
        color_range: geometry.color_range,
        color_primaries: geometry.primaries,
        color_trc: geometry.transfer,
        colorspace: geometry.matrix,
        chroma_location: geometry.chroma_location,
        fields: geometry.fields as u8,
        side_data: lent.side_data(),
        side_data_count: lent.side_data.len(),
        ..no_picture()
    };
    let places = made.data.iter_mut().zip(&mut made.linesize);
    for ((data, linesize), plane) in places.zip(lent.what.planes()) {
        *data = plane.data.as_ptr();
        // It fits: so many bytes are there.
        *linesize = plane.stride as isize;
    }
    made.internal = Box::into_raw(lent).cast();
    made
}

/// Takes a picture back and leaves nothing in its place.
///
/// # Safety
/// `picture.internal` is NULL or what [`lend_picture`] made, and nothing refers to its planes any more.
pub(crate) unsafe fn take_picture_back(picture: &mut vtremote_picture) {
    let lent = std::mem::replace(picture, no_picture()).internal;
    // SAFETY: `lend_picture` made it of a box, and it is taken out of the picture only here.
    unsafe { Lent::<Picture>::take_back(lent) };
}
