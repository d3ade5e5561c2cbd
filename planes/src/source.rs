use std::ops::Range;

use crate::{Error, interleave};

/// The shape of a plane on the wire, without padding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// Bytes of picture in a row.
    pub row_bytes: usize,
    /// Rows.
    pub rows: usize,
}

/// Where the rows of one wire plane come from: the caller's own memory, in the layout that the
/// caller has. Strides are in bytes. A last row may lack its padding.
#[derive(Debug, Clone, Copy)]
pub enum Source<'a> {
    /// Rows that are already as on the wire: NV12, P010, P210, BGRA, AYUV, and 8-bit luma.
    Rows {
        /// The plane's memory.
        data: &'a [u8],
        /// From one row to the next.
        stride: usize,
    },
    /// Chroma of yuv420p, sent as Cb,Cr pairs.
    Planar8 {
        /// The Cb plane's memory.
        u: &'a [u8],
        /// From one Cb row to the next.
        u_stride: usize,
        /// The Cr plane's memory.
        v: &'a [u8],
        /// From one Cr row to the next.
        v_stride: usize,
    },
    /// Luma of yuv420p10le, sent with its value in the high ten bits.
    Luma10 {
        /// The plane's memory.
        data: &'a [u8],
        /// From one row to the next.
        stride: usize,
    },
    /// Chroma of yuv420p10le, sent as Cb,Cr pairs with their values in the high ten bits.
    Planar10 {
        /// The Cb plane's memory.
        u: &'a [u8],
        /// From one Cb row to the next.
        u_stride: usize,
        /// The Cr plane's memory.
        v: &'a [u8],
        /// From one Cr row to the next.
        v_stride: usize,
    },
}

impl<'a> Source<'a> {
    /// Whether strides and lengths suffice for every row of `layout`.
    ///
    /// Errors: [`Error::PartialSample`], [`Error::Stride`], [`Error::Memory`], all of them the
    /// caller's fault.
    pub fn check(&self, layout: Layout) -> Result<(), Error> {
        let unit = match self {
            Self::Rows { .. } => 1,
            Self::Planar8 { .. } | Self::Luma10 { .. } => 2,
            Self::Planar10 { .. } => 4,
        };
        let Layout { row_bytes, rows } = layout;
        if !row_bytes.is_multiple_of(unit) {
            return Err(Error::PartialSample { row_bytes, unit });
        }
        match *self {
            Self::Rows { data, stride } | Self::Luma10 { data, stride } => {
                check_memory(data, stride, row_bytes, rows)
            }
            Self::Planar8 { u, u_stride, v, v_stride }
            | Self::Planar10 { u, u_stride, v, v_stride } => {
                check_memory(u, u_stride, row_bytes / 2, rows)?;
                check_memory(v, v_stride, row_bytes / 2, rows)
            }
        }
    }

    /// The wire's bytes of `rows` where they lie in the caller's memory as they are, one row right
    /// after the other. `None` if they must be packed or converted.
    ///
    /// # Panics
    /// If [`check`](Self::check) refuses `layout`, or `rows` are not within it.
    pub fn contiguous(&self, layout: Layout, rows: Range<usize>) -> Option<&'a [u8]> {
        match *self {
            Self::Rows { data, stride } if stride == layout.row_bytes => {
                Some(&data[rows.start * stride..rows.end * stride])
            }
            _ => None,
        }
    }

    /// Appends `rows` to `out` as they go over the wire, without padding.
    ///
    /// # Panics
    /// If [`check`](Self::check) refuses `layout`, or `rows` are not within it.
    pub fn copy_rows(&self, layout: Layout, rows: Range<usize>, out: &mut Vec<u8>) {
        if let Some(bytes) = self.contiguous(layout, rows.clone()) {
            return out.extend_from_slice(bytes);
        }
        let start = out.len();
        out.resize(start + layout.row_bytes * rows.len(), 0);
        self.pack(layout, rows, &mut out[start..]);
    }

    /// Fills `out`, which has exactly the size of `rows` without padding.
    pub(crate) fn pack(&self, layout: Layout, rows: Range<usize>, out: &mut [u8]) {
        let Layout { row_bytes, .. } = layout;
        debug_assert_eq!(out.len(), row_bytes * rows.len());
        if row_bytes == 0 {
            return;
        }
        let row = |data: &'a [u8], stride: usize, bytes: usize, row: usize| {
            &data[row * stride..row * stride + bytes]
        };
        let out = rows.zip(out.chunks_exact_mut(row_bytes));
        // The kind of source is settled once a slice, not once a row.
        match *self {
            Self::Rows { data, stride } => {
                out.for_each(|(y, out)| out.copy_from_slice(row(data, stride, row_bytes, y)));
            }
            Self::Luma10 { data, stride } => {
                out.for_each(|(y, out)| interleave::luma10(row(data, stride, row_bytes, y), out));
            }
            Self::Planar8 { u, u_stride, v, v_stride } => out.for_each(|(y, out)| {
                let (u, v) =
                    (row(u, u_stride, row_bytes / 2, y), row(v, v_stride, row_bytes / 2, y));
                interleave::pairs8(u, v, out);
            }),
            Self::Planar10 { u, u_stride, v, v_stride } => out.for_each(|(y, out)| {
                let (u, v) =
                    (row(u, u_stride, row_bytes / 2, y), row(v, v_stride, row_bytes / 2, y));
                interleave::pairs10(u, v, out);
            }),
        }
    }
}

