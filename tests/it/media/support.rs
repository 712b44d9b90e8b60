//! Keys, and sounds that can be told from silence.

use std::f32::consts::TAU;
use std::sync::Arc;

use conclave::crypto::frame::FrameKeys;
use conclave::crypto::frame::MediaKey;
use conclave::media::Picture;
use conclave::model::KeyId;
use conclave::model::Secret;
use rand::SeedableRng;
use rand::rngs::StdRng;

pub const KEY_ID: &str = "0123456789abcdef0123456789abcdef";

pub fn rng() -> StdRng {
    StdRng::seed_from_u64(11)
}

/// A room with one key, made of one byte.
pub fn keys(byte: u8) -> Arc<FrameKeys> {
    let id = KeyId::from(KEY_ID);
    let key = MediaKey { id: id.clone(), key: Secret::new([byte; 32]) };
    Arc::new(FrameKeys::new(id, vec![key]))
}

/// A sine at half of full scale, 48 kHz.
pub fn tone(hertz: f64, samples: usize) -> Vec<f32> {
    wave(hertz, 48_000, samples)
}

/// A sine at half of full scale.
pub fn wave(hertz: f64, rate: u32, samples: usize) -> Vec<f32> {
    let turns = (0..samples).map(|n| (n as f64 * hertz / f64::from(rate)).fract());
    turns.map(|turns| (0.5 * (turns * std::f64::consts::TAU).sin()) as f32).collect()
}

/// Something like speech: a voice of gliding pitch with formants that move, in syllables, with
/// hisses and pauses in between. Peaks at about half of full scale.
pub fn speech(seconds: usize) -> Vec<f32> {
    let mut noise = Noise(1);
    let mut phase = 0.0f32;
    let mut formants = [Resonator::default(), Resonator::default(), Resonator::default()];
    let mut hiss = Resonator::default();
    let mut out: Vec<f32> = (0..seconds * 48_000)
        .map(|n| {
            let time = n as f32 / 48_000.0;
            let syllable = (time * 4.0).fract();
            let word = (time * 0.7).fract();
            let voiced = word < 0.8 && (0.1..0.8).contains(&syllable);
            let hissing = word < 0.8 && syllable >= 0.85;
            let pitch = 120.0 + 30.0 * (time * 2.1).sin();
            phase += pitch / 48_000.0;
            let pulse = if phase >= 1.0 { 1.0 } else { 0.0 };
            phase = phase.fract();
            let shape = (std::f32::consts::PI * (syllable - 0.1) / 0.7).sin().max(0.0);
            let source = if voiced { (pulse + 0.01 * noise.next()) * shape } else { 0.0 };
            let places =
                [500.0 + 250.0 * (time * 5.0).sin(), 1500.0 + 500.0 * (time * 3.0).cos(), 2700.0];
            let vowel: f32 = formants
                .iter_mut()
                .zip(places)
                .map(|(formant, place)| formant.filter(source, place, 90.0))
                .sum();
            let hissed = if hissing { 0.05 * noise.next() } else { 0.0 };
            vowel + hiss.filter(hissed, 5000.0, 2000.0)
        })
        .collect();
    let peak = out.iter().fold(0.0f32, |peak, sample| peak.max(sample.abs()));
    out.iter_mut().for_each(|sample| *sample *= 0.5 / peak);
    out
}

#[derive(Default)]
struct Resonator {
    before: [f32; 2],
}

impl Resonator {
    fn filter(&mut self, input: f32, hertz: f32, width: f32) -> f32 {
        let radius = (-std::f32::consts::PI * width / 48_000.0).exp();
        let [last, before] = self.before;
        let turn = 2.0 * radius * (TAU * hertz / 48_000.0).cos();
        let out = input + turn * last - radius * radius * before;
        self.before = [out, last];
        out
    }
}

/// White noise from -1 to 1, the same every time.
pub struct Noise(pub u64);

impl Noise {
    pub fn next(&mut self) -> f32 {
        // Constants of Knuth's MMIX generator.
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 40) as f32 / 8_388_608.0 - 1.0
    }
}

/// How alike two sounds are when the second is shifted to where it fits best, 1 being equal,
/// and by how many samples it lags. The shift is found from the loudest quarter of a second.
pub fn correlation(original: &[f32], other: &[f32], most: usize) -> (f64, usize) {
    let alike = |start: usize, end: usize, lag: usize| {
        let other = other.get(start + lag..).unwrap_or_default();
        let (mut both, mut first, mut second) = (0.0f32, 0.0f32, 0.0f32);
        for (&a, &b) in original[start..end].iter().zip(other) {
            both += a * b;
            first += a * a;
            second += b * b;
        }
        f64::from(both) / f64::from((first * second).sqrt().max(1e-12))
    };
    let energy = |start: &usize| -> f32 {
        original[*start..].iter().take(12_000).map(|sample| sample * sample).sum()
    };
    let starts = (0..original.len().saturating_sub(12_000)).step_by(6000);
    let start = starts.max_by(|a, b| energy(a).total_cmp(&energy(b))).unwrap_or(0);
    let end = (start + 12_000).min(original.len());
    let best = (0..most).max_by(|&a, &b| alike(start, end, a).total_cmp(&alike(start, end, b)));
    let lag = best.unwrap_or(0);
    (alike(0, original.len(), lag), lag)
}

/// Signal-to-noise ratio of `other` as a copy of `original`, in dB.
pub fn snr_db(original: &[f32], other: &[f32]) -> f64 {
    let signal: f64 = original.iter().map(|&a| f64::from(a).powi(2)).sum();
    let noise: f64 =
        original.iter().zip(other).map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2)).sum();
    10.0 * (signal / noise.max(1e-20)).log10()
}

/// A picture in motion: waves that glide, and a bright square with sharp edges.
pub fn scene(width: u32, height: u32, number: u32) -> Picture {
    let mut picture = Picture::new(width, height).unwrap();
    let time = number as f32;
    let across: Vec<f32> = (0..width).map(|x| ((x as f32 + 2.0 * time) / 20.0).sin()).collect();
    let down: Vec<f32> = (0..height).map(|y| ((y as f32 - time) / 15.0).cos()).collect();
    let left = (number * 3) % width;
    let (columns, chroma_columns) = (width as usize, width.div_ceil(2) as usize);
    let (luma, u, v) = picture.planes_mut();
    for (row, down) in luma.chunks_mut(columns).zip(&down) {
        for (sample, across) in row.iter_mut().zip(&across) {
            *sample = (120.0 + 50.0 * across + 35.0 * down) as u8;
        }
    }
    for row in luma.chunks_mut(columns).skip(height as usize / 3).take(height as usize / 4) {
        row.iter_mut().skip(left as usize).take(columns / 8).for_each(|sample| *sample = 220);
    }
    for (plane, shift) in [(u, 0.0), (v, 40.0)] {
        for row in plane.chunks_mut(chroma_columns) {
            for (x, sample) in row.iter_mut().enumerate() {
                *sample = (128.0 + 30.0 * ((x as f32 + time + shift) / 25.0).sin()) as u8;
            }
        }
    }
    picture
}
