//! VP8 in Rust, for builds without libvpx.
//!
//! The codec knows no bit rate, so this module chooses the quantiser of each picture: a bucket
//! fills with the bits that were made and drains at the bit rate; the quantiser follows from how
//! full it is and from what the last picture took, and when it runs over, pictures are left out.
//! Each key frame resets the probabilities, each delta frame refers to the last frame only.

use oxideav_vp8::I420Frame;
use oxideav_vp8::KeyframePlanes;
use oxideav_vp8::Vp8DecoderState;
use oxideav_vp8::encoder::InterCodingOptions;
use oxideav_vp8::encoder::KeyframeCodingOptions;
use oxideav_vp8::encoder::KeyframeParams;
use oxideav_vp8::encoder::RefreshControls;
use oxideav_vp8::encoder::encode_keyframe_with_reconstruction_and_coding_options;
use oxideav_vp8::encoder::encode_p_frame_multi_ref_with_refresh_and_coding_options;

use super::vp8::Content;
use super::vp8::EncoderConfig;
use super::vp8::MAX_PIXELS;
use super::vp8::TICKS_PER_SECOND;
use super::vp8::Vp8Frame;
use crate::media::error::MediaError;
use crate::media::video::Picture;

/// Finest and coarsest quantiser, of 0 to 127.
const QUANTIZERS: (f64, f64) = (4.0, 120.0);
/// Steps of the quantiser that halve or double the bits, roughly.
const STEPS_PER_OCTAVE: f64 = 22.0;
/// Largest change of the quantiser from one picture to the next.
const MAX_STEP: f64 = 16.0;
/// A key frame is as fine as so many average frames allow.
const KEY_FRAME_SHARE: f64 = 5.0;
/// Seconds of bits in the bucket that the quantiser aims at.
const AIM_SECONDS: f64 = 0.15;
/// Seconds of bits in the bucket above which pictures are left out.
const FULL_SECONDS: f64 = 0.6;
/// Strength of the deblocking filter for each step of the quantiser.
const FILTER_PER_STEP: f64 = 0.3;

/// One encoder.
pub struct Encoder {
    fps: f64,
    /// Bits in a second.
    rate: f64,
    last: Option<KeyframePlanes>,
    last_ticks: Option<u64>,
    quantizer: f64,
    /// Bits made and not yet drained.
    bucket: f64,
}

impl Encoder {
    /// Starts one. Knows no difference between what the pictures are of.
    pub fn new(config: &EncoderConfig, _content: Content) -> Result<Self, MediaError> {
        let mut encoder =
            Self { fps: 0.0, rate: 0.0, last: None, last_ticks: None, quantizer: 0.0, bucket: 0.0 };
        encoder.adopt(config);
        let pixels = f64::from(config.width) * f64::from(config.height);
        // A tenth of a bit per pixel looks well at 40; from there by octaves.
        let share = encoder.rate / encoder.fps / pixels.max(1.0);
        encoder.quantizer = bounded(40.0 - STEPS_PER_OCTAVE * (share / 0.1).log2());
        Ok(encoder)
    }

    /// Changes the bit rate and the rate of pictures.
    pub fn configure(&mut self, config: &EncoderConfig) -> Result<(), MediaError> {
        let before = self.rate / self.fps;
        self.adopt(config);
        let change = self.rate / self.fps / before;
        self.quantizer = bounded(self.quantizer - STEPS_PER_OCTAVE * change.log2());
        Ok(())
    }

    /// Encodes one picture.
    pub fn encode(
        &mut self,
        picture: &Picture,
        ticks: u64,
        force_key: bool,
    ) -> Result<Option<Vp8Frame>, MediaError> {
        let frame = packed(picture);
        self.drain(ticks);
        let last = self.last.take().filter(|_| !force_key);
        if last.is_some() && self.bucket > self.rate * FULL_SECONDS {
            self.last = last;
            return Ok(None);
        }
        let params = self.params();
        let (data, planes) = match &last {
            None => encode_keyframe_with_reconstruction_and_coding_options(
                &frame,
                &params,
                &KeyframeCodingOptions::default(),
            ),
            Some(last) => encode_p_frame_multi_ref_with_refresh_and_coding_options(
                &frame,
                last,
                None,
                None,
                &params,
                &RefreshControls::default(),
                &InterCodingOptions { intra_pick: true, ..InterCodingOptions::default() },
            ),
        }
        .map_err(refused)?;
        self.last = Some(planes);
        let key = last.is_none();
        self.learn(data.len(), key);
        Ok(Some(Vp8Frame { data, key }))
    }

