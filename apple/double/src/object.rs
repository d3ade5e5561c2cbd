//! What every reference points to: a count of references, and what the object is.

use crate::cf::{Array, Dictionary, Number};
use crate::cm::{BlockBuffer, FormatDescription, SampleBuffer};
use crate::cv::{PixelBuffer, Pool};
use crate::state::violation;
use crate::vt::{CompressionSession, DecompressionSession};
use std::borrow::Cow;
use std::ops::Deref;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicIsize, AtomicU64, AtomicUsize, Ordering};

/// The types of objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Kind {
    String,
    Number,
    Boolean,
    Data,
    Array,
    Dictionary,
    PixelBuffer,
    PixelBufferPool,
    BlockBuffer,
    SampleBuffer,
    FormatDescription,
    CompressionSession,
    DecompressionSession,
}

impl Kind {
    pub(crate) const ALL: [Kind; 13] = [
        Kind::String,
        Kind::Number,
        Kind::Boolean,
        Kind::Data,
        Kind::Array,
        Kind::Dictionary,
        Kind::PixelBuffer,
        Kind::PixelBufferPool,
        Kind::BlockBuffer,
        Kind::SampleBuffer,
        Kind::FormatDescription,
        Kind::CompressionSession,
        Kind::DecompressionSession,
    ];

    /// A CFTypeID, which is never 0.
    pub(crate) fn type_id(self) -> usize {
        self as usize + 1
    }
}

pub(crate) enum Payload {
    String(Cow<'static, str>),
    Number(Number),
    Boolean(bool),
    Data(Vec<u8>),
    Array(Array),
    Dictionary(Dictionary),
    PixelBuffer(PixelBuffer),
    PixelBufferPool(Pool),
    BlockBuffer(BlockBuffer),
    SampleBuffer(SampleBuffer),
    FormatDescription(FormatDescription),
    CompressionSession(CompressionSession),
    DecompressionSession(DecompressionSession),
}

impl Payload {
    fn kind(&self) -> Kind {
        match self {
            Payload::String(_) => Kind::String,
            Payload::Number(_) => Kind::Number,
            Payload::Boolean(_) => Kind::Boolean,
            Payload::Data(_) => Kind::Data,
            Payload::Array(_) => Kind::Array,
            Payload::Dictionary(_) => Kind::Dictionary,
            Payload::PixelBuffer(_) => Kind::PixelBuffer,
            Payload::PixelBufferPool(_) => Kind::PixelBufferPool,
            Payload::BlockBuffer(_) => Kind::BlockBuffer,
            Payload::SampleBuffer(_) => Kind::SampleBuffer,
            Payload::FormatDescription(_) => Kind::FormatDescription,
            Payload::CompressionSession(_) => Kind::CompressionSession,
            Payload::DecompressionSession(_) => Kind::DecompressionSession,
        }
    }
}

const ALIVE: u64 = 0x616c_6976_6561_6c69;
const DEAD: u64 = 0xdead_dead_dead_dead;

/// How many objects of each kind there are, constants aside.
static LIVE: [AtomicIsize; Kind::ALL.len()] = [const { AtomicIsize::new(0) }; Kind::ALL.len()];

pub(crate) fn live(kind: Kind) -> isize {
    LIVE[kind as usize].load(Ordering::Acquire)
}

/// What a CFTypeRef points to.
#[repr(C)]
pub(crate) struct Object {
    mark: AtomicU64,
    /// A constant: references are not counted.
    immortal: bool,
    references: AtomicUsize,
    pub(crate) payload: Payload,
}

impl Object {
    pub(crate) const fn immortal(payload: Payload) -> Self {
        let references = AtomicUsize::new(1);
        Object { mark: AtomicU64::new(ALIVE), immortal: true, references, payload }
    }

    /// What a pointer from the backend is to.
    ///
    /// # Panics
    /// If it is null or the object is dead.
    pub(crate) unsafe fn at<'a>(object: *const Object) -> &'a Object {
        match Self::maybe(object) {
            Some(object) => object,
            None => violation("a null reference where there must be an object"),
        }
    }

    /// The same, null being allowed.
    pub(crate) unsafe fn maybe<'a>(object: *const Object) -> Option<&'a Object> {
        let object = object.as_ref()?;
        match object.mark.load(Ordering::Relaxed) {
            ALIVE => Some(object),
            DEAD => violation("use of an object that was released"),
            _ => violation("a reference to something that is no object"),
        }
    }

    pub(crate) fn kind(&self) -> Kind {
        self.payload.kind()
    }

