use crate::RowsMut;
use std::io::IoSliceMut;

/// So many rows are read with one call at most where they are not next to each other.
const ROWS_AT_ONCE: usize = 64;

/// Rows that come as a stream of bytes, perhaps with another stride, on their way into a picture.
#[derive(Debug)]
pub struct RawRows {
    rows: RowsMut,
    /// Bytes from one row to the next as they come.
    stride: usize,
    /// Bytes that have come.
    at: usize,
}

impl RawRows {
    /// For `rows` that come `stride` bytes apart.
    pub fn new(rows: RowsMut, stride: usize) -> Self {
        RawRows { rows, stride, at: 0 }
    }

    /// The next bytes that came. Padding, and what lies beyond the rows, is dropped.
    pub fn put(&mut self, mut bytes: &[u8]) {
        let (row_bytes, picture_stride) = (self.rows.row_bytes(), self.rows.stride());
        while !bytes.is_empty() {
            let (row, column) = (self.at / self.stride, self.at % self.stride);
            let here = (self.stride - column).min(bytes.len());
            if column < row_bytes {
                let wanted = here.min(row_bytes - column);
                let start = row * picture_stride + column;
                if let Some(to) = self.rows.bytes().get_mut(start..start + wanted) {
                    to.copy_from_slice(&bytes[..wanted]);
                }
            }
            self.at += here;
            bytes = &bytes[here..];
        }
    }

    /// The memory that the next `limit` bytes to come belong in, in order, as far as the layouts
    /// agree and one call reaches; nothing where bytes must pass through a buffer.
    pub fn direct<'a>(&'a mut self, limit: usize, into: &mut impl Extend<IoSliceMut<'a>>) {
        let (row_bytes, picture_stride) = (self.rows.row_bytes(), self.rows.stride());
        let (stride, at) = (self.stride, self.at);
        let memory = self.rows.bytes();
        if stride == picture_stride {
            let end = memory.len().min(at.saturating_add(limit));
            into.extend(memory.get_mut(at..end).map(IoSliceMut::new));
        } else if stride == row_bytes {
            let mut column = at % stride;
            let mut left = limit;
            let start = (at / stride).saturating_mul(picture_stride).min(memory.len());
            for row in memory[start..].chunks_mut(picture_stride).take(ROWS_AT_ONCE) {
                let end = row_bytes.min(row.len()).min(column + left);
                if end <= column {
                    break;
                }
                left -= end - column;
                into.extend([IoSliceMut::new(&mut row[column..end])]);
                column = 0;
            }
        }
    }

    /// Bytes were read into [`RawRows::direct`]'s memory.
    pub fn filled(&mut self, bytes: usize) {
        self.at += bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{PlaneMemory, PlaneShape};
    use std::sync::Arc;

    const SHAPE: PlaneShape = PlaneShape { row_bytes: 5, rows: 4 };

    fn wire(stride: usize) -> Vec<u8> {
        let byte = |row: usize, column: usize| {
            if column < SHAPE.row_bytes { (row * 10 + column) as u8 } else { 0xee }
        };
        (0..SHAPE.rows).flat_map(|row| (0..stride).map(move |column| byte(row, column))).collect()
    }

    fn visible(plane: &Arc<PlaneMemory>) -> Vec<u8> {
        let rows = PlaneMemory::read(plane).unwrap();
        let visible = rows.bytes().chunks(rows.stride()).flat_map(|row| &row[..SHAPE.row_bytes]);
        visible.copied().collect()
    }

    #[test]
    fn rows_arrive_whatever_the_strides_and_pieces() {
        for align in [1, 8, 7] {
            for stride in [5, 8, 9] {
                for piece in [1, 3, 64] {
                    let plane = Arc::new(PlaneMemory::allocate(SHAPE, align));
                    let mut rows = RawRows::new(PlaneMemory::lend(&plane, 0..4).unwrap(), stride);
                    wire(stride).chunks(piece).for_each(|piece| rows.put(piece));
                    drop(rows);
                    assert_eq!(visible(&plane), wire(5), "{align} {stride} {piece}");
                }
            }
        }
    }

    #[test]
    fn bytes_read_straight_into_the_picture_land_where_put_would_put_them() {
        for (align, stride) in [(1, 5), (8, 5), (8, 8)] {
            for piece in [1, 4, 13, 64] {
                let plane = Arc::new(PlaneMemory::allocate(SHAPE, align));
                let mut rows = RawRows::new(PlaneMemory::lend(&plane, 0..4).unwrap(), stride);
                let wire_bytes = wire(stride);
                let mut left = &wire_bytes[..];
                while !left.is_empty() {
                    let mut slices = Vec::new();
                    rows.direct(left.len().min(piece), &mut slices);
                    let mut taken = 0;
                    for slice in &mut slices {
                        let (now, later) = left.split_at(slice.len());
                        slice.copy_from_slice(now);
                        taken += now.len();
                        left = later;
                    }
                    drop(slices);
                    assert!(taken > 0, "{align} {stride} {piece}");
                    rows.filled(taken);
                }
                drop(rows);
                assert_eq!(visible(&plane), wire(5), "{align} {stride} {piece}");
            }
        }
    }

    #[test]
    fn layouts_that_do_not_agree_pass_through_a_buffer() {
        let plane = Arc::new(PlaneMemory::allocate(SHAPE, 8));
        let mut rows = RawRows::new(PlaneMemory::lend(&plane, 0..4).unwrap(), 9);
        let mut slices = Vec::new();
        rows.direct(100, &mut slices);
        assert!(slices.is_empty());
    }
}
