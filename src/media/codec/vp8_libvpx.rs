//! VP8 by libvpx. The one file of the project with `unsafe` in it.
//!
//! [`super::vp8`] has checked what comes in: sizes, versions, and that there is a key frame
//! first. Here every pointer is made next to where it is used and lives no longer than the call:
//! planes are borrowed for one call to encode, pictures and packets are copied out before the
//! next call. Both contexts are owned, and destroyed once.
//!
//! The settings are those of browsers in calls: constant bit rate with a buffer of a second,
//! pictures left out before the buffer overflows, no looking ahead, and key frames that may take
//! some frames' worth of bits but no more.

use std::ffi::c_int;
use std::ffi::c_long;
use std::ffi::c_ulong;
use std::mem::MaybeUninit;
use std::ptr;

use vpx_sys::vp8_dec_control_id;
use vpx_sys::vp8e_enc_control_id;
use vpx_sys::vpx_codec_ctx_t;
use vpx_sys::vpx_codec_cx_pkt_kind;
use vpx_sys::vpx_codec_enc_cfg_t;
use vpx_sys::vpx_codec_err_t;
use vpx_sys::vpx_image_t;
use vpx_sys::vpx_img_fmt;
use vpx_sys::vpx_kf_mode;
use vpx_sys::vpx_rational;
use vpx_sys::vpx_rc_mode;

use super::vp8::Content;
use super::vp8::EncoderConfig;
use super::vp8::MAX_PIXELS;
use super::vp8::TICKS_PER_SECOND;
use super::vp8::Vp8Frame;
use crate::media::error::MediaError;
use crate::media::video::Picture;

/// Frames after which a key frame comes by itself: they are made when asked for.
const KEY_FRAME_INTERVAL: u32 = 3000;
/// Finest and coarsest quantiser, of 0 to 63. Finer than 2 nobody sees.
const QUANTIZERS: (u32, u32) = (2, 63);
/// Milliseconds that the decoder's buffer is taken to hold, to begin with and at best. What
/// fills it faster than it drains waits that long somewhere on the way.
const BUFFER_MS: u32 = 1000;
const BUFFER_INITIAL_MS: u32 = 500;
const BUFFER_OPTIMAL_MS: u32 = 600;
/// Fill of the buffer, in percent, below which pictures are left out.
const DROP_BELOW_PERCENT: u32 = 30;
/// Speed against quality, -16 to 16; negative values are fixed. At 320x180 this is 0.9 ms.
const SPEED: c_int = -6;
/// Differences in a block of 16x16 that are taken for noise.
const STATIC_CAMERA: c_int = 1;
const STATIC_SCREEN: c_int = 100;
/// How much noise is filtered before encoding, 0 to 6. Off for screens: there is none.
const DENOISE_CAMERA: c_int = 1;

/// One encoder of libvpx.
pub struct Encoder {
    context: Box<vpx_codec_ctx_t>,
    settings: Box<vpx_codec_enc_cfg_t>,
    /// Ticks for which a picture is shown.
    duration: c_ulong,
}

// SAFETY: a context belongs to no thread; libvpx only asks that no two use it at a time, and it
// can be reached through `&mut self` alone.
unsafe impl Send for Encoder {}

impl Encoder {
    /// Starts one; the size is that of all its pictures.
    pub fn new(config: &EncoderConfig, content: Content) -> Result<Self, MediaError> {
        let mut settings = MaybeUninit::<vpx_codec_enc_cfg_t>::zeroed();
        // SAFETY: the interface is a constant of libvpx, and `settings` has room for what is
        // written.
        let result = unsafe {
            vpx_sys::vpx_codec_enc_config_default(
                vpx_sys::vpx_codec_vp8_cx(),
                settings.as_mut_ptr(),
                0,
            )
        };
        check("start an encoder", result)?;
        // SAFETY: the call above has filled in every field.
        let mut settings = Box::new(unsafe { settings.assume_init() });
        apply(config, &mut settings);
        // SAFETY: for this struct all zeros are null pointers, numbers, and the error code 0.
        let mut context: Box<vpx_codec_ctx_t> =
            Box::new(unsafe { MaybeUninit::zeroed().assume_init() });
        // SAFETY: both structs live on the heap for longer than the context, which copies the
        // settings; the version is the one that these declarations were made from.
        let result = unsafe {
            vpx_sys::vpx_codec_enc_init_ver(
                &raw mut *context,
                vpx_sys::vpx_codec_vp8_cx(),
                &raw const *settings,
                0,
                version(vpx_sys::VPX_ENCODER_ABI_VERSION),
            )
        };
        check("start an encoder", result)?;
        let mut encoder = Self { context, settings, duration: duration(config) };
        let (still, denoise) = match content {
            Content::Camera => (STATIC_CAMERA, DENOISE_CAMERA),
            Content::Screen => (STATIC_SCREEN, 0),
        };
        encoder.control(vp8e_enc_control_id::VP8E_SET_CPUUSED, SPEED)?;
        encoder.control(vp8e_enc_control_id::VP8E_SET_STATIC_THRESHOLD, still)?;
        encoder.control(vp8e_enc_control_id::VP8E_SET_NOISE_SENSITIVITY, denoise)?;
        encoder.control(vp8e_enc_control_id::VP8E_SET_TOKEN_PARTITIONS, 0)?;
        let screen = c_int::from(content == Content::Screen);
        encoder.control(vp8e_enc_control_id::VP8E_SET_SCREEN_CONTENT_MODE, screen)?;
        encoder.limit_key_frames(config)?;
        Ok(encoder)
    }

