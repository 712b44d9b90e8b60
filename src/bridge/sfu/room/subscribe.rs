//! Subscribing: changes to what somebody receives, and the offers that follow from them.

use std::time::Instant;

use super::super::connection::Connection;
use super::super::error::SfuError;
use super::super::handle::ClientId;
use super::super::handle::SfuEvent;
use super::super::handle::SubscribeAnswer;
use super::super::sdp::LineKind;
use super::super::sdp::Setup;
use super::super::sdp::SubscriberAnswer;
use super::super::sdp::SubscriberOffer;
use super::super::subscriber::Feed;
use super::super::subscriber::Subscriber;
use super::super::subscriber::means;
use super::publish::parse;
use super::shared::Shared;
use super::state::Peer;
use super::state::Role;
use super::state::Room;
use crate::model::SessionId;
use crate::model::StreamSubscription;
use crate::model::TrackId;

impl Room {
    /// Adds subscriptions, making the subscriber's connection if there is none.
    pub(in super::super) fn subscribe(
        &mut self,
        client: ClientId,
        add: &[StreamSubscription],
        now: Instant,
        shared: &mut Shared,
    ) -> Result<SubscribeAnswer, SfuError> {
        let participant = self.participants.get(&client).ok_or(SfuError::NotJoined)?;
        let existing = participant.subscriber;
        if let Some(session) = existing {
            return self.change(session, add, &[], now, shared);
        }
        if shared.owners.len() >= shared.limits.peers {
            return Err(SfuError::TooManyPeers);
        }
        // Looked up before anything is made, so that a refusal leaves no trace.
        let feeds = self.find_feeds(add)?;
        let empty = Subscriber::default();
        if empty.lines_after(&feeds, &[]) > shared.limits.mlines_per_peer {
            return Err(SfuError::TooManyTracks);
        }
        let session = SessionId(shared.session_ids.next());
        let connection = Connection::new(&shared.endpoint, true, now);
        let role = Role::Subscriber(Box::default());
        self.insert_peer(session, Peer { client, connection, role }, shared);
        if let Some(participant) = self.participants.get_mut(&client) {
            participant.subscriber = Some(session);
        }
        self.change(session, add, &[], now, shared)
    }

    /// Removes and adds subscriptions of an existing connection.
    pub(in super::super) fn modify(
        &mut self,
        client: ClientId,
        add: &[StreamSubscription],
        remove: &[StreamSubscription],
        now: Instant,
        shared: &mut Shared,
    ) -> Result<SubscribeAnswer, SfuError> {
        let participant = self.participants.get(&client).ok_or(SfuError::NotJoined)?;
        let session = participant.subscriber.ok_or(SfuError::NoSubscriptions)?;
        self.change(session, add, remove, now, shared)
    }

    fn change(
        &mut self,
        session: SessionId,
        add: &[StreamSubscription],
        remove: &[StreamSubscription],
        now: Instant,
        shared: &mut Shared,
    ) -> Result<SubscribeAnswer, SfuError> {
        if add.is_empty() && remove.is_empty() {
            return Err(SfuError::NothingToModify);
        }
        let feeds = if add.is_empty() { Vec::new() } else { self.find_feeds(add)? };
        let limit = shared.limits.mlines_per_peer;
        let Some((subscriber, connection)) = self.subscriber(session) else {
            return Err(SfuError::NoSubscriptions);
        };
        if subscriber.lines_after(&feeds, remove) > limit {
            return Err(SfuError::TooManyTracks);
        }
        subscriber.remove(|stream, track| remove.iter().any(|item| means(item, stream, track)));
        for feed in feeds {
            subscriber.add(feed, connection, &mut shared.rng);
        }
        let offer = offer(subscriber, connection, session, shared);
        self.rebuild_legs();
        self.dirty.insert(session);
        self.settle(now, shared);
        Ok(SubscribeAnswer { session_id: session, offer })
    }

