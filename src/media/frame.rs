//! Frames of sound, as samples and as packets.

use bytes::Bytes;

/// Samples per second everywhere behind the devices.
pub const SAMPLE_RATE: u32 = 48_000;
/// Samples of one frame: 20 ms of mono.
pub const FRAME_SAMPLES: usize = 960;
/// The same as an RTP timestamp difference.
pub const FRAME_TICKS: u32 = 960;
/// Milliseconds of one frame.
pub const FRAME_MS: u64 = 20;

/// 20 ms of mono sound at 48 kHz; full scale is -1 to 1.
#[derive(Clone, PartialEq)]
pub struct AudioFrame {
    samples: Box<[f32; FRAME_SAMPLES]>,
}

impl AudioFrame {
    /// Digital silence.
    #[must_use]
    pub fn silence() -> Self {
        Self { samples: Box::new([0.0; FRAME_SAMPLES]) }
    }

    /// The samples.
    #[must_use]
    pub fn samples(&self) -> &[f32; FRAME_SAMPLES] {
        &self.samples
    }

    /// The samples, to be changed.
    pub fn samples_mut(&mut self) -> &mut [f32; FRAME_SAMPLES] {
        &mut self.samples
    }

    /// Makes it digital silence again.
    pub fn clear(&mut self) {
        self.samples.fill(0.0);
    }

    /// Every sample is exactly zero.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        self.samples.iter().all(|&sample| sample == 0.0)
    }
}

impl Default for AudioFrame {
    fn default() -> Self {
        Self::silence()
    }
}

impl std::fmt::Debug for AudioFrame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let peak = self.samples.iter().fold(0.0f32, |peak, sample| peak.max(sample.abs()));
        f.debug_struct("AudioFrame").field("peak", &peak).finish_non_exhaustive()
    }
}

/// One encoded and sealed frame: the payload of one RTP packet and what its header says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedFrame {
    /// Sealed Opus frame.
    pub payload: Bytes,
    /// RTP timestamp, 48 kHz.
    pub timestamp: u32,
    /// First frame after silence.
    pub marker: bool,
}
