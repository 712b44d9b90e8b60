//! Keys, and sounds that can be told from silence.

use std::f32::consts::TAU;
use std::sync::Arc;

use conclave::crypto::frame::FrameKeys;
use conclave::crypto::frame::MediaKey;
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
pub fn tone(hertz: f32, samples: usize) -> Vec<f32> {
    (0..samples).map(|n| 0.5 * (TAU * (n as f32 * hertz / 48_000.0).fract()).sin()).collect()
}