    /// The tracks that subscription items mean now; a whole stream means those that are live.
    fn find_feeds(&self, items: &[StreamSubscription]) -> Result<Vec<Feed>, SfuError> {
        let mut found: Vec<Feed> = Vec::new();
        for item in items {
            let missing = || SfuError::FeedNotFound(item.stream_id);
            let feeds = self.peers.iter().find_map(|(session, peer)| match &peer.role {
                Role::Publisher(publisher)
                    if publisher.stream == item.stream_id && publisher.announced =>
                {
                    Some(publisher.feeds(*session))
                }
                _ => None,
            });
            let before = found.len();
            for feed in feeds.ok_or_else(missing)? {
                if feed.matches(item) && !found.contains(&feed) {
                    found.push(feed);
                }
            }
            let repeated = found.iter().any(|feed| feed.matches(item));
            if found.len() == before && !repeated {
                return Err(missing());
            }
        }
        if found.is_empty() { Err(SfuError::NothingToModify) } else { Ok(found) }
    }

    /// Takes the answer to an offer; a further offer follows if there were changes meanwhile.
    pub(in super::super) fn accept_offer(
        &mut self,
        session: SessionId,
        answer: &str,
        now: Instant,
        shared: &mut Shared,
    ) -> Result<(), SfuError> {
        let description = parse(answer, shared)?;
        let (subscriber, connection) = self.subscriber(session).ok_or(SfuError::UnknownSession)?;
        let kinds = subscriber.pending_kinds().ok_or(SfuError::NoOfferPending)?;
        let answer = SubscriberAnswer::read(&description, &kinds).map_err(SfuError::InvalidSdp)?;
        let before: Vec<_> = subscriber.active().map(|(_, feed)| feed.clone()).collect();
        subscriber.accept(&answer, connection, now).map_err(SfuError::InvalidSdp)?;
        let fresh: Vec<_> = subscriber
            .active()
            .filter(|(_, feed)| connection.is_up() && !before.contains(feed))
            .map(|(_, feed)| (feed.publisher, feed.track.clone()))
            .collect();
        self.rebuild_legs();
        self.want_keyframes(fresh, now);
        self.dirty.insert(session);
        self.reoffer(now, shared);
        self.settle(now, shared);
        Ok(())
    }

    /// Sends an offer to every subscriber that has changes and owes no answer.
    pub(super) fn reoffer(&mut self, _now: Instant, shared: &mut Shared) {
        for (session, peer) in &mut self.peers {
            let Role::Subscriber(subscriber) = &mut peer.role else { continue };
            if let Some(offer_sdp) = offer(subscriber, &mut peer.connection, *session, shared) {
                shared.events.push_back(SfuEvent::Reoffer {
                    room: self.id.clone(),
                    client: peer.client,
                    session_id: *session,
                    offer_sdp,
                });
            }
        }
    }

    /// Asks publishers for keyframes of these tracks, as soon as that may be done.
    pub(super) fn want_keyframes(&mut self, tracks: Vec<(SessionId, TrackId)>, now: Instant) {
        for (session, track) in tracks {
            let Some((publisher, connection)) = self.publisher(session) else { continue };
            publisher.want_keyframe(&track);
            if publisher.ask_keyframes(connection, now) {
                self.dirty.insert(session);
            }
        }
    }

    /// The video tracks that a subscriber receives.
    pub(super) fn active_video(&mut self, session: SessionId) -> Vec<(SessionId, TrackId)> {
        let Some((subscriber, _)) = self.subscriber(session) else { return Vec::new() };
        subscriber
            .active()
            .filter(|(_, feed)| feed.kind == LineKind::Video)
            .map(|(_, feed)| (feed.publisher, feed.track.clone()))
            .collect()
    }
}

fn offer(
    subscriber: &mut Subscriber,
    connection: &mut Connection,
    session: SessionId,
    shared: &Shared,
) -> Option<String> {
    let (lines, version) = subscriber.take_offer()?;
    let transport = connection.local(&shared.endpoint, Setup::ActPass);
    Some(SubscriberOffer { transport, session: session.0, version, lines }.write())
}