    fn adopt(&mut self, config: &EncoderConfig) {
        self.fps = f64::from(config.fps.max(1));
        self.rate = f64::from(config.bitrate_kbit.max(1)) * 1000.0;
    }

    /// Lets the bucket drain for the time since the last picture.
    fn drain(&mut self, ticks: u64) {
        let passed = self.last_ticks.map_or(0, |last| ticks.saturating_sub(last));
        self.last_ticks = Some(ticks);
        let passed = f64::from(u32::try_from(passed).unwrap_or(u32::MAX));
        let drained = passed / f64::from(TICKS_PER_SECOND) * self.rate;
        self.bucket = (self.bucket - drained).max(0.0);
    }

    fn params(&self) -> KeyframeParams {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is bounded"
        )]
        params(self.quantizer as u8)
    }

    /// Chooses the next quantiser from what this picture took.
    fn learn(&mut self, bytes: usize, key: bool) {
        let bits = f64::from(u32::try_from(bytes).unwrap_or(u32::MAX)) * 8.0;
        self.bucket += bits;
        let share = self.rate / self.fps;
        let excess = (self.bucket / self.rate - AIM_SECONDS).clamp(-AIM_SECONDS, FULL_SECONDS);
        let wanted = if key { share * KEY_FRAME_SHARE } else { share * (1.0 - excess) };
        let octaves = (bits.max(1.0) / wanted.max(1.0)).log2();
        // Half of the way: the next picture is not this one.
        let step = (octaves * STEPS_PER_OCTAVE / 2.0).clamp(-MAX_STEP, MAX_STEP);
        self.quantizer = bounded(self.quantizer + step);
    }
}

/// One picture by itself, with a quantiser from 0, the finest, to 127.
///
/// # Errors
///
/// [`MediaError::Vp8`] if the codec refuses.
pub fn key_frame(picture: &Picture, quantizer: u8) -> Result<Vec<u8>, MediaError> {
    let options = KeyframeCodingOptions::default();
    encode_keyframe_with_reconstruction_and_coding_options(
        &packed(picture),
        &params(quantizer),
        &options,
    )
    .map(|(data, _)| data)
    .map_err(refused)
}

fn packed(picture: &Picture) -> I420Frame<'_> {
    I420Frame::packed(picture.width(), picture.height(), picture.y(), picture.u(), picture.v())
}

fn params(quantizer: u8) -> KeyframeParams {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is less")]
    let loop_filter_level = (f64::from(quantizer) * FILTER_PER_STEP) as u8;
    KeyframeParams { y_ac_qi: quantizer, loop_filter_level, ..KeyframeParams::default() }
}

fn refused<E>(_: E) -> MediaError {
    MediaError::Vp8 { action: "encode a picture", reason: "the codec refused" }
}

fn bounded(quantizer: f64) -> f64 {
    quantizer.clamp(QUANTIZERS.0, QUANTIZERS.1)
}

/// One decoder.
pub struct Decoder {
    state: Box<Vp8DecoderState>,
}

impl Decoder {
    /// Starts one.
    pub fn new() -> Result<Self, MediaError> {
        let state = Vp8DecoderState::new().with_max_pixels_per_frame(u64::from(MAX_PIXELS));
        Ok(Self { state: Box::new(state) })
    }

    /// Decodes one frame that `super::vp8` has looked at.
    pub fn decode(&mut self, frame: &[u8]) -> Result<Option<Picture>, MediaError> {
        let decoded = self
            .state
            .decode_frame(frame)
            .map_err(|_| MediaError::Vp8 { action: "decode a frame", reason: "it is damaged" })?;
        if self.state.last_frame_shown() == Some(false) {
            return Ok(None);
        }
        let (width, height) = (decoded.width, decoded.height);
        Picture::from_planes(width, height, decoded.y, decoded.u, decoded.v).map(Some)
    }
}
