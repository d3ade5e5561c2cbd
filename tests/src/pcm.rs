//! H.264 streams made by hand, of kinds that no encoder at hand makes: fields in packets of their
//! own, and pictures out of order without a word in the SPS about how far. Every macroblock is I_PCM
//! (H.264 7.3.5), so that each picture has one level and a decoder has nothing to get wrong.

/// Of the pictures, in pixels.
pub const SIZE: (u32, u32) = (32, 32);

/// One frame or field, in decoding order.
#[derive(Debug, Clone, Copy)]
pub struct Picture {
    /// When it is shown, in frames.
    pub pts: i64,
    /// Of every luma sample.
    pub level: u8,
    /// Whether others may refer to it.
    pub reference: bool,
    /// `None`: a frame, else whether it is the bottom field. The two of a frame follow each other.
    pub bottom_field: Option<bool>,
}

/// How samples are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Samples {
    /// 4:2:0 with 8 bits.
    Plain,
    /// 4:2:2 with so many bits: 8 or 10.
    Tall(u32),
}

impl Samples {
    fn bits(self) -> u32 {
        match self {
            Samples::Plain => 8,
            Samples::Tall(bits) => bits,
        }
    }

    /// A luma sample, in its bits.
    pub fn luma(self, picture: &Picture) -> u32 {
        u32::from(picture.level) << (self.bits() - 8) | (self.bits() - 8)
    }

    /// The chroma samples of a row: Cb with `which` 0, Cr with 1.
    pub fn chroma(self, which: u32, row: u32) -> u32 {
        match self {
            Samples::Plain => 100,
            // Rows of a macroblock differ.
            Samples::Tall(bits) => (60 + 80 * which + row % 16) << (bits - 8) | which,
        }
    }
}

/// Each frame or field as Annex B, parameter sets and an IDR picture in the first.
pub fn packets(pictures: &[Picture]) -> Vec<Vec<u8>> {
    packets_of(Samples::Plain, pictures)
}

/// The same of other samples.
pub fn packets_of(samples: Samples, pictures: &[Picture]) -> Vec<Vec<u8>> {
    let fields = pictures.iter().any(|picture| picture.bottom_field.is_some());
    let (mut frame_num, mut second_field) = (0, false);
    let packet = |(at, picture): (usize, &Picture)| {
        let mut packet = Vec::new();
        if at == 0 {
            packet.extend([sps_of(samples, SIZE, fields), pps()].concat());
        }
        let place = Place { idr: at == 0, fields, frame_num, second_field };
        packet.extend(slice(samples, picture, place));
        second_field = picture.bottom_field.is_some() && !second_field;
        if picture.reference && !second_field {
            frame_num = (frame_num + 1) % 16;
        }
        packet
    };
    pictures.iter().enumerate().map(packet).collect()
}

/// A Main profile SPS without video usability information.
pub fn sps(size: (u32, u32), fields: bool) -> Vec<u8> {
    sps_of(Samples::Plain, size, fields)
}

fn sps_of(samples: Samples, (width, height): (u32, u32), fields: bool) -> Vec<u8> {
    let mut bits = Bits::default();
    match samples {
        Samples::Plain => bits.u(8, 77).u(8, 0).u(8, 30).ue(0),
        // High 4:2:2; chroma_format_idc, both depths, neither lossless nor matrices.
        Samples::Tall(depth) => {
            let bits = bits.u(8, 122).u(8, 0).u(8, 30).ue(0);
            bits.ue(2).ue(depth - 8).ue(depth - 8).u(2, 0)
        }
    };
    // Four bits of frame_num; type 0, with eight bits.
    bits.ue(0).ue(0).ue(4);
    // Four reference frames, no gaps.
    bits.ue(4).u(1, 0);
    bits.ue(width / 16 - 1).ue(height / if fields { 32 } else { 16 } - 1);
    if fields {
        // No macroblock-adaptive ones.
        bits.u(2, 0);
    } else {
        bits.u(1, 1);
    }
    // direct_8x8_inference; neither cropping nor VUI.
    bits.u(1, 1).u(2, 0);
    bits.nal(0x67)
}

fn pps() -> Vec<u8> {
    let mut bits = Bits::default();
    // CAVLC; one slice group, one reference each; no weights; three times 0; deblocking can be off.
    bits.ue(0).ue(0).u(2, 0).ue(0).ue(0).ue(0).u(3, 0).ue(0).ue(0).ue(0).u(3, 0b100);
    bits.nal(0x68)
}

/// Where in its stream a picture is.
struct Place {
    idr: bool,
    /// The stream may have fields.
    fields: bool,
    frame_num: u32,
    /// The picture is the second of a frame.
    second_field: bool,
}

fn slice(samples: Samples, picture: &Picture, place: Place) -> Vec<u8> {
    let Place { idr, fields, frame_num, second_field } = place;
    let mut bits = Bits::default();
    bits.ue(0).ue(7).ue(0).u(4, frame_num);
    if fields {
        bits.u(1, picture.bottom_field.is_some().into());
        if let Some(bottom) = picture.bottom_field {
            bits.u(1, bottom.into());
        }
    }
    if idr {
        bits.ue(0);
    }
    let order = 2 * picture.pts + i64::from(second_field);
    bits.u(8, order as u32 % 256);
    match (idr, picture.reference) {
        (true, _) => bits.u(2, 0),
        (false, true) => bits.u(1, 0),
        (false, false) => &mut bits,
    };
    // The quantiser stays; no deblocking.
    bits.ue(0).ue(1);
    let rows = SIZE.1 / if picture.bottom_field.is_some() { 32 } else { 16 };
    for _ in 0..SIZE.0 / 16 * rows {
        bits.ue(25).align();
        (0..256).for_each(|_| {
            bits.u(samples.bits(), samples.luma(picture));
        });
        let rows = if samples == Samples::Plain { 8 } else { 16 };
        for (which, row) in (0..2).flat_map(|which| (0..rows).map(move |row| (which, row))) {
            (0..8).for_each(|_| {
                bits.u(samples.bits(), samples.chroma(which, row));
            });
        }
    }
    bits.nal(if idr { 0x65 } else { 0x01 | u8::from(picture.reference) << 6 })
}

#[derive(Default)]
struct Bits(Vec<bool>);

impl Bits {
    fn u(&mut self, len: u32, value: u32) -> &mut Self {
        self.0.extend((0..len).rev().map(|bit| value >> bit & 1 == 1));
        self
    }

    fn ue(&mut self, value: u32) -> &mut Self {
        let len = (value + 1).ilog2();
        self.u(len, 0).u(len + 1, value + 1)
    }

    fn align(&mut self) {
        self.0.resize(self.0.len().next_multiple_of(8), false);
    }

    /// With start code, trailing bits, and emulation prevention.
    fn nal(mut self, header: u8) -> Vec<u8> {
        self.u(1, 1).align();
        let mut nal = vec![0, 0, 0, 1, header];
        let mut zeros = 0;
        for bits in self.0.chunks(8) {
            let byte = bits.iter().fold(0, |byte, bit| byte << 1 | u8::from(*bit));
            if zeros == 2 && byte <= 3 {
                nal.push(3);
                zeros = 0;
            }
            zeros = if byte == 0 { zeros + 1 } else { 0 };
            nal.push(byte);
        }
        nal
    }
}
