//! A bounded queue of events that never makes its writer wait.
//!
//! Events are written by the task that also answers pings and hands out answers, so a
//! reader that is slow must not hold it up. When the queue is full the oldest event that a
//! reader can recover from is dropped ([`essential`] says which are not), and the reader
//! finds the number of dropped ones in [`EventQueue::missed`]; it then reads the state anew
//! (`list_stream_rooms`, `list_streams`).

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::Weak;

use tokio::sync::Notify;

use crate::model::Event;
use crate::model::EventKind;
use crate::model::StreamRoomId;

/// Events between the dispatcher and one reader; when full, the oldest inessential one is
/// dropped, and the oldest of all when there is none.
pub const CAPACITY: usize = 1024;

/// Whether a reader that misses this event can't find out by reading the state again.
#[must_use]
pub fn essential(kind: &EventKind) -> bool {
    matches!(
        kind,
        EventKind::Custom { .. }
            | EventKind::StreamRoomCustom { .. }
            | EventKind::Connected
            | EventKind::Disconnected { .. }
    )
}

/// Which events a queue gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Filter {
    /// Those that the application subscribed to, and facts of this process.
    Application,
    /// Everything about one room, and facts of this process.
    Room(StreamRoomId),
}

#[derive(Debug)]
struct State {
    events: VecDeque<Event>,
    missed: u64,
    closed: bool,
}

#[derive(Debug)]
struct Shared {
    filter: Filter,
    state: Mutex<State>,
    changed: Notify,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing below panics while it holds the lock; even so the queue stays usable.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, event: Event) {
        let mut state = self.lock();
        if state.closed {
            return;
        }
        if state.events.len() >= CAPACITY {
            let victim = state.events.iter().position(|e| !essential(&e.kind)).unwrap_or(0);
            state.events.remove(victim);
            state.missed = state.missed.saturating_add(1);
        }
        state.events.push_back(event);
        drop(state);
        self.changed.notify_one();
    }
}

/// A reader's end: its own copy of every event from the moment it was made.
#[derive(Debug)]
pub struct EventQueue {
    shared: Arc<Shared>,
}

impl EventQueue {
    /// Waits for the next event; `None` once the connection is closed and all is read.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing: the event stays in the queue.
    pub async fn next_event(&mut self) -> Option<Event> {
        loop {
            let changed = self.shared.changed.notified();
            {
                let mut state = self.shared.lock();
                if let Some(event) = state.events.pop_front() {
                    return Some(event);
                }
                if state.closed {
                    return None;
                }
            }
            changed.await;
        }
    }

    /// The next event if there is one now.
    pub fn try_next_event(&mut self) -> Option<Event> {
        self.shared.lock().events.pop_front()
    }

    /// How many events were dropped because this reader was too slow.
    #[must_use]
    pub fn missed(&self) -> u64 {
        self.shared.lock().missed
    }
}

/// The writer's end: hands each event to every reader that wants it.
#[derive(Debug, Default)]
pub(crate) struct EventHub {
    readers: Mutex<Readers>,
}

#[derive(Debug, Default)]
struct Readers {
    queues: Vec<Weak<Shared>>,
    closed: bool,
}

impl EventHub {
    /// Makes a queue for one more reader.
    pub(crate) fn open(&self, filter: Filter) -> EventQueue {
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        let state = State { events: VecDeque::new(), missed: 0, closed: readers.closed };
        let shared = Arc::new(Shared { filter, state: Mutex::new(state), changed: Notify::new() });
        readers.queues.retain(|queue| queue.strong_count() > 0);
        readers.queues.push(Arc::downgrade(&shared));
        EventQueue { shared }
    }

    /// Hands `event` out. `wanted`: the application subscribed to it.
    pub(crate) fn publish(&self, event: &Event, wanted: bool) {
        let readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        for queue in readers.queues.iter().filter_map(Weak::upgrade) {
            let local = is_local(&event.kind);
            let accepts = match &queue.filter {
                Filter::Application => wanted || local,
                Filter::Room(room) => local || event.kind.room() == Some(room),
            };
            if accepts {
                queue.push(event.clone());
            }
        }
    }

    /// Lets readers finish what is queued and then see the end.
    pub(crate) fn close(&self) {
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        readers.closed = true;
        for queue in readers.queues.iter().filter_map(Weak::upgrade) {
            queue.lock().closed = true;
            queue.changed.notify_one();
        }
    }
}

const fn is_local(kind: &EventKind) -> bool {
    matches!(kind, EventKind::Connected | EventKind::Disconnected { .. })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Timestamp;
    use crate::model::UserId;

    fn joined(room: &str, number: usize) -> Event {
        Event {
            timestamp: Timestamp(0),
            subscriptions: Vec::new(),
            kind: EventKind::StreamRoomJoined {
                room: room.into(),
                user: UserId(number.to_string()),
            },
        }
    }

    fn local(kind: EventKind) -> Event {
        Event { timestamp: Timestamp(0), subscriptions: Vec::new(), kind }
    }

    #[test]
    fn full_queue_drops_the_oldest_that_can_be_recovered() {
        let hub = EventHub::default();
        let mut queue = hub.open(Filter::Application);
        hub.publish(&local(EventKind::Connected), false);
        for number in 0..CAPACITY {
            hub.publish(&joined("r", number), true);
        }
        assert_eq!(queue.missed(), 1);
        assert_eq!(queue.try_next_event().unwrap().kind, EventKind::Connected);
        assert_eq!(queue.try_next_event().unwrap(), joined("r", 1));
    }

    #[test]
    fn readers_get_what_they_asked_for() {
        let hub = EventHub::default();
        let mut app = hub.open(Filter::Application);
        let mut room = hub.open(Filter::Room("r".into()));
        hub.publish(&joined("r", 1), false);
        hub.publish(&joined("s", 2), true);
        assert_eq!(app.try_next_event(), Some(joined("s", 2)));
        assert_eq!(app.try_next_event(), None);
        assert_eq!(room.try_next_event(), Some(joined("r", 1)));
        assert_eq!(room.try_next_event(), None);
    }

    #[tokio::test]
    async fn closed_queue_ends_after_what_it_holds() {
        let hub = EventHub::default();
        let mut queue = hub.open(Filter::Application);
        hub.publish(&joined("r", 1), true);
        hub.close();
        assert!(queue.next_event().await.is_some());
        assert!(queue.next_event().await.is_none());
        assert!(hub.open(Filter::Application).next_event().await.is_none());
    }
}