/// Whether `rows` rows of `row_bytes`, `stride` apart, lie within `data`.
pub(crate) fn check_memory(
    data: &[u8],
    stride: usize,
    row_bytes: usize,
    rows: usize,
) -> Result<(), Error> {
    if stride < row_bytes {
        return Err(Error::Stride { stride, row_bytes });
    }
    let needed = match rows {
        0 => 0,
        rows => stride.saturating_mul(rows - 1).saturating_add(row_bytes),
    };
    if data.len() < needed {
        return Err(Error::Memory { needed, given: data.len() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAYOUT: Layout = Layout { row_bytes: 4, rows: 3 };

    #[test]
    fn the_last_row_may_lack_its_padding() {
        let memory = [0; 20];
        let rows = |len: usize| Source::Rows { data: &memory[..len], stride: 8 };
        assert_eq!(rows(20).check(LAYOUT), Ok(()));
        assert_eq!(rows(19).check(LAYOUT), Err(Error::Memory { needed: 20, given: 19 }));
    }

    #[test]
    fn both_chroma_planes_are_checked() {
        let memory = [0; 6];
        let planar = |u: usize, v: usize, v_stride| Source::Planar8 {
            u: &memory[..u],
            u_stride: 2,
            v: &memory[..v],
            v_stride,
        };
        assert_eq!(planar(6, 6, 2).check(LAYOUT), Ok(()));
        assert_eq!(planar(5, 6, 2).check(LAYOUT), Err(Error::Memory { needed: 6, given: 5 }));
        assert_eq!(planar(6, 5, 2).check(LAYOUT), Err(Error::Memory { needed: 6, given: 5 }));
        assert_eq!(planar(6, 6, 1).check(LAYOUT), Err(Error::Stride { stride: 1, row_bytes: 2 }));
    }

    #[test]
    fn half_a_pair_is_refused() {
        let memory = [0; 64];
        let planar = Source::Planar10 { u: &memory, u_stride: 8, v: &memory, v_stride: 8 };
        let layout = Layout { row_bytes: 6, rows: 1 };
        assert_eq!(planar.check(layout), Err(Error::PartialSample { row_bytes: 6, unit: 4 }));
    }

    #[test]
    fn a_size_beyond_the_address_space_is_refused() {
        let source = Source::Rows { data: &[0; 8], stride: usize::MAX };
        let needed = usize::MAX;
        assert_eq!(source.check(LAYOUT), Err(Error::Memory { needed, given: 8 }));
    }

    #[test]
    fn only_rows_without_padding_are_lent() {
        let memory: Vec<u8> = (0..24).collect();
        let packed = Source::Rows { data: &memory, stride: 4 };
        let padded = Source::Rows { data: &memory, stride: 8 };
        assert_eq!(packed.contiguous(LAYOUT, 1..3), Some(&memory[4..12]));
        assert_eq!(padded.contiguous(LAYOUT, 1..3), None);
        let ten = Source::Luma10 { data: &memory, stride: 4 };
        assert_eq!(ten.contiguous(LAYOUT, 0..3), None);
    }

    #[test]
    fn copied_rows_come_after_what_is_there() {
        let memory: Vec<u8> = (0..20).collect();
        let mut out = vec![99];
        Source::Rows { data: &memory, stride: 8 }.copy_rows(LAYOUT, 1..3, &mut out);
        assert_eq!(out, [99, 8, 9, 10, 11, 16, 17, 18, 19]);
    }
}
