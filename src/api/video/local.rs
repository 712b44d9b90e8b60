//! What this process shows: a thread that captures and one that encodes, with room for one
//! picture between them.
//!
//! A camera may block and an encoder takes its time, so each has a thread. A picture that the
//! encoder has not got to is replaced by the next. While nobody is there to see it, there is one
//! picture per second, so that whoever comes unnoticed still finds something to ask about.

use std::fmt;
use std::sync::Arc;
use std::sync::Condvar;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use tokio::sync::watch;

use crate::api::audio::VersionedKeys;
use crate::crypto::frame::FrameError;
use crate::device::video::VideoFormat;
use crate::device::video::VideoSource;
use crate::media::codec::vp8::Content;
use crate::media::codec::vp8::EncoderConfig;
use crate::media::error::MediaError;
use crate::media::pipeline::VideoSender;
use crate::media::video::Picture;
use crate::model::SentVideoStats;
use crate::model::VideoContent;
use crate::rtc::EncodedVideo;
use crate::rtc::VideoSink;

use super::format;
use super::meter::RateMeter;
use super::rate::BitRate;

/// A picture that stands still is sent again this often: whatever of it was lost is made good.
const STILL_EVERY: Duration = Duration::from_secs(1);
/// How often wishes for key frames are looked at between pictures.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Between two pictures while nobody is there to see them.
const ALONE_EVERY: Duration = Duration::from_secs(1);
/// Whoever asks for a key frame is there for at least so long.
const ASKED_LATELY: Duration = Duration::from_secs(15);
/// A source is asked for news this many times as often as it has any.
const ASKED_PER_PICTURE: u32 = 4;

/// What the threads and their owner share.
#[derive(Debug)]
pub(in crate::api) struct Encoding {
    content: VideoContent,
    state: Mutex<State>,
    /// A picture is there, or it is time to stop.
    changed: Condvar,
    /// What is sent, for the one who sends it.
    preview: watch::Sender<Option<Arc<Picture>>>,
    fault: watch::Sender<Option<String>>,
    /// The source is closed.
    released: watch::Sender<bool>,
}

#[derive(Debug)]
struct State {
    stopped: bool,
    /// Captured and not yet encoded.
    fresh: Option<Arc<Picture>>,
    sink: VideoSink,
    keys: VersionedKeys,
    keys_changed: bool,
    watched: bool,
    stats: SentVideoStats,
    meter: RateMeter,
}

impl Encoding {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Seals with the keys of a room's version, unless those of a newer one are known.
    pub(super) fn set_keys(&self, keys: VersionedKeys) {
        let mut state = self.state();
        if keys.version >= state.keys.version {
            state.keys = keys;
            state.keys_changed = true;
        }
    }

    pub(super) fn set_watched(&self, watched: bool) {
        self.state().watched = watched;
    }

    pub(super) fn stats(&self, now: Instant) -> SentVideoStats {
        let state = self.state();
        let (fps, kbit) = state.meter.per_second(now);
        SentVideoStats { content: self.content, fps, kbit, ..state.stats.clone() }
    }

    /// What is sent.
    pub(in crate::api) fn preview(&self) -> watch::Receiver<Option<Arc<Picture>>> {
        self.preview.subscribe()
    }

    /// Why there are no more pictures, in words for a person.
    pub(in crate::api) fn fault(&self) -> watch::Receiver<Option<String>> {
        self.fault.subscribe()
    }

    /// Whether the source is closed, so that it can be opened again.
    pub(in crate::api) fn released(&self) -> watch::Receiver<bool> {
        self.released.subscribe()
    }

    fn stop(&self) {
        self.state().stopped = true;
        self.changed.notify_all();
    }

    /// Waits; whether it is time to stop.
    fn pause(&self, time: Duration) -> bool {
        let state = self.state();
        let waited = self.changed.wait_timeout_while(state, time, |state| !state.stopped);
        waited.unwrap_or_else(PoisonError::into_inner).0.stopped
    }

    fn give_up(&self, reason: String) {
        tracing::warn!(%reason, "pictures");
        self.fault.send_replace(Some(reason));
    }
}

