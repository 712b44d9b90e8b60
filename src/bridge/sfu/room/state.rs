//! The room itself: its people, their connections, and the loop that works everything off.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Instant;

use super::super::connection::Connection;
use super::super::connection::Polled;
use super::super::error::SfuError;
use super::super::handle::ClientId;
use super::super::handle::Departure;
use super::super::handle::SfuEvent;
use super::super::publisher::Publisher;
use super::super::subscriber::Subscriber;
use super::shared::Datagram;
use super::shared::Shared;
use crate::model::SessionId;
use crate::model::StreamId;
use crate::model::StreamInfo;
use crate::model::StreamRoomId;
use crate::model::UserId;

/// One room.
#[derive(Debug)]
pub(in super::super) struct Room {
    pub(super) id: StreamRoomId,
    /// The number by which [`Shared::owners`] knows this room.
    pub(super) number: u64,
    pub(super) participants: BTreeMap<ClientId, Participant>,
    pub(super) peers: BTreeMap<SessionId, Peer>,
    /// Connections with something to work off.
    pub(super) dirty: BTreeSet<SessionId>,
}

/// Somebody in the room, connected or not.
#[derive(Debug)]
pub(super) struct Participant {
    pub(super) user: UserId,
    pub(super) stream: StreamId,
    pub(super) publisher: Option<SessionId>,
    pub(super) subscriber: Option<SessionId>,
}

/// One connection of somebody.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) client: ClientId,
    pub(super) connection: Connection,
    pub(super) role: Role,
}

/// Which of the two connections it is.
#[derive(Debug)]
pub(super) enum Role {
    Publisher(Box<Publisher>),
    Subscriber(Box<Subscriber>),
}

impl Room {
    pub(in super::super) const fn new(id: StreamRoomId, number: u64) -> Self {
        Self {
            id,
            number,
            participants: BTreeMap::new(),
            peers: BTreeMap::new(),
            dirty: BTreeSet::new(),
        }
    }

    pub(in super::super) const fn id(&self) -> &StreamRoomId {
        &self.id
    }

    pub(in super::super) fn is_empty(&self) -> bool {
        self.participants.is_empty()
    }

    pub(in super::super) fn clients(&self) -> Vec<ClientId> {
        self.participants.keys().copied().collect()
    }

    pub(in super::super) fn join(
        &mut self,
        client: ClientId,
        user: UserId,
        shared: &mut Shared,
    ) -> Result<StreamId, SfuError> {
        if let Some(participant) = self.participants.get(&client) {
            return Ok(participant.stream);
        }
        if self.participants.len() >= shared.limits.participants_per_room {
            return Err(SfuError::RoomFull);
        }
        let stream = StreamId(shared.stream_ids.next());
        let participant = Participant { user, stream, publisher: None, subscriber: None };
        self.participants.insert(client, participant);
        Ok(stream)
    }

    pub(in super::super) fn leave(
        &mut self,
        client: ClientId,
        now: Instant,
        shared: &mut Shared,
    ) -> Option<Departure> {
        let participant = self.participants.remove(&client)?;
        let stream = participant.stream;
        let subscriptions = match participant.subscriber.and_then(|id| self.subscriber(id)) {
            Some((subscriber, _)) => subscriber.subscriptions(),
            None => Vec::new(),
        };
        if let Some(session) = participant.subscriber {
            self.end_peer(session, now, shared);
        }
        let published = participant.publisher.is_some();
        if let Some(session) = participant.publisher {
            self.end_peer(session, now, shared);
            self.withdraw(stream, now, shared);
        }
        for peer in self.peers.values_mut() {
            if let Role::Subscriber(subscriber) = &mut peer.role {
                subscriber.channels.close(stream, &mut peer.connection);
            }
        }
        self.rebuild_legs();
        self.dirty.extend(self.peers.keys());
        self.settle(now, shared);
        let (room, user) = (self.id.clone(), participant.user);
        Some(Departure { room, user, stream, published, subscriptions })
    }

    /// The streams that can be subscribed to.
    pub(in super::super) fn list(&self) -> Vec<StreamInfo> {
        let infos = self.peers.values().filter_map(|peer| match &peer.role {
            Role::Publisher(publisher) if publisher.announced => Some(publisher.info()),
            _ => None,
        });
        infos.collect()
    }

    /// Whether this client has this connection.
    pub(in super::super) fn owns(&self, client: ClientId, session: SessionId) -> bool {
        self.peers.get(&session).is_some_and(|peer| peer.client == client)
    }

    pub(super) fn publisher(
        &mut self,
        session: SessionId,
    ) -> Option<(&mut Publisher, &mut Connection)> {
        let peer = self.peers.get_mut(&session)?;
        match &mut peer.role {
            Role::Publisher(publisher) => Some((publisher, &mut peer.connection)),
            Role::Subscriber(_) => None,
        }
    }

    pub(super) fn subscriber(
        &mut self,
        session: SessionId,
    ) -> Option<(&mut Subscriber, &mut Connection)> {
        let peer = self.peers.get_mut(&session)?;
        match &mut peer.role {
            Role::Subscriber(subscriber) => Some((subscriber, &mut peer.connection)),
            Role::Publisher(_) => None,
        }
    }