    pub(crate) unsafe fn retain(object: *const Object) {
        let object = Self::at(object);
        if !object.immortal {
            object.references.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) unsafe fn release(pointer: *const Object) {
        let object = Self::at(pointer);
        if object.immortal || object.references.fetch_sub(1, Ordering::Release) != 1 {
            return;
        }
        // Instead of a fence, of which ThreadSanitizer knows nothing.
        object.references.load(Ordering::Acquire);
        object.mark.store(DEAD, Ordering::Relaxed);
        let kind = object.kind();
        drop(Box::from_raw(pointer.cast_mut()));
        // Last, so that whoever sees that nothing lives sees what its end did, too.
        LIVE[kind as usize].fetch_sub(1, Ordering::Release);
    }

    pub(crate) fn text(&self) -> Option<&str> {
        match &self.payload {
            Payload::String(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn number(&self) -> Option<Number> {
        match &self.payload {
            Payload::Number(number) => Some(*number),
            _ => None,
        }
    }

    pub(crate) fn boolean(&self) -> Option<bool> {
        match &self.payload {
            Payload::Boolean(boolean) => Some(*boolean),
            _ => None,
        }
    }

    pub(crate) fn data(&self) -> Option<&[u8]> {
        match &self.payload {
            Payload::Data(data) => Some(data),
            _ => None,
        }
    }

    pub(crate) fn array(&self) -> Option<&Array> {
        match &self.payload {
            Payload::Array(array) => Some(array),
            _ => None,
        }
    }

    pub(crate) fn dictionary(&self) -> Option<&Dictionary> {
        match &self.payload {
            Payload::Dictionary(dictionary) => Some(dictionary),
            _ => None,
        }
    }
}

/// The payload that a parameter must have, or the test ends.
macro_rules! payload {
    ($object:expr, $variant:ident) => {
        match &$crate::object::Object::at($object).payload {
            $crate::object::Payload::$variant(payload) => payload,
            _ => $crate::state::violation(concat!("an object that is no ", stringify!($variant))),
        }
    };
}
pub(crate) use payload;

/// One reference.
pub(crate) struct Owned(NonNull<Object>);

// SAFETY: counts are atomic; what payloads change is behind locks.
unsafe impl Send for Owned {}
// SAFETY: as above.
unsafe impl Sync for Owned {}

impl Owned {
    pub(crate) fn new(payload: Payload) -> Self {
        LIVE[payload.kind() as usize].fetch_add(1, Ordering::Relaxed);
        let object = Object { immortal: false, ..Object::immortal(payload) };
        Owned(NonNull::from(Box::leak(Box::new(object))))
    }

    pub(crate) fn text(text: &str) -> Self {
        Self::new(Payload::String(Cow::Owned(text.to_owned())))
    }

    /// One more reference to what the backend has one to.
    pub(crate) unsafe fn retained(object: *const Object) -> Self {
        Object::retain(object);
        Owned(NonNull::from(Object::at(object)))
    }

    /// The reference as one that the receiver releases.
    pub(crate) fn into_raw(self) -> *const Object {
        let pointer = self.as_ptr();
        std::mem::forget(self);
        pointer
    }

    /// The reference as one that the receiver must retain if it keeps it.
    pub(crate) fn as_ptr(&self) -> *const Object {
        self.0.as_ptr()
    }
}

impl Deref for Owned {
    type Target = Object;

    fn deref(&self) -> &Object {
        // SAFETY: this reference keeps it alive.
        unsafe { self.0.as_ref() }
    }
}

impl Clone for Owned {
    fn clone(&self) -> Self {
        // SAFETY: this reference keeps it alive.
        unsafe { Owned::retained(self.as_ptr()) }
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        // SAFETY: this reference is given up here.
        unsafe { Object::release(self.as_ptr()) };
    }
}

/// What CFEqual says: the same thing, or strings, numbers, data and collections of the same contents.
pub(crate) fn equal(one: &Object, other: &Object) -> bool {
    if std::ptr::eq(one, other) {
        return true;
    }
    match (&one.payload, &other.payload) {
        (Payload::String(one), Payload::String(other)) => one == other,
        (Payload::Number(one), Payload::Number(other)) => one.as_f64() == other.as_f64(),
        (Payload::Boolean(one), Payload::Boolean(other)) => one == other,
        (Payload::Data(one), Payload::Data(other)) => one == other,
        (Payload::Array(one), Payload::Array(other)) => one.equals(other),
        (Payload::Dictionary(one), Payload::Dictionary(other)) => one.equals(other),
        (Payload::FormatDescription(one), Payload::FormatDescription(other)) => one.equals(other),
        _ => false,
    }
}
