//! Recorded VP8 as an IVF file.
//!
//! The payload descriptor of each packet (RFC 7741 §4.2) is readable; what follows it is a piece
//! of a sealed frame. Only whole frames are opened.

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
use crate::media::container::ivf::IvfWriter;
use crate::media::error::MediaError;
use crate::model::TrackKind;

/// Ticks of the RTP clock of video in a millisecond.
const TICKS_PER_MS: u64 = 90;
/// Longest frame that is put together: more than the longest that can be opened.
const MAX_FRAME: usize = 8 << 20;

/// Writes one track of pictures.
pub struct VideoExport<W> {
    timeline: Timeline,
    cryptor: FrameCryptor,
    reorder: Reorder,
    writer: IvfWriter<W>,
    frame: Vec<u8>,
    /// The number that continues the frame; `None` between frames and after a loss.
    next: Option<u64>,
    unopened: u64,
    unreadable: u64,
    last_ms: u64,
}

impl<W: Write + Seek> VideoExport<W> {
    /// Begins a file for the track whose packets are placed by `timeline`.
    ///
    /// # Errors
    ///
    /// [`MediaError::Io`] if writing fails.
    pub fn new(output: W, timeline: Timeline, keys: Arc<FrameKeys>) -> Result<Self, MediaError> {
        Ok(Self {
            timeline,
            cryptor: FrameCryptor::new(keys),
            reorder: Reorder::default(),
            writer: IvfWriter::new(output)?,
            frame: Vec::new(),
            next: None,
            unopened: 0,
            unreadable: 0,
            last_ms: 0,
        })
    }

    /// Takes the next packet of the track's file.
    ///
    /// # Errors
    ///
    /// [`MediaError::Io`] if writing fails.
    pub fn handle(&mut self, seq: u64, marker: bool, payload: &[u8]) -> Result<(), MediaError> {
        let packet = Queued { seq, marker, payload: payload.to_vec() };
        match self.reorder.push(packet) {
            Some(packet) => self.assemble(&packet),
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
            self.assemble(&packet)?;
        }
        let report = ExportReport {
            packets: self.timeline.packets(),
            lost: self.timeline.lost(),
            unopened: self.unopened,
            unreadable: self.unreadable,
            length_ms: self.last_ms,
        };
        Ok((self.writer.finish()?, report))
    }

    fn assemble(&mut self, packet: &Queued) -> Result<(), MediaError> {
        let Some((starts, piece)) = piece(&packet.payload) else {
            self.unreadable = self.unreadable.saturating_add(1);
            self.next = None;
            return Ok(());
        };
        if starts {
            if self.next.is_some() {
                self.unreadable = self.unreadable.saturating_add(1);
            }
            self.frame.clear();
        } else if self.next != Some(packet.seq) {
            if self.next.take().is_some() {
                self.unreadable = self.unreadable.saturating_add(1);
            }
            return Ok(());
        }
        if self.frame.len().saturating_add(piece.len()) > MAX_FRAME {
            self.next = None;
            return Ok(());
        }
        self.frame.extend_from_slice(piece);
        self.next = packet.seq.checked_add(1);
        if packet.marker {
            self.next = None;
            self.show(packet.seq)?;
        }
        Ok(())
    }

    fn show(&mut self, seq: u64) -> Result<(), MediaError> {
        let Ok(opened) = self.cryptor.open(TrackKind::Video, &self.frame) else {
            self.unopened = self.unopened.saturating_add(1);
            return Ok(());
        };
        // All packets of a frame have one timestamp.
        let place = self.timeline.place(seq).unwrap_or_default();
        let at_ms = u64::try_from(place).unwrap_or_default() / TICKS_PER_MS;
        if self.writer.write(&opened.frame, at_ms)? {
            self.last_ms = self.last_ms.max(at_ms);
        }
        Ok(())
    }
}

/// Takes the payload descriptor off: whether a frame starts here, and the piece of it.
fn piece(payload: &[u8]) -> Option<(bool, &[u8])> {
    let (&first, mut rest) = payload.split_first()?;
    let starts = first & 0x10 != 0 && first & 0x07 == 0;
    if first & 0x80 != 0 {
        let (&extension, after) = rest.split_first()?;
        rest = after;
        if extension & 0x80 != 0 {
            let (&id, after) = rest.split_first()?;
            // A picture id has 7 bits or 15.
            rest = if id & 0x80 != 0 { after.get(1..)? } else { after };
        }
        if extension & 0x40 != 0 {
            rest = rest.get(1..)?;
        }
        if extension & 0x30 != 0 {
            rest = rest.get(1..)?;
        }
    }
    Some((starts, rest)).filter(|(_, piece)| !piece.is_empty())
}
