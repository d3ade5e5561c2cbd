//! A stream in full flow takes nothing from the heap. (Of zstd's own memory, which is not counted
//! here, a test beside the compressor says the same.)

use vtremote_planes::{Compression, Compressor, Decompressor, Layout, Source, Target};

#[test]
fn a_warm_compressor_and_decompressor_allocate_nothing() {
    const STRIDE: usize = 1024;
    let memory: Vec<u8> = (0..STRIDE * 400).map(|at| (at * at / 4099) as u8).collect();
    let (u, v) = memory.split_at(memory.len() / 2);
    let sources = [
        Source::Rows { data: &memory, stride: STRIDE },
        Source::Rows { data: &memory, stride: STRIDE * 2 },
        Source::Planar8 { u, u_stride: STRIDE, v, v_stride: STRIDE },
        Source::Luma10 { data: &memory, stride: STRIDE * 2 },
        Source::Planar10 { u, u_stride: STRIDE, v, v_stride: STRIDE },
    ];
    let layout = Layout { row_bytes: STRIDE, rows: 200 };
    for compression in Compression::ALL {
        for source in &sources {
            let (mut compressor, mut decompressor) = (Compressor::new(), Decompressor::new());
            let mut out = Vec::new();
            // Straight into the picture, and through scratch.
            let mut pictures = [(STRIDE, vec![0; STRIDE * 200]), (1100, vec![0; 1100 * 200])];
            let mut frame = || {
                out.clear();
                compressor.compress(compression, source, layout, 0..200, &mut out).unwrap();
                for (stride, picture) in &mut pictures {
                    let into =
                        Target { data: picture, stride: *stride, row_bytes: STRIDE, rows: 200 };
                    decompressor.decompress(compression, &out, STRIDE, into).unwrap();
                }
            };
            let first = allocation_counter::measure(&mut frame);
            assert!(first.count_total > 0, "the counter counts nothing");
            let next = allocation_counter::measure(|| (0..3).for_each(|_| frame()));
            assert_eq!(next.count_total, 0, "{compression}, {source:.0?}");
        }
    }
}
