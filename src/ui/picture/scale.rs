//! Box filter: each sample of the small plane is the mean of the area it covers.
//!
//! Goes from a plane of a picture straight to the samples of the cells. Rows are summed
//! first, column by column (the compiler turns that into vector code), then columns; all in
//! whole numbers, exact to a 4096th.

/// Weights of one sample add up to this: 255 times its square still fits 32 bits.
const ONE: f64 = 4096.0;
/// Half of the last step, to round and not to cut.
const HALF: u32 = 1 << 23;

/// Which samples of a line a sample of the small line is made of.
#[derive(Clone, Copy, Debug)]
struct Span {
    first: usize,
    weights: usize,
    count: usize,
}

/// How a line of samples is made smaller (or larger).
#[derive(Debug, Default)]
pub struct Axis {
    spans: Vec<Span>,
    weights: Vec<u32>,
}

impl Axis {
    /// Divides the stretch `from..to` of a line of `length` samples into `count` samples.
    #[must_use]
    pub fn new((from, to): (f32, f32), count: usize, length: usize) -> Self {
        let mut axis = Self::default();
        if length == 0 {
            return axis;
        }
        let (from, step) = (f64::from(from), f64::from(to - from) / count.max(1) as f64);
        for index in 0..count {
            let low = (from + step * index as f64).clamp(0.0, length as f64);
            let high = (from + step * (index + 1) as f64).clamp(low, length as f64);
            axis.push(low, high, length);
        }
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
            let until = if sample + 1 == last { ONE } else { (covered / width * ONE).round() };
            let until = (until as u32).max(before);
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
    sums: &mut Vec<u32>,
) -> Vec<u8> {
    let (left, right) = columns.range();
    let mut out = Vec::with_capacity(columns.spans.len() * rows.spans.len());
    for span in &rows.spans {
        sums.clear();
        sums.resize(right - left, 0);
        let weights = rows.weights.get(span.weights..span.weights + span.count).unwrap_or(&[]);
        for (row, &weight) in (span.first..).zip(weights) {
            let line = source.get(row * width + left..row * width + right).unwrap_or(&[]);
            for (sum, &sample) in sums.iter_mut().zip(line) {
                *sum += u32::from(sample) * weight;
            }
        }
        for span in &columns.spans {
            let from = span.first - left;
            let samples = sums.get(from..from + span.count).unwrap_or(&[]);
            let weights =
                columns.weights.get(span.weights..span.weights + span.count).unwrap_or(&[]);
            let total: u32 = samples.iter().zip(weights).map(|(&sum, &weight)| sum * weight).sum();
            out.push(((total + HALF) >> 24) as u8);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scaled(source: &[u8], size: (usize, usize), to: (usize, usize)) -> Vec<u8> {
        let columns = Axis::new((0.0, size.0 as f32), to.0, size.0);
        let rows = Axis::new((0.0, size.1 as f32), to.1, size.1);
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