    /// Takes a datagram for one connection.
    pub(in super::super) fn handle_packet(
        &mut self,
        session: SessionId,
        (from, is_check): (SocketAddr, bool),
        data: &[u8],
        now: Instant,
        shared: &mut Shared,
    ) {
        if let Some(peer) = self.peers.get_mut(&session) {
            peer.connection.handle_packet(&shared.endpoint, from, data, is_check, now);
            self.drain(session, now, shared);
            self.settle(now, shared);
        }
    }

    /// Whether a STUN message is authentic.
    pub(in super::super) fn accepts(
        &mut self,
        session: SessionId,
        from: SocketAddr,
        data: &[u8],
        shared: &Shared,
    ) -> bool {
        let peer = self.peers.get_mut(&session);
        peer.is_some_and(|peer| peer.connection.accepts(&shared.endpoint, from, data))
    }

    /// Lets time pass for those connections that wait for it.
    pub(in super::super) fn handle_timeout(&mut self, now: Instant, shared: &mut Shared) {
        let mut restarted = false;
        for (session, peer) in &mut self.peers {
            let mut due = peer.connection.wake().is_none_or(|at| at <= now);
            if let Role::Publisher(publisher) = &mut peer.role {
                due |= publisher.ask_keyframes(&mut peer.connection, now);
            }
            if let Role::Subscriber(subscriber) = &mut peer.role
                && subscriber.restart_if_quiet(&mut peer.connection, now)
            {
                shared.routes.name(*session, &peer.connection.credentials().ufrag);
                restarted = true;
            }
            if due {
                self.dirty.insert(*session);
            }
        }
        if restarted {
            self.reoffer(now, shared);
        }
        self.settle(now, shared);
    }

    /// When [`Self::handle_timeout`] has something to do.
    pub(in super::super) fn wake(&self) -> Option<Instant> {
        let wakes = self.peers.values().flat_map(|peer| {
            let keyframe = match &peer.role {
                Role::Publisher(publisher) => publisher.keyframe_due(),
                Role::Subscriber(_) => None,
            };
            [peer.connection.wake(), keyframe]
        });
        wakes.flatten().min()
    }

    /// Works off everything that the last input led to.
    pub(super) fn settle(&mut self, now: Instant, shared: &mut Shared) {
        while let Some(session) = self.dirty.pop_first() {
            if let Some(peer) = self.peers.get_mut(&session) {
                peer.connection.handle_timeout(now);
                self.drain(session, now, shared);
            }
        }
    }

    /// Takes from one connection what it has to say, and buries it if it is dead.
    fn drain(&mut self, session: SessionId, now: Instant, shared: &mut Shared) {
        while let Some(peer) = self.peers.get_mut(&session) {
            match peer.connection.poll(now) {
                Polled::Transmit(to, data) => shared.outgoing.push_back(Datagram { to, data }),
                Polled::Event(event) => self.handle_event(session, event, now, shared),
                Polled::Wait => break,
            }
        }
        if self.peers.get(&session).is_some_and(|peer| peer.connection.is_dead()) {
            self.bury(session, now, shared);
        }
    }

    /// A connection died by itself.
    fn bury(&mut self, session: SessionId, now: Instant, shared: &mut Shared) {
        let Some(peer) = self.forget_peer(session, shared) else { return };
        shared.stats.failed_peers += 1;
        let (room, client) = (self.id.clone(), peer.client);
        let participant = self.participants.get_mut(&client);
        match peer.role {
            Role::Publisher(publisher) => {
                if let Some(participant) = participant {
                    participant.publisher = None;
                }
                self.withdraw(publisher.stream, now, shared);
                shared.events.push_back(SfuEvent::PublisherGone {
                    room,
                    client,
                    user: publisher.user,
                    session_id: session,
                    stream: publisher.stream,
                    announced: publisher.announced,
                });
            }
            Role::Subscriber(_) => {
                if let Some(participant) = participant {
                    participant.subscriber = None;
                }
                self.rebuild_legs();
                shared.events.push_back(SfuEvent::SubscriberGone {
                    room,
                    client,
                    session_id: session,
                });
            }
        }
    }

    /// Takes in a connection.
    pub(super) fn insert_peer(&mut self, session: SessionId, mut peer: Peer, shared: &mut Shared) {
        shared.routes.name(session, &peer.connection.credentials().ufrag);
        shared.owners.insert(session, self.number);
        self.peers.insert(session, peer);
        self.dirty.insert(session);
    }

    /// Ends a connection that is no longer wanted, with a goodbye to the client.
    pub(super) fn end_peer(&mut self, session: SessionId, now: Instant, shared: &mut Shared) {
        let Some(mut peer) = self.forget_peer(session, shared) else { return };
        peer.connection.close();
        peer.connection.handle_timeout(now);
        loop {
            match peer.connection.poll(now) {
                Polled::Transmit(to, data) => shared.outgoing.push_back(Datagram { to, data }),
                Polled::Event(_) => {}
                Polled::Wait => break,
            }
        }
    }

    fn forget_peer(&mut self, session: SessionId, shared: &mut Shared) -> Option<Peer> {
        shared.routes.remove(session);
        shared.owners.remove(&session);
        self.dirty.remove(&session);
        self.peers.remove(&session)
    }
}
