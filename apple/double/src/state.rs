//! The machine and the script that are in force, and what was observed.

use crate::cm::Time;
use crate::object::{Object, Payload};
use crate::script::{Outcome, Script};
use crate::{Callbacks, Machine};
use std::collections::BTreeMap;
use std::ffi::c_void;
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// A property that was set on a session.
#[derive(Debug, Clone, PartialEq)]
pub struct Property {
    /// Compression and decompression sessions, counted from 1.
    pub session: usize,
    /// The text of the constant: `AverageBitRate`.
    pub name: String,
    /// What it was set to.
    pub value: Value,
    /// What the call gave.
    pub status: i32,
}

/// What a property is set to.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub enum Value {
    Null,
    Boolean(bool),
    Integer(i64),
    Real(f64),
    Text(String),
    Data(Vec<u8>),
    Array(Vec<Value>),
    Dictionary(BTreeMap<String, Value>),
    /// An object that is no property list.
    Other,
}

impl Value {
    pub(crate) fn of(object: Option<&Object>) -> Self {
        use crate::cf::Number;
        let Some(object) = object else { return Value::Null };
        match &object.payload {
            Payload::String(text) => Value::Text(text.to_string()),
            Payload::Number(Number::Integer(number)) => Value::Integer(*number),
            Payload::Number(Number::Real(number)) => Value::Real(*number),
            Payload::Boolean(boolean) => Value::Boolean(*boolean),
            Payload::Data(data) => Value::Data(data.clone()),
            Payload::Array(array) => {
                Value::Array(array.iter().iter().map(|item| Value::of(Some(item))).collect())
            }
            Payload::Dictionary(dictionary) => {
                let pairs = dictionary.pairs();
                let text = |key: &Object| key.text().unwrap_or_default().to_owned();
                let pairs = pairs.iter().map(|(key, value)| (text(key), Value::of(Some(value))));
                Value::Dictionary(pairs.collect())
            }
            _ => Value::Other,
        }
    }
}

#[derive(Default)]
pub(crate) struct State {
    pub(crate) machine: Option<Machine>,
    pub(crate) script: Script,
    /// Counts the scripts.
    scripts: u64,
    pub(crate) calls: BTreeMap<String, usize>,
    pub(crate) sessions: usize,
    pub(crate) properties: Vec<Property>,
    pub(crate) violations: Vec<String>,
}

static STATE: Mutex<Option<State>> = Mutex::new(None);

/// There is another script.
static SCRIPTED: Condvar = Condvar::new();

/// Whether calls must be counted. Without it the state's lock would order what the threads of a backend do,
/// and races between them would not show.
static COUNTED: AtomicBool = AtomicBool::new(false);

fn lock() -> MutexGuard<'static, Option<State>> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn with<T>(look: impl FnOnce(&mut State) -> T) -> T {
    look(lock().get_or_insert_default())
}

/// The machine that is in force.
pub(crate) fn machine() -> Machine {
    with(|state| state.machine.clone()).unwrap_or_else(Machine::apple_silicon)
}

pub(crate) fn callbacks() -> Callbacks {
    with(|state| state.script.callbacks)
}

pub(crate) fn install(machine: Option<Machine>, script: Script) {
    let counted = script.counted || !script.faults.is_empty() || !script.stalls.is_empty();
    COUNTED.store(counted, Ordering::Relaxed);
    with(|state| {
        if machine.is_some() {
            *state = State { machine, scripts: state.scripts, ..State::default() };
        }
        state.calls.clear();
        state.script = script;
        state.scripts += 1;
    });
    SCRIPTED.notify_all();
}

