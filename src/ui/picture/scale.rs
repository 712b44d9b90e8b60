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

/// Which samples of a line a sample of the small line is made of.
#[derive(Clone, Copy, Debug)]
struct Span {
    first: usize,
    weights: usize,
    count: usize,
}

/// How a line of samples is made smaller (or larger).
#[derive(Debug)]
pub struct Axis {
    spans: Vec<Span>,
    weights: Vec<u16>,
    one: f64,
    /// The number of samples that each is the plain mean of, if it is the same for all.
    even: Option<usize>,
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
        let mut axis =
            Self { spans: Vec::with_capacity(count), weights: Vec::new(), one, even: None };
        if length == 0 {
            return axis;
        }
        let (from, step) = (f64::from(from), f64::from(to - from) / count.max(1) as f64);
        for index in 0..count {
            let low = (from + step * index as f64).clamp(0.0, length as f64);
            let high = (from + step * (index + 1) as f64).clamp(low, length as f64);
            axis.push(low, high, length);
        }
        let count = axis.spans.first().map_or(0, |span| span.count);
        let same = axis.spans.iter().all(|span| span.count == count);
        let plain = axis.weights.iter().all(|weight| axis.weights.first() == Some(weight));
        axis.even = (same && plain && step >= 1.0).then_some(count);
        axis
    }

    fn push(&mut self, low: f64, high: f64, length: usize) {
        let first = (low as usize).min(length - 1);
        let last = (high.ceil() as usize).clamp(first + 1, length);
        let weights = self.weights.len();
        let width = (high - low).max(f64::MIN_POSITIVE);
        // Rounding the running sum and not each weight keeps the total exact.
        let mut before = 0;
        for sample in first..last {
            let covered = ((sample + 1) as f64).min(high) - low;
            let until =
                if sample + 1 == last { self.one } else { (covered / width * self.one).round() };
            let until = (until as u16).max(before);
            self.weights.push(until - before);
            before = until;
        }
        self.spans.push(Span { first, weights, count: last - first });
    }

    /// The first sample that matters and the one after the last.
    fn range(&self) -> (usize, usize) {
        let first = self.spans.first().map_or(0, |span| span.first);
        let last = self.spans.last().map_or(0, |span| span.first + span.count);
        (first, last)
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
    let mut out = Vec::with_capacity(columns.spans.len() * rows.spans.len());
    for span in &rows.spans {
        match rows.even {
            Some(2) => add::<2>(source, width, span.first, (left, right), sums),
            Some(4) => add::<4>(source, width, span.first, (left, right), sums),
            Some(8) => add::<8>(source, width, span.first, (left, right), sums),
            _ => add_weighted(source, width, rows, span, (left, right), sums),
        }
        match columns.even {
            Some(2) => out.extend(means::<2>(sums)),
            Some(4) => out.extend(means::<4>(sums)),
            Some(8) => out.extend(means::<8>(sums)),
            _ => out.extend(columns.spans.iter().map(|span| weighted(columns, span, sums, left))),
        }
    }
    out
}

/// Adds up `COUNT` rows from `first` on, each as much as the others.
fn add<const COUNT: usize>(
    source: &[u8],
    width: usize,
    first: usize,
    (left, right): (usize, usize),
    sums: &mut Vec<u16>,
) {
    let rows: [&[u8]; COUNT] = std::array::from_fn(|row| {
        let start = (first + row) * width;
        source.get(start + left..start + right).unwrap_or(&[])
    });
    let length = rows.iter().map(|row| row.len()).min().unwrap_or(0);
    let rows = rows.map(|row| &row[..length]);
    let weight = ROWS_ONE as u16 / COUNT as u16;
    sums.clear();
    sums.extend((0..length).map(|column| {
        let sum: u16 = rows.iter().map(|row| u16::from(row[column])).sum();
        sum.wrapping_mul(weight)
    }));
    sums.resize(right - left, 0);
}

/// Adds up the rows of a span by their weights.
fn add_weighted(
    source: &[u8],
    width: usize,
    rows: &Axis,
    span: &Span,
    (left, right): (usize, usize),
    sums: &mut Vec<u16>,
) {
    sums.clear();
    sums.resize(right - left, 0);
    let weights = rows.weights.get(span.weights..span.weights + span.count).unwrap_or(&[]);
    for (row, &weight) in (span.first..).zip(weights) {
        let line = source.get(row * width + left..row * width + right).unwrap_or(&[]);
        for (sum, &sample) in sums.iter_mut().zip(line) {
            *sum = sum.wrapping_add(u16::from(sample).wrapping_mul(weight));
        }
    }
}

/// The mean of each `COUNT` sums.
fn means<const COUNT: usize>(sums: &[u16]) -> impl Iterator<Item = u8> {
    let half = ROWS_ONE as u32 * COUNT as u32 / 2;
    sums.as_chunks::<COUNT>().0.iter().map(move |sums| {
        let total: u32 = sums.iter().map(|&sum| u32::from(sum)).sum();
        ((total + half) / (ROWS_ONE as u32 * COUNT as u32)) as u8
    })
}

/// The weighted mean of the sums of a span; the first of them is that of column `left`.
fn weighted(columns: &Axis, span: &Span, sums: &[u16], left: usize) -> u8 {
    let from = span.first - left;
    let samples = sums.get(from..from + span.count).unwrap_or(&[]);
    let weights = columns.weights.get(span.weights..span.weights + span.count).unwrap_or(&[]);
    let products = samples.iter().zip(weights);
    let total: u32 = products.map(|(&sum, &weight)| u32::from(sum) * u32::from(weight)).sum();
    ((total + (1 << (SHIFT - 1))) >> SHIFT) as u8
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