    /// Changes the bit rate and the rate of pictures, not the size.
    pub fn configure(&mut self, config: &EncoderConfig) -> Result<(), MediaError> {
        apply(config, &mut self.settings);
        self.duration = duration(config);
        // SAFETY: the context was initialised in `new`; it copies the settings.
        let result = unsafe {
            vpx_sys::vpx_codec_enc_config_set(&raw mut *self.context, &raw const *self.settings)
        };
        check("change its bit rate", result)?;
        self.limit_key_frames(config)
    }

    /// Encodes one picture of the size that the encoder was started with.
    pub fn encode(
        &mut self,
        picture: &Picture,
        ticks: u64,
        force_key: bool,
    ) -> Result<Option<Vp8Frame>, MediaError> {
        const ACTION: &str = "encode a picture";
        let settings = &self.settings;
        if (picture.width(), picture.height()) != (settings.g_w, settings.g_h) {
            return Err(MediaError::Vp8 { action: ACTION, reason: "it is of another size" });
        }
        let (Ok(width), Ok(chroma_width)) =
            (c_int::try_from(picture.width()), c_int::try_from(picture.chroma_width()))
        else {
            return Err(MediaError::Vp8 { action: ACTION, reason: "it is too large" });
        };
        let mut image = MaybeUninit::<vpx_image_t>::zeroed();
        // SAFETY: `image` has room for the struct. With a pointer given nothing is allocated, so
        // there is nothing to free; the planes are put right before anything reads them.
        let wrapped = unsafe {
            vpx_sys::vpx_img_wrap(
                image.as_mut_ptr(),
                vpx_img_fmt::VPX_IMG_FMT_I420,
                picture.width(),
                picture.height(),
                1,
                picture.y().as_ptr().cast_mut(),
            )
        };
        if wrapped.is_null() {
            return Err(MediaError::Vp8 { action: ACTION, reason: "it is too large" });
        }
        // SAFETY: the call above has filled in every field.
        let mut image = unsafe { image.assume_init() };
        let planes = [picture.y().as_ptr(), picture.u().as_ptr(), picture.v().as_ptr()];
        image.planes = [planes[0], planes[1], planes[2], ptr::null()].map(<*const u8>::cast_mut);
        image.stride = [width, chroma_width, chroma_width, 0];
        let ticks = i64::try_from(ticks).unwrap_or(i64::MAX);
        let flags = if force_key { vpx_sys::VPX_EFLAG_FORCE_KF as c_long } else { 0 };
        // SAFETY: the planes belong to `picture`, which is borrowed until the end of this call,
        // and have as many rows of `stride` bytes as `Picture` guarantees for its sides; the
        // encoder reads them and keeps no pointer to them. The context was initialised in `new`.
        let result = unsafe {
            vpx_sys::vpx_codec_encode(
                &raw mut *self.context,
                &raw const image,
                ticks,
                self.duration,
                flags,
                c_ulong::from(vpx_sys::VPX_DL_REALTIME),
            )
        };
        check(ACTION, result)?;
        Ok(self.packet())
    }

    /// Copies out what the last call to encode has made.
    fn packet(&mut self) -> Option<Vp8Frame> {
        let mut frame: Option<Vp8Frame> = None;
        let mut position = ptr::null();
        loop {
            // SAFETY: the context was initialised in `new`; `position` is null at first and then
            // what this function left there.
            let packet = unsafe {
                vpx_sys::vpx_codec_get_cx_data(&raw mut *self.context, &raw mut position)
            };
            // SAFETY: it is null or points to a packet that is valid until the next call to
            // encode, which cannot happen while `self` is borrowed here.
            let Some(packet) = (unsafe { packet.as_ref() }) else { return frame };
            if packet.kind != vpx_codec_cx_pkt_kind::VPX_CODEC_CX_FRAME_PKT {
                continue;
            }
            // SAFETY: packets of this kind have this variant of the union.
            let part = unsafe { packet.data.frame };
            let length = usize::try_from(part.sz).unwrap_or_default();
            if part.buf.is_null() || length == 0 {
                continue;
            }
            // SAFETY: the buffer holds `sz` bytes and is valid as long as the packet.
            let bytes = unsafe { std::slice::from_raw_parts(part.buf.cast::<u8>(), length) };
            let key = part.flags & vpx_sys::VPX_FRAME_IS_KEY != 0;
            let frame = frame.get_or_insert_with(|| Vp8Frame { data: Vec::new(), key });
            frame.data.extend_from_slice(bytes);
        }
    }

