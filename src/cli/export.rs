//! One recorded track: fetched from the bridge, opened, and written in a form that plays.

use std::fs::File;
use std::io::BufReader;
use std::io::BufWriter;
use std::io::Seek;
use std::io::SeekFrom;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;

use crate::api::StreamApi;
use crate::crypto::data_message::DataCryptor;
use crate::crypto::frame::FrameKeys;
use crate::crypto::frame::MediaKey;
use crate::media::recording::AudioExport;
use crate::media::recording::ExportReport;
use crate::media::recording::SoundFormat;
use crate::media::recording::Stamp;
use crate::media::recording::Timeline;
use crate::media::recording::VideoExport;
use crate::model::KeyId;
use crate::model::RecordingEncKey;
use crate::model::RecordingId;
use crate::model::TrackKind;
use crate::wire::recording::TrackHeader;
use crate::wire::recording::TrackReader;
use crate::wire::recording::kind_name;

/// Characters of a user's name that go into the name of a file.
const NAME_MAX: usize = 32;

pub use crate::media::recording::SoundFormat as Format;

/// The keys of a room, of all its epochs.
#[derive(Clone)]
pub struct Keys(Arc<FrameKeys>);

impl Keys {
    /// Takes what the bridge wrapped for this member.
    pub fn new(keys: Vec<RecordingEncKey>) -> Self {
        let keys = keys.into_iter().map(|RecordingEncKey { id, key }| MediaKey { id, key });
        // Nothing is sealed here, so there is no current one.
        Self(Arc::new(FrameKeys::new(KeyId::default(), keys.collect())))
    }
}

/// A track that was exported.
pub struct Exported {
    /// Its number within the recording.
    pub number: u32,
    /// What its file says.
    pub header: TrackHeader,
    /// Where it went.
    pub file: PathBuf,
    /// What was counted.
    pub report: ExportReport,
    /// Its file ends in the middle of a packet, because the bridge was killed or still writes.
    pub torn: bool,
}

/// Fetches the file of a track into an unnamed file next to where the result will be.
pub async fn fetch(
    api: &StreamApi,
    recording: &RecordingId,
    number: u32,
    near: &Path,
) -> anyhow::Result<File> {
    let mut file = tempfile::tempfile_in(near)?;
    let mut offset = 0;
    loop {
        let part = api.read_recording(recording, number, offset).await?;
        if part.is_empty() {
            return Ok(file);
        }
        file.write_all(&part)?;
        offset += part.len() as u64;
    }
}

/// Exports a track into `out`; `None` if there is nothing in its file.
pub async fn track(
    fetched: File,
    number: u32,
    out: &Path,
    keys: &Keys,
    format: Format,
) -> anyhow::Result<Option<Exported>> {
    let (out, keys) = (out.to_owned(), Arc::clone(&keys.0));
    tokio::task::spawn_blocking(move || export(fetched, number, &out, keys, format)).await?
}

fn export(
    mut fetched: File,
    number: u32,
    out: &Path,
    keys: Arc<FrameKeys>,
    format: Format,
) -> anyhow::Result<Option<Exported>> {
    // Twice: the place of the first packet depends on the ones after it.
    let mut stamps = Vec::new();
    fetched.seek(SeekFrom::Start(0))?;
    let Ok(mut reader) = TrackReader::new(BufReader::new(&fetched)) else { return Ok(None) };
    while let Some(packet) = reader.next_packet()? {
        let (seq, arrival_us, timestamp) = (packet.seq, packet.arrival_us, packet.timestamp);
        stamps.push(Stamp { seq, arrival_us, timestamp });
    }
    if stamps.is_empty() {
        return Ok(None);
    }
    let (header, torn) = (reader.header().clone(), reader.is_torn());
    drop(reader);
    fetched.seek(SeekFrom::Start(0))?;
    let mut reader = TrackReader::new(BufReader::new(&fetched))?;

    let ending = match (header.kind, format) {
        (TrackKind::Audio, SoundFormat::Wav) => "wav",
        (TrackKind::Audio, SoundFormat::Ogg) => "ogg",
        (TrackKind::Video, _) => "ivf",
        (TrackKind::Data, _) => "jsonl",
    };
    let name = format!("{number:02}-{}-{}.{ending}", plain(&header.user), kind_name(header.kind));
    let file = out.join(&name);
    let part = out.join(format!("{name}.part"));
    let output = File::create(&part).with_context(|| format!("writing {}", part.display()))?;
    let mut output = BufWriter::new(output);
    let report = match header.kind {
        TrackKind::Audio => {
            let timeline = Timeline::new(stamps, header.clock_rate);
            let about = (header.user.as_str(), number);
            let mut export = AudioExport::new(output, format, timeline, keys, about)?;
            while let Some(packet) = reader.next_packet()? {
                export.handle(packet.seq, packet.payload)?;
            }
            let (mut output, report) = export.finish()?;
            output.flush()?;
            report
        }
        TrackKind::Video => {
            let timeline = Timeline::new(stamps, header.clock_rate);
            let mut export = VideoExport::new(output, timeline, keys)?;
            while let Some(packet) = reader.next_packet()? {
                export.handle(packet.seq, packet.marker, packet.payload)?;
            }
            let (mut output, report) = export.finish()?;
            output.flush()?;
            report
        }
        TrackKind::Data => {
            let report = messages(&mut reader, &header, keys, &mut output)?;
            output.flush()?;
            report
        }
    };
    // Whole or not at all.
    std::fs::rename(&part, &file)?;
    Ok(Some(Exported { number, header, file, report, torn }))
}

/// Messages as one JSON object per line.
fn messages(
    reader: &mut TrackReader<BufReader<&File>>,
    header: &TrackHeader,
    keys: Arc<FrameKeys>,
    output: &mut impl Write,
) -> anyhow::Result<ExportReport> {
    let mut cryptor = DataCryptor::new(keys);
    let mut report = ExportReport::default();
    while let Some(packet) = reader.next_packet()? {
        report.packets += 1;
        let at_ms = packet.arrival_us / 1000;
        report.length_ms = at_ms;
        let Ok(opened) = cryptor.open(header.stream, packet.payload) else {
            report.unopened += 1;
            continue;
        };
        let line = json!({"at_ms": at_ms, "user": header.user,
            "text": std::str::from_utf8(&opened.data).ok(),
            "data": BASE64_STANDARD.encode(&opened.data)});
        writeln!(output, "{line}")?;
    }
    Ok(report)
}

/// What of a user's name can be part of the name of a file.
fn plain(user: &str) -> String {
    let plain: String = user
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || "_-".contains(*c))
        .take(NAME_MAX)
        .collect();
    if plain.is_empty() { "user".to_owned() } else { plain }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_no_paths() {
        for (user, expected) in
            [("ana", "ana"), ("../../x", "x"), ("a/b\\c\0", "abc"), ("é", "user"), ("", "user")]
        {
            assert_eq!(plain(user), expected, "{user:?}");
        }
        assert_eq!(plain(&"a".repeat(500)).len(), NAME_MAX);
    }
}