/// Pictures on their way from a source to a track. They end when this is dropped.
pub(in crate::api) struct LocalVideo {
    encoding: Arc<Encoding>,
}

impl fmt::Debug for LocalVideo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalVideo").field("content", &self.encoding.content).finish()
    }
}

impl Drop for LocalVideo {
    fn drop(&mut self) {
        // The threads end with what they are doing; nothing they do is seen any more.
        self.encoding.stop();
    }
}

impl LocalVideo {
    /// Starts both threads.
    pub(in crate::api) fn start(
        source: Box<dyn VideoSource>,
        (content, wanted): (VideoContent, VideoFormat),
        sink: VideoSink,
        keys: VersionedKeys,
    ) -> Result<Self, std::io::Error> {
        let state = State {
            stopped: false,
            fresh: None,
            sink,
            keys,
            keys_changed: false,
            watched: true,
            stats: SentVideoStats::default(),
            meter: RateMeter::default(),
        };
        let encoding = Arc::new(Encoding {
            content,
            state: Mutex::new(state),
            changed: Condvar::new(),
            preview: watch::Sender::new(None),
            fault: watch::Sender::new(None),
            released: watch::Sender::new(false),
        });
        let video = Self { encoding: Arc::clone(&encoding) };
        let name = |what: &str| thread::Builder::new().name(format!("{}-{what}", content.label()));
        let (capturing, encoded_as) =
            (Arc::clone(&encoding), format::encoded_as(content, source.kind()));
        name("capture").spawn(move || capture(source, wanted.fps, &capturing))?;
        name("encode").spawn(move || encode(&encoding, wanted.fps, encoded_as))?;
        Ok(video)
    }

    pub(in crate::api) const fn encoding(&self) -> &Arc<Encoding> {
        &self.encoding
    }

    /// The track that the pictures go to.
    pub(in crate::api) fn sink(&self) -> VideoSink {
        self.encoding.state().sink.clone()
    }

    /// Sends them over another connection.
    pub(in crate::api) fn set_sink(&self, sink: VideoSink) {
        self.encoding.state().sink = sink;
    }
}

/// Asks a source for pictures until it is time to stop, and closes it.
fn capture(mut source: Box<dyn VideoSource>, fps: u32, encoding: &Encoding) {
    look(&mut *source, fps, encoding);
    drop(source);
    encoding.released.send_replace(true);
}

fn look(source: &mut dyn VideoSource, fps: u32, encoding: &Encoding) {
    let pause = Duration::from_secs(1) / fps.max(1).saturating_mul(ASKED_PER_PICTURE);
    loop {
        match source.next(Instant::now()) {
            Ok(Some(picture)) => {
                encoding.state().fresh = Some(Arc::clone(&picture));
                encoding.changed.notify_all();
                encoding.preview.send_replace(Some(picture));
            }
            Ok(None) => {}
            Err(error) => {
                encoding.give_up(error.to_string());
                return;
            }
        }
        if encoding.pause(pause) {
            return;
        }
    }
}

/// The state of the encoding thread.
struct Encoder {
    fps: u32,
    content: Content,
    began: Instant,
    sender: Option<VideoSender>,
    rate: BitRate,
    /// The newest picture, and when it was sent last.
    picture: Option<Arc<Picture>>,
    sent_at: Option<Instant>,
    /// When somebody last asked for a key frame.
    asked_at: Option<Instant>,
}

/// What is done with the next picture.
struct Turn {
    sink: VideoSink,
    keys: Option<VersionedKeys>,
    watched: bool,
    fresh: bool,
}

fn encode(encoding: &Encoding, fps: u32, content: Content) {
    let now = Instant::now();
    let rate = BitRate::new(0, now);
    let (picture, sender, sent_at, asked_at) = (None, None, None, None);
    let mut encoder =
        Encoder { fps, content, began: now, sender, rate, picture, sent_at, asked_at };
    while let Some(turn) = encoder.wait(encoding) {
        match encoder.turn(&turn, encoding) {
            Ok(()) => {}
            // Nothing is sent without a key, and the next one may be there soon.
            Err(MediaError::Seal(error)) => tracing::debug!(%error, "a picture is not sealed"),
            Err(error) => {
                encoding.give_up(error.to_string());
                return;
            }
        }
    }
}