/// Functions that a script can make fail. What gives a reference gives null then, what gives a truth false,
/// a time none, and a number the script's: a status, a length, a count.
pub const CALLS: &[&str] = &[
    "CFArrayGetCount",
    "CFBooleanGetValue",
    "CFDictionaryGetValue",
    "CFEqual",
    "CFGetTypeID",
    "CFNumberGetValue",
    "CFStringGetBytes",
    "CFStringGetLength",
    "CMBlockBufferCopyDataBytes",
    "CMBlockBufferCreateWithMemoryBlock",
    "CMBlockBufferGetDataLength",
    "CMBlockBufferReplaceDataBytes",
    "CMSampleBufferCreateReady",
    "CMSampleBufferGetDataBuffer",
    "CMSampleBufferGetDecodeTimeStamp",
    "CMSampleBufferGetFormatDescription",
    "CMSampleBufferGetPresentationTimeStamp",
    "CMSampleBufferGetSampleAttachmentsArray",
    "CMSampleBufferGetTotalSampleSize",
    "CMVideoFormatDescriptionCreateFromH264ParameterSets",
    "CMVideoFormatDescriptionCreateFromHEVCParameterSets",
    "CMVideoFormatDescriptionGetH264ParameterSetAtIndex",
    "CMVideoFormatDescriptionGetHEVCParameterSetAtIndex",
    "CVPixelBufferGetBaseAddress",
    "CVPixelBufferGetBaseAddressOfPlane",
    "CVPixelBufferGetBytesPerRow",
    "CVPixelBufferGetBytesPerRowOfPlane",
    "CVPixelBufferGetHeight",
    "CVPixelBufferGetHeightOfPlane",
    "CVPixelBufferGetPixelFormatType",
    "CVPixelBufferGetPlaneCount",
    "CVPixelBufferGetWidth",
    "CVPixelBufferLockBaseAddress",
    "CVPixelBufferPoolCreatePixelBuffer",
    "CVPixelBufferUnlockBaseAddress",
    "VTCompressionSessionCompleteFrames",
    "VTCompressionSessionCreate",
    "VTCompressionSessionEncodeFrame",
    "VTCompressionSessionGetPixelBufferPool",
    "VTCompressionSessionPrepareToEncodeFrames",
    "VTCopyVideoEncoderList",
    "VTDecompressionSessionCanAcceptFormatDescription",
    "VTDecompressionSessionCreate",
    "VTDecompressionSessionDecodeFrame",
    "VTDecompressionSessionWaitForAsynchronousFrames",
    "VTIsHardwareDecodeSupported",
    "VTSessionCopyProperty",
    "VTSessionCopySupportedPropertyDictionary",
    "VTSessionSetProperty",
];

/// The status that the script has for this call of a function. Comes back late, if the call is to stall.
pub(crate) fn fault(call: &str) -> Option<i32> {
    debug_assert!(CALLS.contains(&call), "{call} is missing in the list");
    if !COUNTED.load(Ordering::Relaxed) {
        return None;
    }
    let mut guard = lock();
    let state = guard.get_or_insert_default();
    let count = state.calls.entry(call.to_owned()).or_default();
    *count += 1;
    let (count, scripts) = (*count, state.scripts);
    let mut faults = state.script.faults.iter();
    let status = faults.find(|fault| fault.call == call && fault.nth == count);
    let status = status.map(|fault| fault.status);
    if state.script.stalls.iter().any(|(stalled, nth)| stalled == call && *nth == count) {
        let same = |state: &mut Option<State>| {
            state.as_ref().is_some_and(|state| state.scripts == scripts)
        };
        drop(SCRIPTED.wait_while(guard, same).unwrap_or_else(PoisonError::into_inner));
    }
    status
}

/// What a function gives that the script makes fail.
pub(crate) trait Failure {
    /// The script's number where it gives numbers; else null, false, no time.
    fn of(number: i32) -> Self;
}

macro_rules! failures {
    ($($kind:ty: $of:expr;)*) => {$(
        impl Failure for $kind {
            fn of(number: i32) -> Self {
                let of: fn(i32) -> $kind = $of;
                of(number)
            }
        }
    )*};
}

failures! {
    i32: |number| number;
    u32: |number| number as u32;
    isize: |number| number as isize;
    usize: |number| number as usize;
    u8: |_| 0;
    Time: |_| Time::INVALID;
    *const u8: |_| ptr::null();
    *const Object: |_| ptr::null();
    *mut c_void: |_| ptr::null_mut();
}

/// Returns what a scripted fault of this function makes it give.
macro_rules! scripted {
    ($call:literal) => {
        if let Some(number) = $crate::state::fault($call) {
            return $crate::state::Failure::of(number);
        }
    };
}
pub(crate) use scripted;

/// What becomes of a session's nth frame; it happens once.
pub(crate) fn outcome(
    list: impl FnOnce(&mut Script) -> &mut Vec<(usize, Outcome)>,
    nth: usize,
) -> Option<Outcome> {
    with(|state| {
        let list = list(&mut state.script);
        let at = list.iter().position(|(number, _)| *number == nth)?;
        Some(list.remove(at).1)
    })
}

/// Notes that a rule was broken.
pub(crate) fn note(what: &str) {
    eprintln!("double: {what}");
    with(|state| state.violations.push(what.to_owned()));
}

/// Notes it where nothing can go on.
pub(crate) fn violation(what: &str) -> ! {
    note(what);
    panic!("double: {what}");
}
