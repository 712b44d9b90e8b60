//! The task of a call: follows what happens in the room and keeps the subscriptions right.

use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio::time::sleep;
use tokio::time::sleep_until;
use tokio_util::sync::CancellationToken;

use crate::model::Event;
use crate::model::EventKind;
use crate::model::StreamId;
use crate::model::StreamInfo;
use crate::model::StreamRoomId;
use crate::model::StreamSubscription;
use crate::wire::rpc::code;

use super::call::CallStatus;
use super::error::ApiError;
use super::event_queue::EventQueue;
use super::roster::Change;
use super::roster::Person;
use super::roster::Roster;
use super::stream_api::StreamApi;
use super::video::Wanted;
use super::video::WantedPictures;

/// The list of streams is not read more often, whatever happens in the room for long.
const LIST_AT_MOST_EVERY: Duration = Duration::from_secs(1);

/// The pause after the first of several readings; it doubles. What happens while the list is
/// being read makes it worthless, and much happens when several people come back at once.
const LIST_AGAIN: Duration = Duration::from_millis(50);

/// Wait after a failed attempt to subscribe, and the longest one after a failed attempt to
/// restore the call.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// Wait after the first failed attempt to restore the call; it doubles. Somebody is waiting.
const RESTORE_AFTER: Duration = Duration::from_millis(250);

/// A call that has lasted this long since it was restored is sound.
const SOUND_AFTER: Duration = Duration::from_secs(5);

/// What was done in the background.
enum Outcome {
    Changed { change: Change, result: Result<(), ApiError> },
    Listed { revision: u64, result: Result<Vec<StreamInfo>, ApiError> },
    Restored(Result<Option<StreamId>, ApiError>),
}

/// Follows one room.
pub(super) struct CallTask {
    api: StreamApi,
    room: StreamRoomId,
    roster: Roster,
    events: EventQueue,
    people: watch::Sender<Vec<Person>>,
    status: watch::Sender<CallStatus>,
    /// The pictures that somebody looks at.
    looked_at: watch::Receiver<Vec<Wanted>>,
    pictures: WantedPictures,
    stop: CancellationToken,
    /// Requests under way; the events go on meanwhile.
    work: JoinSet<Outcome>,
    restoring: bool,
    /// Attempts to restore the call that failed, or did not hold.
    failures: u32,
    restored_at: Option<Instant>,
    /// The bridge still holds media connections that are of no use any more.
    leave_first: bool,
    listing: bool,
    /// Not before this may the list be read again.
    list_from: Instant,
    /// The pause before that.
    list_pause: Duration,
    /// Subscribing failed; try again then.
    retry_at: Option<Instant>,
}

impl CallTask {
    pub(super) fn new(
        api: StreamApi,
        room: StreamRoomId,
        (roster, events): (Roster, EventQueue),
        (people, status): (watch::Sender<Vec<Person>>, watch::Sender<CallStatus>),
        looked_at: watch::Receiver<Vec<Wanted>>,
        stop: CancellationToken,
    ) -> Self {
        Self {
            api,
            room,
            roster,
            events,
            people,
            status,
            looked_at,
            pictures: WantedPictures::default(),
            stop,
            work: JoinSet::new(),
            restoring: false,
            failures: 0,
            restored_at: None,
            leave_first: false,
            listing: false,
            list_from: Instant::now(),
            list_pause: LIST_AGAIN,
            retry_at: None,
        }
    }

