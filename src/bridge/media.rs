//! Who is in which room's media, and what the others are told about it.
//!
//! The SFU knows connections; this knows which session of which user they belong to, so that
//! calls can be checked, members can be told, and somebody who lost the right to be in a room
//! can be put out of it at once. Methods that change one session's media in one room run one
//! after the other, under the lock that [`Media::lock`] hands out.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use tokio::sync::Mutex as AsyncMutex;
use tokio::sync::Notify;
use tokio::sync::OwnedMutexGuard;

use super::service::MediaCommand;
use super::sfu::ClientId;
use super::sfu::Departure;
use super::sfu::SfuHandle;
use crate::model::ContextId;
use crate::model::SessionId;
use crate::model::SolutionId;
use crate::model::StreamId;
use crate::model::StreamRoomId;
use crate::model::StreamTrackInfo;
use crate::model::UserId;

/// Rooms that one session may be in at a time.
pub const ROOMS_PER_CLIENT: usize = 64;

/// Sessions of one key in one room: a few devices, but not all the seats.
pub const SESSIONS_PER_KEY: usize = 4;

/// One session in one room.
#[derive(Clone, Debug, PartialEq)]
pub struct Participant {
    /// The Context of the room.
    pub context: ContextId,
    /// Who it is there.
    pub user: UserId,
    /// With which key.
    pub pub_key: String,
    /// Through which Solution it logged in.
    pub solution: Option<SolutionId>,
    /// The stream id that it has since it joined.
    pub stream: StreamId,
    /// Its publisher connection, while there is one.
    pub main: Option<SessionId>,
    /// Its subscriber connection, while there is one.
    pub subscriber: Option<SessionId>,
    /// Tracks as they were last announced or answered.
    pub tracks: Vec<StreamTrackInfo>,
    /// Others were told of the stream.
    pub announced: bool,
}

type Key = (ClientId, StreamRoomId);

#[derive(Debug, Default)]
struct State {
    participants: BTreeMap<StreamRoomId, BTreeMap<ClientId, Participant>>,
    locks: HashMap<Key, Arc<AsyncMutex<()>>>,
    /// Rooms that the last one has left; `None` unless somebody wants to know.
    emptied: Option<BTreeSet<StreamRoomId>>,
}

/// How much is going on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MediaCounts {
    /// Rooms with somebody in them.
    pub rooms: usize,
    /// Sessions in rooms.
    pub participants: usize,
    /// Published streams.
    pub streams: usize,
}

/// The media side of the bridge.
#[derive(Debug)]
pub struct Media {
    /// The SFU.
    pub sfu: SfuHandle,
    state: Mutex<State>,
    emptied: Notify,
}

impl Media {
    /// Nobody is in any room yet. `watched`: somebody will ask for [`emptied`](Self::emptied).
    #[must_use]
    pub fn new(sfu: SfuHandle, watched: bool) -> Self {
        let state = State { emptied: watched.then(BTreeSet::new), ..State::default() };
        Self { sfu, state: Mutex::new(state), emptied: Notify::new() }
    }

