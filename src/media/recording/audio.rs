//! Recorded sound as a WAV or Ogg file that starts with the recording.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::io::Seek;
use std::io::Write;
use std::sync::Arc;

use super::ExportReport;
use super::reorder::Queued;
use super::reorder::Reorder;
use super::timeline::Timeline;
use crate::crypto::frame::FrameCryptor;
use crate::crypto::frame::FrameKeys;
use crate::media::codec::opus::Decoder;
use crate::media::codec::opus::SILENCE;
use crate::media::codec::opus::has_fec;
use crate::media::codec::opus::packet_samples;
use crate::media::container::ogg::OggOpusWriter;
use crate::media::container::ogg::PRE_SKIP;
use crate::media::container::wav::WavWriter;
use crate::media::error::MediaError;
use crate::media::frame::FRAME_SAMPLES;
use crate::media::frame::SAMPLE_RATE;
use crate::model::TrackKind;

/// Samples of a millisecond.
const SAMPLES_PER_MS: u64 = 48;
/// Samples of one frame.
const FRAME: u64 = FRAME_SAMPLES as u64;
/// Sound that is invented for what is missing; then there is silence. 60 ms.
const CONCEALED: u64 = 2880;
/// The smallest step that Opus can be asked to conceal, and the shortest packet. 2.5 ms.
const STEP: u64 = 120;
/// Samples that are collected before they are written: a second.
const CHUNK: usize = SAMPLE_RATE as usize;
/// First bytes of packets of 20, 10, 5 and 2.5 ms. Alone they tell a decoder to conceal.
const LENGTHS: [(u64, u8); 4] = [(960, 0xf8), (480, 0xf0), (240, 0xe8), (120, 0xe0)];

/// What the sound becomes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SoundFormat {
    /// 48 kHz, 16 bits, mono, decoded.
    #[default]
    Wav,
    /// The Opus packets as they are, in Ogg.
    Ogg,
}

enum Sink<W> {
    Wav { writer: WavWriter<W>, decoder: Box<Decoder>, pending: Vec<f32> },
    Ogg(OggOpusWriter<W>),
}

/// Writes one track of sound.
pub struct AudioExport<W> {
    timeline: Timeline,
    cryptor: FrameCryptor,
    reorder: Reorder,
    sink: Sink<W>,
    /// Samples written, or about to be.
    cursor: u64,
    /// Something was heard before.
    started: bool,
    unopened: u64,
    unreadable: u64,
}

impl<W: Write + Seek> AudioExport<W> {
    /// Begins a file for the track whose packets are placed by `timeline`. `user` is who
    /// speaks, and `serial` tells the streams of several files apart.
    ///
    /// # Errors
    ///
    /// [`MediaError::Io`] if writing fails, [`MediaError::Opus`] if there is no decoder.
    pub fn new(
        output: W,
        format: SoundFormat,
        timeline: Timeline,
        keys: Arc<FrameKeys>,
        (user, serial): (&str, u32),
    ) -> Result<Self, MediaError> {
        let sink = match format {
            SoundFormat::Wav => Sink::Wav {
                writer: WavWriter::new(output, SAMPLE_RATE)?,
                decoder: Box::new(Decoder::new()?),
                pending: Vec::new(),
            },
            SoundFormat::Ogg => Sink::Ogg(OggOpusWriter::new(output, serial, user)?),
        };
        Ok(Self {
            timeline,
            cryptor: FrameCryptor::new(keys),
            reorder: Reorder::default(),
            sink,
            cursor: 0,
            started: false,
            unopened: 0,
            unreadable: 0,
        })
    }

    /// Takes the next packet of the track's file.
    ///
    /// # Errors
    ///
    /// [`MediaError::Io`] if writing fails, [`MediaError::WavFull`] after twelve hours of sound.
    pub fn handle(&mut self, seq: u64, payload: &[u8]) -> Result<(), MediaError> {
        let packet = Queued { seq, marker: false, payload: payload.to_vec() };
        match self.reorder.push(packet) {
            Some(packet) => self.play(&packet),
            None => Ok(()),
        }
    }

    /// Writes what is left and ends the file.
    ///
    /// # Errors
    ///
    /// As [`handle`](Self::handle).
    pub fn finish(mut self) -> Result<(W, ExportReport), MediaError> {
        while let Some(packet) = self.reorder.pop() {
            self.play(&packet)?;
        }
        let report = ExportReport {
            packets: self.timeline.packets(),
            lost: self.timeline.lost(),
            unopened: self.unopened,
            unreadable: self.unreadable,
            length_ms: self.cursor / SAMPLES_PER_MS,
        };
        let output = match self.sink {
            Sink::Wav { mut writer, pending, .. } => {
                writer.write(&pending)?;
                writer.into_inner()
            }
            Sink::Ogg(writer) => writer.finish()?,
        };
        Ok((output, report))
    }

