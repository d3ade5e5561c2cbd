//! A stream in full flow takes nothing from the heap, and works on any threads.

mod vtz_pictures;

use std::sync::{Arc, mpsc};

use vtremote_planes::vtz::{
    Decoder, Encoder, Format, Geometry, Method, Mode, Options, SliceDecoder, SliceEncoder,
};
use vtremote_planes::{Target, Workers, slices};
use vtz_pictures::{Content, Picture};

#[test]
fn a_warm_stream_allocates_nothing() {
    for format in Format::ALL {
        for method in [Method::Bits, Method::Huffman] {
            let geometry = Geometry { format, width: 320, height: 100 };
            let pictures: Vec<Picture> =
                (0..4).map(|at| Picture::new(geometry, Content::Camera, at, 3)).collect();
            let mut encoder = Encoder::new(geometry).unwrap();
            let mut decoder = Decoder::new(geometry).unwrap();
            let (mut writer, mut reader) = (SliceEncoder::new(), SliceDecoder::new());
            let (mut head, mut data) = (Vec::new(), Vec::new());
            let mut back: Vec<Vec<u8>> = pictures[0].planes.clone();
            let mut send = |picture: &Picture| {
                let frame = encoder.begin(Options { method, temporal: true, keep: true });
                head.clear();
                encoder.head(&frame, &mut head);
                let tables = encoder.tables();
                let reading = decoder.begin(&head, frame.is_temporal()).unwrap();
                for (plane, back) in back.iter_mut().enumerate() {
                    let (stride, layout) = (picture.strides[plane], geometry.layout(plane));
                    let source =
                        vtremote_planes::Source::Rows { data: &picture.planes[plane], stride };
                    for rows in slices(layout, 2) {
                        writer.predict(&frame, &source, plane, rows.clone()).unwrap();
                        data.clear();
                        let mode = writer.pack(&tables, &source, &mut data).unwrap();
                        let into = Target {
                            data: &mut back[rows.start * stride..],
                            stride,
                            row_bytes: layout.row_bytes,
                            rows: rows.len(),
                        };
                        reader.decode(&reading, plane, mode, rows, &data, into).unwrap();
                    }
                }
                drop((tables, reading));
                encoder.learn(&frame);
            };
            let first = allocation_counter::measure(|| send(&pictures[0]));
            assert!(first.count_total > 0, "the counter counts nothing");
            // Every picture twice: as the first of its kind, and with tables made new.
            pictures.iter().chain(&pictures).for_each(&mut send);
            let next = allocation_counter::measure(|| pictures.iter().for_each(&mut send));
            assert_eq!(next.count_total, 0, "{format:?}, {method:?}");
        }
    }
}

/// A slice on its way.
struct Slice {
    plane: usize,
    rows: std::ops::Range<usize>,
    mode: Mode,
    data: Vec<u8>,
}

#[test]
fn slices_of_a_frame_are_written_and_read_on_several_threads() {
    let geometry = Geometry { format: Format::Nv12, width: 200, height: 300 };
    let mut encoder = Encoder::new(geometry).unwrap();
    let mut decoder = Decoder::new(geometry).unwrap();
    let workers: Workers = Workers::new("test", 3, 4).unwrap();
    for at in 0..6 {
        let picture = Arc::new(Picture::new(geometry, Content::Camera, at, 0));
        let frame = encoder.begin(Options { method: Method::Huffman, temporal: true, keep: true });
        let mut head = Vec::new();
        encoder.head(&frame, &mut head);
        let (sender, written) = mpsc::channel();
        for plane in 0..2 {
            for rows in slices(geometry.layout(plane), 6) {
                let (frame, tables) = (frame.clone(), encoder.tables());
                let (picture, sender) = (picture.clone(), sender.clone());
                workers.run(Box::new(move |_| {
                    let (mut writer, source) = (SliceEncoder::new(), picture.sources()[plane]);
                    writer.predict(&frame, &source, plane, rows.clone()).unwrap();
                    let mut data = Vec::new();
                    let mode = writer.pack(&tables, &source, &mut data).unwrap();
                    sender.send((Slice { plane, rows, mode, data }, writer)).unwrap();
                }));
            }
        }
        drop(sender);

        // Read as they come, in any order.
        let reading = decoder.begin(&head, frame.is_temporal()).unwrap();
        let (sender, read) = mpsc::channel();
        let mut writers = Vec::new();
        for (slice, writer) in written {
            writers.push(writer);
            let (reading, sender) = (reading.clone(), sender.clone());
            workers.run(Box::new(move |_| {
                let Slice { plane, rows, mode, data } = slice;
                let row_bytes = geometry.layout(plane).row_bytes;
                let mut back = vec![0; row_bytes * rows.len()];
                let into =
                    Target { data: &mut back, stride: row_bytes, row_bytes, rows: rows.len() };
                SliceDecoder::new()
                    .decode(&reading, plane, mode, rows.clone(), &data, into)
                    .unwrap();
                sender.send((plane, rows.start * row_bytes, back)).unwrap();
            }));
        }
        drop(sender);
        let mut count = 0;
        for (plane, start, back) in read {
            assert!(picture.planes[plane][start..start + back.len()] == back);
            count += 1;
        }
        assert_eq!(count, 12);
        encoder.learn(&frame);
    }
    assert_eq!(workers.panics(), 0);
}
