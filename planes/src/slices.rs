use std::ops::Range;

use crate::Layout;

/// Rows of a strip. A slice is whole strips, but for what a plane's last strip lacks.
pub const STRIP_ROWS: usize = 16;

/// The most slices that a frame may have.
pub const MAX_SLICES: usize = 64;

/// Luma rows that make a slice of their own: 256 KiB of a 1080p plane, which fits a core's cache.
const ROWS_PER_SLICE: usize = 8 * STRIP_ROWS;

/// Cuts a plane into at most `wanted` slices of whole strips that tile it from the top.
///
/// There is always at least one, and never more than [`MAX_SLICES`] or than the plane has strips.
/// Their sizes differ by a strip at most. A plane without rows is one slice without rows.
pub fn slices(layout: Layout, wanted: usize) -> impl Iterator<Item = Range<usize>> + Clone {
    let Layout { rows, .. } = layout;
    let strips = rows.div_ceil(STRIP_ROWS);
    let count = wanted.min(MAX_SLICES).min(strips).max(1);
    let (each, longer) = (strips / count, strips % count);
    let edge = move |slice: usize| {
        ((slice * each + slice.min(longer)).saturating_mul(STRIP_ROWS)).min(rows)
    };
    (0..count).map(move |slice| edge(slice)..edge(slice + 1))
}

/// How many slices to cut luma and chroma into for a picture of that many luma rows: 8 and 2 at
/// 1080p, 16 and 4 at 2160p, fewer for small pictures, never more than [`MAX_SLICES`] together.
pub fn default_slices(luma_rows: usize) -> (usize, usize) {
    let luma = (luma_rows / ROWS_PER_SLICE).clamp(1, MAX_SLICES / 2);
    (luma, (luma / 4).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Where the slices start, and where the last one ends.
    fn edges(rows: usize, wanted: usize) -> Vec<usize> {
        let mut edges = vec![0];
        for slice in slices(Layout { row_bytes: 1, rows }, wanted) {
            assert_eq!(edges.last(), Some(&slice.start), "{rows} rows, {wanted} wanted");
            edges.push(slice.end);
        }
        edges
    }

    #[test]
    fn a_plane_smaller_than_a_strip_is_one_slice() {
        assert_eq!(edges(1, 8), [0, 1]);
        assert_eq!(edges(16, 8), [0, 16]);
        assert_eq!(edges(17, 8), [0, 16, 17]);
    }

    #[test]
    fn an_empty_plane_and_an_empty_wish_are_one_slice() {
        assert_eq!(edges(0, 8), [0, 0]);
        assert_eq!(edges(100, 0), [0, 100]);
    }

    #[test]
    fn a_1080p_plane_is_eight_slices_of_nearly_equal_size() {
        assert_eq!(edges(1080, 8), [0, 144, 288, 432, 576, 704, 832, 960, 1080]);
    }

    #[test]
    fn defaults_follow_the_height() {
        assert_eq!(default_slices(1080), (8, 2));
        assert_eq!(default_slices(2160), (16, 4));
        assert_eq!(default_slices(720), (5, 1));
        assert_eq!(default_slices(180), (1, 1));
        assert_eq!(default_slices(0), (1, 1));
        assert_eq!(default_slices(usize::MAX), (32, 8));
    }

    proptest! {
        #[test]
        fn slices_are_whole_strips_that_tile_the_plane(rows in 1usize..5000, wanted in 0usize..200) {
            let edges = edges(rows, wanted);
            let (last, inner) = edges.split_last().unwrap();
            prop_assert!((1..=wanted.clamp(1, MAX_SLICES)).contains(&inner.len()));
            prop_assert_eq!(*last, rows);
            prop_assert!(inner.iter().all(|edge| edge % STRIP_ROWS == 0));
            prop_assert!(edges.is_sorted_by(|a, b| a < b));
        }
    }
}
