//! A vtz stream of any bytes: pictures or the peer's fault, the same by every set of instructions.
//!
//! Input: format, width, height; then frames: 0 or 1 (spatial or temporal), the head's length in two
//! bytes, the head; and slices: 2 to 5 (the mode plus 1), the plane, the first strip, the number of
//! strips, the data's length in two bytes, the data.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vtremote_planes::Target;
use vtremote_planes::vtz::{Decoder, DecoderFrame, Format, Geometry, Isa, Mode, SliceDecoder};

fuzz_target!(|input: &[u8]| {
    let [format, width, height, events @ ..] = input else { return };
    let Some(format) = Format::from_wire(format % 5 + 1) else { return };
    let geometry = Geometry { format, width: (*width).into(), height: (*height).into() };
    let mut pictures = Isa::all().iter().map(|&isa| read(geometry, isa, events));
    let first = pictures.next().expect("there is always the reference");
    assert!(pictures.all(|picture| picture == first));
});

/// The pictures' bytes after each slice, and what was refused.
fn read(geometry: Geometry, isa: Isa, mut events: &[u8]) -> Option<Vec<Result<Vec<u8>, String>>> {
    let mut decoder = Decoder::with_isa(geometry, isa).ok()?;
    let mut reader = SliceDecoder::new();
    let mut frame: Option<DecoderFrame> = None;
    let mut seen = Vec::new();
    // Enough to come to every state, and no more than runs fast.
    while seen.len() < 24 {
        let Some((&kind, rest)) = events.split_first() else { break };
        if kind < 2 {
            let Some((head, rest)) = part(rest) else { break };
            events = rest;
            match decoder.begin(head, kind == 1) {
                Ok(begun) => frame = Some(begun),
                Err(error) => {
                    assert!(error.is_peer_fault(), "{error}");
                    break;
                }
            }
            continue;
        }
        let Some((&[plane, first, strips], rest)) = rest.split_first_chunk() else { break };
        let Some((data, rest)) = part(rest) else { break };
        events = rest;
        let (Some(mode), Some(frame)) = (Mode::from_wire(kind - 1), &frame) else { break };
        let plane = usize::from(plane) % geometry.format.planes();
        let layout = geometry.layout(plane);
        let first = usize::from(first) * 16;
        let end = (first + usize::from(strips) * 16).min(layout.rows);
        let Some(rows) = end.checked_sub(first) else { break };
        let stride = layout.row_bytes + 3;
        let mut picture = vec![0x55; stride * rows];
        let into = Target { data: &mut picture, stride, row_bytes: layout.row_bytes, rows };
        match reader.decode(frame, plane, mode, first..end, data, into) {
            Ok(()) => seen.push(Ok(picture)),
            Err(error) => {
                assert!(error.is_peer_fault(), "{error}");
                seen.push(Err(error.to_string()));
                break;
            }
        }
    }
    Some(seen)
}

/// A part that has its length in front, and what is after it.
fn part(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&length, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(u16::from_be_bytes(length).into())
}
