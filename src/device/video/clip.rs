//! A Y4M file, played in a loop at its own pace.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use super::error::VideoError;
use super::pace::Pace;
use super::source::VideoFormat;
use super::source::VideoKind;
use super::source::VideoSource;
use crate::device::error::DeviceError;
use crate::media::MediaError;
use crate::media::container::y4m::Y4mReader;
use crate::media::video::Picture;

/// What can be read.
const WANTED: &str =
    "YUV4MPEG2 with 4:2:0 chroma of 8 bits (`ffmpeg -i CLIP -pix_fmt yuv420p OUT.y4m`)";

/// Plays a file again and again. Pictures that are not asked for in time are skipped.
#[derive(Debug)]
pub(super) struct Clip {
    path: PathBuf,
    reader: Y4mReader<BufReader<File>>,
    format: VideoFormat,
    /// Pictures in the file, not 0.
    length: u64,
    /// The one that is read next.
    position: u64,
    started: Option<Instant>,
    last: Option<u64>,
    /// Limits the rate to the one asked for.
    pace: Pace,
}

impl Clip {
    pub(super) fn open(path: &Path, format: VideoFormat) -> Result<Self, DeviceError> {
        let unusable = |source| unusable(path, source);
        let file = File::open(path)
            .map_err(|source| DeviceError::File { path: path.to_owned(), source })?;
        let mut reader = Y4mReader::new(BufReader::new(file)).map_err(unusable)?;
        let length = reader.count().map_err(unusable)?;
        if length == 0 {
            return Err(unusable(MediaError::Y4m("there are no pictures in it")));
        }
        Ok(Self {
            path: path.to_owned(),
            reader,
            format,
            length,
            position: 0,
            started: None,
            last: None,
            pace: Pace::new(format.fps, 1),
        })
    }

    fn read(&mut self, number: u64) -> Result<Picture, MediaError> {
        if self.position != number {
            self.reader.seek(number)?;
        }
        let picture = self.reader.read()?;
        self.position = number + 1;
        let picture = picture.ok_or(MediaError::Y4m("it has become shorter"))?;
        picture.fitted(self.format.max_width, self.format.max_height)
    }
}

impl VideoSource for Clip {
    fn next(&mut self, now: Instant) -> Result<Option<Arc<Picture>>, DeviceError> {
        let started = *self.started.get_or_insert(now);
        let rate = self.reader.rate();
        let shown = rate.number_at(now.saturating_duration_since(started));
        if self.last == Some(shown) {
            return Ok(None);
        }
        let own = f64::from(rate.pictures) / f64::from(rate.seconds);
        if own > f64::from(self.format.fps) && self.pace.due(now).is_none() {
            return Ok(None);
        }
        self.last = Some(shown);
        let picture = self.read(shown % self.length);
        picture.map(|picture| Some(Arc::new(picture))).map_err(|error| unusable(&self.path, error))
    }

    fn kind(&self) -> VideoKind {
        VideoKind::Synthetic
    }
}

fn unusable(path: &Path, source: MediaError) -> DeviceError {
    let path = path.to_owned();
    match source {
        MediaError::Io(source) => DeviceError::File { path, source },
        source => {
            let reason = source.to_string();
            VideoError::Content { path, reason, wanted: WANTED }.into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::video::VideoSpec;
    use crate::device::video::open;
    use crate::device::video::pattern;
    use crate::media::container::y4m::Rate;
    use crate::media::container::y4m::Y4mWriter;
    use std::time::Duration;

    fn clip(pictures: u32, seconds: u32) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut writer = Y4mWriter::new(file.reopen().unwrap(), Rate { pictures, seconds });
        for number in 0..6 {
            writer.write(&pattern::picture(number, 160, 90)).unwrap();
        }
        writer.finish().unwrap();
        file
    }

    fn counters(file: &Path, fps: u32, times: impl Iterator<Item = u64>) -> Vec<(u64, u32)> {
        let format = VideoFormat { max_width: 640, max_height: 360, fps };
        let mut source = open(&VideoSpec::Clip(file.to_owned()), &format).unwrap();
        let begin = Instant::now();
        let mut seen = Vec::new();
        for ms in times {
            if let Some(picture) = source.next(begin + Duration::from_millis(ms)).unwrap() {
                seen.push((ms, pattern::read_counter(&picture).unwrap()));
            }
        }
        seen
    }

    #[test]
    fn a_clip_is_played_in_a_loop_at_its_own_pace() {
        let file = clip(10, 1);
        let seen = counters(file.path(), 30, 0..1_500);
        let expected: Vec<(u64, u32)> =
            (0_u64..15).map(|number| (number * 100, (number % 6) as u32)).collect();
        assert_eq!(seen, expected);
        let late = counters(file.path(), 30, [0, 430, 431, 60_010].into_iter());
        assert_eq!(late, [(0, 0), (430, 4), (60_010, 0)], "late pictures are skipped");
    }

    #[test]
    fn a_fast_clip_is_thinned_out() {
        let file = clip(60, 1);
        let seen = counters(file.path(), 10, 0..500);
        let expected = [(0, 0), (100, 0), (200, 0), (300, 0), (400, 0)];
        assert_eq!(seen, expected, "every sixth of a loop of six");
        let film = clip(30_000, 1_001);
        assert_eq!(counters(film.path(), 60, 0..1_002).len(), 31);
    }

    #[test]
    fn what_is_no_clip_is_refused_with_advice() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for (bytes, reason) in [
            (&b"RIFF\n"[..], "begin"),
            (b"YUV4MPEG2 W16 H16 F25:1\n", "no pictures"),
            (b"YUV4MPEG2 W99999 H16 F25:1\n", "8192"),
        ] {
            std::fs::write(file.path(), bytes).unwrap();
            let spec = VideoSpec::Clip(file.path().to_owned());
            let error = open(&spec, &VideoFormat::default()).map(drop).unwrap_err().to_string();
            assert!(error.contains(reason) && error.contains("ffmpeg"), "{error}");
        }
        let spec = VideoSpec::Clip("/no/such/clip.y4m".into());
        let error = open(&spec, &VideoFormat::default()).map(drop).unwrap_err().to_string();
        assert!(error.contains("/no/such/clip.y4m"), "{error}");
    }
}