    /// Waits for rooms that the last one has left, and answers them.
    pub async fn emptied(&self) -> BTreeSet<StreamRoomId> {
        self.emptied.notified().await;
        self.state().emptied.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Whether nobody is in the room.
    #[must_use]
    pub fn is_empty(&self, room: &StreamRoomId) -> bool {
        !self.state().participants.contains_key(room)
    }

    /// How much is going on.
    #[must_use]
    pub fn counts(&self) -> MediaCounts {
        let state = self.state();
        let people = || state.participants.values().flat_map(BTreeMap::values);
        MediaCounts {
            rooms: state.participants.len(),
            participants: people().count(),
            streams: people().filter(|part| part.main.is_some()).count(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing below panics half-way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the turn of this call among those of one session in one room.
    pub async fn lock(&self, client: ClientId, room: &StreamRoomId) -> OwnedMutexGuard<()> {
        let lock = {
            let mut state = self.state();
            // Unused locks go when new ones come, so they can't pile up.
            if state.locks.len() > state.participants.len().saturating_mul(4).max(1024) {
                state.locks.retain(|_, lock| Arc::strong_count(lock) > 1);
            }
            Arc::clone(state.locks.entry((client, room.clone())).or_default())
        };
        lock.lock_owned().await
    }

    /// The session's part in the room, if it is in it.
    #[must_use]
    pub fn participant(&self, client: ClientId, room: &StreamRoomId) -> Option<Participant> {
        self.state().participants.get(room)?.get(&client).cloned()
    }

    /// How many rooms the session is in.
    #[must_use]
    pub fn rooms_of(&self, client: ClientId) -> usize {
        self.state().participants.values().filter(|room| room.contains_key(&client)).count()
    }

    /// The room in which one of the session's connections has this id.
    #[must_use]
    pub fn room_of(&self, client: ClientId, session: SessionId) -> Option<StreamRoomId> {
        let state = self.state();
        let has =
            |part: &Participant| part.main == Some(session) || part.subscriber == Some(session);
        state
            .participants
            .iter()
            .find(|(_, room)| room.get(&client).is_some_and(has))
            .map(|(id, _)| id.clone())
    }

    /// Whether anybody is in the room.
    #[must_use]
    pub fn has_people(&self, room: &StreamRoomId) -> bool {
        self.state().participants.get(room).is_some_and(|people| !people.is_empty())
    }

    /// Whose streams the streams of the room are.
    #[must_use]
    pub fn owners(&self, room: &StreamRoomId) -> Vec<(StreamId, UserId)> {
        let state = self.state();
        let people = state.participants.get(room).into_iter().flat_map(BTreeMap::values);
        people.map(|part| (part.stream, part.user.clone())).collect()
    }

    /// Everybody else in the room.
    #[must_use]
    pub fn others(&self, client: ClientId, room: &StreamRoomId) -> Vec<ClientId> {
        let state = self.state();
        let room = state.participants.get(room);
        room.into_iter().flat_map(|room| room.keys()).copied().filter(|id| *id != client).collect()
    }

    /// Takes note of a session that entered; `false` if too many of its key are there.
    #[must_use]
    pub fn insert(&self, client: ClientId, room: StreamRoomId, participant: Participant) -> bool {
        let mut state = self.state();
        let people = state.participants.entry(room).or_default();
        let own = people
            .iter()
            .filter(|(id, other)| **id != client && other.pub_key == participant.pub_key);
        if own.count() >= SESSIONS_PER_KEY {
            return false;
        }
        people.insert(client, participant);
        true
    }

    /// Changes a participant; `None` if the session is not in the room.
    pub fn update<T>(
        &self,
        client: ClientId,
        room: &StreamRoomId,
        change: impl FnOnce(&mut Participant) -> T,
    ) -> Option<T> {
        let mut state = self.state();
        state.participants.get_mut(room)?.get_mut(&client).map(change)
    }

    fn remove(&self, client: ClientId, room: &StreamRoomId) -> Option<Participant> {
        let mut state = self.state();
        let people = state.participants.get_mut(room)?;
        let participant = people.remove(&client);
        if people.is_empty() {
            state.participants.remove(room);
            if let Some(emptied) = &mut state.emptied {
                emptied.insert(room.clone());
                self.emptied.notify_one();
            }
        }
        participant
    }

    /// Takes a session out of a room; `None` if it was not there.
    pub async fn leave(&self, client: ClientId, room: &StreamRoomId) -> Option<Departure> {
        let participant = self.remove(client, room);
        let departure = self.sfu.leave(room, client).await.ok().flatten();
        // An SFU that is shutting down says nothing; what we know suffices.
        departure.or_else(|| {
            participant.map(|participant| Departure {
                room: room.clone(),
                user: participant.user,
                stream: participant.stream,
                published: participant.main.is_some(),
                subscriptions: Vec::new(),
            })
        })
    }

    /// Takes a session out of all its rooms.
    pub async fn leave_all(&self, client: ClientId) -> Vec<Departure> {
        let rooms: Vec<StreamRoomId> = {
            let state = self.state();
            let rooms = state.participants.iter();
            rooms.filter(|(_, room)| room.contains_key(&client)).map(|(id, _)| id.clone()).collect()
        };
        let mut departures = Vec::with_capacity(rooms.len());
        for room in rooms {
            departures.extend(self.leave(client, &room).await);
        }
        // A join that was cut off half-way may be known to the SFU alone.
        departures.extend(self.sfu.leave_all(client).await.unwrap_or_default());
        departures
    }

    /// Puts out whoever lost the right to be where they are.
    pub async fn carry_out(&self, command: &MediaCommand) -> Vec<(ClientId, Departure)> {
        let mut departures = Vec::new();
        for (client, room) in self.concerned(command) {
            departures.extend(self.leave(client, &room).await.map(|gone| (client, gone)));
        }
        if let MediaCommand::EndRoom(room) = command {
            // Whoever is left got in between; nobody is told of people who were never seen.
            drop(self.sfu.remove_room(room).await);
        }
        departures
    }

    fn concerned(&self, command: &MediaCommand) -> Vec<Key> {
        let state = self.state();
        let is_concerned = |id: &StreamRoomId, part: &Participant| match command {
            MediaCommand::EjectFromRoom { room, pub_keys } => {
                id == room && pub_keys.contains(&part.pub_key)
            }
            MediaCommand::EjectFromContext { context, pub_key } => {
                part.context == *context && part.pub_key == *pub_key
            }
            MediaCommand::EjectFromSolution { context, solution } => {
                part.context == *context && part.solution.as_ref() == Some(solution)
            }
            MediaCommand::EndRoom(room) => id == room,
        };
        let mut concerned = Vec::new();
        for (id, room) in &state.participants {
            for (client, participant) in room {
                if is_concerned(id, participant) {
                    concerned.push((*client, id.clone()));
                }
            }
        }
        concerned
    }
}
