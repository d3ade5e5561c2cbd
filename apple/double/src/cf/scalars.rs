use super::Constant;
use crate::object::{Object, Owned, Payload, payload};
use crate::state::scripted;
use std::ffi::c_void;
use std::slice;

/// What a CFNumber holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Number {
    Integer(i64),
    Real(f64),
}

impl Number {
    pub(crate) fn as_f64(self) -> f64 {
        match self {
            Number::Integer(number) => number as f64,
            Number::Real(number) => number,
        }
    }

    /// None if there is a fraction.
    pub(crate) fn as_i64(self) -> Option<i64> {
        match self {
            Number::Integer(number) => Some(number),
            Number::Real(number) => (number.fract() == 0.0).then_some(number as i64),
        }
    }
}

static TRUE: Object = Object::immortal(Payload::Boolean(true));
static FALSE: Object = Object::immortal(Payload::Boolean(false));

#[unsafe(no_mangle)]
#[allow(non_upper_case_globals)]
pub(crate) static kCFBooleanTrue: Constant = Constant(&TRUE);
#[unsafe(no_mangle)]
#[allow(non_upper_case_globals)]
pub(crate) static kCFBooleanFalse: Constant = Constant(&FALSE);

pub(crate) fn boolean(value: bool) -> &'static Object {
    if value { &TRUE } else { &FALSE }
}

#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn CFBooleanGetValue(boolean: *const Object) -> u8 {
    scripted!("CFBooleanGetValue");
    u8::from(*payload!(boolean, Boolean))
}

/// The fixed-size types of CFNumberType that its other ones are.
fn fixed(number_type: isize) -> isize {
    match number_type {
        7 => 1,
        8 => 2,
        9 => 3,
        10 | 11 | 14 | 15 => 4,
        12 => 5,
        13 | 16 => 6,
        other => other,
    }
}

#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn CFNumberCreate(
    _allocator: *const Object,
    number_type: isize,
    value: *const c_void,
) -> *const Object {
    let number = match fixed(number_type) {
        1 => Number::Integer(value.cast::<i8>().read_unaligned().into()),
        2 => Number::Integer(value.cast::<i16>().read_unaligned().into()),
        3 => Number::Integer(value.cast::<i32>().read_unaligned().into()),
        4 => Number::Integer(value.cast::<i64>().read_unaligned()),
        5 => Number::Real(value.cast::<f32>().read_unaligned().into()),
        6 => Number::Real(value.cast::<f64>().read_unaligned()),
        _ => crate::state::violation("CFNumberCreate with a type that there is not"),
    };
    Owned::new(Payload::Number(number)).into_raw()
}

/// False, with the nearest value, if the number does not fit.
#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn CFNumberGetValue(
    number: *const Object,
    number_type: isize,
    out: *mut c_void,
) -> u8 {
    scripted!("CFNumberGetValue");
    let number = *payload!(number, Number);
    let integer = match number {
        Number::Integer(number) => number,
        Number::Real(number) => number as i64,
    };
    let exact = match fixed(number_type) {
        1 => {
            out.cast::<i8>().write_unaligned(integer as i8);
            f64::from(integer as i8) == number.as_f64()
        }
        2 => {
            out.cast::<i16>().write_unaligned(integer as i16);
            f64::from(integer as i16) == number.as_f64()
        }
        3 => {
            out.cast::<i32>().write_unaligned(integer as i32);
            f64::from(integer as i32) == number.as_f64()
        }
        4 => {
            out.cast::<i64>().write_unaligned(integer);
            number.as_i64().is_some()
        }
        5 => {
            out.cast::<f32>().write_unaligned(number.as_f64() as f32);
            f64::from(number.as_f64() as f32) == number.as_f64()
        }
        6 => {
            out.cast::<f64>().write_unaligned(number.as_f64());
            true
        }
        _ => crate::state::violation("CFNumberGetValue with a type that there is not"),
    };
    u8::from(exact)
}

#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn CFDataCreate(
    _allocator: *const Object,
    bytes: *const u8,
    length: isize,
) -> *const Object {
    let length = usize::try_from(length).unwrap_or(0);
    let bytes = if length == 0 { &[][..] } else { slice::from_raw_parts(bytes, length) };
    Owned::new(Payload::Data(bytes.to_vec())).into_raw()
}

#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn CFDataGetLength(data: *const Object) -> isize {
    payload!(data, Data).len() as isize
}

/// Valid for as long as the data.
#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn CFDataGetBytePtr(data: *const Object) -> *const u8 {
    payload!(data, Data).as_ptr()
}
