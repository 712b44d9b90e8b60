//! Publishing: offers of publishers, and what their changes mean for subscribers.

use std::time::Instant;

use super::super::connection::Connection;
use super::super::error::SfuError;
use super::super::handle::ClientId;
use super::super::handle::PublishAnswer;
use super::super::publisher::Leg;
use super::super::publisher::Publisher;
use super::super::sdp::Description;
use super::shared::Shared;
use super::state::Peer;
use super::state::Role;
use super::state::Room;
use crate::model::SessionId;
use crate::model::StreamId;
use crate::model::TrackId;

impl Room {
    /// Answers the first offer of a publisher.
    pub(in super::super) fn publish(
        &mut self,
        client: ClientId,
        offer: &str,
        now: Instant,
        shared: &mut Shared,
    ) -> Result<PublishAnswer, SfuError> {
        let participant = self.participants.get(&client).ok_or(SfuError::NotJoined)?;
        if participant.publisher.is_some() {
            return Err(SfuError::AlreadyPublishing);
        }
        if shared.owners.len() >= shared.limits.peers {
            return Err(SfuError::TooManyPeers);
        }
        let description = parse(offer, shared)?;
        let (user, stream_id) = (participant.user.clone(), participant.stream);
        let mut publisher = Publisher::new(user, stream_id);
        let mut connection = Connection::new(&shared.endpoint, false, now);
        let session_id = SessionId(shared.session_ids.next());
        let answer_sdp =
            publisher.answer(&description, session_id, &mut connection, &shared.endpoint, now)?;
        let tracks = publisher.tracks();
        let role = Role::Publisher(Box::new(publisher));
        self.insert_peer(session_id, Peer { client, connection, role }, shared);
        if let Some(participant) = self.participants.get_mut(&client) {
            participant.publisher = Some(session_id);
        }
        self.settle(now, shared);
        Ok(PublishAnswer { session_id, stream_id, answer_sdp, tracks })
    }

    /// Answers a later offer of a publisher.
    pub(in super::super) fn update(
        &mut self,
        client: ClientId,
        offer: &str,
        now: Instant,
        shared: &mut Shared,
    ) -> Result<PublishAnswer, SfuError> {
        let session_id = self.publisher_session(client)?;
        let description = parse(offer, shared)?;
        let Some((publisher, connection)) = self.publisher(session_id) else {
            return Err(SfuError::NotPublishing);
        };
        let answered =
            publisher.answer(&description, session_id, connection, &shared.endpoint, now);
        let name = connection.credentials().ufrag;
        let (stream_id, tracks) = (publisher.stream, publisher.tracks());
        let live: Vec<TrackId> =
            publisher.feeds(session_id).map(|feed| feed.track.clone()).collect();
        // An ICE restart renames the connection.
        shared.routes.name(session_id, &name);
        self.dirty.insert(session_id);
        if answered.is_ok() {
            self.end_feeds(|stream, track| stream == stream_id && !live.contains(track));
            self.reoffer(now, shared);
        }
        self.settle(now, shared);
        Ok(PublishAnswer { session_id, stream_id, answer_sdp: answered?, tracks })
    }

    /// Ends a publisher's connection at its own wish.
    pub(in super::super) fn unpublish(
        &mut self,
        client: ClientId,
        now: Instant,
        shared: &mut Shared,
    ) -> Result<StreamId, SfuError> {
        let session = self.publisher_session(client)?;
        let participant = self.participants.get_mut(&client).ok_or(SfuError::NotJoined)?;
        participant.publisher = None;
        let stream = participant.stream;
        self.end_peer(session, now, shared);
        self.withdraw(stream, now, shared);
        self.settle(now, shared);
        Ok(stream)
    }

    fn publisher_session(&self, client: ClientId) -> Result<SessionId, SfuError> {
        let participant = self.participants.get(&client).ok_or(SfuError::NotJoined)?;
        participant.publisher.ok_or(SfuError::NotPublishing)
    }

    /// A stream is gone: its subscribers get a new offer.
    pub(super) fn withdraw(&mut self, stream: StreamId, now: Instant, shared: &mut Shared) {
        self.end_feeds(|of, _| of == stream);
        self.reoffer(now, shared);
    }

    fn end_feeds(&mut self, gone: impl Fn(StreamId, &TrackId) -> bool) {
        for peer in self.peers.values_mut() {
            if let Role::Subscriber(subscriber) = &mut peer.role {
                subscriber.remove(&gone);
            }
        }
        self.rebuild_legs();
    }

    /// Tells each publisher anew who receives what. Rooms are small and change rarely.
    pub(super) fn rebuild_legs(&mut self) {
        let mut legs = Vec::new();
        let mut listeners = Vec::new();
        for (session, peer) in &self.peers {
            if let Role::Subscriber(subscriber) = &peer.role {
                for (line, feed) in subscriber.active() {
                    let leg = Leg { session: *session, line };
                    legs.push((feed.publisher, feed.track.clone(), leg));
                }
                listeners.extend(subscriber.data_streams().map(|stream| (stream, *session)));
            }
        }
        for peer in self.peers.values_mut() {
            if let Role::Publisher(publisher) = &mut peer.role {
                publisher.clear_legs();
                for (stream, session) in &listeners {
                    if *stream == publisher.stream && !publisher.listeners.contains(session) {
                        publisher.listeners.push(*session);
                    }
                }
            }
        }
        for (publisher, track, leg) in legs {
            if let Some((publisher, _)) = self.publisher(publisher) {
                publisher.add_leg(&track, leg);
            }
        }
    }
}

pub(super) fn parse<'a>(text: &'a str, shared: &Shared) -> Result<Description<'a>, SfuError> {
    Description::parse(text, shared.limits.sdp_bytes, shared.limits.mlines_per_peer)
        .map_err(SfuError::InvalidSdp)
}