impl Encoder {
    /// Waits for a picture or for a while; `None` when it is time to stop.
    fn wait(&mut self, encoding: &Encoding) -> Option<Turn> {
        let idle = |state: &mut State| !state.stopped && state.fresh.is_none();
        let waited = encoding.changed.wait_timeout_while(encoding.state(), LOOK_EVERY, idle);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner).0;
        if state.stopped {
            return None;
        }
        let fresh = state.fresh.take();
        let is_fresh = fresh.is_some();
        self.picture = fresh.or(self.picture.take());
        let changed = std::mem::take(&mut state.keys_changed) || self.sender.is_none();
        Some(Turn {
            sink: state.sink.clone(),
            keys: changed.then(|| state.keys.clone()),
            watched: state.watched,
            fresh: is_fresh,
        })
    }

    fn turn(&mut self, turn: &Turn, encoding: &Encoding) -> Result<(), MediaError> {
        let now = Instant::now();
        let since = |at: Option<Instant>| at.map(|at| now.saturating_duration_since(at));
        let Some(picture) = self.picture.clone() else {
            return Ok(());
        };
        if self.sender.is_none() {
            self.sender = Some(self.new_sender(turn, &picture)?);
        }
        let Some(sender) = &mut self.sender else { return Ok(()) };
        if let Some(keys) = &turn.keys {
            sender.set_keys(Arc::clone(&keys.keys));
            // Whoever has come with the new key can only begin with a key frame.
            sender.request_key_frame();
        }
        let asked = turn.sink.take_key_frame_wanted();
        if asked {
            sender.request_key_frame();
            self.asked_at = Some(now);
        }
        let alone = !turn.watched && since(self.asked_at).is_none_or(|ago| ago > ASKED_LATELY);
        let pause = if alone { ALONE_EVERY } else { STILL_EVERY };
        let rested = since(self.sent_at).is_none_or(|ago| ago >= pause);
        if !(asked || rested || turn.fresh && !alone) {
            return Ok(());
        }
        let worth = format::worth_kbit(picture.width(), picture.height(), self.fps);
        let kbit = self.rate.update(worth, turn.sink.bandwidth_kbit(), turn.sink.loss(), now);
        if kbit != sender.config().bitrate_kbit {
            sender.set_bitrate(kbit)?;
        }
        let time = now.saturating_duration_since(self.began);
        let encoded = sender.handle_picture(&picture, time, &mut rand::rng())?;
        self.sent_at = Some(now);
        let counted = sender.stats();
        let mut bytes = 0;
        let is_sent = encoded.is_some();
        if let Some(encoded) = encoded {
            bytes = encoded.payloads.iter().map(|payload| payload.len() as u64).sum();
            let video = EncodedVideo { payloads: encoded.payloads, timestamp: encoded.timestamp };
            if let Err(error) = turn.sink.write(video) {
                tracing::trace!(%error, "a picture is not sent");
            }
        }
        let mut state = encoding.state();
        state.meter.count(u32::from(is_sent), bytes, now);
        state.stats = SentVideoStats {
            width: picture.width(),
            height: picture.height(),
            pictures: counted.frames,
            key_frames: counted.key_frames,
            bytes: counted.bytes,
            target_kbit: kbit,
            ..SentVideoStats::default()
        };
        Ok(())
    }

    fn new_sender(&mut self, turn: &Turn, picture: &Picture) -> Result<VideoSender, MediaError> {
        let now = Instant::now();
        let (width, height) = (picture.width(), picture.height());
        let worth = format::worth_kbit(width, height, self.fps);
        self.rate = BitRate::new(worth, now);
        let bitrate_kbit = self.rate.update(worth, turn.sink.bandwidth_kbit(), 0, now);
        let config = EncoderConfig { width, height, fps: self.fps, bitrate_kbit };
        let keys = turn.keys.as_ref().map(|keys| Arc::clone(&keys.keys));
        let keys = keys.ok_or(MediaError::Seal(FrameError::NoSendingKey))?;
        VideoSender::new(keys, config, self.content, rand::random(), rand::random())
    }
}
