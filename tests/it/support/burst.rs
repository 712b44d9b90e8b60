//! Short bursts of sound, and where they are found again.

use std::io::Read;

use conclave::media::container::wav::WavReader;

const RATE: usize = 48_000;

/// The samples of a WAV file, which must have 48000 in a second.
pub fn samples(file: impl Read) -> Vec<f32> {
    let mut reader = WavReader::new(file).unwrap();
    assert_eq!(reader.rate(), 48_000);
    let mut samples = Vec::new();
    while reader.read(&mut samples).unwrap() > 0 {}
    samples
}

/// Where sound begins after at least 200 ms of quiet, in milliseconds.
pub fn onsets(samples: &[f32]) -> Vec<f64> {
    let mut found = Vec::new();
    let mut quiet = RATE;
    for (index, sample) in samples.iter().enumerate() {
        if sample.abs() > 0.15 {
            if quiet > RATE / 5 {
                found.push(index as f64 / 48.0);
            }
            quiet = 0;
        } else {
            quiet += 1;
        }
    }
    found
}