    /// Lets a key frame take no more bits than the buffer can hand out in half of its time.
    fn limit_key_frames(&mut self, config: &EncoderConfig) -> Result<(), MediaError> {
        const LEAST_PERCENT: u32 = 300;
        // In percent of the bits of an average frame.
        let percent = (BUFFER_OPTIMAL_MS / 2).saturating_mul(config.fps) / 10;
        let percent = c_int::try_from(percent.max(LEAST_PERCENT)).unwrap_or(c_int::MAX);
        self.control(vp8e_enc_control_id::VP8E_SET_MAX_INTRA_BITRATE_PCT, percent)
    }

    fn control(&mut self, what: vp8e_enc_control_id, value: c_int) -> Result<(), MediaError> {
        // SAFETY: the context was initialised in `new`, and each of the controls used here takes
        // one int.
        let result =
            unsafe { vpx_sys::vpx_codec_control_(&raw mut *self.context, what as c_int, value) };
        check("change its settings", result)
    }
}

impl Drop for Encoder {
    fn drop(&mut self) {
        // SAFETY: the context was initialised in `new` and is destroyed nowhere else.
        unsafe { vpx_sys::vpx_codec_destroy(&raw mut *self.context) };
    }
}

/// One decoder of libvpx.
pub struct Decoder {
    context: Box<vpx_codec_ctx_t>,
}

// SAFETY: as for the encoder; with one thread there is none besides the caller's.
unsafe impl Send for Decoder {}

impl Decoder {
    /// Starts one.
    pub fn new() -> Result<Self, MediaError> {
        let settings = vpx_sys::vpx_codec_dec_cfg_t { threads: 1, w: 0, h: 0 };
        // SAFETY: for this struct all zeros are null pointers, numbers, and the error code 0.
        let mut context: Box<vpx_codec_ctx_t> =
            Box::new(unsafe { MaybeUninit::zeroed().assume_init() });
        // SAFETY: the context lives on the heap for longer than it is used; the settings are
        // copied during the call; the version is the one that the declarations were made from.
        let result = unsafe {
            vpx_sys::vpx_codec_dec_init_ver(
                &raw mut *context,
                vpx_sys::vpx_codec_vp8_dx(),
                &raw const settings,
                0,
                version(vpx_sys::VPX_DECODER_ABI_VERSION),
            )
        };
        check("start a decoder", result)?;
        Ok(Self { context })
    }

    /// Decodes one frame that `super::vp8` has looked at.
    pub fn decode(&mut self, frame: &[u8]) -> Result<Option<Picture>, MediaError> {
        const ACTION: &str = "decode a frame";
        let Ok(length) = u32::try_from(frame.len()) else {
            return Err(MediaError::Vp8 { action: ACTION, reason: "it is too long" });
        };
        // SAFETY: the context was initialised in `new`; `frame` is `length` bytes, which are
        // read during the call and not referred to afterwards.
        let result = unsafe {
            vpx_sys::vpx_codec_decode(
                &raw mut *self.context,
                frame.as_ptr(),
                length,
                ptr::null_mut(),
                0,
            )
        };
        check(ACTION, result)?;
        let picture = self.picture()?;
        let mut corrupted: c_int = 0;
        // SAFETY: this control writes one int to where its argument points.
        let result = unsafe {
            vpx_sys::vpx_codec_control_(
                &raw mut *self.context,
                vp8_dec_control_id::VP8D_GET_FRAME_CORRUPTED as c_int,
                &raw mut corrupted,
            )
        };
        check(ACTION, result)?;
        if corrupted != 0 {
            return Err(MediaError::Vp8 { action: ACTION, reason: "a part of it is missing" });
        }
        Ok(picture)
    }

