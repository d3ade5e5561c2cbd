use crate::object::{Kind, Object, equal};
use crate::state::scripted;
use std::ffi::c_void;

#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn CFRetain(object: *const Object) -> *const Object {
    Object::retain(object);
    object
}

#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn CFRelease(object: *const Object) {
    Object::release(object);
}

#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn CFGetTypeID(object: *const Object) -> usize {
    scripted!("CFGetTypeID");
    Object::at(object).kind().type_id()
}

#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn CFEqual(one: *const Object, other: *const Object) -> u8 {
    scripted!("CFEqual");
    u8::from(equal(Object::at(one), Object::at(other)))
}

/// Every …GetTypeID.
macro_rules! type_ids {
    ($($name:ident: $kind:ident;)*) => {$(
        #[unsafe(no_mangle)]
        extern "C-unwind" fn $name() -> usize {
            Kind::$kind.type_id()
        }
    )*};
}

type_ids! {
    CFStringGetTypeID: String;
    CFNumberGetTypeID: Number;
    CFBooleanGetTypeID: Boolean;
    CFDictionaryGetTypeID: Dictionary;
    CFArrayGetTypeID: Array;
    CFDataGetTypeID: Data;
}

/// What collections retain, release and compare by. Only Apple's own for objects are known here, by their
/// addresses.
#[repr(C)]
pub(crate) struct Callbacks {
    version: isize,
    functions: [*const c_void; 5],
}

// SAFETY: it is never written to.
unsafe impl Sync for Callbacks {}

const OBJECTS: Callbacks = Callbacks { version: 0, functions: [std::ptr::null(); 5] };

#[unsafe(no_mangle)]
#[allow(non_upper_case_globals)]
pub(crate) static kCFTypeDictionaryKeyCallBacks: Callbacks = OBJECTS;
#[unsafe(no_mangle)]
#[allow(non_upper_case_globals)]
pub(crate) static kCFTypeDictionaryValueCallBacks: Callbacks = OBJECTS;
#[unsafe(no_mangle)]
#[allow(non_upper_case_globals)]
pub(crate) static kCFTypeArrayCallBacks: Callbacks = OBJECTS;
