use crate::object::{Object, Owned, Payload, payload};
use crate::state::scripted;
use std::ptr;
use std::slice;

const UTF8: u32 = 0x0800_0100;
const ASCII: u32 = 0x0600;

unsafe fn create(bytes: *const u8, length: isize, encoding: u32) -> *const Object {
    let Ok(length) = usize::try_from(length) else { return ptr::null() };
    let bytes = if length == 0 { &[][..] } else { slice::from_raw_parts(bytes, length) };
    match std::str::from_utf8(bytes) {
        Ok(text) if encoding == UTF8 || (encoding == ASCII && text.is_ascii()) => {
            Owned::new(Payload::String(text.to_owned().into())).into_raw()
        }
        _ => ptr::null(),
    }
}

#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn CFStringCreateWithBytes(
    _allocator: *const Object,
    bytes: *const u8,
    length: isize,
    encoding: u32,
    _external: u8,
) -> *const Object {
    create(bytes, length, encoding)
}

/// In UTF-16.
#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn CFStringGetLength(string: *const Object) -> isize {
    scripted!("CFStringGetLength");
    payload!(string, String).encode_utf16().count() as isize
}

#[repr(C)]
struct Range {
    location: isize,
    length: isize,
}

/// As many whole characters as there is room for.
#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn CFStringGetBytes(
    string: *const Object,
    range: Range,
    encoding: u32,
    loss: u8,
    _external: u8,
    buffer: *mut u8,
    room: isize,
    used: *mut isize,
) -> isize {
    scripted!("CFStringGetBytes");
    let text = payload!(string, String);
    if encoding != UTF8 && encoding != ASCII {
        return 0;
    }
    let (start, end) = (range.location, range.location + range.length);
    let (mut at, mut converted, mut written) = (0_isize, 0, 0_isize);
    for character in text.chars() {
        let units = character.len_utf16() as isize;
        if at >= start && at + units <= end {
            let mut bytes = [0; 4];
            let bytes = match (encoding, character.is_ascii()) {
                (UTF8, _) | (_, true) => character.encode_utf8(&mut bytes).as_bytes(),
                _ if loss != 0 => slice::from_ref(&loss),
                _ => break,
            };
            if !buffer.is_null() {
                if written + bytes.len() as isize > room {
                    break;
                }
                let to = buffer.offset(written);
                ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len());
            }
            written += bytes.len() as isize;
            converted += units;
        }
        at += units;
    }
    if let Some(used) = used.as_mut() {
        *used = written;
    }
    converted
}
