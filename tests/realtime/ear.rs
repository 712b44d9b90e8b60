//! Judges a recording by its original: where it fits best, and how well.

use std::path::Path;
use std::process::Command;

use conclave::media::audio::Resampler;
use conclave::media::container::wav;
use rustfft::FftPlanner;
use rustfft::num_complex::Complex;

/// Samples per second of everything compared here.
pub const RATE: usize = 48_000;

/// How a recording lies on its original.
#[derive(Debug)]
pub struct Fit {
    /// Sample of the recording at which the original's first sample would be heard.
    pub offset: i64,
    /// Normalised correlation over the part where both have sound, -1 to 1.
    pub correlation: f64,
    /// Seconds that were compared.
    pub seconds: f64,
}

/// Lets a synthetic voice read `text` into a WAV file of at least `seconds` seconds.
pub fn speak(text: &str, voice: &str, path: &Path) {
    let status = Command::new("espeak-ng")
        .args(["-v", voice, "-w"])
        .arg(path)
        .arg(text)
        .status()
        .expect("espeak-ng is installed: `make setup-test` does that");
    assert!(status.success());
}

/// Reads a WAV file as 48 kHz mono.
pub fn listen(path: &Path) -> Vec<f32> {
    let file = std::fs::File::open(path).unwrap();
    let mut reader = wav::WavReader::new(std::io::BufReader::new(file)).unwrap();
    let mut samples = Vec::new();
    while reader.read(&mut samples).unwrap() > 0 {}
    let mut resampled = Vec::new();
    let mut resampler = Resampler::new(reader.rate(), RATE as u32);
    resampler.process(&samples, &mut resampled);
    resampler.finish(&mut resampled);
    resampled
}

/// The stretch of a recording from its first to its last sound.
pub fn audible(recording: &[f32]) -> std::ops::Range<usize> {
    let loud = |sample: &f32| sample.abs() > 1e-4;
    let start = recording.iter().position(loud).unwrap_or(0);
    let end = recording.iter().rposition(loud).map_or(0, |last| last + 1);
    start..end.max(start)
}

/// Finds the original in the recording.
pub fn fit(original: &[f32], recording: &[f32]) -> Fit {
    let heard = audible(recording);
    let piece = &recording[heard.clone()];
    let length = (original.len() + piece.len()).next_power_of_two();
    let mut planner = FftPlanner::new();
    let spectrum = |planner: &mut FftPlanner<f64>, samples: &[f32]| {
        let mut buffer: Vec<_> = samples.iter().map(|s| Complex::new(f64::from(*s), 0.0)).collect();
        buffer.resize(length, Complex::default());
        planner.plan_fft_forward(length).process(&mut buffer);
        buffer
    };
    let a = spectrum(&mut planner, original);
    let b = spectrum(&mut planner, piece);
    let mut product: Vec<_> = a.iter().zip(&b).map(|(a, b)| a.conj() * b).collect();
    planner.plan_fft_inverse(length).process(&mut product);
    let best = (0..length).max_by(|x, y| product[*x].re.total_cmp(&product[*y].re)).unwrap();
    // A large index is a negative lag: the recording begins in the middle of the original.
    let lag = if best > length / 2 { best as i64 - length as i64 } else { best as i64 };
    let (mut xy, mut xx, mut yy, mut count) = (0.0, 0.0, 0.0, 0usize);
    for (index, sample) in piece.iter().enumerate() {
        let source = index as i64 - lag;
        let Some(reference) = usize::try_from(source).ok().and_then(|at| original.get(at)) else {
            continue;
        };
        let (x, y) = (f64::from(*reference), f64::from(*sample));
        xy += x * y;
        xx += x * x;
        yy += y * y;
        count += 1;
    }
    Fit {
        offset: heard.start as i64 + lag,
        correlation: xy / (xx * yy).sqrt().max(f64::MIN_POSITIVE),
        seconds: count as f64 / RATE as f64,
    }
}

#[test]
fn a_delayed_copy_fits_where_it_was_put() {
    let original: Vec<f32> =
        (0..RATE).map(|n| ((n * n) as f32 * 1e-5).sin() * (n as f32 * 0.001).sin()).collect();
    let mut recording = vec![0.0; 7000];
    recording.extend(original[2000..40_000].iter().map(|s| s * 0.5));
    let fit = fit(&original, &recording);
    assert!((fit.offset - 5000).abs() <= 2, "{fit:?}");
    assert!(fit.correlation > 0.999, "{fit:?}");
}

/// Puts each original where it fits best, adds them up, and compares the sum with the recording
/// over the part in which all of them are heard. Answers the correlation and the seconds compared.
pub fn fit_mix<const N: usize>(originals: &[Vec<f32>; N], recording: &[f32]) -> (f64, f64) {
    let fits = originals.each_ref().map(|original| fit(original, recording));
    let heard = audible(recording);
    // Whoever joined later was not heard before: begin where every original has begun.
    let margin = RATE as i64;
    let (mut xy, mut xx, mut yy, mut count) = (0.0, 0.0, 0.0, 0usize);
    let late = fits.iter().map(|fit| fit.offset).max().unwrap_or(0) + margin;
    let begin = heard.start.max(usize::try_from(late).unwrap_or(0));
    for (index, sample) in recording.iter().enumerate().take(heard.end).skip(begin) {
        let sum: f64 = originals
            .iter()
            .zip(&fits)
            .filter_map(|(original, fit)| {
                usize::try_from(index as i64 - fit.offset).ok().and_then(|at| original.get(at))
            })
            .map(|sample| f64::from(*sample))
            .sum();
        let y = f64::from(*sample);
        xy += sum * y;
        xx += sum * sum;
        yy += y * y;
        count += 1;
    }
    (xy / (xx * yy).sqrt().max(f64::MIN_POSITIVE), count as f64 / RATE as f64)
}