    /// Copies out the picture that the last call to decode has made, if it is to be shown.
    fn picture(&mut self) -> Result<Option<Picture>, MediaError> {
        let mut position = ptr::null();
        // SAFETY: the context was initialised in `new`; `position` is null, so this begins with
        // the first picture, and a frame of VP8 makes one at most.
        let image =
            unsafe { vpx_sys::vpx_codec_get_frame(&raw mut *self.context, &raw mut position) };
        // SAFETY: it is null or points to an image that is valid until the next call to decode,
        // which cannot happen while `self` is borrowed here.
        let Some(image) = (unsafe { image.as_ref() }) else { return Ok(None) };
        let strange =
            MediaError::Vp8 { action: "decode a frame", reason: "its picture is strange" };
        let (width, height) = (image.d_w, image.d_h);
        let fits = width.checked_mul(height).is_some_and(|pixels| pixels <= MAX_PIXELS);
        if image.fmt != vpx_img_fmt::VPX_IMG_FMT_I420 || !fits {
            return Err(strange);
        }
        let (chroma_width, chroma_height) = (width.div_ceil(2), height.div_ceil(2));
        let (Some(y), Some(u), Some(v)) = (
            plane(image, 0, width, height),
            plane(image, 1, chroma_width, chroma_height),
            plane(image, 2, chroma_width, chroma_height),
        ) else {
            return Err(strange);
        };
        Picture::from_planes(width, height, y, u, v).map(Some)
    }
}

impl Drop for Decoder {
    fn drop(&mut self) {
        // SAFETY: the context was initialised in `new` and is destroyed nowhere else.
        unsafe { vpx_sys::vpx_codec_destroy(&raw mut *self.context) };
    }
}

/// Copies one plane of an image of libvpx without what pads its rows.
fn plane(image: &vpx_image_t, index: usize, width: u32, height: u32) -> Option<Vec<u8>> {
    let start = *image.planes.get(index)?;
    let stride = usize::try_from(*image.stride.get(index)?).ok()?;
    let (width, height) = (usize::try_from(width).ok()?, usize::try_from(height).ok()?);
    if start.is_null() || stride < width {
        return None;
    }
    let mut samples = Vec::with_capacity(width.checked_mul(height)?);
    for row in 0..height {
        // SAFETY: an image has `height` rows of `width` samples, each `stride` bytes after the
        // one before, for as long as the image is borrowed.
        let row = unsafe { std::slice::from_raw_parts(start.add(row * stride), width) };
        samples.extend_from_slice(row);
    }
    Some(samples)
}

/// Fills in what depends on us.
fn apply(config: &EncoderConfig, settings: &mut vpx_codec_enc_cfg_t) {
    settings.g_w = config.width;
    settings.g_h = config.height;
    let ticks = c_int::try_from(TICKS_PER_SECOND).unwrap_or(c_int::MAX);
    settings.g_timebase = vpx_rational { num: 1, den: ticks };
    settings.g_threads = 1;
    settings.g_lag_in_frames = 0;
    settings.g_error_resilient = vpx_sys::VPX_ERROR_RESILIENT_DEFAULT;
    settings.rc_end_usage = vpx_rc_mode::VPX_CBR;
    settings.rc_target_bitrate = config.bitrate_kbit;
    settings.rc_dropframe_thresh = DROP_BELOW_PERCENT;
    settings.rc_resize_allowed = 0;
    settings.rc_min_quantizer = QUANTIZERS.0;
    settings.rc_max_quantizer = QUANTIZERS.1;
    settings.rc_undershoot_pct = 100;
    settings.rc_overshoot_pct = 15;
    settings.rc_buf_sz = BUFFER_MS;
    settings.rc_buf_initial_sz = BUFFER_INITIAL_MS;
    settings.rc_buf_optimal_sz = BUFFER_OPTIMAL_MS;
    settings.kf_mode = vpx_kf_mode::VPX_KF_AUTO;
    settings.kf_min_dist = 0;
    settings.kf_max_dist = KEY_FRAME_INTERVAL;
}

/// Ticks between two pictures.
fn duration(config: &EncoderConfig) -> c_ulong {
    c_ulong::from(TICKS_PER_SECOND / config.fps.max(1))
}

fn version(number: u32) -> c_int {
    c_int::try_from(number).unwrap_or(c_int::MAX)
}

fn check(action: &'static str, result: vpx_codec_err_t) -> Result<(), MediaError> {
    let reason = match result {
        vpx_codec_err_t::VPX_CODEC_OK => return Ok(()),
        vpx_codec_err_t::VPX_CODEC_MEM_ERROR => "there is not enough memory",
        vpx_codec_err_t::VPX_CODEC_ABI_MISMATCH => "libvpx is of another version",
        vpx_codec_err_t::VPX_CODEC_INCAPABLE => "libvpx was built without it",
        vpx_codec_err_t::VPX_CODEC_UNSUP_BITSTREAM => "it is of an unknown kind",
        vpx_codec_err_t::VPX_CODEC_UNSUP_FEATURE => "it uses what libvpx does not know",
        vpx_codec_err_t::VPX_CODEC_CORRUPT_FRAME => "it is damaged",
        vpx_codec_err_t::VPX_CODEC_INVALID_PARAM => "a setting is out of range",
        _ => "libvpx failed",
    };
    Err(MediaError::Vp8 { action, reason })
}