    pub(super) async fn run(mut self) {
        let stop = self.stop.clone();
        let mut broken = self.api.room(&self.room).ok().map(|room| room.broken());
        let reason = loop {
            self.follow_up();
            let wake = self.wake();
            tokio::select! {
                () = stop.cancelled() => break "left".to_owned(),
                event = self.events.next_event() => match event {
                    Some(event) => {
                        if let Some(reason) = self.handle(&event) {
                            break reason;
                        }
                    }
                    None => break "the connection was closed".to_owned(),
                },
                Some(outcome) = self.work.join_next() => {
                    if let Ok(outcome) = outcome
                        && let Some(reason) = self.finish(outcome)
                    {
                        break reason;
                    }
                }
                () = until(wake), if wake.is_some() => {
                    self.retry_at = self.retry_at.filter(|at| *at > Instant::now());
                }
                Ok(()) = self.looked_at.changed() => {
                    let wanted = self.looked_at.borrow_and_update().clone();
                    self.pictures.set(&wanted, Instant::now());
                }
                reason = next_break(&mut broken), if broken.is_some() => match reason {
                    Some(reason) => self.handle_break(reason),
                    None => broken = None,
                },
            }
        };
        self.work.shutdown().await;
        self.status.send_replace(CallStatus::Ended { reason });
        if !stop.is_cancelled()
            && let Err(error) = self.api.leave_stream_room(&self.room).await
        {
            // The microphone is closed all the same.
            tracing::debug!(%error, "the bridge was not told of the end of a call");
        }
    }

    /// Takes a fact; a reason if the call is over.
    fn handle(&mut self, event: &Event) -> Option<String> {
        match &event.kind {
            EventKind::Disconnected { reason } => {
                let reason = reason.clone();
                self.status.send_replace(CallStatus::Reconnecting { reason });
                self.restoring = true;
            }
            EventKind::Connected => {
                self.failures = 0;
                self.restore(Duration::ZERO);
            }
            EventKind::StreamRoomDeleted(room) if *room == self.room => {
                return Some("the room was deleted".to_owned());
            }
            EventKind::StreamRoomUpdated(room) if self.roster.is_removed_by(room) => {
                return Some("you were removed from the room".to_owned());
            }
            EventKind::StreamPublished(data) => {
                self.api.learn(&self.room, std::slice::from_ref(&data.stream));
            }
            EventKind::RemoteStreamsChanged { streams, .. } => {
                self.api.learn(&self.room, streams);
            }
            _ => {}
        }
        self.roster.handle_event(&event.kind);
        None
    }

    /// The bridge can be reached, but sound does not get through any more.
    fn handle_break(&mut self, reason: String) {
        if self.restoring {
            return;
        }
        self.status.send_replace(CallStatus::Reconnecting { reason });
        self.leave_first = true;
        if self.restored_at.is_none_or(|at| at.elapsed() >= SOUND_AFTER) {
            self.failures = 0;
            self.restore(Duration::ZERO);
        } else {
            self.restore_later();
        }
    }

    /// Starts what the facts call for.
    fn follow_up(&mut self) {
        let people = self.roster.people();
        if let Ok(room) = self.api.room(&self.room) {
            room.video.set_watched(room.token, people.len() > 1);
        }
        self.people.send_if_modified(|shown| {
            let changed = *shown != people;
            *shown = people;
            changed
        });
        if self.restoring {
            return;
        }
        self.roster.set_pictures(self.pictures.tracks(Instant::now()));
        if self.retry_at.is_none()
            && let Some(change) = self.roster.poll_change()
        {
            let (api, room) = (self.api.clone(), self.room.clone());
            self.work.spawn(async move {
                let result = change_all(&api, &room, &change).await;
                Outcome::Changed { change, result }
            });
        }
        if self.roster.is_stale() && !self.listing && Instant::now() >= self.list_from {
            self.listing = true;
            // Whoever has not asked for a while may ask again soon.
            let rested = self.list_from.elapsed() >= LIST_AT_MOST_EVERY;
            let doubled = self.list_pause.saturating_mul(2).min(LIST_AT_MOST_EVERY);
            self.list_pause = if rested { LIST_AGAIN } else { doubled };
            self.list_from = Instant::now() + self.list_pause;
            let (api, room) = (self.api.clone(), self.room.clone());
            let revision = self.roster.revision();
            self.work.spawn(async move {
                Outcome::Listed { revision, result: api.list_streams(&room).await }
            });
        }
    }

    /// When to look again without anything having happened.
    fn wake(&self) -> Option<Instant> {
        let list =
            (self.roster.is_stale() && !self.listing && !self.restoring).then_some(self.list_from);
        [list, self.retry_at, self.pictures.due()].into_iter().flatten().min()
    }

