//! The NAL units of a picture: its header is right, its macroblocks are a payload.

use crate::bits::{BitWriter, append_nal};
use crate::parameter_sets::COUNT_BITS;
use vtremote_backend::Codec;

/// How a picture is coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// By itself, and nothing after it looks behind it.
    Idr,
    /// From the key or P-picture before it.
    P,
    /// From the two around it; nothing is predicted from it.
    B,
}

/// Where a picture stands in its group, from one keyframe to before the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) kind: Kind,
    /// Counted in presentation order from the keyframe.
    pub(crate) order: u64,
    /// The pictures that others are predicted from before this one, in decoding order.
    pub(crate) references: u64,
    /// `order` of the reference before, in presentation order.
    pub(crate) before: u64,
    /// `order` of the reference after a B-picture.
    pub(crate) after: u64,
    /// Keyframes before this picture's own.
    pub(crate) group: u64,
}

/// Appends the picture's only slice; the payload begins at a byte and ends before the stop bit's.
pub(crate) fn append_slice(out: &mut Vec<u8>, codec: Codec, place: &Place, payload: &[u8]) {
    let mut slice = BitWriter::default();
    let header = match codec {
        Codec::H264 => h264_header(&mut slice, place),
        Codec::H265 => h265_header(&mut slice, place),
    };
    let mut slice = slice.into_bytes();
    slice.extend_from_slice(payload);
    slice.push(0x80);
    append_nal(out, &header.0[..header.1], &slice);
}

/// A NAL unit's header, and how many bytes of it there are.
type NalHeader = ([u8; 2], usize);

/// H.264 7.3.3, then zeros up to the next byte.
fn h264_header(slice: &mut BitWriter, place: &Place) -> NalHeader {
    let (nal, slice_type) = match place.kind {
        Kind::Idr => (0x65, 7),
        Kind::P => (0x41, 5),
        Kind::B => (0x01, 6),
    };
    slice.ue(0).ue(slice_type).ue(0).u(COUNT_BITS, place.references);
    if place.kind == Kind::Idr {
        // idr_pic_id: two IDR pictures in a row differ.
        slice.ue((place.group & 1) as u32);
    }
    // Two fields a frame, so that frames count by two (8.2.1).
    slice.u(COUNT_BITS, place.order.wrapping_mul(2));
    match place.kind {
        Kind::Idr => slice.u(2, 0),
        // Default number of references, no list modification, sliding window.
        Kind::P => slice.flag(false).flag(false).flag(false),
        // Spatial direct prediction; default number of references, neither list modified.
        Kind::B => slice.flag(true).flag(false).u(2, 0),
    };
    // slice_qp_delta.
    slice.ue(0);
    ([nal, 0], 1)
}

/// H.265 7.3.6.1.
fn h265_header(slice: &mut BitWriter, place: &Place) -> NalHeader {
    let (nal, slice_type) = match place.kind {
        // IDR_N_LP, TRAIL_R, TRAIL_N.
        Kind::Idr => (20, 2),
        Kind::P => (1, 1),
        Kind::B => (0, 0),
    };
    slice.flag(true);
    if place.kind == Kind::Idr {
        slice.flag(false);
    }
    slice.ue(0).ue(slice_type);
    if place.kind != Kind::Idr {
        slice.u(COUNT_BITS, place.order).flag(false);
        // st_ref_pic_set (7.3.7): one picture before, and for a B-picture one after.
        let both = place.kind == Kind::B;
        let distance = |from: u64, to: u64| to.saturating_sub(from).saturating_sub(1) as u32;
        slice.ue(1).ue(both.into()).ue(distance(place.before, place.order)).flag(true);
        if both {
            slice.ue(distance(place.order, place.after)).flag(true);
        }
        // Default number of references; a B-picture's mvd_l1_zero_flag; five merge candidates.
        slice.flag(false);
        if both {
            slice.flag(false);
        }
        slice.ue(0);
    }
    slice.ue(0).stop();
    ([nal << 1, 1], 2)
}
