//! Canonical Huffman codes of limited length, sent least significant bit first.

/// The longest code of a symbol.
pub(crate) const MAX_LENGTH: usize = 11;

/// The longest code of a class.
pub(crate) const MAX_CLASS_LENGTH: usize = 8;

/// Gives every symbol a length from 1 to `longest`, so that the code is complete and, but for the
/// limit, of least cost. Weights are 1 at least; there are 2 to 256 of them.
pub(crate) fn lengths(weights: &[u32], longest: usize, lengths: &mut [u8]) {
    let count = weights.len();
    debug_assert!((2..=256).contains(&count) && count <= 1 << longest);
    let mut order = [(0, 0); 256];
    for (at, (entry, &weight)) in order.iter_mut().zip(weights).enumerate() {
        *entry = (weight, at);
    }
    let order = &mut order[..count];
    order.sort_unstable();

    // Leaves by weight, then the nodes over them, which come out by weight too.
    let mut weight = [0_u64; 511];
    let mut parent = [0; 511];
    for (weight, entry) in weight.iter_mut().zip(&*order) {
        *weight = u64::from(entry.0);
    }
    let (mut leaf, mut node) = (0, count);
    for new in count..2 * count - 1 {
        for _ in 0..2 {
            let from = if node >= new || (leaf < count && weight[leaf] <= weight[node]) {
                &mut leaf
            } else {
                &mut node
            };
            weight[new] += weight[*from];
            parent[*from] = new;
            *from += 1;
        }
    }
    let mut depth = [0; 511];
    for at in (0..2 * count - 2).rev() {
        depth[at] = depth[parent[at]] + 1;
    }

    // Cut off, lengthen the rarest until the code fits, then give what is left to the commonest.
    let full = 1_usize << longest;
    let mut used = 0;
    for depth in &mut depth[..count] {
        *depth = (*depth).min(longest);
        used += full >> *depth;
    }
    while used > full {
        for depth in depth[..count].iter_mut().filter(|depth| **depth < longest) {
            *depth += 1;
            used -= full >> *depth;
            if used <= full {
                break;
            }
        }
    }
    for depth in depth[..count].iter_mut().rev() {
        while *depth > 1 && used + (full >> *depth) <= full {
            used += full >> *depth;
            *depth -= 1;
        }
    }
    for (&(_, at), &depth) in order.iter().zip(&depth) {
        lengths[at] = depth as u8;
    }
}

/// Whether these are the lengths of a code in which every sequence of bits means something.
pub(crate) fn is_complete(lengths: &[u8], longest: usize) -> bool {
    let valid = 1..=longest;
    lengths.iter().all(|&length| valid.contains(&length.into()))
        && lengths.iter().map(|&length| 1_usize << (longest - usize::from(length))).sum::<usize>()
            == 1 << longest
}

/// Calls `each` with the index, the code (its first bit the least significant) and the length of
/// every symbol, of which there are at most 256. Codes ascend with length, then with the index; so do
/// the calls.
pub(crate) fn codes(lengths: &[u8], mut each: impl FnMut(usize, u32, u32)) {
    let mut places = [0; 16];
    for &length in lengths {
        places[usize::from(length)] += 1;
    }
    let mut start = 0;
    for place in &mut places {
        start += std::mem::replace(place, start);
    }
    let mut order = [0_u8; 256];
    for (at, &length) in lengths.iter().enumerate() {
        let place = &mut places[usize::from(length)];
        order[*place] = at as u8;
        *place += 1;
    }
    let (mut code, mut before) = (0_u32, 0);
    for &at in &order[..lengths.len()] {
        let length = u32::from(lengths[usize::from(at)]);
        code <<= length - before;
        each(at.into(), code.reverse_bits() >> (u32::BITS - length), length);
        (code, before) = (code + 1, length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cost(weights: &[u32], lengths: &[u8]) -> u64 {
        weights
            .iter()
            .zip(lengths)
            .map(|(&weight, &length)| u64::from(weight * u32::from(length)))
            .sum()
    }

    #[test]
    fn codes_are_complete_at_every_count_and_skew() {
        for count in 2..=256_usize {
            for skew in 0..12 {
                let weights: Vec<u32> =
                    (0..count).map(|at| 1 + ((1 << 24) >> (at * skew / 4).min(24))).collect();
                let mut given = vec![0; count];
                lengths(&weights, MAX_LENGTH, &mut given);
                assert!(is_complete(&given, MAX_LENGTH), "{count} symbols, skew {skew}");
            }
        }
    }

    #[test]
    fn a_code_within_the_limit_costs_the_least() {
        let mut given = [0; 6];
        let weights = [45, 13, 12, 16, 9, 5];
        lengths(&weights, MAX_LENGTH, &mut given);
        assert_eq!((given, cost(&weights, &given)), ([1, 3, 3, 3, 4, 4], 224));
    }

    #[test]
    fn codes_ascend_with_their_length_and_start_with_the_low_bit() {
        let mut all = Vec::new();
        codes(&[2, 1, 3, 3], |at, code, length| all.push((at, code, length)));
        // 10, 0, 110, 111 as they are read.
        assert_eq!(all, [(1, 0b0, 1), (0, 0b01, 2), (2, 0b011, 3), (3, 0b111, 3)]);
    }

    #[test]
    fn incomplete_and_overfull_codes_are_told() {
        assert!(is_complete(&[1, 2, 2], 11));
        assert!(!is_complete(&[1, 2], 11));
        assert!(!is_complete(&[1, 1, 2], 11));
        assert!(!is_complete(&[1, 0, 1], 11));
        assert!(!is_complete(&[1, 2, 12, 12], 11));
        assert!(!is_complete(&[], 11));
    }
}
