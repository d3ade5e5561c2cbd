/// Layout of a picture in memory and on the wire; the numbers are docs/protocol.md section 4's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PixelFormat {
    /// 4:2:0, 8 bits: a luma plane and a plane of Cb,Cr pairs.
    Nv12 = 1,
    /// 4:2:0, 10 bits in the high bits of little-endian 16-bit samples, planes as in NV12.
    P010 = 2,
    /// 4:4:4 packed, 8 bits, blue first.
    Bgra = 3,
    /// 4:4:4 packed, 8 bits, alpha first.
    Ayuv = 4,
    /// 4:2:2, samples as in P010.
    P210 = 5,
}

/// A plane without its padding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlaneShape {
    /// Bytes in a row.
    pub row_bytes: usize,
    /// Rows.
    pub rows: usize,
}

impl PixelFormat {
    /// Every format.
    pub const ALL: [Self; 5] = [Self::Nv12, Self::P010, Self::Bgra, Self::Ayuv, Self::P210];

    /// The format's name, as FFmpeg writes it.
    pub fn name(self) -> &'static str {
        match self {
            PixelFormat::Nv12 => "nv12",
            PixelFormat::P010 => "p010le",
            PixelFormat::Bgra => "bgra",
            PixelFormat::Ayuv => "ayuv",
            PixelFormat::P210 => "p210le",
        }
    }

    /// The planes of a picture of this size. Chroma of odd sizes is rounded up, and its rows hold whole
    /// Cb,Cr pairs (docs/protocol.md section 5).
    pub fn planes(self, width: u32, height: u32) -> Vec<PlaneShape> {
        let (width, height) = (width as usize, height as usize);
        let pair_row = 2 * width.div_ceil(2);
        let plane = |row_bytes, rows| PlaneShape { row_bytes, rows };
        match self {
            PixelFormat::Nv12 => vec![plane(width, height), plane(pair_row, height.div_ceil(2))],
            PixelFormat::P010 => {
                vec![plane(2 * width, height), plane(2 * pair_row, height.div_ceil(2))]
            }
            PixelFormat::P210 => vec![plane(2 * width, height), plane(2 * pair_row, height)],
            PixelFormat::Bgra | PixelFormat::Ayuv => vec![plane(4 * width, height)],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chroma_of_odd_sizes_is_rounded_up_to_whole_pairs_and_rows() {
        let planes = PixelFormat::P010.planes(5, 3);
        assert_eq!(planes[0], PlaneShape { row_bytes: 10, rows: 3 });
        assert_eq!(planes[1], PlaneShape { row_bytes: 12, rows: 2 });
    }

    #[test]
    fn chroma_of_422_has_every_row() {
        assert_eq!(PixelFormat::P210.planes(4, 3)[1].rows, 3);
    }
}
