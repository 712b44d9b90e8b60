//! Changes the sample rate of a stream.
//!
//! A windowed-sinc interpolator with a table of phases. It takes any number of samples at a
//! time, needs no blocks, and its ratio can be trimmed while it runs, which is how a device
//! whose clock drifts is followed.

use std::f64::consts::PI;

/// Zero crossings of the sinc on either side of its centre.
const ZERO_CROSSINGS: usize = 32;
/// Positions between two input samples for which taps are stored; between them they are
/// interpolated, with an error below -100 dB.
const PHASES: usize = 512;
/// Kaiser window: more than 80 dB of rejection.
const KAISER_BETA: f64 = 8.6;
/// Where the passband ends, relative to the lower of the two Nyquist frequencies.
const PASSBAND: f64 = 0.92;

/// Parts that an output sample's step is counted in, so that trimming is exact to 1e-6 and
/// time never drifts by rounding.
const FINENESS: u32 = 1 << 20;

/// Streaming converter for one channel. Its output is not delayed against its input, only the
/// last half millisecond or so of it comes with the next input.
#[derive(Debug)]
pub struct Resampler {
    /// Taps of phase p start at `p * taps`; one phase more than [`PHASES`], for interpolation.
    table: Vec<f32>,
    taps: usize,
    from: u32,
    /// Length of one input sample, in the unit of `position`.
    unit: u64,
    /// Length of one output sample, in the unit of `position`.
    step: u64,
    /// Input that is still needed.
    history: Vec<f32>,
    /// Where the window of the next output sample starts in `history`.
    position: u64,
    identity: bool,
}

impl Resampler {
    /// A converter from `from` to `to` samples per second; rates of 0 count as 1.
    #[must_use]
    pub fn new(from: u32, to: u32) -> Self {
        let (from, to) = (from.max(1), to.max(1));
        let cutoff = (f64::from(to) / f64::from(from)).min(1.0);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 32 and 32 times the largest ratio of two rates"
        )]
        let half = (ZERO_CROSSINGS as f64 / cutoff).ceil() as usize;
        let identity = from == to;
        Self {
            table: if identity { Vec::new() } else { table(half, cutoff * PASSBAND) },
            taps: 2 * half,
            from,
            unit: u64::from(to) * u64::from(FINENESS),
            step: u64::from(from) * u64::from(FINENESS),
            history: vec![0.0; half - 1],
            position: 0,
            identity,
        }
    }

    /// Reads its input faster (above 1) or slower than nominal. No effect where the rates are
    /// the same.
    pub fn set_trim(&mut self, trim: f64) {
        let step = f64::from(self.from) * f64::from(FINENESS) * trim.clamp(0.9, 1.1);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "below 2^53 for any 32-bit rate"
        )]
        let step = step.round() as u64;
        self.step = step.max(1);
    }

    /// Converts `input` and appends the result to `out`.
    pub fn process(&mut self, input: &[f32], out: &mut Vec<f32>) {
        if self.identity {
            out.extend_from_slice(input);
            return;
        }
        self.history.extend_from_slice(input);
        loop {
            let whole = self.whole();
            let Some(window) = self.history.get(whole..whole.saturating_add(self.taps)) else {
                break;
            };
            let fraction = (self.position % self.unit) as f64 / self.unit as f64;
            out.push(self.interpolate(window, fraction));
            self.position += self.step;
        }
        let done = self.whole().min(self.history.len());
        self.history.drain(..done);
        self.position -= self.unit * done as u64;
    }

    /// Appends what is still inside to `out`, as if silence followed.
    pub fn finish(&mut self, out: &mut Vec<f32>) {
        if !self.identity {
            self.process(&vec![0.0; self.taps / 2], out);
        }
    }

    fn whole(&self) -> usize {
        usize::try_from(self.position / self.unit).unwrap_or(usize::MAX)
    }

    fn interpolate(&self, window: &[f32], fraction: f64) -> f32 {
        let phase = fraction * PHASES as f64;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "0 to the number of phases"
        )]
        let row = (phase as usize).min(PHASES - 1);
        #[expect(clippy::cast_possible_truncation, reason = "0 to 1")]
        let blend = (phase - row as f64) as f32;
        let rows = self.table.get(row * self.taps..(row + 2) * self.taps).unwrap_or_default();
        let (low, high) = rows.split_at(rows.len() / 2);
        let taps = low.iter().zip(high).map(|(low, high)| low + blend * (high - low));
        window.iter().zip(taps).map(|(sample, tap)| sample * tap).sum()
    }
}

/// Taps for each phase: a sinc cut off at `cutoff` of the input's Nyquist frequency.
fn table(half: usize, cutoff: f64) -> Vec<f32> {
    let taps = 2 * half;
    let mut table = Vec::with_capacity((PHASES + 1) * taps);
    for phase in 0..=PHASES {
        let fraction = phase as f64 / PHASES as f64;
        let row: Vec<f64> = (0..taps)
            .map(|tap| {
                let x = tap as f64 - (half as f64 - 1.0) - fraction;
                sinc(x * cutoff) * kaiser(x / half as f64)
            })
            .collect();
        // Every phase passes a constant with the same gain, or it would hum.
        let sum: f64 = row.iter().sum();
        #[expect(clippy::cast_possible_truncation, reason = "taps are small numbers")]
        table.extend(row.iter().map(|tap| (tap / sum) as f32));
    }
    table
}

fn sinc(x: f64) -> f64 {
    if x == 0.0 { 1.0 } else { (PI * x).sin() / (PI * x) }
}

fn kaiser(x: f64) -> f64 {
    if x.abs() >= 1.0 {
        0.0
    } else {
        bessel(KAISER_BETA * (1.0 - x * x).sqrt()) / bessel(KAISER_BETA)
    }
}

/// Modified Bessel function of the first kind, order zero, by its power series.
fn bessel(x: f64) -> f64 {
    let quarter = x * x / 4.0;
    let mut term = 1.0;
    let mut sum = 1.0;
    for k in 1..40 {
        term *= quarter / f64::from(k * k);
        sum += term;
    }
    sum
}
