//! `conclave play FILE`: shows a recording in the terminal.

use std::fs::File;
use std::io::BufReader;
use std::io::Read;
use std::io::Seek;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;

use crate::cli::args::Play;
use crate::cli::args::Screen;
use crate::cli::args::Sound;
use crate::cli::devices::Choice;
use crate::cli::exit::Exit;
use crate::cli::exit::Failure;
use crate::cli::look;
use crate::cli::paths::Paths;
use crate::device::audio::AudioOutput;
use crate::device::audio::open_output;
use crate::media::MediaError;
use crate::media::Picture;
use crate::media::playback::AudioFile;
use crate::media::playback::Input;
use crate::media::playback::Kind;
use crate::media::playback::PlayAction;
use crate::media::playback::Player;
use crate::media::playback::VideoFile;
use crate::profile::Settings;
use crate::ui::player;
use crate::ui::player::Film;
use crate::ui::player::FilmState;
use crate::ui::player::PlayKey;

/// How far the arrows go.
const SEEK: Duration = Duration::from_secs(5);

/// Opens the files, shows them, and gives the terminal back.
pub async fn run(paths: Paths, sound: &Sound, screen: &Screen, play: &Play) -> anyhow::Result<()> {
    let settings = Settings::load(&paths.config)?;
    let look = look::choose(screen, &settings, &paths.config);
    let (mut video, mut audio) = (None, None);
    for file in std::iter::once(&play.file).chain(&play.with) {
        match open(file)? {
            Track::Video(track) => video = Some(track),
            Track::Audio(track) => audio = Some(track),
        }
    }
    let speaker = match &audio {
        Some(_) => open_speaker(&Choice::new(sound, &settings)?)?,
        None => None,
    };
    let player = Player::new(video, audio);
    let mut film = Shown { player, speaker, sound: Vec::new(), fault: None };
    let title = play.file.file_name().unwrap_or_default().to_string_lossy();
    player::play(look, &title, &mut film).await?;
    if let Some(speaker) = &mut film.speaker {
        let _ = speaker.finish();
    }
    match film.fault {
        None => Ok(()),
        Some(fault) => Err(fault).context("the file can't be read any further"),
    }
}

enum Track {
    Video(VideoFile<Box<dyn Input>>),
    Audio(AudioFile<Box<dyn Input>>),
}

fn open(path: &Path) -> anyhow::Result<Track> {
    let said = |what: &str| Failure::new(Exit::Usage, format!("{}: {what}", path.display()));
    let mut file = File::open(path).map_err(|error| said(&error.to_string()))?;
    let mut beginning = Vec::new();
    let most = u64::try_from(Kind::BYTES).unwrap_or_default();
    file.by_ref().take(most).read_to_end(&mut beginning)?;
    file.rewind()?;
    let input: Box<dyn Input> = Box::new(BufReader::new(file));
    let track = match Kind::of(&beginning) {
        Some(Kind::Video) => VideoFile::open(input).map(Track::Video),
        Some(Kind::Audio) => AudioFile::open(input).map(Track::Audio),
        None => return Err(said("not IVF, Y4M, WAV or Ogg; nothing else is played").into()),
    };
    Ok(track.map_err(|error| said(&error.to_string()))?)
}

/// The loudspeaker; one that nobody named may be missing.
fn open_speaker(choice: &Choice) -> anyhow::Result<Option<Box<dyn AudioOutput>>> {
    match open_output(&choice.speaker) {
        Ok(speaker) => Ok(Some(speaker)),
        Err(error) if choice.speaker_named => Err(error.into()),
        Err(error) => {
            tracing::info!(%error, "played without sound");
            Ok(None)
        }
    }
}

struct Shown {
    player: Player,
    speaker: Option<Box<dyn AudioOutput>>,
    sound: Vec<f32>,
    fault: Option<MediaError>,
}

impl Film for Shown {
    fn advance(&mut self, elapsed: Duration) -> Option<Arc<Picture>> {
        self.sound.clear();
        let picture = match self.player.advance(elapsed, &mut self.sound) {
            Ok(picture) => picture,
            Err(fault) => {
                self.fault = Some(fault);
                return None;
            }
        };
        if let Some(speaker) = &mut self.speaker
            && speaker.write(&self.sound).is_err()
        {
            tracing::info!("the loudspeaker is gone; the film goes on without it");
            self.speaker = None;
        }
        picture
    }

    fn handle(&mut self, key: PlayKey) {
        let action = match key {
            PlayKey::Pause => PlayAction::Pause,
            PlayKey::Back => PlayAction::Back(SEEK),
            PlayKey::Forward => PlayAction::Forward(SEEK),
            PlayKey::Faster => PlayAction::Faster,
            PlayKey::Slower => PlayAction::Slower,
        };
        if let Err(fault) = self.player.handle(action) {
            self.fault = Some(fault);
        }
    }

    fn state(&self) -> FilmState {
        let status = self.player.status();
        FilmState {
            position: status.position,
            length: status.length,
            speed: status.speed,
            paused: status.paused,
            ended: status.ended,
            level: status.level,
            failed: self.fault.is_some(),
        }
    }
}
