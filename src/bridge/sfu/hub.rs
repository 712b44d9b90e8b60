//! All rooms behind one media port: finds the room and the connection that an input is for.
//!
//! The step function that the driver drives. Inputs are requests, datagrams and the time;
//! outputs are datagrams, events and the time to come back.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::panic::catch_unwind;
use std::time::Instant;

use rand::SeedableRng;
use rand::rngs::StdRng;
use str0m::ice::StunMessage;

use super::config::SfuConfig;
use super::connection::Endpoint;
use super::error::SfuError;
use super::handle::ClientId;
use super::handle::Departure;
use super::handle::PublishAnswer;
use super::handle::SfuEvent;
use super::handle::SubscribeAnswer;
use super::record::RecordSink;
use super::room::Datagram;
use super::room::Room;
use super::room::Shared;
use super::route::Routes;
use super::sequence::Sequence;
use super::stats::SfuStats;
use crate::model::SessionId;
use crate::model::StreamId;
use crate::model::StreamInfo;
use crate::model::StreamRoomId;
use crate::model::StreamSubscription;
use crate::model::UserId;

/// Datagrams beyond an Ethernet frame are dropped: the media library has room for little more,
/// and no client sends them.
pub(super) const MAX_DATAGRAM: usize = 1500;

/// All rooms.
#[derive(Debug)]
pub(super) struct Hub {
    rooms: HashMap<u64, Entry>,
    numbers: HashMap<StreamRoomId, u64>,
    last_number: u64,
    shared: Shared,
}

#[derive(Debug)]
struct Entry {
    room: Room,
    wake: Option<Instant>,
}

impl Hub {
    /// An SFU without rooms whose media port has these addresses.
    pub(super) fn new(
        config: &SfuConfig,
        port: u16,
        candidates: Vec<SocketAddr>,
        seed: u64,
    ) -> Result<Self, SfuError> {
        let mut rng = StdRng::seed_from_u64(seed);
        let shared = Shared {
            endpoint: Endpoint::new(port, candidates, config.limits.data_buffer_bytes)?,
            limits: config.limits,
            tap: config.tap.clone(),
            sinks: HashMap::new(),
            session_ids: Sequence::new(&mut rng),
            stream_ids: Sequence::new(&mut rng),
            rng,
            routes: Routes::default(),
            owners: HashMap::new(),
            outgoing: std::collections::VecDeque::new(),
            events: std::collections::VecDeque::new(),
            stats: SfuStats::default(),
        };
        Ok(Self { rooms: HashMap::new(), numbers: HashMap::new(), last_number: 0, shared })
    }

    /// Takes a datagram from the media port.
    pub(super) fn handle_packet(&mut self, from: SocketAddr, data: &[u8], now: Instant) {
        self.shared.stats.datagrams_in += 1;
        self.shared.stats.bytes_in += data.len() as u64;
        let Some((session, by_name)) = self.find_session(from, data, now) else {
            self.shared.stats.dropped_unknown += 1;
            return;
        };
        let number = self.shared.owners.get(&session);
        let Some(entry) = number.and_then(|number| self.rooms.get_mut(number)) else { return };
        if by_name {
            // Only the owner of the password can teach us an address.
            let authentic = entry.room.accepts(session, from, data, &self.shared);
            if !authentic || !self.shared.routes.learn(session, from, now) {
                self.shared.stats.dropped_unknown += 1;
                return;
            }
        }
        entry.room.handle_packet(session, (from, by_name), data, now, &mut self.shared);
        entry.wake = entry.room.wake();
    }

    /// The connection that a datagram is for, and whether its own words say so.
    fn find_session(
        &mut self,
        from: SocketAddr,
        data: &[u8],
        now: Instant,
    ) -> Option<(SessionId, bool)> {
        let first = *data.first().filter(|_| data.len() <= MAX_DATAGRAM)?;
        if first < 2 {
            // The library must not take us down with it, whatever arrives.
            let name = catch_unwind(AssertUnwindSafe(|| {
                let message = StunMessage::parse(data).ok()?;
                let name = message.is_binding_request().then(|| message.split_username())?;
                name.map(|(local, _)| local.to_owned())
            }));
            if let Ok(Some(name)) = name {
                return Some((self.shared.routes.find_name(&name)?, true));
            }
        }
        Some((self.shared.routes.find_address(from, now)?, false))
    }

