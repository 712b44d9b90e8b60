//! What arrives on remote streams besides sound: tracks that come and go, messages, pictures.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use crate::media::video::Picture;
use crate::model::StreamId;
use crate::model::TrackId;
use crate::model::TrackKind;

/// Events from a room's subscriber to one listener. When full the newest is dropped: the
/// same task forwards sound, which must not wait for a slow reader.
const CAPACITY: usize = 1024;
/// Pictures that a listener may be behind: others are of more use, and smaller.
const PICTURES: usize = 4;

/// Something that happened on a remote stream.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RemoteStreamEvent {
    /// A track of the stream is being received from now on.
    TrackAdded {
        /// The stream.
        stream: StreamId,
        /// The line of our connection that carries it.
        line: TrackId,
        /// What it carries.
        kind: TrackKind,
    },
    /// A track is not received any more.
    TrackRemoved {
        /// The stream.
        stream: StreamId,
        /// The line of our connection that carried it.
        line: TrackId,
        /// What it carried.
        kind: TrackKind,
    },
    /// A message that authenticated.
    Data {
        /// The stream of the sender.
        stream: StreamId,
        /// The message.
        data: Vec<u8>,
    },
    /// A message that could not be opened and was dropped.
    DataRefused {
        /// The stream that it came on.
        stream: StreamId,
        /// Why, by the codes of official web clients (streams.md §3.3).
        status: i64,
        /// The same by the codes of official native clients.
        native_code: i64,
    },
    /// A picture, decoded. A listener that is behind gets fewer of them.
    Picture {
        /// The stream that it came on.
        stream: StreamId,
        /// The line of our connection that carried it.
        line: TrackId,
        /// The track of the stream, as [`Person::videos`](super::Person) names it.
        track: TrackId,
        /// The picture, as large as it was sent.
        picture: Arc<Picture>,
    },
    /// A frame of sound that could not be opened, shown because
    /// [`drop_broken_frames`](super::StreamApi::drop_broken_frames) is off.
    BrokenFrame {
        /// The stream that it came on.
        stream: StreamId,
        /// The line of our connection that carried it.
        line: TrackId,
        /// The frame as it came.
        frame: Vec<u8>,
        /// Why it could not be opened.
        reason: String,
    },
}

impl RemoteStreamEvent {
    const fn stream(&self) -> StreamId {
        match self {
            Self::TrackAdded { stream, .. }
            | Self::TrackRemoved { stream, .. }
            | Self::Data { stream, .. }
            | Self::DataRefused { stream, .. }
            | Self::Picture { stream, .. }
            | Self::BrokenFrame { stream, .. } => *stream,
        }
    }
}

/// Receives [`RemoteStreamEvent`]s of one room until it is dropped.
#[derive(Debug)]
pub struct RemoteStreamListener {
    events: mpsc::Receiver<RemoteStreamEvent>,
}

impl RemoteStreamListener {
    /// Waits for the next event; `None` once the room was left and all is read.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn next_event(&mut self) -> Option<RemoteStreamEvent> {
        self.events.recv().await
    }
}

#[derive(Debug)]
struct Listener {
    /// Only this one.
    stream: Option<StreamId>,
    pictures: bool,
    sender: mpsc::Sender<RemoteStreamEvent>,
}

/// The listeners of a room.
#[derive(Debug, Default)]
pub(super) struct Listeners {
    list: Mutex<Vec<Listener>>,
    broken_frames: AtomicBool,
}

impl Listeners {
    /// Whether listeners are shown frames that cannot be opened.
    pub(super) fn show_broken_frames(&self, shown: bool) {
        self.broken_frames.store(shown, Ordering::Relaxed);
    }

    /// The same, as set last.
    pub(super) fn shows_broken_frames(&self) -> bool {
        self.broken_frames.load(Ordering::Relaxed)
    }

    /// Adds a listener for one stream, or for all, with or without what they show.
    pub(super) fn add(&self, stream: Option<StreamId>, pictures: bool) -> RemoteStreamListener {
        let (sender, events) = mpsc::channel(CAPACITY);
        let listener = Listener { stream, pictures, sender };
        self.list.lock().unwrap_or_else(PoisonError::into_inner).push(listener);
        RemoteStreamListener { events }
    }

    /// Whoever listens to a stream that was replaced listens to the new one.
    pub(super) fn follow(&self, replaced: impl Fn(StreamId) -> Option<StreamId>) {
        let mut list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        for listener in list.iter_mut() {
            if let Some(new) = listener.stream.and_then(&replaced) {
                listener.stream = Some(new);
            }
        }
    }

    /// Tells every listener that wants to hear it.
    pub(super) fn tell(&self, event: &RemoteStreamEvent) {
        let mut list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        list.retain(|Listener { stream, sender, .. }| {
            if stream.is_some_and(|stream| stream != event.stream()) {
                return !sender.is_closed();
            }
            match sender.try_send(event.clone()) {
                Ok(()) => true,
                Err(TrySendError::Full(_)) => {
                    tracing::warn!("a listener is behind, an event is dropped");
                    true
                }
                Err(TrySendError::Closed(_)) => false,
            }
        });
    }

    /// Shows a picture to those who want to see it and keep up.
    pub(super) fn tell_picture(&self, event: &RemoteStreamEvent) {
        let list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        for Listener { stream, sender, .. } in list.iter().filter(|listener| listener.pictures) {
            let meant = stream.is_none_or(|stream| stream == event.stream());
            if meant && sender.capacity() > CAPACITY.saturating_sub(PICTURES) {
                // One that is gone is forgotten with the next event of another kind.
                let _ = sender.try_send(event.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn listener_hears_its_stream_until_it_is_dropped() {
        let listeners = Listeners::default();
        let mut all = listeners.add(None, true);
        let mut one = listeners.add(Some(StreamId(2)), false);
        let data = |id: i64| RemoteStreamEvent::Data { stream: StreamId(id), data: vec![1] };
        listeners.tell(&data(1));
        listeners.tell(&data(2));
        assert_eq!(all.next_event().await, Some(data(1)));
        assert_eq!(one.next_event().await, Some(data(2)));
        listeners.follow(|stream| (stream == StreamId(2)).then_some(StreamId(3)));
        listeners.tell(&data(3));
        assert_eq!(one.next_event().await, Some(data(3)));
        assert_eq!(all.next_event().await, Some(data(2)));
        assert_eq!(all.next_event().await, Some(data(3)));
        drop(one);
        listeners.tell(&data(3));
        assert_eq!(listeners.list.lock().unwrap().len(), 1);
        drop(listeners);
        assert_eq!(all.next_event().await, Some(data(3)));
        assert_eq!(all.next_event().await, None);
    }
}
