use crate::support::{fourcc, pixel_buffer};
use objc2_core_video::{
    CVPixelBufferGetBaseAddressOfPlane, CVPixelBufferGetBytesPerRowOfPlane,
    CVPixelBufferGetHeightOfPlane, CVPixelBufferGetPlaneCount, CVPixelBufferLockBaseAddress,
    CVPixelBufferLockFlags, CVPixelBufferUnlockBaseAddress,
};
use std::slice;
use vtremote_apple_double::{Double, Machine};

const WRITE: CVPixelBufferLockFlags = CVPixelBufferLockFlags(0);
const READ: CVPixelBufferLockFlags = CVPixelBufferLockFlags::ReadOnly;

#[test]
fn memory_has_an_address_between_lock_and_unlock_only() {
    let _double = Double::new(Machine::apple_silicon());
    let buffer = pixel_buffer(fourcc(b"420v"), 64, 48);
    let address = || CVPixelBufferGetBaseAddressOfPlane(&buffer, 0);
    assert!(address().is_null());
    for flags in [WRITE, READ] {
        assert_eq!(unsafe { CVPixelBufferLockBaseAddress(&buffer, flags) }, 0);
        assert!(!address().is_null());
        assert_eq!(unsafe { CVPixelBufferUnlockBaseAddress(&buffer, flags) }, 0);
        assert!(address().is_null());
    }
}

#[test]
fn rows_are_padded_as_the_machine_pads_them() {
    for alignment in [16, 64, 256] {
        let _double = Double::new(Machine::apple_silicon().rows(alignment));
        let buffer = pixel_buffer(fourcc(b"x420"), 66, 34);
        assert_eq!(CVPixelBufferGetPlaneCount(&buffer), 2);
        let stride = CVPixelBufferGetBytesPerRowOfPlane(&buffer, 0);
        assert_eq!(stride, 132_usize.next_multiple_of(alignment));
        assert_eq!(CVPixelBufferGetHeightOfPlane(&buffer, 0), 34);
        assert_eq!(CVPixelBufferGetHeightOfPlane(&buffer, 1), 17);
    }
}

#[test]
fn what_is_written_is_read_and_every_row_is_there() {
    let _double = Double::new(Machine::apple_silicon());
    let buffer = pixel_buffer(fourcc(b"420v"), 64, 48);
    let bytes = |plane| {
        CVPixelBufferGetBytesPerRowOfPlane(&buffer, plane)
            * CVPixelBufferGetHeightOfPlane(&buffer, plane)
    };
    let first = |plane| CVPixelBufferGetBaseAddressOfPlane(&buffer, plane).cast::<u8>();
    unsafe {
        CVPixelBufferLockBaseAddress(&buffer, WRITE);
        for plane in 0..2 {
            slice::from_raw_parts_mut(first(plane), bytes(plane)).fill(7 + plane as u8);
        }
        CVPixelBufferUnlockBaseAddress(&buffer, WRITE);
        CVPixelBufferLockBaseAddress(&buffer, READ);
        for plane in 0..2 {
            let rows = slice::from_raw_parts(first(plane), bytes(plane));
            assert!(rows.iter().all(|byte| *byte == 7 + plane as u8));
        }
        CVPixelBufferUnlockBaseAddress(&buffer, READ);
    }
}

#[test]
fn an_unlock_of_other_flags_is_noted() {
    let double = Double::new(Machine::apple_silicon());
    let buffer = pixel_buffer(fourcc(b"420v"), 64, 48);
    unsafe { CVPixelBufferLockBaseAddress(&buffer, READ) };
    assert_eq!(double.counters().locks, 1);
    assert_eq!(unsafe { CVPixelBufferUnlockBaseAddress(&buffer, WRITE) }, -6661);
    assert_eq!(double.counters().violations.len(), 1);
    unsafe { CVPixelBufferUnlockBaseAddress(&buffer, READ) };
    assert_eq!(double.counters().locks, 0);
    drop(buffer);
    double.forgive();
}