    /// Lets time pass.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        for entry in self.rooms.values_mut() {
            if entry.wake.is_some_and(|at| at <= now) {
                entry.room.handle_timeout(now, &mut self.shared);
                entry.wake = entry.room.wake();
            }
        }
    }

    /// When [`Self::handle_timeout`] has something to do.
    pub(super) fn wake(&self) -> Option<Instant> {
        self.rooms.values().filter_map(|entry| entry.wake).min()
    }

    /// The next datagram to send.
    pub(super) fn poll_datagram(&mut self) -> Option<Datagram> {
        self.shared.outgoing.pop_front()
    }

    /// The next thing to tell.
    pub(super) fn poll_event(&mut self) -> Option<SfuEvent> {
        self.shared.events.pop_front()
    }

    pub(super) const fn stats_mut(&mut self) -> &mut SfuStats {
        &mut self.shared.stats
    }

    pub(super) fn stats(&self) -> SfuStats {
        SfuStats {
            rooms: self.rooms.len() as u64,
            peers: self.shared.owners.len() as u64,
            ..self.shared.stats
        }
    }

    pub(super) fn join(
        &mut self,
        id: StreamRoomId,
        client: ClientId,
        user: UserId,
    ) -> Result<StreamId, SfuError> {
        let last = &mut self.last_number;
        let number = *self.numbers.entry(id.clone()).or_insert_with(|| {
            *last += 1;
            *last
        });
        let fresh = || Entry { room: Room::new(id, number), wake: None };
        let entry = self.rooms.entry(number).or_insert_with(fresh);
        let joined = entry.room.join(client, user, &mut self.shared);
        self.tidy(number);
        joined
    }

    pub(super) fn publish(
        &mut self,
        id: &StreamRoomId,
        client: ClientId,
        offer: &str,
        now: Instant,
    ) -> Result<PublishAnswer, SfuError> {
        self.within(id, |room, shared| room.publish(client, offer, now, shared))
            .ok_or(SfuError::NotJoined)?
    }

    pub(super) fn update(
        &mut self,
        id: &StreamRoomId,
        client: ClientId,
        offer: &str,
        now: Instant,
    ) -> Result<PublishAnswer, SfuError> {
        self.within(id, |room, shared| room.update(client, offer, now, shared))
            .ok_or(SfuError::NotJoined)?
    }

    pub(super) fn unpublish(
        &mut self,
        id: &StreamRoomId,
        client: ClientId,
        now: Instant,
    ) -> Result<StreamId, SfuError> {
        self.within(id, |room, shared| room.unpublish(client, now, shared))
            .ok_or(SfuError::NotJoined)?
    }

    pub(super) fn subscribe(
        &mut self,
        id: &StreamRoomId,
        client: ClientId,
        add: &[StreamSubscription],
        now: Instant,
    ) -> Result<SubscribeAnswer, SfuError> {
        self.within(id, |room, shared| room.subscribe(client, add, now, shared))
            .ok_or(SfuError::NotJoined)?
    }

    pub(super) fn modify(
        &mut self,
        id: &StreamRoomId,
        client: ClientId,
        add: &[StreamSubscription],
        remove: &[StreamSubscription],
        now: Instant,
    ) -> Result<SubscribeAnswer, SfuError> {
        self.within(id, |room, shared| room.modify(client, add, remove, now, shared))
            .ok_or(SfuError::NotJoined)?
    }

    pub(super) fn accept_offer(
        &mut self,
        client: ClientId,
        session: SessionId,
        answer: &str,
        now: Instant,
    ) -> Result<(), SfuError> {
        let id = self.room_of(client, session)?;
        self.within(&id, |room, shared| room.accept_offer(session, answer, now, shared))
            .ok_or(SfuError::UnknownSession)?
    }

    /// Takes note of a candidate, which is not needed.
    pub(super) fn trickle(&self, client: ClientId, session: SessionId) -> Result<(), SfuError> {
        self.room_of(client, session).map(drop)
    }

    pub(super) fn leave(
        &mut self,
        id: &StreamRoomId,
        client: ClientId,
        now: Instant,
    ) -> Option<Departure> {
        self.within(id, |room, shared| room.leave(client, now, shared))?
    }

    pub(super) fn leave_all(&mut self, client: ClientId, now: Instant) -> Vec<Departure> {
        let rooms: Vec<StreamRoomId> = self.numbers.keys().cloned().collect();
        rooms.iter().filter_map(|id| self.leave(id, client, now)).collect()
    }

    pub(super) fn list(&self, id: &StreamRoomId) -> Vec<StreamInfo> {
        let entry = self.numbers.get(id).and_then(|number| self.rooms.get(number));
        entry.map(|entry| entry.room.list()).unwrap_or_default()
    }

    pub(super) fn remove_room(&mut self, id: &StreamRoomId, now: Instant) -> Vec<ClientId> {
        let entry = self.numbers.get(id).and_then(|number| self.rooms.get(number));
        let clients = entry.map(|entry| entry.room.clients()).unwrap_or_default();
        for client in &clients {
            self.leave(id, *client, now);
        }
        clients
    }

    /// Begins or ends to record a room.
    pub(super) fn record(&mut self, id: &StreamRoomId, sink: Option<RecordSink>) {
        let begins = sink.is_some();
        match sink {
            Some(sink) => self.shared.sinks.insert(id.clone(), sink),
            None => self.shared.sinks.remove(id),
        };
        if begins {
            self.within(id, |room, _| room.want_all_keyframes());
        }
    }

    /// Ends every connection.
    pub(super) fn close(&mut self, now: Instant) {
        let rooms: Vec<StreamRoomId> = self.numbers.keys().cloned().collect();
        for id in rooms {
            self.remove_room(&id, now);
        }
    }

    fn room_of(&self, client: ClientId, session: SessionId) -> Result<StreamRoomId, SfuError> {
        let number = self.shared.owners.get(&session).ok_or(SfuError::UnknownSession)?;
        let entry = self.rooms.get(number).ok_or(SfuError::UnknownSession)?;
        let owned = entry.room.owns(client, session);
        if owned { Ok(entry.room.id().clone()) } else { Err(SfuError::UnknownSession) }
    }

    fn within<T>(
        &mut self,
        id: &StreamRoomId,
        work: impl FnOnce(&mut Room, &mut Shared) -> T,
    ) -> Option<T> {
        let number = *self.numbers.get(id)?;
        let entry = self.rooms.get_mut(&number)?;
        let done = work(&mut entry.room, &mut self.shared);
        entry.wake = entry.room.wake();
        self.tidy(number);
        Some(done)
    }

    /// Forgets a room that nobody is in.
    fn tidy(&mut self, number: u64) {
        let empty = self.rooms.get(&number).is_some_and(|entry| entry.room.is_empty());
        if let Some(entry) = empty.then(|| self.rooms.remove(&number)).flatten() {
            self.numbers.remove(entry.room.id());
        }
    }
}