    /// Takes the outcome of a request; a reason if the call is over.
    fn finish(&mut self, outcome: Outcome) -> Option<String> {
        match outcome {
            Outcome::Changed { result: Ok(()), .. } => {}
            Outcome::Changed { change, result: Err(error) } => {
                tracing::info!(%error, "subscribing failed");
                self.roster.forget(&change.add);
                self.roster.set_stale();
                self.retry_at = Some(Instant::now() + RETRY_AFTER);
            }
            Outcome::Listed { revision, result } => {
                self.listing = false;
                match result {
                    Ok(list) => self.roster.handle_list_since(revision, list),
                    Err(error) => tracing::info!(%error, "listing failed"),
                }
            }
            Outcome::Restored(Ok(own)) => {
                self.restoring = false;
                self.restored_at = Some(Instant::now());
                self.leave_first = false;
                self.roster.reset();
                self.roster.set_own(own);
                self.roster.set_stale();
                self.list_from = Instant::now();
                self.list_pause = LIST_AGAIN;
                self.status.send_replace(CallStatus::Active);
            }
            Outcome::Restored(Err(error)) if is_final(&error) => {
                return Some(error.to_string());
            }
            Outcome::Restored(Err(error)) => {
                tracing::info!(%error, "the call could not be restored");
                self.restore_later();
            }
        }
        None
    }

    /// Tries again, sooner or later: never in step with everybody else whose call broke.
    fn restore_later(&mut self) {
        let full = RESTORE_AFTER.saturating_mul(1 << self.failures.min(8)).min(RETRY_AFTER);
        self.failures = self.failures.saturating_add(1);
        self.restore(full.mul_f64(rand::random_range(0.5..1.0)));
    }

    fn restore(&mut self, after: Duration) {
        self.restoring = true;
        // What was under way belongs to the lost connection.
        self.work.abort_all();
        self.listing = false;
        let (api, room) = (self.api.clone(), self.room.clone());
        let leave_first = self.leave_first;
        self.work.spawn(async move {
            sleep(after).await;
            let restored = api.reenter(&room, leave_first).await;
            let own = restored.map(|result| result.and_then(|r| r.data).map(|d| d.stream.id));
            Outcome::Restored(own)
        });
    }
}

/// Makes a change at once, and stream by stream where that does not work: one publisher that
/// is not ready must not keep the others from being heard.
async fn change_all(api: &StreamApi, room: &StreamRoomId, change: &Change) -> Result<(), ApiError> {
    let mut streams: Vec<StreamId> = change.add.iter().map(|s| s.stream_id).collect();
    streams.sort_unstable();
    streams.dedup();
    if streams.len() <= 1 {
        return api.modify_remote_streams_subscriptions(room, &change.add, &change.remove).await;
    }
    if api.change_once(room, &change.add, &change.remove).await.is_ok() {
        return Ok(());
    }
    let mut result = Ok(());
    if !change.remove.is_empty() {
        result = api.modify_remote_streams_subscriptions(room, &[], &change.remove).await;
    }
    for stream in streams {
        let of_stream = |s: &&StreamSubscription| s.stream_id == stream;
        let add: Vec<_> = change.add.iter().filter(of_stream).cloned().collect();
        let added = api.modify_remote_streams_subscriptions(room, &add, &[]).await;
        result = result.and(added);
    }
    result
}

/// No further attempt can succeed.
fn is_final(error: &ApiError) -> bool {
    const FINAL: [i64; 3] =
        [code::ACCESS_DENIED, code::STREAM_ROOM_DOES_NOT_EXIST, code::STREAM_ROOM_CLOSED];
    match error {
        ApiError::RoomClosed(_) | ApiError::Untrusted { .. } | ApiError::NotJoined(_) => true,
        error => error.code().is_some_and(|code| FINAL.contains(&code)),
    }
}

/// Waits until a media connection breaks; `None` once the room was left.
async fn next_break(broken: &mut Option<watch::Receiver<String>>) -> Option<String> {
    let broken = broken.as_mut()?;
    broken.changed().await.ok()?;
    Some(broken.borrow_and_update().clone())
}

async fn until(due: Option<Instant>) {
    if let Some(due) = due {
        sleep_until(due).await;
    }
}
