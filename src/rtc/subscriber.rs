//! The connection that receives: the SFU offers, we answer (streams.md §9.5, §9.6, §10.3).

use std::fmt;
use std::time::Instant;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::sync::oneshot;
use tokio::sync::watch;

use super::driver::Inputs;
use super::driver::Task;
use super::error::RtcError;
use super::outbox::Outbox;
use super::peer;
use super::peer::PeerConfig;
use super::peer::PeerState;
use super::stats::PeerStats;
use super::subscribing::Command;
use super::subscribing::Reply;
use super::subscribing::Subscribing;
use crate::model::StreamId;
use crate::model::TrackId;
use crate::model::TrackKind;

/// Commands from the handle to the task; when full, callers wait.
const COMMANDS: usize = 16;
/// Events from the task to the application: 0.4 s of 50 speakers. When full, packets are dropped
/// (and counted), data channels make their senders wait, and everything else waits its turn.
const EVENTS: usize = 1024;

/// What a subscriber tells its owner.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SubscriberEvent {
    /// A line carries this stream from now on.
    Track {
        /// Whose media it is.
        stream_id: StreamId,
        /// The track of the stream, as its publisher and everybody else names it.
        track: TrackId,
        /// The line.
        mid: TrackId,
        /// What it carries.
        kind: TrackKind,
    },
    /// A line does not carry this stream any more.
    TrackEnded {
        /// Whose media it was.
        stream_id: StreamId,
        /// The line.
        mid: TrackId,
        /// What it carried.
        kind: TrackKind,
    },
    /// One packet, in order of arrival.
    Rtp {
        /// Whose media it is.
        stream_id: StreamId,
        /// The line.
        mid: TrackId,
        /// What it is.
        kind: TrackKind,
        /// Sequence number, extended to 64 bits, increasing over the life of the line.
        seq: u64,
        /// RTP timestamp.
        timestamp: u32,
        /// RTP marker: first of a talk spurt, last of a picture.
        marker: bool,
        /// RTP payload.
        payload: Bytes,
        /// When it arrived.
        arrival: Instant,
    },
    /// One data message.
    Data {
        /// Who sent it.
        stream_id: StreamId,
        /// The message.
        payload: Bytes,
    },
    /// The connection changed its state.
    State(PeerState),
}

/// The connection that receives. Dropping it closes it without waiting.
pub struct Subscriber {
    commands: mpsc::Sender<Command>,
    state: watch::Receiver<PeerState>,
    task: Task,
}

impl Subscriber {
    /// Binds sockets and starts the task. Must be called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`RtcError::NoAddress`] or [`RtcError::Socket`] if nothing can be bound.
    pub fn new(config: &PeerConfig) -> Result<(Self, mpsc::Receiver<SubscriberEvent>), RtcError> {
        let sockets = peer::bind(config)?;
        let addresses = sockets.iter().map(|listening| listening.address).collect();
        let (commands, command_queue) = mpsc::channel(COMMANDS);
        let (events, event_queue) = mpsc::channel(EVENTS);
        let (state_sender, state) = watch::channel(PeerState::New);
        let role = Subscribing::new(addresses, state_sender);
        let inputs = Inputs { commands: command_queue, frames: None, messages: None };
        let task = Task::spawn(role, sockets, config, inputs, Outbox::new(Some(events)));
        Ok((Self { commands, state, task }, event_queue))
    }

    /// Answers an offer of the SFU, the first or a later one.
    ///
    /// Tracks that the offer brings or takes away are announced before this returns; packets of
    /// a track only come after its announcement.
    ///
    /// # Errors
    ///
    /// [`RtcError::Sdp`] or [`RtcError::Engine`] if the offer is unusable; everything stays as it
    /// was. [`RtcError::Closed`].
    pub async fn answer(&self, offer: &str) -> Result<String, RtcError> {
        let offer = offer.to_owned();
        self.call(|reply| Command::Answer { offer, reply }).await
    }

    /// Asks the publisher behind a line for a picture that needs no other (PLI).
    ///
    /// Without effect while nothing has come on the line. The SFU passes on at most one per second.
    ///
    /// # Errors
    ///
    /// [`RtcError::UnknownTrack`] if there is no such line, [`RtcError::Closed`].
    pub async fn request_keyframe(&self, mid: &TrackId) -> Result<(), RtcError> {
        let mid = mid.clone();
        self.call(|reply| Command::RequestKeyframe { mid, reply }).await
    }

    /// State of the connection.
    #[must_use]
    pub fn state(&self) -> watch::Receiver<PeerState> {
        self.state.clone()
    }

    /// Counters so far.
    ///
    /// # Errors
    ///
    /// [`RtcError::Closed`].
    pub async fn stats(&self) -> Result<PeerStats, RtcError> {
        self.call(Command::Stats).await
    }

    /// Takes leave of the SFU and ends the task; its sockets are closed when this returns.
    pub async fn close(&self) {
        self.task.close().await;
    }

    async fn call<T>(&self, command: impl FnOnce(Reply<T>) -> Command) -> Result<T, RtcError> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).await.map_err(|_| RtcError::Closed)?;
        answer.await.map_err(|_| RtcError::Closed)?
    }
}

impl fmt::Debug for Subscriber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscriber").field("state", &*self.state.borrow()).finish_non_exhaustive()
    }
}
