//! Pictures of any bytes come back as they were, and every set of instructions writes the same.
//!
//! Input: format, width, height, options by bits, slices wanted; then the samples of the frames, which
//! repeat where there are not enough.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vtremote_planes::vtz::{
    Decoder, Encoder, Format, Geometry, Isa, Method, Options, SliceDecoder, SliceEncoder,
};
use vtremote_planes::{Source, Target, slices};

fuzz_target!(|input: &[u8]| {
    let [format, width, height, options, wanted, samples @ ..] = input else { return };
    let Some(format) = Format::from_wire(format % 5 + 1) else { return };
    let geometry = Geometry { format, width: (width % 100).into(), height: (height % 70).into() };
    let bit = |at: u8| options >> at & 1 == 1;
    let method = if bit(0) { Method::Bits } else { Method::Huffman };
    let options = Options { method, temporal: bit(1), keep: bit(2) };
    let clean = bit(3);
    let mut all = Isa::all()
        .iter()
        .map(|&isa| send(geometry, isa, options, clean, usize::from(*wanted) % 5, samples));
    let first = all.next().expect("there is always the reference");
    assert!(all.all(|sent| sent == first));
});

/// What goes over the wire for three frames.
fn send(
    geometry: Geometry,
    isa: Isa,
    options: Options,
    clean: bool,
    wanted: usize,
    samples: &[u8],
) -> Option<Vec<u8>> {
    let mut encoder = Encoder::with_isa(geometry, isa).ok()?;
    let mut decoder = Decoder::with_isa(geometry, isa).ok()?;
    let (mut writer, mut reader) = (SliceEncoder::new(), SliceDecoder::new());
    let mut sent = Vec::new();
    let mut samples = samples.iter().copied().cycle();
    for _ in 0..3 {
        let frame = encoder.begin(options);
        let start = sent.len();
        encoder.head(&frame, &mut sent);
        let reading = decoder.begin(&sent[start..], frame.is_temporal()).expect("our own head");
        let tables = encoder.tables();
        for plane in 0..geometry.format.planes() {
            let layout = geometry.layout(plane);
            let mut picture: Vec<u8> =
                (0..layout.row_bytes * layout.rows).map(|_| samples.next().unwrap_or(7)).collect();
            if clean && geometry.format.is_ten_bit() {
                picture.iter_mut().step_by(2).for_each(|low| *low &= 0xc0);
            }
            let source = Source::Rows { data: &picture, stride: layout.row_bytes };
            for rows in slices(layout, wanted) {
                writer.predict(&frame, &source, plane, rows.clone()).expect("a slice of ours");
                let start = sent.len();
                let mode = writer.pack(&tables, &source, &mut sent).expect("the same");
                let mut back = vec![0; layout.row_bytes * rows.len()];
                let into = Target {
                    data: &mut back,
                    stride: layout.row_bytes,
                    row_bytes: layout.row_bytes,
                    rows: rows.len(),
                };
                reader
                    .decode(&reading, plane, mode, rows.clone(), &sent[start..], into)
                    .expect("a slice that we wrote");
                assert_eq!(
                    back,
                    &picture[rows.start * layout.row_bytes..rows.end * layout.row_bytes]
                );
            }
            encoder.learn(&frame);
        }
    }
    Some(sent)
}