    fn play(&mut self, packet: &Queued) -> Result<(), MediaError> {
        let Ok(opened) = self.cryptor.open(TrackKind::Audio, &packet.payload) else {
            self.unopened = self.unopened.saturating_add(1);
            return Ok(());
        };
        let opus = opened.frame;
        let (Some(samples), Some(place)) = (packet_samples(&opus), self.timeline.place(packet.seq))
        else {
            self.unreadable = self.unreadable.saturating_add(1);
            return Ok(());
        };
        let place = u64::try_from(place).unwrap_or_default();
        match &mut self.sink {
            Sink::Wav { .. } => self.decode(&opus, place),
            Sink::Ogg(_) => self.store(&opus, place, samples),
        }
    }

    /// Decodes a packet to where it belongs.
    fn decode(&mut self, opus: &[u8], place: u64) -> Result<(), MediaError> {
        // The decoder's output lags behind, and players of Ogg leave out as much.
        let start = place.saturating_sub(u64::from(PRE_SKIP));
        let early = u64::from(PRE_SKIP).saturating_sub(place);
        self.fill(start.saturating_sub(self.cursor), opus)?;
        let Sink::Wav { decoder, pending, .. } = &mut self.sink else { return Ok(()) };
        let Ok(sound) = decoder.decode(opus) else {
            self.unreadable = self.unreadable.saturating_add(1);
            return Ok(());
        };
        // What was heard already, because the sender's clock was set back a little.
        let heard = self.cursor.saturating_sub(start).saturating_add(early);
        let rest = usize::try_from(heard).ok().and_then(|heard| sound.get(heard..));
        let rest = rest.unwrap_or_default();
        pending.extend_from_slice(rest);
        self.cursor = self.cursor.saturating_add(length(rest));
        self.started = true;
        self.flush()
    }

    /// Covers `gap` samples before `next`: invents the first of them, the rest is silence.
    fn fill(&mut self, gap: u64, next: &[u8]) -> Result<(), MediaError> {
        let mut left = gap;
        let mut invented = if !self.started {
            0
        } else if gap <= CONCEALED {
            gap
        } else {
            FRAME
        };
        let fades = gap > CONCEALED;
        while let Sink::Wav { decoder, pending, .. } = &mut self.sink
            && invented >= STEP
        {
            let piece = whole_steps(invented.min(FRAME));
            let samples = usize::try_from(piece).unwrap_or_default();
            let last = piece == left && has_fec(next);
            let sound =
                if last { decoder.recover(next, samples) } else { decoder.conceal(samples) };
            match sound {
                Ok(sound) if fades => pending.extend(faded(sound)),
                Ok(sound) => pending.extend_from_slice(sound),
                Err(_) => pending.resize(pending.len().saturating_add(samples), 0.0),
            }
            invented = invented.saturating_sub(piece);
            left = left.saturating_sub(piece);
        }
        while left > 0 {
            let Sink::Wav { pending, .. } = &mut self.sink else { break };
            let piece = left.min(u64::from(SAMPLE_RATE));
            let samples = usize::try_from(piece).unwrap_or_default();
            pending.resize(pending.len().saturating_add(samples), 0.0);
            left = left.saturating_sub(piece);
            self.flush()?;
        }
        self.cursor = self.cursor.saturating_add(gap);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), MediaError> {
        if let Sink::Wav { writer, pending, .. } = &mut self.sink
            && pending.len() >= CHUNK
        {
            writer.write(pending)?;
            pending.clear();
        }
        Ok(())
    }

    /// Stores a packet where it belongs, as nearly as packets can say.
    fn store(&mut self, opus: &[u8], place: u64, samples: u32) -> Result<(), MediaError> {
        let Sink::Ogg(writer) = &mut self.sink else { return Ok(()) };
        // Half a packet too late is nearer than a whole one too early.
        if self.cursor > place.saturating_add(u64::from(samples / 2)) {
            return Ok(());
        }
        // Rounded to the nearest step, so that what is left over never adds up.
        let gap = place.saturating_sub(self.cursor);
        let mut gap = whole_steps(gap.saturating_add(STEP / 2));
        let conceals = self.started && gap <= CONCEALED;
        for (length, toc) in LENGTHS {
            while gap >= length {
                let silent = length == FRAME && !conceals;
                let packet = if silent { &SILENCE[..] } else { &[toc] };
                writer.write(packet, u32::try_from(length).unwrap_or_default())?;
                gap = gap.saturating_sub(length);
                self.cursor = self.cursor.saturating_add(length);
            }
        }
        writer.write(opus, samples)?;
        self.cursor = self.cursor.saturating_add(u64::from(samples));
        self.started = true;
        Ok(())
    }
}

/// Rounds down to what packets can say.
fn whole_steps(samples: u64) -> u64 {
    (samples / STEP).saturating_mul(STEP)
}

fn length(samples: &[f32]) -> u64 {
    u64::try_from(samples.len()).unwrap_or(u64::MAX)
}

/// Lets sound fade to nothing.
#[expect(clippy::cast_precision_loss, reason = "a frame has 960 samples")]
fn faded(sound: &[f32]) -> impl Iterator<Item = f32> + '_ {
    let whole = sound.len().max(1) as f32;
    sound.iter().enumerate().map(move |(index, sample)| sample * (1.0 - index as f32 / whole))
}
