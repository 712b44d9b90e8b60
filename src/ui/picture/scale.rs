//! Box filter: each sample of the small plane is the mean of the area it covers.
//!
//! Goes from a plane of a picture straight to the samples of the cells. Rows are summed
//! first, column by column, in 16 bits, which the compiler turns into vector code for any
//! processor; then columns, of which few are left.

/// Weights of the rows that make one sample add up to this: 255 times as much fits 16 bits.
const ROWS_ONE: f64 = 256.0;
/// The same of columns.
const COLUMNS_ONE: f64 = 4096.0;
/// Bits of both together.
const SHIFT: u32 = 20;

/// How a line of samples is made smaller (or larger): each sample of the small line is made of
/// the same number of neighbours, of which some may count for nothing.
#[derive(Debug, Default)]
pub struct Axis {
    /// The first neighbour of each sample.
    firsts: Vec<usize>,
    /// The weights of the neighbours, `taps` for each sample.
    weights: Vec<u16>,
    taps: usize,
    /// All of them count as much.
    even: bool,
}

impl Axis {
    /// Divides the stretch `from..to` of rows of `length` samples into `count` samples.
    #[must_use]
    pub fn across(stretch: (f32, f32), count: usize, length: usize) -> Self {
        Self::new(stretch, count, length, COLUMNS_ONE)
    }

    /// The same for columns.
    #[must_use]
    pub fn down(stretch: (f32, f32), count: usize, length: usize) -> Self {
        Self::new(stretch, count, length, ROWS_ONE)
    }

    fn new((from, to): (f32, f32), count: usize, length: usize, one: f64) -> Self {
        if length == 0 || count == 0 {
            return Self::default();
        }
        let (from, step) = (f64::from(from), f64::from(to - from) / count as f64);
        let stretch = |index: usize| {
            let low = (from + step * index as f64).clamp(0.0, length as f64);
            let high = (from + step * (index + 1) as f64).clamp(low, length as f64);
            (low, high)
        };
        let ends = |(low, high): (f64, f64)| {
            let first = (low as usize).min(length - 1);
            (first, (high.ceil() as usize).clamp(first + 1, length))
        };
        let taps = (0..count).map(|index| ends(stretch(index))).map(|(first, last)| last - first);
        let taps = taps.max().unwrap_or(1);
        let mut axis = Self {
            firsts: Vec::with_capacity(count),
            weights: vec![0; count * taps],
            taps,
            even: false,
        };
        for (index, weights) in axis.weights.chunks_exact_mut(taps).enumerate() {
            let (first, last) = ends(stretch(index));
            // At the end of the line, those before the first count for nothing, elsewhere those
            // after the last.
            let start = first.min(length - taps);
            axis.firsts.push(start);
            weigh(&mut weights[first - start..last - start], first, stretch(index), one);
        }
        axis.even = axis.weights.iter().all(|weight| Some(weight) == axis.weights.first());
        axis
    }

    /// The first sample that matters and the one after the last.
    fn range(&self) -> (usize, usize) {
        let first = self.firsts.first().copied().unwrap_or(0);
        let last = self.firsts.last().map_or(0, |last| last + self.taps);
        (first, last)
    }

    /// The first neighbour of each sample, and the weights.
    fn samples(&self) -> impl Iterator<Item = (usize, &[u16])> {
        self.firsts.iter().copied().zip(self.weights.chunks_exact(self.taps.max(1)))
    }
}

/// Says how much of each sample from `first` on lies between `low` and `high`.
fn weigh(weights: &mut [u16], first: usize, (low, high): (f64, f64), one: f64) {
    let width = (high - low).max(f64::MIN_POSITIVE);
    // Rounding the running sum and not each weight keeps the total exact.
    let (mut before, last) = (0, weights.len() - 1);
    for (index, weight) in weights.iter_mut().enumerate() {
        let covered = ((first + index + 1) as f64).min(high) - low;
        // Positive: adding a half rounds.
        let until = if index == last { one } else { covered / width * one + 0.5 };
        let until = (until as u16).max(before);
        *weight = until - before;
        before = until;
    }
}

