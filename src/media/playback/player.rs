//! Moves along pictures and sound at a speed.

use std::sync::Arc;
use std::time::Duration;

use super::AudioFile;
use super::Input;
use super::VideoFile;
use crate::media::audio::Meter;
use crate::media::error::MediaError;
use crate::media::frame::SAMPLE_RATE;
use crate::media::video::Picture;
use crate::model::Level;

/// Speeds that can be chosen, in percent.
pub const SPEEDS: [u32; 7] = [25, 50, 100, 150, 200, 400, 800];
/// The usual one among them.
const NORMAL: usize = 2;
/// Longest time that is made up for in one step: a stopped process does not race afterwards.
const MAX_STEP: Duration = Duration::from_millis(500);

/// What the viewer wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlayAction {
    /// Pause, or go on. At the end: begin again.
    Pause,
    /// Back by so much.
    Back(Duration),
    /// Forward by so much.
    Forward(Duration),
    /// The next higher of [`SPEEDS`].
    Faster,
    /// The next lower of [`SPEEDS`].
    Slower,
}

/// Where it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PlayStatus {
    /// Played so far.
    pub position: Duration,
    /// All there is.
    pub length: Duration,
    /// In percent.
    pub speed: u32,
    /// Nothing moves.
    pub paused: bool,
    /// There is nothing more.
    pub ended: bool,
    /// Level of the sound here, if there is sound.
    pub level: Option<Level>,
}

/// A film, a recording, or one of the two halves of it.
pub struct Player {
    video: Option<VideoFile<Box<dyn Input>>>,
    audio: Option<AudioFile<Box<dyn Input>>>,
    length: Duration,
    position: Duration,
    /// Samples read since the last seek belong to this much time.
    heard: Duration,
    speed: usize,
    paused: bool,
    meter: Meter,
    samples: Vec<f32>,
}

impl Player {
    /// At the beginning, playing.
    #[must_use]
    pub fn new(
        video: Option<VideoFile<Box<dyn Input>>>,
        audio: Option<AudioFile<Box<dyn Input>>>,
    ) -> Self {
        let pictures = video.as_ref().map_or(Duration::ZERO, VideoFile::length);
        let sound = audio.as_ref().map_or(Duration::ZERO, AudioFile::length);
        Self {
            video,
            audio,
            length: pictures.max(sound),
            position: Duration::ZERO,
            heard: Duration::ZERO,
            speed: NORMAL,
            paused: false,
            meter: Meter::new(),
            samples: Vec::new(),
        }
    }

    /// Where it is.
    #[must_use]
    pub fn status(&self) -> PlayStatus {
        let moves = !self.paused && self.position < self.length;
        let level = if moves { self.meter.level() } else { Level::FLOOR };
        PlayStatus {
            position: self.position,
            length: self.length,
            speed: SPEEDS.get(self.speed).copied().unwrap_or(100),
            paused: self.paused,
            ended: self.position >= self.length,
            level: self.audio.as_ref().map(|_| level),
        }
    }

    /// Does what the viewer wants.
    ///
    /// # Errors
    ///
    /// [`MediaError::Io`] if reading fails.
    pub fn handle(&mut self, action: PlayAction) -> Result<(), MediaError> {
        match action {
            PlayAction::Pause if self.position >= self.length => {
                self.paused = false;
                self.seek(Duration::ZERO)
            }
            PlayAction::Pause => {
                self.paused = !self.paused;
                Ok(())
            }
            PlayAction::Back(by) => self.seek(self.position.saturating_sub(by)),
            PlayAction::Forward(by) => self.seek(self.position.saturating_add(by)),
            PlayAction::Faster => {
                self.speed = (self.speed + 1).min(SPEEDS.len() - 1);
                Ok(())
            }
            PlayAction::Slower => {
                self.speed = self.speed.saturating_sub(1);
                Ok(())
            }
        }
    }

    /// Lets `elapsed` of real time pass. Answers what is seen now, if that is something else
    /// than before, and appends to `sound` what is heard meanwhile: 48 kHz mono, at normal
    /// speed only.
    ///
    /// # Errors
    ///
    /// [`MediaError::Io`] if reading fails.
    pub fn advance(
        &mut self,
        elapsed: Duration,
        sound: &mut Vec<f32>,
    ) -> Result<Option<Arc<Picture>>, MediaError> {
        if !self.paused {
            let percent = SPEEDS.get(self.speed).copied().unwrap_or(100);
            let step = elapsed.min(MAX_STEP) * percent / 100;
            self.position = self.position.saturating_add(step).min(self.length);
            self.listen(percent == 100, sound)?;
        }
        match &mut self.video {
            Some(video) => video.at(self.position),
            None => Ok(None),
        }
    }

    fn seek(&mut self, to: Duration) -> Result<(), MediaError> {
        self.position = to.min(self.length);
        self.heard = self.position;
        match &mut self.audio {
            Some(audio) => audio.seek(self.position),
            None => Ok(()),
        }
    }

    /// Reads the sound up to where we are.
    fn listen(&mut self, aloud: bool, sound: &mut Vec<f32>) -> Result<(), MediaError> {
        let Some(audio) = &mut self.audio else { return Ok(()) };
        let missing = self.position.saturating_sub(self.heard).as_micros();
        let count = missing * u128::from(SAMPLE_RATE) / 1_000_000;
        let micros = count * 1_000_000 / u128::from(SAMPLE_RATE);
        self.heard += Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX));
        self.samples.clear();
        // A step of time is short, whatever the speed.
        let count = usize::try_from(count).unwrap_or_default();
        audio.read(count, &mut self.samples)?;
        if aloud {
            sound.extend_from_slice(&self.samples);
        }
        // Behind the end there is silence.
        self.samples.resize(count, 0.0);
        self.meter.measure(&self.samples);
        Ok(())
    }
}
