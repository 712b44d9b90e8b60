//! What is done to samples: measured, scaled, resampled, mixed.

pub mod gain;
pub mod level;
pub mod mixer;
pub mod resample;
pub mod speaker;

pub use gain::Gain;
pub use level::Meter;
pub use mixer::Mixer;
pub use resample::Resampler;
pub use speaker::DetectorConfig;
pub use speaker::SpeechDetector;
