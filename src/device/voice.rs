//! A synthetic talker: not words, but the rhythm, pitch and vowels of speech.
//!
//! Pulses of the vocal folds pass three resonators (formants) whose frequencies glide from
//! vowel to vowel. Syllables make phrases, phrases are followed by silence in which others
//! can talk. The same number always says the same.

use std::f32::consts::TAU;
use std::time::Instant;

use rand::RngExt;
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::audio::AudioInput;
use super::error::DeviceError;
use super::synthetic::Pacer;
use crate::media::frame::SAMPLE_RATE;

const RATE: f32 = SAMPLE_RATE as f32;
/// First three formants of some vowels in hertz (Peterson and Barney 1952, men).
const VOWELS: [[f32; 3]; 6] = [
    [730.0, 1090.0, 2440.0],
    [530.0, 1840.0, 2480.0],
    [270.0, 2290.0, 3010.0],
    [570.0, 840.0, 2410.0],
    [300.0, 870.0, 2240.0],
    [490.0, 1350.0, 1690.0],
];
/// Bandwidth in hertz and strength of each formant.
const FORMANTS: [(f32, f32); 3] = [(80.0, 1.0), (110.0, 0.5), (160.0, 0.25)];
/// How fast formants glide: the share of the way gone per sample.
const GLIDE: f32 = 0.0008;
/// Brings the loudest syllables to about -12 dBFS.
const GAIN: f32 = 0.1;
/// What no peak exceeds.
const CEILING: f32 = 0.8;

/// The talker.
#[derive(Debug)]
pub(super) struct VoiceInput {
    pacer: Pacer,
    rng: StdRng,
    pitch: f32,
    stretch: f32,
    phase: f32,
    formants: [f32; 3],
    resonators: [Resonator; 3],
    syllable: Syllable,
    left_in_phrase: u32,
}

/// One syllable, or the silence between phrases.
#[derive(Clone, Copy, Debug)]
struct Syllable {
    vowel: [f32; 3],
    pitch: f32,
    loudness: f32,
    length: u32,
    at: u32,
}

#[derive(Clone, Copy, Debug, Default)]
struct Resonator {
    y1: f32,
    y2: f32,
}

impl Resonator {
    fn pass(&mut self, x: f32, hertz: f32, bandwidth: f32) -> f32 {
        let radius = (-std::f32::consts::PI * bandwidth / RATE).exp();
        let turn = 2.0 * radius * (TAU * hertz / RATE).cos();
        let y = (1.0 - radius) * x + turn * self.y1 - radius * radius * self.y2;
        self.y2 = self.y1;
        self.y1 = y;
        y
    }
}

impl VoiceInput {
    /// The talker with this number.
    pub(super) fn new(number: u32) -> Self {
        let mut rng = StdRng::seed_from_u64(number.into());
        let pitch = rng.random_range(95.0..210.0);
        // The first silence differs, so that talkers do not start together.
        let length = samples(rng.random_range(0.2..3.0));
        let syllable = Syllable { vowel: VOWELS[0], pitch, loudness: 0.0, length, at: 0 };
        Self {
            pacer: Pacer::default(),
            pitch,
            stretch: 0.85 + pitch / 700.0,
            phase: 0.0,
            formants: VOWELS[0],
            resonators: [Resonator::default(); 3],
            syllable,
            left_in_phrase: 0,
            rng,
        }
    }

    fn next_syllable(&mut self) -> Syllable {
        let rng = &mut self.rng;
        if self.left_in_phrase == 0 {
            self.left_in_phrase = rng.random_range(6..22);
            let length = samples(rng.random_range(1.2..4.5));
            return Syllable { loudness: 0.0, length, at: 0, ..self.syllable };
        }
        self.left_in_phrase -= 1;
        // Pitch falls towards the end of a phrase, as in a statement.
        let fall = 0.9 + 0.012 * self.left_in_phrase as f32;
        Syllable {
            vowel: VOWELS[rng.random_range(0..VOWELS.len())],
            pitch: self.pitch * fall * rng.random_range(0.92..1.1),
            loudness: rng.random_range(0.45..1.0),
            length: samples(rng.random_range(0.11..0.24)),
            at: 0,
        }
    }

    fn next_sample(&mut self) -> f32 {
        if self.syllable.at >= self.syllable.length {
            self.syllable = self.next_syllable();
        }
        let syllable = self.syllable;
        self.syllable.at += 1;
        let progress = syllable.at as f32 / syllable.length as f32;
        let envelope = syllable.loudness * (progress * std::f32::consts::PI).sin().max(0.0).sqrt();
        if envelope == 0.0 {
            self.resonators = [Resonator::default(); 3];
            return 0.0;
        }
        self.phase += syllable.pitch * (1.0 + 0.01 * (progress * 9.0).sin()) / RATE;
        self.phase = self.phase.fract();
        // A falling ramp per period: rich in harmonics, with the slope of a voice.
        let folds = (1.0 - 2.0 * self.phase) * envelope;
        let mut sound = 0.0;
        for (index, (bandwidth, strength)) in FORMANTS.into_iter().enumerate() {
            let formant = &mut self.formants[index];
            *formant += (syllable.vowel[index] * self.stretch - *formant) * GLIDE;
            sound += self.resonators[index].pass(folds, *formant, bandwidth) * strength;
        }
        (sound * GAIN).tanh() * CEILING
    }
}

impl AudioInput for VoiceInput {
    fn read(&mut self, now: Instant, out: &mut Vec<f32>) -> Result<(), DeviceError> {
        let due = self.pacer.due(now);
        out.reserve(due);
        for _ in 0..due {
            let sample = self.next_sample();
            out.push(sample);
        }
        self.pacer.advance(due);
        Ok(())
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a few seconds of samples, never negative"
)]
fn samples(seconds: f32) -> u32 {
    (seconds * RATE) as u32
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_talker_talks_and_pauses_and_never_clips() {
        for number in 0..8 {
            let mut voice = VoiceInput::new(number);
            let start = Instant::now();
            let mut heard = Vec::new();
            voice.read(start, &mut heard).unwrap();
            voice.read(start + Duration::from_secs(30), &mut heard).unwrap();
            assert_eq!(heard.len(), 30 * SAMPLE_RATE as usize);
            let loud = heard.iter().filter(|sample| sample.abs() > 0.02).count();
            let silent = heard.iter().filter(|sample| **sample == 0.0).count();
            let peak = heard.iter().fold(0.0f32, |peak, sample| peak.max(sample.abs()));
            assert!(loud > heard.len() / 20, "talker {number} is heard: {loud}, peak {peak}");
            assert!(silent > heard.len() / 10, "talker {number} pauses: {silent}");
            assert!(peak < 0.9, "talker {number} clips: {peak}");
        }
    }
}