/// Makes one plane smaller. `sums` is scratch space that may be used again.
pub fn plane(
    source: &[u8],
    width: usize,
    columns: &Axis,
    rows: &Axis,
    sums: &mut Vec<u16>,
) -> Vec<u8> {
    let (left, right) = columns.range();
    let mut out = vec![0; columns.firsts.len() * rows.firsts.len()];
    let lines = out.chunks_exact_mut(columns.firsts.len().max(1));
    sums.resize(right - left, 0);
    for (line, (first, weights)) in lines.zip(rows.samples()) {
        match rows.taps {
            2 if rows.even => add_even::<2>(sums, source, first * width + left, width),
            4 if rows.even => add_even::<4>(sums, source, first * width + left, width),
            8 if rows.even => add_even::<8>(sums, source, first * width + left, width),
            _ => {
                sums.fill(0);
                for (row, &weight) in (first..).zip(weights) {
                    add(sums, source.get(row * width + left..).unwrap_or(&[]), weight);
                }
            }
        }
        match columns.taps {
            2 if columns.even => means::<2>(sums, line),
            4 if columns.even => means::<4>(sums, line),
            8 if columns.even => means::<8>(sums, line),
            _ => weighted_means(sums, left, columns, line),
        }
    }
    out
}

/// Adds a row by its weight.
fn add(sums: &mut [u16], row: &[u8], weight: u16) {
    if weight > 0 {
        for (sum, &sample) in sums.iter_mut().zip(row) {
            *sum = sum.wrapping_add(u16::from(sample).wrapping_mul(weight));
        }
    }
}

/// Sums up `COUNT` rows of `width`, of which each counts as much; the first sample is `start`.
fn add_even<const COUNT: usize>(sums: &mut [u16], source: &[u8], start: usize, width: usize) {
    let length = sums.len();
    let rows: [&[u8]; COUNT] = std::array::from_fn(|row| {
        let start = start + row * width;
        source.get(start..start + length).unwrap_or(&[])
    });
    // All of them are that long: said once, it need not be asked for each sample.
    if rows.iter().any(|row| row.len() != length) {
        return;
    }
    for (column, sum) in sums.iter_mut().enumerate() {
        *sum = rows.iter().map(|row| u16::from(row[column])).sum::<u16>()
            * (ROWS_ONE as u16 / COUNT as u16);
    }
}

/// The mean of each `COUNT` sums.
fn means<const COUNT: usize>(sums: &[u16], line: &mut [u8]) {
    let one = ROWS_ONE as u32 * COUNT as u32;
    for (sample, sums) in line.iter_mut().zip(sums.as_chunks::<COUNT>().0) {
        let total: u32 = sums.iter().map(|&sum| u32::from(sum)).sum();
        *sample = ((total + one / 2) / one) as u8;
    }
}

/// The weighted means of sums, of which the first is that of column `left`.
fn weighted_means(sums: &[u16], left: usize, columns: &Axis, line: &mut [u8]) {
    for (sample, (first, weights)) in line.iter_mut().zip(columns.samples()) {
        let sums = sums.get(first - left..).unwrap_or(&[]);
        let products = sums.iter().zip(weights);
        let total: u32 = products.map(|(&sum, &weight)| u32::from(sum) * u32::from(weight)).sum();
        *sample = ((total + (1 << (SHIFT - 1))) >> SHIFT) as u8;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scaled(source: &[u8], size: (usize, usize), to: (usize, usize)) -> Vec<u8> {
        let columns = Axis::across((0.0, size.0 as f32), to.0, size.0);
        let rows = Axis::down((0.0, size.1 as f32), to.1, size.1);
        plane(source, size.0, &columns, &rows, &mut Vec::new())
    }

    #[test]
    fn the_mean_of_what_is_covered() {
        assert_eq!(scaled(&[0, 100, 200, 100], (4, 1), (2, 1)), [50, 150]);
        assert_eq!(scaled(&[0, 90, 180], (3, 1), (2, 1)), [30, 150]);
        assert_eq!(scaled(&[10, 20, 30, 40], (2, 2), (1, 1)), [25]);
        assert_eq!(scaled(&[10, 20], (2, 1), (4, 1)), [10, 10, 20, 20]);
        assert_eq!(scaled(&[7], (1, 1), (3, 2)), [7; 6]);
    }

    #[test]
    fn a_plain_plane_stays_what_it_is_at_any_size() {
        for value in [0, 1, 127, 254, 255] {
            for (size, to) in [((37, 91), (13, 17)), ((8192, 3), (1, 2)), ((5, 4), (61, 43))] {
                let source = vec![value; size.0 * size.1];
                assert!(scaled(&source, size, to).iter().all(|&sample| sample == value));
            }
        }
    }
}
