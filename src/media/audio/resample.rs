//! Changes the sample rate of a stream.
//!
//! A windowed-sinc interpolator with a table of phases. It takes any number of samples at a
//! time, needs no blocks, and its ratio can be trimmed while it runs, which is how a device
//! whose clock drifts is followed.

use std::f64::consts::PI;

/// Zero crossings of the sinc on either side of its centre.
const ZERO_CROSSINGS: usize = 24;
/// Positions between two input samples for which taps are stored; between them they are
/// interpolated, with an error below -100 dB.
const PHASES: usize = 512;
/// Kaiser window: more than 80 dB of rejection.
const KAISER_BETA: f64 = 8.6;
/// Where the passband ends, relative to the lower of the two Nyquist frequencies.
const PASSBAND: f64 = 0.92;

/// Streaming converter for one channel.
#[derive(Debug)]
pub struct Resampler {
    /// Taps of phase p start at `p * taps`; one phase more than [`PHASES`], for interpolation.
    table: Vec<f32>,
    taps: usize,
    /// Input samples for each output sample.
    step: f64,
    trim: f64,
    /// Input that is still needed.
    history: Vec<f32>,
    /// Position of the next output sample in `history`.
    position: f64,
    identity: bool,
}

impl Resampler {
    /// A converter from `from` to `to` samples per second; rates of 0 count as 1.
    #[must_use]
    pub fn new(from: u32, to: u32) -> Self {
        let (from, to) = (f64::from(from.max(1)), f64::from(to.max(1)));
        let cutoff = (to / from).min(1.0);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 24 and 24 times the largest ratio of two rates"
        )]
        let half = (ZERO_CROSSINGS as f64 / cutoff).ceil() as usize;
        let taps = 2 * half;
        let mut resampler = Self {
            table: Vec::new(),
            taps,
            step: from / to,
            trim: 1.0,
            history: vec![0.0; half],
            position: 0.0,
            identity: from == to,
        };
        if !resampler.identity {
            resampler.table = table(half, cutoff * PASSBAND);
        }
        resampler
    }

    /// Runs faster (above 1) or slower than nominal. No effect where the rates are the same.
    pub fn set_trim(&mut self, trim: f64) {
        self.trim = trim.clamp(0.9, 1.1);
    }

    /// Converts `input` and appends the result to `out`.
    pub fn process(&mut self, input: &[f32], out: &mut Vec<f32>) {
        if self.identity {
            out.extend_from_slice(input);
            return;
        }
        self.history.extend_from_slice(input);
        let step = self.step * self.trim;
        loop {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "the position is within the history"
            )]
            let whole = self.position as usize;
            let Some(window) = self.history.get(whole..whole + self.taps) else { break };
            out.push(self.interpolate(window, self.position - whole as f64));
            self.position += step;
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the position is at most a step past the history"
        )]
        let done = (self.position as usize).min(self.history.len());
        self.history.drain(..done);
        self.position -= done as f64;
    }

    /// Appends what is still inside to `out`, as if silence followed.
    pub fn finish(&mut self, out: &mut Vec<f32>) {
        if !self.identity {
            self.process(&vec![0.0; self.taps / 2], out);
        }
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
