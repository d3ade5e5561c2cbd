//! A plane of any bytes: decompressing gives rows or the peer's fault, the same straight into the
//! picture as through scratch, and what was read can be sent again.
//!
//! Input: compression, row bytes, rows, padding of a row on the wire, then the plane's data.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vtremote_planes::{Compression, Compressor, Decompressor, Error, Layout, Source, Target};

fuzz_target!(|input: &[u8]| {
    let [compression, row_bytes, rows, padding, data @ ..] = input else { return };
    let Some(compression) = Compression::from_wire(compression % 3) else { return };
    let layout = Layout { row_bytes: (*row_bytes).into(), rows: (*rows).into() };
    let stride = layout.row_bytes + usize::from(*padding);

    let mut decompressor = Decompressor::new();
    let straight = decompress(&mut decompressor, compression, data, stride, layout, stride);
    let scattered = decompress(&mut decompressor, compression, data, stride, layout, stride + 3);
    assert_eq!(straight, scattered);

    match straight {
        Err(error) => assert!(error.is_peer_fault(), "{error}"),
        Ok(picture) => {
            let source = Source::Rows { data: &picture, stride: layout.row_bytes };
            let mut again = Vec::new();
            Compressor::new()
                .compress(compression, &source, layout, 0..layout.rows, &mut again)
                .expect("a picture that was received can be sent");
            let stride = layout.row_bytes;
            let back = decompress(&mut decompressor, compression, &again, stride, layout, stride);
            assert_eq!(back.as_deref(), Ok(&picture[..]));
        }
    }
});

/// The picture's rows without padding.
fn decompress(
    decompressor: &mut Decompressor,
    compression: Compression,
    data: &[u8],
    wire_stride: usize,
    Layout { row_bytes, rows }: Layout,
    stride: usize,
) -> Result<Vec<u8>, Error> {
    let mut picture = vec![0; stride * rows];
    let into = Target { data: &mut picture, stride, row_bytes, rows };
    decompressor.decompress(compression, data, wire_stride, into)?;
    let rows = picture.chunks_exact(stride.max(1));
    Ok(rows.flat_map(|row| &row[..row_bytes]).copied().collect())
}
