//! Sums tracks for one loudspeaker.
//!
//! Sums within full scale come out bit for bit: one track that does not clip is not touched.
//! Louder sums are turned down by a [`Limiter`] instead of being clipped.

use crate::media::frame::AudioFrame;
use crate::media::frame::FRAME_SAMPLES;

/// Adds up the tracks of one frame.
#[derive(Debug, Default)]
pub struct Mixer {
    sum: AudioFrame,
    limiter: Limiter,
}

impl Mixer {
    /// A mixer with nothing in it.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one track to the current frame.
    pub fn add(&mut self, frame: &AudioFrame) {
        for (sum, sample) in self.sum.samples_mut().iter_mut().zip(frame.samples()) {
            // A decoder never makes these, but one would stay in the sum of all.
            if sample.is_finite() {
                *sum += *sample;
            }
        }
    }

    /// Writes the sum of what was added to `out`, within -1 to 1, and starts the next frame.
    pub fn finish(&mut self, out: &mut AudioFrame) {
        out.samples_mut().copy_from_slice(self.sum.samples());
        self.sum.clear();
        self.limiter.apply(out.samples_mut());
    }
}

/// Samples with one gain at either end: 2.5 ms.
const BLOCK: usize = 120;
/// Part of the way back to unity that the gain goes in each block: 150 ms to get most of it.
const RELEASE: f32 = 0.0165;
/// Closer to unity than this is unity, so that sound passes untouched again.
const AT_REST: f32 = 0.9995;

/// Keeps samples within -1 to 1 by turning the volume down, and up again slowly.
///
/// It adds no delay: the gain of a block depends on this frame and the ones before. Within a
/// frame the gain goes down ahead of a peak; at the very start of a frame it goes down within
/// 2.5 ms, and what still sticks out of that is cut off.
#[derive(Debug)]
struct Limiter {
    gain: f32,
}

impl Default for Limiter {
    fn default() -> Self {
        Self { gain: 1.0 }
    }
}

impl Limiter {
    fn apply(&mut self, samples: &mut [f32; FRAME_SAMPLES]) {
        let peak = samples.iter().fold(0.0f32, |peak, sample| peak.max(sample.abs()));
        if peak <= 1.0 && self.gain == 1.0 {
            return;
        }
        let mut allowed = [1.0f32; FRAME_SAMPLES / BLOCK];
        for (allowed, block) in allowed.iter_mut().zip(samples.chunks_exact(BLOCK)) {
            let peak = block.iter().fold(0.0f32, |peak, sample| peak.max(sample.abs()));
            *allowed = if peak > 1.0 { peak.recip() } else { 1.0 };
        }
        for (index, block) in samples.chunks_exact_mut(BLOCK).enumerate() {
            let here = allowed.get(index).copied().unwrap_or(1.0);
            let next = allowed.get(index + 1).copied().unwrap_or(1.0);
            let released = self.gain + RELEASE * (1.0 - self.gain);
            let released = if released > AT_REST { 1.0 } else { released };
            let end = released.min(here).min(next);
            let slope = (end - self.gain) / BLOCK as f32;
            for (sample, step) in block.iter_mut().zip(1u16..) {
                let gain = self.gain + slope * f32::from(step);
                *sample = (*sample * gain).clamp(-1.0, 1.0);
            }
            self.gain = end;
        }
    }
}
